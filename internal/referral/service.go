package referral

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/jobs"
	"yilian/internal/message"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/schedule"
)

// Service holds the use cases of referrals: each method is one transaction.
// Set its fields, then call Init.
type Service struct {
	DB       *db.DB
	Flow     *flow.Engine
	Book     *policy.Book
	Access   *access.Control
	Audit    *audit.Log
	Keys     *crypto.Keyring
	Queue    *jobs.Queue
	Patients *patient.Service
	Messages *message.Service

	// Schedules gives places and beds; nil: appointments are free times only.
	Schedules *schedule.Service

	joined *db.Tx // see Within

	// OnDeath lets modules above stop what they have planned for a patient.
	OnDeath func(ctx context.Context, tx *db.Tx, patient string, c flow.Case) error
}

// Init declares the machines and registers the jobs: the reminder before an
// appointment, and what an emergency calls.
func (s *Service) Init() error {
	if err := s.Flow.Declare(Machine()); err != nil {
		return err
	}
	if err := s.Flow.Declare(ConsentMachine()); err != nil {
		return err
	}
	s.initEmergency()
	s.Queue.Title(reminderJob, "就诊前提醒患者")
	jobs.Handle(s.Queue, reminderJob, s.remind)
	s.followSchedule()
	if err := s.declareDown(); err != nil {
		return err
	}
	return nil
}

// Within returns the service with its steps on a case in the transaction of the
// caller, who undoes it when one is refused.
func (s *Service) Within(tx *db.Tx) *Service {
	joined := *s
	joined.joined = tx
	return &joined
}

func (s *Service) tx(ctx context.Context, fn func(tx *db.Tx) error) error {
	if s.joined != nil {
		return fn(s.joined)
	}
	return s.DB.Tx(ctx, fn)
}

// work is one use case under way: the case as it stands, its record, who acts.
type work struct {
	s     *Service
	tx    *db.Tx
	actor access.Actor
	ref   Ref
	was   flow.Case // as stored before this use case
	c     flow.Case // as it is being written
	r     Record
}

// step runs one use case: a token seen before answers with the case as it is;
// otherwise access to the patient is decided and logged, the right to act is
// checked, and fn does the rest in the same transaction.
func (s *Service) step(ctx context.Context, actor access.Actor, ref Ref, action string, purpose access.Purpose, fn func(ctx context.Context, w *work) error) (flow.Case, error) {
	var out flow.Case
	err := s.tx(ctx, func(tx *db.Tx) error {
		c, done, err := flow.Done(ctx, tx, ref.Once)
		if err != nil || done {
			out = c
			return err
		}
		w, err := s.open(ctx, tx, actor, ref, purpose)
		if err != nil {
			return err
		}
		if action != "" {
			if _, err = s.Flow.Check(ctx, tx, actor, ref.ID, ref.Version, action); err != nil {
				return err
			}
		}
		if err := fn(ctx, w); err != nil {
			return err
		}
		out = w.c
		return nil
	})
	return out, err
}

// open reads the case and its record for an actor who may.
func (s *Service) open(ctx context.Context, tx *db.Tx, actor access.Actor, ref Ref, purpose access.Purpose) (*work, error) {
	c, err := flow.Get(ctx, tx, ref.ID)
	if err != nil {
		return nil, err
	}
	if c.Kind != Kind {
		return nil, errs.E(errs.NotFound, "没有找到这张转诊单")
	}
	if _, err := s.Access.Patient(ctx, tx, actor, c.Patient, purpose); err != nil {
		return nil, err
	}
	r, err := s.load(ctx, tx, ref.ID)
	if err != nil {
		return nil, err
	}
	return &work{s: s, tx: tx, actor: actor, ref: ref, was: c, c: c, r: r}, nil
}

// act moves the case, stores the record with what follows from the step, and
// tells the patient.
func (w *work) act(ctx context.Context, action string, mv flow.Move) error {
	mv.Once = w.ref.Once
	before := w.was
	roles, err := w.roles(ctx)
	if err != nil {
		return err
	}
	mv.Roles = roles
	c, err := w.s.Flow.Act(ctx, w.tx, w.actor, w.c.ID, w.ref.Version, action, mv)
	if err != nil {
		return err
	}
	w.c, w.was = c, c
	w.book(before, action)
	if err := w.settle(ctx, before, action); err != nil {
		return err
	}
	if err := w.s.update(ctx, w.tx, w.r); err != nil {
		return err
	}
	if err := w.relate(ctx, before); err != nil {
		return err
	}
	if task := w.owed(); task != "" {
		if err := w.s.dropConsent(ctx, w.tx, w.c, task); err != nil {
			return err
		}
	}
	return w.tell(ctx, action)
}

// book keeps the figures that the overview counts. Recount says the same from
// the events alone.
func (w *work) book(before flow.Case, action string) {
	if before.State == StateSubmitted && w.c.State != StateSubmitted && before.Turn == flow.To {
		w.r.Waited += w.tx.Now.Sub(before.EnteredAt)
	}
	switch action {
	case ActAccept:
		w.r.AcceptedAt = w.tx.Now
	case ActDecline, ActDeclineDown:
		w.r.Declined = true
	case ActArrive:
		w.r.ArrivedAt = w.tx.Now
	case ActEmergency, ActBackEntry:
		w.r.SubmittedAt = w.tx.Now
	case ActElsewhere, ActRedirect, ActHandOn, ActSubmit, ActPass:
		if w.c.State == StateSubmitted { // a new receiver, a new clock
			w.r.Declined, w.r.AcceptedAt, w.r.Waited = false, time.Time{}, 0
			if w.r.SubmittedAt.IsZero() {
				w.r.SubmittedAt = w.tx.Now
			}
		}
	}
	if !w.c.Open() || w.c.State == StateDraft {
		w.r.underWay = ""
	}
	if w.c.State != StateInCare { // a report or a death answers the request too
		w.r.Cancel = CancelRequest{}
	}
	if w.c.State != StateArranged { // a code is good for one appointment only
		w.r.Arrangement.Code, w.r.codeOrg = "", ""
	}
}

