// Package allianceweb is the face of the alliances: members, plates and support
// pairings as they stand on a day, as they were known at a time, and the forms
// that record and correct them.
package allianceweb

import (
	"context"
	"net/http"
	"slices"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/web"
)

type face struct{ svc *alliance.Service }

// Routes adds the pages of the alliances and their entry in the menu.
func Routes(site *web.Site, svc *alliance.Service) {
	f := &face{svc}
	site.Menu(web.Item{
		Group: "机构与人员", Title: "医联体成员", Icon: "friends", Path: "/alliance", Order: 630,
		Rights: []string{string(access.OrganizationEdit), string(access.ReferralRead), string(access.ReferralCount)},
	})
	site.Handle("GET /alliance", f.show)
	site.Handle("POST /alliance/members", f.join)
	site.Handle("GET /alliance/members/{id}", f.member)
	site.Handle("POST /alliance/members/{id}", f.correct)
	site.Handle("POST /alliance/supports", f.pair)
	site.Handle("GET /alliance/supports/{id}", f.support)
	site.Handle("POST /alliance/supports/{id}", f.correctPair)
}

func mayEdit(a access.Actor) bool {
	return access.May(a, access.AllianceEdit, access.Any)
}

type group struct {
	Alliance alliance.Alliance
	Members  []alliance.Membership
}

type page struct {
	On       string // business day, as typed
	Known    string // day on whose evening it was known; "": now
	Groups   []group
	Supports []alliance.Support
	Names    map[string]string
	Orgs     []organization.Organization
	Edit     bool
	Member   alliance.Membership // typed
	Pair     alliance.Support    // typed
	Err      error
}

func (f *face) show(w http.ResponseWriter, r *http.Request) error {
	return f.render(w, r, page{On: r.URL.Query().Get("on"), Known: r.URL.Query().Get("known")})
}

