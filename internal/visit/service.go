package visit

import (
	"context"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/record"
	"yilian/internal/terminology"
)

// Service holds the use cases: each method is one transaction.
type Service struct {
	DB         *db.DB
	Keys       *crypto.Keyring
	Book       *policy.Book
	Access     *access.Control
	Audit      *audit.Log
	Patients   *patient.Service
	Encounters *encounter.Service
	Record     *record.Store
}

// Entry is a form with what it is about.
type Entry struct {
	Form
	Patient string
	Once    string // made with the form; the same form is one visit
	Tail    string // last four of the patient's papers or phone, where there is no relation yet
}

// Enter records a visit: the encounter, the resources of the record, the
// relation of care. The same form again returns what it made.
func (s *Service) Enter(ctx context.Context, actor access.Actor, e Entry) (Visit, error) {
	var out Visit
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := may(actor); err != nil {
			return err
		}
		done, found, err := s.byOnce(ctx, tx, e.Once)
		if err != nil {
			return err
		}
		if found {
			if out = done; done.Org != actor.Org || done.Patient != e.Patient {
				return errs.E(errs.Conflict, "这张表单已用于另一次就诊，请重新打开登记页")
			}
			return nil
		}
		if e.Once == "" {
			return errs.E(errs.Invalid, "表单没有完整送达，请重新打开登记页")
		}
		p, err := s.admit(ctx, tx, actor, e)
		if err != nil {
			return err
		}
		form, err := e.check(tx.Now, p.DeceasedOn)
		if err != nil {
			return err
		}
		out = Visit{Form: form, Version: 1, Patient: p.ID, Org: actor.Org, RecordedAt: tx.Now, RecordedBy: actor.OrgName + actor.Name}
		enc, _, err := s.Encounters.RecordTx(ctx, tx, actor, s.encounter(actor, p, out, e.Once))
		if err != nil {
			return err
		}
		out.ID = enc.ID
		if _, err := s.Access.Patient(ctx, tx, actor, p.ID, access.Treat); err != nil {
			return err
		}
		if err := s.insert(ctx, tx, out, e.Once); err != nil {
			return err
		}
		return s.project(ctx, tx, actor, nil, out)
	})
	return out, err
}

func may(actor access.Actor) error {
	if actor.Org == "" {
		return errs.E(errs.Forbidden, "您没有所属机构，不能登记门诊")
	}
	return access.Require(actor, access.VisitRecord, access.Own)
}

// admit finds the patient: known to the institution, or named by a second
// identifier that he has shown.
func (s *Service) admit(ctx context.Context, tx *db.Tx, actor access.Actor, e Entry) (patient.Patient, error) {
	p, err := s.Patients.Get(ctx, tx, e.Patient)
	if err != nil {
		return p, err
	}
	seen, err := access.Visible(ctx, tx, actor, []string{p.ID})
	if err != nil || seen[p.ID] {
		return p, err
	}
	ok, err := s.Patients.MatchesTail(ctx, tx, p.ID, e.Tail)
	if err == nil && !ok {
		var f errs.Form
		f.Add("tail", "本机构第一次接诊这位患者：请核对证件，填写身份证号或手机号的后四位")
		err = f.Err()
	}
	return p, err
}

// encounter is a visit as a fact that is counted.
func (s *Service) encounter(actor access.Actor, p patient.Patient, v Visit, once string) encounter.Encounter {
	e := encounter.Encounter{
		Patient: p.ID, Org: v.Org, Class: encounter.Outpatient, Start: v.Start, End: v.Start, Department: "全科", Doctor: actor.Name,
		First: encounter.Yes, FirstBy: "unreferred", InsuranceKind: p.InsuranceKind, InsurancePlace: p.InsurancePlace,
		Total: v.Total, Own: v.Own, Visits: 1, Clinical: true, ChangeReason: v.Reason,
		Source: encounter.Source{System: encounter.SourcePage + "/" + v.Org, Key: once, Ref: "门诊登记"},
	}
	for _, d := range v.Diagnoses {
		c, _ := terminology.Get(d) // checked
		e.Diagnoses = append(e.Diagnoses, encounter.Diagnosis{InsuranceCode: c.Code, InsuranceName: c.Name})
	}
	return e
}

