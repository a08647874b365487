package index

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
	"yilian/internal/idcard"
	"yilian/internal/message"
	"yilian/internal/patient"
	"yilian/internal/patient/match"
)

// unresolved are patients entered without knowing who they are, or as newborn,
// who have no paper yet and are linked to nobody.
const unresolvedFrom = `
	FROM patient_identity i JOIN patient p ON p.id = i.id
	WHERE i.kind IN ('unknown', 'newborn') AND p.id_type = '' AND p.resident = '' AND i.voided_at IS NULL
	  AND NOT EXISTS (SELECT 1 FROM same_person s WHERE s.patient = p.id)
	  AND (CAST($1 AS BOOLEAN) OR i.source = $2)`

const countUnresolved = `SELECT count(*) ` + unresolvedFrom

// Unresolved is a patient whose identity is not known yet.
type Unresolved struct {
	Side
	Mother string // name, of a newborn
	Since  time.Time
}

// Unresolved returns the patients whose identity is still open, the oldest first.
func (s *Service) Unresolved(ctx context.Context, actor access.Actor) (list []Unresolved, err error) {
	if err := access.Require(actor, access.PatientIndex, access.Own); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		type found struct {
			id, mother string
			at         db.Time
		}
		open, err := db.List(ctx, tx, func(scan db.Scan) (f found, err error) { return f, scan(&f.id, &f.mother, &f.at) },
			`SELECT i.id, coalesce((SELECT m.name FROM patient m WHERE m.id = i.mother_id), ''), i.stated_at `+unresolvedFrom+`
			ORDER BY i.stated_at, i.id LIMIT 100`, regionWide(actor), actor.Org)
		if err != nil {
			return err
		}
		ids := make([]string, len(open))
		for i, f := range open {
			ids[i] = f.id
		}
		sides, err := s.sides(ctx, tx, ids)
		for _, f := range open {
			list = append(list, Unresolved{Side: sides[f.id], Mother: f.mother, Since: f.at.Time})
		}
		return err
	})
	return list, err
}

// Identify says who an unknown person or a newborn is: name and identity card.
// When the card's holder is registered, the two become one person and
// everything that was begun for the unknown one is in the holder's record;
// otherwise the patient itself gets name and card. The name must agree with the
// holder's: a number alone is one identifier.
func (s *Service) Identify(ctx context.Context, actor access.Actor, id, name, number string) (resident string, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		resident, err = s.identify(ctx, tx, actor, id, strings.TrimSpace(name), number)
		return err
	})
	return resident, err
}

func (s *Service) identify(ctx context.Context, tx *db.Tx, actor access.Actor, id, name, number string) (string, error) {
	if access.Require(actor, access.PatientIndex, access.Own) != nil {
		if err := access.Require(actor, access.PatientRegister, access.Any); err != nil {
			return "", err
		}
	}
	var f errs.Form
	f.Require("name", name, "姓名")
	card, cerr := idcard.ParseOn(number, string(calendar.DateOf(tx.Now)))
	f.AddErr("id_number", cerr)
	if err := f.Err(); err != nil {
		return "", err
	}
	if !regionWide(actor) {
		if _, err := s.Access.Patient(ctx, tx, actor, id, access.Register); err != nil {
			return "", err
		}
	}
	p, err := s.Patients.Get(ctx, tx, id)
	if err != nil {
		return "", err
	}
	if p.IDType != "" {
		return "", errs.E(errs.Conflict, "%s已登记%s，身份已核定；资料有误请用“修改资料”", p.Name, patient.IDTypeTitle(p.IDType))
	}
	holder, err := s.Patients.HolderOf(ctx, tx, patient.IDCard, card.Number)
	if err != nil {
		return "", err
	}
	if holder == "" {
		return id, s.nameIt(ctx, tx, actor, p, name, card)
	}
	records, err := s.Patients.Records(ctx, tx, []string{holder})
	if err != nil {
		return "", err
	}
	if !match.Confirms(match.Compare(match.Prepare(match.Person{Name: name}), records[0].Compared)) {
		f.Add("name", "该身份证号已登记在%s名下，与所填姓名不同，请核对证件原件", patient.MaskName(records[0].Name))
		return "", f.Err()
	}
	return holder, s.LinkTx(ctx, tx, actor, id, holder, ByCard, "身份核定：出示身份证，姓名一致")
}

// nameIt gives an unknown patient name and card.
func (s *Service) nameIt(ctx context.Context, tx *db.Tx, actor access.Actor, p patient.Patient, name string, card idcard.ID) error {
	form := patient.Registration{Name: name, IDType: patient.IDCard, IDNumber: card.Number, Address: p.Address, Region: p.Region, Ethnic: p.Ethnic,
		InsuranceKind: p.InsuranceKind, InsurancePlace: p.InsurancePlace, SafeHow: p.SafeHow}
	_, err := s.Patients.UpdateTx(ctx, tx, actor, p.ID, p.Version, form)
	if err != nil {
		return err
	}
	return s.leaf(ctx, tx, actor, "index.identify", p.ID, "身份核定：出示身份证", p.ID)
}

