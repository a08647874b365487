package referral

import (
	"context"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/firstvisit"
	"yilian/internal/flow"
	"yilian/internal/liaison"
	"yilian/internal/organization"
	"yilian/internal/policy"
)

// firstVisit asks for the reason why a listed disease passes its level by
// (SMX-4.4.3b). Emergencies do not come here.
func (w *work) firstVisit(from, to organization.Organization, form *Form, f *errs.Form) error {
	day := calendar.DateOf(w.tx.Now)
	found, err := firstvisit.Find(w.s.Book, w.c.Place, day, form.Diagnosis, tier(from.Kind), tier(to.Kind))
	if err != nil {
		return err
	}
	var reasons []policy.Code
	if found != nil {
		if reasons, err = firstvisit.Reasons(w.s.Book, w.c.Place, day); err != nil {
			return err
		}
		w.cite(found.Asked)
	}
	form.Request.FirstVisit = firstvisit.Settle(found, form.Request.FirstVisit, reasons, f)
	return nil
}

// beyond asks for the word of a place beyond the county where the policy does.
// An answered consultation that the draft follows from is such a word.
func (w *work) beyond(ctx context.Context, from, to organization.Organization, form *Form, f *errs.Form) error {
	rule, bound, err := liaison.For(w.s.Book, w.c.Place, calendar.DateOf(w.tx.Now))
	if err != nil {
		return err
	}
	if !bound || !liaison.Beyond(from.Region, to.Region) {
		form.Request.Contact = nil
		return nil
	}
	w.cite(rule.Answer())
	c := liaison.Contact{How: liaison.Advice}
	if given := form.Request.Contact; given != nil && (given.Org == "" || given.Org == to.ID) {
		c = *given
	}
	c.Org, c.Department, c.Clause, c.By = to.ID, w.c.To.DepartmentName, rule.Clause, w.actor.Name
	c.Person, c.Phone = strings.TrimSpace(c.Person), strings.TrimSpace(c.Phone)
	if c.How == liaison.Advice {
		if err := w.advised(ctx, &c); err != nil {
			return err
		}
	}
	rule.Check(c, w.tx.Now, f)
	form.Request.Contact = &c
	return nil
}

// advised fills in who has answered the consultation that the draft follows from.
func (w *work) advised(ctx context.Context, c *liaison.Contact) error {
	c.Case, c.Phone = "", ""
	if w.c.BasedOn == "" {
		return nil
	}
	asked, err := flow.Get(ctx, w.tx, w.c.BasedOn)
	if err != nil || asked.Kind == Kind || asked.To.Org != c.Org {
		return err
	}
	events, err := w.s.Flow.Timeline(ctx, w.tx, asked.ID)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(events) {
		if e.Org == asked.To.Org && e.ToState != e.FromState && e.Name != "" {
			c.Case, c.Person, c.At = asked.Number, e.Name, e.At
			return nil
		}
	}
	return nil
}

// agreedBeyond asks the same of a case that is handed on beyond the county.
func (w *work) agreedBeyond(ctx context.Context, to organization.Organization, dept organization.Department, r Redirect) error {
	rule, bound, err := liaison.For(w.s.Book, w.c.Place, calendar.DateOf(w.tx.Now))
	if err != nil || !bound {
		return err
	}
	from, err := organization.Get(ctx, w.tx, w.actor.Org)
	if err != nil || !liaison.Beyond(from.Region, to.Region) {
		return err
	}
	c := liaison.Contact{Org: to.ID, Department: dept.Name, Person: strings.TrimSpace(r.AgreedBy), How: liaison.Phone, Phone: strings.TrimSpace(r.Phone),
		At: r.At, Visit: r.Visit, By: w.actor.Name, Clause: rule.Clause}
	var f errs.Form
	if r.AgreedHow != liaison.Phone {
		f.Add("agreed_how", "%s：请与对方通话，登记接收人、号码和时间", rule.Demand())
	}
	rule.Check(c, w.tx.Now, &f)
	w.cite(rule.Answer())
	w.r.Request.Contact = &c
	return f.Err()
}

const keyParallel = "referral.reason.parallel"

// only finds another open referral for the same need: the doctor goes on there,
// or says why there is a second one (D19).
func (w *work) only(ctx context.Context) error {
	key := w.c.Patient + "/" + icd3(w.r.Diagnosis)
	if w.r.Direction == Down { // beside the up-referral that it follows from
		key += "/down"
	}
	number, err := sameNeed(ctx, w.tx, key, w.r.ID)
	if err != nil {
		return err
	}
	given := w.r.Request.Parallel
	w.r.underWay, w.r.Request.Parallel = key, nil
	if number == "" {
		return nil
	}
	if w.r.Direction == Down || given == nil || given.Reason == "" {
		refusal := &errs.Error{Kind: errs.Conflict, Message: "该患者已有同类诊断的转诊单 " + number + " 正在办理，请在那张单子上继续，不要重复转诊"}
		if w.r.Direction != Down {
			refusal.Message += "；确需另开一张的，请选择理由"
			refusal.Fields = []errs.Field{{Name: "parallel_reason", Message: "请到转诊单 " + number + " 上继续办理，或选择另开一张的理由"}}
		}
		return refusal
	}
	a, err := w.s.Book.Resolve(keyParallel, w.c.Place, calendar.DateOf(w.tx.Now))
	if err != nil {
		return err
	}
	code, ok := a.Code(given.Reason)
	if !ok {
		return fieldErr("parallel_reason", "请选择另开一张转诊单的理由")
	}
	p := Parallel{Number: number, Reason: code.Code, ReasonTitle: code.Title, Comment: cut(given.Comment, maxText)}
	if code.Free && p.Comment == "" {
		return fieldErr("parallel_comment", "选择“%s”时请写明具体情况", code.Title)
	}
	w.cite(a)
	w.r.Request.Parallel, w.r.underWay = &p, key+"/"+w.c.ID
	return nil
}

