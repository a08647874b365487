package index

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/patient/match"
)

// Link says that two patients are one person; only a human may say so again
// after a human has parted them.
func (s *Service) Link(ctx context.Context, actor access.Actor, a, b, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := access.Require(actor, access.PatientIndex, access.Own); err != nil {
			return err
		}
		return s.LinkTx(ctx, tx, actor, a, b, ByHuman, reason)
	})
}

// LinkTx is Link in the transaction of a caller that has made the decision.
func (s *Service) LinkTx(ctx context.Context, tx *db.Tx, actor access.Actor, a, b string, basis Basis, reason string) error {
	if a == b {
		return errs.E(errs.Invalid, "这是同一份档案，不需要合并")
	}
	if same, err := access.IsSame(ctx, tx, a, b); err != nil {
		return err
	} else if same {
		return errs.E(errs.Conflict, "这两份档案已经合并为同一居民，不需要再次合并")
	}
	l, err := s.weigh(ctx, tx, a, b)
	if err != nil {
		return err
	}
	l.Same, l.Basis, l.Reason = true, basis, strings.TrimSpace(reason)
	if l.Reason == "" {
		var f errs.Form
		f.Require("reason", "", "认定为同一人的依据，例如“核对身份证原件”")
		return f.Err()
	}
	return s.decide(ctx, tx, actor, l)
}

// weigh compares two patients as they are registered now.
func (s *Service) weigh(ctx context.Context, tx *db.Tx, a, b string) (PairLink, error) {
	records, err := s.Patients.Records(ctx, tx, []string{a, b})
	if err != nil {
		return PairLink{}, err
	}
	if len(records) != 2 {
		return PairLink{}, errs.E(errs.NotFound, "没有找到要比对的居民档案，请刷新页面")
	}
	w := s.Weights.Model.Weigh(match.Compare(records[0].Compared, records[1].Compared))
	return PairLink{A: a, B: b, Bits: w.Bits, Parts: w.Parts}, nil
}

// decide writes a decision on a pair, ends the one before, and rewrites who is
// one person. A human's "two persons" between any two of the groups stops
// everybody but a human.
func (s *Service) decide(ctx context.Context, tx *db.Tx, actor access.Actor, l PairLink) error {
	if l.Same && l.Basis == ByModel {
		if parted, err := s.parted(ctx, tx, l.A, l.B); err != nil || parted {
			return err
		}
	}
	members, err := s.members(ctx, tx, l.A, l.B)
	if err != nil {
		return err
	}
	if l.Same {
		if err := s.endDifferences(ctx, tx, actor, members, l); err != nil {
			return err
		}
	}
	if err := insertLink(ctx, tx, actor, l); err != nil {
		return err
	}
	if err := s.regroup(ctx, tx, members); err != nil {
		return err
	}
	if err := s.settleReviews(ctx, tx, actor, members); err != nil {
		return err
	}
	action, detail := "index.link", "认定为同一人（"+l.Basis.Title()+"）"
	if !l.Same {
		action, detail = "index.differ", "认定为不同的人（"+l.Basis.Title()+"）"
	}
	if l.Reason != "" {
		detail += "：" + l.Reason
	}
	return s.leaf(ctx, tx, actor, action, l.A+"/"+l.B, detail, l.A, l.B)
}

