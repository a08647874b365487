package referral_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/referralcount"
	"yilian/internal/referral/referraltest"
)

func TestWhatADraftNeedsBeforeItLeaves(t *testing.T) {
	fever, low, high := 61.0, 80, 70
	rows := []struct {
		name, field, words, clause string
		change                     func(w *referraltest.World, f *referral.Form)
	}{
		{"consent (LL-4.4.1d)", "consent", "还没有记录患者的知情同意", "LL-4.4.1d", func(_ *referraltest.World, f *referral.Form) { f.Consent = nil }},
		{"indication or purpose (LL-4.4.1d)", "indications", "至少选择一条", "", func(_ *referraltest.World, f *referral.Form) { f.Indications, f.Purpose = nil, "" }},
		{"unknown indication", "indications", "不在可选范围内", "", func(_ *referraltest.World, f *referral.Form) { f.Indications = []string{"none"} }},
		{"choices shown (LL-4.4.1d)", "choices", "可选机构", "", func(_ *referraltest.World, f *referral.Form) { f.Request.Choices = nil }},
		{"unknown ICD code", "diagnosis", "没有编码", "", func(_ *referraltest.World, f *referral.Form) { f.Diagnosis = "Q99.999x" }},
		{"no diagnosis", "diagnosis", "请填写初步诊断", "", func(_ *referraltest.World, f *referral.Form) { f.Diagnosis = "" }},
		{"no urgency", "urgency", "先分级", "", func(_ *referraltest.World, f *referral.Form) { f.Urgency = "" }},
		{"no chief complaint", "chief", "主诉", "", func(_ *referraltest.World, f *referral.Form) { f.Request.Chief = "  " }},
		{"no history", "illness", "主要现病史", "", func(_ *referraltest.World, f *referral.Form) { f.Request.Illness = "" }},
		{"no treatment", "treatment", "治疗经过", "", func(_ *referraltest.World, f *referral.Form) { f.Request.Treatment = "" }},
		{"purpose 其他 without words", "purpose_text", "具体情况", "", func(_ *referraltest.World, f *referral.Form) { f.Purpose = "other" }},
		{"in-patient without admission", "admitted_on", "入院日期", "", func(_ *referraltest.World, f *referral.Form) { f.Visit = referral.Inpatient }},
		{"admission tomorrow", "admitted_on", "不能晚于今天", "", func(_ *referraltest.World, f *referral.Form) {
			f.Visit, f.Request.AdmittedOn = referral.Inpatient, "2026-03-03"
		}},
		{"temperature", "temperature", "不合理", "", func(_ *referraltest.World, f *referral.Form) { f.Request.Vitals.Temperature = &fever }},
		{"blood pressure upside down", "diastolic", "低于收缩压", "", func(_ *referraltest.World, f *referral.Form) {
			f.Request.Vitals.Systolic, f.Request.Vitals.Diastolic = &high, &low
		}},
		{"no target", "target_service", "接收机构", "", func(_ *referraltest.World, f *referral.Form) { f.TargetService = "" }},
		{"vanished target", "target_service", "已不存在", "", func(_ *referraltest.World, f *referral.Form) { f.TargetService = "none" }},
		{"target does not treat it", "target_service", "不接收该患者", "", func(w *referraltest.World, f *referral.Form) { f.TargetService = w.OtherClinic.ID }},
		{"text without end", "past", "太长", "", func(_ *referraltest.World, f *referral.Form) { f.Request.Past = strings.Repeat("长", 4001) }},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		c := w.Draft(0)
		for _, r := range rows {
			f := w.Form(0)
			r.change(w, &f)
			_, err := w.Service.Submit(ctx, w.Doctor, w.Ref(c), &f)
			if msg := fields(err)[r.field]; !errs.Is(err, errs.Invalid) || !strings.Contains(msg, r.words) {
				t.Errorf("%s: got %v", r.name, err)
			}
			if e, ok := errors.AsType[*errs.Error](err); r.clause != "" && (!ok || e.Clause != r.clause) {
				t.Errorf("%s: clause of %v", r.name, err)
			}
		}
		f := w.Form(0)
		f.Urgency, f.Visit, f.TargetService = "I", "", w.CardioWard.ID
		saved, err := w.Service.Save(ctx, w.Doctor, w.Ref(c), f)
		must(t, err)
		if saved.Urgency != "II" || referral.EmergencyAdvice("I") == "" || referral.EmergencyAdvice("II") != "" {
			t.Errorf("level I is kept as II and the doctor told to phone: %+v", saved)
		}
	})
}