// Correct replaces what was entered, with a reason; version is the one that the
// form was opened with.
func (s *Service) Correct(ctx context.Context, actor access.Actor, id string, version int64, form Form, reason string) (Visit, error) {
	var out Visit
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		was, once, err := s.own(ctx, tx, actor, id, version)
		if err != nil {
			return err
		}
		p, err := s.Patients.Get(ctx, tx, was.Patient)
		if err != nil {
			return err
		}
		if form, err = form.check(tx.Now, p.DeceasedOn); err != nil {
			return err
		}
		if reason, err = reasoned(reason, "更正的原因，例如“诊断录错”"); err != nil {
			return err
		}
		if len(Changes(was.Form, form)) == 0 {
			out = was
			return nil
		}
		out = Visit{Form: form, ID: was.ID, Version: was.Version + 1, Patient: was.Patient, Org: was.Org, Reason: reason,
			RecordedAt: tx.Now, RecordedBy: actor.OrgName + actor.Name}
		if err := replace(ctx, tx, was); err != nil {
			return err
		}
		if err := s.insert(ctx, tx, out, once); err != nil {
			return err
		}
		e, err := encounter.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		now := s.encounter(actor, p, out, once)
		now.Doctor, now.Source, now.Referral = e.Doctor, e.Source, e.Referral
		now.InsuranceKind, now.InsurancePlace, now.First, now.FirstBy = e.InsuranceKind, e.InsurancePlace, e.First, e.FirstBy
		if _, _, err := s.Encounters.RecordTx(ctx, tx, actor, now); err != nil {
			return err
		}
		if err := s.project(ctx, tx, actor, &was, out); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "visit.correct", out, reason)
	})
	return out, err
}

// Void marks a visit as entered in error: the wrong person, or never there.
func (s *Service) Void(ctx context.Context, actor access.Actor, id string, version int64, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		was, _, err := s.own(ctx, tx, actor, id, version)
		if err != nil {
			return err
		}
		if reason, err = reasoned(reason, "作废的原因，例如“登记到别人名下”"); err != nil {
			return err
		}
		if err := void(ctx, tx, was, reason); err != nil {
			return err
		}
		if err := s.leaf(ctx, tx, actor, "visit.void", was, reason); err != nil {
			return err
		}
		if err := s.project(ctx, tx, actor, &was, Visit{ID: was.ID, Patient: was.Patient, Org: was.Org}); err != nil {
			return err
		}
		return s.Encounters.VoidTx(ctx, tx, actor, id, reason)
	})
}

func reasoned(reason, what string) (string, error) {
	reason = strings.TrimSpace(reason)
	var f errs.Form
	f.Require("reason", reason, what)
	return reason, f.Err()
}

// own reads a visit that the actor's institution may change, as he saw it.
func (s *Service) own(ctx context.Context, tx *db.Tx, actor access.Actor, id string, version int64) (Visit, string, error) {
	if err := may(actor); err != nil {
		return Visit{}, "", err
	}
	v, once, err := s.get(ctx, tx, id)
	switch {
	case err != nil:
		return v, once, err
	case v.Org != actor.Org:
		return v, once, errs.E(errs.Forbidden, "这次门诊由其他机构登记，只有登记的机构可以更正")
	case !v.VoidedAt.IsZero():
		return v, once, errs.E(errs.Conflict, "这次门诊已作废：%s", v.VoidReason)
	case v.Version != version:
		return v, once, errs.E(errs.Conflict, "这次门诊已由%s更正过，您看到的不是最新内容，请刷新后核对再更正", v.RecordedBy)
	}
	if _, err := s.Access.Patient(ctx, tx, actor, v.Patient, access.Treat); err != nil {
		return v, once, err
	}
	return v, once, nil
}

func (s *Service) leaf(ctx context.Context, tx *db.Tx, actor access.Actor, action string, v Visit, detail string) error {
	return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "visit", ObjectID: v.ID, Patient: v.Patient, Outcome: audit.OK, Detail: detail})
}

// Page is a visit with what it was before.
type Page struct {
	Patient  patient.Patient
	Versions []Visit // the newest first
	OrgName  string
	Own      bool // the actor may correct it
}

// Open decides, logs and reads a visit.
func (s *Service) Open(ctx context.Context, actor access.Actor, id string) (Page, error) {
	var p Page
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p.Versions, err = s.history(ctx, tx, id); err != nil {
			return err
		}
		if len(p.Versions) == 0 {
			return errs.E(errs.NotFound, "没有找到这次门诊")
		}
		v := p.Versions[0]
		g, err := s.Access.Record(ctx, tx, actor, access.Entry{Patient: v.Patient, Action: "visit.read", Object: "visit", ObjectID: id})
		if err != nil {
			return err
		}
		if err := s.disclose(tx, actor, g, p.Versions); err != nil {
			return err
		}
		if p.Patient, err = s.Patients.Get(ctx, tx, v.Patient); err != nil {
			return err
		}
		names, err := organization.FullNames(ctx, tx, []string{v.Org})
		p.OrgName = names[v.Org]
		p.Own = v.Org == actor.Org && access.May(actor, access.VisitRecord, access.Own) && v.VoidedAt.IsZero()
		return err
	})
	return p, err
}

