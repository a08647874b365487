// Package contractweb is the face of the register of contracts: 签约登记 with the
// teams of my institution, the contracted residents, and the forms that sign,
// renew and end.
package contractweb

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/contract"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/practitioner"
	"yilian/internal/web"
)

type face struct{ svc *contract.Service }

// Routes adds the pages of contracts and their entry in the menu.
func Routes(site *web.Site, svc *contract.Service) {
	f := &face{svc}
	site.Menu(web.Item{Group: "居民与签约", Title: "签约登记", Icon: "signature", Path: "/contracts", Order: 310,
		Rights: []string{string(access.ContractRead)}})
	site.Handle("GET /contracts", f.list)
	site.Handle("GET /contracts/new", f.newForm)
	site.Handle("POST /contracts", f.sign)
	site.Handle("GET /contracts/{id}", f.show)
	site.Handle("POST /contracts/{id}/renew", f.renew)
	site.Handle("POST /contracts/{id}/end", f.end)
	site.Handle("POST /contracts/{id}/void", f.void)
	site.Handle("GET /teams/new", f.teamForm)
	site.Handle("GET /teams/{id}/edit", f.teamForm)
	site.Handle("POST /teams", f.saveTeam)
	site.Handle("POST /teams/{id}", f.saveTeam)
}

func maySign(ctx context.Context) bool {
	return access.May(access.ActorOf(ctx), access.ContractSign, access.Own)
}

type listPage struct {
	Filter contract.Filter
	Teams  []contract.Team
	Rows   []contract.Contract
	Total  int64
	Gap    contract.TeamGap
	Ruled  bool // a policy says how many teams there should be
	Sign   bool
	Today  calendar.Date
}

func (p listPage) url() string {
	v := url.Values{}
	for name, value := range map[string]string{"q": p.Filter.Text, "team": p.Filter.Team, "status": p.Filter.Status} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return "/contracts?" + v.Encode()
}

func (f *face) list(w http.ResponseWriter, r *http.Request) error {
	q, who := r.URL.Query(), access.ActorOf(r.Context())
	if err := access.Require(who, access.ContractRead, access.Own); err != nil {
		return err
	}
	p := listPage{Sign: maySign(r.Context()), Filter: contract.Filter{
		Text: strings.TrimSpace(q.Get("q")), Team: q.Get("team"), Status: q.Get("status"), Page: web.PageNumber(r)}}
	err := f.svc.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		p.Today = calendar.DateOf(tx.Now)
		if p.Filter.Org, err = contract.Centre(r.Context(), tx, who); err != nil || p.Filter.Org == "" {
			return err
		}
		if p.Teams, err = contract.Teams(r.Context(), tx, p.Filter.Org); err != nil {
			return err
		}
		if p.Sign { // hospitals read the register, they have no teams of their own
			if p.Gap, p.Ruled, err = f.svc.Gap(r.Context(), tx, p.Filter.Org); err != nil {
				return err
			}
		}
		p.Rows, p.Total, err = contract.List(r.Context(), tx, p.Filter, p.Today)
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, listView(p))
}

type signPage struct {
	Form    contract.NewContract
	Patient patient.Patient
	Found   bool
	Query   string
	Hits    []patient.Hit
	Hint    string
	Teams   []contract.Team
	Live    contract.Contract
	Signed  bool
	Today   calendar.Date
	Err     error
}

func (f *face) newForm(w http.ResponseWriter, r *http.Request) error {
	if err := access.Require(access.ActorOf(r.Context()), access.ContractSign, access.Own); err != nil {
		return err
	}
	q := r.URL.Query()
	p := signPage{Query: strings.TrimSpace(q.Get("q")), Form: contract.NewContract{Patient: q.Get("patient"), Kind: contract.Basic, Years: 1}}
	if p.Form.Patient == "" && p.Query != "" {
		found, err := f.svc.Patients.Search(r.Context(), access.ActorOf(r.Context()), p.Query)
		if errs.Is(err, errs.Invalid) {
			p.Hint, err = err.Error(), nil
		}
		if err != nil {
			return err
		}
		p.Hits = found.Hits
	}
	if err := f.complete(r.Context(), &p); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, signView(p))
}

// complete fills what the form shows beside the typed values. The resident is
// shown masked, as the search shows him: signing needs his last four.
func (f *face) complete(ctx context.Context, p *signPage) error {
	return f.svc.DB.View(ctx, func(tx *db.Tx) error {
		p.Today = calendar.DateOf(tx.Now)
		if p.Form.From == "" {
			p.Form.From = p.Today
		}
		org, err := contract.Centre(ctx, tx, access.ActorOf(ctx))
		if err != nil {
			return err
		}
		teams, err := contract.Teams(ctx, tx, org)
		if err != nil {
			return err
		}
		for _, t := range teams {
			if t.Active {
				p.Teams = append(p.Teams, t)
			}
		}
		if p.Form.Team == "" && len(p.Teams) == 1 {
			p.Form.Team = p.Teams[0].ID
		}
		if p.Form.Patient == "" {
			return nil
		}
		if p.Patient, err = f.svc.Patients.Get(ctx, tx, p.Form.Patient); err != nil {
			return err
		}
		p.Found = true
		p.Live, p.Signed, err = contract.Active(ctx, tx, p.Form.Patient, p.Today)
		return err
	})
}

