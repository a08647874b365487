package referral

import (
	"context"

	"yilian/internal/errs"
)

// GuardNames are the names of all guards that an ordinary referral passes, for
// the proof that an emergency passes none.
func GuardNames() []string {
	var out []string
	for _, table := range [][]guard{formGuards, sendGuards} {
		for _, g := range table {
			out = append(out, g.name)
		}
	}
	return out
}

// WithoutGuard runs fn as if one guard did not exist: what then goes through was
// held up by it alone.
func WithoutGuard(name string, fn func()) {
	for _, table := range [][]guard{formGuards, sendGuards} {
		for i, g := range table {
			if g.name != name {
				continue
			}
			defer func() { table[i] = g }()
			table[i].check = noCheck
			fn()
			return
		}
	}
}

func noCheck(context.Context, *work, *request, *errs.Form) error { return nil }