func (f *face) render(w http.ResponseWriter, r *http.Request, p page) error {
	ctx := r.Context()
	p.Edit = mayEdit(access.ActorOf(ctx))
	err := f.svc.DB.View(ctx, func(tx *db.Tx) error {
		day, at, err := calendar.AsKnown(p.On, p.Known, tx.Now)
		if err != nil {
			return err
		}
		p.On = string(day)
		return p.load(ctx, tx, day, at)
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(p.Err), view(p))
}

func (p *page) load(ctx context.Context, tx *db.Tx, day calendar.Date, at time.Time) error {
	all, err := alliance.List(ctx, tx)
	if err != nil {
		return err
	}
	var ids []string
	for _, a := range all {
		members, err := alliance.MembersOn(ctx, tx, a.ID, day, at)
		if err != nil {
			return err
		}
		for _, m := range members {
			ids = append(ids, m.Org)
		}
		p.Groups = append(p.Groups, group{a, members})
	}
	if p.Supports, err = alliance.SupportsOn(ctx, tx, "", day, at); err != nil {
		return err
	}
	for _, s := range p.Supports {
		ids = append(ids, s.Supporter, s.Supported)
	}
	slices.Sort(ids)
	if p.Names, err = organization.FullNames(ctx, tx, slices.Compact(ids)); err != nil {
		return err
	}
	p.Orgs, err = organization.List(ctx, tx, organization.Filter{})
	p.Orgs = slices.DeleteFunc(p.Orgs, func(o organization.Organization) bool {
		return o.Kind == organization.VillageClinic || !o.Kind.Hospital() && !o.Kind.Primary()
	})
	return err
}

func period(r *http.Request) alliance.Period {
	return alliance.Period{
		ValidFrom: calendar.Date(web.Typed(r, "valid_from")),
		ValidTo:   calendar.Date(web.Typed(r, "valid_to")),
		Reason:    r.FormValue("reason"),
	}
}

func (f *face) join(w http.ResponseWriter, r *http.Request) error {
	m := alliance.Membership{
		Alliance: r.FormValue("alliance"), Org: r.FormValue("org"), Role: alliance.Role(r.FormValue("role")),
		Plate: web.Typed(r, "plate"), Clause: web.Typed(r, "clause"), Period: period(r),
	}
	_, err := f.svc.Join(r.Context(), access.ActorOf(r.Context()), m)
	if errs.Is(err, errs.Invalid) {
		return f.render(w, r, page{Member: m, Err: err})
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已登记成员")
	return web.Redirect(w, r, "/alliance")
}

func (f *face) pair(w http.ResponseWriter, r *http.Request) error {
	s := alliance.Support{
		Supporter: r.FormValue("supporter"), Supported: r.FormValue("supported"), Focus: web.Typed(r, "focus"),
		Clause: web.Typed(r, "clause"), Period: period(r),
	}
	_, err := f.svc.Pair(r.Context(), access.ActorOf(r.Context()), s)
	if errs.Is(err, errs.Invalid) {
		return f.render(w, r, page{Pair: s, Err: err})
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已登记对口建设")
	return web.Redirect(w, r, "/alliance")
}

// entry is one record opened for correction, with what was said before it.
type entry struct {
	Title    string
	Subtitle string
	Action   string
	Member   *alliance.Membership
	Support  *alliance.Support
	Period   alliance.Period
	History  []alliance.Period
	Edit     bool
	Err      error
}

func (f *face) member(w http.ResponseWriter, r *http.Request) error {
	return f.renderMember(w, r, nil, nil)
}

func (f *face) renderMember(w http.ResponseWriter, r *http.Request, typed *alliance.Membership, failed error) error {
	ctx := r.Context()
	e := entry{Action: "/alliance/members/" + r.PathValue("id"), Err: failed}
	err := f.svc.DB.View(ctx, func(tx *db.Tx) error {
		m, err := alliance.GetMembership(ctx, tx, r.PathValue("id"))
		if err != nil {
			return err
		}
		a, err := alliance.Get(ctx, tx, m.Alliance)
		if err != nil {
			return err
		}
		o, err := organization.Get(ctx, tx, m.Org)
		if err != nil {
			return err
		}
		all, err := alliance.History(ctx, tx, m.Alliance)
		for _, h := range all {
			if h.Org == m.Org {
				e.History = append(e.History, h.Period)
			}
		}
		e.Title, e.Subtitle = o.Name, a.Name+" · "+m.Role.Title()
		e.Edit = mayEdit(access.ActorOf(ctx)) && m.KnownTo.IsZero()
		e.Member, e.Period = &m, m.Period
		e.Period.Reason = ""
		return err
	})
	if err != nil {
		return err
	}
	if typed != nil {
		e.Member, e.Period = typed, typed.Period
	}
	return web.Render(w, r, web.Status(failed), entryView(e))
}

func (f *face) correct(w http.ResponseWriter, r *http.Request) error {
	m := alliance.Membership{
		Role: alliance.Role(r.FormValue("role")), Plate: web.Typed(r, "plate"),
		Clause: web.Typed(r, "clause"), Period: period(r),
	}
	_, err := f.svc.Correct(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), m)
	if errs.Is(err, errs.Invalid) {
		return f.renderMember(w, r, &m, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已更正，原记录保留")
	return web.Redirect(w, r, "/alliance")
}

func (f *face) support(w http.ResponseWriter, r *http.Request) error {
	return f.renderSupport(w, r, nil, nil)
}

func (f *face) renderSupport(w http.ResponseWriter, r *http.Request, typed *alliance.Support, failed error) error {
	ctx := r.Context()
	e := entry{Action: "/alliance/supports/" + r.PathValue("id"), Err: failed}
	err := f.svc.DB.View(ctx, func(tx *db.Tx) error {
		s, err := alliance.GetSupport(ctx, tx, r.PathValue("id"))
		if err != nil {
			return err
		}
		names, err := organization.FullNames(ctx, tx, []string{s.Supporter, s.Supported})
		if err != nil {
			return err
		}
		all, err := alliance.PairHistory(ctx, tx, s.Supporter, s.Supported)
		for _, h := range all {
			e.History = append(e.History, h.Period)
		}
		e.Title, e.Subtitle = names[s.Supporter]+" → "+names[s.Supported], "对口建设"
		e.Edit = mayEdit(access.ActorOf(ctx)) && s.KnownTo.IsZero()
		e.Support, e.Period = &s, s.Period
		e.Period.Reason = ""
		return err
	})
	if err != nil {
		return err
	}
	if typed != nil {
		e.Support, e.Period = typed, typed.Period
	}
	return web.Render(w, r, web.Status(failed), entryView(e))
}

func (f *face) correctPair(w http.ResponseWriter, r *http.Request) error {
	s := alliance.Support{Focus: web.Typed(r, "focus"), Clause: web.Typed(r, "clause"), Period: period(r)}
	_, err := f.svc.CorrectPair(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), s)
	if errs.Is(err, errs.Invalid) {
		return f.renderSupport(w, r, &s, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已更正，原记录保留")
	return web.Redirect(w, r, "/alliance")
}
