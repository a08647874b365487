package account

import (
	"context"

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
