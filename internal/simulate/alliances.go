package simulate

import (
	"cmp"
	"context"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/charter"
	"yilian/internal/db"
	"yilian/internal/filing"
	"yilian/internal/flow"
	"yilian/internal/governance"
	"yilian/internal/organization"
	"yilian/internal/steering"
)

// body is one alliance of Lingling with who keeps it in the demo.
type body struct {
	alliance.Alliance
	lead   organization.Organization
	office access.Actor
	chair  string
}

// govern gives the three alliances of Lingling organs, charters and milestones;
// one filing is on record, one lies with the city, one is overdue at its lead.
// It runs with the clock of weeks ago.
func (s *simulation) govern(ctx context.Context) error {
	if s.scene.cast != nil {
		return s.communities(ctx)
	}
	bodies, err := s.bodies(ctx)
	if err != nil {
		return err
	}
	today := s.lastCountable()
	s.at(workday(today, -40))
	for i := range bodies {
		if err := s.organise(ctx, &bodies[i]); err != nil {
			return err
		}
	}
	if err := s.steer(ctx); err != nil {
		return err
	}
	return s.file(ctx, bodies, today)
}

// steer has the county's bureau set up what LL-6 asks for; the posts are filled
// but for a few, and the group has met once.
func (s *simulation) steer(ctx context.Context) error {
	bureau := s.staff.orgs[district]
	by, on := access.Actor{Name: "医政医管股", Role: string(access.BureauCounty), Org: bureau.ID, OrgName: bureau.Name, Regions: []string{s.scene.county}}, calendar.DateOf(s.app.DB.Now())
	var groups []steering.Group
	err := s.app.DB.View(ctx, func(tx *db.Tx) (err error) {
		groups, err = s.app.Steering.Of(ctx, tx, s.scene.county, on)
		return err
	})
	if err != nil {
		return err
	}
	chair := ""
	for _, g := range groups {
		if err := s.app.Steering.Establish(ctx, by, g.Profile, g.Body.ID, on, "区卫生健康局成立领导小组的通知"); err != nil {
			return err
		}
		for _, p := range g.Posts {
			name, _ := s.staff.names.next()
			chair = cmp.Or(chair, name)
			x := steering.Seat{Post: p.Title, Name: name, Position: p.HeldBy, From: on, Basis: "区卫生健康局成立领导小组的通知"}
			if err := s.app.Steering.Appoint(ctx, by, g.Profile, g.Body.ID, x); err != nil {
				return err
			}
		}
		if g.Kind == "leading_group" {
			m := steering.Meeting{Title: "领导小组第一次工作会议", HeldOn: on, Chair: chair, Present: "领导小组成员，区级公立医院和各乡镇卫生院负责人", Minutes: "明确三个联盟的分工；各单位月底前报送年度计划。"}
			if err := s.app.Steering.Hold(ctx, by, g.Profile, g.Body.ID, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastCountable is today, or the last day from which every deadline of the demo
// can still be counted when next year's calendar is not loaded.
func (s *simulation) lastCountable() calendar.Date {
	day := calendar.DateOf(s.now)
	for range 60 {
		if _, whole := s.app.Calendar.AddWorkingDays(day, 12); whole {
			break
		}
		day = day.AddDays(-1)
	}
	return day
}

// workday is ten o'clock, n calendar days from a day.
func workday(day calendar.Date, n int) time.Time { return day.AddDays(n).Time().Add(10 * time.Hour) }

func (s *simulation) bodies(ctx context.Context) ([]body, error) {
	var out []body
	err := s.app.DB.View(ctx, func(tx *db.Tx) error {
		all, err := alliance.List(ctx, tx)
		if err != nil {
			return err
		}
		for _, a := range all {
			if a.Region != s.scene.county {
				continue
			}
			lead, err := alliance.LeadOn(ctx, tx, a.ID, calendar.DateOf(tx.Now))
			if err != nil {
				return err
			}
			b := body{Alliance: a, lead: lead, office: audit.Program("演示数据")}
			b.office.Org, b.office.OrgName = lead.ID, lead.Name
			if list := s.staff.with(lead.ID, access.AllianceOffice, ""); len(list) > 0 {
				b.office = list[0]
			}
			out = append(out, b)
		}
		return nil
	})
	return out, err
}

// organise sets up what LL-4.3.2, LL-4.3.3 and LL-4.4.3a ask for, writes the
// charter and records the phases of LL-5.
func (s *simulation) organise(ctx context.Context, b *body) error {
	by, on := b.office, calendar.DateOf(s.app.DB.Now())
	b.chair, _ = s.staff.names.next()
	appoint := func(o governance.Organ, post governance.Post, name, org, position string) error {
		_, err := s.app.Governance.Appoint(ctx, by, governance.Seat{Organ: o.ID, Post: post, Name: name, Org: org, Position: position, From: on, Basis: "理事会第一次会议"})
		return err
	}
	council, err := s.app.Governance.Establish(ctx, by, governance.Organ{Alliance: b.ID, Code: governance.Council, EstablishedOn: on, Basis: "医联体成立大会"})
	if err != nil {
		return err
	}
	office, err := s.app.Governance.Establish(ctx, by, governance.Organ{Alliance: b.ID, Code: governance.Office, EstablishedOn: on, Basis: "理事会第一次会议"})
	if err != nil {
		return err
	}
	if err := appoint(council, governance.Chair, b.chair, b.lead.ID, "院长"); err != nil {
		return err
	}
	for _, post := range []governance.Post{governance.Director, governance.Deputy} {
		name, _ := s.staff.names.next()
		if err := appoint(office, post, name, b.lead.ID, "医联体办公室"); err != nil {
			return err
		}
	}
	present := []string{b.chair}
	for i, m := range s.membersOf(ctx, b.ID) {
		if m.Role != alliance.Member {
			continue
		}
		name, _ := s.staff.names.next()
		if err := appoint(council, governance.Sits, name, m.Org, "院长"); err != nil {
			return err
		}
		present = append(present, name)
		if i%5 == 4 {
			continue // not every member has named its contact
		}
		contact, _ := s.staff.names.next()
		if err := appoint(office, governance.ContactP, contact, m.Org, "公共卫生科"); err != nil {
			return err
		}
	}
	if b.lead.Name != maternal {
		if _, err := s.app.Filings.Begin(ctx, by, b.ID, ""); err != nil {
			return err
		}
	}
	if b.lead.Name == fourth {
		if _, err := s.app.Governance.Establish(ctx, by, governance.Organ{Alliance: b.ID, Code: governance.QualityCommittee, EstablishedOn: on, Basis: "理事会第一次会议"}); err != nil {
			return err
		}
		if err := s.app.Alliances.SetStanding(ctx, by, alliance.Fact{SubjectID: b.lead.ID, Field: alliance.Representative, Value: b.chair, Evidence: "事业单位法人证书", Period: alliance.Period{ValidFrom: on}}); err != nil {
			return err
		}
	}
	if err := s.milestones(ctx, *b); err != nil || b.lead.Name == maternal {
		return err
	}
	return s.adopt(ctx, *b, council, present)
}

func (s *simulation) membersOf(ctx context.Context, id string) (out []alliance.Membership) {
	_ = s.app.DB.View(ctx, func(tx *db.Tx) (err error) { // an error shows as an alliance without members
		out, err = alliance.MembersOn(ctx, tx, id, calendar.DateOf(tx.Now), tx.Now)
		return err
	})
	return out
}

func (s *simulation) milestones(ctx context.Context, b body) error {
	if err := s.app.Governance.Reach(ctx, b.office, b.ID, "LL-5", "全面推进阶段", governance.Done, "全区乡镇卫生院、社区卫生服务中心全部签约", "2020-12-28"); err != nil {
		return err
	}
	if b.lead.Name != fourth {
		return nil
	}
	return s.app.Governance.Reach(ctx, b.office, b.ID, "LL-5", "巩固提升阶段", governance.Done, "自查问题 11 项，已整改 11 项", "2021-10-20")
}

// charterTexts are the parts of GB-3.1 in the words of LL-4.3.4.
var charterTexts = map[string]string{
	"duties":      "牵头单位负责技术指导、人才培养和质量控制，定期派驻专家。成员单位负责常见病、多发病诊疗和慢性病管理，执行双向转诊制度。",
	"rights":      "成员单位对本单位人事、业务和发展有独立决策权，优先使用牵头单位的专家、号源和检查。牵头单位对联盟内的技术工作有指导和监督权。",
	"obligations": "牵头单位免费接收成员单位人员进修。成员单位每年 1 月底前报送年度进修计划，提供专家工作条件，公布转诊电话。",
	"quality":     "医疗质量控制委员会统一标准和规范，心电图、彩超、影像中心负责成员单位质量控制，每季度检查一次并通报。",
	"benefit":     "比例每年由理事会审议一次。",
}

func (s *simulation) adopt(ctx context.Context, b body, council governance.Organ, present []string) error {
	c, err := s.app.Charters.Begin(ctx, b.office, b.ID)
	if err != nil {
		return err
	}
	split := map[charter.Pool][]charter.Share{
		charter.Surplus: {{Party: "lead", Title: "牵头单位", Points: 3500}, {Party: "township", Title: "乡镇卫生院和社区中心", Points: 5000}, {Party: "village", Title: "村卫生室", Points: 1500}},
		charter.Deficit: {{Party: "lead", Title: "牵头单位", Points: 7000}, {Party: "township", Title: "乡镇卫生院和社区中心", Points: 3000}},
	}
	on := calendar.DateOf(s.app.DB.Now())
	var rules alliance.Rules
	err = s.app.DB.View(ctx, func(tx *db.Tx) (err error) {
		rules, err = s.app.Alliances.Rules(ctx, tx, b.Alliance, on)
		return err
	})
	if err != nil {
		return err
	}
	if c, err = s.app.Charters.Save(ctx, b.office, c.ID, c.Version, texts(rules), split); err != nil {
		return err
	}
	if c, err = s.app.Charters.Adopt(ctx, b.office, c.ID, c.Version, on, "理事会第一次会议决议"); err != nil {
		return err
	}
	var changed string
	err = s.app.DB.View(ctx, func(tx *db.Tx) error {
		all, err := alliance.Changes(ctx, tx, b.ID)
		for _, x := range all {
			if x.What == alliance.NewCharter {
				changed = x.ID
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	n := len(present)
	_, err = s.app.Governance.Hold(ctx, b.office, governance.Meeting{Organ: council.ID, Title: "理事会第一次会议", HeldOn: on, Place: b.lead.Short() + "三楼会议室", Chair: b.chair,
		Agenda: []string{"审议章程", "审议结余分配比例"}, Present: present, Minutes: "会议审议并通过《" + b.Name + "章程》，明确结余分配和超支分担比例，自通过之日起施行。",
		Decisions: []governance.Decision{{Text: "通过章程", For: n - 1, Abstained: 1, Changes: []string{changed}}}})
	return err
}

// file brings the filings to where the demo shows them: the general-practice
// alliance's is on record and a change of it lies with the city; the
// orthopaedic one is overdue at its lead.
func (s *simulation) file(ctx context.Context, bodies []body, today calendar.Date) error {
	bureau := func(org string, role access.Role) (access.Actor, error) {
		return s.staff.one(s.rng, s.staff.orgs[org].ID, role, "")
	}
	county, err := bureau(district, access.BureauCounty)
	if err != nil {
		return err
	}
	cityActor, err := bureau(city, access.BureauCity)
	if err != nil {
		return err
	}
	provinceActor, err := bureau(province, access.BureauProvince)
	if err != nil {
		return err
	}
	for _, b := range bodies {
		if b.lead.Name != fourth {
			continue
		}
		c, err := s.openFiling(ctx, b.ID)
		if err != nil {
			return err
		}
		f := s.app.Filings
		s.at(workday(today, -38))
		if c, err = f.Send(ctx, b.office, filing.Ref{ID: c.ID, Version: c.Version}, "章程和法定代表人登记，报请备案"); err != nil {
			return err
		}
		s.at(workday(today, -36))
		if c, err = f.Pass(ctx, county, filing.Ref{ID: c.ID, Version: c.Version}); err != nil {
			return err
		}
		s.at(workday(today, -34))
		if c, err = f.Pass(ctx, cityActor, filing.Ref{ID: c.ID, Version: c.Version}); err != nil {
			return err
		}
		s.at(workday(today, -31))
		if _, err = f.File(ctx, provinceActor, filing.Ref{ID: c.ID, Version: c.Version}); err != nil {
			return err
		}
		s.at(workday(today, -3))
		chair, _ := s.staff.names.next()
		member := s.membersOf(ctx, b.ID)[3]
		if err := s.app.Alliances.SetStanding(ctx, b.office, alliance.Fact{SubjectID: member.Org, Field: alliance.Representative, Value: chair, Evidence: "区卫健局任命文件", Period: alliance.Period{ValidFrom: today.AddDays(-3)}}); err != nil {
			return err
		}
		if c, err = s.openFiling(ctx, b.ID); err != nil {
			return err
		}
		s.at(workday(today, -2))
		if c, err = f.Send(ctx, b.office, filing.Ref{ID: c.ID, Version: c.Version}, member.OrgName+"法定代表人变更"); err != nil {
			return err
		}
		s.at(workday(today, -1))
		if _, err = f.Pass(ctx, county, filing.Ref{ID: c.ID, Version: c.Version}); err != nil {
			return err
		}
	}
	return nil
}

// openFiling is the open filing of an alliance.
func (s *simulation) openFiling(ctx context.Context, id string) (c flow.Case, err error) {
	err = s.app.DB.View(ctx, func(tx *db.Tx) error {
		all, err := filing.Of(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, f := range all {
			k, err := flow.Get(ctx, tx, f.ID)
			if err != nil {
				return err
			}
			if k.Open() {
				c = k
				return nil
			}
		}
		return nil
	})
	return c, err
}
