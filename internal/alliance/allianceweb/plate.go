package allianceweb

import (
	"slices"

	"yilian/internal/alliance"
)

// plateColumn is the column of the names that members bear beside their own; in
// a region whose document knows none it is left out.
const plateColumn = "加挂牌子"

func plated(list []alliance.Membership) bool {
	return slices.ContainsFunc(list, func(m alliance.Membership) bool { return m.Plate != "" })
}

// columns are the heads of a table of members.
func columns(plates bool, heads ...string) []string {
	if plates {
		return heads
	}
	return slices.DeleteFunc(heads, func(h string) bool { return h == plateColumn })
}