// LL-4.3.4c: an institution without a published referral phone is no target.
func TestPublishedReferralPhone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		silent := w.Hospital
		silent.ReferralPhone = ""
		if _, err := w.Organizations.Save(ctx, audit.Program("test"), silent); err != nil {
			t.Fatal(err)
		}
		c := w.Draft(0)
		f := w.Form(0)
		_, err := w.Service.Submit(ctx, w.Doctor, w.Ref(c), &f)
		refused(t, err, errs.Invalid, "尚未公布转诊电话")
		if e, _ := errors.AsType[*errs.Error](err); e.Clause != "LL-4.3.4c" {
			t.Errorf("clause %q", e.Clause)
		}
		found, err := w.Service.Targets(ctx, w.Doctor, referral.Need{Patient: f.Patient, Diagnosis: f.Diagnosis, Urgency: "III"})
		must(t, err)
		for _, x := range found {
			if (x.Org.ID == w.Hospital.ID) != (x.Problem != "") {
				t.Errorf("%s: problem %q", x.Org.Name, x.Problem)
			}
		}
	})
}

func TestOneReferralForOneNeed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		first := w.To(0, referral.StateSubmitted)
		second := w.Draft(0)
		f := w.Form(0)
		f.Diagnosis = "I20.000" // same category
		_, err := w.Service.Submit(ctx, w.Doctor, w.Ref(second), &f)
		refused(t, err, errs.Conflict, first.Number)
		first, err = w.Service.Withdraw(ctx, w.Doctor, w.Ref(first), "mistake", "")
		must(t, err)
		state(t, first, referral.StateWithdrawn)
		_, err = w.Service.Submit(ctx, w.Doctor, w.Ref(second), &f)
		must(t, err)
	})
}

func TestWhoMayDoWhat(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Service
		_, err := s.Draft(ctx, w.Stranger, w.Form(0), w.Token())
		refused(t, err, errs.Forbidden, "没有签约、转诊或就诊关系")
		_, err = s.Draft(ctx, w.Desk, w.Form(0), w.Token())
		refused(t, err, errs.Forbidden, "没有这项权限")
		c := w.To(0, referral.StateSubmitted)
		_, err = s.Accept(ctx, w.Stranger, w.Ref(c), "")
		refused(t, err, errs.Forbidden, "没有签约、转诊或就诊关系")
		_, err = s.View(ctx, w.Stranger, c.ID)
		refused(t, err, errs.NotFound, "没有找到这张转诊单")
		for _, wrong := range []access.Actor{w.Desk, w.Specialist} {
			_, err = s.Accept(ctx, wrong, w.Ref(c), "")
			refused(t, err, errs.Forbidden, "没有这项权限")
		}
		_, err = s.Accept(ctx, w.Doctor, w.Ref(c), "")
		refused(t, err, errs.Forbidden, "由接收方办理")
		c, err = s.Claim(ctx, w.Centre, w.Ref(c))
		must(t, err)
		_, err = s.Accept(ctx, w.Centre2, w.Ref(c), "")
		refused(t, err, errs.Conflict, "由李护士负责，请先“接手”")
		c, err = s.Claim(ctx, w.Centre2, w.Ref(c))
		must(t, err)
		_, err = s.Accept(ctx, w.Centre2, w.Ref(c), "")
		must(t, err)
		_, err = referralcount.Read(ctx, d, w.Desk, referralcount.Scope{Org: w.Other.ID})
		refused(t, err, errs.Forbidden, "只能查看本机构")
		o, err := referralcount.Read(ctx, d, w.Bureau, referralcount.Scope{})
		must(t, err)
		if o.Sent != 1 || len(o.Months) != 1 {
			t.Errorf("%+v", o)
		}
	})
}

