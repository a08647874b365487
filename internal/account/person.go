package account

import (
	"context"

	"yilian/internal/access"
	"yilian/internal/db"
)

// OfPerson returns the accounts in use of a practitioner; an account id names
// itself. It is for notices, which go to accounts.
func OfPerson(ctx context.Context, tx *db.Tx, person string) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `
		SELECT id FROM account WHERE (person = $1 OR id = $1) AND state = 'active' ORDER BY id`, person)
}

// Count returns how many accounts there are.
func Count(ctx context.Context, tx *db.Tx) (int64, error) {
	return db.Count(ctx, tx, `SELECT count(*) FROM account`)
}

// WithRole returns the accounts in use that hold an active post of the role at
// any institution.
func WithRole(ctx context.Context, tx *db.Tx, role access.Role) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `
		SELECT DISTINCT p.account FROM account_post p JOIN account a ON a.id = p.account
		WHERE p.role = $1 AND p.state = 'active' AND a.state = 'active'
		  AND p.valid_from <= $2 AND (p.valid_to = '' OR p.valid_to >= $2)
		ORDER BY p.account`, string(role), string(today(tx)))
}

// Orgs returns the institutions at which somebody holds an active post of the role.
func Orgs(ctx context.Context, tx *db.Tx, role access.Role) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `
		SELECT DISTINCT p.org FROM account_post p JOIN account a ON a.id = p.account
		WHERE p.role = $1 AND p.org IS NOT NULL AND p.org <> '' AND p.state = 'active' AND a.state = 'active'
		  AND p.valid_from <= $2 AND (p.valid_to = '' OR p.valid_to >= $2)
		ORDER BY p.org`, string(role), string(today(tx)))
}
