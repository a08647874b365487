package patient

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// AddRelation enters a relative or guardian of a patient.
func (s *Service) AddRelation(ctx context.Context, actor access.Actor, id string, n NewRelation) (Relation, error) {
	var out Relation
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := access.Require(actor, access.PatientRegister, access.Any); err != nil {
			return err
		}
		if _, err := s.Access.Patient(ctx, tx, actor, id, access.Register); err != nil {
			return err
		}
		p, err := getRow(ctx, tx, id)
		if err != nil {
			return err
		}
		out, err = s.addRelation(ctx, tx, actor, p.Patient, n)
		if err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "patient.relation.add", id, RelationTitle(n.Kind)+guardianWord(n.Guardian))
	})
	return out, err
}

func guardianWord(guardian bool) string {
	if guardian {
		return "（监护人）"
	}
	return ""
}

const insertRelation = `
	INSERT INTO patient_relation (id, patient_id, kind, other_id, name, phone_sealed, guardian, household,
		from_on, to_on, end_reason, created_at, created_by)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

// addRelation checks and inserts; a registered guardian may then see and sign
// for the patient, for a child until the eighteenth birthday.
func (s *Service) addRelation(ctx context.Context, tx *db.Tx, actor access.Actor, p Patient, n NewRelation) (Relation, error) {
	if err := s.completeRelation(ctx, tx, p, &n); err != nil {
		return Relation{}, err
	}
	r := Relation{ID: db.NewID(), Kind: n.Kind, OtherID: n.OtherID, Name: n.Name, PhoneMasked: MaskPhone(n.Phone),
		Guardian: n.Guardian, Household: n.Household, From: calendar.DateOf(tx.Now)}
	sealed, err := seal(s.Keys, n.Phone, "patient.relation/"+r.ID)
	if err != nil {
		return Relation{}, err
	}
	_, err = tx.Exec(ctx, insertRelation, r.ID, p.ID, r.Kind, db.Null(r.OtherID), r.Name, sealed, r.Guardian, r.Household,
		string(r.From), "", "", db.At(tx.Now), signature(actor))
	if err != nil {
		return Relation{}, fmt.Errorf("insert patient relation: %w", err)
	}
	if r.Guardian && r.OtherID != "" {
		return r, access.Guard(ctx, tx, p.ID, r.OtherID, adulthood(p, tx.Now))
	}
	return r, nil
}

func (s *Service) completeRelation(ctx context.Context, tx *db.Tx, p Patient, n *NewRelation) error {
	var f errs.Form
	if n.OtherID == p.ID {
		f.Add("other_id", "不能把患者本人登记为自己的家属")
	} else if n.OtherID != "" {
		other, err := getRow(ctx, tx, n.OtherID)
		if err != nil {
			return err
		}
		n.Name = other.Name
		if n.Guardian && AgeOn(other.BirthDate, calendar.DateOf(tx.Now)) < 18 {
			f.Add("other_id", "%s未满18周岁，不能作为监护人", MaskName(other.Name))
		}
	}
	if !known(RelationKinds(), n.Kind) {
		f.Add("kind", "请选择与患者的关系")
	}
	n.Name = strings.TrimSpace(n.Name)
	if msg := nameProblem(n.Name); msg != "" {
		f.Add("name", "%s", msg)
	}
	n.Phone = checkPhone(&f, "phone", n.Phone)
	if n.Guardian && n.Phone == "" {
		f.Add("phone", "请填写监护人电话，知情同意和通知都要联系监护人")
	}
	return f.Err()
}

// adulthood is the instant a child's guardian ceases to answer for it; zero
// for adults in guardianship.
func adulthood(p Patient, now time.Time) time.Time {
	day := calendar.DateOf(p.BirthDate.Time().AddDate(18, 0, 0))
	if day <= calendar.DateOf(now) {
		return time.Time{}
	}
	return day.Time()
}

// EndRelation ends a relation with a reason; the row stays.
func (s *Service) EndRelation(ctx context.Context, actor access.Actor, id, relation, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := access.Require(actor, access.PatientRegister, access.Any); err != nil {
			return err
		}
		if _, err := s.Access.Patient(ctx, tx, actor, id, access.Register); err != nil {
			return err
		}
		var f errs.Form
		f.Require("reason", reason, "结束这一关系的原因，例如“监护权变更”")
		if err := f.Err(); err != nil {
			return err
		}
		all, err := relations(ctx, tx, s, id)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(r Relation) bool { return r.ID == relation && r.To == "" })
		if i < 0 {
			return errs.E(errs.NotFound, "没有找到这条家属关系，可能已被结束，请刷新页面")
		}
		if err := s.refuseLastGuardian(ctx, tx, id, all, all[i]); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE patient_relation SET to_on = $2, end_reason = $3 WHERE id = $1 AND to_on = ''`,
			relation, string(calendar.DateOf(tx.Now)), strings.TrimSpace(reason))
		if err != nil {
			return fmt.Errorf("end patient relation: %w", err)
		}
		if all[i].Guardian && all[i].OtherID != "" {
			if err := access.Guard(ctx, tx, id, all[i].OtherID, tx.Now); err != nil {
				return err
			}
		}
		return s.leaf(ctx, tx, actor, "patient.relation.end", id, RelationTitle(all[i].Kind)+"："+strings.TrimSpace(reason))
	})
}

