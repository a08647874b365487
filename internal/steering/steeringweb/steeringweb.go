// Package steeringweb shows the leading group of a county, its office and the
// joint conference (LL-6): who holds the posts that the document lists and when
// they last met. The county's bureau keeps them.
package steeringweb

import (
	"net/http"
	"net/url"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/region"
	"yilian/internal/steering"
	"yilian/internal/web"
)

// Routes adds the page and its entry in the menu.
func Routes(site *web.Site, s *steering.Service) {
	p := pages{s}
	site.Menu(web.Item{Group: "医联体", Title: "领导小组", Icon: "users-group", Path: "/steering", Order: 648, Rights: []string{string(access.PolicyFollow)}})
	site.Handle("GET /steering", p.show)
	site.Handle("POST /steering/{profile}/{body}/{action}", p.act)
}

type pages struct{ steering *steering.Service }

// view is the page; a form that was refused comes back open, with what was typed.
type view struct {
	Groups []steering.Group
	Actor  access.Actor
	Day    calendar.Date
	Place  string
	Failed string // profile/body/action
	Values url.Values
	Err    error
}

// mine reports whether the reader keeps a group.
func (v view) mine(g steering.Group) bool {
	return access.May(v.Actor, access.SteeringEdit, access.At(v.Actor, g.Org))
}

func key(g steering.Group, action string) string { return g.Profile + "/" + g.Body.ID + "/" + action }

// control is a field of one form, with what was typed when that form came back.
func (v view) control(form, label, name, kind, otherwise string) web.Control {
	c := web.Control{Label: label, Name: name, Type: kind, Value: otherwise, Required: true}
	if v.Failed == form {
		c.Value, c.Err = v.Values.Get(name), v.Err
	}
	return c
}

func (v view) choice(form, label, name string, options []web.Option) web.Control {
	c := v.control(form, label, name, "", "")
	c.Empty, c.Options = "请选择", options
	return c
}

func postOptions(g steering.Group) []web.Option {
	return web.Choices(steering.Posts(g.Body), func(p steering.Post) (string, string) { return p.Title, p.Title })
}

func seatOptions(g steering.Group) []web.Option {
	return web.Choices(g.Seats, func(s steering.Seat) (string, string) { return s.ID, s.Post + " " + s.Name })
}

func (p pages) show(w http.ResponseWriter, r *http.Request) error { return p.render(w, r, view{}) }

func (p pages) render(w http.ResponseWriter, r *http.Request, v view) error {
	ctx := r.Context()
	v.Actor = access.ActorOf(ctx)
	if err := access.Require(v.Actor, access.PolicyFollow, access.Any); err != nil {
		return err
	}
	here := region.CN
	for _, code := range v.Actor.Regions {
		if len(code) <= 6 {
			here = code
			break
		}
	}
	v.Place = region.FullName(here)
	if here == region.CN {
		here = ""
	}
	err := p.steering.DB.View(ctx, func(tx *db.Tx) (err error) {
		v.Day = calendar.DateOf(tx.Now)
		v.Groups, err = p.steering.Of(ctx, tx, here, v.Day)
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(v.Err), page(v))
}

func (p pages) act(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	ctx, actor, profile, body := r.Context(), access.ActorOf(r.Context()), r.PathValue("profile"), r.PathValue("body")
	date := func(name string) calendar.Date { return calendar.Date(web.Typed(r, name)) }
	var err error
	var done string
	switch r.PathValue("action") {
	case "establish":
		done, err = "成立已登记", p.steering.Establish(ctx, actor, profile, body, date("on"), web.Typed(r, "basis"))
	case "appoint":
		done, err = "任职已登记", p.steering.Appoint(ctx, actor, profile, body, steering.Seat{Post: web.Typed(r, "post"), Name: web.Typed(r, "name"),
			Position: web.Typed(r, "position"), From: date("from"), Basis: web.Typed(r, "basis")})
	case "dismiss":
		done, err = "离任已登记", p.steering.Dismiss(ctx, actor, profile, body, web.Typed(r, "seat"), date("to"))
	case "meeting":
		done, err = "会议已登记", p.steering.Hold(ctx, actor, profile, body, steering.Meeting{Title: web.Typed(r, "title"), HeldOn: date("held_on"),
			Chair: web.Typed(r, "chair"), Present: web.Typed(r, "present"), Minutes: web.Typed(r, "minutes")})
	default:
		return errs.E(errs.NotFound, "没有这项操作")
	}
	if errs.Correctable(err) {
		return p.render(w, r, view{Failed: profile + "/" + body + "/" + r.PathValue("action"), Values: r.PostForm, Err: err})
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, done)
	return web.Redirect(w, r, "/steering")
}
