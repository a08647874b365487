package consult_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"yilian/internal/audit"
	"yilian/internal/consult"
	"yilian/internal/consult/consulttest"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/liaison"
	"yilian/internal/message"
	"yilian/internal/referral"
)

// The asker's button: a draft of his own, filled in, joined by based_on. The
// patient's consent to the referral must still be recorded.
func TestTheAskerConverts(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		s, c := w.Consults, w.To(0, consult.StateAnswered)
		_, _, err := s.Convert(ctx, w.Specialist, w.Ref(c), consult.ConvertDraft)
		refused(t, err, errs.Forbidden, "没有授权专家直接转诊")
		ref := w.Ref(c)
		c, to, err := s.Convert(ctx, w.Doctor, ref, "")
		must(t, err)
		if to.State != referral.StateDraft || to.BasedOn != c.ID || to.Owner != w.Doctor.Person || to.Urgency != "III" || to.To.Department != w.Cardiology.ID {
			t.Fatalf("%+v", to)
		}
		full, err := w.Service.View(ctx, w.Doctor, to.ID)
		must(t, err)
		q := full.Record.Request
		if q.Chief != "反复胸闷 3 天" || !strings.Contains(q.Illness, "考虑稳定型心绞痛") || !strings.Contains(q.Illness, c.Number) || full.Record.TargetService == "" {
			t.Fatalf("%+v", q)
		}
		_, err = w.Service.Submit(ctx, w.Doctor, w.Ref(to), nil)
		field(t, err, "consent", "还没有记录患者的知情同意")
		again, same, err := s.Convert(ctx, w.Doctor, ref, "")
		if err != nil || same.ID != to.ID || again.Version != c.Version {
			t.Fatalf("sent twice it acts once: %v", err)
		}
		_, _, err = s.Convert(ctx, w.Doctor, w.Ref(c), "")
		refused(t, err, errs.Conflict, "已转为转诊")
		got := view(t, w, w.Doctor, c)
		if len(got.Messages) != 1 || !strings.Contains(got.Messages[0].Text, to.Number) || !strings.Contains(got.Messages[0].Text, "下一步：由"+w.Township.Name) {
			t.Fatalf("%+v", got.Messages)
		}
		plain(t, got.Messages)
		_, err = s.Close(ctx, w.Doctor, w.Ref(c), consult.Survey{Avoided: true, Helpful: 3})
		field(t, err, "effect", "不能记为避免了转诊")
	})
}

// plain checks that the patient reads no diagnosis and no department.
func plain(t *testing.T, list []message.Message) {
	t.Helper()
	for _, m := range list {
		for _, secret := range []string{"心绞痛", "心血管", "胸闷", "I20"} {
			if strings.Contains(m.Text, secret) {
				t.Errorf("%s in %q", secret, m.Text)
			}
		}
	}
}

// With the asker's permission the specialist converts with his answer; the
// draft is the asker's, and he is told.
func TestTheSpecialistConvertsAsAllowed(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		s := w.Consults
		c := w.Ask(0, func(f *consult.Form) { f.MayConvert = true })
		a := w.Reply(consult.Refer)
		a.Convert = consult.ConvertSend
		_, err := s.Reply(ctx, w.Specialist, w.Ref(c), a)
		field(t, err, "convert", "没有预先签署转诊同意")
		if now := view(t, w, w.Doctor, c); now.Case.State != consult.StateAsked || now.Referral.ID != "" {
			t.Fatalf("something was kept: %+v", now.Case)
		}
		w.Notices = nil
		a.Convert = consult.ConvertDraft
		ref := w.Ref(c)
		c, err = s.Reply(ctx, w.Specialist, ref, a)
		must(t, err)
		full := view(t, w, w.Doctor, c)
		to := full.Referral
		if to.State != referral.StateDraft || to.From.Person != w.Doctor.Person || to.OwnerOrg != w.Township.ID || to.Owner != w.Doctor.Person || to.BasedOn != c.ID {
			t.Fatalf("%+v", to)
		}
		if !slices.ContainsFunc(w.Notices, func(n flow.Notice) bool {
			return n.Person == w.Doctor.Person && strings.Contains(n.Text, "转为转诊")
		}) {
			t.Errorf("the asker is told: %+v", w.Notices)
		}
		again, err := s.Reply(ctx, w.Specialist, ref, a)
		if err != nil || again.Version != c.Version {
			t.Fatalf("sent twice it acts once: %v", err)
		}
		if _, err := w.Service.View(ctx, w.Specialist, to.ID); !errs.Is(err, errs.NotFound) {
			t.Errorf("the draft is the asker's alone: %v", err)
		}
		f := w.Form(0)
		sent, err := w.Service.Submit(ctx, w.Doctor, w.Ref(to), &f)
		must(t, err)
		if sent.State != referral.StateSubmitted {
			t.Fatalf("%+v", sent)
		}
	})
}

