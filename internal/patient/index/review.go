package index

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/patient/match"
)

// laterFor is how long a pair is put off.
const laterFor = 24 * time.Hour

// Verdict is what a human says of a pair.
type Verdict string

// The verdicts.
const (
	SamePerson Verdict = "same"
	Different  Verdict = "different"
	Later      Verdict = "later"
)

// Pair is two patients who may be one person.
type Pair struct {
	ID         string
	A, B       Side
	Bits       float64
	Parts      []match.Part
	FoundAt    time.Time
	LaterAt    time.Time // zero: never put off
	LaterNote  string
	Version    int64
	Verdict    Verdict // "" waiting
	DecidedAt  time.Time
	DecidedBy  string
	OrgA, OrgB string
}

// Side is one patient of a pair, masked as in a search.
type Side struct {
	patient.Patient
	Place  string
	Source string // name of the institution that stated it
	Kind   patient.IdentityKind
}

// propose sets a new patient beside a candidate for a human; a pair on which
// somebody has decided is not asked again.
func (s *Service) propose(ctx context.Context, tx *db.Tx, id string, c Candidate, source string) error {
	if parted, err := s.parted(ctx, tx, id, c.Patient); err != nil || parted {
		return err
	}
	other, err := db.List(ctx, tx, db.Value[string], `SELECT source FROM patient_identity WHERE id = $1`, c.Patient)
	if err != nil {
		return err
	}
	evidence, err := encode(c.Parts)
	if err != nil {
		return err
	}
	orgs := map[string]string{id: source}
	if len(other) > 0 {
		orgs[c.Patient] = other[0]
	}
	a, b := min(id, c.Patient), max(id, c.Patient)
	_, err = tx.Exec(ctx, `
		INSERT INTO patient_review (id, a, b, org_a, org_b, bits, evidence, found_at, later_at, later_note, version, decision, decided_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '', 1, '', '') ON CONFLICT (a, b) DO NOTHING`,
		db.NewID(), a, b, orgs[a], orgs[b], c.Bits, evidence, db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("propose pair: %w", err)
	}
	return nil
}

// Propose compares two registered patients and sets them on the list, for
// whoever doubts that they are two.
func (s *Service) Propose(ctx context.Context, tx *db.Tx, a, b string) error {
	l, err := s.weigh(ctx, tx, a, b)
	if err != nil {
		return err
	}
	source, err := db.List(ctx, tx, db.Value[string], `SELECT source FROM patient_identity WHERE id = $1`, a)
	if err != nil {
		return err
	}
	return s.propose(ctx, tx, a, Candidate{Patient: b, Bits: l.Bits, Parts: l.Parts}, strings.Join(source, ""))
}

const reviewColumns = `id, a, b, org_a, org_b, bits, evidence, found_at, later_at, later_note, version, decision, decided_at, decided_by`

func readPair(scan db.Scan) (p Pair, err error) {
	var found, later, decided db.Time
	var evidence string
	if err := scan(&p.ID, &p.A.ID, &p.B.ID, &p.OrgA, &p.OrgB, &p.Bits, &evidence, &found, &later, &p.LaterNote, &p.Version,
		&p.Verdict, &decided, &p.DecidedBy); err != nil {
		return p, err
	}
	p.FoundAt, p.DecidedAt = found.Time, decided.Time
	if later.UnixMilli() > 0 {
		p.LaterAt = later.Time
	}
	p.Parts, err = decodeParts(evidence)
	return p, err
}

// regionWide reports whether the actor decides for the whole region, not only
// for what his institution has stated.
func regionWide(actor access.Actor) bool { return access.May(actor, access.PatientIndex, access.Any) }

// Reviews returns the pairs that wait for the actor: those of his institution,
// or of the region; likeliest first, put-off ones after their day.
func (s *Service) Reviews(ctx context.Context, actor access.Actor) (list []Pair, err error) {
	if err := access.Require(actor, access.PatientIndex, access.Own); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		list, err = db.List(ctx, tx, readPair, `SELECT `+reviewColumns+` FROM patient_review
			WHERE decision = '' AND later_at <= $1 AND (CAST($2 AS BOOLEAN) OR org_a = $3 OR org_b = $3)
			ORDER BY bits DESC, id LIMIT 100`, db.At(tx.Now), regionWide(actor), actor.Org)
		if err != nil {
			return err
		}
		return s.fillSides(ctx, tx, list)
	})
	return list, err
}

