// Package schedule keeps the capacity of the institutions: when departments
// see patients and do exams (Schedule), the places that come out of it (Slot),
// who has one (Appointment), and the beds kept for referrals. It guarantees
// that no place is given twice and that none is lost; whose turn a patient is
// belongs to the case that books (referral), clinical content to nobody here.
//
// States of an appointment and of a bed reservation:
//
//	held 暂留      holds its place until ExpiresAt   → booked, released, expired
//	booked 已约    holds its place                   → used, released, missed (bed: expired)
//	used 已到诊    holds its place; a bed until the patient leaves → released (bed)
//	missed 未到    holds its place: the time is over
//	released 已取消, expired 已过期   hold nothing
//
// The invariants, in every commit: a slot's taken is the number of its
// appointments that hold a place and never exceeds its capacity; a share's
// taken is the number of appointments of the day in that share; the shares of
// a day add up to the capacity of its slots.
package schedule

import (
	"slices"
	"strings"
	"time"

	"yilian/internal/calendar"
)

// Kind is what a schedule is for.
type Kind string

// The kinds of schedule.
const (
	Clinic Kind = "clinic"
	Exam   Kind = "exam"
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Clinic, Exam} }

// Title is the kind in Chinese.
func (k Kind) Title() string {
	switch k {
	case Clinic:
		return "门诊"
	case Exam:
		return "检查"
	}
	return ""
}

// Schedule is a weekly session of a department, a doctor or an exam room.
type Schedule struct {
	ID           string
	Org          string
	Department   string
	Service      string // of exams: the organization.HealthcareService; "" the whole department
	Kind         Kind
	Name         string // 专家门诊, CT; "" by kind
	Practitioner string // "" whoever is on duty
	Room         string // exam room, one session at a time; "" none
	Location     string // where patients go; "" the department's
	Weekdays     []time.Weekday
	From, To     Clock
	Minutes      int // length of a slot
	Capacity     int // places of a slot
	Alliance     int // places of a session kept for referrals of members
	Contract     int // places of a session kept for contracted residents
	Holidays     bool
	ValidFrom    calendar.Date
	ValidTo      calendar.Date // last day, inclusive; "" open
	Active       bool
	Version      int64
}

// Title is how lists name the session: 心内专家门诊 or 上午门诊.
func (s Schedule) Title() string {
	if s.Name != "" {
		return s.Name
	}
	switch {
	case s.To <= "13:00":
		return "上午" + s.Kind.Title()
	case s.From >= "17:00":
		return "晚间" + s.Kind.Title()
	case s.From >= "12:00":
		return "下午" + s.Kind.Title()
	}
	return s.Kind.Title()
}

// Places is the number of places of one session.
func (s Schedule) Places() int { return s.slots() * s.Capacity }

func (s Schedule) slots() int {
	if s.Minutes <= 0 {
		return 0
	}
	return max(0, s.To.minutes()-s.From.minutes()) / s.Minutes
}

// on reports whether the weekly plan has a session on a day of the week.
func (s Schedule) on(w time.Weekday) bool { return slices.Contains(s.Weekdays, w) }

// Week is the days of the week in the order of Chinese calendars.
func Week() []time.Weekday {
	return []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday}
}

// WeekdayTitle is a day of the week in Chinese.
func WeekdayTitle(w time.Weekday) string {
	return "周" + []string{"日", "一", "二", "三", "四", "五", "六"}[w]
}

// Clock is a time of day in Shanghai, HH:MM; it sorts as text.
type Clock string

// ParseClock reads a time of day; ok is false when there is no such time.
func ParseClock(s string) (Clock, bool) {
	t, err := time.Parse("15:04", strings.TrimSpace(s))
	if err != nil {
		return "", false
	}
	return Clock(t.Format("15:04")), true
}

func (c Clock) minutes() int {
	t, err := time.Parse("15:04", string(c))
	if err != nil {
		return 0
	}
	return t.Hour()*60 + t.Minute()
}

func clockOf(minutes int) Clock {
	return Clock(time.Time{}.Add(time.Duration(minutes) * time.Minute).Format("15:04"))
}

// on is the instant of the clock on a day.
func (c Clock) on(d calendar.Date) time.Time {
	return d.Time().Add(time.Duration(c.minutes()) * time.Minute).UTC()
}

// ExceptionKind is how a day differs from the weekly plan.
type ExceptionKind string

// The kinds of exception.
const (
	Closed     ExceptionKind = "closed"     // 停诊
	Extra      ExceptionKind = "extra"      // 加诊
	Substitute ExceptionKind = "substitute" // 替诊
)

// ExceptionKinds returns all kinds of exception.
func ExceptionKinds() []ExceptionKind { return []ExceptionKind{Closed, Extra, Substitute} }

// Title is the kind of exception in Chinese.
func (k ExceptionKind) Title() string {
	switch k {
	case Closed:
		return "停诊"
	case Extra:
		return "加诊"
	case Substitute:
		return "替诊"
	}
	return ""
}

