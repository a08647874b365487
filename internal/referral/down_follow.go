package referral

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
)

// QuestionKind is the kind of the small case by which the doctor below asks
// the former attending doctor, who keeps guiding (LL-4.4.1c).
const QuestionKind = "down_question"

// States, actions and the track of a question.
const (
	StateAsked    = "asked"
	StateAnswered = "answered"
	ActReply      = "reply"
	TrackRedFlag  = "red_flag" // a red flag was seen: the shorter clock
)

// QuestionMachine is a question to the attending doctor: it stands on his
// to-do list until he has answered.
func QuestionMachine() flow.Machine {
	return flow.Machine{
		Kind: QuestionKind, Title: "下转提问", Prefix: "XW", Start: StateAsked,
		States: []flow.State{
			{Name: StateAsked, Title: "待原主治医生答复", Turn: flow.To, Role: access.DepartmentDoctor, ByDept: true, Personal: true, Clock: "referral.down.clock.question", Tone: "orange"},
			{Name: StateAnswered, Title: "已答复", Tone: "gray"},
		},
		Actions: []flow.Action{
			{Name: ActReply, Title: "答复", From: []string{StateAsked}, To: []string{StateAnswered}, Side: flow.To, Right: access.ReferralTreat, Tells: flow.From},
		},
	}
}

// declareDown declares what the way down has of its own.
func (s *Service) declareDown() error {
	if err := s.Flow.Declare(QuestionMachine()); err != nil {
		return err
	}
	s.declareChase()
	return nil
}

// FollowForm is what the doctor below writes about a patient in care.
type FollowForm struct {
	Visit    bool // the patient was seen or called; a question alone is none
	Vitals   Vitals
	Text     string
	RedFlag  string // "yes" or "no", of a visit
	Question string // to the former attending doctor; "" nothing is asked
}

// YesNo returns the coded answers to whether a red flag was seen.
func YesNo() []Code { return []Code{{"no", "没有"}, {"yes", "有"}} }

func (f FollowForm) check(form *errs.Form) {
	f.Vitals.check(form)
	if f.Visit {
		known(form, "red_flag", "红旗征象", f.RedFlag, YesNo())
		form.Require("red_flag", f.RedFlag, "有没有红旗征象")
		form.Require("text", f.Text, "随访情况")
	} else {
		form.Require("question", f.Question, "要问原主治医生的问题")
	}
	if f.RedFlag == "yes" && f.Text == "" {
		form.Add("text", "请写明看到了什么红旗征象")
	}
	for _, x := range []struct{ name, text string }{{"text", f.Text}, {"question", f.Question}} {
		if utf8.RuneCountInString(x.text) > maxText {
			form.Add(x.name, "太长：最多 %d 个字", maxText)
		}
	}
}

// Follow records a follow-up of a patient sent down, or a question about him.
// A red flag and a question reach the attending doctor at once and stand on
// his to-do list.
func (s *Service) Follow(ctx context.Context, actor access.Actor, ref Ref, form FollowForm) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActNote, access.Treat, func(ctx context.Context, w *work) error {
		if w.r.Direction != Down {
			return errs.E(errs.Conflict, "只有下转单有随访，其他转诊请写“诊疗进展”")
		}
		form.Text, form.Question = strings.TrimSpace(form.Text), strings.TrimSpace(form.Question)
		var f errs.Form
		form.check(&f)
		if err := f.Err(); err != nil {
			return err
		}
		e := FollowEntry{
			ID: db.NewID(), Referral: w.c.ID, At: w.tx.Now, ByID: flow.PartyOf(actor).Person, ByName: actor.Name, OrgName: actor.OrgName,
			Visit: form.Visit, RedFlag: form.RedFlag == "yes",
			Body: FollowBody{Vitals: form.Vitals, Text: form.Text, Question: form.Question},
		}
		if e.RedFlag || form.Question != "" {
			if err := w.askAttending(ctx, &e); err != nil {
				return err
			}
		}
		if err := s.insertEntry(ctx, w.tx, e); err != nil {
			return err
		}
		if e.Visit {
			if err := w.keepDate(ctx); err != nil {
				return err
			}
		}
		return w.act(ctx, ActNote, flow.Move{})
	})
}

