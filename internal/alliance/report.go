package alliance

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/policy"
)

func policyTitle(clause string) string { return policy.ClauseTitle(clause) }

// Report writes who belonged to what on a day, as the register knew it at
// knownAt. It reads nothing that is not kept in two times: the report of June
// comes out byte for byte the same in December (A13).
func Report(ctx context.Context, tx *db.Tx, day calendar.Date, knownAt time.Time) ([]byte, error) {
	all, err := List(ctx, tx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Alliance) int {
		return strings.Compare(string(a.Kind)+a.Name+a.ID, string(b.Kind)+b.Name+b.ID)
	})
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	rows := [][]string{
		{"医联体成员报表", "统计日 " + string(day), "按 " + knownAt.In(calendar.Shanghai).Format("2006-01-02 15:04:05.000") + " 的登记"},
		{"医联体", "类型", "机构", "角色", "加挂牌子", "自", "至", "依据", "登记人"},
	}
	for _, a := range all {
		members, err := MembersOn(ctx, tx, a.ID, day, knownAt)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(members, func(x, y Membership) int {
			return strings.Compare(string(x.Role)+x.OrgName+x.ID, string(y.Role)+y.OrgName+y.ID)
		})
		for _, m := range members {
			// The end as it was known then: a membership that is cut short later
			// is another row of the register.
			rows = append(rows, []string{a.Name, a.Kind.Title(), m.OrgName, m.Role.Title(), m.Plate, string(m.ValidFrom), string(m.ValidTo), m.Clause, m.KnownBy})
		}
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	return b.Bytes(), nil
}