func (f *face) sign(w http.ResponseWriter, r *http.Request) error {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	years, _ := strconv.Atoi(get("years")) // zero is refused by the use case
	form := contract.NewContract{Patient: get("patient"), Team: get("team"), Kind: contract.Kind(get("kind")), From: calendar.Date(get("from")),
		Years: years, Signer: get("signer"), SignerKind: get("signer_kind"), Tail: get("tail")}
	c, err := f.svc.Sign(r.Context(), access.ActorOf(r.Context()), form)
	if err == nil {
		web.Flash(w, r, web.Good, c.Name+"已与"+c.TeamName+"签约，至 "+string(c.To))
		return web.Redirect(w, r, "/contracts")
	}
	if !errs.Correctable(err) {
		return err
	}
	p := signPage{Form: form, Err: err}
	if err := f.complete(r.Context(), &p); err != nil {
		return err
	}
	return web.Render(w, r, web.Status(p.Err), signView(p))
}

type showPage struct {
	C     contract.Contract
	Today calendar.Date
	Edit  bool // my institution's
	Err   error
}

func (p showPage) live() bool { return p.C.Latest && p.C.EndedOn == "" && p.C.VoidedAt.IsZero() }

func (p showPage) renewable() bool {
	return p.live() && p.C.To < p.Today.AddDays(contract.ExpiringDays)
}

func (f *face) show(w http.ResponseWriter, r *http.Request) error {
	return f.sheet(w, r, nil)
}

func (f *face) sheet(w http.ResponseWriter, r *http.Request, wrong error) error {
	who := access.ActorOf(r.Context())
	p := showPage{Err: wrong}
	err := f.svc.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		p.Today = calendar.DateOf(tx.Now)
		if p.C, err = contract.Get(r.Context(), tx, r.PathValue("id")); err != nil {
			return err
		}
		centre, err := contract.Centre(r.Context(), tx, who)
		if err != nil {
			return err
		}
		p.Edit = maySign(r.Context()) && (p.C.Org == centre || p.C.Org == who.Org)
		if p.C.Org == centre || p.C.Org == who.Org {
			return access.Require(who, access.ContractRead, access.Own)
		}
		_, err = f.svc.Patients.Access.Patient(r.Context(), tx, who, p.C.Patient, access.Look)
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(wrong), showView(p))
}

// after answers an act on one contract.
func (f *face) after(w http.ResponseWriter, r *http.Request, err error, text string) error {
	if errs.Correctable(err) {
		return f.sheet(w, r, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, text)
	return web.Redirect(w, r, "/contracts")
}

func (f *face) renew(w http.ResponseWriter, r *http.Request) error {
	years, _ := strconv.Atoi(r.PostFormValue("years")) // zero is refused by the use case
	_, err := f.svc.Renew(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), contract.Kind(r.PostFormValue("kind")), years)
	return f.after(w, r, err, "已续签")
}

func (f *face) end(w http.ResponseWriter, r *http.Request) error {
	err := f.svc.End(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), contract.EndReason(r.PostFormValue("reason")), r.PostFormValue("comment"))
	return f.after(w, r, err, "已解约")
}

func (f *face) void(w http.ResponseWriter, r *http.Request) error {
	return f.after(w, r, f.svc.Void(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), r.PostFormValue("comment")), "签约已作废")
}

type teamPage struct {
	Team  contract.Team
	Staff []practitioner.Practitioner
	Err   error
}

// role returns what a person does in the team, "" when not a member.
func (p teamPage) role(id string) string {
	for _, m := range p.Team.Members {
		if m.Practitioner == id {
			return string(m.Role)
		}
	}
	return ""
}

func (f *face) teamForm(w http.ResponseWriter, r *http.Request) error {
	var p teamPage
	if err := access.Require(access.ActorOf(r.Context()), access.ContractSign, access.Own); err != nil {
		return err
	}
	if id := r.PathValue("id"); id != "" {
		var err error
		if p.Team, err = db.Read(r.Context(), f.svc.DB, contract.GetTeam, id); err != nil {
			return err
		}
	}
	return f.renderTeam(w, r, http.StatusOK, p)
}

func (f *face) renderTeam(w http.ResponseWriter, r *http.Request, status int, p teamPage) error {
	err := f.svc.DB.View(r.Context(), func(tx *db.Tx) error {
		org := p.Team.Org
		if org == "" {
			org = access.ActorOf(r.Context()).Org
		}
		var err error
		p.Staff, err = practitioner.At(r.Context(), tx, org, "", calendar.DateOf(tx.Now))
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, status, teamView(p))
}

func (f *face) saveTeam(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	t := contract.Team{ID: r.PathValue("id"), Name: r.PostFormValue("name"), Leader: r.PostFormValue("leader"),
		Phone: r.PostFormValue("phone"), Active: r.PostFormValue("active") != "", Version: web.Version(r)}
	for name, values := range r.PostForm {
		if id, ok := strings.CutPrefix(name, "member_"); ok && values[0] != "" {
			t.Members = append(t.Members, contract.Member{Practitioner: id, Role: contract.Role(values[0])})
		}
	}
	saved, err := f.svc.SaveTeam(r.Context(), access.ActorOf(r.Context()), t)
	if errs.Correctable(err) {
		return f.renderTeam(w, r, web.Status(err), teamPage{Team: t, Err: err})
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "团队“"+saved.Name+"”已保存")
	return web.Redirect(w, r, "/contracts")
}