// askAttending opens the question case in the hands of the former attending.
func (w *work) askAttending(ctx context.Context, e *FollowEntry) error {
	from, err := party(ctx, w.tx, w.actor)
	if err != nil {
		return err
	}
	o := flow.Opening{
		Kind: QuestionKind, Patient: w.c.Patient, Subject: w.c.Subject, From: from, To: w.c.From, Place: w.c.Place, BasedOn: w.c.ID,
	}
	what := "下转患者有提问：" + w.c.Subject
	if e.RedFlag {
		o.Track, what = TrackRedFlag, "下转患者出现红旗征象："+w.c.Subject
	}
	q, err := w.s.Flow.Open(ctx, w.tx, w.actor, o)
	if err != nil {
		return err
	}
	e.Question = q
	return w.s.tellStaff(ctx, w.tx, flow.Notice{
		Case: q.ID, Kind: QuestionKind, Number: q.Number, Level: "due", Org: q.OwnerOrg, Role: q.OwnerRole, Person: q.Owner, Text: what,
	})
}

// keepDate marks the earliest planned follow-up that is due, or near, as done.
func (w *work) keepDate(ctx context.Context) error {
	grace, err := w.s.days(w.c, "referral.down.follow.grace", w.tx.Now)
	if err != nil {
		return err
	}
	_, err = w.tx.Exec(ctx, `
		UPDATE referral_down_date SET done_at = $2 WHERE referral = $1 AND due_on = (
			SELECT min(due_on) FROM referral_down_date WHERE referral = $1 AND done_at IS NULL AND due_on <= $3)`,
		w.c.ID, db.At(w.tx.Now), string(calendar.DateOf(w.tx.Now).AddDays(grace)))
	if err != nil {
		return fmt.Errorf("keep follow-up date: %w", err)
	}
	return nil
}

// DownQuestion is a question case with its entry and the down-referral.
type DownQuestion struct {
	Case   flow.Case
	Entry  FollowEntry
	Down   flow.Case
	Answer bool // the actor may answer it now
}

// DownQuestion reads a question for an actor of one of its institutions.
func (s *Service) DownQuestion(ctx context.Context, actor access.Actor, id string) (out DownQuestion, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		if out.Case, err = s.question(ctx, tx, actor, id); err != nil {
			return err
		}
		if out.Entry, err = s.entryOf(ctx, tx, id); err != nil {
			return err
		}
		out.Answer = slices.ContainsFunc(s.Flow.Actions(out.Case, actor), func(a flow.Action) bool { return a.Name == ActReply })
		out.Down, err = flow.Get(ctx, tx, out.Entry.Referral)
		return err
	})
	return out, err
}

// question reads the case of a question, access decided and logged.
func (s *Service) question(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (flow.Case, error) {
	c, err := flow.Get(ctx, tx, id)
	if err != nil {
		return c, err
	}
	if c.Kind != QuestionKind || actor.Org == "" || c.Side(actor.Org) == flow.Nobody {
		return flow.Case{}, errs.E(errs.NotFound, "没有找到这条提问")
	}
	if err := access.Require(actor, access.ReferralRead, access.Own); err != nil {
		return flow.Case{}, err
	}
	_, err = s.Access.Patient(ctx, tx, actor, c.Patient, access.FollowUp)
	return c, err
}

// ClaimQuestion takes a question over from a colleague who is away.
func (s *Service) ClaimQuestion(ctx context.Context, actor access.Actor, ref Ref) (out flow.Case, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		if _, err := s.question(ctx, tx, actor, ref.ID); err != nil {
			return err
		}
		out, err = s.Flow.Claim(ctx, tx, actor, ref.ID, ref.Version, ref.Once)
		return err
	})
	return out, err
}

