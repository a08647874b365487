package patient

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

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
const chunk = 10000

// Import loads many persons in transactions of some thousands, with one audit
// leaf each, and returns how many. It checks no duplicates beyond the unique
// identity number; a failing chunk leaves the chunks before it.
func (s *Service) Import(ctx context.Context, actor access.Actor, entries iter.Seq[Entry]) (int, error) {
	total := 0
	batch := make([]Entry, 0, chunk)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := s.DB.Tx(ctx, func(tx *db.Tx) error { return s.importBatch(ctx, tx, actor, batch) })
		if err != nil {
			return fmt.Errorf("import persons %d to %d: %w", total+1, total+len(batch), err)
		}
		total += len(batch)
		batch = batch[:0]
		return nil
	}
	for e := range entries {
		if e.ID == "" {
			e.ID = db.NewID()
		}
		if batch = append(batch, e); len(batch) == chunk {
			if err := flush(); err != nil {
				return total, err
			}
		}
	}
	return total, flush()
}

func (s *Service) importBatch(ctx context.Context, tx *db.Tx, actor access.Actor, batch []Entry) error {
	var rows, identities []any
	var keys []tokenKey
	for _, e := range batch {
		r := row{Patient: Patient{ID: e.ID, Name: e.Name, Sex: e.Sex, BirthDate: e.BirthDate, IDType: e.IDType,
			Address: e.Address, Region: e.Region, Ethnic: e.Ethnic, InsuranceKind: e.InsuranceKind,
			InsurancePlace: e.InsurancePlace, Version: 1, CreatedAt: tx.Now, ChangedAt: tx.Now, ChangedBy: signature(actor)}}
		if err := closeRow(s.Keys, &r, Secret{IDNumber: e.IDNumber, Phone: e.Phone}); err != nil {
			return err
		}
		rows = append(rows, r.args()...)
		tx.Touch("patient", r.ID)
		identities = append(identities, ownIdentity(r.Patient, e.Org)...)
		for _, t := range tokens(e.Name) {
			keys = append(keys, tokenKey{t, r.Town(), e.ID, r.BirthDate.Year()})
		}
	}
	if err := tx.InsertAll(ctx, insertPatient, rows); err != nil {
		return err
	}
	if err := tx.InsertAll(ctx, insertIdentity, identities); err != nil {
		return err
	}
	if err := importTokens(ctx, tx, keys); err != nil {
		return err
	}
	if err := s.importRelations(ctx, tx, actor, batch); err != nil {
		return err
	}
	return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "patient.import", Object: "patient",
		Outcome: audit.OK, Detail: fmt.Sprintf("批量建档 %d 人", len(batch))})
}

type tokenKey struct {
	token, town, id string
	born            int
}

// importTokens inserts in the order of the primary key, so that a chunk walks
// the index from left to right.
func importTokens(ctx context.Context, tx *db.Tx, keys []tokenKey) error {
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
	return tx.InsertAll(ctx, insertToken, rows)
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
