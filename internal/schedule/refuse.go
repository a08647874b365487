package schedule

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
)

// Reason is why an item of a booking is refused.
type Reason string

// The reasons.
const (
	ReasonFull      Reason = "full"      // no place left
	ReasonReserved  Reason = "reserved"  // places left, but kept for others
	ReasonPast      Reason = "past"      // has begun
	ReasonClosed    Reason = "closed"    // cancelled session
	ReasonOverlap   Reason = "overlap"   // the patient is elsewhere at that time
	ReasonElsewhere Reason = "elsewhere" // another institution, or not of the kind asked for
	ReasonNoBed     Reason = "no_bed"
	ReasonTooMany   Reason = "too_many" // holds of one case
)

// Items of a booking, for the field of a form.
const (
	ItemClinic = "clinic"
	ItemExam   = "exam"
	ItemBed    = "bed"
)

// Refused says which item of a booking cannot be had, why, and when the next
// ones are free. It is an errs.Conflict whose sentence says all that.
type Refused struct {
	Item   string // ItemClinic, ItemExam, ItemBed
	Slot   string // id of the slot; "" for a bed
	Reason Reason
	Next   []Free        // next free places of the same kind
	NextOn calendar.Date // of a bed: the next day with one; "" none
	err    error
}

// Error implements error.
func (r *Refused) Error() string { return r.err.Error() }

// Unwrap gives the errs.Conflict that is shown.
func (r *Refused) Unwrap() error { return r.err }

// alternatives is how many free times a refusal names.
const alternatives = 3

func itemOf(k Kind) string {
	if k == Exam {
		return ItemExam
	}
	return ItemClinic
}

// When is an instant in Chinese, as patients are told it: 3月9日（周一）08:30.
func When(t time.Time) string {
	t = t.In(calendar.Shanghai)
	return fmt.Sprintf("%d月%d日（%s）%s", t.Month(), t.Day(), WeekdayTitle(t.Weekday()), t.Format("15:04"))
}

// dayText is a day in Chinese: 3月9日（周一）.
func dayText(d calendar.Date) string {
	t := d.Time()
	return fmt.Sprintf("%d月%d日（%s）", t.Month(), t.Day(), WeekdayTitle(t.Weekday()))
}

// refuse makes the refusal of a slot: what is asked for, why not, what next.
func (w *booker) refuse(ctx context.Context, slot Slot, why Reason, sentence string) error {
	r := &Refused{Item: itemOf(slot.Kind), Slot: slot.ID, Reason: why}
	name, err := departmentName(ctx, w.tx, slot.Department)
	if err != nil {
		return err
	}
	text := When(slot.Start) + " " + name + slot.Title + sentence
	if why != ReasonElsewhere {
		r.Next, err = w.s.NextFree(ctx, w.tx, Need{
			Department: slot.Department, Service: slot.Service, Kind: slot.Kind, From: slot.Day.Time(), Priority: w.b.Priority,
			Patient: w.b.Patient, N: alternatives, except: w.except, displaced: w.displaced,
		})
		if err != nil {
			return err
		}
		text += nextText(r.Next)
	}
	r.err = errs.E(errs.Conflict, "%s", text)
	return r
}

func nextText(next []Free) string {
	if len(next) == 0 {
		return "。目前放出的号里没有其他可约的时间，可登记候诊并承诺日期，或改约其他科室、医院"
	}
	times := make([]string, len(next))
	for i, f := range next {
		times[i] = When(f.Slot.Start)
	}
	return "。最近可约：" + strings.Join(times, "、")
}

func departmentName(ctx context.Context, tx *db.Tx, id string) (string, error) {
	d, err := organization.GetDepartment(ctx, tx, id)
	if err != nil {
		return "", err
	}
	return d.Name, nil
}
