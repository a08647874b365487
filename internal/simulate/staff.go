package simulate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
)

// The institutions that the demo's sign-ins belong to.
const (
	fourth   = "永州市第四人民医院"
	tcm      = "零陵区中医院"
	maternal = "零陵区妇幼保健计划生育服务中心"
	shuikou  = "水口山镇中心卫生院"
	district = "零陵区卫生健康局"
	city     = "永州市卫生健康委员会"
	province = "湖南省卫生健康委员会"
	fund     = "永州市医疗保障局零陵分局"
)

const demoClient = "demo-his"

// named are the accounts that the demo prints, one for each role.
var named = []struct {
	role       access.Role
	login, org string
	dept       string
}{
	{access.VillageDoctor, "cunyi", "", ""},
	{access.TownshipDoctor, "yisheng", shuikou, "全科"},
	{access.TownshipHead, "yuanzhang", shuikou, ""},
	{access.ReferralCenter, "zhuanzhen", fourth, ""},
	{access.Registration, "guahao", fourth, ""},
	{access.DepartmentDoctor, "keshi", fourth, "心血管内科"},
	{access.DepartmentHead, "zhuren", fourth, "心血管内科"},
	{access.BedManager, "chuangwei", fourth, ""},
	{access.MedicalAffairs, "yiwu", fourth, ""},
	{access.InsuranceOffice, "yibaoban", fourth, ""},
	{access.Emergency, "jizhen", fourth, "急诊医学科"},
	{access.OnCall, "zhiban", fourth, ""},
	{access.AllianceOffice, "yilianti", fourth, ""},
	{access.CouncilSecretary, "mishu", fourth, ""},
	{access.BureauCounty, "weijianju", district, ""},
	{access.BureauCity, "shiwei", city, ""},
	{access.BureauProvince, "shengwei", province, ""},
	{access.Insurer, "yibaoju", fund, ""},
	{access.Resident, "jumin", "", ""},
	{access.SystemAdmin, "xitong", district, ""},
	{access.SecurityAdmin, "anquan", district, ""},
	{access.Auditor, "shenji", district, ""},
	{access.PrivacyOfficer, "yinsi", fourth, ""},
}

func (sc scene) signIns() []SignIn {
	var out []SignIn
	for _, n := range named {
		org := sc.name(n.org)
		switch n.role {
		case access.VillageDoctor:
			org = sc.name(shuikou) + "下属村卫生室"
		case access.Resident:
			org = "居民"
		}
		out = append(out, SignIn{n.role, n.login, org})
	}
	for _, o := range sc.offices {
		out = append(out, SignIn{access.AllianceOffice, o.login, o.org})
	}
	return out
}

// person is one member of staff with his account.
type person struct {
	actor access.Actor
	dept  string // department name
}

// staff finds people by institution, role and department.
type staff struct {
	scene  scene
	orgs   map[string]organization.Organization // by part, or by name when it plays none
	depts  map[string]organization.Department   // by org id + name
	people []person
	names  *names
	hash   string
}

func (st *staff) with(org string, role access.Role, dept string) []access.Actor {
	var out []access.Actor
	for _, p := range st.people {
		if p.actor.Org == org && access.Role(p.actor.Role) == role && (dept == "" || p.dept == dept) {
			out = append(out, p.actor)
		}
	}
	return out
}

// one returns somebody who fits; the department does not matter where nobody
// is in it.
func (st *staff) one(r *rng, org string, role access.Role, dept string) (access.Actor, error) {
	list := st.with(org, role, dept)
	if len(list) == 0 {
		list = st.with(org, role, "")
	}
	if len(list) == 0 {
		return access.Actor{}, fmt.Errorf("nobody is %s at %s", role, org)
	}
	return pick(r, list), nil
}