// sameNeed returns the number of an open referral of the patient for the same
// ICD category, "" when there is none. A referral beside another one carries its
// own id behind the category.
func sameNeed(ctx context.Context, tx *db.Tx, key, except string) (string, error) {
	found, err := db.List(ctx, tx, db.Value[string], `
		SELECT c.number FROM referral r JOIN flow_case c ON c.id = r.id
		WHERE (r.under_way = $1 OR (substr(r.under_way, 1, length(CAST($1 AS TEXT)) + 1) = CAST($1 AS TEXT) || '/' AND r.direction <> 'down')) AND r.id <> $2
		ORDER BY r.submitted_at, r.id LIMIT 1`, key, except)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

// Same is another referral of the patient for the same problem, found before
// sending.
type Same struct {
	ID, Number, State string
	From, To          string
	SubmittedAt       time.Time
	Open              bool
	Mine              bool // the actor may open it
}

// Asked is what a chosen place asks of the form that is being written.
type Asked struct {
	Criterion *firstvisit.Criterion // nil: no list is passed by
	Reasons   []policy.Code         // of overriding it
	Rule      liaison.Rule          // of a place beyond the county
	Outside   bool                  // the rule binds
	Advised   string                // number of the consultation that counts as word; ""
	Same      []Same
	Parallel  []policy.Code // reasons for a second referral
}

// GroundNeed is the form as far as it is written.
type GroundNeed struct{ Patient, Diagnosis, Service, Draft string }

// Asks says before sending what the chosen place and earlier referrals ask for.
func (s *Service) Asks(ctx context.Context, actor access.Actor, need GroundNeed) (out Asked, err error) {
	if err := access.Require(actor, access.ReferralCreate, access.Own); err != nil {
		return out, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		if _, err := s.Access.Patient(ctx, tx, actor, need.Patient, access.Refer); err != nil {
			return err
		}
		place, err := s.place(ctx, tx, actor)
		if err != nil {
			return err
		}
		w := &work{s: s, tx: tx, actor: actor, c: flow.Case{Place: place, Patient: need.Patient}}
		if need.Draft != "" {
			if w.c, err = flow.Get(ctx, tx, need.Draft); err != nil {
				return err
			}
		}
		if out.Same, err = w.same(ctx, need); err != nil {
			return err
		}
		if len(out.Same) > 0 {
			if out.Parallel, err = s.Flow.Codes(keyParallel, place, tx.Now); err != nil {
				return err
			}
		}
		if need.Service == "" {
			return nil
		}
		return w.placeAsks(ctx, need, &out)
	})
	return out, err
}

func (w *work) placeAsks(ctx context.Context, need GroundNeed, out *Asked) error {
	h, err := organization.GetService(ctx, w.tx, need.Service)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	to, err := organization.Get(ctx, w.tx, h.Org)
	if err != nil {
		return err
	}
	from, err := organization.Get(ctx, w.tx, w.actor.Org)
	if err != nil {
		return err
	}
	day := calendar.DateOf(w.tx.Now)
	if out.Criterion, err = firstvisit.Find(w.s.Book, w.c.Place, day, need.Diagnosis, tier(from.Kind), tier(to.Kind)); err != nil {
		return err
	}
	if out.Criterion != nil {
		if out.Reasons, err = firstvisit.Reasons(w.s.Book, w.c.Place, day); err != nil {
			return err
		}
	}
	var bound bool
	if out.Rule, bound, err = liaison.For(w.s.Book, w.c.Place, day); err != nil {
		return err
	}
	out.Outside = bound && liaison.Beyond(from.Region, to.Region)
	if !out.Outside {
		return nil
	}
	c := liaison.Contact{Org: to.ID}
	err = w.advised(ctx, &c)
	out.Advised = c.Case
	return err
}

// same lists the open referrals for the problem, and those of the last days that
// the policy names (referral.parallel.window).
func (w *work) same(ctx context.Context, need GroundNeed) ([]Same, error) {
	if len(need.Diagnosis) < 3 {
		return nil, nil
	}
	a, err := w.s.Book.Resolve("referral.parallel.window", w.c.Place, calendar.DateOf(w.tx.Now))
	if err != nil {
		return nil, err
	}
	d, err := a.Deadline()
	if err != nil {
		return nil, err
	}
	since := calendar.DateOf(w.tx.Now.Add(-span(d)))
	return db.List(ctx, w.tx, func(scan db.Scan) (s Same, err error) {
		var at db.Time
		var from, to string
		err = scan(&s.ID, &s.Number, &s.State, &from, &to, &s.From, &s.To, &at, &s.Open)
		s.SubmittedAt, s.Mine = at.Time, w.actor.Org == from || w.actor.Org == to
		return s, err
	}, `
		SELECT c.id, c.number, c.state, c.from_org, c.to_org, c.from_org_name, c.to_org_name, r.submitted_at, c.closed_at IS NULL
		FROM referral r JOIN flow_case c ON c.id = r.id
		WHERE r.patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		  AND substr(r.diagnosis_code, 1, 3) = $2 AND r.id <> $3 AND r.direction <> 'down' AND c.state <> 'draft'
		  AND (c.closed_at IS NULL OR (r.submitted_on >= $4 AND c.state = 'closed'))
		ORDER BY c.opened_at DESC, c.id LIMIT 5`, need.Patient, icd3(need.Diagnosis), need.Draft, string(since))
}
