package encounter

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/db"
)

// Uncounted is a visit that a system has sent, that is kept in the record, and
// that is not counted: what it lacks, for those who can have it mended.
type Uncounted struct {
	ID      string // of the Encounter in the record
	Org     string // institution whose system has sent it
	Client  string
	Patient string // "" nobody known
	Number  string // the institution's own number of the visit, "" none
	Started string // as it was written
	Reason  string // in Chinese
	At      time.Time
}

// UncountedPage is how many a page of them shows.
const UncountedPage = 50

// NoteUncounted keeps or renews the reason; without one the visit is forgotten.
func NoteUncounted(ctx context.Context, tx *db.Tx, u Uncounted) error {
	var err error
	if u.Reason == "" {
		_, err = tx.Exec(ctx, `DELETE FROM encounter_uncounted WHERE id = $1 AND org = $2`, u.ID, u.Org)
	} else {
		_, err = tx.Exec(ctx, `
			INSERT INTO encounter_uncounted (id, org, client, patient, number, started, reason, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (id) DO UPDATE SET org = excluded.org, client = excluded.client, patient = excluded.patient, number = excluded.number,
				started = excluded.started, reason = excluded.reason, at = excluded.at`,
			u.ID, u.Org, u.Client, u.Patient, u.Number, u.Started, u.Reason, db.At(tx.Now))
	}
	if err != nil {
		return fmt.Errorf("note uncounted visit %s: %w", u.ID, err)
	}
	return nil
}

// ListUncounted returns those of an institution, the newest first, page by page
// from 1, and how many there are.
func ListUncounted(ctx context.Context, tx *db.Tx, org string, page int) ([]Uncounted, int64, error) {
	n, err := db.Count(ctx, tx, `SELECT count(*) FROM encounter_uncounted WHERE org = $1`, org)
	if err != nil {
		return nil, 0, err
	}
	list, err := db.List(ctx, tx, func(scan db.Scan) (u Uncounted, err error) {
		var at db.Time
		err = scan(&u.ID, &u.Org, &u.Client, &u.Patient, &u.Number, &u.Started, &u.Reason, &at)
		u.At = at.Time
		return u, err
	}, `SELECT id, org, client, patient, number, started, reason, at FROM encounter_uncounted
		WHERE org = $1 ORDER BY at DESC, id DESC LIMIT $2 OFFSET $3`, org, UncountedPage, (max(page, 1)-1)*UncountedPage)
	return list, n, err
}

// WaitingFor are the uncounted visits of an institution with a number, which may
// be counted once no other visit has it.
func WaitingFor(ctx context.Context, tx *db.Tx, org, number string) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT id FROM encounter_uncounted WHERE number = $1 AND org = $2 ORDER BY at, id LIMIT 20`, number, org)
}
