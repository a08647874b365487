package allianceweb

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/charter"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/filing"
	"yilian/internal/flow"
	"yilian/internal/governance"
	"yilian/internal/organization"
	"yilian/internal/region"
	"yilian/internal/web"
)

// Pages are the routes of the alliances as bodies that are formed, governed and
// filed.
type Pages struct {
	Alliances  *alliance.Service
	Charters   *charter.Service
	Governance *governance.Service
	Filings    *filing.Service
}

// Routes registers the pages and their menu.
func (p *Pages) Routes(site *web.Site) {
	site.Menu(web.Item{Group: "医联体", Title: "医联体", Icon: "building-community", Path: "/alliances", Order: 640, Rights: []string{string(access.AllianceRead)}})
	site.Menu(web.Item{Group: "医联体", Title: "年度调整", Icon: "adjustments", Path: "/unattached", Order: 646, Rights: []string{string(access.AllianceOrder)}})
	site.Handle("GET /alliances", p.list)
	site.Handle("GET /alliances/report.csv", p.report)
	site.Handle("GET /alliances/new", p.newAlliance)
	site.Handle("POST /alliances", p.form)
	site.Handle("GET /alliances/{id}", p.show)
	site.Handle("GET /alliances/{id}/do/{action}", p.open)
	site.Handle("POST /alliances/{id}/do/{action}", p.act)
	site.Handle("GET /alliances/{id}/charter", p.builder)
	site.Handle("POST /alliances/{id}/charter", p.saveCharter)
	site.Handle("GET /alliances/{id}/charter/compare", p.compare)
	site.Handle("GET /charters/{id}/print", p.printCharter)
	site.Handle("GET /meetings/{id}/print", p.printMeeting)
	site.Handle("GET /terms/{id}", p.term)
	site.Handle("GET /unattached", p.unattached)
}

// item is one line of the list.
type item struct {
	alliance.Alliance
	Title   string // of its kind, as the place calls it
	Lead    string
	Members int
	Tight   bool
	Ended   calendar.Date
	Filing  string
	Tone    web.Tone
}

