package contractweb_test

import (
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
	"yilian/internal/organization/organizationtest"
	"yilian/internal/patient"
	"yilian/internal/policy/policytest"
	"yilian/internal/practitioner"
	"yilian/internal/web/facetest"
)

type fixture struct {
	*facetest.Face
	leader  string
	nurse   string
	person  string // a resident registered elsewhere
	another access.Actor
}

func setup(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	organizationtest.Seed(t, d)
	centres := organizationtest.OfKind(t, d, organization.TownshipCenter)
	actor := func(o organization.Organization) access.Actor {
		return access.Actor{Account: "a" + o.ID, Name: "赵医生", Role: string(access.TownshipDoctor), Org: o.ID, OrgName: o.Name}
	}
	f := &fixture{Face: facetest.New(t, d, actor(centres[0])), another: actor(centres[1])}
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	book := policytest.Shipped(t)
	people := &patient.Service{DB: d, Keys: keys, Access: access.New(log), Audit: log}
	staff := &practitioner.Service{DB: d, Log: log}
	for name, id := range map[string]*string{"周医生": &f.leader, "吴护士": &f.nurse} {
		p, err := staff.Save(t.Context(), audit.Program("test"), practitioner.Practitioner{Name: name, Sex: "1", Phone: "13900000001",
			Title: "主治医师", Category: practitioner.Categories()[0], Scope: "全科医学", EmployedBy: centres[0].ID})
		f.must(err)
		*id = p.ID
	}
	p, err := people.Register(t.Context(), f.another, patient.Registration{Name: "张桂兰", Sex: "2", BirthDate: "1965-03-12", Phone: "13900001234",
		InsuranceKind: patient.Resident})
	f.must(err)
	f.person = p.ID
	contractweb.Routes(f.Site, &contract.Service{DB: d, Audit: log, Policy: book, Patients: people})
	return f
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func TestFromTeamToContractToEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.See("/contracts", "还没有家庭医生团队", "还差 5 个", "LL-4.1c")
		f.Post("/teams", facetest.Form("name", "第一团队"), 422).Shows("请填写团队负责人", "第一团队")
		f.Post("/teams", facetest.Form("name", "第一团队", "leader", f.leader, "phone", "07466220001", "member_"+f.nurse, "nurse"), 303)
		list := f.Get("/contracts", 200)
		list.Shows("第一团队", "周医生", "吴护士（护士）", "缺公卫医生或乡村医生", "还差 4 个", "没有符合条件的签约")
		team := list.Between("/contracts?team=", `"`)
		f.See("/teams/"+team+"/edit", "第一团队", "吴护士")

		f.See("/contracts/new?q=zgl", "张桂兰", "/contracts/new?patient="+f.person)
		f.See("/contracts/new?patient="+f.person, "张桂兰", "第一团队（周医生）", "2026-03-02")
		form := []string{"patient", f.person, "team", team, "kind", "basic", "years", "1", "from", "2026-03-02", "tail", "0000"}
		f.Post("/contracts", facetest.Form(form...), 422).Shows("后四位不符", "f-tail-error")
		form[len(form)-1] = "1234"
		f.Post("/contracts", facetest.Form(form...), 303)
		f.Post("/contracts", facetest.Form(form...), 409).Shows("已与", "第一团队", "2027-03-01")

		list = f.Get("/contracts?q=zgl", 200)
		list.Shows("张桂兰", "基础包", "2026-03-02 至 2027-03-01", "有效")
		f.See("/contracts?q=lisi", "没有符合条件的签约")
		id := list.Between(`hx-get="/contracts/`, `"`)
		f.See("/contracts/"+id, "张桂兰的签约", "解约", "作废")
		mine := f.Actor
		f.Actor = f.another
		f.Post("/contracts/"+id+"/end", facetest.Form("reason", "wish"), 403)
		f.Actor = mine
		f.Post("/contracts/"+id+"/end", facetest.Form("reason", "other"), 422).Shows("请填写解约原因的说明")
		f.Post("/contracts/"+id+"/end", facetest.Form("reason", "wish"), 303)
		f.See("/contracts?status=over", "张桂兰", "已解约")
	})
}

func TestRenewalIsOfferedBeforeTheEnd(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	f.Post("/teams", facetest.Form("name", "第一团队", "leader", f.leader), 303)
	team := f.See("/contracts").Between("/contracts?team=", `"`)
	f.Post("/contracts", facetest.Form("patient", f.person, "team", team, "kind", "basic", "years", "1", "from", "2026-03-02", "tail", "1234"), 303)
	dbtest.SetClock(f.DB, calendar.Date("2027-02-01").Time())
	list := f.Get("/contracts?status=expiring", 200)
	list.Shows("张桂兰", "即将到期")
	id := list.Between(`hx-get="/contracts/`, `"`)
	f.See("/contracts/"+id, "续签")
	f.Post("/contracts/"+id+"/renew", facetest.Form("kind", "primary", "years", "2"), 303)
	f.See("/contracts", "待生效", "2027-03-02 至 2029-03-01")
}

func TestOthersMayNotSign(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	for role, status := range map[access.Role]int{access.ReferralCenter: 200, access.Registration: 403, access.Auditor: 403} {
		f.Actor.Role = string(role)
		f.Get("/contracts", status)
		f.Get("/contracts/new", 403)
		f.Post("/contracts", facetest.Form("patient", f.person), 403)
		f.Get("/teams/new", 403)
	}
}
