package alliance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// Field names a dated fact.
type Field string

// The facts about institutions: whom it belongs to, and, as two separate
// fields (X3 is no opposition), whether it is a legal person of its own and who
// represents it at law. The facts about alliances: whether it is formed or
// ended, and which areas it answers for.
const (
	Affiliation    Field = "affiliation"          // id of the health bureau it belongs to (所属)
	LegalPerson    Field = "legal_person"         // independent, merged
	Representative Field = "legal_representative" // name
	Funding        Field = "funding"              // funding channel, in words
	State          Field = "state"                // formed, ended
	Area           Field = "area"                 // region code; several may hold at once
)

// Title is the field in Chinese.
func (f Field) Title() string {
	return map[Field]string{
		Affiliation: "所属卫生健康行政部门", LegalPerson: "法人资格", Representative: "法定代表人", Funding: "经费渠道",
		State: "医联体状态", Area: "负责片区",
	}[f]
}

// Values of LegalPerson and State.
const (
	Independent = "independent"
	Merged      = "merged"
	Formed      = "formed"
	Ended       = "ended"
)

// Fact is one dated fact in two times.
type Fact struct {
	ID        string
	Subject   string // org, alliance
	SubjectID string
	Field     Field
	Value     string
	Evidence  string // document or decision that it rests on
	Clause    string
	Period
}

const (
	subjectOrg      = "org"
	subjectAlliance = "alliance"
)

func readFact(scan db.Scan) (f Fact, err error) {
	var to db.Null
	var knownFrom, knownTo db.Time
	err = scan(&f.ID, &f.Subject, &f.SubjectID, &f.Field, &f.Value, &f.Evidence, &f.Clause, &f.ValidFrom, &to, &knownFrom, &knownTo, &f.KnownBy, &f.Reason)
	f.ValidTo, f.KnownFrom, f.KnownTo = calendar.Date(to), knownFrom.Time, knownTo.Time
	return f, err
}

// FactsOn returns the facts about an institution or an alliance on a day, as
// the register knew them at knownAt.
func FactsOn(ctx context.Context, tx *db.Tx, id string, day calendar.Date, knownAt time.Time) ([]Fact, error) {
	return db.List(ctx, tx, readFact, `
		SELECT id, subject, subject_id, field, value, evidence, clause, valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_fact
		WHERE subject_id = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to >= $2)
		  AND known_from <= $3 AND (known_to IS NULL OR known_to > $3)
		ORDER BY field, value, id`, id, string(day), db.At(knownAt))
}

// FactHistory returns everything the register ever said about one field, the
// oldest entry first.
func FactHistory(ctx context.Context, tx *db.Tx, id string, field Field) ([]Fact, error) {
	return db.List(ctx, tx, readFact, `
		SELECT id, subject, subject_id, field, value, evidence, clause, valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_fact WHERE subject_id = $1 AND field = $2 ORDER BY known_from, id`, id, string(field))
}

// valueOn is the value of a field that holds once, "" when nothing is recorded.
func valueOn(ctx context.Context, tx *db.Tx, id string, field Field, day calendar.Date, knownAt time.Time) (string, error) {
	all, err := FactsOn(ctx, tx, id, day, knownAt)
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(all, func(f Fact) bool { return f.Field == field }); i >= 0 {
		return all[i].Value, nil
	}
	return "", nil
}

