package referralweb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/schedule"
	"yilian/internal/web"
)

// offers are the places that the appointment form offers; without any of them
// the form asks for a free time only.
type offers struct {
	Clinic []web.Option
	Exams  []web.Option
	Bed    string // what is said beside the bed; "" the department has none
}

// soonest is how many of the first free places are offered one by one; after
// them the first one of each half day is.
const soonest = 4

// classes are the shares as patients and centres call them.
var classes = map[schedule.Pool]string{schedule.Alliance: "医联体号", schedule.Contract: "签约号", schedule.Public: "普通号"}

// offer reads what can be booked for the case, and fills in the usual choice:
// the place the case has, else the first free one.
func (p *Pages) offer(ctx context.Context, tx *db.Tx, v *view, typed bool) error {
	o, err := p.Service.Openings(ctx, tx, v.Case, v.Record)
	if err != nil {
		return err
	}
	f := v.Form
	names := map[string]string{}
	for _, d := range f.Lists.Doctors {
		names[d.Value] = d.Text
	}
	has, booked := o.Has.Clinic()
	booked = booked && has.State.Live()
	if booked {
		f.Offers.Clinic = append(f.Offers.Clinic, web.Option{Value: has.Slot.ID, Text: schedule.When(has.Slot.Start), Note: "现在的安排"})
	}
	free := few(o.Clinic)
	if refused, ok := errors.AsType[*schedule.Refused](f.Err); ok && refused.Item == schedule.ItemClinic {
		free = merge(free, refused.Next) // what the refusal names can be chosen
	}
	for _, x := range free {
		f.Offers.Clinic = append(f.Offers.Clinic, clinicOption(x, names[x.Slot.Practitioner]))
	}
	f.Offers.Bed = bedText(o, v)
	if !typed {
		preset(f, o, free, booked, v.Now)
	}
	return offerExams(ctx, tx, f, o)
}

