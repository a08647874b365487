package projection

import (
	"context"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/practitioner"
	"yilian/internal/record"
	"yilian/internal/referral"
)

// referral is a case as the closed loop of FHIR: a ServiceRequest that says
// what is asked, a Task that says how far it is, an Appointment once there is
// one. Before it has left the referring institution it is nobody else's
// business: then only what a system has written itself is followed up.
func (m *Modules) referral(ctx context.Context, tx *db.Tx, id string) ([]record.Projection, error) {
	c, err := flow.Get(ctx, tx, id)
	if err != nil {
		return none(err)
	}
	r, err := m.Referrals.RecordOf(ctx, tx, id)
	if err != nil {
		return none(err)
	}
	origin, err := record.OriginsOf(ctx, tx, referral.Kind, id)
	if err != nil {
		return nil, err
	}
	sent := !r.SubmittedAt.IsZero()
	if !sent && origin["ServiceRequest"] == "" {
		return nil, nil
	}
	s := stated{m: m, c: c, r: r, origin: origin}
	request, err := s.request(ctx, tx)
	if err != nil {
		return nil, err
	}
	out := []record.Projection{{Body: request, Patient: c.Patient}}
	if sent || origin["Task"] != "" {
		task, err := s.task(ctx, tx)
		if err != nil {
			return nil, err
		}
		out = append(out, record.Projection{Body: task, Patient: c.Patient})
	}
	if !r.Arrangement.At.IsZero() {
		visit, err := made(c.Patient, s.appointment())
		if err != nil {
			return nil, err
		}
		out = append(out, visit...)
	}
	return out, nil
}

func caseOf(ctx context.Context, tx *db.Tx, id string) (flow.Case, error) {
	c, err := flow.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) {
		return flow.Case{}, nil
	}
	return c, err
}

// requestID is the ServiceRequest of a case: the one that a system wrote, else
// our own, which has the id of the case.
func (m *Modules) requestID(ctx context.Context, tx *db.Tx, id string) (string, error) {
	origin, err := record.OriginsOf(ctx, tx, referral.Kind, id)
	if origin["ServiceRequest"] != "" {
		return origin["ServiceRequest"], err
	}
	return id, err
}

// stated is a case with its record, on the way to FHIR.
type stated struct {
	m      *Modules
	c      flow.Case
	r      referral.Record
	origin map[string]string
}

func (s *stated) id(kind string) string {
	if s.origin[kind] != "" {
		return s.origin[kind]
	}
	return s.c.ID
}

// write gives our own instance, or the one that a system wrote with what has
// become of it laid over: everything else of it keeps its bytes.
func (s *stated) write(ctx context.Context, tx *db.Tx, ours object, over func(theirs []byte) object) ([]byte, error) {
	kind := ours["resourceType"].(string)
	if s.origin[kind] != "" {
		theirs, err := s.m.Store.FirstBody(ctx, tx, record.Key{Type: kind, ID: s.origin[kind]})
		if err != nil || theirs != nil {
			if err == nil {
				theirs, err = overlay(theirs, over(theirs))
			}
			return theirs, err
		}
	}
	ours["id"] = s.id(kind)
	list, err := made("", ours)
	if err != nil {
		return nil, err
	}
	return list[0].Body, nil
}

// request says what is asked, of whom, and why.
func (s *stated) request(ctx context.Context, tx *db.Tx) ([]byte, error) {
	requester, err := s.requester(ctx, tx)
	if err != nil {
		return nil, err
	}
	ours := object{
		"resourceType": "ServiceRequest", "identifier": list{identifier(CaseSystem, s.c.Number)},
		"status": requestStatus(s.c, s.r), "intent": "order", "priority": Priority(s.c.Urgency),
		"category": list{
			concept(snomed, referPatient, "转诊"), concept("urn:yilian:referral-direction", string(s.r.Direction), s.r.Direction.Title()),
			concept("urn:yilian:visit", s.r.Visit, referral.Title(referral.Visits(), s.r.Visit)),
		},
		"code": concept(CodeSystem+"referral.reason.up", s.r.Purpose, s.r.Request.PurposeText), "subject": ref("Patient", s.c.Patient),
		"authoredOn": instant(first(s.r.SubmittedAt, s.c.OpenedAt)), "requester": requester, "performer": s.performer(),
		"locationReference": list{placed("Location", s.c.To.Department, s.c.To.DepartmentName)},
		"reasonCode":        s.reasons(), "extension": list{contents(s.r)},
	}
	return s.write(ctx, tx, ours, func(theirs []byte) object {
		over := object{"status": ours["status"], "identifier": list{identifier(CaseSystem, s.c.Number)}}
		was := ReadRequest(theirs)
		now := referral.Form{Urgency: s.c.Urgency, Diagnosis: s.r.Diagnosis, TargetService: s.r.TargetService, Request: s.r.Request}
		for name, moved := range map[string]bool{
			"priority": was.Urgency != now.Urgency, "performer": was.TargetService != now.TargetService,
			"reasonCode": canonical(was.Diagnosis) != now.Diagnosis, "extension": said(was.Request) != said(now.Request),
		} {
			if moved {
				over[name] = ours[name]
			}
		}
		return over
	})
}

// said are the texts of a request, to see whether a form changed them.
func said(r referral.Request) [5]string {
	return [5]string{r.Chief, r.Illness, r.Past, r.Treatment, r.Allergies}
}

// placed is a reference to something here; what is not named is left out.
func placed(kind, id, display string) object {
	if id == "" {
		return nil
	}
	return shown(kind, id, display)
}

