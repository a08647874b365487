package patient

import (
	"context"
	"fmt"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/idcard"
	"yilian/internal/region"
)

// Service holds the use cases of the master index.
type Service struct {
	DB     *db.DB
	Keys   *crypto.Keyring
	Access *access.Control
	Audit  *audit.Log
	// Broken tells those who watch over privacy that somebody has opened a
	// record without a relation, in the same transaction; nil: nobody listens.
	Broken func(ctx context.Context, tx *db.Tx, actor access.Actor, id, reason string) error
}

// Register enters a person. A paper that is registered already is a Conflict
// with cause *Duplicate; persons of the same name and birth date are one with
// cause *Possible, until the form is Confirmed.
func (s *Service) Register(ctx context.Context, actor access.Actor, form Registration) (Patient, error) {
	var p Patient
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		p, err = s.RegisterTx(ctx, tx, actor, form)
		return err
	})
	return p, err
}

// RegisterTx is Register in the caller's transaction.
func (s *Service) RegisterTx(ctx context.Context, tx *db.Tx, actor access.Actor, form Registration) (Patient, error) {
	if err := access.Require(actor, access.PatientRegister, access.Any); err != nil {
		return Patient{}, err
	}
	today := calendar.DateOf(tx.Now)
	form, err := form.Check(today, false)
	if err != nil {
		return Patient{}, err
	}
	if err := s.checkPlaces(ctx, tx, form); err != nil {
		return Patient{}, err
	}
	if err := s.refuseDuplicate(ctx, tx, form, today); err != nil {
		return Patient{}, err
	}
	r := row{Patient: Patient{ID: db.NewID(), Version: 1, CreatedAt: tx.Now, ChangedAt: tx.Now, ChangedBy: signature(actor), IDType: form.IDType}}
	form.fill(&r)
	secret := Secret{IDNumber: form.IDNumber, Phone: form.Phone, SafePhone: strings.TrimPrefix(form.SafePhone, "-")}
	if err := closeRow(s.Keys, &r, secret); err != nil {
		return Patient{}, err
	}
	if err := insertRow(ctx, tx, r, actor.Org); err != nil {
		return Patient{}, err
	}
	if actor.Org != "" {
		rel := access.CareRelation{Patient: r.ID, Org: actor.Org, Basis: access.BasisRegistration, Reference: r.ID}
		if err := access.Relate(ctx, tx, rel); err != nil {
			return Patient{}, err
		}
	}
	if form.Guardian.Name != "" || form.Guardian.OtherID != "" {
		if _, err := s.addRelation(ctx, tx, actor, r.Patient, form.Guardian); err != nil {
			return Patient{}, err
		}
	}
	if err := s.leaf(ctx, tx, actor, "patient.register", r.ID, IDTypeTitle(r.IDType)); err != nil {
		return Patient{}, err
	}
	p, _, err := open(s.Keys, r)
	return p, err
}

// fill copies the plain fields of a checked form.
func (r Registration) fill(to *row) {
	to.Name, to.Sex, to.BirthDate = r.Name, r.Sex, calendar.Date(r.BirthDate)
	to.SafeHow, to.Address, to.Region, to.Ethnic = strings.TrimSpace(r.SafeHow), strings.TrimSpace(r.Address), r.Region, r.Ethnic
	to.InsuranceKind, to.InsurancePlace = r.InsuranceKind, r.InsurancePlace
}

func (s *Service) checkPlaces(ctx context.Context, tx *db.Tx, form Registration) error {
	var f errs.Form
	for _, c := range []struct{ field, code, label string }{
		{"region", form.Region, "居住的村（社区）"}, {"insurance_place", form.InsurancePlace, "参保地"},
	} {
		if c.code == "" {
			continue
		}
		if _, err := region.Get(ctx, tx, c.code); errs.Is(err, errs.NotFound) {
			f.Add(c.field, "%s“%s”不在行政区划中，请输入名称或拼音首字母后从列表选择", c.label, c.code)
		} else if err != nil {
			return err
		}
	}
	return f.Err()
}

