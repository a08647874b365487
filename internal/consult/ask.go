package consult

import (
	"context"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/practitioner"
	"yilian/internal/terminology"
)

// take takes the form over into the record of the opened case.
func (w *work) take(form Form) {
	w.r.ID, w.r.Patient, w.r.AskedAt = w.c.ID, w.c.Patient, w.tx.Now
	w.r.Diagnosis, w.r.Pace, w.r.Question, w.r.MayConvert = form.Diagnosis, form.Pace, form.Question, form.MayConvert
	if code, ok := terminology.Get(form.Diagnosis); ok {
		w.r.DiagnosisName = code.Name
	}
}

// target checks who is asked and returns him as the receiving party: a
// department of an allied hospital, or one of its doctors.
func (w *work) target(ctx context.Context, t Target, f *errs.Form) (flow.Party, error) {
	if t.Department == "" {
		f.Add("target", "请选择请教的科室或专家")
		return flow.Party{}, nil
	}
	d, err := organization.GetDepartment(ctx, w.tx, t.Department)
	if errs.Is(err, errs.NotFound) {
		f.Add("target", "所选的科室已不存在，请重新选择")
		return flow.Party{}, nil
	}
	if err != nil {
		return flow.Party{}, err
	}
	org, err := organization.Get(ctx, w.tx, d.Org)
	if err != nil {
		return flow.Party{}, err
	}
	allies, err := alliance.Allies(ctx, w.tx, w.actor.Org, calendar.DateOf(w.tx.Now))
	if err != nil {
		return flow.Party{}, err
	}
	to := flow.Party{Org: org.ID, OrgName: org.Name, Department: d.ID, DepartmentName: d.Name}
	switch {
	case org.ID == w.actor.Org:
		f.Add("target", "不能向本机构咨询，请选择上级医院的科室")
	case !slices.Contains(allies, org.ID) || !org.Kind.Hospital():
		f.Add("target", "%s不是本机构所在医联体的医院，不能在这里咨询", org.Name)
	case !d.Active || !org.Active:
		f.Add("target", "%s %s已停用，请重新选择", org.Name, d.Name)
	case t.Specialist != "":
		return w.specialist(ctx, to, t.Specialist, f)
	}
	return to, nil
}

func (w *work) specialist(ctx context.Context, to flow.Party, id string, f *errs.Form) (flow.Party, error) {
	people, err := practitioner.At(ctx, w.tx, to.Org, to.Department, "")
	if err != nil {
		return to, err
	}
	i := slices.IndexFunc(people, func(p practitioner.Practitioner) bool { return p.ID == id && advises(p) })
	if i < 0 {
		f.Add("target", "所选的专家现在不在%s，请重新选择", to.DepartmentName)
		return to, nil
	}
	to.Person, to.PersonName = people[i].ID, people[i].Name
	return to, nil
}

// advises reports whether a person may be asked.
func advises(p practitioner.Practitioner) bool {
	return p.Category == practitioner.Clinician || p.Category == practitioner.TCM
}

// consented demands the patient's signature where the policy does: what is
// asked shows his data to another institution.
func (w *work) consented(signed *consent.Consent, f *errs.Form) error {
	a, err := w.s.Book.Resolve("consult.consent.required", w.c.Place, calendar.DateOf(w.tx.Now))
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	required, err := a.Bool()
	if err != nil || !required {
		return err
	}
	w.r.Policy, w.r.Clauses = a.Profile+"@"+a.Version, append(w.r.Clauses, a.Clause)
	if signed == nil {
		f.Add("consent", "还没有记录患者同意：咨询要把患者资料给另一家机构的医生看，须患者同意（%s）", a.Clause)
	}
	return nil
}

// sign records the patient's signature, for the consultation and, where he
// agreed to that too, for the referral that may follow.
func (w *work) sign(ctx context.Context, form Form) error {
	if form.Consent == nil {
		return nil
	}
	c := *form.Consent
	c.Patient, c.Reference, c.Choices = w.c.Patient, w.c.ID, []string{w.c.To.OrgName + " " + w.c.To.DepartmentName}
	c.Refused, c.Purpose = false, ConsentPurpose
	got, err := consent.Record(ctx, w.tx, w.s.Audit, w.actor, c, false)
	if err != nil || !form.AlsoRefer {
		w.r.Consent = got.ID
		return err
	}
	w.r.Consent = got.ID
	c.Purpose = consent.Referral
	_, err = consent.Record(ctx, w.tx, w.s.Audit, w.actor, c, false)
	return err
}

