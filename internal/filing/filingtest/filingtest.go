// Package filingtest builds the small world of the alliances: Lingling with its
// bureaus, offices and secretaries, and the services from membership to filing.
package filingtest

import (
	"context"
	"testing"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/charter"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/exemption"
	"yilian/internal/filing"
	"yilian/internal/flow"
	"yilian/internal/governance"
	"yilian/internal/jobs"
	"yilian/internal/organization"
	"yilian/internal/policy"
)

var ctx = context.Background()

// World is Lingling with everybody who forms, governs and files alliances.
type World struct {
	T          testing.TB
	DB         *db.DB
	Book       *policy.Book
	Calendar   *calendar.Calendar
	Queue      *jobs.Queue
	Flow       *flow.Engine
	Alliances  *alliance.Service
	Charters   *charter.Service
	Governance *governance.Service
	Filings    *filing.Service
	Exemptions *exemption.Service
	Notices    []flow.Notice

	Office, Secretary, County, City, Province, TCMOffice, Admin access.Actor
	tokens                                                      int
}

// New builds the world on a fresh database, at dbtest.Clock.
func New(t testing.TB, d *db.DB) *World {
	t.Helper()
	alliancetest.Seed(t, d)
	log := audit.New(d, crypto.Ephemeral("sm"))
	w := &World{T: t, DB: d, Book: alliancetest.Book(t), Calendar: calendar.New(), Queue: jobs.New(d)}
	w.Flow = &flow.Engine{DB: d, Book: w.Book, Calendar: w.Calendar, Audit: log, Keys: crypto.Ephemeral("sm"), Queue: w.Queue,
		Notify: func(_ context.Context, _ *db.Tx, n flow.Notice) error { w.Notices = append(w.Notices, n); return nil }}
	w.Flow.Start()
	w.Alliances = &alliance.Service{DB: d, Log: log, Book: w.Book}
	w.Charters = &charter.Service{DB: d, Log: log, Alliances: w.Alliances}
	w.Governance = &governance.Service{DB: d, Log: log, Book: w.Book, Flow: w.Flow, Alliances: w.Alliances}
	w.Exemptions = &exemption.Service{DB: d, Flow: w.Flow, Book: w.Book}
	w.Filings = &filing.Service{DB: d, Flow: w.Flow, Book: w.Book, Calendar: w.Calendar, Queue: w.Queue, Alliances: w.Alliances}
	for _, init := range []func() error{w.Governance.Init, w.Exemptions.Init, w.Filings.Init} {
		w.OK(init())
	}
	w.Office = w.Actor("永州市第四人民医院", access.AllianceOffice, "办公室唐某")
	w.Secretary = w.Actor("永州市第四人民医院", access.CouncilSecretary, "秘书蒋某")
	w.TCMOffice = w.Actor("零陵区中医院", access.AllianceOffice, "办公室周某")
	w.County = w.Actor("零陵区卫生健康局", access.BureauCounty, "局内何某")
	w.City = w.Actor("永州市卫生健康委员会", access.BureauCity, "市内杨某")
	w.Province = w.Actor("湖南省卫生健康委员会", access.BureauProvince, "省内李某")
	w.Admin = access.Actor{Account: "admin", Name: "管理员", Role: string(access.SystemAdmin)}
	return w
}

// OK stops the test on an error.
func (w *World) OK(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
}

// Org is the id of an institution.
func (w *World) Org(name string) string {
	w.T.Helper()
	o, err := db.Read(ctx, w.DB, organization.ByName, name)
	w.OK(err)
	return o.ID
}

// Actor is somebody at an institution.
func (w *World) Actor(org string, role access.Role, name string) access.Actor {
	w.T.Helper()
	o, err := db.Read(ctx, w.DB, organization.ByName, org)
	w.OK(err)
	a := access.Actor{Account: string(role) + "@" + o.ID, Name: name, Role: string(role), Org: o.ID, OrgName: o.Name}
	w.OK(w.DB.View(ctx, func(tx *db.Tx) (err error) { a.Regions, err = organization.Chain(ctx, tx, o.ID); return err }))
	return a
}

// Token is a new form token.
func (w *World) Token() string {
	w.tokens++
	return db.NewID()
}