// fillSides reads both patients of each pair, masked.
func (s *Service) fillSides(ctx context.Context, tx *db.Tx, list []Pair) error {
	var ids []string
	for _, p := range list {
		ids = append(ids, p.A.ID, p.B.ID)
	}
	sides, err := s.sides(ctx, tx, ids)
	for i := range list {
		list[i].A, list[i].B = sides[list[i].A.ID], sides[list[i].B.ID]
	}
	return err
}

func (s *Service) sides(ctx context.Context, tx *db.Tx, ids []string) (map[string]Side, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	records, err := s.Patients.Records(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	type origin struct{ id, kind, source string }
	query, args := db.Expand(`
		SELECT i.id, i.kind, coalesce(o.name, '') FROM patient_identity i LEFT JOIN organization o ON o.id = i.source WHERE i.id IN ($list)`, nil, ids)
	origins, err := db.List(ctx, tx, func(scan db.Scan) (o origin, err error) { return o, scan(&o.id, &o.kind, &o.source) }, query, args...)
	if err != nil {
		return nil, err
	}
	out := map[string]Side{}
	for _, r := range records {
		side := Side{Patient: r.Patient}
		if side.Place, err = patient.PlaceName(ctx, tx, r.Region); err != nil {
			return nil, err
		}
		for _, o := range origins {
			if o.id == r.ID {
				side.Kind, side.Source = patient.IdentityKind(o.kind), o.source
			}
		}
		out[r.ID] = side
	}
	return out, nil
}

// Compare returns one pair for deciding, and logs that its two persons were
// looked at.
func (s *Service) Compare(ctx context.Context, actor access.Actor, id string) (p Pair, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		if p, err = s.pair(ctx, tx, actor, id); err != nil {
			return err
		}
		list := []Pair{p}
		if err := s.fillSides(ctx, tx, list); err != nil {
			return err
		}
		p = list[0]
		return s.leaf(ctx, tx, actor, "index.compare", id, "核对是否同一人", p.A.ID, p.B.ID)
	})
	return p, err
}

func (s *Service) pair(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (Pair, error) {
	if err := access.Require(actor, access.PatientIndex, access.Own); err != nil {
		return Pair{}, err
	}
	p, err := db.Get(ctx, tx, "这一对待核对的档案，请回到列表", readPair, `SELECT `+reviewColumns+` FROM patient_review WHERE id = $1`, id)
	if err != nil {
		return Pair{}, err
	}
	if !regionWide(actor) && p.OrgA != actor.Org && p.OrgB != actor.Org {
		return Pair{}, errs.E(errs.Forbidden, "这一对档案不是您所在机构登记的，由登记机构或牵头医院医务科核对")
	}
	return p, nil
}

// Decide is the human's verdict on a pair; took is from seeing it to deciding.
func (s *Service) Decide(ctx context.Context, actor access.Actor, id string, version int64, v Verdict, note string, took time.Duration) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		p, err := s.pair(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		if p.Verdict != "" || p.Version != version {
			return errs.E(errs.Conflict, "这一对档案已由%s处理，请回到列表核对下一对", orSomebody(p.DecidedBy))
		}
		if v == Later {
			return s.putOff(ctx, tx, p, note)
		}
		if v != SamePerson && v != Different {
			return errs.E(errs.Invalid, "请选择“同一人”“不是同一人”或“稍后再定”")
		}
		_, err = tx.Exec(ctx, `
			UPDATE patient_review SET decision = $2, decided_at = $3, decided_by = $4, took_ms = $5, version = version + 1 WHERE id = $1`,
			id, string(v), db.At(tx.Now), signature(actor), max(0, min(took, time.Hour)).Milliseconds())
		if err != nil {
			return fmt.Errorf("decide pair: %w", err)
		}
		if same, err := access.IsSame(ctx, tx, p.A.ID, p.B.ID); err != nil || same {
			return err
		}
		l := PairLink{A: p.A.ID, B: p.B.ID, Same: v == SamePerson, Basis: ByHuman, Bits: p.Bits, Parts: p.Parts, Reason: strings.TrimSpace(note)}
		return s.decide(ctx, tx, actor, l)
	})
}

