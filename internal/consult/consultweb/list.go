package consultweb

import (
	"net/http"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/consult"
	"yilian/internal/flow"
	"yilian/internal/flow/flowweb"
	"yilian/internal/web"
)

// pageSize is how many lines one page of the list shows.
const pageSize = 50

// worklist is the page of a list.
type worklist struct {
	consult.Page
	Actor  access.Actor
	Query  consult.Query
	Number int   // page, from 1
	Total  int64 // of the chosen state, or of all
}

// defaultSide is the side on which a post usually works.
func defaultSide(actor access.Actor) flow.Side {
	if may(actor, access.ConsultAsk) {
		return flow.From
	}
	return flow.To
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	q, number := r.URL.Query(), min(web.PageNumber(r), 10_000)
	query := consult.Query{Side: flow.Side(q.Get("side")), State: q.Get("state"), Text: q.Get("q"), Open: q.Get("all") == "",
		Mine: q.Get("org") == "", Limit: pageSize, Offset: (number - 1) * pageSize}
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
	kept := []string{"side", string(l.Query.Side), "state", l.Query.State, "q", l.Query.Text, "all", web.Flag(!l.Query.Open), "org", web.Flag(!l.Query.Mine)}
	return web.Address("/consults", append(kept, pairs...)...)
}

// sides are the tabs of the two directions of view.
func (l worklist) sides() []web.Tab {
	return []web.Tab{
		{Title: "我提出的", URL: l.url("side", "from", "state", ""), Hide: true, Active: l.Query.Side == flow.From},
		{Title: "请我答复的", URL: l.url("side", "to", "state", ""), Hide: true, Active: l.Query.Side == flow.To},
	}
}

// states are the tabs of the states that hold something, in the order of the
// machine.
func (l worklist) states() []web.Tab {
	return flowweb.Tabs(&machine, l.Counts, l.Query.State, func(state string) string { return l.url("state", state) })
}

func (l worklist) emptyText() (title, hint string) {
	switch {
	case l.Query.State != "" || l.Query.Text != "":
		return "没有符合条件的咨询单", "请放宽筛选条件，或清除查询文字再试"
	case l.Query.Side == flow.To:
		return "现在没有请您答复的咨询", "基层医生向您所在科室或您本人提出咨询后，会立即出现在这里，今日内要答复的排在最上面"
	}
	return "现在没有您提出的咨询", "拿不准要不要转诊时，打开患者页面点“转诊前咨询”，请教上级医院的科室或专家"
}

func (l worklist) pages() web.Pages {
	return web.Pages{Page: l.Number, Size: pageSize, Total: int(l.Total), URL: l.url()}
}

// otherSide heads the column of the institutions: the reader's own is not
// repeated on every line.
func (l worklist) otherSide() string {
	if l.Query.Side == flow.To {
		return "申请机构和医生"
	}
	return "请教的科室和专家"
}

// overview is the page of figures.
type overview struct {
	consult.Counts
	Actor access.Actor
	Scope consult.Scope
}

func (p *Pages) figures(w http.ResponseWriter, r *http.Request) error {
	actor, q := access.ActorOf(r.Context()), r.URL.Query()
	o := overview{Actor: actor, Scope: consult.Scope{Side: flow.Side(q.Get("side"))}}
	if o.Scope.Side != flow.From && o.Scope.Side != flow.To {
		o.Scope.Side = defaultSide(actor)
	}
	today := calendar.DateOf(p.Service.DB.Now())
	o.Scope.From, o.Scope.To = today[:4]+"-01-01", today
	for _, x := range []struct {
		name string
		into *calendar.Date
	}{{"from", &o.Scope.From}, {"to", &o.Scope.To}} {
		if q.Get(x.name) == "" {
			continue
		}
		day, err := calendar.ParseDate(q.Get(x.name))
		if err != nil {
			return wrongField(x.name, err.Error())
		}
		*x.into = day
	}
	var err error
	if o.Counts, err = p.Service.Count(r.Context(), actor, o.Scope); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, figuresPage(o))
}