// owed is the consent task that ends with its case: of an emergency that was
// called off or ended in death.
func (w *work) owed() string {
	if w.r.Emergency == nil || (w.c.State != StateCancelled && w.c.Outcome != OutcomeDeath) {
		return ""
	}
	return w.r.Emergency.ConsentCase
}

// relate keeps the relations of care: the referring institution from the
// draft, the reviewing one from the review, the receiving one from submission;
// all end some time after the case (policy referral.access.after).
func (w *work) relate(ctx context.Context, before flow.Case) error {
	var to time.Time
	if !w.c.Open() {
		days, err := w.s.days(w.c, "referral.access.after", w.tx.Now)
		if err != nil {
			return err
		}
		to = calendar.EndOf(calendar.DateOf(w.tx.Now).AddDays(days))
	}
	orgs := []string{w.c.From.Org}
	if !w.r.SubmittedAt.IsZero() && w.c.To.Org != "" {
		orgs = append(orgs, w.c.To.Org)
	}
	if w.r.reviewer != "" {
		orgs = append(orgs, w.r.reviewer)
	}
	slices.Sort(orgs)
	for _, org := range slices.Compact(orgs) {
		if err := w.relation(ctx, org, to); err != nil {
			return err
		}
	}
	if gone := before.To.Org; gone != "" && gone != w.c.To.Org && !slices.Contains(orgs, gone) && !w.r.SubmittedAt.IsZero() {
		return w.relation(ctx, gone, w.tx.Now)
	}
	return nil
}

func (w *work) relation(ctx context.Context, org string, to time.Time) error {
	return access.Relate(ctx, w.tx, access.CareRelation{
		Patient: w.c.Patient, Org: org, Basis: access.BasisReferral, Reference: w.c.ID, To: to,
	})
}

// days reads a policy number of days.
func (s *Service) days(c flow.Case, key string, now time.Time) (int, error) {
	a, err := s.Book.Resolve(key, c.Place, calendar.DateOf(now))
	if err != nil {
		return 0, err
	}
	d, err := a.Deadline()
	if err != nil {
		return 0, fmt.Errorf("resolve %s: %w", key, err)
	}
	return d.N, nil
}

// asks reads a yes-or-no rule; a key that no rule sets is no. What was decided
// under which version and clause is kept with the record.
func (w *work) asks(key string) (policy.Answer, bool, error) {
	a, err := w.s.Book.Resolve(key, w.c.Place, calendar.DateOf(w.tx.Now))
	if errs.Is(err, errs.NotFound) {
		return a, false, nil
	}
	if err != nil {
		return a, false, err
	}
	yes, err := a.Bool()
	if err == nil && yes {
		w.cite(a)
	}
	return a, yes, err
}

func (w *work) cite(a policy.Answer) {
	version := a.Profile + "@" + a.Version
	if !slices.Contains(strings.Fields(w.r.Policy), version) {
		w.r.Policy = strings.TrimSpace(w.r.Policy + " " + version)
	}
	if a.Clause != "" && !slices.Contains(w.r.Clauses, a.Clause) {
		w.r.Clauses = append(w.r.Clauses, a.Clause)
	}
}

// reason checks a coded reason before flow does, for lists whose entries ask
// for free text.
func (w *work) reason(f *errs.Form, action, code, comment string) {
	list, err := w.s.Flow.Codes(reasons(action), w.c.Place, w.tx.Now)
	if err != nil {
		f.AddErr("reason", err)
		return
	}
	i := slices.IndexFunc(list, func(c policy.Code) bool { return c.Code == code })
	switch {
	case i < 0:
		f.Add("reason", "请选择原因")
	case list[i].Free && strings.TrimSpace(comment) == "":
		f.Add("comment", "选择“%s”时请写明具体情况", list[i].Title)
	}
}

// Claim takes the case over, from the queue of the role or from a colleague.
func (s *Service) Claim(ctx context.Context, actor access.Actor, ref Ref) (flow.Case, error) {
	return s.step(ctx, actor, ref, "", access.Refer, func(ctx context.Context, w *work) (err error) {
		w.c, err = s.Flow.Claim(ctx, w.tx, actor, ref.ID, ref.Version, ref.Once)
		return err
	})
}

// plain runs an action that asks for a coded reason and a comment at most.
func (s *Service) plain(ctx context.Context, actor access.Actor, ref Ref, action, list, reason, comment string, mv flow.Move) (flow.Case, error) {
	return s.step(ctx, actor, ref, action, access.Refer, func(ctx context.Context, w *work) error {
		var f errs.Form
		if list != "" {
			w.reason(&f, list, reason, comment)
		}
		if err := f.Err(); err != nil {
			return err
		}
		mv.Reason, mv.Comment = reason, comment
		return w.act(ctx, action, mv)
	})
}