func insertFact(ctx context.Context, tx *db.Tx, f Fact) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO alliance_fact (id, subject, subject_id, field, value, evidence, clause, valid_from, valid_to, known_from, known_to, known_by, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, $11, $12)`,
		db.NewID(), f.Subject, f.SubjectID, string(f.Field), f.Value, f.Evidence, f.Clause, string(f.ValidFrom), db.Null(f.ValidTo),
		db.At(f.KnownFrom), f.KnownBy, f.Reason)
	if err != nil {
		return fmt.Errorf("insert fact: %w", err)
	}
	return nil
}

// setFact says that a field has a value from a day on. What was said about
// later days is superseded, what was said about earlier ones stays.
func setFact(ctx context.Context, tx *db.Tx, f Fact) error {
	history, err := FactHistory(ctx, tx, f.SubjectID, f.Field)
	if err != nil {
		return err
	}
	for _, o := range history {
		if !o.KnownTo.IsZero() || o.ValidTo != "" && o.ValidTo.Before(f.ValidFrom) || f.Field == Area && o.Value != f.Value {
			continue
		}
		if err := closeFact(ctx, tx, o, f.ValidFrom.AddDays(-1), f.Period); err != nil {
			return err
		}
	}
	f.KnownFrom = tx.Now
	return insertFact(ctx, tx, f)
}

// closeFact lets a fact end with a last day; when that is before its first day
// it never held.
func closeFact(ctx context.Context, tx *db.Tx, o Fact, last calendar.Date, by Period) error {
	if _, err := tx.Exec(ctx, `UPDATE alliance_fact SET known_to = $2 WHERE id = $1 AND known_to IS NULL`, o.ID, db.At(tx.Now)); err != nil {
		return fmt.Errorf("supersede fact: %w", err)
	}
	if last.Before(o.ValidFrom) {
		return nil
	}
	o.ValidTo, o.KnownFrom, o.KnownBy, o.Reason = last, tx.Now, by.KnownBy, by.Reason
	return insertFact(ctx, tx, o)
}

// LevelOf is the level of the authority that an institution belongs to on a
// day (所属, not where it stands): recorded, else by its kind and seat.
func LevelOf(ctx context.Context, tx *db.Tx, o organization.Organization, day calendar.Date) (region.Level, error) {
	code, err := authorityRegion(ctx, tx, o, day)
	if err != nil {
		return "", err
	}
	r, err := region.Get(ctx, tx, code)
	return r.Level, err
}

// Authority is the health authority that an institution belongs to (JS-5.3).
func Authority(ctx context.Context, tx *db.Tx, o organization.Organization, day calendar.Date) (organization.Organization, error) {
	if id, err := valueOn(ctx, tx, o.ID, Affiliation, day, tx.Now); err != nil || id != "" {
		if err != nil {
			return organization.Organization{}, err
		}
		return organization.Get(ctx, tx, id)
	}
	code, err := authorityRegion(ctx, tx, o, day)
	if err != nil {
		return organization.Organization{}, err
	}
	return organization.BureauOf(ctx, tx, code)
}

// authorityRegion is the region of the authority.
func authorityRegion(ctx context.Context, tx *db.Tx, o organization.Organization, day calendar.Date) (string, error) {
	id, err := valueOn(ctx, tx, o.ID, Affiliation, day, tx.Now)
	if err != nil {
		return "", err
	}
	if id != "" {
		bureau, err := organization.Get(ctx, tx, id)
		return bureau.Region, err
	}
	line, err := region.Line(ctx, tx, o.Region)
	if err != nil {
		return "", err
	}
	want := region.County
	switch o.Kind {
	case organization.ProvinceHospital:
		want = region.Province
	case organization.CityHospital:
		want = region.City
	}
	for _, r := range line {
		if r.Level == want {
			return r.Code, nil
		}
	}
	for _, r := range line { // its seat is known at a higher level only
		if r.Level == region.City || r.Level == region.Province {
			return r.Code, nil
		}
	}
	return "", errs.E(errs.Invalid, "“%s”的行政区划 %s 没有县、市、省，无法判断所属卫生健康行政部门", o.Short(), o.Region)
}

// AreasOn returns the regions that an alliance answers for on a day.
func AreasOn(ctx context.Context, tx *db.Tx, alliance string, day calendar.Date, knownAt time.Time) ([]string, error) {
	all, err := FactsOn(ctx, tx, alliance, day, knownAt)
	var out []string
	for _, f := range all {
		if f.Field == Area {
			out = append(out, f.Value)
		}
	}
	return out, err
}

// EndedOn returns the day from which an alliance is ended, as known at knownAt;
// "" when it goes on.
func EndedOn(ctx context.Context, tx *db.Tx, alliance string, knownAt time.Time) (calendar.Date, error) {
	all, err := FactHistory(ctx, tx, alliance, State)
	if err != nil {
		return "", err
	}
	for _, f := range all {
		if f.Value == Ended && f.Known(knownAt) {
			return f.ValidFrom, nil
		}
	}
	return "", nil
}

// Document is the field of a rule document that an alliance has to have
// (ZZ-3.1, JS-4.3), by its code in alliance.documents.
func Document(code string) Field { return Field("document." + code) }

// SetDocument records that an alliance has a rule document from a day on.
func (s *Service) SetDocument(ctx context.Context, actor access.Actor, id, code, number string, on calendar.Date) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, err := s.open(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		rules, err := s.Rules(ctx, tx, a, on)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(rules.Documents, func(c policy.Code) bool { return c.Code == code })
		var f errs.Form
		if i < 0 {
			f.Add("code", "本地政策没有要求这份文件")
		}
		f.Require("value", number, "文件名称和文号")
		if _, err := calendar.ParseDate(string(on)); err != nil {
			f.AddErr("on", err)
		}
		if err := f.Err(); err != nil {
			return err
		}
		d := rules.Documents[i]
		err = setFact(ctx, tx, Fact{Subject: subjectAlliance, SubjectID: a.ID, Field: Document(code), Value: strings.TrimSpace(number), Clause: d.Clause,
			Period: Period{ValidFrom: on, KnownBy: actor.Name, Reason: "登记制度文件"}})
		if err != nil {
			return err
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "alliance.document", Object: "alliance", ObjectID: a.ID, Clause: d.Clause, Detail: d.Title})
	})
}
