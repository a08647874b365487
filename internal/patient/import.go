package patient

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
)

// Entry is one person of a bulk load: already checked by its maker.
type Entry struct {
	ID             string // "" gets a new one
	Name           string
	Sex            string
	BirthDate      calendar.Date
	IDType         string
	IDNumber       string
	Phone          string
	Address        string
	Region         string
	Ethnic         string
	InsuranceKind  string
	InsurancePlace string
	Org            string // institution that gets a relation of registration; "" none
	Relations      []EntryRelation
}

// EntryRelation is a relative of an Entry; OtherID names another entry of the
// same or an earlier load.
type EntryRelation struct {
	NewRelation
	From calendar.Date
}

// chunk is how many persons one transaction of Import holds: enough for the
// sorted tokens to fall on neighbouring pages, few enough not to block others.
const chunk = 20000

// Import loads many persons in transactions of some thousands, with one audit
// leaf each, and returns how many. It checks no duplicates beyond the unique
// identity number; a failing chunk leaves the chunks before it. While one chunk
// is written, the next is sealed and spelt.
func (s *Service) Import(ctx context.Context, actor access.Actor, entries iter.Seq[Entry]) (n int, err error) {
	err = s.DB.Roomy(ctx, func() error {
		n, err = s.importAll(ctx, actor, entries)
		return err
	})
	return n, err
}

func (s *Service) importAll(ctx context.Context, actor access.Actor, entries iter.Seq[Entry]) (int, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	batches := make(chan batch, 1)
	var failed error
	go func() {
		defer close(batches)
		failed = s.prepareAll(ctx, actor, entries, batches)
	}()
	total := 0
	for b := range batches {
		if err := s.DB.Tx(ctx, func(tx *db.Tx) error { return s.importBatch(ctx, tx, actor, b) }); err != nil {
			stop()
			for range batches { // until the other side has seen it
			}
			return total, fmt.Errorf("import persons %d to %d: %w", total+1, total+len(b.entries), err)
		}
		total += len(b.entries)
	}
	return total, failed
}

func (s *Service) prepareAll(ctx context.Context, actor access.Actor, entries iter.Seq[Entry], into chan<- batch) error {
	pass := func(list []Entry) error {
		b, err := s.prepare(s.DB.Now(), actor, list)
		if err != nil {
			return err
		}
		select {
		case into <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	list := make([]Entry, 0, chunk)
	for e := range entries {
		if list = append(list, e); len(list) == chunk {
			if err := pass(list); err != nil {
				return err
			}
			list = make([]Entry, 0, chunk)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return pass(list)
}

// batch is persons ready to be written, with their rows.
type batch struct {
	entries                    []Entry
	persons, identities, names []any
}

// prepare makes the rows of some persons, who get an id when they have none.
func (s *Service) prepare(now time.Time, actor access.Actor, list []Entry) (batch, error) {
	now = now.UTC().Truncate(time.Millisecond)
	b := batch{entries: list}
	var keys []tokenKey
	for i := range list {
		e := &list[i]
		if e.ID == "" {
			e.ID = db.NewID()
		}
		r := row{Patient: Patient{ID: e.ID, Name: e.Name, Sex: e.Sex, BirthDate: e.BirthDate, IDType: e.IDType,
			Address: e.Address, Region: e.Region, Ethnic: e.Ethnic, InsuranceKind: e.InsuranceKind,
			InsurancePlace: e.InsurancePlace, Version: 1, CreatedAt: now, ChangedAt: now, ChangedBy: signature(actor)}}
		if err := closeRow(s.Keys, &r, Secret{IDNumber: e.IDNumber, Phone: e.Phone}); err != nil {
			return b, err
		}
		b.persons = append(b.persons, r.args()...)
		b.identities = append(b.identities, ownIdentity(r.Patient, e.Org)...)
		for _, t := range tokens(e.Name) {
			keys = append(keys, tokenKey{t, r.Town(), e.ID, r.BirthDate.Year()})
		}
	}
	b.names = nameRows(keys)
	return b, nil
}

func (s *Service) importBatch(ctx context.Context, tx *db.Tx, actor access.Actor, b batch) error {
	for i := range b.entries {
		tx.Touch("patient", b.entries[i].ID)
	}
	if err := tx.InsertAll(ctx, insertPatient, b.persons); err != nil {
		return err
	}
	if err := tx.InsertAll(ctx, insertIdentity, b.identities); err != nil {
		return err
	}
	if err := tx.InsertAll(ctx, insertToken, b.names); err != nil {
		return err
	}
	if err := s.importRelations(ctx, tx, actor, b.entries); err != nil {
		return err
	}
	return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "patient.import", Object: "patient",
		Outcome: audit.OK, Detail: fmt.Sprintf("批量建档 %d 人", len(b.entries))})
}

type tokenKey struct {
	token, town, id string
	born            int
}

// nameRows are the rows of what names are found by, in the order of the primary
// key, so that a chunk walks the index from left to right.
func nameRows(keys []tokenKey) []any {
	slices.SortFunc(keys, func(a, b tokenKey) int {
		if c := strings.Compare(a.town, b.town); c != 0 {
			return c
		}
		return strings.Compare(a.token, b.token)
	})
	rows := make([]any, 0, 4*len(keys))
	for _, k := range keys {
		rows = append(rows, k.token, k.town, k.born, k.id)
	}
	return rows
}

func (s *Service) importRelations(ctx context.Context, tx *db.Tx, actor access.Actor, batch []Entry) error {
	var rows []any
	for _, e := range batch {
		if e.Org != "" {
			rel := access.CareRelation{Patient: e.ID, Org: e.Org, Basis: access.BasisRegistration, Reference: e.ID}
			if err := access.Relate(ctx, tx, rel); err != nil {
				return err
			}
		}
		for _, n := range e.Relations {
			id := db.NewID()
			sealed, err := seal(s.Keys, n.Phone, "patient.relation/"+id)
			if err != nil {
				return err
			}
			rows = append(rows, id, e.ID, n.Kind, db.Null(n.OtherID), n.Name, sealed, n.Guardian, n.Household,
				string(n.From), "", "", db.At(tx.Now), signature(actor))
			if n.Guardian && n.OtherID != "" {
				until := adulthood(Patient{BirthDate: e.BirthDate}, tx.Now)
				if err := access.Guard(ctx, tx, e.ID, n.OtherID, until); err != nil {
					return err
				}
			}
		}
	}
	return tx.InsertAll(ctx, insertRelation, rows)
}
