package referral

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/contract"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
)

// Capability is what a centre has declared that it can take from above.
type Capability struct {
	Org       string
	Version   int64
	Beds      bool     // it can take in-patients
	Skills    []string // codes of referral.reason.down
	Medicines []string // names of medicines that it has in stock
	ChangedAt time.Time
	ChangedBy string
}

// has reports whether a medicine is in the declared stock: names in packets
// carry strengths, so that either may contain the other.
func (c Capability) has(medicine string) bool {
	return slices.ContainsFunc(c.Medicines, func(m string) bool { return strings.Contains(medicine, m) || strings.Contains(m, medicine) })
}

// CapabilityOf reads what an institution has declared; ok is false when
// nothing was.
func CapabilityOf(ctx context.Context, tx *db.Tx, org string) (c Capability, ok bool, err error) {
	list, err := db.List(ctx, tx, func(scan db.Scan) (c Capability, err error) {
		var skills, medicines string
		var changed db.Time
		err = scan(&c.Org, &c.Version, &c.Beds, &skills, &medicines, &changed, &c.ChangedBy)
		c.Skills, c.ChangedAt = strings.Fields(skills), changed.Time
		if medicines != "" {
			c.Medicines = strings.Split(medicines, "\n")
		}
		return c, err
	}, `SELECT org, version, beds, skills, medicines, changed_at, changed_by FROM down_capability WHERE org = $1`, org)
	if err != nil || len(list) == 0 {
		return Capability{Org: org}, false, err
	}
	return list[0], true, nil
}

// SaveCapability declares what the actor's own institution can take. Its head
// does that.
func (s *Service) SaveCapability(ctx context.Context, actor access.Actor, c Capability) error {
	if err := access.Require(actor, access.ReferralCapability, access.Own); err != nil {
		return err
	}
	c.Org = actor.Org
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		place, err := s.place(ctx, tx, actor)
		if err != nil {
			return err
		}
		reasons, err := s.Flow.Codes(keyDownReasons, place, tx.Now)
		if err != nil {
			return err
		}
		var f errs.Form
		for _, x := range c.Skills {
			inList(&f, "skills", "能接收的下转", x, reasons)
		}
		c.Medicines = lines(c.Medicines)
		if utf8.RuneCountInString(strings.Join(c.Medicines, "\n")) > maxText {
			f.Add("medicines", "药品清单太长：最多 %d 个字", maxText)
		}
		if err := f.Err(); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `
			INSERT INTO down_capability (org, version, beds, skills, medicines, changed_at, changed_by)
			VALUES ($1, 1, $2, $3, $4, $5, $6)
			ON CONFLICT (org) DO UPDATE SET version = down_capability.version + 1, beds = excluded.beds, skills = excluded.skills,
				medicines = excluded.medicines, changed_at = excluded.changed_at, changed_by = excluded.changed_by
			WHERE down_capability.version = $7`,
			c.Org, c.Beds, strings.Join(c.Skills, " "), strings.Join(c.Medicines, "\n"), db.At(tx.Now), actor.Name, c.Version)
		if err != nil {
			return fmt.Errorf("save capability: %w", err)
		}
		if n == 0 {
			return errs.E(errs.Conflict, "接收能力刚刚被别人改过，请刷新页面后再改")
		}
		return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "referral.capability", Object: "organization", ObjectID: c.Org, Outcome: audit.OK})
	})
}

func lines(list []string) []string {
	var out []string
	for _, m := range list {
		if m = strings.TrimSpace(m); m != "" && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// DownTarget is a place to which a patient may be sent down.
type DownTarget struct {
	organization.Candidate
	Contract, Home bool // where he has his family doctor, where he lives
	Declared       bool // the centre has said what it can take
	Capability     Capability
	Skilled        bool
	Missing        []string // medicines of the plan that it has not declared
	Problem        string   // why it cannot be chosen now
}

// DownNeed is what a place below is looked for.
type DownNeed struct {
	Patient, Diagnosis, Reason string
	Medicines                  []string
}

// DownTargets returns the places below that take the patient: where he has his
// family doctor and where he lives first, then those that have declared the
// skill, then the others of the alliance, then institutions without system.
func (s *Service) DownTargets(ctx context.Context, actor access.Actor, need DownNeed) (out []DownTarget, err error) {
	if err := access.Require(actor, access.ReferralCreate, access.Own); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		p, err := s.Patients.Get(ctx, tx, need.Patient)
		if err != nil {
			return err
		}
		if _, err := s.Access.Patient(ctx, tx, actor, p.ID, access.Refer); err != nil {
			return err
		}
		out, err = s.below(ctx, tx, actor, p, need)
		return err
	})
	return out, err
}

