package simulate

import (
	"context"
	"fmt"
	"slices"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/charter"
	"yilian/internal/db"
	"yilian/internal/filing"
	"yilian/internal/flow"
	"yilian/internal/governance"
	"yilian/internal/organization"
	"yilian/internal/region"
)

// community has the county of another region form its community as its rules
// ask and file it up to the province, in the first week of the platform: who
// belongs together must stand before anybody is referred.
func (s *simulation) community(ctx context.Context) error {
	if s.scene.cast == nil {
		return nil // Lingling's document has its alliances
	}
	begin := calendar.DateOf(Founded(s.now))
	s.at(workday(begin, 0))
	b, err := s.formCommunity(ctx)
	if err != nil {
		return fmt.Errorf("form community: %w", err)
	}
	if err := s.complete(ctx, &b); err != nil {
		return err
	}
	if err := s.carry(ctx, b, begin, 9); err != nil {
		return fmt.Errorf("file %s: %w", b.Name, err)
	}
	s.at(workday(begin, 8))
	return nil
}

// communities lets an alliance of the document catch up: organs, charter, and
// a filing that lies with the authority of its lead.
func (s *simulation) communities(ctx context.Context) error {
	today := s.lastCountable()
	for _, o := range s.scene.offices {
		b, err := s.ledBy(ctx, s.staff.orgs[s.scene.part(o.org)])
		if err != nil {
			return err
		}
		s.at(workday(today, -4))
		if err := s.complete(ctx, &b); err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
		if c, err := s.openFiling(ctx, b.ID); err != nil {
			return err
		} else if c.ID == "" {
			if _, err := s.app.Filings.Begin(ctx, b.office, b.ID, ""); err != nil {
				return fmt.Errorf("%s: %w", b.Name, err)
			}
		}
		if err := s.carry(ctx, b, today.AddDays(-3), 1); err != nil {
			return fmt.Errorf("file %s: %w", b.Name, err)
		}
	}
	return nil
}

// formCommunity forms the county's community (GB-2.2, ZZ-2.3, JS-4.1.4): the
// county hospital leads, every centre of the county is a member.
func (s *simulation) formCommunity(ctx context.Context) (b body, err error) {
	b.lead = s.staff.orgs[fourth]
	b.office = s.staff.with(b.lead.ID, access.AllianceOffice, "")[0]
	members := []string{s.staff.orgs[tcm].ID, s.staff.orgs[maternal].ID}
	for _, name := range s.staff.centres() {
		members = append(members, s.staff.orgs[name].ID)
	}
	b.Alliance, err = s.app.Alliances.Form(ctx, b.office, alliance.Formation{
		Name: b.lead.Name + "县域医共体", Kind: alliance.CountyCommunity, Region: s.scene.county, Lead: b.lead.ID, Members: members,
		Areas: []string{s.scene.county}, On: calendar.DateOf(s.app.DB.Now()), Reason: region.NameOf(s.scene.county) + "人民政府关于组建县域医共体的批复",
	})
	return b, err
}

// ledBy is the first alliance that an institution leads.
func (s *simulation) ledBy(ctx context.Context, lead organization.Organization) (b body, err error) {
	err = s.app.DB.View(ctx, func(tx *db.Tx) error {
		mine, err := alliance.AlliancesOf(ctx, tx, lead.ID, calendar.DateOf(tx.Now), tx.Now)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(mine, func(m alliance.Membership) bool { return m.Role == alliance.Lead })
		if i < 0 {
			return fmt.Errorf("%s leads nothing", lead.Name)
		}
		b.Alliance, err = alliance.Get(ctx, tx, mine[i].Alliance)
		return err
	})
	if err != nil {
		return b, err
	}
	b.lead, b.office = lead, s.staff.with(lead.ID, access.AllianceOffice, "")[0]
	return b, nil
}