func orSomebody(name string) string {
	if name == "" {
		return "其他人"
	}
	return name
}

func (s *Service) putOff(ctx context.Context, tx *db.Tx, p Pair, note string) error {
	_, err := tx.Exec(ctx, `UPDATE patient_review SET later_at = $2, later_note = $3, version = version + 1 WHERE id = $1`,
		p.ID, db.At(tx.Now.Add(laterFor)), strings.TrimSpace(note))
	if err != nil {
		return fmt.Errorf("put pair off: %w", err)
	}
	return nil
}

// settleReviews closes waiting pairs that other decisions have answered.
func (s *Service) settleReviews(ctx context.Context, tx *db.Tx, actor access.Actor, members []string) error {
	query, args := db.Expand(`SELECT `+reviewColumns+` FROM patient_review WHERE decision = '' AND a IN ($list) AND b IN ($list)`, nil, members)
	waiting, err := db.List(ctx, tx, readPair, query, args...)
	if err != nil {
		return err
	}
	for _, p := range waiting {
		group, err := access.SamePerson(ctx, tx, p.A.ID)
		if err != nil {
			return err
		}
		if !slices.Contains(group, p.B.ID) {
			continue
		}
		_, err = tx.Exec(ctx, `
			UPDATE patient_review SET decision = 'same', decided_at = $2, decided_by = $3, version = version + 1 WHERE id = $1`,
			p.ID, db.At(tx.Now), signature(actor))
		if err != nil {
			return fmt.Errorf("settle pair: %w", err)
		}
	}
	return nil
}

// Ask sets two registered patients before the actor who doubts that they are
// two, and returns the pair.
func (s *Service) Ask(ctx context.Context, actor access.Actor, a, b string) (id string, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := access.Require(actor, access.PatientIndex, access.Own); err != nil {
			return err
		}
		if same, err := access.IsSame(ctx, tx, a, b); err != nil || same {
			if err == nil {
				err = errs.E(errs.Conflict, "这两份档案已经是同一居民，不需要再比对")
			}
			return err
		}
		l, err := s.weigh(ctx, tx, a, b)
		if err != nil {
			return err
		}
		evidence, err := encode(l.Parts)
		if err != nil {
			return err
		}
		ids, err := db.List(ctx, tx, db.Value[string], `
			INSERT INTO patient_review (id, a, b, org_a, org_b, bits, evidence, found_at, later_at, later_note, version, decision, decided_by)
			VALUES ($1, $2, $3, $4, $4, $5, $6, $7, 0, '', 1, '', '')
			ON CONFLICT (a, b) DO UPDATE SET decision = '', decided_at = NULL, decided_by = '', later_at = 0, bits = excluded.bits,
				evidence = excluded.evidence, org_a = excluded.org_a, version = patient_review.version + 1
			RETURNING id`, db.NewID(), min(a, b), max(a, b), actor.Org, l.Bits, evidence, db.At(tx.Now))
		if err != nil {
			return fmt.Errorf("ask about pair: %w", err)
		}
		id = ids[0]
		return nil
	})
	return id, err
}

// Decided is a decision with the names of its two patients.
type Decided struct {
	Link         PairLink
	NameA, NameB string
}

// Recent returns the latest decisions that the actor may see: on patients that
// his institution has to do with, or all of the region.
func (s *Service) Recent(ctx context.Context, tx *db.Tx, actor access.Actor) ([]Decided, error) {
	links, err := db.List(ctx, tx, readLink, `SELECT `+linkColumns+` FROM patient_link
		WHERE CAST($1 AS BOOLEAN) OR EXISTS (SELECT 1 FROM care_relation c WHERE c.org = $2 AND (c.patient = patient_link.a OR c.patient = patient_link.b))
		ORDER BY decided_at DESC, id DESC LIMIT 50`, regionWide(actor), actor.Org)
	if err != nil {
		return nil, err
	}
	return named(ctx, tx, links)
}
