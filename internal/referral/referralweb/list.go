package referralweb

import (
	"net/http"

	"yilian/internal/access"
	"yilian/internal/flow"
	"yilian/internal/flow/flowweb"
	"yilian/internal/referral"
	"yilian/internal/web"
)

// pageSize is how many lines one page of the worklist shows.
const pageSize = 50

// worklist is the page of a list.
type worklist struct {
	referral.Page
	Actor  access.Actor
	Query  referral.Query
	Number int   // page, from 1
	Total  int64 // of the chosen state, or of all
}

// defaultSide is the side on which a post usually works: hospitals receive,
// primary institutions refer.
func defaultSide(actor access.Actor) flow.Side {
	if may(actor, access.ReferralTriage) || may(actor, access.ReferralArrive) {
		return flow.To
	}
	switch access.Role(actor.Role) {
	case access.DepartmentDoctor, access.DepartmentHead, access.MedicalAffairs, access.BedManager, access.OnCall, access.InsuranceOffice:
		return flow.To
	}
	return flow.From
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	q := r.URL.Query()
	number := min(web.PageNumber(r), 10_000)
	query := referral.Query{Side: flow.Side(q.Get("side")), State: q.Get("state"), Urgency: q.Get("urgency"), Text: q.Get("q"),
		Open: q.Get("all") == "", Limit: pageSize, Offset: (number - 1) * pageSize}
	if query.Side != flow.From && query.Side != flow.To {
		query.Side = defaultSide(actor)
	}
	if s, ok := machine.State(query.State); !ok {
		query.State = ""
	} else if s.Terminal() {
		query.Open = false
	}
	page, err := p.Service.List(r.Context(), actor, query)
	if err != nil {
		return err
	}
	l := worklist{Page: page, Actor: actor, Query: query, Number: number, Total: flowweb.Total(page.Counts, query.State)}
	if r.Header.Get("HX-Request") != "" && q.Get("live") != "" {
		return web.Render(w, r, http.StatusOK, listBody(l))
	}
	return web.Render(w, r, http.StatusOK, listPage(l))
}

// url is the address of the list with something changed; page starts over.
func (l worklist) url(pairs ...string) string {
	kept := []string{"side", string(l.Query.Side), "state", l.Query.State, "urgency", l.Query.Urgency, "q", l.Query.Text, "all", web.Flag(!l.Query.Open)}
	return web.Address("/referrals", append(kept, pairs...)...)
}

// sides are the tabs of the two directions of view.
func (l worklist) sides() []web.Tab {
	return []web.Tab{
		{Title: "转入我院", URL: l.url("side", "to", "state", ""), Hide: true, Active: l.Query.Side == flow.To},
		{Title: "我院转出", URL: l.url("side", "from", "state", ""), Hide: true, Active: l.Query.Side == flow.From},
	}
}

// states are the tabs of the states that hold something, in the order of the
// machine.
func (l worklist) states() []web.Tab {
	return flowweb.Tabs(&machine, l.Counts, l.Query.State, func(state string) string { return l.url("state", state) })
}

// filtered reports whether the reader has narrowed the list.
func (l worklist) filtered() bool {
	return l.Query.State != "" || l.Query.Urgency != "" || l.Query.Text != ""
}

func (l worklist) emptyText() (title, hint string) {
	switch {
	case l.filtered():
		return "没有符合条件的转诊单", "请放宽筛选条件，或清除查询文字再试"
	case l.Query.Side == flow.To:
		return "现在没有转到我院的患者", "下级机构提交转诊后，会立即出现在这里，最急、最先到时限的排在最上面"
	}
	return "现在没有我院转出的患者", "打开患者页面，点“发起转诊”，提交后在这里看到对方办到哪一步"
}

func (l worklist) pages() web.Pages {
	return web.Pages{Page: l.Number, Size: pageSize, Total: int(l.Total), URL: l.url()}
}

// otherSide heads the column of the institutions: the reader's own is not
// repeated on every line.
func (l worklist) otherSide() string {
	if l.Query.Side == flow.To {
		return "转出机构 → 科室"
	}
	return "转入机构和科室"
}