// requester is the referring doctor, as far as he is one of the register.
func (s *stated) requester(ctx context.Context, tx *db.Tx) (object, error) {
	from := s.c.From
	if from.Person != "" {
		_, err := practitioner.Get(ctx, tx, from.Person)
		if err == nil {
			return shown("Practitioner", from.Person, from.Display()), nil
		}
		if !errs.Is(err, errs.NotFound) {
			return nil, err
		}
	}
	return shown("Organization", from.Org, from.Display()), nil
}

func (s *stated) performer() list {
	return list{placed("HealthcareService", s.r.TargetService, ""), placed("Organization", s.c.To.Org, s.c.To.OrgName)}
}

func (s *stated) reasons() list {
	out := list{concept(ICDSystem, s.r.Diagnosis, s.r.DiagnosisName)}
	for _, i := range s.r.Indications {
		out = append(out, concept(CodeSystem+"referral.indication.up", i, ""))
	}
	return out
}

// task says how far the case is, who has it, until when, and what came of it.
func (s *stated) task(ctx context.Context, tx *db.Tx) ([]byte, error) {
	m, err := s.m.Referrals.Flow.Machine(s.c.Kind)
	if err != nil {
		return nil, err
	}
	state, _ := m.State(s.c.State)
	ours := object{
		"resourceType": "Task", "identifier": list{identifier(CaseSystem, s.c.Number)},
		"status": TaskStatus(s.c, s.r), "businessStatus": concept(StateSystem+s.c.Kind, s.c.State, state.Title),
		"intent": "order", "priority": Priority(s.c.Urgency), "code": concept(taskCode, "fulfill", "办理转诊"),
		"focus": ref("ServiceRequest", s.id("ServiceRequest")), "for": ref("Patient", s.c.Patient),
		"authoredOn": instant(s.c.OpenedAt), "requester": placed("Organization", s.c.From.Org, s.c.From.OrgName),
		"owner":           placed("Organization", s.c.To.Org, s.c.To.Display()),
		"executionPeriod": object{"start": instant(s.r.StartedAt), "end": instant(s.r.CompletedAt)},
		"output":          report(s.r.Report),
	}
	if s.c.Open() {
		ours["restriction"] = object{"period": object{"end": instant(s.c.DueAt)}}
	}
	if a := s.r.Advice; a.Reason != "" && (s.r.Declined || s.c.State == referral.StateDeclined) {
		ours["statusReason"] = object{"text": join("；", a.Reason, a.OrgName, a.Service, a.Text)}
	}
	if err := s.talk(ctx, tx, ours); err != nil {
		return nil, err
	}
	return s.write(ctx, tx, ours, func([]byte) object {
		over := object{}
		for _, name := range []string{"status", "businessStatus", "identifier", "owner", "executionPeriod", "output", "restriction", "statusReason", "note"} {
			if ours[name] != nil {
				over[name] = ours[name]
			}
		}
		return over
	})
}

// talk writes the questions of the receiving side and their answers as notes;
// what is asked now is the reason why the Task waits.
func (s *stated) talk(ctx context.Context, tx *db.Tx, task object) error {
	talks, err := s.m.Referrals.QuestionsOf(ctx, tx, s.c.ID)
	if err != nil {
		return err
	}
	var notes list
	for _, q := range talks {
		notes = append(notes, object{"authorString": join(" ", q.AskedOrg, q.AskedName), "time": instant(q.AskedAt), "text": "请补充：" + q.Text})
		switch {
		case !q.AnsweredAt.IsZero():
			notes = append(notes, object{"authorString": q.AnsweredName, "time": instant(q.AnsweredAt), "text": "补充：" + q.Answer})
		case s.c.State == referral.StateAwaitingInfo:
			task["statusReason"] = object{"text": q.Text}
		}
	}
	if notes != nil {
		task["note"] = notes
	}
	return nil
}

func report(r referral.Report) list {
	var out list
	add := func(code, title, kind string, value any) {
		out = append(out, object{"type": concept(CodeSystem+"referral.report", code, title), kind: value})
	}
	if r.ResultCode != "" {
		add("diagnosis", "诊断结果", "valueCodeableConcept", concept(ICDSystem, r.ResultCode, r.ResultName))
	}
	for _, t := range []struct{ code, title, text string }{
		{"record-number", "病案号", r.RecordNumber}, {"exams", "主要检查结果", r.Exams}, {"treatment", "治疗经过", r.Treatment},
		{"advice", "下一步治疗方案及康复建议", r.Advice}, {"outcome", "诊疗结果", r.Outcome},
	} {
		if t.text != "" {
			add(t.code, t.title, "valueString", t.text)
		}
	}
	return out
}

// appointment is the visit that was arranged. The code that the desk asks for
// is for the patient alone.
func (s *stated) appointment() object {
	a := s.r.Arrangement
	doctor := object(nil)
	if a.Doctor != "" {
		doctor = object{"actor": shown("Practitioner", a.Doctor, a.DoctorName), "status": "accepted"}
	}
	place := object(nil)
	if a.Department != "" {
		place = object{"actor": shown("Location", a.Department, a.Location), "status": "accepted"}
	}
	return object{
		"resourceType": "Appointment", "id": s.c.ID, "status": visitStatus(s.c, s.r), "start": instant(a.At),
		"basedOn": list{ref("ServiceRequest", s.id("ServiceRequest"))}, "created": instant(s.r.AcceptedAt),
		"participant": list{object{"actor": ref("Patient", s.c.Patient), "status": "accepted"}, place, doctor},
	}
}