// General is the seeded general-practice alliance.
func (w *World) General() alliance.Alliance {
	w.T.Helper()
	for _, a := range dbtest.View(w.T, w.DB, func(tx *db.Tx) ([]alliance.Alliance, error) { return alliance.List(ctx, tx) }) {
		if a.Kind == alliance.GeneralPracticeAlliance {
			return a
		}
	}
	w.T.Fatal("no general-practice alliance")
	return alliance.Alliance{}
}

// Community forms a county community led by the fourth hospital.
func (w *World) Community(on calendar.Date) alliance.Alliance {
	w.T.Helper()
	a, err := w.Alliances.Form(ctx, w.Office, alliance.Formation{Name: "零陵区县域医共体", Kind: alliance.CountyCommunity, Region: "431102", Lead: w.Office.Org,
		Members: []string{w.Org("水口山镇中心卫生院"), w.Org("珠山镇中心卫生院")}, On: on, Reason: "区政府批准文件"})
	w.OK(err)
	return a
}

// Ready gives an alliance the organs and the charter that its rules ask for.
func (w *World) Ready(a alliance.Alliance, on calendar.Date) {
	w.T.Helper()
	rules := dbtest.View(w.T, w.DB, func(tx *db.Tx) (alliance.Rules, error) { return w.Alliances.Rules(ctx, tx, a, on) })
	have := dbtest.View(w.T, w.DB, func(tx *db.Tx) ([]governance.Organ, error) { return governance.Organs(ctx, tx, a.ID, on) })
	for _, c := range rules.Organs {
		there := false
		for _, o := range have {
			there = there || o.Code == c.Code
		}
		if !there {
			_, err := w.Governance.Establish(ctx, w.Office, governance.Organ{Alliance: a.ID, Code: c.Code, EstablishedOn: on, Basis: "成立大会"})
			w.OK(err)
		}
	}
	w.Adopt(a, on)
}

// Adopt writes and adopts a complete charter.
func (w *World) Adopt(a alliance.Alliance, on calendar.Date) charter.Charter {
	w.T.Helper()
	c, err := w.Charters.Begin(ctx, w.Office, a.ID)
	w.OK(err)
	rules := dbtest.View(w.T, w.DB, func(tx *db.Tx) (alliance.Rules, error) { return w.Alliances.Rules(ctx, tx, a, on) })
	c, err = w.Charters.Save(ctx, w.Office, c.ID, c.Version, Parts(rules.Parts), Split())
	w.OK(err)
	c, err = w.Charters.Adopt(ctx, w.Office, c.ID, c.Version, on, "第一次理事会决议")
	w.OK(err)
	return c
}

// Parts writes something into every part.
func Parts(codes []policy.Code) map[string]string {
	out := map[string]string{}
	for _, c := range codes {
		if c.Code != charter.BenefitPart {
			out[c.Code] = "双方按协议履行" + c.Title + "。"
		}
	}
	return out
}

// Split is a split that adds up.
func Split() map[charter.Pool][]charter.Share {
	return map[charter.Pool][]charter.Share{
		charter.Surplus: {{Party: "lead", Title: "牵头单位", Points: 3500}, {Party: "township", Title: "乡镇卫生院", Points: 5000}, {Party: "village", Title: "村卫生室", Points: 1500}},
		charter.Deficit: {{Party: "lead", Title: "牵头单位", Points: 7000}, {Party: "township", Title: "乡镇卫生院", Points: 3000}},
	}
}

// Open is the open filing of an alliance, the newest when there are several.
func (w *World) Open(alliance string) flow.Case {
	w.T.Helper()
	for _, f := range dbtest.View(w.T, w.DB, func(tx *db.Tx) ([]filing.Filing, error) { return filing.Of(ctx, tx, alliance) }) {
		c, err := db.Read(ctx, w.DB, flow.Get, f.ID)
		w.OK(err)
		if c.Open() {
			return c
		}
	}
	w.T.Fatal("no open filing")
	return flow.Case{}
}

// Ref names a case in its present version.
func (w *World) Ref(c flow.Case) filing.Ref {
	return filing.Ref{ID: c.ID, Version: c.Version, Once: w.Token()}
}
