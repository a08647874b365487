package auditweb

import "yilian/internal/audit"

// ActionTitle is what was done, in the words of the auditor's page.
func ActionTitle(l audit.Leaf) string { return actionTitle(l) }

// ObjectTitle is the kind of thing it was done to, in the words of the page.
func ObjectTitle(object string) string { return objectTitle(object) }

// Detail is the line of the leaf, in the words of the page.
func Detail(l audit.Leaf) string { return detail(l) }
