package patient

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
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
	patients := bulk{query: insertPatient, rows: 40}
	var keys []tokenKey
	for _, e := range batch {
		r := row{Patient: Patient{ID: e.ID, Name: e.Name, Sex: e.Sex, BirthDate: e.BirthDate, IDType: e.IDType,
			Address: e.Address, Region: e.Region, Ethnic: e.Ethnic, InsuranceKind: e.InsuranceKind,
			InsurancePlace: e.InsurancePlace, Version: 1, CreatedAt: tx.Now, ChangedAt: tx.Now, ChangedBy: signature(actor)}}
		if err := closeRow(s.Keys, &r, Secret{IDNumber: e.IDNumber, Phone: e.Phone}); err != nil {
			return err
		}
		if err := patients.add(ctx, tx, r.args()...); err != nil {
			return err
		}
		for _, t := range tokens(e.Name) {
			keys = append(keys, tokenKey{t, r.Town(), e.ID, r.BirthDate.Year()})
		}
	}
	if err := patients.flush(ctx, tx); err != nil {
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
	out := bulk{query: insertToken, rows: 200}
	for _, k := range keys {
		if err := out.add(ctx, tx, k.token, k.town, k.born, k.id); err != nil {
			return err
		}
	}
	return out.flush(ctx, tx)
}

func (s *Service) importRelations(ctx context.Context, tx *db.Tx, actor access.Actor, batch []Entry) error {
	out := bulk{query: insertRelation, rows: 60}
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
			if err := out.add(ctx, tx, id, e.ID, n.Kind, db.Null(n.OtherID), n.Name, sealed, n.Guardian, n.Household,
				string(n.From), "", "", db.At(tx.Now), signature(actor)); err != nil {
				return err
			}
			if n.Guardian && n.OtherID != "" {
				until := adulthood(Patient{BirthDate: e.BirthDate}, tx.Now)
				if err := access.Guard(ctx, tx, e.ID, n.OtherID, until); err != nil {
					return err
				}
			}
		}
	}
	return out.flush(ctx, tx)
}

// bulk gathers rows and inserts many by one statement: the constant statement
// of one row with its tuple of placeholders repeated.
type bulk struct {
	query string
	rows  int // per statement
	args  []any
	width int
}

func (b *bulk) add(ctx context.Context, tx *db.Tx, args ...any) error {
	b.width = len(args)
	b.args = append(b.args, args...)
	if len(b.args) < b.rows*b.width {
		return nil
	}
	return b.flush(ctx, tx)
}

func (b *bulk) flush(ctx context.Context, tx *db.Tx) error {
	if len(b.args) == 0 {
		return nil
	}
	query := repeatTuple(b.query, b.width, len(b.args)/b.width)
	_, err := tx.Exec(ctx, query, b.args...)
	b.args = b.args[:0]
	return err
}

// repeatTuple appends n-1 more tuples of placeholders to an INSERT that ends
// with its first one.
func repeatTuple(query string, width, n int) string {
	var out strings.Builder
	out.WriteString(query)
	for i := width; i < n*width; i++ {
		if i%width == 0 {
			out.WriteString(", (")
		} else {
			out.WriteString(", ")
		}
		out.WriteByte('$')
		out.WriteString(strconv.Itoa(i + 1))
		if i%width == width-1 {
			out.WriteByte(')')
		}
	}
	return out.String()
}
