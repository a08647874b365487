// Package organizationweb is the face of the register of institutions: the
// list with the published referral phones, one institution with departments,
// services, memberships and pairings, and the forms that change them.
package organizationweb

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/region"
	"yilian/internal/web"
)

// pageSize is the institutions of one page.
const pageSize = 50

type face struct{ svc *organization.Service }

// Routes adds the pages of the institutions and their entry in the menu.
func Routes(site *web.Site, svc *organization.Service) {
	f := &face{svc}
	site.Menu(web.Item{
		Group: "机构与人员", Title: "机构科室", Icon: "building-hospital", Path: "/organizations", Order: 600,
		Rights: []string{string(access.OrganizationEdit), string(access.ReferralRead), string(access.ReferralCount)},
	})
	site.Handle("GET /organizations", f.list)
	site.Handle("GET /organizations/new", f.newForm)
	site.Handle("POST /organizations", f.create)
	site.Handle("GET /organizations/{id}", f.show)
	site.Handle("GET /organizations/{id}/edit", f.editForm)
	site.Handle("POST /organizations/{id}", f.change)
	site.Handle("GET /organizations/{id}/departments/new", f.newDepartment)
	site.Handle("POST /organizations/{id}/departments", f.saveDepartment)
	site.Handle("GET /departments/{id}/edit", f.editDepartment)
	site.Handle("POST /departments/{id}", f.saveDepartment)
	site.Handle("GET /departments/{id}/services/new", f.newService)
	site.Handle("POST /departments/{id}/services", f.saveService)
	site.Handle("GET /services/{id}/edit", f.editService)
	site.Handle("POST /services/{id}", f.saveService)
}

type listPage struct {
	Filter organization.Filter
	Towns  []region.Region
	Orgs   []organization.Organization
	Places map[string]string // region code → name of its town
	Pages  web.Pages
	Create bool
}

func (f *face) list(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	p := listPage{Filter: organization.Filter{
		Kind: organization.Kind(q.Get("kind")), Region: q.Get("town"), Text: strings.TrimSpace(q.Get("q")), Closed: q.Get("closed") != "",
	}}
	p.Create = access.May(access.ActorOf(r.Context()), access.OrganizationEdit, access.Any)
	err := f.svc.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		if p.Towns, err = region.AtLevel(r.Context(), tx, region.Town, ""); err != nil {
			return err
		}
		p.Orgs, err = organization.List(r.Context(), tx, p.Filter)
		return err
	})
	if err != nil {
		return err
	}
	p.Places = places(p.Towns)
	p.Pages = web.Pages{Page: web.PageNumber(r), Size: pageSize, Total: len(p.Orgs), URL: listURL(q)}
	from := min((p.Pages.Page-1)*pageSize, len(p.Orgs))
	p.Orgs = p.Orgs[from:min(from+pageSize, len(p.Orgs))]
	return web.Render(w, r, http.StatusOK, listView(p))
}

func listURL(q url.Values) string {
	v := url.Values{}
	for _, name := range []string{"kind", "town", "q", "closed"} {
		if q.Get(name) != "" {
			v.Set(name, q.Get(name))
		}
	}
	return "/organizations?" + v.Encode()
}

// places maps town codes to names; villages find theirs by their first nine
// digits.
func places(towns []region.Region) map[string]string {
	m := make(map[string]string, len(towns))
	for _, t := range towns {
		m[t.Code] = t.Name
	}
	return m
}

func place(m map[string]string, code string) string {
	if len(code) > 9 {
		code = code[:9]
	}
	if n := m[code]; n != "" {
		return n
	}
	switch code {
	case region.Lingling:
		return "零陵区"
	case region.Yongzhou:
		return "永州市"
	case region.Hunan:
		return "湖南省"
	}
	return code
}

type showPage struct {
	Org         organization.Organization
	Parent      organization.Organization
	Line        []region.Region
	Departments []organization.Department
	Services    map[string][]organization.HealthcareService // by department
	Clinics     []organization.Organization
	Memberships []alliance.Membership
	Alliances   map[string]alliance.Alliance
	Supports    []alliance.Support
	Names       map[string]string
	Edit        bool
}

func (f *face) show(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	p := showPage{Services: map[string][]organization.HealthcareService{}, Alliances: map[string]alliance.Alliance{}}
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p.Org, err = organization.Get(ctx, tx, r.PathValue("id")); err != nil {
			return err
		}
		if p.Line, err = region.Line(ctx, tx, p.Org.Region); err != nil {
			return err
		}
		if p.Org.Parent != "" {
			if p.Parent, err = organization.Get(ctx, tx, p.Org.Parent); err != nil {
				return err
			}
		}
		p.Edit = organization.MayEdit(access.ActorOf(ctx), p.Org)
		if p.Clinics, err = organization.List(ctx, tx, organization.Filter{Parent: p.Org.ID}); err != nil {
			return err
		}
		if err := p.offers(ctx, tx); err != nil {
			return err
		}
		return p.ties(ctx, tx)
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, showView(p))
}

// offers reads departments and services; those who may edit see closed ones.
func (p *showPage) offers(ctx context.Context, tx *db.Tx) (err error) {
	if p.Edit {
		p.Departments, err = organization.AllDepartments(ctx, tx, p.Org.ID)
	} else {
		p.Departments, err = organization.Departments(ctx, tx, p.Org.ID)
	}
	if err != nil {
		return err
	}
	services, err := organization.Services(ctx, tx, p.Org.ID)
	for _, s := range services {
		if s.Active || p.Edit {
			p.Services[s.Department] = append(p.Services[s.Department], s)
		}
	}
	return err
}

