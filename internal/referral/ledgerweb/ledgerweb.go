// Package ledgerweb is the face of the register of referrals: the table with
// its filters, its workbook, and for bureaus the counts alone. It parses, calls
// one read of package ledger and renders; it decides nothing.
package ledgerweb

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/ledger"
	"yilian/internal/referral/referralcount"
	"yilian/internal/web"
)

// machine is the declaration, for titles of states.
var machine = referral.Machine()

// Pages are the routes of this package.
type Pages struct{ Service *referral.Service }

const pageSize = 50

// Routes registers the pages and their menu.
func Routes(site *web.Site, s *referral.Service) {
	p := &Pages{Service: s}
	site.Handle("GET /ledger", p.show)
	site.Handle("GET /ledger/export", p.export)
	site.Handle("GET /ledger/refusals", p.refusals)
	site.Menu(web.Item{Group: "业务协同", Title: "转诊台账", Icon: "table", Path: "/ledger", Order: 23,
		Rights: []string{string(access.ReferralCount)}})
}

// table is the page of the ledger.
type table struct {
	ledger.Page
	Actor    access.Actor
	Scope    ledger.Scope
	Number   int
	Outcomes ledger.Titles
	Counts   referralcount.Overview // instead of lines, for who sees no persons
	Persons  bool
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	t := table{Actor: actor, Number: web.PageNumber(r), Persons: access.May(actor, access.ReferralRead, access.Own)}
	var err error
	if t.Scope, err = p.scope(r.URL.Query()); err != nil {
		return err
	}
	if !t.Persons {
		t.Counts, err = referralcount.Read(r.Context(), p.Service.DB, actor, referralcount.Scope{Side: t.Scope.Side, From: t.Scope.From, To: t.Scope.To})
		if err != nil {
			return err
		}
		return web.Render(w, r, http.StatusOK, countsPage(t))
	}
	t.Scope.Limit, t.Scope.Offset = pageSize, (t.Number-1)*pageSize
	if t.Page, err = ledger.Read(r.Context(), p.Service.DB, p.Service.Audit, actor, t.Scope); err != nil {
		return err
	}
	if t.Outcomes, err = p.outcomes(r, actor); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, ledgerPage(t))
}

// outcomes looks up the words of the outcomes.
func (p *Pages) outcomes(r *http.Request, actor access.Actor) (ledger.Titles, error) {
	o, err := p.Service.Options(r.Context(), actor)
	if err != nil {
		return nil, err
	}
	titles := map[string]string{}
	for _, c := range o.Outcomes {
		titles[c.Code] = c.Title
	}
	return func(code string) string {
		if t := titles[code]; t != "" {
			return t
		}
		return code
	}, nil
}

