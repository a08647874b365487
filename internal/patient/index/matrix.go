package index

import (
	"context"
	"time"

	"yilian/internal/db"
)

// Row counts what humans said about one kind of the model's decisions.
type Row struct {
	Same, Different int64 // by a human
	Waiting         int64 // for a human; of links: nobody has objected
}

// Matrix is how the model's decisions have stood up to humans.
type Matrix struct {
	Linked Row // the model linked: Different counts those that a human parted
	Review Row // the model asked
	Fresh  Row // the model saw two persons: Same counts those that a human joined unasked
	Median time.Duration
	Timed  int64 // decisions with a time
	Intake int64 // identities that sources have stated, and what fitted nobody
	Queued int64 // of these: fitted nobody
}

// Asked is how many of the intake needed a human.
func (m Matrix) Asked() int64 {
	return m.Review.Same + m.Review.Different + m.Review.Waiting + m.Queued
}

// Matrix counts decisions from what is stored; nothing is kept beside.
func (s *Service) Matrix(ctx context.Context, tx *db.Tx) (m Matrix, err error) {
	for _, c := range []struct {
		into *int64
		n    func() (int64, error)
	}{
		{&m.Linked.Different, func() (int64, error) {
			return db.Count(ctx, tx, `
				SELECT count(*) FROM patient_link l WHERE l.same AND l.basis = 'model' AND l.ended_at IS NOT NULL
				  AND EXISTS (SELECT 1 FROM patient_link d WHERE d.a = l.a AND d.b = l.b AND NOT d.same AND d.basis = 'human')`)
		}},
		{&m.Linked.Waiting, func() (int64, error) {
			return db.Count(ctx, tx, `SELECT count(*) FROM patient_link WHERE same AND basis = 'model' AND ended_at IS NULL`)
		}},
		{&m.Review.Same, func() (int64, error) {
			return db.Count(ctx, tx, `SELECT count(*) FROM patient_review WHERE decision = 'same'`)
		}},
		{&m.Review.Different, func() (int64, error) {
			return db.Count(ctx, tx, `SELECT count(*) FROM patient_review WHERE decision = 'different'`)
		}},
		{&m.Review.Waiting, func() (int64, error) {
			return db.Count(ctx, tx, `SELECT count(*) FROM patient_review WHERE decision = ''`)
		}},
		{&m.Fresh.Same, func() (int64, error) {
			return db.Count(ctx, tx, `
				SELECT count(*) FROM patient_link l WHERE l.same AND l.basis = 'human' AND l.ended_at IS NULL
				  AND NOT EXISTS (SELECT 1 FROM patient_review r WHERE r.a = l.a AND r.b = l.b)
				  AND NOT EXISTS (SELECT 1 FROM patient_link e WHERE e.a = l.a AND e.b = l.b AND e.basis = 'model')`)
		}},
		{&m.Intake, func() (int64, error) {
			return db.Count(ctx, tx, `SELECT (SELECT count(*) FROM patient_identity WHERE value_index IS NOT NULL) + (SELECT count(*) FROM patient_unmatched)`)
		}},
		{&m.Queued, func() (int64, error) { return db.Count(ctx, tx, `SELECT count(*) FROM patient_unmatched`) }},
		{&m.Timed, func() (int64, error) {
			return db.Count(ctx, tx, `SELECT count(*) FROM patient_review WHERE took_ms IS NOT NULL`)
		}},
	} {
		if *c.into, err = c.n(); err != nil {
			return m, err
		}
	}
	if m.Timed > 0 {
		ms, err := db.List(ctx, tx, db.Value[int64], `
			SELECT took_ms FROM patient_review WHERE took_ms IS NOT NULL ORDER BY took_ms LIMIT 1 OFFSET $1`, m.Timed/2)
		if err != nil {
			return m, err
		}
		m.Median = time.Duration(ms[0]) * time.Millisecond
	}
	return m, nil
}
