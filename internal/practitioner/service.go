package practitioner

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
	"yilian/internal/organization"
)

// Service is the set of use cases: each method is one transaction.
type Service struct {
	DB  *db.DB
	Log *audit.Log
}

// own is the relation of an actor to something of an institution.
func own(actor access.Actor, org string) access.Relation {
	if org != "" && actor.Org == org {
		return access.Own
	}
	return access.Any
}

// Save enters a person (ID "") or changes one. A new person without postings
// gets one at the employer from today.
func (s *Service) Save(ctx context.Context, actor access.Actor, p Practitioner) (Practitioner, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		p, err = s.save(ctx, tx, actor, p)
		return err
	})
	return p, err
}

// save is Save inside a caller's transaction.
func (s *Service) save(ctx context.Context, tx *db.Tx, actor access.Actor, p Practitioner) (Practitioner, error) {
	p.Name, p.Phone, p.Scope = strings.TrimSpace(p.Name), strings.TrimSpace(p.Phone), strings.TrimSpace(p.Scope)
	if err := access.Require(actor, access.OrganizationEdit, own(actor, p.EmployedBy)); err != nil {
		return p, err
	}
	if err := validate(ctx, tx, p); err != nil {
		return p, err
	}
	if p.ID == "" {
		return s.enter(ctx, tx, actor, p)
	}
	before, err := Get(ctx, tx, p.ID)
	if err != nil {
		return p, err
	}
	if err := access.Require(actor, access.OrganizationEdit, own(actor, before.EmployedBy)); err != nil {
		return p, err
	}
	n, err := tx.Exec(ctx, `
		UPDATE practitioner SET name = $3, sex = $4, phone = $5, title = $6, category = $7, scope = $8, employed_by = $9, active = $10, version = version + 1
		WHERE id = $1 AND version = $2`,
		p.ID, p.Version, p.Name, p.Sex, p.Phone, p.Title, string(p.Category), p.Scope, p.EmployedBy, p.Active)
	if err != nil {
		return p, err
	}
	if n == 0 {
		return p, errs.E(errs.Conflict, "“%s”的资料刚刚被别人改过，请刷新页面，核对后再保存", before.Name)
	}
	p.Version++
	tx.Touch("practitioner", p.ID)
	return p, s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "practitioner.change", Object: "practitioner", ObjectID: p.ID, Detail: p.Name})
}

func (s *Service) enter(ctx context.Context, tx *db.Tx, actor access.Actor, p Practitioner) (Practitioner, error) {
	p.ID, p.Version, p.Active = db.NewID(), 1, true
	if len(p.Postings) == 0 {
		p.Postings = []Posting{{Org: p.EmployedBy, Kind: Employed, From: calendar.DateOf(tx.Now)}}
	}
	for i := range p.Postings {
		w := &p.Postings[i]
		w.ID, w.Practitioner = db.NewID(), p.ID
		if w.Kind == "" {
			w.Kind = Employed
		}
		if err := validatePosting(ctx, tx, *w); err != nil {
			return p, err
		}
	}
	if err := insertPractitioner(ctx, tx, p); err != nil {
		return p, err
	}
	return p, s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "practitioner.create", Object: "practitioner", ObjectID: p.ID, Detail: p.Name})
}

func validate(ctx context.Context, tx *db.Tx, p Practitioner) error {
	var f errs.Form
	f.Require("name", p.Name, "姓名")
	if p.Sex != "1" && p.Sex != "2" {
		f.Add("sex", "请选择性别")
	}
	f.AddErr("phone", organization.CheckPhone(p.Phone))
	if !slices.Contains(Titles(), p.Title) {
		f.Add("title", "请选择职称")
	}
	if p.Category.Title() == "" {
		f.Add("category", "请选择人员类别")
	}
	if _, err := organization.Get(ctx, tx, p.EmployedBy); errs.Is(err, errs.NotFound) {
		f.Add("employed_by", "请选择人事关系所在机构")
	} else if err != nil {
		return err
	}
	return f.Err()
}

func validatePosting(ctx context.Context, tx *db.Tx, w Posting) error {
	var f errs.Form
	if _, err := calendar.ParseDate(string(w.From)); err != nil {
		f.AddErr("from", err)
	}
	if w.To != "" {
		if _, err := calendar.ParseDate(string(w.To)); err != nil {
			f.AddErr("to", err)
		} else if w.To.Before(w.From) {
			f.Add("to", "结束日期 %s 早于开始日期 %s", w.To, w.From)
		}
	}
	if _, err := organization.Get(ctx, tx, w.Org); errs.Is(err, errs.NotFound) {
		f.Add("org", "请选择工作机构")
	} else if err != nil {
		return err
	}
	if w.Department != "" {
		d, err := organization.GetDepartment(ctx, tx, w.Department)
		if errs.Is(err, errs.NotFound) || (err == nil && d.Org != w.Org) {
			f.Add("department", "请选择该机构的科室")
		} else if err != nil {
			return err
		}
	}
	return f.Err()
}