// offerExams fills in the exams at other times than the chosen clinic.
func offerExams(ctx context.Context, tx *db.Tx, f *form, o referral.Openings) error {
	var clinic schedule.Slot
	if id := f.value("slot"); id != "" {
		var err error
		if clinic, err = schedule.GetSlot(ctx, tx, id); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	for _, x := range o.Has.Exams() {
		if x.State.Live() && !clinic.Meets(x.Slot) {
			f.Offers.Exams = append(f.Offers.Exams, web.Option{Value: x.Slot.ID, Text: x.Slot.Title + " " + schedule.When(x.Slot.Start), Note: "现在的安排"})
		}
	}
	free := slices.DeleteFunc(o.Exams, func(x schedule.Free) bool { return clinic.Meets(x.Slot) })
	for _, x := range fewExams(apart(free, f.Values["exams"]), f.Values["exams"]) {
		f.Offers.Exams = append(f.Offers.Exams, web.Option{Value: x.Slot.ID, Text: x.Slot.Title + " " + schedule.When(x.Slot.Start), Note: fmt.Sprintf("余 %d", x.Left)})
	}
	return nil
}

// otherClinic answers the exams that can go with another clinic time.
func (p *Pages) otherClinic(w http.ResponseWriter, r *http.Request) error {
	q, actor := r.URL.Query(), access.ActorOf(r.Context())
	v, err := p.read(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	a, ok := v.find(referral.ActArrange)
	if !ok {
		a, ok = v.find(referral.ActReschedule)
	}
	if !ok {
		return errs.E(errs.Conflict, "现在不能安排就诊：单子已是“%s”，或不由您办理", machine.StateTitle(v.Case.State))
	}
	if err := p.prepare(r.Context(), v, a, q, nil); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, examChoices(v.Form))
}

// onTheWay is how long a patient needs at least to come: earlier places are
// offered, but not proposed.
const onTheWay = time.Hour

// preset chooses what need not be chosen: what the case has, else the first
// place that the patient can reach. A free time stays one.
func preset(f *form, o referral.Openings, free []schedule.Free, booked bool, now time.Time) {
	if booked {
		f.Values.Set("slot", f.Offers.Clinic[0].Value)
	} else if f.Action.Name != referral.ActReschedule {
		i := slices.IndexFunc(free, func(x schedule.Free) bool { return !x.Slot.Start.Before(now.Add(onTheWay)) })
		if i >= 0 {
			f.Values.Set("slot", free[i].Slot.ID)
		}
	}
	for _, x := range o.Has.Exams() {
		if x.State.Live() {
			f.Values.Add("exams", x.Slot.ID)
		}
	}
	if o.Has.Bed != nil {
		f.Values.Set("bed", "1")
	}
}

func clinicOption(x schedule.Free, doctor string) web.Option {
	note := []string{classes[x.Pool], fmt.Sprintf("余 %d", x.Left)}
	if doctor != "" {
		note = append([]string{doctor}, note...)
	}
	return web.Option{Value: x.Slot.ID, Text: schedule.When(x.Slot.Start), Note: strings.Join(note, " · ")}
}

// few are the first places, then the first of each half day.
func few(list []schedule.Free) []schedule.Free {
	seen := map[string]bool{}
	var out []schedule.Free
	for i, x := range list {
		half := string(x.Slot.Day) + x.Slot.Start.In(calendar.Shanghai).Format("PM")
		if i < soonest || !seen[half] {
			out = append(out, x)
		}
		seen[half] = true
	}
	return out
}

// apart leaves out what is at the time of an exam that is chosen already: nobody
// has two at once.
func apart(list []schedule.Free, chosen []string) []schedule.Free {
	var taken []schedule.Slot
	for _, x := range list {
		if slices.Contains(chosen, x.Slot.ID) {
			taken = append(taken, x.Slot)
		}
	}
	return slices.DeleteFunc(slices.Clone(list), func(x schedule.Free) bool {
		return !slices.Contains(chosen, x.Slot.ID) && slices.ContainsFunc(taken, func(t schedule.Slot) bool { return t.Meets(x.Slot) })
	})
}

// fewExams are the first places of each exam on each of its first three days,
// and what is chosen already. As long as another time is free, exams are offered
// at times that go together.
func fewExams(list []schedule.Free, chosen []string) []schedule.Free {
	const days = 3
	var out []schedule.Free
	seen, of := map[string]bool{}, map[string]int{}
	take := func(fits func(x schedule.Free, exam string) bool) {
		for _, x := range list {
			exam := x.Slot.Service + x.Slot.Title
			key := exam + string(x.Slot.Day)
			if slices.Contains(chosen, x.Slot.ID) || !seen[key] && of[exam] < days && fits(x, exam) {
				if !slices.ContainsFunc(out, func(y schedule.Free) bool { return y.Slot.ID == x.Slot.ID }) {
					out = append(out, x)
				}
				seen[key] = true
				of[exam]++
			}
		}
	}
	take(func(x schedule.Free, exam string) bool {
		return !slices.ContainsFunc(out, func(y schedule.Free) bool { return y.Slot.Service+y.Slot.Title != exam && y.Slot.Meets(x.Slot) })
	})
	take(func(_ schedule.Free, exam string) bool { return of[exam] == 0 }) // better at the same time than not at all
	slices.SortStableFunc(out, func(a, b schedule.Free) int { return strings.Compare(a.Slot.Title, b.Slot.Title) })
	return out
}

// merge adds places that are not in a list.
func merge(list, more []schedule.Free) []schedule.Free {
	for _, x := range more {
		if !slices.ContainsFunc(list, func(y schedule.Free) bool { return y.Slot.ID == x.Slot.ID }) {
			list = append(list, x)
		}
	}
	slices.SortStableFunc(list, func(a, b schedule.Free) int { return a.Slot.Start.Compare(b.Slot.Start) })
	return list
}

func bedText(o referral.Openings, v *view) string {
	switch {
	case o.Has.Bed != nil:
		return "已预留，自 " + string(o.Has.Bed.From)
	case o.BedOn == "":
		return ""
	case o.BedOn == calendar.DateOf(v.Now):
		return "今天起有床"
	}
	return "最早 " + string(o.BedOn) + " 有床"
}

// clinicOptions are the places and the way to write a time of one's own.
func clinicOptions(f *form) []web.Option {
	return append(slices.Clone(f.Offers.Clinic), web.Option{Value: "", Text: "其他时间", Note: "电话商定或没有号源时，自行填写"})
}

// booked reads the places out of the appointment form; a chosen place leaves
// the free time alone.
func booked(form url.Values, a *referral.Arrangement) {
	a.Slot = strings.TrimSpace(form.Get("slot"))
	for _, id := range form["exams"] {
		if id = strings.TrimSpace(id); id != "" {
			a.Exams = append(a.Exams, id)
		}
	}
	a.Bed = form.Get("bed") != ""
}

func deferCase(c call) (flow.Case, error) {
	return c.p.Service.Defer(c.ctx, c.actor, c.ref, referral.Deferral{Reason: c.reason(), Comment: c.comment(), PromisedOn: c.text("promised_on")})
}