// complete gives an alliance every organ, post, document and paragraph that its
// rules ask for.
func (s *simulation) complete(ctx context.Context, b *body) error {
	on := calendar.DateOf(s.app.DB.Now())
	var rules governance.Rules
	err := s.app.DB.View(ctx, func(tx *db.Tx) error {
		at, err := alliance.Place(ctx, tx, b.Alliance)
		rules = governance.RulesAt(s.app.Book, at, on)
		return err
	})
	if err != nil {
		return err
	}
	b.chair, _ = s.staff.names.next()
	council := governance.Organ{}
	codes := []string{governance.Council}
	for _, c := range rules.Organs {
		if c.Code != governance.Council {
			codes = append(codes, c.Code)
		}
	}
	for _, c := range rules.Offices {
		codes = append(codes, "office_"+c.Code)
	}
	for _, code := range codes {
		o, err := s.app.Governance.Establish(ctx, b.office, governance.Organ{Alliance: b.ID, Code: code, EstablishedOn: on, Basis: "成立大会"})
		if err != nil {
			return err
		}
		seat := governance.Seat{Organ: o.ID, Post: governance.Posts(code)[0], Org: b.lead.ID, Position: "院长", From: on, Basis: "成立大会"}
		seat.Name, _ = s.staff.names.next()
		switch code {
		case governance.Council:
			council, seat.Name = o, b.chair
		case governance.ManagementCommittee:
			seat.Org, seat.Position = s.staff.orgs[district].ID, s.scene.head
		case "party_committee":
			seat.Position = "党委书记"
		}
		if _, err := s.app.Governance.Appoint(ctx, b.office, seat); err != nil {
			return err
		}
	}
	for _, d := range rules.Documents {
		if err := s.app.Alliances.SetDocument(ctx, b.office, b.ID, d.Code, "《"+d.Title+"》（试行）", on); err != nil {
			return err
		}
	}
	if rules.Representative.Text == alliance.Shared {
		if err := s.app.Alliances.ShareRepresentative(ctx, b.office, b.ID, b.chair, "事业单位法人变更登记", on); err != nil {
			return err
		}
	}
	present := []string{b.chair}
	for _, m := range s.membersOf(ctx, b.ID) {
		if m.Role != alliance.Member {
			continue
		}
		name, _ := s.staff.names.next()
		if _, err := s.app.Governance.Appoint(ctx, b.office, governance.Seat{Organ: council.ID, Post: governance.Sits, Name: name, Org: m.Org, Position: "院长", From: on, Basis: "成立大会"}); err != nil {
			return err
		}
		present = append(present, name)
	}
	return s.adopt(ctx, *b, council, present)
}

// partTexts are the parts that Jiangsu's and Zhengzhou's kinds ask for beyond
// those of GB-3.1.
var partTexts = map[string]string{
	"organisation":     "设管理委员会、党委、理事会和内设管理机构，实行党委领导下的理事会决策和院长负责制。",
	"management_rules": "人员、财务、药品耗材、医疗质量和信息化按统一制度管理，制度由理事会审定。",
	"procedure":        "理事会会议须有三分之二以上理事到会，决议经到会理事过半数同意方为有效，会议记录由办公室保存。",
	"positions":        "牵头单位负责急危重症和疑难疾病诊疗，成员单位负责常见病、多发病诊疗和慢性病管理。",
	"liability":        "因技术指导失当造成的损失由双方按责任分担，因执行不当造成的由执行单位承担。",
}

// texts writes every part that the rules ask for.
func texts(rules alliance.Rules) map[string]string {
	out := map[string]string{}
	for _, p := range rules.Parts {
		if t := charterTexts[p.Code]; t != "" {
			out[p.Code] = t
		} else if t := partTexts[p.Code]; t != "" {
			out[p.Code] = t
		} else if p.Code != charter.BenefitPart {
			out[p.Code] = p.Title + "由牵头单位与成员单位共同商定，每年修订一次。"
		}
	}
	return out
}

// carry brings the open filing of an alliance some steps up the levels, from a
// day on.
func (s *simulation) carry(ctx context.Context, b body, day calendar.Date, steps int) error {
	c, err := s.openFiling(ctx, b.ID)
	if err != nil {
		return err
	}
	s.at(workday(day, 1))
	if c, err = s.app.Filings.Send(ctx, b.office, filing.Ref{ID: c.ID, Version: c.Version}, "章程、成员名单和组织机构，报请备案"); err != nil {
		return err
	}
	for i := 1; i < steps && c.Open(); i++ {
		s.at(workday(day, 1+2*i))
		who, err := s.bureau(c)
		if err != nil {
			return err
		}
		if access.Role(who.Role) == access.BureauProvince {
			c, err = s.app.Filings.File(ctx, who, filing.Ref{ID: c.ID, Version: c.Version})
		} else {
			c, err = s.app.Filings.Pass(ctx, who, filing.Ref{ID: c.ID, Version: c.Version})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bureau is who holds a filing.
func (s *simulation) bureau(c flow.Case) (access.Actor, error) {
	for _, role := range []access.Role{access.BureauCounty, access.BureauCity, access.BureauProvince} {
		if list := s.staff.with(c.To.Org, role, ""); len(list) > 0 {
			return list[0], nil
		}
	}
	return access.Actor{}, fmt.Errorf("nobody has an account at %s", c.To.OrgName)
}