func (s *Service) below(ctx context.Context, tx *db.Tx, actor access.Actor, p patient.Patient, need DownNeed) ([]DownTarget, error) {
	from, err := organization.Get(ctx, tx, actor.Org)
	if err != nil {
		return nil, err
	}
	today := calendar.DateOf(tx.Now)
	allies, err := alliance.Allies(ctx, tx, actor.Org, today)
	if err != nil {
		return nil, err
	}
	found, err := organization.FindServices(ctx, tx, organization.Need{
		Code: need.Diagnosis, Age: p.Age(today), Sex: p.Sex, From: actor.Org, Allies: allies,
		Kinds:    []organization.ServiceKind{organization.Clinic, organization.Inpatient},
		OrgKinds: []organization.Kind{organization.TownshipCenter, organization.CommunityCenter, organization.Other},
	})
	if err != nil {
		return nil, err
	}
	team, contracted, err := contract.Active(ctx, tx, p.ID, today)
	if err != nil {
		return nil, err
	}
	var out []DownTarget
	for _, c := range found {
		if !takesDown(from.Kind, c.Org.Kind) || (!c.Ally && c.Org.Kind != organization.Other) {
			continue
		}
		t := DownTarget{Candidate: c, Contract: contracted && team.Org == c.Org.ID, Home: p.Region != "" && p.Town() == c.Org.Region}
		if t.Capability, t.Declared, err = CapabilityOf(ctx, tx, c.Org.ID); err != nil {
			return nil, err
		}
		t.Skilled = need.Reason != "" && slices.Contains(t.Capability.Skills, need.Reason)
		for _, m := range need.Medicines {
			if m != "" && t.Declared && !t.Capability.has(m) {
				t.Missing = append(t.Missing, m)
			}
		}
		if c.Org.ReferralPhone == "" && c.Org.Kind != organization.Other {
			t.Problem = "尚未公布转诊电话"
		}
		out = append(out, t)
	}
	slices.SortStableFunc(out, func(a, b DownTarget) int { return b.rank() - a.rank() })
	return out, nil
}

// rank puts the place of the family doctor first, then that of residence; a
// declared skill comes before none.
func (t DownTarget) rank() int {
	n := 0
	for _, x := range []struct {
		yes    bool
		weight int
	}{{t.Contract, 32}, {t.Home, 16}, {t.Org.Kind != organization.Other, 8}, {t.Skilled, 4}, {t.Declared && len(t.Missing) == 0, 2}, {t.Capability.Beds, 1}} {
		if x.yes {
			n += x.weight
		}
	}
	return n
}

// Fit is what the ward has said about an in-patient: which indications for
// sending down he meets.
type Fit struct {
	Indications []string
	At          time.Time
	ByName      string
}

// DownCandidate is an in-patient who may be sent down.
type DownCandidate struct {
	Item
	Days     int           // in care so far
	Expected calendar.Date // discharge
	Fit      Fit
	Titles   []string // of the indications chosen by the ward
	Place    string   // the first place below that takes him; "" none
	Near     bool     // it is where he lives or has his family doctor
	Skilled  bool     // it has declared the skill that the indication asks for
	Beds     bool     // it has declared that it takes in-patients
	Stock    int      // medicines that it has declared in stock
}

// skillFor is the skill that an indication for sending down asks a centre for;
// an indication that is not here asks for none in particular.
var skillFor = map[string]string{"acute_over": "acute_over", "chronic_long": "chronic_care", "late_cancer": "palliative"}

// need is what the ward's indications look for below.
func (c DownCandidate) need() DownNeed {
	n := DownNeed{Patient: c.Case.Patient}
	for _, i := range c.Fit.Indications {
		if n.Reason == "" {
			n.Reason = skillFor[i]
		}
	}
	return n
}

// candidateRule is the policy of the morning list.
type candidateRule struct{ stay, discharge int }

// fits reports whether an in-patient belongs on the list: marked by the ward,
// or long enough in care and soon to be discharged.
func (r candidateRule) fits(started, today, expected calendar.Date, marked bool) bool {
	if marked {
		return true
	}
	long := !started.AddDays(r.stay).After(today)
	soon := expected != "" && !expected.After(today.AddDays(r.discharge))
	return long && soon
}

func (s *Service) candidateRule(ctx context.Context, tx *db.Tx, actor access.Actor) (r candidateRule, err error) {
	place, err := s.place(ctx, tx, actor)
	if err != nil {
		return r, err
	}
	c := flow.Case{Place: place}
	if r.stay, err = s.days(c, "referral.down.candidate.stay", tx.Now); err != nil {
		return r, err
	}
	r.discharge, err = s.days(c, "referral.down.candidate.discharge", tx.Now)
	return r, err
}

