package referral_test

import (
	"slices"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

func offers(t testing.TB, w *referraltest.World, actor access.Actor, c flow.Case, action string) bool {
	t.Helper()
	return slices.ContainsFunc(view(t, w, actor, c).Actions, func(a flow.Action) bool { return a.Name == action })
}

// told checks that the last notice went to one person and says some words.
func told(t testing.TB, w *referraltest.World, person, words string) {
	t.Helper()
	n := w.Notices[len(w.Notices)-1]
	if n.Person != person || !strings.Contains(n.Text, words) {
		t.Errorf("told %+v, want %s: %s", n, person, words)
	}
}

// D18: after care has begun, a cancellation is a request that the attending
// doctor answers; until then nothing about the case changes.
func TestCancelAfterStartIsARequest(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Service
		c := w.To(0, referral.StateInCare)
		if offers(t, w, w.Specialist, c, referral.ActAnswerCancel) || offers(t, w, w.Doctor, c, referral.ActCallOff) {
			t.Error("nothing has been asked, and nobody cancels by himself")
		}
		_, err := s.AskCancel(ctx, w.Doctor, w.Ref(c), "", "")
		if f := fields(err); f["reason"] == "" || f["comment"] == "" {
			t.Errorf("reason and comment are mandatory: %v", err)
		}
		asked, err := s.AskCancel(ctx, w.Doctor, w.Ref(c), "elsewhere", "家属要求转长沙治疗")
		must(t, err)
		if asked.State != referral.StateInCare || asked.Owner != c.Owner || !asked.DueAt.Equal(c.DueAt) || asked.Turn != flow.To {
			t.Errorf("the case has moved: %+v", asked)
		}
		told(t, w, w.Specialist.Person, "申请取消")
		full := view(t, w, w.Specialist, asked)
		if r := full.Record.Cancel; !r.Open() || r.Reason != "患者另择医院" || r.Comment != "家属要求转长沙治疗" || r.Name != w.Doctor.Name {
			t.Errorf("request %+v", r)
		}
		if offers(t, w, w.Doctor, asked, referral.ActAskCancel) || !offers(t, w, w.Specialist, asked, referral.ActAnswerCancel) {
			t.Error("one request at a time, and it can be answered")
		}
		_, err = s.AskCancel(ctx, w.Colleague, w.Ref(asked), "elsewhere", "再次")
		refused(t, err, errs.Conflict, "已申请取消")
		_, err = s.AnswerCancel(ctx, w.Specialist, w.Ref(asked), referral.CancelAnswer{Answer: "maybe"})
		if f := fields(err); f["answer"] == "" || f["comment"] == "" {
			t.Errorf("answer and comment: %v", err)
		}
		kept, err := s.AnswerCancel(ctx, w.Specialist, w.Ref(asked), referral.CancelAnswer{Answer: referral.CancelRefuse, Comment: "血压未稳，转运有风险"})
		must(t, err)
		state(t, kept, referral.StateInCare)
		told(t, w, w.Doctor.Person, "答复取消申请")
		if view(t, w, w.Doctor, kept).Record.Cancel.Open() {
			t.Error("an answered request is still open")
		}
		_, err = s.AnswerCancel(ctx, w.Specialist, w.Ref(kept), referral.CancelAnswer{Answer: referral.CancelRefuse, Comment: "再答"})
		refused(t, err, errs.Conflict, "没有等待答复的取消申请")
		asked, err = s.AskCancel(ctx, w.Colleague, w.Ref(kept), "other", "家属坚持")
		must(t, err)
		end, err := s.AnswerCancel(ctx, w.Specialist, w.Ref(asked), referral.CancelAnswer{Answer: referral.CancelAgree, Comment: "未用药，已交代风险"})
		must(t, err)
		state(t, end, referral.StateCancelled)
		if end.Open() || end.Outcome != referral.OutcomeOther || end.Responsible.Org != w.Township.ID {
			t.Errorf("ended as %+v", end)
		}
		told(t, w, w.Doctor.Person, "答复取消申请")
		var steps []string
		for _, e := range view(t, w, w.Doctor, end).Timeline {
			if e.Action == referral.ActAskCancel || e.Action == referral.ActAnswerCancel {
				steps = append(steps, e.ReasonTitle+"/"+e.Comment)
			}
		}
		want := []string{"患者另择医院/家属要求转长沙治疗", "/血压未稳，转运有风险", "其他/家属坚持", "/未用药，已交代风险"}
		if !slices.Equal(steps, want) {
			t.Errorf("timeline %q", steps)
		}
	})
}

// Where care has been given, the answer to the request is the report.
func TestAgreedCancellationOwesAReportWhenCareWasGiven(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Service
		treated := w.To(0, referral.StateInCare)
		treated, err := s.InterimNote(ctx, w.Specialist, w.Ref(treated), "已予硝酸甘油静滴")
		must(t, err)
		admitted, err := s.Start(ctx, w.Specialist, w.Ref(w.To(1, referral.StateArrived)), referral.Start{Care: referral.Inpatient, ExpectedDischarge: "2026-12-31"})
		must(t, err)
		for _, c := range []flow.Case{treated, admitted} {
			c, err := s.AskCancel(ctx, w.Doctor, w.Ref(c), "patient_gave_up", "要求自动出院")
			must(t, err)
			_, err = s.AnswerCancel(ctx, w.Specialist, w.Ref(c), referral.CancelAnswer{Answer: referral.CancelAgree, Comment: "同意"})
			if !strings.Contains(fields(err)["answer"], "须写回转单") {
				t.Errorf("agreed without a report: %v", err)
			}
			report := w.Report()
			report.RecordNumber = "2026001"
			c, err = s.Complete(ctx, w.Specialist, w.Ref(c), report)
			must(t, err)
			state(t, c, referral.StateCompleted)
			if view(t, w, w.Doctor, c).Record.Cancel.Open() {
				t.Error("the report settles the request")
			}
		}
	})
}
