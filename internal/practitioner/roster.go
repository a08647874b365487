package practitioner

import (
	"context"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
)

// Covered reports whether a duty must be covered round the clock once an
// institution keeps a roster for it.
func (d Duty) Covered() bool { return d == OnCallDuty || d == ReferralCenter }

// checkShift returns the person's name, or what is wrong with the turn.
func checkShift(ctx context.Context, tx *db.Tx, s Shift) (string, error) {
	var f errs.Form
	if s.Duty.Title() == "" {
		f.Add("duty", "请选择值班类别")
	}
	switch length := s.To.Sub(s.From); {
	case s.From.IsZero() || s.To.IsZero():
		f.Add("from", "请填写班次的开始和结束时间")
	case length <= 0:
		f.Add("to", "结束时间必须晚于开始时间；跨夜班请把结束日期填到第二天")
	case length > longestShift:
		f.Add("to", "一个班次最长 7 天，请分段排班")
	}
	if s.Department != "" {
		d, err := organization.GetDepartment(ctx, tx, s.Department)
		if errs.Is(err, errs.NotFound) || (err == nil && d.Org != s.Org) {
			f.Add("department", "请选择本机构的科室")
		} else if err != nil {
			return "", err
		}
	}
	p, err := Get(ctx, tx, s.Practitioner)
	if errs.Is(err, errs.NotFound) {
		f.Add("practitioner", "请选择值班人员")
		return "", f.Err()
	}
	if err != nil {
		return "", err
	}
	if !f.OK() {
		return p.Name, f.Err()
	}
	if !worksAt(p, s) {
		f.Add("practitioner", "%s 在 %s 不在本机构任职，不能排班；请先在人员页登记任职或派驻", p.Name, calendar.DateOf(s.From))
	}
	if err := clash(ctx, tx, s, p, &f); err != nil {
		return p.Name, err
	}
	return p.Name, f.Err()
}

func worksAt(p Practitioner, s Shift) bool {
	if !p.Active {
		return false
	}
	first, last := calendar.DateOf(s.From), calendar.DateOf(s.To.Add(-time.Millisecond))
	for _, w := range p.Postings {
		if w.Org == s.Org && w.On(first) && (w.On(last) || first == last.AddDays(-1)) {
			return true // a night shift may run into the day after the last
		}
	}
	return false
}

// clash adds what the person already does in that time: a turn at another
// institution, or the same duty twice.
func clash(ctx context.Context, tx *db.Tx, s Shift, p Practitioner, f *errs.Form) error {
	others, err := db.List(ctx, tx, readShift, `
		SELECT id, org, department, duty, practitioner, begins_at, ends_at FROM shift
		WHERE practitioner = $1 AND voided_at IS NULL AND begins_at < $3 AND ends_at > $2
		ORDER BY begins_at`, p.ID, db.At(s.From), db.At(s.To))
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Org != s.Org {
			org, err := organization.Get(ctx, tx, o.Org)
			if err != nil {
				return err
			}
			f.Add("practitioner", "%s 同一时间已在“%s”值班（%s），不能在两家机构同时值班", p.Name, org.Short(), period(o))
			return nil
		}
		if o.Department == s.Department && o.Duty == s.Duty {
			f.Add("practitioner", "%s 这段时间已排了同一个班（%s）", p.Name, period(o))
			return nil
		}
	}
	return nil
}

// CopyWeek repeats the turns of the week before monday, of all departments of
// an institution, in the week that begins on monday. Turns that cannot be
// repeated are left out; it returns how many were made and how many left.
func (s *Service) CopyWeek(ctx context.Context, actor access.Actor, org string, monday calendar.Date) (made, left int, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		made, left = 0, 0
		if err := access.Require(actor, access.RosterEdit, own(actor, org)); err != nil {
			return err
		}
		from := monday.AddDays(-7).Time()
		shifts, err := Shifts(ctx, tx, org, "", from, monday.Time())
		if err != nil {
			return err
		}
		for _, old := range shifts {
			if old.From.Before(from) {
				continue
			}
			next := old
			next.From, next.To = old.From.AddDate(0, 0, 7), old.To.AddDate(0, 0, 7)
			if _, err := checkShift(ctx, tx, next); errs.Is(err, errs.Invalid) {
				left++
				continue
			} else if err != nil {
				return err
			}
			if _, err := s.addShift(ctx, tx, actor, next); err != nil {
				return err
			}
			made++
		}
		return nil
	})
	return made, left, err
}

// EndDuty says that an institution keeps no roster for a duty any more, so
// that its gaps are not warned of.
func (s *Service) EndDuty(ctx context.Context, actor access.Actor, org, department string, duty Duty) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := access.Require(actor, access.RosterEdit, own(actor, org)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM duty_post WHERE org = $1 AND department = $2 AND duty = $3`, org, department, string(duty)); err != nil {
			return err
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "roster.end_duty", Object: "organization", ObjectID: org, Detail: duty.Title()})
	})
}

// Gaps returns when, in a period, nobody is on a duty that the institution
// keeps a roster for.
func Gaps(ctx context.Context, tx *db.Tx, org string, from, to time.Time) ([]Gap, error) {
	posts, err := db.List(ctx, tx, func(scan db.Scan) (g Gap, err error) {
		return g, scan(&g.Org, &g.Department, &g.Duty)
	}, `SELECT org, department, duty FROM duty_post WHERE org = $1 ORDER BY department, duty`, org)
	if err != nil {
		return nil, err
	}
	shifts, err := Shifts(ctx, tx, org, "", from, to)
	if err != nil {
		return nil, err
	}
	on, err := people(ctx, tx, shifts) // the turns of those who left cover nothing
	if err != nil {
		return nil, err
	}
	shifts = shifts[:0]
	for _, o := range on {
		shifts = append(shifts, o.Shift)
	}
	var gaps []Gap
	for _, post := range posts {
		gaps = append(gaps, uncovered(post, shifts, from, to)...)
	}
	return gaps, nil
}

// uncovered returns the holes that shifts, ordered by beginning, leave in the
// period for one post.
func uncovered(post Gap, shifts []Shift, from, to time.Time) []Gap {
	var gaps []Gap
	at := from
	for _, s := range shifts {
		if s.Department != post.Department || s.Duty != post.Duty || !s.To.After(at) {
			continue
		}
		if s.From.After(at) {
			gap := post
			gap.From, gap.To = at, s.From
			gaps = append(gaps, gap)
		}
		at = s.To
	}
	if at.Before(to) {
		gap := post
		gap.From, gap.To = at, to
		gaps = append(gaps, gap)
	}
	return gaps
}
