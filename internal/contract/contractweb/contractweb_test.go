package contractweb_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/contract"
	"yilian/internal/contract/contractweb"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/practitioner"
	"yilian/internal/region"
	"yilian/internal/web"
	"yilian/profiles"
)

var ctx = context.Background()

type fixture struct {
	*testing.T
	d       *db.DB
	site    *web.Site
	actor   access.Actor
	leader  string
	nurse   string
	person  string // a resident registered elsewhere
	another access.Actor
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func setup(t *testing.T, d *db.DB) *fixture {
	f := &fixture{T: t, d: d, site: web.New(web.Options{Now: d.Now})}
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	book, err := policy.Load(profiles.FS)
	f.must(err)
	people := &patient.Service{DB: d, Keys: keys, Access: access.New(log), Audit: log}
	var centres []organization.Organization
	f.must(d.Tx(ctx, func(tx *db.Tx) error {
		if err := region.Seed(ctx, tx); err != nil {
			return err
		}
		if err := organization.Seed(ctx, tx); err != nil {
			return err
		}
		var err error
		centres, err = organization.List(ctx, tx, organization.Filter{Kind: organization.TownshipCenter})
		return err
	}))
	actor := func(o organization.Organization) access.Actor {
		return access.Actor{Account: "a" + o.ID, Name: "赵医生", Role: string(access.TownshipDoctor), Org: o.ID, OrgName: o.Name}
	}
	f.actor, f.another = actor(centres[0]), actor(centres[1])
	staff := &practitioner.Service{DB: d, Log: log}
	for name, id := range map[string]*string{"周医生": &f.leader, "吴护士": &f.nurse} {
		p, err := staff.Save(ctx, audit.Program("test"), practitioner.Practitioner{Name: name, Sex: "1", Phone: "13900000001",
			Title: "主治医师", Category: practitioner.Categories()[0], Scope: "全科医学", EmployedBy: centres[0].ID})
		f.must(err)
		*id = p.ID
	}
	p, err := people.Register(ctx, f.another, patient.Registration{Name: "张桂兰", Sex: "2", BirthDate: "1965-03-12", Phone: "13900001234",
		InsuranceKind: patient.Resident})
	f.must(err)
	f.person = p.ID
	f.site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(access.WithActor(r.Context(), f.actor)))
		})
	})
	contractweb.Routes(f.site, &contract.Service{DB: d, Audit: log, Policy: book, Patients: people})
	return f
}

func (f *fixture) send(method, path string, status int, pairs ...string) string {
	f.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, r)
	if w.Code != status {
		f.Fatalf("%s %s: %d, want %d\n%s", method, path, w.Code, status, w.Body)
	}
	return w.Body.String()
}

func (f *fixture) shows(body string, want ...string) {
	f.Helper()
	for _, s := range want {
		if !strings.Contains(body, s) {
			f.Errorf("%q is missing in\n%s", s, body)
		}
	}
}

func (f *fixture) between(body, from, to string) string {
	f.Helper()
	_, rest, ok := strings.Cut(body, from)
	value, _, end := strings.Cut(rest, to)
	if !ok || !end {
		f.Fatalf("no %s in\n%s", from, body)
	}
	return value
}

func TestFromTeamToContractToEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.shows(f.send("GET", "/contracts", 200), "还没有家庭医生团队", "还差 5 个", "LL-4.1c")
		f.shows(f.send("POST", "/teams", 422, "name", "第一团队"), "请填写团队负责人", "第一团队")
		f.send("POST", "/teams", 303, "name", "第一团队", "leader", f.leader, "phone", "07466220001", "member_"+f.nurse, "nurse")
		list := f.send("GET", "/contracts", 200)
		f.shows(list, "第一团队", "周医生", "吴护士（护士）", "缺公卫医生或乡村医生", "还差 4 个", "没有符合条件的签约")
		team := f.between(list, "/contracts?team=", `"`)
		f.shows(f.send("GET", "/teams/"+team+"/edit", 200), "第一团队", "吴护士")

		f.shows(f.send("GET", "/contracts/new?q=zgl", 200), "张桂兰", "/contracts/new?patient="+f.person)
		f.shows(f.send("GET", "/contracts/new?patient="+f.person, 200), "张桂兰", "第一团队（周医生）", "2026-03-02")
		form := []string{"patient", f.person, "team", team, "kind", "basic", "years", "1", "from", "2026-03-02", "tail", "0000"}
		f.shows(f.send("POST", "/contracts", 422, form...), "后四位不符", "f-tail-error")
		form[len(form)-1] = "1234"
		f.send("POST", "/contracts", 303, form...)
		f.shows(f.send("POST", "/contracts", 409, form...), "已与", "第一团队", "2027-03-01")

		list = f.send("GET", "/contracts?q=zgl", 200)
		f.shows(list, "张桂兰", "基础包", "2026-03-02 至 2027-03-01", "有效")
		f.shows(f.send("GET", "/contracts?q=lisi", 200), "没有符合条件的签约")
		id := f.between(list, `hx-get="/contracts/`, `"`)
		f.shows(f.send("GET", "/contracts/"+id, 200), "张桂兰的签约", "解约", "作废")
		mine := f.actor
		f.actor = f.another
		f.send("POST", "/contracts/"+id+"/end", 403, "reason", "wish")
		f.actor = mine
		f.shows(f.send("POST", "/contracts/"+id+"/end", 422, "reason", "other"), "请填写解约原因的说明")
		f.send("POST", "/contracts/"+id+"/end", 303, "reason", "wish")
		f.shows(f.send("GET", "/contracts?status=over", 200), "张桂兰", "已解约")
	})
}

func TestRenewalIsOfferedBeforeTheEnd(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	f.send("POST", "/teams", 303, "name", "第一团队", "leader", f.leader)
	team := f.between(f.send("GET", "/contracts", 200), "/contracts?team=", `"`)
	f.send("POST", "/contracts", 303, "patient", f.person, "team", team, "kind", "basic", "years", "1", "from", "2026-03-02", "tail", "1234")
	dbtest.SetClock(f.d, calendar.Date("2027-02-01").Time())
	list := f.send("GET", "/contracts?status=expiring", 200)
	f.shows(list, "张桂兰", "即将到期")
	id := f.between(list, `hx-get="/contracts/`, `"`)
	f.shows(f.send("GET", "/contracts/"+id, 200), "续签")
	f.send("POST", "/contracts/"+id+"/renew", 303, "kind", "primary", "years", "2")
	f.shows(f.send("GET", "/contracts", 200), "待生效", "2027-03-02 至 2029-03-01")
}

func TestOthersMayNotSign(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	for role, status := range map[access.Role]int{access.ReferralCenter: 200, access.Registration: 403, access.Auditor: 403} {
		f.actor.Role = string(role)
		f.send("GET", "/contracts", status)
		f.send("GET", "/contracts/new", 403)
		f.send("POST", "/contracts", 403, "patient", f.person)
		f.send("GET", "/teams/new", 403)
	}
}