type listing struct {
	Items []item
	Edit  bool
	Today calendar.Date
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	ctx, actor := r.Context(), access.ActorOf(r.Context())
	if err := access.Require(actor, access.AllianceRead, access.Any); err != nil {
		return err
	}
	l := listing{Edit: access.Has(access.Role(actor.Role), access.AllianceEdit)}
	err := p.Alliances.DB.View(ctx, func(tx *db.Tx) error {
		l.Today = calendar.DateOf(tx.Now)
		all, err := alliance.List(ctx, tx)
		if err != nil {
			return err
		}
		for _, a := range all {
			it, err := p.item(ctx, tx, a, l.Today)
			if err != nil {
				return err
			}
			l.Items = append(l.Items, it)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, listView(l))
}

func (p *Pages) item(ctx context.Context, tx *db.Tx, a alliance.Alliance, day calendar.Date) (item, error) {
	it := item{Alliance: a}
	at, err := alliance.Place(ctx, tx, a)
	if err != nil {
		return it, err
	}
	it.Title = alliance.KindTitles(p.Alliances.Book, at, day)[a.Kind]
	it.Tight = alliance.RulesAt(p.Alliances.Book, at, day).Tight.Is
	if it.Ended, err = alliance.EndedOn(ctx, tx, a.ID, tx.Now); err != nil {
		return it, err
	}
	members, err := alliance.MembersOn(ctx, tx, a.ID, day, tx.Now)
	if err != nil {
		return it, err
	}
	it.Members = len(members)
	if len(members) > 0 && members[0].Role == alliance.Lead {
		o, err := organization.Get(ctx, tx, members[0].Org)
		if err != nil {
			return it, err
		}
		it.Lead = o.Short()
	}
	filings, err := filing.Of(ctx, tx, a.ID)
	it.Filing, it.Tone = standing(filings)
	return it, err
}

// standing is where an alliance is with its filings.
func standing(all []filing.Filing) (string, web.Tone) {
	open := slices.ContainsFunc(all, func(f filing.Filing) bool { return f.State == "open" })
	_, valid := filing.Valid(all)
	switch {
	case open && valid:
		return "有效，另有办理中", web.Info
	case open:
		return "办理中", web.Warn
	case valid:
		return "有效", web.Good
	case len(all) > 0:
		return all[0].Standing(), web.Neutral
	}
	return "无备案记录", web.Bad
}

// times reads the chosen day and the day on whose evening it was known.
func times(r *http.Request, now time.Time) (on calendar.Date, known string, at time.Time, err error) {
	var f errs.Form
	on, at = calendar.DateOf(now), now
	if s := r.URL.Query().Get("on"); s != "" {
		var derr error
		on, derr = calendar.ParseDate(s)
		f.AddErr("on", derr)
	}
	if known = r.URL.Query().Get("known"); known != "" {
		day, derr := calendar.ParseDate(known)
		f.AddErr("known", derr)
		if end := calendar.EndOf(day); derr == nil && end.Before(now) {
			at = end
		}
	}
	return on, known, at, f.Err()
}

func (p *Pages) report(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := access.Require(access.ActorOf(ctx), access.AllianceRead, access.Any); err != nil {
		return err
	}
	var body []byte
	var name string
	err := p.Alliances.DB.View(ctx, func(tx *db.Tx) error {
		on, _, at, err := times(r, tx.Now)
		if err != nil {
			return err
		}
		name = "members-" + string(on) + ".csv"
		body, err = alliance.Report(ctx, tx, on, at)
		return err
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	if _, err := w.Write([]byte("\ufeff")); err != nil { // spreadsheets read UTF-8 by this mark
		return err
	}
	_, err = w.Write(body)
	return err
}

// view is the page of one alliance.
type page2 struct {
	item
	Actor      access.Actor
	Tab        string
	On         calendar.Date
	Known      string
	Where      string
	Rules      governance.Rules
	Roster     []alliance.Membership
	Facts      map[string]map[alliance.Field]string // of members, by institution
	Own        []alliance.Fact                      // about the alliance
	Areas      []string
	Organs     []governance.Organ
	Gaps       []governance.Gap
	Meetings   []governance.Meeting
	Versions   []charter.Charter
	Filings    []filing.Filing
	Cases      map[string]flow.Case
	Changes    []alliance.Change
	Liable     []alliance.Liable // named by an order to dissolve
	Relations  []alliance.Relation
	Unified    []governance.Unified
	Milestones []governance.Milestone
	Rights     map[access.Right]bool
	Todays     calendar.Date
	Now        time.Time
}

func (v page2) url(tab string) string {
	s := "/alliances/" + v.ID + "?tab=" + tab
	if v.On != v.Todays {
		s += "&on=" + string(v.On)
	}
	if v.Known != "" {
		s += "&known=" + v.Known
	}
	return s
}

func (v page2) tabs() []web.Tab {
	tab := func(title, key string, n int) web.Tab {
		return web.Tab{Title: title, URL: v.url(key), Count: n, Hide: n == 0, Active: v.Tab == key}
	}
	return []web.Tab{tab("成员", "members", len(v.Roster)), tab("治理机构", "organs", len(v.Gaps)), tab("章程", "charter", len(v.Versions)),
		tab("备案与变更", "filings", len(v.Filings)), tab("协议与关系", "relations", len(v.Relations)), tab("推进与统一管理", "plan", 0)}
}

// memberActs are the actions on members that the rules of the kind know.
func (v page2) memberActs() []string {
	names := []string{"join", "leave", "lead", "adjust", "split", "succeed"}
	if v.Rules.Exclusive.Is {
		names = append(names, "claim")
		if len(v.Areas) > 0 {
			names = append(names, "release")
		}
	}
	names = append(names, "standing")
	if v.Rules.Representative.Text == alliance.Shared {
		names = append(names, "share")
	}
	if len(v.Rules.Documents) > 0 {
		names = append(names, "document")
	}
	return append(names, "end", "order")
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	v, err := p.load(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, allianceView(v))
}

func (p *Pages) load(r *http.Request) (page2, error) {
	ctx := r.Context()
	v := page2{Actor: access.ActorOf(ctx), Tab: r.URL.Query().Get("tab"), Facts: map[string]map[alliance.Field]string{}, Cases: map[string]flow.Case{}, Rights: map[access.Right]bool{}}
	if v.Tab == "" {
		v.Tab = "members"
	}
	if err := access.Require(v.Actor, access.AllianceRead, access.Any); err != nil {
		return v, err
	}
	err := p.Alliances.DB.View(ctx, func(tx *db.Tx) error {
		a, err := alliance.Get(ctx, tx, r.PathValue("id"))
		if err != nil {
			return err
		}
		v.Todays, v.Now = calendar.DateOf(tx.Now), tx.Now
		var at time.Time
		if v.On, v.Known, at, err = times(r, tx.Now); err != nil {
			return err
		}
		if v.item, err = p.item(ctx, tx, a, v.Todays); err != nil {
			return err
		}
		return p.fill(ctx, tx, &v, at)
	})
	return v, err
}

func (p *Pages) fill(ctx context.Context, tx *db.Tx, v *page2, at time.Time) error {
	rel, err := alliance.Standing(ctx, tx, v.Actor, v.Alliance)
	if err != nil {
		return err
	}
	for _, right := range []access.Right{access.AllianceEdit, access.AllianceOrder, access.GovernanceEdit, access.CharterEdit, access.FilingPrepare} {
		v.Rights[right] = access.May(v.Actor, right, rel)
	}
	line, err := region.Line(ctx, tx, v.Alliance.Region)
	if err != nil {
		return err
	}
	for _, x := range slices.Backward(line) {
		if x.Level != region.Country {
			v.Where += x.Name
		}
	}
	place, err := alliance.Place(ctx, tx, v.Alliance)
	if err != nil {
		return err
	}
	v.Rules = governance.RulesAt(p.Alliances.Book, place, v.On)
	if v.Roster, err = alliance.MembersOn(ctx, tx, v.ID, v.On, at); err != nil {
		return err
	}
	for _, m := range v.Roster {
		facts, err := alliance.FactsOn(ctx, tx, m.Org, v.On, at)
		if err != nil {
			return err
		}
		v.Facts[m.Org] = map[alliance.Field]string{}
		for _, f := range facts {
			v.Facts[m.Org][f.Field] = f.Value
		}
	}
	if v.Own, err = alliance.FactsOn(ctx, tx, v.ID, v.On, at); err != nil {
		return err
	}
	for _, f := range v.Own {
		if f.Field == alliance.Area {
			x, err := region.Get(ctx, tx, f.Value)
			if err != nil {
				return err
			}
			v.Areas = append(v.Areas, x.Name)
		}
	}
	return p.fillBodies(ctx, tx, v, at)
}

func (p *Pages) fillBodies(ctx context.Context, tx *db.Tx, v *page2, at time.Time) (err error) {
	if v.Organs, err = governance.Organs(ctx, tx, v.ID, v.On); err != nil {
		return err
	}
	v.Gaps = v.Rules.Gaps(v.Organs, v.Roster, v.On)
	if v.Meetings, err = governance.Meetings(ctx, tx, v.ID); err != nil {
		return err
	}
	if v.Versions, err = charter.Versions(ctx, tx, v.ID); err != nil {
		return err
	}
	if v.Filings, err = filing.Of(ctx, tx, v.ID); err != nil {
		return err
	}
	for _, f := range v.Filings {
		if v.Cases[f.ID], err = flow.Get(ctx, tx, f.ID); err != nil {
			return err
		}
	}
	if v.Changes, err = alliance.Changes(ctx, tx, v.ID); err != nil {
		return err
	}
	if v.Liable, err = alliance.LiableOf(ctx, tx, v.ID); err != nil {
		return err
	}
	if v.Unified, err = governance.UnifiedNow(ctx, tx, v.ID); err != nil {
		return err
	}
	if v.Milestones, err = p.Governance.Milestones(ctx, tx, v.Alliance); err != nil {
		return err
	}
	all, err := alliance.RelationsOn(ctx, tx, "", v.On, at)
	for _, x := range all {
		if x.Alliance == v.ID || slices.ContainsFunc(v.Roster, func(m alliance.Membership) bool {
			return m.Role == alliance.Lead && (m.Org == x.From || m.Org == x.To)
		}) {
			v.Relations = append(v.Relations, x)
		}
	}
	return err
}

// representatives says how the legal representatives stand to the rules: with
// whom the members do not share, where they should.
func (v page2) representativeGap() string {
	if v.Rules.Representative.Text != alliance.Shared || len(v.Roster) == 0 {
		return ""
	}
	lead := v.Facts[v.Roster[0].Org][alliance.Representative]
	var other []string
	for _, m := range v.Roster[1:] {
		if m.Role == alliance.Member && v.Facts[m.Org][alliance.Representative] != lead {
			other = append(other, m.OrgName)
		}
	}
	if lead == "" {
		return "牵头单位还没有登记法定代表人"
	}
	if len(other) == 0 {
		return ""
	}
	return "与牵头单位法定代表人不一致：" + strings.Join(other, "、")
}

// term leads from a reminder to the organ it is about.
func (p *Pages) term(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var to string
	err := p.Alliances.DB.View(ctx, func(tx *db.Tx) (err error) {
		to, err = db.Get(ctx, tx, "这次换届，可能已办理", db.Value[string], `SELECT alliance FROM organ WHERE term_case = $1`, r.PathValue("id"))
		return err
	})
	if err != nil {
		return err
	}
	return web.Redirect(w, r, "/alliances/"+to+"?tab=organs")
}

// free is the page of the yearly adjustment: who is in no alliance, and into
// which nearest one each could go.
type free struct {
	Orgs  []organization.Organization
	Near  map[string][]alliance.Alliance
	Total int
	All   []alliance.Alliance
	Where string
}

func (p *Pages) unattached(w http.ResponseWriter, r *http.Request) error {
	ctx, actor := r.Context(), access.ActorOf(r.Context())
	if !access.Has(access.Role(actor.Role), access.AllianceOrder) {
		return access.Require(actor, access.AllianceOrder, access.Any)
	}
	f := free{Near: map[string][]alliance.Alliance{}}
	err := p.Alliances.DB.View(ctx, func(tx *db.Tx) error {
		own, err := organization.Get(ctx, tx, actor.Org)
		if err != nil {
			return err
		}
		here, err := region.Get(ctx, tx, own.Region)
		if err != nil {
			return err
		}
		f.Where = here.Name
		day := calendar.DateOf(tx.Now)
		if f.Orgs, err = alliance.Unattached(ctx, tx, own.Region, day, nil); err != nil {
			return err
		}
		all, err := organization.List(ctx, tx, organization.Filter{Region: own.Region})
		if err != nil {
			return err
		}
		for _, o := range all {
			if o.Kind.Hospital() || o.Kind.Primary() && o.Kind != organization.VillageClinic {
				f.Total++
			}
		}
		list, err := alliance.List(ctx, tx)
		if err != nil {
			return err
		}
		for _, a := range list {
			chain, err := region.Chain(ctx, tx, a.Region)
			if err != nil {
				return err
			}
			if slices.Contains(chain, own.Region) {
				f.All = append(f.All, a)
			}
			for _, o := range f.Orgs {
				if strings.HasPrefix(o.Region, a.Region) {
					f.Near[o.ID] = append(f.Near[o.ID], a)
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, unattachedView(f))
}
