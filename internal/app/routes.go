package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"yilian/internal/access"
	"yilian/internal/account/accountweb"
	"yilian/internal/alliance/allianceweb"
	"yilian/internal/alliance/participation/participationweb"
	"yilian/internal/audit/auditweb"
	"yilian/internal/calendar/calendarweb"
	"yilian/internal/calls/callsweb"
	"yilian/internal/certificate/certificateweb"
	"yilian/internal/chart"
	"yilian/internal/chart/chartweb"
	"yilian/internal/consult"
	"yilian/internal/consult/consultweb"
	"yilian/internal/contract/contractweb"
	"yilian/internal/db"
	"yilian/internal/disclosure"
	"yilian/internal/disclosure/disclosureweb"
	"yilian/internal/exchange/exchangeweb"
	"yilian/internal/exemption"
	"yilian/internal/fhirapi"
	"yilian/internal/filing"
	"yilian/internal/filing/filingweb"
	"yilian/internal/flow"
	"yilian/internal/governance"
	"yilian/internal/grid/gridweb"
	"yilian/internal/grid/report"
	"yilian/internal/home"
	"yilian/internal/jobs/jobsweb"
	"yilian/internal/message"
	"yilian/internal/message/messageweb"
	"yilian/internal/organization/organizationweb"
	"yilian/internal/patient/indexweb"
	"yilian/internal/patient/patientweb"
	"yilian/internal/policy/policyweb"
	"yilian/internal/practitioner/practitionerweb"
	"yilian/internal/referral"
	"yilian/internal/referral/baseline"
	"yilian/internal/referral/countweb"
	"yilian/internal/referral/ledgerweb"
	"yilian/internal/referral/phoned"
	"yilian/internal/referral/phonedweb"
	"yilian/internal/referral/referralweb"
	"yilian/internal/schedule/scheduleweb"
	"yilian/internal/steering/steeringweb"
	"yilian/internal/visit/visitweb"
	"yilian/internal/web"
)

// caseKinds says where the cases of each kind are opened.
var caseKinds = map[string]home.Kind{
	referral.QuestionKind: {Path: "/down-questions", Topic: "referral"},
	referral.DownListKind: {Path: "/down-candidates", Topic: "referral"},
	referral.Kind:         {Path: "/referrals", Topic: "referral"},
	referral.ConsentKind:  {Path: "/emergency/consents", Topic: "referral"},
	phoned.Kind:           {Path: "/phoned", Topic: "referral"},
	consult.Kind:          {Path: "/consults", Topic: "consult"},
	report.Kind:           {Path: gridweb.ReportPath, Topic: "alliance"},
	exemption.CaseKind:    {Path: "/exemptions", Topic: "alliance"},
	filing.Kind:           {Path: "/filings", Topic: "alliance"},
	disclosure.Kind:       {Path: disclosureweb.Path, Topic: "disclosure"},
	governance.TermKind:   {Path: "/terms", Topic: "alliance"},
}

// chartKinds are the cases that belong in a person's record.
var chartKinds = map[string]chart.CaseKind{
	referral.Kind: {Title: "转诊", Path: "/referrals"},
	consult.Kind:  {Title: "转诊前咨询", Path: "/consults"},
}

// inChart keeps drafts of other institutions and consultations of others out of
// a record.
func inChart(c flow.Case, actor access.Actor) bool {
	if c.Kind == consult.Kind {
		return consult.Visible(c, actor) == nil
	}
	unsent := c.State == referral.StateDraft || c.State == referral.StateInReview || c.State == referral.StateDiscarded
	return !unsent || actor.Org == c.From.Org || actor.Org == c.OwnerOrg
}

// routes registers every page. The order does not matter; the menu sorts by
// the order that items carry.
func (a *App) routes() {
	site := web.New(web.Options{
		Secure: a.Config.TLS.Certificate != "",
		Now:    func() time.Time { return a.DB.Now() }, // pages and their clocks live in one time
	})
	a.Site = site
	site.Public("GET /healthz", a.healthz)
	accounts := accountweb.Routes(site, a.Accounts)
	accounts.Calls = a.calls
	site.Use(accounts.Middleware)
	site.Use(a.framed)
	fhirapi.Routes(site, a.FHIR)

	pages := &home.Pages{DB: a.DB, Flow: a.Flow, Kinds: caseKinds, Landing: landing, Alive: accounts.Alive}
	pages.Routes(site)
	referrals := &referralweb.Pages{Service: a.Referrals, Measured: a.measured}
	referralweb.Routes(site, referrals)
	ledgerweb.Routes(site, a.Referrals)
	countweb.Routes(site, &countweb.Pages{DB: a.DB, Referrals: a.Referrals, Baselines: &baseline.Service{DB: a.DB, Audit: a.Audit, Book: a.Book}})
	phonedweb.Routes(site, &phonedweb.Pages{Service: a.Phoned})
	certificateweb.Routes(site, &certificateweb.Pages{Service: a.Certificates})
	callsweb.Routes(site, &callsweb.Pages{Service: a.Calls, Flow: a.Flow})
	scheduleweb.Routes(site, a.Schedules)
	consults := &consultweb.Pages{Service: a.Consults}
	consultweb.Routes(site, consults)
	indexweb.Routes(site, a.Index)
	charts := &chartweb.Pages{Service: a.Charts, Audit: a.Audit, Visits: visitweb.URL, Withdraw: exchangeweb.Withdraw}
	visitweb.Routes(site, &visitweb.Pages{Service: a.Visits, Charts: a.Charts, Measured: a.entered})
	chartweb.Routes(site, charts)
	patientweb.Routes(site, a.Patients, charts.Summary, referrals.PatientSection, consults.PatientSection, indexweb.PatientSection(a.Index))
	disclosureweb.Routes(site, &disclosureweb.Pages{Service: a.Disclosures})
	contractweb.Routes(site, a.Contracts)
	organizationweb.Routes(site, a.Organizations)
	practitionerweb.Routes(site, a.Practitioners)
	allianceweb.Routes(site, a.Alliances)
	gridweb.Routes(site, a.Grids, a.GridReports)
	(&participationweb.Pages{DB: a.DB, Book: a.Book}).Routes(site)
	(&policyweb.Pages{DB: a.DB, Book: a.Book, Library: a.Library, Answers: &policyweb.Answers{
		Clauses: answered, Figures: a.figures(), Counts: a.counts(), Items: site.Items, Offered: offered,
	}}).Routes(site)
	(&allianceweb.Pages{Alliances: a.Alliances, Charters: a.Charters, Governance: a.Governance, Filings: a.Filings}).Routes(site)
	steeringweb.Routes(site, a.Steering)
	filingweb.Routes(site, &filingweb.Pages{Filings: a.Filings, Exemptions: a.Exemptions})
	calendarweb.Routes(site, a.DB, a.Calendars, a.Audit)
	jobsweb.Routes(site, a.DB, a.Queue, a.Audit)
	auditweb.Routes(site, a.DB, a.Audit, a.Patients)
	messageweb.Routes(site, a.Messages, referrals.Answers)
	exchangeweb.Routes(site, a.Exchange)
}