// disclose keeps visits with a sensitive diagnosis from who may not see them.
func (s *Service) disclose(tx *db.Tx, actor access.Actor, g access.Grant, list []Visit) error {
	if g.SeesSensitive() {
		return nil
	}
	classes, err := access.SensitiveAt(s.Book, policy.Place{Regions: actor.Regions}, calendar.DateOf(tx.Now))
	if err != nil {
		return err
	}
	for _, v := range list {
		f := access.Fact{Codes: v.Diagnoses, Texts: []string{v.Complaint, v.DiagnosisNames(), v.medicineText()}}
		if classes.Class(f) != "" {
			return errs.E(errs.Forbidden, "这次门诊含敏感信息，已隐藏。需要查看时，请在患者页点“打开已隐藏内容”并填写原因")
		}
	}
	return nil
}

// Day is the desk of an institution: today's visits and follow-ups that are due.
type Day struct {
	Today, Recent []Visit
	Due           []Visit
	People        map[string]patient.Brief
	On            calendar.Date
}

// recentDays is how far back the desk lists visits.
const recentDays = 7

// Desk lists the visits of the actor's institution.
func (s *Service) Desk(ctx context.Context, actor access.Actor) (Day, error) {
	var d Day
	if err := may(actor); err != nil {
		return d, err
	}
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		d.On = calendar.DateOf(tx.Now)
		ahead, err := s.Book.Resolve("visit.follow.ahead", policy.Place{Regions: actor.Regions}, d.On)
		if err != nil {
			return err
		}
		days, err := ahead.Deadline()
		if err != nil {
			return err
		}
		all, err := s.ofOrg(ctx, tx, actor.Org, d.On.AddDays(-recentDays).Time(), 300)
		if err != nil {
			return err
		}
		var ids []string
		for _, v := range all {
			ids = append(ids, v.Patient)
			if calendar.DateOf(v.Start) == d.On {
				d.Today = append(d.Today, v)
			} else {
				d.Recent = append(d.Recent, v)
			}
		}
		if d.Due, err = s.due(ctx, tx, actor.Org, d.On.AddDays(days.N), 100); err != nil {
			return err
		}
		for _, v := range d.Due {
			ids = append(ids, v.Patient)
		}
		d.People, err = patient.Briefs(ctx, tx, ids)
		return err
	})
	return d, err
}

// Hints are what a form knows before anybody types: the frequent diagnoses of
// the institution, usual complaints, and how vitals are judged.
type Hints struct {
	Complaints []string
	Frequent   []terminology.Code
	Ranges     map[string]string
	Known      bool // the institution has a relation with the patient already
	Now        time.Time
}

// frequentDays and frequentMost bound the list of frequent diagnoses.
const (
	frequentDays = 180
	frequentMost = 8
)

// HintsTx reads what a form shows before it is filled in.
func (s *Service) HintsTx(ctx context.Context, tx *db.Tx, actor access.Actor, patientID string) (Hints, error) {
	h := Hints{Now: tx.Now, Ranges: map[string]string{}}
	place, day := policy.Place{Regions: actor.Regions}, calendar.DateOf(tx.Now)
	a, err := s.Book.Resolve("visit.complaints", place, day)
	if err != nil {
		return h, err
	}
	if h.Complaints, err = a.Strings(); err != nil {
		return h, err
	}
	if h.Ranges, err = s.ranges(place, day); err != nil {
		return h, err
	}
	codes, err := Frequent(ctx, tx, actor.Org, day.AddDays(-frequentDays), frequentMost)
	if err != nil {
		return h, err
	}
	for _, code := range codes {
		if c, ok := terminology.Get(code); ok {
			h.Frequent = append(h.Frequent, c)
		}
	}
	seen, err := access.Visible(ctx, tx, actor, []string{patientID})
	h.Known = seen[patientID]
	return h, err
}

// ranges are the reference ranges of vitals.
func (s *Service) ranges(place policy.Place, day calendar.Date) (map[string]string, error) {
	out := map[string]string{}
	a, err := s.Book.Resolve("visit.vitals", place, day)
	if err != nil {
		return nil, err
	}
	codes, err := a.Codes()
	for _, c := range codes {
		if c.Note != "无" {
			out[c.Code] = c.Note
		}
	}
	return out, err
}
