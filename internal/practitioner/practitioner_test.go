package practitioner_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/practitioner"
)

var (
	ctx   = context.Background()
	admin = access.Actor{Account: "a", Name: "管理员", Role: string(access.SystemAdmin)}
)

const today = calendar.Date("2026-03-02") // Monday, dbtest.Clock is 09:00

type world struct {
	d              *db.DB
	svc            *practitioner.Service
	fourth, tcm    string // institutions
	cardio, neuro  string // departments of fourth
	affairs, other access.Actor
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T, d *db.DB) world {
	t.Helper()
	organizationtest.Seed(t, d)
	w := world{d: d, svc: &practitioner.Service{DB: d, Log: audit.New(d, crypto.Ephemeral("sm"))}}
	w.fourth, w.tcm = organizationtest.ByName(t, d, "永州市第四人民医院").ID, organizationtest.ByName(t, d, "零陵区中医院").ID
	w.cardio = organizationtest.Department(t, d, w.fourth, "心血管内科").ID
	w.neuro = organizationtest.Department(t, d, w.fourth, "神经内科").ID
	w.affairs = access.Actor{Account: "m", Name: "医务科", Role: string(access.MedicalAffairs), Org: w.fourth}
	w.other = access.Actor{Account: "n", Name: "他院医务科", Role: string(access.MedicalAffairs), Org: w.tcm}
	return w
}

func (w world) doctor(t *testing.T, name, org, department string, head bool) practitioner.Practitioner {
	t.Helper()
	p, err := w.svc.Save(ctx, admin, practitioner.Practitioner{
		Name: name, Sex: "1", Title: "主治医师", Category: practitioner.Clinician, EmployedBy: org,
		Postings: []practitioner.Posting{{Org: org, Department: department, Head: head, From: "2020-01-01"}},
	})
	must(t, err)
	return p
}

// shift is a turn from hour to hour, counted from the clock of the test.
func (w world) shift(p practitioner.Practitioner, org, department string, duty practitioner.Duty, from, to int) practitioner.Shift {
	return practitioner.Shift{Org: org, Department: department, Duty: duty, Practitioner: p.ID,
		From: dbtest.Clock.Add(time.Duration(from) * time.Hour), To: dbtest.Clock.Add(time.Duration(to) * time.Hour)}
}

func TestSaveTellsEveryWrongField(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		_, err := w.svc.Save(ctx, admin, practitioner.Practitioner{Phone: "1", Title: "神医", Category: "x"})
		e, ok := errors.AsType[*errs.Error](err)
		if !ok {
			t.Fatal(err)
		}
		var names []string
		for _, f := range e.Fields {
			names = append(names, f.Name)
		}
		if want := []string{"name", "sex", "phone", "title", "category", "employed_by"}; !slices.Equal(names, want) {
			t.Errorf("fields %v, want %v", names, want)
		}
		p := w.doctor(t, "王建国", w.fourth, w.cardio, false)
		_, err = w.svc.Save(ctx, w.affairs, p)
		must(t, err)
		if _, err := w.svc.Save(ctx, w.affairs, p); !errs.Is(err, errs.Conflict) {
			t.Errorf("stale edit: %v", err)
		}
		if _, err := w.svc.Save(ctx, w.other, p); !errs.Is(err, errs.Forbidden) {
			t.Errorf("another institution edits: %v", err)
		}
	})
}