// Post records where a person works from a day on; the employer stays
// (LL-4.3.1). The head of either institution may do it.
func (s *Service) Post(ctx context.Context, actor access.Actor, w Posting) (Posting, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		p, err := Get(ctx, tx, w.Practitioner)
		if err != nil {
			return err
		}
		if access.Require(actor, access.OrganizationEdit, own(actor, p.EmployedBy)) != nil {
			if err := access.Require(actor, access.OrganizationEdit, own(actor, w.Org)); err != nil {
				return err
			}
		}
		if err := validatePosting(ctx, tx, w); err != nil {
			return err
		}
		for _, other := range p.Postings {
			if other.Org == w.Org && other.Department == w.Department && overlap(other, w) {
				return errs.E(errs.Conflict, "%s 在 %s 起已在该机构该科室任职，请先结束原任职", p.Name, other.From)
			}
		}
		w.ID = db.NewID()
		if w.Kind == "" {
			w.Kind = Posted
		}
		if err := insertPosting(ctx, tx, w); err != nil {
			return err
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "practitioner.post", Object: "practitioner", ObjectID: p.ID,
			Clause: "LL-4.3.1", Detail: fmt.Sprintf("%s %s 至 %s", p.Name, w.From, w.To)})
	})
	return w, err
}

func overlap(a, b Posting) bool {
	return (a.To == "" || !a.To.Before(b.From)) && (b.To == "" || !b.To.Before(a.From))
}

// EndPosting sets the last day of a posting and returns whose it is.
func (s *Service) EndPosting(ctx context.Context, actor access.Actor, id string, last calendar.Date) (person string, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		w, err := db.Get(ctx, tx, "这段任职", readPosting, `
			SELECT id, practitioner, org, department, kind, head, valid_from, valid_to FROM posting WHERE id = $1`, id)
		if err != nil {
			return err
		}
		person = w.Practitioner
		if err := access.Require(actor, access.OrganizationEdit, own(actor, w.Org)); err != nil {
			return err
		}
		if last == "" {
			var f errs.Form
			f.Add("last", "请填写最后一天的日期")
			return f.Err()
		}
		w.To = last
		if err := validatePosting(ctx, tx, w); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE posting SET valid_to = $2 WHERE id = $1`, id, string(last)); err != nil {
			return err
		}
		tx.Touch("practitioner", w.Practitioner)
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "practitioner.post_end", Object: "practitioner", ObjectID: w.Practitioner, Detail: string(last)})
	})
	return person, err
}

// longestShift is the longest turn that can be entered: a week, for duties
// that are held from home.
const longestShift = 7 * 24 * time.Hour

// AddShift puts a person on a duty. The person must work in the institution,
// and cannot be on duty at two institutions at once.
func (s *Service) AddShift(ctx context.Context, actor access.Actor, shift Shift) (Shift, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		shift, err = s.addShift(ctx, tx, actor, shift)
		return err
	})
	return shift, err
}

// addShift is AddShift inside a caller's transaction.
func (s *Service) addShift(ctx context.Context, tx *db.Tx, actor access.Actor, shift Shift) (Shift, error) {
	if err := access.Require(actor, access.RosterEdit, own(actor, shift.Org)); err != nil {
		return shift, err
	}
	// Touching the person's row makes two clerks who roster the same person at
	// two institutions at once run one after the other.
	if _, err := tx.Exec(ctx, `UPDATE practitioner SET active = active WHERE id = $1`, shift.Practitioner); err != nil {
		return shift, err
	}
	name, err := checkShift(ctx, tx, shift)
	if err != nil {
		return shift, err
	}
	shift.ID = db.NewID()
	if err := insertShift(ctx, tx, shift, actor.Account); err != nil {
		return shift, err
	}
	return shift, s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "roster.add", Object: "shift", ObjectID: shift.ID, Detail: name + " " + period(shift)})
}

// ReplaceShift gives a turn to somebody else: the old one is voided with the
// reason, the new one stands in its place.
func (s *Service) ReplaceShift(ctx context.Context, actor access.Actor, id, practitioner, reason string) (Shift, error) {
	var next Shift
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		old, err := s.void(ctx, tx, actor, id, reason)
		if err != nil {
			return err
		}
		next = old
		next.Practitioner = practitioner
		next, err = s.addShift(ctx, tx, actor, next)
		return err
	})
	return next, err
}

// VoidShift takes a turn off the roster; the row stays, with who and why.
func (s *Service) VoidShift(ctx context.Context, actor access.Actor, id, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := s.void(ctx, tx, actor, id, reason)
		return err
	})
}

func (s *Service) void(ctx context.Context, tx *db.Tx, actor access.Actor, id, reason string) (Shift, error) {
	shift, err := db.Get(ctx, tx, "这个班次", readShift, `
		SELECT id, org, department, duty, practitioner, begins_at, ends_at FROM shift WHERE id = $1`, id)
	if err != nil {
		return shift, err
	}
	if err := access.Require(actor, access.RosterEdit, own(actor, shift.Org)); err != nil {
		return shift, err
	}
	if !shift.To.After(tx.Now) {
		return shift, errs.E(errs.Conflict, "这个班次（%s）已经结束，不能再改", period(shift))
	}
	if strings.TrimSpace(reason) == "" {
		var f errs.Form
		f.Add("reason", "请填写换班或撤班的原因")
		return shift, f.Err()
	}
	n, err := tx.Exec(ctx, `UPDATE shift SET voided_at = $2, voided_by = $3, void_reason = $4 WHERE id = $1 AND voided_at IS NULL`,
		id, db.At(tx.Now), actor.Account, strings.TrimSpace(reason))
	if err != nil {
		return shift, err
	}
	if n == 0 {
		return shift, errs.E(errs.Conflict, "这个班次刚刚已被别人换掉，请刷新值班表")
	}
	return shift, s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "roster.void", Object: "shift", ObjectID: id, Detail: period(shift) + "：" + strings.TrimSpace(reason)})
}

func period(s Shift) string {
	const layout = "1月2日 15:04"
	return s.Duty.Title() + " " + s.From.In(calendar.Shanghai).Format(layout) + "—" + s.To.In(calendar.Shanghai).Format(layout)
}
