package practitionerweb

import (
	"context"
	"net/http"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
	"yilian/internal/web"
)

func (f *face) staffRoutes(site *web.Site) {
	site.Handle("GET /practitioners", f.staff)
	site.Handle("GET /practitioners/new", f.newPerson)
	site.Handle("POST /practitioners", f.savePerson)
	site.Handle("GET /practitioners/{id}", f.person)
	site.Handle("GET /practitioners/{id}/edit", f.editPerson)
	site.Handle("POST /practitioners/{id}", f.savePerson)
	site.Handle("POST /practitioners/{id}/postings", f.post)
	site.Handle("POST /postings/{id}/end", f.endPosting)
}

// mayEdit reports whether the actor keeps the staff of an institution.
func mayEdit(a access.Actor, org string) bool {
	return access.May(a, access.OrganizationEdit, access.At(a, org))
}

type staffPage struct {
	Orgs   []organization.Organization
	Org    string
	People []practitioner.Practitioner
	Posts  map[string]string // practitioner id → where in the institution
	Edit   bool
}

func (f *face) staff(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	p := staffPage{Org: r.URL.Query().Get("org"), Posts: map[string]string{}}
	if p.Org == "" {
		p.Org = access.ActorOf(ctx).Org
	}
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p.Orgs, err = organization.List(ctx, tx, organization.Filter{}); err != nil {
			return err
		}
		if p.Org == "" && len(p.Orgs) > 0 {
			p.Org = p.Orgs[0].ID
		}
		if p.People, err = practitioner.At(ctx, tx, p.Org, "", ""); err != nil {
			return err
		}
		return p.posts(ctx, tx)
	})
	if err != nil {
		return err
	}
	p.Edit = mayEdit(access.ActorOf(ctx), p.Org)
	return web.Render(w, r, http.StatusOK, staffView(p))
}

func (p *staffPage) posts(ctx context.Context, tx *db.Tx) error {
	departments, err := organization.AllDepartments(ctx, tx, p.Org)
	if err != nil {
		return err
	}
	names := map[string]string{"": "全院"}
	for _, d := range departments {
		names[d.ID] = d.Name
	}
	posts, err := practitioner.PostingsAt(ctx, tx, p.Org, calendar.DateOf(tx.Now))
	for _, w := range posts {
		text := names[w.Department]
		if w.Head {
			text += "（负责人）"
		}
		if w.Kind == practitioner.Posted {
			text += "（派驻）"
		}
		if p.Posts[w.Practitioner] != "" {
			text = p.Posts[w.Practitioner] + "、" + text
		}
		p.Posts[w.Practitioner] = text
	}
	return err
}

type personPage struct {
	Person      practitioner.Practitioner
	Orgs        []organization.Organization
	Names       map[string]string // institutions and departments
	Departments []organization.Department
	Edit        bool
	Typed       practitioner.Posting
	Err         error
}

func (f *face) person(w http.ResponseWriter, r *http.Request) error {
	return f.renderPerson(w, r, r.PathValue("id"), practitioner.Posting{}, nil)
}

func (f *face) renderPerson(w http.ResponseWriter, r *http.Request, id string, typed practitioner.Posting, failed error) error {
	ctx := r.Context()
	p := personPage{Typed: typed, Err: failed, Names: map[string]string{"": ""}}
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p.Person, err = practitioner.Get(ctx, tx, id); err != nil {
			return err
		}
		if p.Orgs, err = organization.List(ctx, tx, organization.Filter{Closed: true}); err != nil {
			return err
		}
		for _, o := range p.Orgs {
			p.Names[o.ID] = o.Short()
		}
		for _, post := range p.Person.Postings {
			if post.Department != "" {
				d, err := organization.GetDepartment(ctx, tx, post.Department)
				if err != nil {
					return err
				}
				p.Names[d.ID] = d.Name
			}
		}
		own := access.ActorOf(ctx).Org // a head posts people to departments of his own institution
		if own == "" {
			own = p.Person.EmployedBy
		}
		p.Departments, err = organization.Departments(ctx, tx, own)
		return err
	})
	if err != nil {
		return err
	}
	p.Edit = mayEdit(access.ActorOf(ctx), p.Person.EmployedBy)
	return web.Render(w, r, web.Status(failed), personView(p))
}

type personForm struct {
	Person practitioner.Practitioner
	Orgs   []organization.Organization
	Err    error
}

func (f *face) personForm(w http.ResponseWriter, r *http.Request, p personForm) error {
	if !mayEdit(access.ActorOf(r.Context()), p.Person.EmployedBy) && !mayEdit(access.ActorOf(r.Context()), access.ActorOf(r.Context()).Org) {
		return errs.E(errs.Forbidden, "只有人员所在机构的负责人、医务科或系统管理员可以维护人员资料")
	}
	err := f.svc.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		p.Orgs, err = organization.List(r.Context(), tx, organization.Filter{})
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(p.Err), personFormView(p))
}

func (f *face) newPerson(w http.ResponseWriter, r *http.Request) error {
	org := r.URL.Query().Get("org")
	if org == "" {
		org = access.ActorOf(r.Context()).Org
	}
	return f.personForm(w, r, personForm{Person: practitioner.Practitioner{EmployedBy: org, Active: true}})
}

func (f *face) editPerson(w http.ResponseWriter, r *http.Request) error {
	p, err := db.Read(r.Context(), f.svc.DB, practitioner.Get, r.PathValue("id"))
	if err != nil {
		return err
	}
	return f.personForm(w, r, personForm{Person: p})
}

func (f *face) savePerson(w http.ResponseWriter, r *http.Request) error {
	p := practitioner.Practitioner{Active: true}
	if id := r.PathValue("id"); id != "" {
		known, err := db.Read(r.Context(), f.svc.DB, practitioner.Get, id)
		if err != nil {
			return err
		}
		p = known
		p.Active = web.IsInUse(r)
		p.Version = web.Version(r)
	}
	p.Name, p.Sex, p.Phone = r.FormValue("name"), r.FormValue("sex"), r.FormValue("phone")
	p.Title, p.Category, p.Scope = r.FormValue("title"), practitioner.Category(r.FormValue("category")), r.FormValue("scope")
	p.EmployedBy = r.FormValue("employed_by")
	saved, err := f.svc.Save(r.Context(), access.ActorOf(r.Context()), p)
	if errs.Correctable(err) {
		return f.personForm(w, r, personForm{Person: p, Err: err})
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已保存“"+saved.Name+"”的资料")
	return web.Redirect(w, r, "/practitioners/"+saved.ID)
}

func (f *face) post(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	post := practitioner.Posting{
		Practitioner: id, Org: r.FormValue("org"), Department: r.FormValue("department"), Kind: practitioner.PostingKind(r.FormValue("kind")),
		Head: r.FormValue("head") != "", From: calendar.Date(web.Typed(r, "from")), To: calendar.Date(web.Typed(r, "to")),
	}
	_, err := f.svc.Post(r.Context(), access.ActorOf(r.Context()), post)
	if errs.Correctable(err) {
		return f.renderPerson(w, r, id, post, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已登记任职")
	return web.Redirect(w, r, "/practitioners/"+id)
}

func (f *face) endPosting(w http.ResponseWriter, r *http.Request) error {
	person, err := f.svc.EndPosting(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), calendar.Date(r.FormValue("last")))
	if errs.Is(err, errs.Invalid) {
		return f.renderPerson(w, r, person, practitioner.Posting{}, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已结束任职")
	return web.Redirect(w, r, "/practitioners/"+person)
}
