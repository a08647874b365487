package schedule

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
)

// Save enters a new schedule (ID "") or changes one, and lays out its slots
// anew. No booked slot is ever taken away: what no longer fits is in Affected.
func (s *Service) Save(ctx context.Context, actor access.Actor, c Schedule) (Schedule, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		c, err = s.SaveTx(ctx, tx, actor, c)
		return err
	})
	return c, err
}

// SaveTx is Save inside a caller's transaction.
func (s *Service) SaveTx(ctx context.Context, tx *db.Tx, actor access.Actor, c Schedule) (Schedule, error) {
	if c.ID != "" { // a session never moves to another department
		before, err := Get(ctx, tx, c.ID)
		if err != nil {
			return c, err
		}
		c.Org, c.Department, c.Kind = before.Org, before.Department, before.Kind
	}
	dept, err := organization.GetDepartment(ctx, tx, c.Department)
	if errs.Is(err, errs.NotFound) {
		var f errs.Form
		f.Add("department", "请选择科室")
		return c, f.Err()
	}
	if err != nil {
		return c, err
	}
	c.Org = dept.Org
	if err := MayEdit(actor, c.Org, c.Department); err != nil {
		return c, err
	}
	c = tidy(c)
	if err := s.check(ctx, tx, c, dept); err != nil {
		return c, err
	}
	action := "schedule.change"
	if c.ID == "" {
		action = "schedule.create"
		c.ID, c.Version = db.NewID(), 1
		err = insertSchedule(ctx, tx, c, signature(actor))
	} else {
		var ok bool
		if ok, err = updateSchedule(ctx, tx, c, signature(actor)); err == nil && !ok {
			err = stale("出诊安排“" + c.Title() + "”")
		}
		c.Version++
	}
	if err != nil {
		return c, err
	}
	if err := s.layOut(ctx, tx, c); err != nil {
		return c, err
	}
	return c, s.Audit.Append(ctx, tx, audit.Leaf{
		Actor: actor, Action: action, Object: "schedule", ObjectID: c.ID, Outcome: audit.OK,
		Detail: fmt.Sprintf("%s %s 周%s %s—%s %d×%d", dept.Name, c.Title(), weekText(c.Weekdays), c.From, c.To, c.slots(), c.Capacity),
	})
}

func tidy(c Schedule) Schedule {
	c.Name, c.Room, c.Location = strings.TrimSpace(c.Name), strings.TrimSpace(c.Room), strings.TrimSpace(c.Location)
	return c
}

// check refuses what cannot be laid out, and a doctor or a room in two places
// at once.
func (s *Service) check(ctx context.Context, tx *db.Tx, c Schedule, dept organization.Department) error {
	var f errs.Form
	if !slices.Contains(Kinds(), c.Kind) {
		f.Add("kind", "请选择门诊或检查")
	}
	if len(c.Weekdays) == 0 {
		f.Add("weekdays", "请至少选择一个星期")
	}
	checkTimes(&f, c.From, c.To)
	if c.Minutes < 5 || c.Minutes > 240 {
		f.Add("minutes", "每个时段应在 5 到 240 分钟之间")
	}
	if c.Capacity < 1 || c.Capacity > 100 {
		f.Add("capacity", "每个时段的号数应在 1 到 100 之间")
	}
	if !f.OK() {
		return f.Err()
	}
	switch {
	case c.slots() == 0:
		f.Add("to", "从 %s 到 %s 放不下一个 %d 分钟的时段，请延长时间或缩短时段", c.From, c.To, c.Minutes)
	case c.Alliance < 0 || c.Contract < 0:
		f.Add("alliance", "预留号数不能小于 0")
	case c.Alliance+c.Contract > c.Places():
		f.Add("alliance", "转诊预留 %d 个加签约预留 %d 个，超过每次出诊的 %d 个号", c.Alliance, c.Contract, c.Places())
	}
	if _, err := calendar.ParseDate(string(c.ValidFrom)); err != nil {
		f.Add("valid_from", "请填写开始执行的日期")
	}
	if c.ValidTo != "" && c.ValidTo < c.ValidFrom {
		f.Add("valid_to", "截止日期早于开始日期")
	}
	if !dept.Active && c.Active {
		f.Add("department", "科室“%s”已停用", dept.Name)
	}
	if err := s.checkWho(ctx, tx, c, &f); err != nil {
		return err
	}
	if c.Active && f.OK() {
		if err := s.checkClash(ctx, tx, c, &f); err != nil {
			return err
		}
	}
	return f.Err()
}