func (s *Service) refuseDuplicate(ctx context.Context, tx *db.Tx, form Registration, today calendar.Date) error {
	if form.IDNumber != "" {
		id, err := s.byPaper(ctx, tx, form.IDType, form.IDNumber)
		if err != nil {
			return err
		}
		if id != "" {
			return s.duplicate(ctx, tx, id)
		}
	}
	if form.Confirmed {
		return nil
	}
	hits, err := s.samePerson(ctx, tx, form, today)
	if err != nil || len(hits) == 0 {
		return err
	}
	return errs.Because(&Possible{Hits: hits}, errs.Conflict,
		"已有 %d 位同名且出生日期相同的患者。请核对是否为同一人：是同一人请使用已有档案；确认不是同一人，请勾选确认后再次保存", len(hits))
}

// duplicate names the existing person without giving away more than whoever
// typed the number can be told.
func (s *Service) duplicate(ctx context.Context, tx *db.Tx, id string) error {
	r, err := getRow(ctx, tx, id)
	if err != nil {
		return err
	}
	return errs.Because(&Duplicate{ID: id}, errs.Conflict, "该证件号码已登记：%s（%s，建档于 %s）。请使用已有档案，不要重复建档",
		MaskName(r.Name), SexTitle(r.Sex), r.CreatedAt.In(calendar.Shanghai).Format("2006-01-02"))
}

// samePerson lists persons of the same name and birth date. Two identity cards
// with different numbers are two persons and are not asked about.
func (s *Service) samePerson(ctx context.Context, tx *db.Tx, form Registration, today calendar.Date) ([]Hit, error) {
	ids, err := db.List(ctx, tx, db.Value[string], `
		SELECT id FROM patient WHERE birth_date = $1 AND name = $2 AND NOT (id_type = $3 AND CAST($4 AS TEXT) = $3) LIMIT 10`,
		form.BirthDate, form.Name, IDCard, form.IDType)
	if err != nil {
		return nil, err
	}
	return s.hits(ctx, tx, ids, "", "", today)
}

// Update corrects a person; version is the one the form was opened with.
func (s *Service) Update(ctx context.Context, actor access.Actor, id string, version int64, form Registration) (Patient, error) {
	var p Patient
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		if err := access.Require(actor, access.PatientRegister, access.Any); err != nil {
			return err
		}
		if _, err := s.Access.Patient(ctx, tx, actor, id, access.Register); err != nil {
			return err
		}
		p, err = s.UpdateTx(ctx, tx, actor, id, version, form)
		return err
	})
	return p, err
}

// UpdateTx is Update in the transaction of a caller that has made the access
// decision (the identification of an unknown person).
func (s *Service) UpdateTx(ctx context.Context, tx *db.Tx, actor access.Actor, id string, version int64, form Registration) (Patient, error) {
	old, err := getRow(ctx, tx, id)
	if err != nil {
		return Patient{}, err
	}
	if old.Version != version {
		return Patient{}, stale(old.Patient)
	}
	return s.update(ctx, tx, actor, old, form)
}

func (s *Service) update(ctx context.Context, tx *db.Tx, actor access.Actor, old row, form Registration) (Patient, error) {
	_, secret, err := open(s.Keys, old)
	if err != nil {
		return Patient{}, err
	}
	if form.IDNumber == "" && form.IDType != old.IDType && form.IDType != "" {
		var f errs.Form
		f.Add("id_number", "更换证件类型后请重新填写证件号码")
		return Patient{}, f.Err()
	}
	if form.IDNumber == "" && old.IDType == IDCard { // what the card says is not retyped
		form.Sex, form.BirthDate = old.Sex, string(old.BirthDate)
	}
	form, err = form.Check(calendar.DateOf(tx.Now), true)
	if err != nil {
		return Patient{}, err
	}
	if err := s.checkPlaces(ctx, tx, form); err != nil {
		return Patient{}, err
	}
	r := old
	form.fill(&r)
	if form.IDNumber != "" {
		r.IDType, secret.IDNumber = form.IDType, form.IDNumber
		holder, err := s.byPaper(ctx, tx, form.IDType, form.IDNumber)
		if err != nil {
			return Patient{}, err
		}
		if holder != "" && holder != r.ID {
			return Patient{}, s.duplicate(ctx, tx, holder)
		}
	}
	if form.Phone != "" {
		secret.Phone = form.Phone
	}
	switch form.SafePhone {
	case "":
		if secret.SafePhone != "" && r.SafeHow == "" {
			r.SafeHow = old.SafeHow
		}
	case "-":
		secret.SafePhone, r.SafeHow = "", ""
	default:
		secret.SafePhone = form.SafePhone
	}
	return s.save(ctx, tx, actor, old, r, secret, "patient.update", changes(old.Patient, r.Patient))
}