// Where the patient has signed for the referral too, it goes at once, in the
// asker's name; responsibility passes when the referral is taken over.
func TestTheSpecialistSendsWhatWasSigned(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		s := w.Consults
		c := w.Ask(0, func(f *consult.Form) { f.MayConvert, f.AlsoRefer = true, true })
		c, err := s.Reply(ctx, w.Specialist, w.Ref(c), w.Reply(consult.Refer))
		must(t, err)
		c, to, err := s.Convert(ctx, w.Specialist, w.Ref(c), consult.ConvertSend)
		must(t, err)
		if to.State != referral.StateSubmitted || to.From.Person != w.Doctor.Person || to.To.Department != w.Cardiology.ID {
			t.Fatalf("%+v", to)
		}
		full, err := w.Service.View(ctx, w.Centre, to.ID)
		must(t, err)
		last := full.Timeline[len(full.Timeline)-1]
		if len(full.Consents) != 1 || full.Consents[0].SignerName != "张桂兰" || last.Role != audit.ProgramRole || len(full.Messages) != 1 {
			t.Fatalf("%+v %+v", full.Consents, last)
		}
		if got := view(t, w, w.Doctor, c); got.Responsible.Person != w.Doctor.Person || len(got.Messages) != 0 {
			t.Fatalf("still the asker's: %+v", got.Responsible)
		}
		to, err = w.Service.Accept(ctx, w.Centre, w.Ref(to), "")
		must(t, err)
		to, err = w.Service.Arrange(ctx, w.Centre, w.Ref(to), w.Arrangement())
		must(t, err)
		before := view(t, w, w.Doctor, c)
		token, err := s.Token(before)
		must(t, err)
		if err := w.Keys.Verify([]byte(token.Text), token.Signature); err != nil || !strings.Contains(token.Text, w.Township.Name) {
			t.Fatalf("%+v %v", token, err)
		}
		if w.Keys.Verify([]byte(strings.Replace(token.Text, w.Township.Name, w.Hospital.Name, 1)), token.Signature) == nil {
			t.Fatal("a changed statement verifies")
		}
		detail, err := w.Service.View(ctx, w.Desk, to.ID)
		must(t, err)
		_, err = w.Service.Arrive(ctx, w.Desk, w.Ref(to), referral.Arrival{Code: detail.Record.Arrangement.Code, Name: w.Patients[0].Name})
		must(t, err)
		if got := view(t, w, w.Doctor, c); got.Responsible.Org != w.Hospital.ID {
			t.Fatalf("the referral has been taken over: %+v", got.Responsible)
		}
	})
}

// A referral that its own rules refuse undoes the whole step.
func TestAConversionThatCannotBeSentKeepsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		w.World.To(0, referral.StateSubmitted) // the same need is under way
		c := w.Ask(0, func(f *consult.Form) { f.MayConvert, f.AlsoRefer = true, true })
		a := w.Reply(consult.Refer)
		a.Convert = consult.ConvertSend
		_, err := w.Consults.Reply(ctx, w.Specialist, w.Ref(c), a)
		field(t, err, "convert", "已有同类诊断的转诊单")
		if got := view(t, w, w.Specialist, c); got.Case.State != consult.StateAsked || got.Record.Answered() {
			t.Fatalf("%+v", got.Case)
		}
		n, err := db.Read(ctx, w.DB, func(ctx context.Context, tx *db.Tx, kind string) (int64, error) {
			return db.Count(ctx, tx, `SELECT count(*) FROM flow_case WHERE kind = $1`, kind)
		}, referral.Kind)
		if err != nil || n != 1 {
			t.Fatalf("%d referrals, %v", n, err)
		}
	})
}

// SMX-4.4.3c (D11): beyond the county the answer of a named person there is the
// word that a telephone call would be; an answer of another place is not.
func TestAnAnswerIsTheWordBeyondTheCounty(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		w.Doctor.Regions = []string{"411224", "4112", "41", "CN"}
		must(t, w.DB.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE organization SET region = '4311' WHERE id IN ($1, $2)`, w.Hospital.ID, w.Other.ID)
			return err
		}))
		c := w.To(0, consult.StateAnswered)
		c, to, err := w.Consults.Convert(ctx, w.Doctor, w.Ref(c), "")
		must(t, err)
		f := w.Form(0)
		f.Request.Contact = &liaison.Contact{How: liaison.Advice, Visit: "2026-03-04"}
		sent, err := w.Service.Submit(ctx, w.Doctor, w.Ref(to), &f)
		must(t, err)
		full, err := w.Service.View(ctx, w.Doctor, sent.ID)
		must(t, err)
		k := full.Record.Request.Contact
		if k == nil || k.How != liaison.Advice || k.Person != w.Specialist.Name || k.Case != c.Number || !slices.Contains(full.Record.Clauses, "SMX-4.4.3c") {
			t.Fatalf("%+v, %v", k, full.Record.Clauses)
		}

		c = w.To(1, consult.StateAnswered)
		_, to, err = w.Consults.Convert(ctx, w.Doctor, w.Ref(c), "")
		must(t, err)
		f = w.Form(1)
		f.Diagnosis, f.Indications, f.TargetService = "M54.500", []string{"general_ineffective"}, w.OtherClinic.ID
		f.Request.Contact = &liaison.Contact{How: liaison.Advice, Visit: "2026-03-04"}
		_, err = w.Service.Submit(ctx, w.Doctor, w.Ref(to), &f)
		field(t, err, "contact_how", "")
	})
}