// ties reads the alliances and pairings of today.
func (p *showPage) ties(ctx context.Context, tx *db.Tx) (err error) {
	today := calendar.DateOf(tx.Now)
	if p.Memberships, err = alliance.AlliancesOf(ctx, tx, p.Org.ID, today, tx.Now); err != nil {
		return err
	}
	for _, m := range p.Memberships {
		if p.Alliances[m.Alliance], err = alliance.Get(ctx, tx, m.Alliance); err != nil {
			return err
		}
	}
	if p.Supports, err = alliance.SupportsOn(ctx, tx, p.Org.ID, today, tx.Now); err != nil {
		return err
	}
	var ids []string
	for _, s := range p.Supports {
		ids = append(ids, s.Supporter, s.Supported)
	}
	p.Names, err = organization.Names(ctx, tx, ids)
	return err
}

// plates are the names on the door beside the first name (LL-4.3.1).
func (p showPage) plates() []string {
	var out []string
	for _, m := range p.Memberships {
		if m.Plate != "" {
			out = append(out, m.Plate)
		}
	}
	return out
}

type orgForm struct {
	Org     organization.Organization
	Regions []region.Region
	Centres []organization.Organization
	Admin   bool // may change what makes up the identity
	Err     error
}

func (f *face) orgForm(r *http.Request, w http.ResponseWriter, o organization.Organization, failed error) error {
	ctx := r.Context()
	p := orgForm{Org: o, Err: failed, Admin: access.May(access.ActorOf(ctx), access.OrganizationEdit, access.Any)}
	err := f.svc.DB.View(ctx, func(tx *db.Tx) error {
		for _, level := range []region.Level{region.Province, region.City, region.County, region.Town, region.Village} {
			some, err := region.AtLevel(ctx, tx, level, "")
			if err != nil {
				return err
			}
			p.Regions = append(p.Regions, some...)
		}
		for _, kind := range []organization.Kind{organization.TownshipCenter, organization.CommunityCenter} {
			some, err := organization.List(ctx, tx, organization.Filter{Kind: kind})
			if err != nil {
				return err
			}
			p.Centres = append(p.Centres, some...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(failed), orgFormView(p))
}

func (f *face) newForm(w http.ResponseWriter, r *http.Request) error {
	if err := access.Require(access.ActorOf(r.Context()), access.OrganizationEdit, access.Any); err != nil {
		return err
	}
	return f.orgForm(r, w, organization.Organization{Level: organization.Ungraded, Ownership: organization.Public, Active: true}, nil)
}

func (f *face) editForm(w http.ResponseWriter, r *http.Request) error {
	o, err := db.Read(r.Context(), f.svc.DB, organization.Get, r.PathValue("id"))
	if err != nil {
		return err
	}
	if !organization.MayEdit(access.ActorOf(r.Context()), o) {
		return errs.E(errs.Forbidden, "只有本机构负责人、医务科或系统管理员可以修改“%s”的资料", o.Name)
	}
	return f.orgForm(r, w, o, nil)
}

// parseOrg reads the form over what is known; fields that the form does not
// hold stay.
func parseOrg(r *http.Request, o organization.Organization) organization.Organization {
	get := func(name, known string) string {
		if !r.Form.Has(name) {
			return known
		}
		return r.FormValue(name)
	}
	o.Name, o.ShortName = get("name", o.Name), get("short_name", o.ShortName)
	o.Kind, o.Level = organization.Kind(get("kind", string(o.Kind))), get("level", o.Level)
	o.Ownership = organization.Ownership(get("ownership", string(o.Ownership)))
	o.Region, o.Parent = get("region", o.Region), get("parent", o.Parent)
	o.ReferralPhone, o.Address = get("referral_phone", o.ReferralPhone), get("address", o.Address)
	if r.Form.Has("status") {
		o.Active = web.IsInUse(r)
	}
	if r.Form.Has(organization.USCC) {
		o.Identifiers = nil
		for _, system := range identifierSystems {
			if v := r.FormValue(system); v != "" {
				o.Identifiers = append(o.Identifiers, organization.Identifier{System: system, Value: v})
			}
		}
	}
	if r.Form.Has("version") {
		o.Version = web.Version(r)
	}
	return o
}

var identifierSystems = []string{organization.USCC, organization.HealthCode, organization.InsuranceOrg, organization.License}

func (f *face) create(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	return f.saved(w, r, parseOrg(r, organization.Organization{Active: true}))
}

func (f *face) change(w http.ResponseWriter, r *http.Request) error {
	o, err := db.Read(r.Context(), f.svc.DB, organization.Get, r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := web.ParseForm(r); err != nil {
		return err
	}
	return f.saved(w, r, parseOrg(r, o))
}

func (f *face) saved(w http.ResponseWriter, r *http.Request, o organization.Organization) error {
	saved, err := f.svc.Save(r.Context(), access.ActorOf(r.Context()), o)
	if errs.Correctable(err) {
		return f.orgForm(r, w, o, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已保存“"+saved.Name+"”")
	return web.Redirect(w, r, "/organizations/"+saved.ID)
}
