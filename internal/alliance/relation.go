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
	"yilian/internal/region"
)

// RelationKind is a tie that is no membership.
type RelationKind string

// The ties: a city hospital takes a county hospital in trust (GB-2.5), a
// hospital stands between lead and primary members for an area (ZZ-2.1c), a
// hospital above guides one of ours (LL-4.1), a provincial hospital is in touch
// with cities (JS-4.1.1), a hospital has a branch (JS-4.1.2).
const (
	Trust    RelationKind = "trust"
	LinkArea RelationKind = "link"
	Guidance RelationKind = "guidance"
	Contact  RelationKind = "contact"
	Branch   RelationKind = "branch"
)

// RelationKinds returns all kinds.
func RelationKinds() []RelationKind {
	return []RelationKind{Trust, LinkArea, Guidance, Contact, Branch}
}

// Title is the kind in Chinese.
func (k RelationKind) Title() string {
	return map[RelationKind]string{
		Trust: "托管", LinkArea: "承接单位", Guidance: "上级指导医院", Contact: "省级医院联系城市", Branch: "分院（分中心）",
	}[k]
}

// Relation is one tie in two times. From is the stronger side: the trustee, the
// link institution, the hospital above, the provincial hospital, the hospital
// with the branch. An institution outside the register stands by its name.
type Relation struct {
	ID       string
	Kind     RelationKind
	Alliance string
	From     string
	FromName string
	To       string
	ToName   string
	Area     []string // region codes
	Terms    string
	Evidence string
	Clause   string
	Period
}

func readRelation(scan db.Scan) (r Relation, err error) {
	var alliance, from, to, end db.Null
	var area string
	var knownFrom, knownTo db.Time
	err = scan(&r.ID, &r.Kind, &alliance, &from, &r.FromName, &to, &r.ToName, &area, &r.Terms, &r.Evidence, &r.Clause,
		&r.ValidFrom, &end, &knownFrom, &knownTo, &r.KnownBy, &r.Reason)
	r.Alliance, r.From, r.To, r.Area = string(alliance), string(from), string(to), strings.Fields(area)
	r.ValidTo, r.KnownFrom, r.KnownTo = calendar.Date(end), knownFrom.Time, knownTo.Time
	return r, err
}

// RelationsOn returns the ties on a day, as known at knownAt: those of an
// institution on either side, or all when org is "".
func RelationsOn(ctx context.Context, tx *db.Tx, org string, day calendar.Date, knownAt time.Time) ([]Relation, error) {
	return db.List(ctx, tx, readRelation, `
		SELECT id, kind, alliance, from_org, from_name, to_org, to_name, area, terms, evidence, clause,
		       valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_relation
		WHERE (CAST($1 AS TEXT) = '' OR from_org = $1 OR to_org = $1)
		  AND valid_from <= $2 AND (valid_to IS NULL OR valid_to >= $2)
		  AND known_from <= $3 AND (known_to IS NULL OR known_to > $3)
		ORDER BY kind, from_name, to_name, id`, org, string(day), db.At(knownAt))
}

// GetRelation returns one entry.
func GetRelation(ctx context.Context, tx *db.Tx, id string) (Relation, error) {
	return db.Get(ctx, tx, "这条关系记录", readRelation, `
		SELECT id, kind, alliance, from_org, from_name, to_org, to_name, area, terms, evidence, clause,
		       valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_relation WHERE id = $1`, id)
}

func insertRelation(ctx context.Context, tx *db.Tx, r Relation) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO alliance_relation (id, kind, alliance, from_org, from_name, to_org, to_name, area, terms, evidence, clause,
			valid_from, valid_to, known_from, known_to, known_by, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, NULL, $15, $16)`,
		db.NewID(), string(r.Kind), db.Null(r.Alliance), db.Null(r.From), r.FromName, db.Null(r.To), r.ToName, strings.Join(r.Area, " "),
		r.Terms, r.Evidence, r.Clause, string(r.ValidFrom), db.Null(r.ValidTo), db.At(tx.Now), r.KnownBy, r.Reason)
	if err != nil {
		return fmt.Errorf("insert relation: %w", err)
	}
	return nil
}

// Relate records a tie.
func (s *Service) Relate(ctx context.Context, actor access.Actor, r Relation) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := s.mayRelate(ctx, tx, actor, r); err != nil {
			return err
		}
		if err := s.checkRelation(ctx, tx, &r); err != nil {
			return err
		}
		r.KnownBy, r.Reason = actor.Name, strings.TrimSpace(r.Reason)
		if err := insertRelation(ctx, tx, r); err != nil {
			return err
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "alliance.relate", Object: "relation", ObjectID: r.From + r.To,
			Clause: r.Clause, Detail: r.Kind.Title() + "：" + r.FromName + " → " + r.ToName})
	})
}

// Unrelate lets a tie end with a last day.
func (s *Service) Unrelate(ctx context.Context, actor access.Actor, id string, last calendar.Date, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		r, err := GetRelation(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.mayRelate(ctx, tx, actor, r); err != nil {
			return err
		}
		var f errs.Form
		f.Require("reason", reason, "解除的原因")
		if _, err := calendar.ParseDate(string(last)); err != nil {
			f.AddErr("valid_to", err)
		}
		if err := f.Err(); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE alliance_relation SET known_to = $2 WHERE id = $1 AND known_to IS NULL`, id, db.At(tx.Now))
		if err != nil {
			return err
		}
		if n == 0 {
			return overtaken()
		}
		r.ValidTo, r.KnownBy, r.Reason = last, actor.Name, strings.TrimSpace(reason)
		if !last.Before(r.ValidFrom) {
			if err := insertRelation(ctx, tx, r); err != nil {
				return err
			}
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "alliance.unrelate", Object: "relation", ObjectID: id,
			Clause: r.Clause, Detail: r.Kind.Title() + "：" + r.FromName + " → " + r.ToName})
	})
}