func TestPostingAndSuperior(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.doctor(t, "李明", w.fourth, w.cardio, false)
		boss := w.doctor(t, "周正", w.fourth, "", true)
		superior := func(department string) string {
			p := dbtest.View(t, d, func(tx *db.Tx) (p practitioner.Practitioner, err error) {
				p, _, err = practitioner.Superior(ctx, tx, w.fourth, department)
				return p, err
			})
			return p.ID
		}
		if superior(w.cardio) != boss.ID {
			t.Error("without a department head the institution's head is the superior")
		}
		head := w.doctor(t, "陈主任", w.fourth, w.cardio, true)
		if superior(w.cardio) != head.ID || superior(w.neuro) != boss.ID || superior("") != boss.ID {
			t.Error("wrong superior")
		}
		if name := dbtest.View(t, d, func(tx *db.Tx) (string, error) { return practitioner.DisplayName(ctx, tx, p.ID) }); name != "李明 主治医师" {
			t.Error(name)
		}
		post, err := w.svc.Post(ctx, w.other, practitioner.Posting{Practitioner: p.ID, Org: w.tcm, From: "2026-03-01", To: "2026-03-31"})
		must(t, err)
		at := func(day calendar.Date) int {
			return len(dbtest.View(t, d, func(tx *db.Tx) ([]practitioner.Practitioner, error) {
				return practitioner.At(ctx, tx, w.tcm, "", day)
			}))
		}
		if at(today) != 1 || at("2026-04-01") != 0 {
			t.Error("posting does not follow its dates")
		}
		if _, err := w.svc.Post(ctx, w.other, practitioner.Posting{Practitioner: p.ID, Org: w.tcm, From: "2026-03-15"}); !errs.Is(err, errs.Conflict) {
			t.Errorf("posted twice: %v", err)
		}
		if _, err := w.svc.EndPosting(ctx, w.other, post.ID, "2026-02-30"); !errs.Is(err, errs.Invalid) {
			t.Errorf("30 February: %v", err)
		}
		whose, err := w.svc.EndPosting(ctx, w.other, post.ID, "2026-03-01")
		if err != nil || whose != p.ID {
			t.Errorf("%s %v", whose, err)
		}
		if at(today) != 0 {
			t.Error("ended posting still holds")
		}
	})
}

func TestOnCallOrder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		first, second := w.doctor(t, "一线", w.fourth, w.cardio, false), w.doctor(t, "二线", w.fourth, w.cardio, false)
		house, past := w.doctor(t, "总值班", w.fourth, "", false), w.doctor(t, "昨夜", w.fourth, w.cardio, false)
		for _, s := range []practitioner.Shift{
			w.shift(house, w.fourth, "", practitioner.OnCallDuty, -8, 16),
			w.shift(second, w.fourth, w.cardio, practitioner.SecondLine, -9, 15),
			w.shift(first, w.fourth, w.cardio, practitioner.OnCallDuty, 0, 12),
			w.shift(past, w.fourth, w.cardio, practitioner.OnCallDuty, -12, 0),
			w.shift(first, w.fourth, "", practitioner.ReferralCenter, 0, 8),
		} {
			_, err := w.svc.AddShift(ctx, w.affairs, s)
			must(t, err)
		}
		names := func(department string, duty practitioner.Duty, at time.Time) string {
			var out []string
			for _, o := range dbtest.View(t, d, func(tx *db.Tx) ([]practitioner.OnDuty, error) {
				return practitioner.OnCall(ctx, tx, w.fourth, department, duty, at)
			}) {
				out = append(out, o.Person.Name)
			}
			return strings.Join(out, " ")
		}
		for _, c := range []struct {
			department string
			duty       practitioner.Duty
			hour       int
			want       string
		}{
			{w.cardio, practitioner.OnCallDuty, 0, "一线 二线 总值班"},
			{w.cardio, practitioner.OnCallDuty, -1, "昨夜 二线 总值班"},
			{w.cardio, practitioner.OnCallDuty, 12, "二线 总值班"}, // the end is exclusive
			{w.neuro, practitioner.OnCallDuty, 0, "总值班"},
			{"", practitioner.OnCallDuty, 0, "总值班"},
			{"", practitioner.ReferralCenter, 0, "一线"},
			{"", practitioner.Reviewer, 0, ""},
		} {
			if got := names(c.department, c.duty, dbtest.Clock.Add(time.Duration(c.hour)*time.Hour)); got != c.want {
				t.Errorf("%s at %+d h: %q, want %q", c.duty, c.hour, got, c.want)
			}
		}
		now := dbtest.View(t, d, func(tx *db.Tx) ([]practitioner.Practitioner, error) {
			return practitioner.OnDutyPractitioners(ctx, tx, w.fourth, practitioner.OnCallDuty)
		})
		if len(now) != 2 {
			t.Errorf("%d on call in the hospital, want 2", len(now))
		}
		first.Active = false // has left: nobody may be sent to him
		_, err := w.svc.Save(ctx, admin, first)
		must(t, err)
		if got := names(w.cardio, practitioner.OnCallDuty, dbtest.Clock); got != "二线 总值班" {
			t.Error(got)
		}
	})
}

func TestShiftRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.doctor(t, "王芳", w.fourth, w.cardio, false)
		_, err := w.svc.Post(ctx, w.other, practitioner.Posting{Practitioner: p.ID, Org: w.tcm, From: "2026-01-01"})
		must(t, err)
		_, err = w.svc.AddShift(ctx, w.affairs, w.shift(p, w.fourth, w.cardio, practitioner.OnCallDuty, 0, 12))
		must(t, err)
		stranger := w.doctor(t, "刘强", w.tcm, "", false)
		for _, c := range []struct {
			name  string
			actor access.Actor
			shift practitioner.Shift
			kind  errs.Kind
			says  string
		}{
			{"two institutions at once", w.other, w.shift(p, w.tcm, "", practitioner.OnCallDuty, 11, 20), errs.Invalid, "已在“市四医院”值班"},
			{"same duty twice", w.affairs, w.shift(p, w.fourth, w.cardio, practitioner.OnCallDuty, 6, 18), errs.Invalid, "已排了同一个班"},
			{"does not work here", w.affairs, w.shift(stranger, w.fourth, w.cardio, practitioner.OnCallDuty, 12, 20), errs.Invalid, "不在本机构任职"},
			{"ends before it begins", w.affairs, w.shift(p, w.fourth, w.cardio, practitioner.OnCallDuty, 20, 12), errs.Invalid, "结束时间必须晚于开始时间"},
			{"too long", w.affairs, w.shift(p, w.fourth, w.cardio, practitioner.OnCallDuty, 20, 20+169), errs.Invalid, "最长 7 天"},
			{"department of another", w.other, w.shift(stranger, w.tcm, w.cardio, practitioner.OnCallDuty, 12, 20), errs.Invalid, "请选择本机构的科室"},
			{"another institution's roster", w.other, w.shift(p, w.fourth, w.cardio, practitioner.OnCallDuty, 40, 50), errs.Forbidden, "没有这项权限"},
		} {
			_, err := w.svc.AddShift(ctx, c.actor, c.shift)
			if !errs.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if _, err := w.svc.AddShift(ctx, w.other, w.shift(p, w.tcm, "", practitioner.OnCallDuty, 12, 20)); err != nil {
			t.Errorf("after the other turn: %v", err)
		}
	})
}

