package audit

import (
	"context"
	"sync"

	"yilian/internal/crypto"
	"yilian/internal/db"
)

// Log is the audit log of one database.
type Log struct {
	d    *db.DB
	keys *crypto.Keyring

	mu       sync.Mutex
	waiting  []*entry // leaves of reads that wait for the next group commit
	flushing bool
	groups   int // committed groups, for tests
}

type entry struct {
	leaf Leaf
	done chan error
}

// New makes the log of d; keys hash the leaves and sign the checkpoints.
func New(d *db.DB, keys *crypto.Keyring) *Log { return &Log{d: d, keys: keys} }

// Append records leaf. In a writing transaction it is part of that transaction.
// In a read-only one it joins the group that is committed next, and Append
// returns once the group is durable: the caller answers only after that.
func (l *Log) Append(ctx context.Context, tx *db.Tx, leaf Leaf) error { return nil }

// Seal chains all leaves that are not yet chained and returns how many. Any
// number of processes may seal at once.
func (l *Log) Seal(ctx context.Context) (int, error) { return 0, nil }

// Run seals every second and signs checkpoints until ctx ends.
func (l *Log) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Verify walks the whole chain and names the first broken leaf.
func (l *Log) Verify(ctx context.Context) (Report, error) { return Report{}, nil }

// Search returns the leaves that match f, newest first.
func Search(ctx context.Context, tx *db.Tx, f Filter) ([]Leaf, error) { return nil, nil }

// AccessesOf returns who looked at or changed the data of a patient, newest
// first, without the patient's own visits and the program's own work.
func (l *Log) AccessesOf(ctx context.Context, tx *db.Tx, patient string, limit int) ([]Leaf, error) {
	return nil, nil
}
