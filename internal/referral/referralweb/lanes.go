package referralweb

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
	"yilian/internal/rescue"
	"yilian/internal/web"
)

// listsPage is the page of the hospital's lists, one for each lane.
type listsPage struct {
	Actor   access.Actor
	Lists   map[string]rescue.List
	Options []web.Option
	Basis   string
	Typed   rescue.List // what was refused
	Err     error
}

// rows are the entries of a lane and a few empty ones.
func (l listsPage) rows(lane string) []rescue.Entry {
	list := l.list(lane).Entries
	return append(append([]rescue.Entry{}, list...), make([]rescue.Entry, spareRows)...)
}

const spareRows = 3

func (l listsPage) list(lane string) rescue.List {
	if l.Err != nil && l.Typed.Lane == lane {
		return l.Typed
	}
	return l.Lists[lane]
}

// entryValue is an entry as an option of the form.
func entryValue(e rescue.Entry) string {
	switch {
	case e.Practitioner != "":
		return "p:" + e.Practitioner
	case e.Department != "":
		return "d:" + e.Department
	case e.Role != "":
		return "r:" + string(e.Role)
	}
	return ""
}

func entryOf(value, phone string) (rescue.Entry, bool) {
	kind, id, ok := strings.Cut(value, ":")
	e := rescue.Entry{Phone: phone}
	switch kind {
	case "p":
		e.Practitioner = id
	case "d":
		e.Department = id
	case "r":
		e.Role = access.Role(id)
	}
	return e, ok && id != ""
}

func (p *Pages) rescueLists(w http.ResponseWriter, r *http.Request) error {
	return p.showLists(w, r, rescue.List{}, nil)
}

func (p *Pages) showLists(w http.ResponseWriter, r *http.Request, typed rescue.List, cause error) error {
	actor, _ := access.ActorFrom(r.Context())
	if err := access.Require(actor, access.OrganizationEdit, access.Own); err != nil {
		return err
	}
	page := listsPage{Actor: actor, Typed: typed, Err: cause, Basis: p.laneBasis(r.Context(), actor)}
	err := p.Service.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		if page.Lists, err = rescue.Lists(r.Context(), tx, actor.Org); err != nil {
			return err
		}
		page.Options, err = callable(r.Context(), tx, actor.Org)
		return err
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if cause != nil {
		status = web.Status(cause)
	}
	return web.Render(w, r, status, listsView(page))
}

// callable are the people, the duties and the roles that a list may name.
func callable(ctx context.Context, tx *db.Tx, org string) ([]web.Option, error) {
	var out []web.Option
	departments, err := organization.Departments(ctx, tx, org)
	if err != nil {
		return nil, err
	}
	for _, d := range departments {
		out = append(out, web.Option{Value: "d:" + d.ID, Text: d.Name + "的值班人（按值班表）"})
	}
	for _, role := range rescue.Roles() {
		out = append(out, web.Option{Value: "r:" + string(role), Text: role.Title() + "岗位的所有人"})
	}
	people, err := practitioner.At(ctx, tx, org, "", calendar.DateOf(tx.Now))
	for _, x := range people {
		out = append(out, web.Option{Value: "p:" + x.ID, Text: x.Name + " " + x.Title})
	}
	return out, err
}

func (p *Pages) saveRescueList(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	if err := r.ParseForm(); err != nil {
		return errs.Because(err, errs.Invalid, "提交的内容无法识别，请刷新页面后重试")
	}
	version, err := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if err != nil {
		return errs.E(errs.Invalid, "页面已过期，请刷新后再保存")
	}
	l := rescue.List{Org: actor.Org, Lane: r.PostFormValue("lane"), Version: version}
	phones := r.PostForm["phone"]
	for i, value := range r.PostForm["entry"] {
		phone := ""
		if i < len(phones) {
			phone = phones[i]
		}
		if e, ok := entryOf(value, phone); ok {
			l.Entries = append(l.Entries, e)
		}
	}
	lists := &rescue.Service{DB: p.Service.DB, Audit: p.Service.Audit}
	if _, err := lists.Save(ctx, actor, l); err != nil {
		if k := errs.KindOf(err); k == errs.Invalid || k == errs.Conflict {
			return p.showLists(w, r, l, err)
		}
		return err
	}
	web.Flash(w, r, web.Good, rescue.Get(l.Lane).Title+"的呼叫名单已保存")
	return web.Redirect(w, r, "/emergency/lists")
}