// save seals, writes the next version and the leaf.
func (s *Service) save(ctx context.Context, tx *db.Tx, actor access.Actor, old, r row, secret Secret, action, detail string) (Patient, error) {
	r.Version, r.ChangedAt, r.ChangedBy = old.Version+1, tx.Now, signature(actor)
	if err := s.freeze(ctx, tx, old); err != nil {
		return Patient{}, err
	}
	if err := closeRow(s.Keys, &r, secret); err != nil {
		return Patient{}, err
	}
	if err := updateRow(ctx, tx, old, r); err != nil {
		return Patient{}, err
	}
	if err := s.leaf(ctx, tx, actor, action, r.ID, detail); err != nil {
		return Patient{}, err
	}
	p, _, err := open(s.Keys, r)
	return p, err
}

// changes names the fields that differ, without their contents.
func changes(old, now Patient) string {
	var out []string
	for _, c := range []struct {
		differs bool
		title   string
	}{
		{old.Name != now.Name, "姓名"}, {old.Sex != now.Sex, "性别"}, {old.BirthDate != now.BirthDate, "出生日期"},
		{old.IDType != now.IDType, "证件"}, {old.Address != now.Address, "住址"}, {old.Region != now.Region, "居住地"},
		{old.Ethnic != now.Ethnic, "民族"}, {old.InsuranceKind != now.InsuranceKind, "医保类型"},
		{old.InsurancePlace != now.InsurancePlace, "参保地"}, {old.SafeHow != now.SafeHow, "安全联系人"},
	} {
		if c.differs {
			out = append(out, c.title)
		}
	}
	if len(out) == 0 {
		return "修改资料"
	}
	return "修改：" + strings.Join(out, "、")
}

// Reveal shows the numbers whole. It needs the right and a relation, and leaves
// a leaf of its own.
func (s *Service) Reveal(ctx context.Context, actor access.Actor, id string) (Secret, error) {
	var out Secret
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		out, err = s.RevealTx(ctx, tx, actor, id, access.Reveal)
		return err
	})
	return out, err
}

// RevealTx is Reveal in the caller's transaction, for printing.
func (s *Service) RevealTx(ctx context.Context, tx *db.Tx, actor access.Actor, id string, purpose access.Purpose) (Secret, error) {
	rel := access.Care
	if access.Role(actor.Role) == access.Resident {
		rel = access.Self
	}
	if err := access.Require(actor, access.PatientReveal, rel); err != nil {
		return Secret{}, err
	}
	if _, err := s.Access.Patient(ctx, tx, actor, id, purpose); err != nil {
		return Secret{}, err
	}
	r, err := getRow(ctx, tx, id)
	if err != nil {
		return Secret{}, err
	}
	_, secret, err := open(s.Keys, r)
	if err != nil {
		return Secret{}, err
	}
	return secret, s.leaf(ctx, tx, actor, "patient.reveal", id, "查看完整证件号码和电话，用途："+purpose.Title())
}

// Get returns a person, masked. It makes no access decision: the caller has
// made it for what it is doing (a case of his institution, access.Patient).
func (s *Service) Get(ctx context.Context, tx *db.Tx, id string) (Patient, error) {
	r, err := getRow(ctx, tx, id)
	if err != nil {
		return Patient{}, err
	}
	p, _, err := open(s.Keys, r)
	return p, err
}