// Reply answers a question of the doctor below.
func (s *Service) Reply(ctx context.Context, actor access.Actor, ref Ref, answer string) (out flow.Case, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		c, done, err := flow.Done(ctx, tx, ref.Once)
		if err != nil || done {
			out = c
			return err
		}
		if _, err := s.question(ctx, tx, actor, ref.ID); err != nil {
			return err
		}
		answer = strings.TrimSpace(answer)
		var f errs.Form
		f.Require("answer", answer, "答复")
		if utf8.RuneCountInString(answer) > maxText {
			f.Add("answer", "太长：最多 %d 个字", maxText)
		}
		if err := f.Err(); err != nil {
			return err
		}
		e, err := s.entryOf(ctx, tx, ref.ID)
		if err != nil {
			return err
		}
		e.Body.Answer, e.Body.AnsweredBy, e.Body.AnsweredAt = answer, actor.Name, tx.Now
		if err := s.updateEntry(ctx, tx, e); err != nil {
			return err
		}
		out, err = s.Flow.Act(ctx, tx, actor, ref.ID, ref.Version, ActReply, flow.Move{Once: ref.Once})
		return err
	})
	return out, err
}

// Followed is one patient on the list of the former attending doctor.
type Followed struct {
	Item
	Plan    Continuation
	Waiting int // questions that wait for him
}

// Following is the list of the former attending doctor.
type Following struct {
	Items []Followed
	Rate  Rate
}

// Rate is a share with its parts; nothing due is not zero.
type Rate struct{ Kept, Due int64 }

// Following returns the patients whom the actor has sent down and who are
// still under way, those with a question first, then the next follow-up.
func (s *Service) Following(ctx context.Context, actor access.Actor) (out Following, err error) {
	if err := access.Require(actor, access.ReferralFollow, access.Own); err != nil {
		return out, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		ids, err := db.List(ctx, tx, db.Value[string], `
			SELECT c.id FROM referral_down d JOIN flow_case c ON c.id = d.referral
			WHERE d.attending_org = $1 AND d.attending = $2 AND c.closed_at IS NULL AND c.state <> 'draft'
			ORDER BY c.opened_at DESC, c.id LIMIT 200`, actor.Org, flow.PartyOf(actor).Person)
		if err != nil {
			return err
		}
		list, err := items(ctx, tx, ids)
		if err != nil {
			return err
		}
		for _, i := range list {
			if _, err := s.Access.Patient(ctx, tx, actor, i.Case.Patient, access.Look); err != nil {
				return err
			}
			c, err := s.continuation(ctx, tx, i.Case.ID)
			if err != nil {
				return err
			}
			f := Followed{Item: i, Plan: *c}
			for _, e := range c.Entries {
				if e.Question.ID != "" && e.Question.Open() {
					f.Waiting++
				}
			}
			out.Items = append(out.Items, f)
		}
		slices.SortStableFunc(out.Items, func(a, b Followed) int {
			if a.Waiting != b.Waiting {
				return b.Waiting - a.Waiting
			}
			return strings.Compare(nextKey(a), nextKey(b))
		})
		out.Rate, err = followRate(ctx, tx, actor.Org, flow.PartyOf(actor).Person)
		return err
	})
	return out, err
}

func nextKey(f Followed) string {
	if f.Plan.Next == "" {
		return "9"
	}
	return f.Plan.Next
}

// followRate is the share of planned follow-ups that were done, of those whose
// date has passed and whose patient had arrived. An empty attending means the
// whole institution, on either side.
func followRate(ctx context.Context, tx *db.Tx, org, attending string) (Rate, error) {
	return db.Get(ctx, tx, "随访率", func(scan db.Scan) (r Rate, err error) { return r, scan(&r.Kept, &r.Due) }, `
		SELECT count(*) FILTER (WHERE f.done_at IS NOT NULL), count(*)
		FROM referral_down_date f JOIN referral r ON r.id = f.referral JOIN flow_case c ON c.id = f.referral
		JOIN referral_down d ON d.referral = f.referral
		WHERE r.arrived_at IS NOT NULL AND (f.due_on < $3 OR f.done_at IS NOT NULL)
		  AND (d.attending_org = $1 OR c.to_org = $1) AND (CAST($2 AS TEXT) = '' OR d.attending = $2)`,
		org, attending, string(calendar.DateOf(tx.Now)))
}

// FollowRate is the follow-up rate of the actor's institution: of the patients
// it has sent down and of those it has received.
func (s *Service) FollowRate(ctx context.Context, actor access.Actor) (out Rate, err error) {
	if err := access.Require(actor, access.ReferralCount, access.Own); err != nil {
		return out, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		out, err = followRate(ctx, tx, actor.Org, "")
		return err
	})
	return out, err
}