func TestTwoClaimAtOnceOneWins(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		c := w.To(0, referral.StateSubmitted)
		var wg sync.WaitGroup
		got := make([]error, 2)
		for i, who := range []access.Actor{w.Centre, w.Centre2} {
			ref := w.Ref(c)
			wg.Go(func() { _, got[i] = w.Service.Claim(ctx, who, ref) })
		}
		wg.Wait()
		won, lost := got[0], got[1]
		if won != nil {
			won, lost = lost, won
		}
		if won != nil {
			t.Fatalf("nobody won: %v, %v", got[0], got[1])
		}
		stale, ok := errors.AsType[*flow.StaleError](lost)
		if !ok || !errs.Is(lost, errs.Conflict) || stale.Case.Version != c.Version+1 {
			t.Fatalf("the other gets the present state: %v", lost)
		}
	})
}

func TestTheSameTokenActsOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		var wg sync.WaitGroup
		form := w.Form(0)
		drafts, failed := make([]flow.Case, 2), make([]error, 2)
		for i := range drafts {
			wg.Go(func() { drafts[i], failed[i] = w.Service.Draft(ctx, w.Doctor, form, "one-form") })
		}
		wg.Wait()
		must(t, errors.Join(failed...))
		if drafts[0].ID != drafts[1].ID {
			t.Fatal("a double click opened two referrals")
		}
		ref := w.Ref(drafts[0])
		for i := range drafts {
			wg.Go(func() { f := form; drafts[i], failed[i] = w.Service.Submit(ctx, w.Doctor, ref, &f) })
		}
		wg.Wait()
		must(t, errors.Join(failed...))
		full := view(t, w, w.Doctor, drafts[0])
		if len(full.Timeline) != 2 || len(full.Consents) != 1 || len(full.Messages) != 1 {
			t.Fatalf("%d events, %d consents, %d messages", len(full.Timeline), len(full.Consents), len(full.Messages))
		}
	})
}

func TestAStaleVersionIsToldTheNewState(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		c := w.To(0, referral.StateSubmitted)
		_, err := w.Service.Accept(ctx, w.Centre, w.Ref(c), "")
		must(t, err)
		_, err = w.Service.Decline(ctx, w.Centre2, w.Ref(c), referral.Decline{})
		if stale, ok := errors.AsType[*flow.StaleError](err); !ok || stale.Case.State != referral.StateAccepted {
			t.Fatalf("%v", err)
		}
	})
}

func TestAppointmentAndArrivalInput(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Service
		c := w.To(0, referral.StateAccepted)
		for _, r := range []struct {
			field, words string
			a            referral.Arrangement
		}{
			{"appointed_at", "已经过去", referral.Arrangement{Department: w.Cardiology.ID, At: w.Now.Add(-time.Minute)}},
			{"appointed_at", "请填写就诊时间", referral.Arrangement{Department: w.Cardiology.ID}},
			{"appointed_at", "半年以后", referral.Arrangement{Department: w.Cardiology.ID, At: w.Now.AddDate(1, 0, 0)}},
			{"department", "请填写接诊科室", referral.Arrangement{At: w.Now.Add(time.Hour)}},
			{"department", "不属于本院", referral.Arrangement{Department: w.OtherDept.ID, At: w.Now.Add(time.Hour)}},
			{"doctor", "不在本院执业", referral.Arrangement{Department: w.Cardiology.ID, Doctor: w.Doctor.Person, At: w.Now.Add(time.Hour)}},
		} {
			_, err := s.Arrange(ctx, w.Centre, w.Ref(c), r.a)
			if !strings.Contains(fields(err)[r.field], r.words) {
				t.Errorf("%s: %v", r.words, err)
			}
		}
		c, err := s.Arrange(ctx, w.Centre, w.Ref(c), w.Arrangement())
		must(t, err)
		load := dailyLoad(t, w)
		if load.Taken != 1 || load.Capacity != w.Cardiology.DailyCapacity {
			t.Errorf("load %+v", load)
		}
		arrival(t, w, c)
	})
}