func TestReplaceVoidAndGaps(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		a, b := w.doctor(t, "甲", w.fourth, w.cardio, false), w.doctor(t, "乙", w.fourth, w.cardio, false)
		gaps := func() []practitioner.Gap {
			return dbtest.View(t, d, func(tx *db.Tx) ([]practitioner.Gap, error) {
				return practitioner.Gaps(ctx, tx, w.fourth, dbtest.Clock, dbtest.Clock.AddDate(0, 0, 7))
			})
		}
		if len(gaps()) != 0 {
			t.Error("no roster is kept, so none has gaps")
		}
		night, err := w.svc.AddShift(ctx, w.affairs, w.shift(a, w.fourth, w.cardio, practitioner.OnCallDuty, 9, 24))
		must(t, err)
		_, err = w.svc.AddShift(ctx, w.affairs, w.shift(b, w.fourth, w.cardio, practitioner.OnCallDuty, -1, 10))
		must(t, err)
		if g := gaps(); len(g) != 1 || !g[0].From.Equal(dbtest.Clock.Add(24*time.Hour)) || g[0].Department != w.cardio {
			t.Errorf("gaps %+v", g)
		}
		if _, err := w.svc.ReplaceShift(ctx, w.affairs, night.ID, b.ID, " "); !errs.Is(err, errs.Invalid) {
			t.Errorf("replaced without a reason: %v", err)
		}
		// 乙 is already on duty until hour 10: refused, and nothing half-written.
		if _, err := w.svc.ReplaceShift(ctx, w.affairs, night.ID, b.ID, "甲病假"); !errs.Is(err, errs.Invalid) {
			t.Errorf("replaced by somebody on duty: %v", err)
		}
		c := w.doctor(t, "丙", w.fourth, w.cardio, false)
		next, err := w.svc.ReplaceShift(ctx, w.affairs, night.ID, c.ID, "甲病假")
		must(t, err)
		if _, err := w.svc.ReplaceShift(ctx, w.affairs, night.ID, c.ID, "再换"); !errs.Is(err, errs.Conflict) {
			t.Errorf("replaced twice: %v", err)
		}
		must(t, w.svc.VoidShift(ctx, w.affairs, next.ID, "停诊"))
		if g := gaps(); len(g) != 1 || !g[0].From.Equal(dbtest.Clock.Add(10*time.Hour)) {
			t.Errorf("gaps after voiding %+v", g)
		}
		made, left, err := w.svc.CopyWeek(ctx, w.affairs, w.fourth, "2026-03-09")
		if err != nil || made != 1 || left != 0 {
			t.Errorf("copied %d, left %d, %v", made, left, err)
		}
		made, left, err = w.svc.CopyWeek(ctx, w.affairs, w.fourth, "2026-03-09")
		if err != nil || made != 0 || left != 1 {
			t.Errorf("copied again %d, left %d, %v", made, left, err)
		}
		must(t, w.svc.EndDuty(ctx, w.affairs, w.fourth, w.cardio, practitioner.OnCallDuty))
		if len(gaps()) != 0 {
			t.Error("a roster that is not kept any more has no gaps")
		}
		dbtest.SetClock(d, dbtest.Clock.AddDate(0, 0, 14))
		if err := w.svc.VoidShift(ctx, w.affairs, night.ID, "x"); !errs.Is(err, errs.Conflict) {
			t.Errorf("past turn voided: %v", err)
		}
	})
}

// Whatever the roster, every minute of the period is either covered by a turn
// or lies in exactly one gap.
func TestGapsAreWhatNobodyCovers(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	p := w.doctor(t, "甲", w.fourth, w.cardio, false)
	q := w.doctor(t, "乙", w.fourth, w.cardio, false)
	begin := dbtest.Clock
	rapid.Check(t, func(rt *rapid.T) {
		must(t, d.Tx(ctx, func(tx *db.Tx) error { _, err := tx.Exec(ctx, `DELETE FROM shift`); return err }))
		n := rapid.IntRange(1, 6).Draw(rt, "turns")
		for i := range n {
			from, length := rapid.IntRange(-20, 60).Draw(rt, "from"), rapid.IntRange(1, 30).Draw(rt, "length")
			who := []practitioner.Practitioner{p, q}[i%2]
			if _, err := w.svc.AddShift(ctx, w.affairs, w.shift(who, w.fourth, w.cardio, practitioner.OnCallDuty, from, from+length)); err != nil && !errs.Is(err, errs.Invalid) {
				rt.Fatal(err)
			}
		}
		end := begin.Add(48 * time.Hour)
		err := d.View(ctx, func(tx *db.Tx) error {
			gaps, err := practitioner.Gaps(ctx, tx, w.fourth, begin, end)
			if err != nil {
				return err
			}
			for at := begin; at.Before(end); at = at.Add(time.Hour) {
				on, err := practitioner.OnCall(ctx, tx, w.fourth, w.cardio, practitioner.OnCallDuty, at)
				if err != nil {
					return err
				}
				in := 0
				for _, g := range gaps {
					if !at.Before(g.From) && at.Before(g.To) {
						in++
					}
				}
				if (len(on) == 0) != (in == 1) || in > 1 {
					rt.Errorf("%s: %d on call, in %d gaps", at, len(on), in)
				}
			}
			return nil
		})
		must(t, err)
	})
}
