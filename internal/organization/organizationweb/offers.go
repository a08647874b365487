package organizationweb

import (
	"net/http"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/web"
)

type departmentForm struct {
	Org        organization.Organization
	Department organization.Department
	Capacity   string // as typed
	Err        error
}

type serviceForm struct {
	Org                    organization.Organization
	Departments            []organization.Department
	Service                organization.HealthcareService
	Treats, MinAge, MaxAge string // as typed
	Err                    error
}

// number reads a whole number of a form; blank is 0.
func number(f *errs.Form, name, label, text string) int {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		f.Add(name, "%s应填写整数，现在是“%s”", label, text)
	}
	return n
}

func (f *face) departmentForm(w http.ResponseWriter, r *http.Request, p departmentForm) error {
	o, err := db.Read(r.Context(), f.svc.DB, organization.Get, p.Department.Org)
	if err != nil {
		return err
	}
	if !organization.MayEdit(access.ActorOf(r.Context()), o) {
		return errs.E(errs.Forbidden, "只有本机构负责人、医务科或系统管理员可以修改“%s”的科室和服务", o.Name)
	}
	p.Org = o
	return web.Render(w, r, web.Status(p.Err), departmentView(p))
}

func (f *face) newDepartment(w http.ResponseWriter, r *http.Request) error {
	return f.departmentForm(w, r, departmentForm{Department: organization.Department{Org: r.PathValue("id"), Active: true}})
}

func (f *face) editDepartment(w http.ResponseWriter, r *http.Request) error {
	d, err := db.Read(r.Context(), f.svc.DB, organization.GetDepartment, r.PathValue("id"))
	if err != nil {
		return err
	}
	return f.departmentForm(w, r, departmentForm{Department: d, Capacity: strconv.Itoa(d.DailyCapacity)})
}

// saveDepartment answers both the new form (the path names the institution)
// and the edit form (the path names the department).
func (f *face) saveDepartment(w http.ResponseWriter, r *http.Request) error {
	d := organization.Department{Org: r.PathValue("id"), Active: true}
	if strings.HasPrefix(r.URL.Path, "/departments/") {
		known, err := db.Read(r.Context(), f.svc.DB, organization.GetDepartment, r.PathValue("id"))
		if err != nil {
			return err
		}
		d = known
		d.Active = web.IsInUse(r)
		d.Version = web.Version(r)
	}
	var form errs.Form
	p := departmentForm{Capacity: r.FormValue("daily_capacity")}
	d.Name, d.Specialty = r.FormValue("name"), r.FormValue("specialty")
	d.Location, d.Phone = r.FormValue("location"), r.FormValue("phone")
	d.DailyCapacity = number(&form, "daily_capacity", "每日可接收转诊人数", p.Capacity)
	p.Department = d
	err := form.Err()
	if err == nil {
		_, err = f.svc.SaveDepartment(r.Context(), access.ActorOf(r.Context()), d)
	}
	if errs.Correctable(err) {
		p.Err = err
		return f.departmentForm(w, r, p)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已保存科室“"+strings.TrimSpace(d.Name)+"”")
	return web.Redirect(w, r, "/organizations/"+d.Org)
}

func (f *face) serviceForm(w http.ResponseWriter, r *http.Request, p serviceForm) error {
	ctx := r.Context()
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p.Org, err = organization.Get(ctx, tx, p.Service.Org); err != nil {
			return err
		}
		p.Departments, err = organization.Departments(ctx, tx, p.Service.Org)
		return err
	})
	if err != nil {
		return err
	}
	if !organization.MayEdit(access.ActorOf(ctx), p.Org) {
		return errs.E(errs.Forbidden, "只有本机构负责人、医务科或系统管理员可以修改“%s”的科室和服务", p.Org.Name)
	}
	return web.Render(w, r, web.Status(p.Err), serviceView(p))
}

func (f *face) newService(w http.ResponseWriter, r *http.Request) error {
	d, err := db.Read(r.Context(), f.svc.DB, organization.GetDepartment, r.PathValue("id"))
	if err != nil {
		return err
	}
	return f.serviceForm(w, r, serviceForm{Service: organization.HealthcareService{
		Org: d.Org, Department: d.ID, Specialty: d.Specialty, Kind: organization.Clinic, Active: true,
	}})
}

func (f *face) editService(w http.ResponseWriter, r *http.Request) error {
	s, err := db.Read(r.Context(), f.svc.DB, organization.GetService, r.PathValue("id"))
	if err != nil {
		return err
	}
	return f.serviceForm(w, r, serviceForm{
		Service: s, Treats: strings.Join(s.Treats, " "), MinAge: blankZero(s.MinAge), MaxAge: blankZero(s.MaxAge),
	})
}

func blankZero(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// saveService answers both the new form (the path names the department) and
// the edit form (the path names the service).
func (f *face) saveService(w http.ResponseWriter, r *http.Request) error {
	var s organization.HealthcareService
	if strings.HasPrefix(r.URL.Path, "/departments/") {
		d, err := db.Read(r.Context(), f.svc.DB, organization.GetDepartment, r.PathValue("id"))
		if err != nil {
			return err
		}
		s = organization.HealthcareService{Org: d.Org, Department: d.ID, Active: true}
	} else {
		known, err := db.Read(r.Context(), f.svc.DB, organization.GetService, r.PathValue("id"))
		if err != nil {
			return err
		}
		s = known
		s.Active = web.IsInUse(r)
		s.Version = web.Version(r)
	}
	p := serviceForm{Treats: r.FormValue("treats"), MinAge: r.FormValue("min_age"), MaxAge: r.FormValue("max_age")}
	var form errs.Form
	s.Name = r.FormValue("name")
	if d := r.FormValue("department"); d != "" {
		s.Department = d
	}
	s.Kind, s.Specialty, s.Sex = organization.ServiceKind(r.FormValue("kind")), r.FormValue("specialty"), r.FormValue("sex")
	s.MinAge = number(&form, "min_age", "最小年龄", p.MinAge)
	s.MaxAge = number(&form, "max_age", "最大年龄", p.MaxAge)
	treats, err := organization.ParseTreats(p.Treats)
	form.AddErr("treats", err)
	s.Treats = treats
	p.Service = s
	if err = form.Err(); err == nil {
		_, err = f.svc.SaveService(r.Context(), access.ActorOf(r.Context()), s)
	}
	if errs.Correctable(err) {
		p.Err = err
		return f.serviceForm(w, r, p)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已保存服务“"+strings.TrimSpace(s.Name)+"”")
	return web.Redirect(w, r, "/organizations/"+s.Org)
}