func dailyLoad(t *testing.T, w *referraltest.World) (l referral.Load) {
	t.Helper()
	must(t, w.DB.View(ctx, func(tx *db.Tx) (err error) {
		l, err = referral.DailyLoad(ctx, tx, w.Cardiology.ID, "2026-03-03")
		return err
	}))
	return l
}

// arrival tries wrong identifiers on an arranged case of patient 0 until only
// the identity card will do.
func arrival(t *testing.T, w *referraltest.World, c flow.Case) {
	t.Helper()
	s, code := w.Service, w.Code(c)
	wrong := "000000"
	if wrong == code {
		wrong = "000001"
	}
	for _, r := range []struct {
		field, words string
		a            referral.Arrival
	}{
		{"code", "请输入 6 位到诊码", referral.Arrival{Name: "张桂兰"}},
		{"name", "再核对一项", referral.Arrival{Code: code}},
		{"name", "姓名与转诊单不符", referral.Arrival{Code: code, Name: "唐国强"}},
		{"birth_date", "出生日期与转诊单不符", referral.Arrival{Code: code, BirthDate: "1990-01-01"}},
		{"id_number", "与这张转诊单的患者不符", referral.Arrival{IDNumber: w.IDNumbers[1], Name: "张桂兰"}},
		{"id_number", "校验", referral.Arrival{IDNumber: w.IDNumbers[0][:17] + string('0'+(w.IDNumbers[0][17]-'0'+1)%10), Name: "张桂兰"}},
	} {
		_, err := s.Arrive(ctx, w.Desk, w.Ref(c), r.a)
		if !strings.Contains(fields(err)[r.field], r.words) {
			t.Errorf("%+v: %v", r.a, err)
		}
	}
	for i := range 6 {
		_, err := s.Arrive(ctx, w.Desk, w.Ref(c), referral.Arrival{Code: wrong, Name: "张桂兰"})
		words := "到诊码不正确"
		if i == 5 {
			words = "停用到诊码"
		}
		if !strings.Contains(fields(err)["code"], words) {
			t.Errorf("wrong code %d: %v", i+1, err)
		}
	}
	_, err := s.Arrive(ctx, w.Desk, w.Ref(c), referral.Arrival{Code: code, Name: "张桂兰"})
	if !strings.Contains(fields(err)["code"], "停用到诊码") {
		t.Errorf("the right code after five wrong ones: %v", err)
	}
	c, err = s.Arrive(ctx, w.Desk, w.Ref(c), referral.Arrival{IDNumber: w.IDNumbers[0], Name: "张桂兰"})
	must(t, err)
	if full := view(t, w, w.Desk, c); full.Record.ArrivedHow != "id" || full.Record.WrongCodes != 5 || full.Record.Arrangement.Code != "" {
		t.Errorf("%+v", full.Record)
	}
}

func TestCareInput(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Service
		c := w.To(0, referral.StateArrived)
		for _, r := range []struct {
			field string
			start referral.Start
		}{
			{"care", referral.Start{}}, {"care", referral.Start{Care: "home"}},
			{"expected_discharge", referral.Start{Care: referral.Inpatient}},
			{"expected_discharge", referral.Start{Care: referral.Inpatient, ExpectedDischarge: "2026-02-30"}},
			{"expected_discharge", referral.Start{Care: referral.Inpatient, ExpectedDischarge: "2026-03-01"}},
		} {
			if _, err := s.Start(ctx, w.Specialist, w.Ref(c), r.start); fields(err)[r.field] == "" {
				t.Errorf("%+v: %v", r.start, err)
			}
		}
		c, err := s.Start(ctx, w.Specialist, w.Ref(c), referral.Start{Care: referral.Inpatient, ExpectedDischarge: "2026-03-12"})
		must(t, err)
		_, err = s.Complete(ctx, w.Specialist, w.Ref(c), referral.Report{})
		for _, field := range []string{"result_code", "record_number", "treatment", "advice", "outcome"} {
			if fields(err)[field] == "" {
				t.Errorf("a report without %s: %v", field, err)
			}
		}
		bad := w.Report()
		bad.ResultCode = "X00.0000"
		if _, err = s.Complete(ctx, w.Specialist, w.Ref(c), bad); !strings.Contains(fields(err)["result_code"], "没有编码") {
			t.Errorf("%v", err)
		}
		if _, err = s.InterimNote(ctx, w.Specialist, w.Ref(c), ""); fields(err)["text"] == "" {
			t.Errorf("%v", err)
		}
		_, err = s.Complete(ctx, w.Specialist2, w.Ref(c), w.Report())
		refused(t, err, errs.Conflict, "由王主任负责")
	})
}