// refuseLastGuardian keeps a child from being left without anybody who signs.
func (s *Service) refuseLastGuardian(ctx context.Context, tx *db.Tx, id string, all []Relation, gone Relation) error {
	p, err := getRow(ctx, tx, id)
	if err != nil {
		return err
	}
	today := calendar.DateOf(tx.Now)
	if !gone.Guardian || p.Age(today) >= GuardianAge {
		return nil
	}
	for _, r := range all {
		if r.ID != gone.ID && r.Guardian && r.Current(today) {
			return nil
		}
	}
	return errs.E(errs.Invalid, "患者未满14周岁，这是唯一的监护人。请先登记新的监护人，再结束这一关系")
}

func relations(ctx context.Context, tx *db.Tx, s *Service, id string) ([]Relation, error) {
	return db.List(ctx, tx, func(scan db.Scan) (r Relation, err error) {
		var other db.Null
		var sealed string
		if err := scan(&r.ID, &r.Kind, &other, &r.Name, &sealed, &r.Guardian, &r.Household, &r.From, &r.To); err != nil {
			return r, err
		}
		r.OtherID = string(other)
		phone, err := unseal(s.Keys, sealed, "patient.relation/"+r.ID)
		r.PhoneMasked = MaskPhone(phone)
		return r, err
	}, `
		SELECT id, kind, other_id, name, phone_sealed, guardian, household, from_on, to_on
		FROM patient_relation WHERE patient_id IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		ORDER BY to_on, guardian DESC, id`, id)
}

// Guardians returns the current guardians of a patient, for consent.
func (s *Service) Guardians(ctx context.Context, tx *db.Tx, id string) ([]Relation, error) {
	all, err := relations(ctx, tx, s, id)
	today := calendar.DateOf(tx.Now)
	return slices.DeleteFunc(all, func(r Relation) bool { return !r.Guardian || !r.Current(today) }), err
}

// Contact returns where messages about a patient go: the safe contact, for
// children the guardian, otherwise the patient. An empty phone means nowhere.
// It serves the program (messages), which shows it to nobody.
func (s *Service) Contact(ctx context.Context, tx *db.Tx, id string) (Contact, error) {
	ids, err := access.SamePerson(ctx, tx, id)
	if err != nil {
		return Contact{}, err
	}
	var own Contact
	child := false
	for _, member := range ids { // a safe contact on any identity is the only one
		r, err := getRow(ctx, tx, member)
		if err != nil {
			return Contact{}, err
		}
		_, secret, err := open(s.Keys, r)
		if err != nil || r.DeceasedOn != "" {
			return Contact{}, err
		}
		if secret.SafePhone != "" {
			return Contact{Name: r.SafeHow, Phone: secret.SafePhone, Safe: true}, nil
		}
		child = child || r.BirthDate != "" && r.Age(calendar.DateOf(tx.Now)) < GuardianAge
		if own.Phone == "" {
			own = Contact{Name: r.Name, Phone: secret.Phone}
		}
	}
	if child {
		g, err := s.guardianContact(ctx, tx, id)
		if err != nil || g.Phone != "" {
			return g, err
		}
	}
	return own, nil
}

func (s *Service) guardianContact(ctx context.Context, tx *db.Tx, id string) (Contact, error) {
	type found struct{ id, name, sealed string }
	list, err := db.List(ctx, tx, func(scan db.Scan) (f found, err error) { return f, scan(&f.id, &f.name, &f.sealed) }, `
		SELECT id, name, phone_sealed FROM patient_relation
		WHERE patient_id IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		AND guardian AND to_on = '' AND phone_sealed <> '' ORDER BY id LIMIT 1`, id)
	if err != nil || len(list) == 0 {
		return Contact{}, err
	}
	phone, err := unseal(s.Keys, list[0].sealed, "patient.relation/"+list[0].id)
	return Contact{Name: list[0].name, Phone: phone}, err
}