// insertLink writes a decision over the living one of the pair.
func insertLink(ctx context.Context, tx *db.Tx, actor access.Actor, l PairLink) error {
	a, b := min(l.A, l.B), max(l.A, l.B)
	if _, err := tx.Exec(ctx, `
		UPDATE patient_link SET ended_at = $3, ended_by = $4, end_reason = $5 WHERE a = $1 AND b = $2 AND ended_at IS NULL`,
		a, b, db.At(tx.Now), signature(actor), l.Reason); err != nil {
		return fmt.Errorf("end former decision: %w", err)
	}
	evidence, err := encode(l.Parts)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO patient_link (id, a, b, same, basis, bits, evidence, reason, decided_at, decided_by, ended_by, end_reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, '', '')`,
		db.NewID(), a, b, l.Same, string(l.Basis), l.Bits, evidence, l.Reason, db.At(tx.Now), signature(actor))
	if err != nil {
		return fmt.Errorf("insert decision on a pair: %w", err)
	}
	return nil
}

// members are all patients of the groups of the given ones.
func (s *Service) members(ctx context.Context, tx *db.Tx, patients ...string) ([]string, error) {
	var out []string
	for _, p := range patients {
		group, err := access.SamePerson(ctx, tx, p)
		if err != nil {
			return nil, err
		}
		out = append(out, group...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// parted reports whether a human holds somebody of the one group and somebody
// of the other to be two persons.
func (s *Service) parted(ctx context.Context, tx *db.Tx, a, b string) (bool, error) {
	one, err := access.SamePerson(ctx, tx, a)
	if err != nil {
		return false, err
	}
	other, err := access.SamePerson(ctx, tx, b)
	if err != nil {
		return false, err
	}
	live, err := liveLinks(ctx, tx, slices.Concat(one, other))
	return slices.ContainsFunc(live, func(l PairLink) bool {
		across := slices.Contains(one, l.A) && slices.Contains(other, l.B) || slices.Contains(one, l.B) && slices.Contains(other, l.A)
		return !l.Same && across
	}), err
}

// endDifferences takes back every "two persons" that stands between the two
// groups a human now joins; he was shown them.
func (s *Service) endDifferences(ctx context.Context, tx *db.Tx, actor access.Actor, members []string, l PairLink) error {
	live, err := liveLinks(ctx, tx, members)
	if err != nil {
		return err
	}
	for _, d := range live {
		if d.Same {
			continue
		}
		_, err := tx.Exec(ctx, `UPDATE patient_link SET ended_at = $2, ended_by = $3, end_reason = $4 WHERE id = $1`,
			d.ID, db.At(tx.Now), signature(actor), l.Reason)
		if err != nil {
			return fmt.Errorf("end difference: %w", err)
		}
	}
	return nil
}

const linkColumns = `id, a, b, same, basis, bits, evidence, reason, decided_at, decided_by, ended_at, ended_by, end_reason`

func readLink(scan db.Scan) (l PairLink, err error) {
	var at, ended db.Time
	var evidence string
	if err := scan(&l.ID, &l.A, &l.B, &l.Same, &l.Basis, &l.Bits, &evidence, &l.Reason, &at, &l.By, &ended, &l.EndedBy, &l.EndReason); err != nil {
		return l, err
	}
	l.At, l.EndedAt = at.Time, ended.Time
	l.Parts, err = decodeParts(evidence)
	return l, err
}

// liveLinks are the living decisions among patients.
func liveLinks(ctx context.Context, tx *db.Tx, members []string) ([]PairLink, error) {
	query, args := db.Expand(`SELECT `+linkColumns+` FROM patient_link WHERE ended_at IS NULL AND a IN ($list) AND b IN ($list)`, nil, members)
	return db.List(ctx, tx, readLink, query, args...)
}

// regroup rewrites which of the members are one person: who hangs together by
// living decisions.
func (s *Service) regroup(ctx context.Context, tx *db.Tx, members []string) error {
	live, err := liveLinks(ctx, tx, members)
	if err != nil {
		return err
	}
	groups := components(members, live)
	if err := access.SetSame(ctx, tx, groups...); err != nil {
		return err
	}
	for _, g := range groups {
		records, err := s.Patients.Records(ctx, tx, g)
		if err != nil {
			return err
		}
		if err := patient.SetResident(ctx, tx, headOf(records), g); err != nil {
			return err
		}
	}
	return nil
}

// components are the groups of members that living "one person" decisions
// connect, in the order of members.
func components(members []string, live []PairLink) [][]string {
	group := map[string]int{}
	for i, m := range members {
		group[m] = i
	}
	for changed := true; changed; {
		changed = false
		for _, l := range live {
			low := min(group[l.A], group[l.B])
			if l.Same && (group[l.A] != low || group[l.B] != low) {
				group[l.A], group[l.B], changed = low, low, true
			}
		}
	}
	var out [][]string
	for i := range members {
		var g []string
		for _, m := range members {
			if group[m] == i {
				g = append(g, m)
			}
		}
		if len(g) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// headOf is the surviving record: who has shown an identity card before who has
// another paper, who has a name before who has none, then the older record.
func headOf(records []patient.Record) string {
	rank := func(r patient.Record) int {
		switch {
		case r.IDType == patient.IDCard:
			return 0
		case r.IDType != "":
			return 1
		case !match.Unnamed(r.Name):
			return 2
		}
		return 3
	}
	best := slices.MinFunc(records, func(a, b patient.Record) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return best.ID
}

// Part takes a patient out of its group: every link it has ends, and it is
// another person than each of the rest from now on. Nothing of what hangs on
// any of them is rewritten, so each has again what came through it.
func (s *Service) Part(ctx context.Context, actor access.Actor, id, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := access.Require(actor, access.PatientIndex, access.Own); err != nil {
			return err
		}
		return s.PartTx(ctx, tx, actor, id, reason)
	})
}

// PartTx is Part in the caller's transaction.
func (s *Service) PartTx(ctx context.Context, tx *db.Tx, actor access.Actor, id, reason string) error {
	var f errs.Form
	f.Require("reason", reason, "拆分的原因，例如“孪生姐妹，误合并”")
	if err := f.Err(); err != nil {
		return err
	}
	members, err := access.SamePerson(ctx, tx, id)
	if err != nil {
		return err
	}
	if len(members) == 1 {
		return errs.E(errs.Conflict, "这份档案没有与其他档案合并，可能刚刚已被拆分，请刷新页面")
	}
	for _, other := range members[1:] {
		l, err := s.weigh(ctx, tx, id, other)
		if err != nil {
			return err
		}
		l.Same, l.Basis, l.Reason = false, ByHuman, strings.TrimSpace(reason)
		if err := insertLink(ctx, tx, actor, l); err != nil {
			return err
		}
	}
	if err := s.regroup(ctx, tx, members); err != nil {
		return err
	}
	return s.leaf(ctx, tx, actor, "index.part", id, "拆分："+strings.TrimSpace(reason), members...)
}

// LinksOf returns the decisions on a person's records, ended ones too, the
// newest first.
func LinksOf(ctx context.Context, tx *db.Tx, id string) ([]Decided, error) {
	links, err := db.List(ctx, tx, readLink, `SELECT `+linkColumns+` FROM patient_link
		WHERE a IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		   OR b IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		ORDER BY decided_at DESC, id DESC LIMIT 50`, id)
	if err != nil {
		return nil, err
	}
	return named(ctx, tx, links)
}

// named adds the names of the two patients.
func named(ctx context.Context, tx *db.Tx, links []PairLink) ([]Decided, error) {
	var ids []string
	for _, l := range links {
		ids = append(ids, l.A, l.B)
	}
	names, err := patient.Briefs(ctx, tx, ids)
	out := make([]Decided, len(links))
	for i, l := range links {
		out[i] = Decided{l, names[l.A].Name, names[l.B].Name}
	}
	return out, err
}

// Other is the name of the patient of the pair that is not id.
func (d Decided) Other(id string) string {
	if d.Link.A == id {
		return d.NameB
	}
	return d.NameA
}