// DownCandidates returns the in-patients of the actor's institution who may be
// sent down, with the place below. A ward doctor sees his department's.
func (s *Service) DownCandidates(ctx context.Context, actor access.Actor) (out []DownCandidate, err error) {
	if err := access.Require(actor, access.ReferralDown, access.Own); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		out, err = s.candidates(ctx, tx, actor)
		if err != nil {
			return err
		}
		place, err := s.place(ctx, tx, actor)
		if err != nil {
			return err
		}
		titles, err := s.Flow.Codes(keyDownIndications, place, tx.Now)
		if err != nil {
			return err
		}
		for i := range out {
			c := &out[i]
			for _, x := range c.Fit.Indications {
				c.Titles = append(c.Titles, codeTitle(titles, x))
			}
			p, err := s.Patients.Get(ctx, tx, c.Case.Patient)
			if err != nil {
				return err
			}
			below, err := s.below(ctx, tx, actor, p, c.need())
			if err != nil {
				return err
			}
			if len(below) > 0 {
				b := below[0]
				c.Place, c.Near, c.Skilled = b.Org.Name, b.Contract || b.Home, b.Skilled
				c.Beds, c.Stock = b.Capability.Beds, len(b.Capability.Medicines)
			}
		}
		return Listed(ctx, tx, s.Audit, actor, "下转候选名单", len(out))
	})
	return out, err
}

// candidates reads the list without places.
func (s *Service) candidates(ctx context.Context, tx *db.Tx, actor access.Actor) ([]DownCandidate, error) {
	rule, err := s.candidateRule(ctx, tx, actor)
	if err != nil {
		return nil, err
	}
	type row struct {
		id      string
		started time.Time
		DownCandidate
	}
	rows, err := db.List(ctx, tx, func(scan db.Scan) (r row, err error) {
		var started, at db.Time
		var indications string
		err = scan(&r.id, &started, &r.Expected, &indications, &at, &r.Fit.ByName)
		r.started, r.Fit.Indications, r.Fit.At = started.Time, strings.Fields(indications), at.Time
		return r, err
	}, `SELECT r.id, r.started_at, r.expected_discharge, coalesce(f.indications, ''), f.at, coalesce(f.by_name, '')
		FROM referral r JOIN flow_case c ON c.id = r.id LEFT JOIN referral_down_fit f ON f.referral = r.id
		WHERE c.to_org = $1 AND c.state = 'in_care' AND r.care = 'inpatient' AND r.direction = 'up'
		  AND (CAST($2 AS TEXT) = '' OR c.owner_dept = $2)
		ORDER BY r.expected_discharge, r.started_at, r.id LIMIT 500`, actor.Org, wardOf(actor))
	if err != nil {
		return nil, err
	}
	today := calendar.DateOf(tx.Now)
	var ids []string
	byID := map[string]row{}
	for _, r := range rows {
		if rule.fits(calendar.DateOf(r.started), today, r.Expected, len(r.Fit.Indications) > 0) {
			ids, byID[r.id] = append(ids, r.id), r
		}
	}
	list, err := items(ctx, tx, ids)
	out := make([]DownCandidate, 0, len(list))
	for _, i := range list {
		r := byID[i.Case.ID]
		r.Item, r.Days = i, int(today.Time().Sub(calendar.DateOf(r.started).Time()).Hours()/24)
		out = append(out, r.DownCandidate)
	}
	return out, err
}

// wardOf is the department whose patients an actor sees; the centre sees all.
func wardOf(actor access.Actor) string {
	switch access.Role(actor.Role) {
	case access.DepartmentDoctor, access.DepartmentHead:
		return actor.Department
	}
	return ""
}

// MarkFit records the coded indications that an in-patient meets; an empty
// list takes the mark away. Who treats does that, in the ward.
func (s *Service) MarkFit(ctx context.Context, actor access.Actor, ref Ref, indications []string) error {
	_, err := s.step(ctx, actor, ref, ActNote, access.Treat, func(ctx context.Context, w *work) error {
		list, err := s.Flow.Codes(keyDownIndications, w.c.Place, w.tx.Now)
		if err != nil {
			return err
		}
		var f errs.Form
		for _, i := range indications {
			inList(&f, "indications", "下转指征", i, list)
		}
		if w.r.Direction != Up || w.r.Care != Inpatient {
			f.Add("indications", "只有上转住院的患者能列入下转候选")
		}
		if err := f.Err(); err != nil {
			return err
		}
		_, err = w.tx.Exec(ctx, `
			INSERT INTO referral_down_fit (referral, indications, at, by_name) VALUES ($1, $2, $3, $4)
			ON CONFLICT (referral) DO UPDATE SET indications = excluded.indications, at = excluded.at, by_name = excluded.by_name`,
			w.c.ID, strings.Join(indications, " "), db.At(w.tx.Now), actor.Name)
		if err != nil {
			return fmt.Errorf("mark fit: %w", err)
		}
		return w.act(ctx, ActNote, flow.Move{})
	})
	return err
}