func checkTimes(f *errs.Form, from, to Clock) {
	_, okFrom := ParseClock(string(from))
	_, okTo := ParseClock(string(to))
	if !okFrom {
		f.Add("from", "请按 08:30 的样子填写开始时间")
	}
	if !okTo {
		f.Add("to", "请按 11:30 的样子填写结束时间")
	}
	if okFrom && okTo && to <= from {
		f.Add("to", "结束时间 %s 应晚于开始时间 %s", to, from)
	}
}

// checkWho checks doctor and service.
func (s *Service) checkWho(ctx context.Context, tx *db.Tx, c Schedule, f *errs.Form) error {
	if c.Practitioner != "" {
		ok, err := worksAt(ctx, tx, c.Org, c.Practitioner)
		if err != nil {
			return err
		}
		if !ok {
			f.Add("practitioner", "所选医生目前不在本院执业，请重新选择")
		}
	}
	if c.Service == "" {
		return nil
	}
	service, err := organization.GetService(ctx, tx, c.Service)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	if err != nil || service.Department != c.Department || !service.Active {
		f.Add("service", "所选服务不属于本科室或已停用，请重新选择")
	}
	return nil
}

func worksAt(ctx context.Context, tx *db.Tx, org, person string) (bool, error) {
	here, err := practitioner.At(ctx, tx, org, "", calendar.DateOf(tx.Now))
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(here, func(p practitioner.Practitioner) bool { return p.ID == person }), nil
}

// checkClash refuses a doctor or a room that has another session at the time.
func (s *Service) checkClash(ctx context.Context, tx *db.Tx, c Schedule, f *errs.Form) error {
	others, err := Schedules(ctx, tx, c.Org, "")
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.ID == c.ID || !o.Active || !meet(c, o) {
			continue
		}
		if c.Practitioner != "" && c.Practitioner == o.Practitioner {
			f.Add("practitioner", "这位医生同一时间已有“%s”（%s—%s），请错开时间", o.Title(), o.From, o.To)
		}
		if c.Room != "" && c.Room == o.Room {
			f.Add("room", "“%s”同一时间已排“%s”（%s—%s），请错开时间或另选房间", c.Room, o.Title(), o.From, o.To)
		}
	}
	return nil
}

// meet reports whether two weekly sessions are ever at the same time.
func meet(a, b Schedule) bool {
	sameDay := slices.ContainsFunc(a.Weekdays, b.on)
	sameTime := a.From < b.To && b.From < a.To
	sameTerm := (a.ValidTo == "" || b.ValidFrom <= a.ValidTo) && (b.ValidTo == "" || a.ValidFrom <= b.ValidTo)
	return sameDay && sameTime && sameTerm
}

// AddException records a closure, an extra session or a substitute for one day
// of one or several schedules of an institution.
func (s *Service) AddException(ctx context.Context, actor access.Actor, schedules []string, e Exception) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		e.Reason = strings.TrimSpace(e.Reason)
		if len(schedules) == 0 {
			var f errs.Form
			f.Add("schedule", "请选择出诊安排")
			return f.Err()
		}
		for _, id := range schedules {
			c, err := Get(ctx, tx, id)
			if err != nil {
				return err
			}
			if err := MayEdit(actor, c.Org, c.Department); err != nil {
				return err
			}
			if err := s.except(ctx, tx, actor, c, e); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) except(ctx context.Context, tx *db.Tx, actor access.Actor, c Schedule, e Exception) error {
	if err := s.checkException(ctx, tx, c, e); err != nil {
		return err
	}
	e.ID, e.Schedule, e.MadeBy = db.NewID(), c.ID, signature(actor)
	if err := insertException(ctx, tx, e); err != nil {
		return err
	}
	if err := s.layOut(ctx, tx, c); err != nil {
		return err
	}
	return s.Audit.Append(ctx, tx, audit.Leaf{
		Actor: actor, Action: "schedule.except", Object: "schedule", ObjectID: c.ID, Outcome: audit.OK,
		Detail: string(e.Day) + " " + c.Title() + " " + e.Kind.Title() + "：" + e.Reason,
	})
}