// mayRelate lets the offices of the two institutions and the bureaus above one
// of them record a tie.
func (s *Service) mayRelate(ctx context.Context, tx *db.Tx, actor access.Actor, r Relation) error {
	if access.May(actor, access.AllianceEdit, access.Any) {
		return nil
	}
	rel := access.Any
	if a, err := Get(ctx, tx, r.Alliance); err == nil {
		if rel, err = Standing(ctx, tx, actor, a); err != nil {
			return err
		}
	} else if !errs.Is(err, errs.NotFound) {
		return err
	}
	for _, id := range []string{r.From, r.To} {
		if id == "" {
			continue
		}
		if id == actor.Org {
			rel = access.Own
			break
		}
		o, err := organization.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		in, err := inJurisdiction(ctx, tx, actor, o.Region)
		if err != nil {
			return err
		}
		if in {
			rel = access.Region
		}
	}
	return access.Require(actor, access.AllianceEdit, rel)
}

func (s *Service) checkRelation(ctx context.Context, tx *db.Tx, r *Relation) error {
	var f errs.Form
	checkDays(r.Period, &f)
	if r.Kind.Title() == "" {
		f.Add("kind", "请选择关系的类型")
	}
	from, err := s.side(ctx, tx, &f, "from", r.From, &r.FromName)
	if err != nil {
		return err
	}
	if r.Kind != Contact && r.Kind != LinkArea {
		to, err := s.side(ctx, tx, &f, "to", r.To, &r.ToName)
		if err != nil {
			return err
		}
		if r.From != "" && r.From == r.To {
			f.Add("to", "双方是同一家机构，请另选")
		}
		if r.Kind == Trust && f.OK() {
			if err := s.checkTrust(ctx, tx, &f, from, to, r.ValidFrom); err != nil {
				return err
			}
		}
	}
	for _, code := range r.Area {
		if _, err := region.Get(ctx, tx, code); err != nil {
			f.AddErr("area", err)
		}
	}
	switch r.Kind {
	case LinkArea:
		if err := s.checkLink(ctx, tx, &f, r, from); err != nil {
			return err
		}
	case Contact:
		if len(r.Area) == 0 {
			f.Add("area", "请选择联系的城市")
		}
	}
	return f.Err()
}

// side checks one side: an institution of the register, or a name.
func (s *Service) side(ctx context.Context, tx *db.Tx, f *errs.Form, field, id string, name *string) (organization.Organization, error) {
	*name = strings.TrimSpace(*name)
	if id == "" {
		if *name == "" {
			f.Add(field, "请选择机构，或填写系统外机构的名称")
		}
		return organization.Organization{}, nil
	}
	o, err := organization.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) {
		f.Add(field, "没有这家机构，请重新选择")
		return o, nil
	}
	*name = o.Name
	return o, err
}

// checkTrust: a hospital of the city or above takes a county hospital (GB-2.5).
func (s *Service) checkTrust(ctx context.Context, tx *db.Tx, f *errs.Form, from, to organization.Organization, day calendar.Date) error {
	if to.ID == "" {
		f.Add("to", "托管的县级医院须是系统内的机构")
		return nil
	}
	if from.ID == "" {
		return nil // an outside hospital is judged by people
	}
	above, err := LevelOf(ctx, tx, from, day)
	if err != nil {
		return err
	}
	below, err := LevelOf(ctx, tx, to, day)
	if err != nil {
		return err
	}
	if above == region.County || below != region.County || !from.Kind.Hospital() || !to.Kind.Hospital() {
		f.Add("to", "托管由城市医院托管县级医院（GB-2.5）：“%s”属%s，“%s”属%s", from.Short(), above.Title(), to.Short(), below.Title())
	}
	return nil
}

// checkLink: a link institution belongs to an alliance and has an area that no
// other link of the alliance has (ZZ-2.1c).
func (s *Service) checkLink(ctx context.Context, tx *db.Tx, f *errs.Form, r *Relation, from organization.Organization) error {
	a, err := Get(ctx, tx, r.Alliance)
	if errs.Is(err, errs.NotFound) {
		f.Add("alliance", "请选择承接单位所在的医联体")
		return nil
	}
	if err != nil {
		return err
	}
	rules, err := s.Rules(ctx, tx, a, r.ValidFrom)
	if err != nil {
		return err
	}
	r.To, r.ToName = "", a.Name
	if len(r.Area) == 0 && rules.LinkArea.Is {
		f.Add("area", "承接单位要写明负责的区域（%s）", rules.LinkArea.Clause)
	}
	if from.ID != "" && len(rules.LinkEligible) > 0 {
		c, err := s.candidate(ctx, tx, from, a, r.ValidFrom)
		if err != nil {
			return err
		}
		if !c.Answers(rules.LinkEligible) {
			f.Add("from", "“%s”不能作为承接单位：应为%s（%s）", from.Short(), rules.LinkEligible[0].Title, rules.LinkEligible[0].Clause)
		}
	}
	others, err := RelationsOn(ctx, tx, "", r.ValidFrom, tx.Now)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Kind != LinkArea || o.Alliance != r.Alliance {
			continue
		}
		for _, code := range r.Area {
			if slices.Contains(o.Area, code) {
				f.Add("area", "片区 %s 自 %s 起已由“%s”承接", code, o.ValidFrom, o.FromName)
			}
		}
	}
	return nil
}