// Whole returns a person with papers and phones, for keeping under seal: it
// makes no access decision and must not go to a page (see Reveal).
func (s *Service) Whole(ctx context.Context, tx *db.Tx, id string) (Patient, Secret, error) {
	r, err := getRow(ctx, tx, id)
	if err != nil {
		return Patient{}, Secret{}, err
	}
	return open(s.Keys, r)
}

// Identify returns the person who holds an identity card, for desks that read
// the card; NotFound when nobody is registered with it.
func (s *Service) Identify(ctx context.Context, tx *db.Tx, number string) (string, error) {
	id, err := idcard.ParseOn(number, string(calendar.DateOf(tx.Now)))
	if err != nil {
		return "", err
	}
	holder, err := s.byPaper(ctx, tx, IDCard, id.Number)
	if err == nil && holder == "" {
		err = errs.E(errs.NotFound, "没有找到该身份证号码的患者，请核对号码，或先为患者建档")
	}
	return holder, err
}

// MarkDeceased records the day of death; it stops messages and bookings of the
// modules above. day "" withdraws a mistaken record.
func (s *Service) MarkDeceased(ctx context.Context, actor access.Actor, id string, day calendar.Date, reason string) (Patient, error) {
	var p Patient
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		if _, err := s.Access.Patient(ctx, tx, actor, id, access.Register); err != nil {
			return err
		}
		p, err = s.MarkDeceasedTx(ctx, tx, actor, id, day, reason)
		return err
	})
	return p, err
}

// MarkDeceasedTx is MarkDeceased in the transaction of a caller that has made
// the access decision (the outcome of a referral).
func (s *Service) MarkDeceasedTx(ctx context.Context, tx *db.Tx, actor access.Actor, id string, day calendar.Date, reason string) (Patient, error) {
	old, err := getRow(ctx, tx, id)
	if err != nil {
		return Patient{}, err
	}
	var f errs.Form
	f.Require("reason", reason, "依据，例如死亡医学证明编号")
	if day != "" {
		if _, err := calendar.ParseDate(string(day)); err != nil {
			f.AddErr("deceased_on", err)
		} else if day > calendar.DateOf(tx.Now) || day < old.BirthDate {
			f.Add("deceased_on", "死亡日期应在出生日期（%s）和今天之间", old.BirthDate)
		}
	}
	if err := f.Err(); err != nil {
		return Patient{}, err
	}
	_, secret, err := open(s.Keys, old)
	if err != nil {
		return Patient{}, err
	}
	r := old
	r.DeceasedOn = day
	action := "patient.deceased"
	if day == "" {
		action = "patient.deceased.void"
	}
	return s.save(ctx, tx, actor, old, r, secret, action, strings.TrimSpace(reason))
}

func (s *Service) leaf(ctx context.Context, tx *db.Tx, actor access.Actor, action, id, detail string) error {
	err := s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "patient", ObjectID: id, Patient: id,
		Outcome: audit.OK, Detail: detail})
	if err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return nil
}

// signature is who is named to the next person who edits the same row.
func signature(a access.Actor) string {
	switch {
	case a.OrgName != "" && a.Name != "":
		return a.OrgName + a.Name
	case a.Name != "":
		return a.Name
	}
	return "系统"
}

// MatchesTail reports whether tail is the last four of the person's identity or
// phone number: a second identifier, asked for before a stranger's record is
// opened (contract, arrival). A person with neither number matches nothing.
func (s *Service) MatchesTail(ctx context.Context, tx *db.Tx, id, tail string) (bool, error) {
	r, err := getRow(ctx, tx, id)
	if err != nil {
		return false, err
	}
	_, secret, err := open(s.Keys, r)
	if err != nil {
		return false, err
	}
	tail = idcard.Normalize(tail)
	return len(tail) == 4 && (strings.HasSuffix(secret.IDNumber, tail) || strings.HasSuffix(secret.Phone, tail)), nil
}
