package referralweb

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/referralcount"
	"yilian/internal/web"
)

// overview is the page of figures.
type overview struct {
	referralcount.Overview
	Actor  access.Actor
	Scope  referralcount.Scope
	Period string
}

// periods are the spans that a reader asks for, with their titles.
var periods = []web.Option{
	{Value: "month", Text: "本月"}, {Value: "quarter", Text: "近三个月"}, {Value: "half", Text: "近六个月"}, {Value: "year", Text: "本年"}, {Value: "custom", Text: "自选日期"},
}

func (p *Pages) overview(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	q := r.URL.Query()
	today := calendar.DateOf(p.Service.DB.Now())
	o := overview{Actor: actor, Period: q.Get("period"), Scope: referralcount.Scope{Side: flow.Side(q.Get("side"))}}
	if o.Scope.Side != flow.From && o.Scope.Side != flow.To {
		o.Scope.Side = flow.Nobody
	}
	if err := o.span(q, today); err != nil {
		return err
	}
	var err error
	if o.Overview, err = referralcount.Read(r.Context(), p.Service.DB, actor, o.Scope); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, overviewPage(o))
}

// span turns the chosen period into dates.
func (o *overview) span(q url.Values, today calendar.Date) error {
	first := func(back int) calendar.Date {
		return calendar.DateOf(today.Time().AddDate(0, -back, 1-today.Time().Day()))
	}
	o.Scope.To = today
	switch o.Period {
	case "month":
		o.Scope.From = first(0)
	case "quarter":
		o.Scope.From = first(2)
	case "year":
		o.Scope.From = calendar.Date(fmt.Sprintf("%04d-01-01", today.Year()))
	case "custom":
		return o.custom(q)
	default:
		o.Period, o.Scope.From = "half", first(5)
	}
	return nil
}

func (o *overview) custom(q url.Values) error {
	var f errs.Form
	for name, into := range map[string]*calendar.Date{"from": &o.Scope.From, "to": &o.Scope.To} {
		if q.Get(name) == "" {
			continue
		}
		day, err := calendar.ParseDate(q.Get(name))
		f.AddErr(name, err)
		*into = day
	}
	if f.OK() && o.Scope.From != "" && o.Scope.To.Before(o.Scope.From) {
		f.Add("to", "结束日期不能早于开始日期")
	}
	return f.Err()
}

// cases is the ledger behind a figure, with the same period and side, for
// readers who may open cases; bureaus see counts without persons.
func (o overview) cases(pairs ...string) string {
	if !may(o.Actor, access.ReferralRead) {
		return ""
	}
	return o.ledger("/ledger", pairs...)
}

// ledger is an address of the ledger in the scope of the page.
func (o overview) ledger(path string, pairs ...string) string {
	v := url.Values{"from": {string(o.Scope.From)}, "to": {string(o.Scope.To)}}
	if o.Scope.Side != flow.Nobody {
		v.Set("side", string(o.Scope.Side))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + v.Encode()
}

// month is the ledger of one institution's month, within the period.
func (o overview) month(m referralcount.Month, pairs ...string) string {
	first := calendar.Date(m.Month + "-01")
	last := calendar.DateOf(first.Time().AddDate(0, 1, -1))
	from, to := max(first, o.Scope.From), last
	if o.Scope.To != "" {
		to = min(last, o.Scope.To)
	}
	return o.cases(append([]string{"from", string(from), "to", string(to), "other", m.Org}, pairs...)...)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// rateText is a rate with its parts; without a denominator it says why there
// is none.
func rateText(r referralcount.Rate) string {
	if percent, ok := r.Percent(); ok {
		return strconv.FormatFloat(percent, 'f', 1, 64)
	}
	return "不可计算"
}

func rateNote(r referralcount.Rate) string {
	if r.Denominator == 0 {
		return "分母为 0：所选期间没有应结案的转诊"
	}
	return fmt.Sprintf("%d ÷ %d", r.Numerator, r.Denominator)
}

// reportedNote is the parts of the share of reports that came back.
func reportedNote(r referralcount.Rate) string {
	if r.Denominator == 0 {
		return "分母为 0：所选期间没有到了回转时限的转诊"
	}
	return rateNote(r)
}

func rateUnit(r referralcount.Rate) string {
	if r.Denominator == 0 {
		return ""
	}
	return "%"
}

// waitFigure is a waiting time as a number and its unit.
func waitFigure(n int, d time.Duration) (value, unit string) {
	one := func(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }
	switch {
	case n == 0:
		return "不可计算", ""
	case d < time.Minute:
		return "＜1", "分钟"
	case d < time.Hour:
		return strconv.Itoa(int(d / time.Minute)), "分钟"
	case d < 48*time.Hour:
		return one(d.Hours()), "小时"
	}
	return one(d.Hours() / 24), "天"
}

func waitText(n int, d time.Duration) string {
	value, unit := waitFigure(n, d)
	return value + unit
}

func waitNote(w referralcount.Waits) string {
	if w.N == 0 {
		return "所选期间没有已受理的转诊"
	}
	return "n = " + strconv.Itoa(w.N)
}

// stateRow is one state over all directions.
type stateRow struct {
	State string
	N     map[referral.Direction]int64
	All   int64
}

// states arranges the counts as state by direction.
func (o overview) states() []stateRow {
	rows := map[string]*stateRow{}
	for _, c := range o.ByState {
		r := rows[c.State]
		if r == nil {
			r = &stateRow{State: c.State, N: map[referral.Direction]int64{}}
			rows[c.State] = r
		}
		r.N[c.Direction] += c.N
		r.All += c.N
	}
	var out []stateRow
	for _, s := range machine.States {
		if r := rows[s.Name]; r != nil {
			out = append(out, *r)
		}
	}
	return out
}

func closed(c referralcount.Counts) (n int64) {
	for _, s := range c.ByState {
		if s.State == referral.StateClosed {
			n += s.N
		}
	}
	return n
}

func arrived(c referralcount.Counts) (n int64) {
	for _, k := range c.Arrivals {
		n += k
	}
	return n
}

// months lists the months, newest first, as Overview has them.
func (o overview) months() []referralcount.Month {
	out := slices.Clone(o.Months)
	slices.SortStableFunc(out, func(a, b referralcount.Month) int { return cmp.Compare(b.Month, a.Month) })
	return out
}

func strayTone(n int64) web.Tone {
	if n > 0 {
		return web.Bad
	}
	return web.Good
}
