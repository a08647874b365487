package patient

import (
	"context"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/idcard"
)

// Unknown is what is known of a person in danger of life: all of it may be
// empty. Nothing in it can stop the registration; what is not known is
// completed when the person can be asked.
type Unknown struct {
	Name     string // empty: 无名氏
	Sex      string // empty: not known
	Age      string // estimated, in years; empty or unreadable: not known
	IDNumber string // of an identity card; one that does not check is left out
	Phone    string // of an escort; one that does not check is left out
}

// RegisterUnknownTx registers a person in an emergency, with what is known; who
// may refer an emergency may register one. When the identity card belongs to
// somebody who is registered, his id is returned and nothing is changed.
func (s *Service) RegisterUnknownTx(ctx context.Context, tx *db.Tx, actor access.Actor, u Unknown) (Patient, error) {
	if access.Require(actor, access.PatientRegister, access.Any) != nil {
		if err := access.Require(actor, access.ReferralCreate, access.Own); err != nil {
			return Patient{}, err
		}
	}
	today := calendar.DateOf(tx.Now)
	r := row{Patient: Patient{ID: db.NewID(), Version: 1, CreatedAt: tx.Now, ChangedAt: tx.Now, ChangedBy: signature(actor), Ethnic: "01", InsuranceKind: SelfPay}}
	secret := Secret{Phone: NormalizePhone(u.Phone)}
	if !mobile(secret.Phone) && !landline(secret.Phone) {
		secret.Phone = ""
	}
	r.Name, r.Sex, r.BirthDate = u.name(), u.sex(), u.born(today)
	if id, err := idcard.ParseOn(idcard.Normalize(u.IDNumber), string(today)); err == nil {
		holder, err := s.byPaper(ctx, tx, IDCard, id.Number)
		if err != nil {
			return Patient{}, err
		}
		if holder != "" {
			return s.Get(ctx, tx, holder)
		}
		r.IDType, r.Sex, r.BirthDate, secret.IDNumber = IDCard, id.Sex, calendar.Date(id.Birth), id.Number
	}
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
	if err := s.leaf(ctx, tx, actor, "patient.register", r.ID, "急诊登记，身份待核"); err != nil {
		return Patient{}, err
	}
	p, _, err := open(s.Keys, r)
	return p, err
}

// longestName is how much of a name typed in a hurry is kept.
const longestName = 40

func (u Unknown) name() string {
	name := strings.Map(func(r rune) rune {
		if r < ' ' || (r >= '0' && r <= '9') {
			return -1
		}
		return r
	}, strings.TrimSpace(u.Name))
	if name == "" {
		return "无名氏"
	}
	if r := []rune(name); len(r) > longestName {
		return string(r[:longestName])
	}
	return name
}

func (u Unknown) sex() string {
	if known(Sexes(), u.Sex) {
		return u.Sex
	}
	return SexUnknown
}

// born is the first day of the estimated year of birth, today for a newborn;
// empty when the age is not known, which is not zero.
func (u Unknown) born(today calendar.Date) calendar.Date {
	age, err := strconv.Atoi(strings.TrimSpace(u.Age))
	switch {
	case err != nil || age < 0 || age > 130:
		return ""
	case age == 0:
		return today
	}
	return calendar.Date(strconv.Itoa(today.Year()-age) + "-01-01")
}

// RequireRelation makes sure that the actor may see the person in an emergency:
// without a relation of care the glass is broken, with the reason, and the
// privacy officer sees it. It refuses only roles that may not break it.
func (s *Service) RequireRelation(ctx context.Context, tx *db.Tx, actor access.Actor, id, reason string) error {
	_, err := s.Access.Patient(ctx, tx, actor, id, access.Refer)
	if err == nil || !errs.Is(err, errs.Forbidden) {
		return err
	}
	if err := s.Access.BreakGlass(ctx, tx, actor, id, reason); err != nil {
		return err
	}
	_, err = s.Access.Patient(ctx, tx, actor, id, access.Refer)
	return err
}