// Detach takes an identity off the patient it hangs on, because it is another
// person's (a borrowed card, a number used again): it becomes a patient of its
// own, or hangs on to. What came through it goes along; the two are two persons
// from now on.
func (s *Service) Detach(ctx context.Context, actor access.Actor, ident, to, reason string) (patientID string, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		patientID, err = s.detach(ctx, tx, actor, ident, to, strings.TrimSpace(reason))
		return err
	})
	return patientID, err
}

func (s *Service) detach(ctx context.Context, tx *db.Tx, actor access.Actor, ident, to, reason string) (string, error) {
	if err := access.Require(actor, access.PatientIndex, access.Own); err != nil {
		return "", err
	}
	var f errs.Form
	f.Require("reason", reason, "移出的原因，例如“借用他人身份证就诊”")
	if err := f.Err(); err != nil {
		return "", err
	}
	i, err := db.Get(ctx, tx, "这条身份记录，可能已被移出，请刷新页面", readIdentity, `SELECT `+identityColumns+`
		FROM patient_identity i LEFT JOIN organization o ON o.id = i.source WHERE i.id = $1 AND i.voided_at IS NULL`, ident)
	if err != nil {
		return "", err
	}
	if i.ID == i.Patient {
		return "", errs.E(errs.Invalid, "这是档案建立时的身份，不能移出；与其他档案误合并的请用“拆分”")
	}
	if to == "" {
		if to, err = s.enterDetached(ctx, tx, actor, i); err != nil {
			return "", err
		}
	}
	l, err := s.weigh(ctx, tx, i.Patient, to)
	if err != nil {
		return "", err
	}
	l.Basis, l.Reason = ByHuman, reason
	if err := s.decide(ctx, tx, actor, l); err != nil {
		return "", err
	}
	if _, err := tx.Exec(ctx, `UPDATE patient_identity SET patient_id = $2 WHERE id = $1`, ident, to); err != nil {
		return "", fmt.Errorf("move identity: %w", err)
	}
	objects, err := db.List(ctx, tx, func(scan db.Scan) (o Object, err error) { return o, scan(&o.Kind, &o.ID) },
		`SELECT object, object_id FROM patient_through WHERE identity_id = $1 ORDER BY object, object_id`, ident)
	if err != nil {
		return "", err
	}
	m := Moved{Identity: ident, From: i.Patient, To: to, Objects: objects, Reason: reason}
	for _, tell := range s.Moved {
		if err := tell(ctx, tx, m); err != nil {
			return "", err
		}
	}
	return to, s.leaf(ctx, tx, actor, "index.detach", ident, "移出身份："+reason, i.Patient, to)
}

// enterDetached makes a patient of an identity; the number of the paper stays
// with whom it was registered for.
func (s *Service) enterDetached(ctx context.Context, tx *db.Tx, actor access.Actor, i Identity) (string, error) {
	st, err := s.Patients.OpenStatement(i.ID, i.sealed)
	if err != nil {
		return "", err
	}
	st.IDType, st.IDNumber, st.Number = "", "", ""
	return s.enter(ctx, tx, actor, normal(Stated{Statement: st, Source: i.Source, Unknown: match.Unnamed(st.Name)}))
}

// Withdrawal takes a document off a chart that it never belonged to.
type Withdrawal struct {
	ID         string
	Object     Object
	Title      string // what it is, without clinical content: 出院小结 2026-03-02
	Patient    string // on whose chart it hung
	To         string // whose it is; "" not known yet
	AttachedAt time.Time
	Reason     string
	Readers    int // accounts that were told
	At         time.Time
	By         string
}