// SetLabel marks a patient as sensitive; only direct care may.
func (s *Service) SetLabel(ctx context.Context, actor access.Actor, id string, label Label, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := s.requireDirect(ctx, tx, actor, id); err != nil {
			return err
		}
		var f errs.Form
		if !slices.Contains(Labels(), label) {
			f.Add("label", "请从列表选择敏感类别")
		}
		f.Require("reason", reason, "标记的依据")
		if err := f.Err(); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO patient_label (id, patient_id, label, reason, set_at, set_by, voided_by, void_reason)
			VALUES ($1, $2, $3, $4, $5, $6, '', '')`,
			db.NewID(), id, string(label), strings.TrimSpace(reason), db.At(tx.Now), signature(actor))
		if db.IsUnique(err, "") {
			return errs.Because(err, errs.Conflict, "该患者已有“%s”标记，不需要重复添加", label.Title())
		}
		if err != nil {
			return fmt.Errorf("insert patient label: %w", err)
		}
		return s.leaf(ctx, tx, actor, "patient.label.set", id, "")
	})
}

// VoidLabel takes a label back, with a reason; the row stays.
func (s *Service) VoidLabel(ctx context.Context, actor access.Actor, id string, label Label, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := s.requireDirect(ctx, tx, actor, id); err != nil {
			return err
		}
		var f errs.Form
		f.Require("reason", reason, "撤销标记的原因")
		if err := f.Err(); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `
			UPDATE patient_label SET voided_at = $3, voided_by = $4, void_reason = $5
			WHERE patient_id = $1 AND label = $2 AND voided_at IS NULL`,
			id, string(label), db.At(tx.Now), signature(actor), strings.TrimSpace(reason))
		if err != nil {
			return fmt.Errorf("void patient label: %w", err)
		}
		if n == 0 {
			return errs.E(errs.NotFound, "该患者没有“%s”标记，可能已被撤销，请刷新页面", label.Title())
		}
		return s.leaf(ctx, tx, actor, "patient.label.void", id, "")
	})
}

func (s *Service) requireDirect(ctx context.Context, tx *db.Tx, actor access.Actor, id string) error {
	if err := access.Require(actor, access.PatientLabels, access.Care); err != nil {
		return err
	}
	g, err := s.Access.Patient(ctx, tx, actor, id, access.Treat)
	if err != nil {
		return err
	}
	if !g.Direct {
		return errs.E(errs.Forbidden, "敏感标记只对直接诊疗该患者的人员开放；您所在机构与患者目前没有签约、转诊或就诊关系")
	}
	return nil
}

// Sensitive returns the labels that hold for a patient, the child's among them.
// It makes no access decision: the program asks before it sends or shows.
func Sensitive(ctx context.Context, tx *db.Tx, id string) ([]Label, error) {
	marks, err := labels(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	var out []Label
	for _, m := range marks {
		out = append(out, m.Label)
	}
	r, err := getRow(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if r.Age(calendar.DateOf(tx.Now)) < GuardianAge && !slices.Contains(out, Minor) {
		out = append(out, Minor)
	}
	return out, nil
}

func labels(ctx context.Context, tx *db.Tx, id string) ([]Mark, error) {
	return db.List(ctx, tx, func(scan db.Scan) (m Mark, err error) {
		var at db.Time
		err = scan(&m.ID, &m.Label, &m.Reason, &at, &m.SetBy)
		m.SetAt = at.Time
		return m, err
	}, `SELECT id, label, reason, set_at, set_by FROM patient_label
		WHERE patient_id IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		AND voided_at IS NULL ORDER BY label`, id)
}

// Page is everything a patient page shows.
type Page struct {
	Patient
	Today      calendar.Date
	Place      string // town and village of residence
	CoverPlace string // place of the insurance pool
	Grant      access.Grant
	Relations  []Relation
	Labels     []Mark       // empty without direct care
	Accesses   []audit.Leaf // who looked; empty without the right
	SeesLooks  bool         // the actor may see who looked
}

// Open decides, records and reads what the patient page shows.
func (s *Service) Open(ctx context.Context, actor access.Actor, id string, purpose access.Purpose) (Page, error) {
	var out Page
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		out, err = s.OpenTx(ctx, tx, actor, id, purpose)
		return err
	})
	return out, err
}

// OpenTx is Open in the caller's transaction, for pages that show more beside.
func (s *Service) OpenTx(ctx context.Context, tx *db.Tx, actor access.Actor, id string, purpose access.Purpose) (Page, error) {
	var out Page
	var err error
	if out.Patient, err = s.Get(ctx, tx, id); err != nil {
		return Page{}, err
	}
	if out.Grant, err = s.Access.Patient(ctx, tx, actor, id, purpose); err != nil {
		return Page{}, err
	}
	out.Today = calendar.DateOf(tx.Now)
	places, err := placeNames(ctx, tx, []string{out.Region, out.Town(), out.InsurancePlace})
	if err != nil {
		return Page{}, err
	}
	out.Place, out.CoverPlace = places[out.Town()]+places[out.Region], places[out.InsurancePlace]
	if out.Relations, err = relations(ctx, tx, s, id); err != nil {
		return Page{}, err
	}
	if out.Grant.Direct {
		if out.Labels, err = labels(ctx, tx, id); err != nil {
			return Page{}, err
		}
	}
	role := access.Role(actor.Role)
	out.SeesLooks = access.Allowed(role, access.PatientAccesses, access.Care) || role == access.Resident
	if out.SeesLooks {
		out.Accesses, err = s.Audit.AccessesOf(ctx, tx, id, 20)
	}
	return out, err
}

// BreakGlass opens a record to the actor for a short time without a relation,
// with a reason that the privacy officer sees.
func (s *Service) BreakGlass(ctx context.Context, actor access.Actor, id, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if _, err := getRow(ctx, tx, id); err != nil {
			return err
		}
		if err := s.Access.BreakGlass(ctx, tx, actor, id, reason); err != nil || s.Broken == nil {
			return err
		}
		return s.Broken(ctx, tx, actor, id, reason)
	})
}
