package app

import (
	"slices"

	"yilian/internal/access"
	"yilian/internal/web"
)

// ownOnly are the pages that show the actor's own institution and nothing
// else: a bureau's right to the region opens other pages.
var ownOnly = []string{"/contracts"}

// residentPages are the pages of the menu that are about a resident himself.
var residentPages = []string{"/messages", "/record", "/looks"}

// offered says whether the menu of a role has an item. A resident's rights are
// about himself.
func offered(role access.Role, it web.Item) bool {
	if role == access.Resident {
		return slices.Contains(residentPages, it.Path)
	}
	if len(it.Rights) == 0 {
		return true
	}
	return slices.ContainsFunc(it.Rights, func(x string) bool {
		if slices.Contains(ownOnly, it.Path) {
			return access.Allowed(role, access.Right(x), access.Own)
		}
		return access.Has(role, access.Right(x))
	})
}