// Exception is what differs from a schedule on one day.
type Exception struct {
	ID           string
	Schedule     string
	Day          calendar.Date
	Kind         ExceptionKind
	From, To     Clock  // of Closed: empty is the whole day
	Capacity     int    // of Extra: places of a slot
	Practitioner string // of Substitute
	Reason       string
	MadeAt       time.Time
	MadeBy       string
}

// State is how far an appointment or a bed reservation has come.
type State string

// The states; see the package comment.
const (
	Held     State = "held"
	Booked   State = "booked"
	Used     State = "used"
	Missed   State = "missed"
	Released State = "released"
	Expired  State = "expired"
)

// Title is the state in Chinese.
func (s State) Title() string {
	return map[State]string{Held: "暂留", Booked: "已约", Used: "已到诊", Missed: "未到", Released: "已取消", Expired: "已过期"}[s]
}

// Occupies reports whether an appointment in the state holds a place.
func (s State) Occupies() bool { return s == Held || s == Booked || s == Used || s == Missed }

// Live reports whether the state may still change.
func (s State) Live() bool { return s == Held || s == Booked }

// Slot is a time at which a department takes patients.
type Slot struct {
	ID           string
	Schedule     string
	Org          string
	Department   string
	Service      string
	Kind         Kind
	Title        string // of the schedule
	Day          calendar.Date
	Start, End   time.Time
	Planned      int // places that the plan gives
	Capacity     int // Planned, or Taken when the plan was cut below it
	Taken        int
	Open         bool
	Practitioner string
	Location     string // "" the department's
}

// Free is the number of places nobody has; who may take them is another
// question.
func (s Slot) Free() int {
	if !s.Open {
		return 0
	}
	return s.Capacity - s.Taken
}

// Appointment is a place that somebody has.
type Appointment struct {
	ID           string
	Slot         Slot
	Pool         Pool
	Case         string
	Patient      string
	Subject      string
	State        State
	Practitioner string // the doctor the patient was told
	ExpiresAt    time.Time
	MadeAt       time.Time
	MadeBy       string
	EndedAt      time.Time
	EndedBy      string
	Reason       string
	Version      int64
}

// BedKind is whom a bed is for.
type BedKind string

// The kinds of bed.
const (
	AnyBed       BedKind = ""
	MenBed       BedKind = "men"
	WomenBed     BedKind = "women"
	ChildBed     BedKind = "child"
	IsolationBed BedKind = "isolation"
)

// BedKinds returns all kinds of bed.
func BedKinds() []BedKind { return []BedKind{AnyBed, MenBed, WomenBed, ChildBed, IsolationBed} }

// Title is the kind of bed in Chinese.
func (k BedKind) Title() string {
	return map[BedKind]string{AnyBed: "普通床", MenBed: "男床", WomenBed: "女床", ChildBed: "儿童床", IsolationBed: "隔离床"}[k]
}

// BedRequest asks for a bed from a day on.
type BedRequest struct {
	Department string
	Kind       BedKind
	From       calendar.Date
	Days       int // expected stay; 0: policy schedule.bed.days
}

// BedReservation is a bed that is kept for somebody, or in which he lies.
type BedReservation struct {
	ID          string
	Department  string
	Kind        BedKind // the pool it takes from
	Case        string
	Patient     string
	Subject     string
	State       State
	From, Until calendar.Date // Until is the first day it is free again, as far as known
	ExpiresAt   time.Time
	MadeAt      time.Time
	MadeBy      string
	Version     int64
}

// Booking names everything that a case is to have: after Book it has exactly
// this.
type Booking struct {
	Case     string // id of the case
	Patient  string
	Subject  string // who it is about, for lists; never a diagnosis
	Org      string // the receiving institution; items elsewhere are refused; "" any
	Priority Priority
	Clinic   string   // slot id; "" none
	Exams    []string // slot ids
	Bed      *BedRequest
}

// slots returns the slots in the order of the request.
func (b Booking) slots() []string {
	var out []string
	if b.Clinic != "" {
		out = append(out, b.Clinic)
	}
	return append(out, b.Exams...)
}

// Reserved is what a case has.
type Reserved struct {
	Appointments []Appointment // by time
	Bed          *BedReservation
}

// Clinic returns the first live or used clinic appointment.
func (r Reserved) Clinic() (Appointment, bool) {
	for _, a := range r.Appointments {
		if a.Slot.Kind == Clinic {
			return a, true
		}
	}
	return Appointment{}, false
}

// Exams returns the exam appointments.
func (r Reserved) Exams() []Appointment {
	var out []Appointment
	for _, a := range r.Appointments {
		if a.Slot.Kind == Exam {
			out = append(out, a)
		}
	}
	return out
}

// Moved is told when an appointment got another time: the case must tell the
// patient and wait until then.
type Moved struct {
	Case, Appointment string
	Start             time.Time
}

// Topic implements jobs.Event.
func (Moved) Topic() string { return "schedule.moved" }

// Lapsed is told when a case lost something by time: a hold that ran out, an
// appointment or a bed for which the patient did not come.
type Lapsed struct {
	Case, Item string // Item is the id of the appointment or bed reservation
	State      State  // Expired or Missed
}

// Topic implements jobs.Event.
func (Lapsed) Topic() string { return "schedule.lapsed" }