// tellReceiver tells who is asked of the new question; later steps are told by
// flow.
func (w *work) tellReceiver(ctx context.Context) error {
	if w.s.Flow.Notify == nil {
		return nil
	}
	return w.s.Flow.Notify(ctx, w.tx, flow.Notice{
		Case: w.c.ID, Kind: Kind, Number: w.c.Number, Org: w.c.OwnerOrg, Role: w.c.OwnerRole, Person: w.c.Owner, Level: "info",
		Text: "咨询单 " + w.c.Number + " 待" + w.c.To.DepartmentName + "答复（" + PaceTitle(w.r.Pace) + "）：" + w.c.Subject,
	})
}

// Choice is one department that can be asked, with its doctors.
type Choice struct {
	Org        organization.Organization
	Department organization.Department
	Fits       bool // the department treats the diagnosis by name
	People     []practitioner.Practitioner
}

// Choices returns the departments of allied hospitals that can be asked about
// a patient's diagnosis, those that name it first, with their doctors. An empty
// diagnosis does not restrict.
func (s *Service) Choices(ctx context.Context, actor access.Actor, patientID, diagnosis string) ([]Choice, error) {
	if err := access.Require(actor, access.ConsultAsk, access.Own); err != nil {
		return nil, err
	}
	var out []Choice
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		if _, err := s.Access.Patient(ctx, tx, actor, patientID, access.Consult); err != nil {
			return err
		}
		p, err := s.Patients.Get(ctx, tx, patientID)
		if err != nil {
			return err
		}
		out, err = choices(ctx, tx, actor, p, diagnosis)
		return err
	})
	return out, err
}

func choices(ctx context.Context, tx *db.Tx, actor access.Actor, p patient.Patient, diagnosis string) ([]Choice, error) {
	today := calendar.DateOf(tx.Now)
	allies, err := alliance.Allies(ctx, tx, actor.Org, today)
	if err != nil {
		return nil, err
	}
	found, err := organization.FindServices(ctx, tx, organization.Need{
		Code: strings.TrimSpace(diagnosis), Age: p.Age(today), Sex: p.Sex, From: actor.Org, Allies: allies,
		OrgKinds: organization.HospitalKinds(),
	})
	if err != nil {
		return nil, err
	}
	var out []Choice
	for _, c := range found {
		i := slices.IndexFunc(out, func(x Choice) bool { return x.Department.ID == c.Department.ID })
		switch {
		case !c.Ally:
		case i >= 0:
			out[i].Fits = out[i].Fits || c.Specificity > 0
		default:
			people, err := practitioner.At(ctx, tx, c.Org.ID, c.Department.ID, today)
			if err != nil {
				return nil, err
			}
			people = slices.DeleteFunc(people, func(p practitioner.Practitioner) bool { return !advises(p) })
			out = append(out, Choice{Org: c.Org, Department: c.Department, Fits: c.Specificity > 0, People: people})
		}
	}
	slices.SortStableFunc(out, func(a, b Choice) int { return order(a.Fits) - order(b.Fits) })
	return out, nil
}

func order(first bool) int {
	if first {
		return 0
	}
	return 1
}

// Promises returns by when a question asked now at the actor's institution is
// answered, by pace.
func (s *Service) Promises(ctx context.Context, actor access.Actor) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		place, err := s.Referrals.PlaceOf(ctx, tx, actor)
		if err != nil {
			return err
		}
		for _, pace := range Paces() {
			a, err := s.Book.Resolve(clock(StateAsked)+"."+pace.Code, place, calendar.DateOf(tx.Now))
			if err != nil {
				return err
			}
			d, err := a.Deadline()
			if err != nil {
				return err
			}
			out[pace.Code], _ = d.Due(s.Flow.Calendar, tx.Now)
		}
		return nil
	})
	return out, err
}