// WithdrawTx withdraws a document in the transaction of the module that keeps
// it (Withdrawn tells the others), and tells everybody who has read it there or
// opened the chart while it hung there.
func (s *Service) WithdrawTx(ctx context.Context, tx *db.Tx, actor access.Actor, w Withdrawal) (Withdrawal, error) {
	var f errs.Form
	f.Require("reason", w.Reason, "撤出的原因，例如“报告归错患者”")
	if err := f.Err(); err != nil {
		return w, err
	}
	members, err := access.SamePerson(ctx, tx, w.Patient)
	if err != nil {
		return w, err
	}
	if slices.Contains(members, w.To) {
		return w, errs.E(errs.Invalid, "文书已在该居民名下，不需要撤出")
	}
	readers, err := audit.Readers(ctx, tx, w.Object.ID, members, w.AttachedAt)
	if err != nil {
		return w, err
	}
	w.ID, w.At, w.By, w.Readers = db.NewID(), tx.Now, signature(actor), len(readers)
	for _, account := range readers {
		n := message.Notice{Account: account, Kind: "index.withdrawn", Link: "/patients/" + w.Patient,
			Text: "更正：您看过的“" + w.Title + "”归错了患者，已从该患者档案中撤出，请勿据此诊疗。原因：" + strings.TrimSpace(w.Reason)}
		if err := message.Notify(ctx, tx, n); err != nil {
			return w, err
		}
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO patient_withdrawal (id, object, object_id, patient_id, to_patient, title, reason, readers, withdrawn_at, withdrawn_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		w.ID, w.Object.Kind, w.Object.ID, w.Patient, db.Null(w.To), w.Title, strings.TrimSpace(w.Reason), w.Readers, db.At(w.At), w.By)
	if err != nil {
		return w, fmt.Errorf("insert withdrawal: %w", err)
	}
	for _, tell := range s.Withdrawn {
		if err := tell(ctx, tx, w); err != nil {
			return w, err
		}
	}
	return w, s.leaf(ctx, tx, actor, "index.withdraw", w.Object.ID, "文书撤出："+strings.TrimSpace(w.Reason), w.Patient)
}

// Withdrawals are the documents that were withdrawn from a person's chart.
func Withdrawals(ctx context.Context, tx *db.Tx, id string) ([]Withdrawal, error) {
	return db.List(ctx, tx, func(scan db.Scan) (w Withdrawal, err error) {
		var at db.Time
		var to db.Null
		err = scan(&w.ID, &w.Object.Kind, &w.Object.ID, &w.Patient, &to, &w.Title, &w.Reason, &w.Readers, &at, &w.By)
		w.At, w.To = at.Time, string(to)
		return w, err
	}, `SELECT id, object, object_id, patient_id, to_patient, title, reason, readers, withdrawn_at, withdrawn_by FROM patient_withdrawal
		WHERE patient_id IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		ORDER BY withdrawn_at DESC, id DESC`, id)
}

// Identity is one identity of a person as its page lists it.
type Identity struct {
	ID         string
	Patient    string // the record it hangs on
	Kind       patient.IdentityKind
	Source     string
	SourceName string
	Basis      string
	Parts      []match.Part
	StatedAt   time.Time
	StatedBy   string
	Stated     patient.Statement // as the source said it, "" while the record still says it

	sealed, evidence string
}

const identityColumns = `i.id, i.patient_id, i.kind, i.source, coalesce(o.name, ''), i.basis, i.evidence, i.stated_at, i.stated_by, i.stated_sealed`

func readIdentity(scan db.Scan) (i Identity, err error) {
	var at db.Time
	err = scan(&i.ID, &i.Patient, &i.Kind, &i.Source, &i.SourceName, &i.Basis, &i.evidence, &at, &i.StatedBy, &i.sealed)
	i.StatedAt = at.Time
	return i, err
}

// IdentitiesOf returns all identities of a person, over all linked records. The
// caller has made the access decision.
func (s *Service) IdentitiesOf(ctx context.Context, tx *db.Tx, id string) ([]Identity, error) {
	list, err := db.List(ctx, tx, readIdentity, `SELECT `+identityColumns+`
		FROM patient_identity i LEFT JOIN organization o ON o.id = i.source
		WHERE i.voided_at IS NULL AND i.patient_id IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		ORDER BY i.stated_at, i.id`, id)
	for i := range list {
		if list[i].Parts, err = decodeParts(list[i].evidence); err != nil {
			return nil, err
		}
		if list[i].sealed != "" {
			if list[i].Stated, err = s.Patients.OpenStatement(list[i].ID, list[i].sealed); err != nil {
				return nil, err
			}
		}
	}
	return list, err
}

// Born registers a newborn through its mother, at the desk of the actor's
// institution.
func (s *Service) Born(ctx context.Context, actor access.Actor, st Stated) (id string, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := access.Require(actor, access.PatientRegister, access.Any); err != nil {
			return err
		}
		if _, err := s.Access.Patient(ctx, tx, actor, st.Mother, access.Register); err != nil {
			return err
		}
		today := calendar.DateOf(tx.Now)
		var f errs.Form
		if st.Sex != patient.Male && st.Sex != patient.Female {
			f.Add("sex", "请选择新生儿的性别")
		}
		if day, err := calendar.ParseDate(st.BirthDate); err != nil || day > today || day < today.AddDays(-366) {
			f.Add("birth_date", "请填写一年以内的出生日期，例如 %s", today)
		}
		if err := f.Err(); err != nil {
			return err
		}
		st.Source = actor.Org
		a, err := s.Attach(ctx, tx, actor, st)
		id = a.Patient
		if err == nil && id == "" {
			err = errs.E(errs.Invalid, "%s", a.Reason.Title())
		}
		return err
	})
	return id, err
}