// hire enters about ninety people with posts, accounts and a duty roster.
func (s *simulation) hire(ctx context.Context) (*staff, error) {
	hash, err := crypto.HashPassword(Password)
	if err != nil {
		return nil, err
	}
	st := &staff{scene: s.scene, orgs: map[string]organization.Organization{}, depts: map[string]organization.Department{}, names: newNames(s.rng), hash: hash}
	if err := s.app.DB.View(ctx, func(tx *db.Tx) error { return st.load(ctx, tx) }); err != nil {
		return nil, err
	}
	for _, n := range named {
		if n.org == "" {
			continue // village doctor and resident follow
		}
		if _, err := s.employ(ctx, st, n.role, n.org, n.dept, n.login); err != nil {
			return nil, err
		}
	}
	for _, o := range s.scene.offices {
		if _, err := s.employ(ctx, st, access.AllianceOffice, o.org, "", o.login); err != nil {
			return nil, err
		}
	}
	for _, job := range st.jobs() {
		for i := range job.count {
			login := fmt.Sprintf("%s%d", job.login, i+1)
			if _, err := s.employ(ctx, st, job.role, job.org, job.dept, login); err != nil {
				return nil, err
			}
		}
	}
	return st, s.roster(ctx, st)
}

func (st *staff) load(ctx context.Context, tx *db.Tx) error {
	list, err := organization.List(ctx, tx, organization.Filter{})
	if err != nil {
		return err
	}
	for _, o := range list {
		st.orgs[st.scene.part(o.Name)] = o
		if o.Kind == organization.VillageClinic {
			continue
		}
		depts, err := organization.Departments(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		for _, d := range depts {
			st.depts[o.ID+d.Name] = d
		}
	}
	return nil
}

type job struct {
	role             access.Role
	org, dept, login string
	count            int
}

// jobs is the staff beyond the named accounts.
func (st *staff) jobs() []job {
	jobs := []job{
		{access.ReferralCenter, fourth, "", "sy.zz", 2},
		{access.Registration, fourth, "", "sy.gh", 1},
		{access.ReferralCenter, tcm, "", "zy.zz", 1},
		{access.Registration, tcm, "", "zy.gh", 1},
		{access.ReferralCenter, maternal, "", "fy.zz", 1},
		{access.Registration, maternal, "", "fy.gh", 1},
		{access.MedicalAffairs, tcm, "", "zy.yw", 1},
		{access.AllianceOffice, tcm, "", "zy.ylt", 1},
		{access.AllianceOffice, maternal, "", "fy.ylt", 1},
	}
	used := map[string]bool{}
	for _, c := range vignettes() {
		key := c.org + c.department
		if used[key] {
			continue
		}
		used[key] = true
		prefix := map[string]string{fourth: "sy", tcm: "zy", maternal: "fy"}[c.org]
		jobs = append(jobs, job{access.DepartmentDoctor, c.org, c.department, fmt.Sprintf("%s.ks%d.", prefix, len(used)), 1})
	}
	for i, name := range st.centres() {
		count := 2
		if st.orgs[name].Kind == organization.CommunityCenter {
			count = 1
		}
		jobs = append(jobs, job{access.TownshipDoctor, name, "全科", fmt.Sprintf("zx%d.ys", i+1), count})
		if name != shuikou {
			jobs = append(jobs, job{access.TownshipHead, name, "", fmt.Sprintf("zx%d.yz", i+1), 1})
		}
	}
	return jobs
}

// centres lists the township and community centres of the county.
func (st *staff) centres() []string {
	var out []string
	for name, o := range st.orgs {
		if (o.Kind == organization.TownshipCenter || o.Kind == organization.CommunityCenter) && strings.HasPrefix(o.Region, st.scene.county) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// clinics lists the village clinics below a centre.
func (st *staff) clinics(centre string) []string {
	var out []string
	for name, o := range st.orgs {
		if o.Kind == organization.VillageClinic && o.Parent == st.orgs[centre].ID {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// clinical says which roles are people of the practitioners' register.
func clinical(role access.Role) bool {
	return access.Has(role, access.ReferralTreat) || access.Has(role, access.ReferralTriage) || role == access.OnCall
}

// employ enters one person, with account and post.
func (s *simulation) employ(ctx context.Context, st *staff, role access.Role, orgName, deptName, login string) (access.Actor, error) {
	org, ok := st.orgs[orgName]
	if !ok {
		return access.Actor{}, fmt.Errorf("no institution %s", orgName)
	}
	name, sex := st.names.next()
	dept := st.depts[org.ID+deptName]
	a := access.Actor{Name: name, Role: string(role), Org: org.ID, OrgName: org.Name, Department: dept.ID}
	program := audit.Program("演示数据")
	if clinical(role) {
		p, err := s.register(ctx, program, practitionerOf(role, name, sex, org, dept, s.now))
		if err != nil {
			return a, fmt.Errorf("%s %s: %w", orgName, role, err)
		}
		a.Person = p
	}
	acct, err := s.app.Accounts.SeedHashed(ctx, account.NewAccount{
		Login: login, Name: name, Person: a.Person,
		Posts: []account.NewPost{{Role: role, Org: org.ID, OrgName: org.Name, Department: dept.ID, From: calendar.DateOf(s.now.AddDate(-1, 0, 0))}},
	}, st.hash, false)
	if err != nil {
		return a, fmt.Errorf("account %s: %w", login, err)
	}
	a.Account = acct.ID
	err = s.app.DB.View(ctx, func(tx *db.Tx) (err error) {
		a.Regions, err = organization.Chain(ctx, tx, org.ID)
		return err
	})
	st.people = append(st.people, person{a, deptName})
	return a, err
}

func (s *simulation) register(ctx context.Context, by access.Actor, p practitioner.Practitioner) (string, error) {
	p, err := s.app.Practitioners.Save(ctx, by, p)
	return p.ID, err
}

// practitionerOf is the register entry that fits a role.
func practitionerOf(role access.Role, name, sex string, org organization.Organization, dept organization.Department, now time.Time) practitioner.Practitioner {
	p := practitioner.Practitioner{
		Name: name, Sex: sex, Title: "主治医师", Category: practitioner.Clinician, Scope: "内科专业", EmployedBy: org.ID,
		Phone: org.ReferralPhone,
	}
	switch role {
	case access.VillageDoctor:
		p.Title, p.Category, p.Scope = "乡村医生", practitioner.VillageDoctor, "一般医疗"
	case access.TownshipDoctor:
		p.Title, p.Scope = "医师", "全科医学专业"
	case access.DepartmentHead, access.TownshipHead:
		p.Title = "副主任医师"
	case access.ReferralCenter:
		p.Title, p.Category, p.Scope = "主管护师", practitioner.Nurse, "护理"
	}
	if org.Kind == organization.TCMHospital && p.Category == practitioner.Clinician {
		p.Category, p.Scope = practitioner.TCM, "中医专业"
	}
	p.Postings = []practitioner.Posting{{
		Org: org.ID, Department: dept.ID, Kind: practitioner.Employed,
		Head: role == access.DepartmentHead || role == access.TownshipHead,
		From: calendar.DateOf(now.AddDate(-2, 0, 0)),
	}}
	return p
}

// roster puts the referral centres and the on-call person of the hospital on
// duty for the two weeks around today.
func (s *simulation) roster(ctx context.Context, st *staff) error {
	hospital := st.orgs[fourth].ID
	monday := calendar.DateOf(s.now)
	for monday.Weekday() != time.Monday {
		monday = monday.AddDays(-1)
	}
	program := audit.Program("演示数据")
	for _, duty := range []struct {
		role access.Role
		duty practitioner.Duty
	}{{access.ReferralCenter, practitioner.ReferralCenter}, {access.OnCall, practitioner.OnCallDuty}} {
		people := st.with(hospital, duty.role, "")
		for day := range 14 {
			who := people[day%len(people)]
			from := monday.AddDays(day).Time().Add(8 * time.Hour)
			_, err := s.app.Practitioners.AddShift(ctx, program, practitioner.Shift{
				Org: hospital, Duty: duty.duty, Practitioner: who.Person, From: from, To: from.Add(24 * time.Hour),
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// client makes the system client of the hospital's information system.
func (s *simulation) client(ctx context.Context) (string, error) {
	hospital := s.staff.orgs[fourth]
	return s.app.Accounts.CreateClient(ctx, audit.Program("演示数据"), account.Client{
		ID: demoClient, Name: "演示医院信息系统", Org: hospital.ID, Scopes: "system/*.cruds",
	})
}