// measured keeps how long a referral took from the open patient to sending.
func (a *App) measured(ctx context.Context, interactions int, elapsed time.Duration) {
	slog.InfoContext(ctx, "referral sent", "interactions", interactions, "seconds", int(elapsed.Seconds()))
}

// entered keeps how long the entry of a visit took.
func (a *App) entered(ctx context.Context, interactions int, elapsed time.Duration) {
	slog.InfoContext(ctx, "visit entered", "interactions", interactions, "seconds", int(elapsed.Seconds()))
}

// calls counts the emergencies that ring for a person whose screen may be locked.
func (a *App) calls(ctx context.Context, actor access.Actor) (n int, may bool, err error) {
	if !access.Has(access.Role(actor.Role), access.ReferralEmergency) {
		return 0, false, nil
	}
	list, err := a.Referrals.Alarm(ctx, actor)
	return len(list), true, err
}

// landing is where posts begin that work on no cases.
func landing(actor access.Actor) string {
	role := access.Role(actor.Role)
	switch role {
	case access.SystemAdmin, access.SecurityAdmin:
		return "/accounts"
	case access.Auditor, access.PrivacyOfficer:
		return "/audit"
	case access.Resident:
		return "/messages"
	}
	if !access.Has(role, access.ReferralRead) && access.Has(role, access.ReferralCount) {
		return "/overview"
	}
	return "/"
}

// framed puts the shell's data around every page: who, where, the menu of the
// post, what waits.
func (a *App) framed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor, ok := access.ActorFrom(r.Context())
		if !ok || web.IsFragment(r) {
			next.ServeHTTP(w, r)
			return
		}
		frame, err := a.frame(r, actor)
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(web.WithFrame(r.Context(), frame)))
	})
}

func (a *App) frame(r *http.Request, actor access.Actor) (web.Frame, error) {
	role := access.Role(actor.Role)
	session, _ := accountweb.SessionFrom(r.Context()) // Middleware has put it there with the actor
	f := web.Frame{
		User: actor.Name, Key: accountweb.Key(session), Post: role.Title(), Org: actor.OrgName,
		Region: a.Config.Name, Live: true, Idle: session.Idle,
		NoSearch: !access.Has(role, access.PatientSearch), Large: role == access.Resident,
		Badges: map[string]int{},
	}
	if a.Config.Demo {
		f.Banner = "演示数据：人员均为虚构，请勿录入真实信息"
	}
	if access.Has(role, access.ReferralEmergency) {
		f.Alarm, f.AlarmTopic = referralweb.AlarmPath, referralweb.AlarmTopic
	}
	var items []web.Item
	for _, it := range a.Site.Items() {
		if offered(role, it) {
			items = append(items, it)
		}
	}
	f.Menu = web.Groups(items)
	err := a.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		if f.Notices, err = message.Unread(r.Context(), tx, actor); err != nil {
			return err
		}
		todo, err := flow.CountTodo(r.Context(), tx, actor)
		f.Badges["todo"] = int(todo.Waiting)
		return err
	})
	if err != nil {
		return f, err
	}
	posts, err := a.Accounts.Posts(r.Context(), actor.Account)
	f.Posts = len(posts)
	return f, err
}

// healthz answers load balancers: 200 while the database answers, 503 when not.
func (a *App) healthz(w http.ResponseWriter, r *http.Request) error {
	state := struct {
		Version  string `json:"version"`
		Database string `json:"database"`
		Engine   string `json:"engine"`
		Schema   int64  `json:"schema"`
	}{Version: Version, Database: "ok", Engine: string(a.DB.Engine())}
	status := http.StatusOK
	var err error
	if state.Schema, err = a.DB.Version(r.Context()); err != nil {
		state.Database, status = "unavailable", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	return json.NewEncoder(w).Encode(state)
}