func (s *Service) checkException(ctx context.Context, tx *db.Tx, c Schedule, e Exception) error {
	var f errs.Form
	if !slices.Contains(ExceptionKinds(), e.Kind) {
		f.Add("kind", "请选择停诊、加诊或替诊")
	}
	if _, err := calendar.ParseDate(string(e.Day)); err != nil {
		f.Add("day", "请填写日期")
	} else if e.Day < calendar.DateOf(tx.Now) {
		f.Add("day", "%s 已经过去，请选择今天或以后的日期", e.Day)
	}
	f.Require("reason", e.Reason, "原因，患者询问时要说明")
	if e.Kind == Extra || e.From != "" || e.To != "" {
		checkTimes(&f, e.From, e.To)
	}
	if e.Kind == Extra && (e.Capacity < 1 || e.Capacity > 100) {
		f.Add("capacity", "每个时段的号数应在 1 到 100 之间")
	}
	if e.Kind == Substitute {
		ok, err := worksAt(ctx, tx, c.Org, e.Practitioner)
		if err != nil {
			return err
		}
		if !ok || e.Practitioner == c.Practitioner {
			f.Add("practitioner", "请选择本院另一位医生替诊")
		}
	}
	if e.Kind == Extra && f.OK() {
		if err := s.checkExtra(ctx, tx, c, e, &f); err != nil {
			return err
		}
	}
	return f.Err()
}

// checkExtra refuses an extra session over places that are there already.
func (s *Service) checkExtra(ctx context.Context, tx *db.Tx, c Schedule, e Exception, f *errs.Form) error {
	known, err := exceptionsOf(ctx, tx, c.ID, e.Day)
	if err != nil {
		return err
	}
	known = slices.DeleteFunc(known, func(o Exception) bool { return o.Day != e.Day })
	if e.To.minutes()-e.From.minutes() < c.Minutes {
		f.Add("to", "从 %s 到 %s 放不下一个 %d 分钟的时段", e.From, e.To, c.Minutes)
	}
	for _, x := range plan(c, e.Day, s.holiday(e.Day), known) {
		if x.start.Before(e.To.on(e.Day)) && e.From.on(e.Day).Before(x.end) {
			f.Add("from", "%s 当天这个时间已有出诊，请错开时间", e.Day)
			break
		}
	}
	return nil
}

// VoidException takes an exception back; what it closed is open again.
func (s *Service) VoidException(ctx context.Context, actor access.Actor, id string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		e, err := getException(ctx, tx, id)
		if err != nil {
			return err
		}
		c, err := Get(ctx, tx, e.Schedule)
		if err != nil {
			return err
		}
		if err := MayEdit(actor, c.Org, c.Department); err != nil {
			return err
		}
		if e.Day < calendar.DateOf(tx.Now) {
			return errs.E(errs.Conflict, "%s 已经过去，不能再撤销", e.Day)
		}
		n, err := tx.Exec(ctx, `UPDATE schedule_exception SET voided_at = $2, voided_by = $3 WHERE id = $1 AND voided_at IS NULL`,
			id, db.At(tx.Now), signature(actor))
		if err != nil {
			return fmt.Errorf("void schedule exception: %w", err)
		}
		if n == 0 {
			return stale("这条记录")
		}
		if err := s.layOut(ctx, tx, c); err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, audit.Leaf{
			Actor: actor, Action: "schedule.void_exception", Object: "schedule", ObjectID: c.ID, Outcome: audit.OK,
			Detail: string(e.Day) + " " + c.Title() + " 撤销" + e.Kind.Title(),
		})
	})
}

// holiday reports whether the calendar gives a day off beyond the ordinary
// week: a session on Sundays is kept on ordinary Sundays only.
func (s *Service) holiday(day calendar.Date) bool {
	d, ok := s.Calendar.Day(day)
	return ok && d.Off
}