// export answers the workbook. It is written whole before the first byte goes
// out, so that a fault is still answered as one.
func (p *Pages) export(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	if err := access.Require(actor, access.ReferralRead, access.Own); err != nil {
		return err
	}
	scope, err := p.scope(r.URL.Query())
	if err != nil {
		return err
	}
	titles, err := p.outcomes(r, actor)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if err := ledger.Export(r.Context(), p.Service.DB, p.Service.Audit, actor, scope, titles, &body); err != nil {
		return err
	}
	name := fmt.Sprintf("转诊台账_%s_%s_%s.xlsx", actor.OrgName, scope.From, scope.To)
	w.Header().Set("Content-Type", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
	w.Header().Set("Content-Disposition", "attachment; filename=\"ledger.xlsx\"; filename*=UTF-8''"+url.PathEscape(name))
	w.Header().Set("Cache-Control", "no-store")
	_, err = body.WriteTo(w)
	return err
}

// scope reads the filters; without dates it is the present month.
func (p *Pages) scope(q url.Values) (ledger.Scope, error) {
	today := calendar.DateOf(p.Service.DB.Now())
	s := ledger.Scope{
		Side: flow.Side(q.Get("side")), Direction: referral.Direction(q.Get("direction")), State: q.Get("state"), Urgency: q.Get("urgency"),
		Stage: q.Get("stage"), Reason: q.Get("reason"), Other: q.Get("other"), Text: q.Get("q"), From: today[:8] + "01", To: today,
	}
	if s.Side != flow.From && s.Side != flow.To {
		s.Side = flow.Nobody
	}
	var f errs.Form
	for _, x := range []struct {
		name string
		into *calendar.Date
	}{{"from", &s.From}, {"to", &s.To}} {
		if !q.Has(x.name) {
			continue
		}
		*x.into = ""
		if q.Get(x.name) == "" {
			continue
		}
		day, err := calendar.ParseDate(q.Get(x.name))
		f.AddErr(x.name, err)
		*x.into = day
	}
	if f.OK() && s.From != "" && s.To != "" && s.To.Before(s.From) {
		f.Add("to", "结束日期不能早于开始日期")
	}
	return s, f.Err()
}

// url is the address of the ledger, or of its workbook, with its filters.
func (t table) url(path string, pairs ...string) string {
	v := url.Values{"from": {string(t.Scope.From)}, "to": {string(t.Scope.To)}}
	for k, s := range map[string]string{
		"side": string(t.Scope.Side), "direction": string(t.Scope.Direction), "state": t.Scope.State, "urgency": t.Scope.Urgency,
		"stage": t.Scope.Stage, "reason": t.Scope.Reason, "other": t.Scope.Other, "q": t.Scope.Text,
	} {
		if s != "" {
			v.Set(k, s)
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + v.Encode()
}

func (t table) pages() web.Pages {
	return web.Pages{Page: t.Number, Size: pageSize, Total: int(t.Total), URL: t.url("/ledger")}
}

func (t table) period() string {
	if t.Scope.From == "" && t.Scope.To == "" {
		return "全部"
	}
	return string(t.Scope.From) + " 至 " + string(t.Scope.To)
}

// refuserPage is the page of who refused how often.
type refuserPage struct {
	table
	List []ledger.Refuser
}

// refused is the address of the cases that an institution has refused.
func (t refuserPage) refused(org, reason string) string {
	if t.Persons {
		return t.url("/ledger", "stage", ledger.Refused, "other", org, "reason", reason)
	}
	return "/counts/cases?" + url.Values{"measure": {string(referralcount.Refused)}, "period": {"custom"}, "by": {"to"}, "refuser": {org}, "reason": {reason},
		"from": {string(t.Scope.From)}, "to": {string(t.Scope.To)}}.Encode()
}

func (p *Pages) refusals(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	t := refuserPage{table: table{Actor: actor, Persons: access.May(actor, access.ReferralRead, access.Own)}}
	var err error
	if t.Scope, err = p.scope(r.URL.Query()); err != nil {
		return err
	}
	if t.List, err = ledger.Refusals(r.Context(), p.Service.DB, actor, t.Scope.Side, t.Scope.From, t.Scope.To); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, refusalPage(t))
}

func codes(list []referral.Code) []web.Option {
	return web.Choices(list, func(c referral.Code) (string, string) { return c.Code, c.Title })
}

func directions() []web.Option {
	return web.Choices(referral.Directions(), func(d referral.Direction) (string, string) { return string(d), d.Title() })
}

func states() []web.Option {
	var out []web.Option
	for _, s := range machine.States {
		if s.Name != referral.StateDraft && s.Name != referral.StateInReview && s.Name != referral.StateDiscarded {
			out = append(out, web.Option{Value: s.Name, Text: s.Title})
		}
	}
	return out
}

// hours is a length of time in hours, days from two days on.
func hours(d time.Duration) string {
	if d >= 48*time.Hour {
		return strconv.FormatFloat(d.Hours()/24, 'f', 1, 64) + " 天"
	}
	return strconv.FormatFloat(d.Hours(), 'f', 1, 64) + " 小时"
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func percent(r ledger.Refuser) string {
	if p, ok := r.Percent(); ok {
		return strconv.FormatFloat(p, 'f', 1, 64) + "%（" + number(r.Refused) + " ÷ " + number(r.Accepted+r.Refused) + "）"
	}
	return "不可计算"
}

func arrivals(m referralcount.Month) (n int64) {
	for _, k := range m.Counts.Arrivals {
		n += k
	}
	return n
}