// LL-4.4.1b: within one triage level contracted patients come first; priority
// never passes triage.
func TestContractedPatientsComeFirstWithinTheirLevel(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.Contract(2)
		send := func(i int, urgency string) flow.Case {
			f := w.Form(i)
			f.Urgency = urgency
			if urgency == "II" {
				f.TargetService = w.CardioWard.ID
			}
			c, err := w.Service.Draft(ctx, w.Doctor, f, w.Token())
			must(t, err)
			c, err = w.Service.Submit(ctx, w.Doctor, w.Ref(c), &f)
			must(t, err)
			w.After(time.Minute)
			return c
		}
		iv, iii, contracted, ii := send(0, "IV"), send(1, "III"), send(2, "III"), send(3, "II")
		page, err := w.Service.List(ctx, w.Centre, referral.Query{Side: flow.To, Open: true})
		must(t, err)
		for i, want := range []flow.Case{ii, contracted, iii, iv} {
			if page.Items[i].Case.ID != want.ID {
				t.Errorf("place %d: %s %s", i, page.Items[i].Case.Urgency, page.Items[i].Case.Subject)
			}
		}
		if page.More || len(page.Counts) != 1 || page.Counts[0].N != 4 || !page.Items[1].Contracted || page.Items[0].Diagnosis == "" {
			t.Errorf("%+v", page)
		}
		mine, err := w.Service.ByPatient(ctx, w.Doctor, w.Patients[2].ID)
		must(t, err)
		if len(mine) != 1 || mine[0].Case.ID != contracted.ID {
			t.Errorf("%+v", mine)
		}
	})
}

func TestClinicalTextIsSealedAtRest(t *testing.T) {
	w := referraltest.New(t, dbtest.SQLite(t))
	c := w.To(0, referral.StateAwaitingInfo)
	asked, err := w.Service.AskCancel(ctx, w.Doctor, w.Ref(w.To(1, referral.StateInCare)), "other", "胸闷已缓解")
	must(t, err)
	must(t, w.DB.View(ctx, func(tx *db.Tx) error {
		request, err := db.Get(ctx, tx, "", db.Value[string], `SELECT request FROM referral WHERE id = $1`, c.ID)
		if err != nil {
			return err
		}
		question, err := db.Get(ctx, tx, "", db.Value[string], `SELECT question FROM referral_question WHERE referral = $1`, c.ID)
		if err != nil {
			return err
		}
		cancel, err := db.Get(ctx, tx, "", db.Value[string], `SELECT cancel_request FROM referral WHERE id = $1`, asked.ID)
		if err != nil {
			return err
		}
		comments, err := db.List(ctx, tx, db.Value[string], `SELECT comment FROM flow_event WHERE comment <> ''`)
		if len(comments) < 2 {
			t.Errorf("%d comments", len(comments))
		}
		for _, sealed := range append(comments, request, question, cancel) {
			if strings.Contains(sealed, "胸闷") || strings.Contains(sealed, "心电图") || !strings.Contains(sealed, "gcm") {
				t.Errorf("open text in the table: %s", sealed)
			}
		}
		return err
	}))
}

func TestMachineIsWholeAndUsableActionsHaveUseCases(t *testing.T) {
	m := referral.Machine()
	if len(m.States) != 17 {
		t.Errorf("%d states", len(m.States))
	}
	if referral.Usable(referral.ActSave) {
		t.Error("saving has no button of its own")
	}
	if !referral.Usable(referral.ActAccept) || !referral.Usable(referral.ActDefer) || !referral.Usable(flow.ActionClaim) {
		t.Error("accept and claim have")
	}
}
