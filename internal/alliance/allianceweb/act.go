package allianceweb

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/governance"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
	"yilian/internal/web"
)

// field is one field of an action's form.
type field struct {
	as string // input, text, select, checks, title
	web.Control
}

// sheet is the form of one action.
type sheet struct {
	page2
	Name   string
	Act    act
	Fields []field
	Values url.Values
	Err    error
	Orgs   []organization.Organization
	Towns  []region.Region // the alliance's region and what lies directly below it
}

// call is one action as it was posted.
type call struct {
	p     *Pages
	ctx   context.Context
	actor access.Actor
	v     page2
	form  url.Values
}

func (c call) text(name string) string         { return strings.TrimSpace(c.form.Get(name)) }
func (c call) day(name string) calendar.Date   { return calendar.Date(c.text(name)) }
func (c call) list(name string) []string       { return c.form[name] }
func (c call) number(name string) (n int)      { n, _ = strconv.Atoi(c.text(name)); return n } // not a number: 0, which the rules refuse
func (c call) svc() *alliance.Service          { return c.p.Alliances }
func (c call) governance() *governance.Service { return c.p.Governance }

// act is one thing that people do on an alliance's page.
type act struct {
	title  string
	note   string
	right  access.Right
	danger bool
	tab    string
	fields func(s *sheet) []field
	run    func(c call) error
}

func (s *sheet) value(name, otherwise string) string {
	if s.Values.Has(name) {
		return s.Values.Get(name)
	}
	return otherwise
}

func (s *sheet) input(label, name, kind, otherwise string) field {
	return field{"input", web.Control{Label: label, Name: name, Type: kind, Value: s.value(name, otherwise), Err: s.Err, Required: true}}
}

func (s *sheet) area(label, name string) field {
	return field{"text", web.Control{Label: label, Name: name, Value: s.value(name, ""), Err: s.Err, Required: true, Rows: 3}}
}

func (s *sheet) choice(label, name string, options []web.Option) field {
	return field{"select", web.Control{Label: label, Name: name, Value: s.value(name, ""), Err: s.Err, Required: true, Empty: "请选择", Options: options}}
}

func (s *sheet) checks(label, name string, options []web.Option) field {
	return field{"checks", web.Control{Label: label, Name: name, Values: s.Values[name], Err: s.Err, Required: true, Options: options}}
}

func (s *sheet) on() field     { return s.input("自何日起", "on", "date", string(s.Todays)) }
func (s *sheet) reason() field { return s.area("原因和依据（会议、批准文件）", "reason") }

// members are the members of today as choices.
func (s *sheet) members(lead bool) []web.Option {
	var out []web.Option
	for _, m := range s.Roster {
		if lead || m.Role != alliance.Lead {
			out = append(out, web.Option{Value: m.Org, Text: m.OrgName, Note: m.Role.Title()})
		}
	}
	return out
}

// outside are the institutions that do not belong to the alliance.
func (s *sheet) outside() []web.Option {
	var out []web.Option
	for _, o := range s.Orgs {
		if !slices.ContainsFunc(s.Roster, func(m alliance.Membership) bool { return m.Org == o.ID }) {
			out = append(out, web.Option{Value: o.ID, Text: o.Name})
		}
	}
	return out
}

func (s *sheet) organs() []web.Option {
	var out []web.Option
	for _, o := range s.Organs {
		if o.Exists(s.Todays) {
			out = append(out, web.Option{Value: o.ID, Text: o.Title})
		}
	}
	return out
}

func codeOptions(list []policy.Code) []web.Option {
	return web.Choices(list, func(c policy.Code) (string, string) { return c.Code, c.Title })
}

// acts is everything that can be done on an alliance's page.
var acts = map[string]act{
	"join": {title: "成员加入", right: access.AllianceEdit, tab: "members", note: "紧密型医联体的成员同一时间只能属于一个；牌子按政策格式自动生成。",
		fields: func(s *sheet) []field {
			return []field{s.choice("机构", "org", s.outside()), s.choice("角色", "role", roleOptions()[:1]), s.on(), s.reason()}
		},
		run: func(c call) error {
			_, err := c.svc().Join(c.ctx, c.actor, alliance.Membership{Alliance: c.v.ID, Org: c.text("org"), Role: alliance.Role(c.text("role")), Plate: alliance.AutoPlate,
				Period: alliance.Period{ValidFrom: c.day("on"), Reason: c.text("reason")}})
			return err
		}},
	"leave": {title: "成员退出", right: access.AllianceEdit, tab: "members", danger: true,
		fields: func(s *sheet) []field {
			return []field{s.choice("机构", "org", s.members(false)), s.on(), s.reason()}
		},
		run: func(c call) error {
			return c.svc().Leave(c.ctx, c.actor, c.v.ID, c.text("org"), c.day("on"), c.text("reason"))
		}},
	"lead": {title: "变更牵头单位", right: access.AllianceEdit, tab: "members", danger: true, note: "原牵头单位转为成员单位。",
		fields: func(s *sheet) []field {
			return []field{s.choice("新牵头单位", "org", append(s.members(false), s.outside()...)), s.on(), s.reason()}
		},
		run: func(c call) error {
			return c.svc().ChangeLead(c.ctx, c.actor, c.v.ID, c.text("org"), c.day("on"), c.text("reason"))
		}},
	"adjust": {title: "年度调整", right: access.AllianceEdit, tab: "members", note: "按年度考核结果一次办完调出和调入（ZZ-2.1b），合并为一份备案。",
		fields: func(s *sheet) []field {
			return []field{s.input("考核年度", "year", "number", strconv.Itoa(s.Todays.Year())), s.checks("调出", "leave", s.members(false)), s.checks("调入", "join", s.outside()), s.on(), s.reason()}
		},
		run: func(c call) error {
			return c.svc().Adjust(c.ctx, c.actor, alliance.Adjustment{Alliance: c.v.ID, Year: c.number("year"), Leave: c.list("leave"), Join: c.list("join"), On: c.day("on"), Basis: c.text("reason")})
		}},
	"split": {title: "拆分医联体", right: access.AllianceEdit, tab: "members", danger: true, note: "选中的成员自该日起转入新医联体；此前的报表不变。",
		fields: func(s *sheet) []field {
			return []field{s.input("新医联体名称", "name", "text", ""), s.choice("新牵头单位", "lead", append(s.members(false), s.outside()...)), s.checks("转入的成员", "members", s.members(false)), s.on(), s.reason()}
		},
		run: func(c call) error {
			var members []string
			for _, id := range c.list("members") {
				if id != c.text("lead") {
					members = append(members, id)
				}
			}
			_, err := c.svc().Split(c.ctx, c.actor, c.v.ID, alliance.Formation{Name: c.text("name"), Kind: c.v.Kind, Region: c.v.Alliance.Region, Lead: c.text("lead"), Members: members, On: c.day("on"), Reason: c.text("reason")})
			return err
		}},
	"succeed": {title: "机构合并或拆分", right: access.AllianceOrder, tab: "members", danger: true,
		note: "机构自该日起由新机构接替，在它所属的全部医联体中一并办理；此前的成员关系和报表不变。合并后的机构可以是其中一家，也可以是新登记的机构。",
		fields: func(s *sheet) []field {
			return []field{s.choice("类型", "kind", []web.Option{{Value: string(alliance.Merge), Text: "合并"}, {Value: string(alliance.SplitOrgs), Text: "拆分"}}),
				s.checks("被合并或被拆分的机构", "from", s.members(true)), s.checks("合并或拆分后的机构", "into", append(s.members(true), s.outside()...)), s.on(), s.reason()}
		},
		run: func(c call) error {
			return c.svc().Succeed(c.ctx, c.actor, alliance.Succession{Kind: alliance.SuccessionKind(c.text("kind")), From: c.list("from"), Into: c.list("into"), On: c.day("on"), Reason: c.text("reason")})
		}},
	"claim": {title: "登记负责片区", right: access.AllianceEdit, tab: "members", note: "紧密型医联体分区包段（JS-2.1）：同一片区同一时间只归一个。网格布局施行时一并登记，这里用于补登。",
		fields: func(s *sheet) []field {
			return []field{s.choice("片区", "area", web.Choices(s.Towns, func(r region.Region) (string, string) { return r.Code, r.Name })), s.on(), s.reason()}
		},
		run: func(c call) error {
			return c.svc().Claim(c.ctx, c.actor, c.v.ID, c.text("area"), c.day("on"), c.text("reason"))
		}},
	"release": {title: "不再负责片区", right: access.AllianceEdit, tab: "members", danger: true,
		fields: func(s *sheet) []field {
			var held []web.Option
			for _, f := range s.Own {
				if f.Field == alliance.Area {
					held = append(held, web.Option{Value: f.Value, Text: region.NameOf(f.Value), Note: f.Span()})
				}
			}
			return []field{s.choice("片区", "area", held), s.on(), s.reason()}
		},
		run: func(c call) error {
			return c.svc().Release(c.ctx, c.actor, c.v.ID, c.text("area"), c.day("on"), c.text("reason"))
		}},
	"end": {title: "终止医联体", right: access.AllianceEdit, tab: "members", danger: true, note: "自该日起不能再办新的业务，已在办的按原规则办完。",
		fields: func(s *sheet) []field { return []field{s.on(), s.reason()} },
		run: func(c call) error {
			return c.svc().End(c.ctx, c.actor, c.v.ID, c.day("on"), c.text("reason"))
		}},
	"order": {title: "责令解散", right: access.AllianceOrder, tab: "members", danger: true, note: "严重违背规定的，责令牵头医院解散医联体（LL-4.5.1）。自该日起不能再办新的业务，已在办的按原规则办完。责任人一行一人，先写姓名，逗号后写单位和职务。",
		fields: func(s *sheet) []field {
			out := []field{s.on(), s.reason()}
			for _, d := range alliance.Duties() {
				f := s.area(d.Title(), string(d))
				f.Required, f.Hint = d != alliance.HeldToIt, "例如：张某，某某医院院长"
				out = append(out, f)
			}
			return out
		},
		run: func(c call) error {
			x := alliance.Dissolution{Alliance: c.v.ID, On: c.day("on"), Reason: c.text("reason")}
			for _, d := range alliance.Duties() {
				x.Liable = append(x.Liable, persons(d, c.text(string(d)))...)
			}
			return c.svc().Order(c.ctx, c.actor, x)
		}},
	"standing": {title: "登记法人和隶属", right: access.AllianceEdit, tab: "members", note: "法人资格和法定代表人是两个独立的事项，各有起止日期。",
		fields: func(s *sheet) []field {
			return []field{s.choice("机构", "org", s.members(true)), s.choice("事项", "field", web.TitledChoices([]alliance.Field{alliance.Representative, alliance.LegalPerson, alliance.Funding})),
				{"input", web.Control{Label: "内容", Name: "value", Value: s.value("value", ""), Err: s.Err, Required: true, Hint: "法定代表人填姓名；法人资格填“独立”或“并入”；经费渠道照文件填写"}}, s.input("依据（证书、批准文件）", "evidence", "text", ""), s.on()}
		},
		run: func(c call) error {
			value := c.text("value")
			if c.text("field") == string(alliance.LegalPerson) {
				value = map[string]string{"独立": alliance.Independent, "并入": alliance.Merged}[value]
			}
			return c.svc().SetStanding(c.ctx, c.actor, alliance.Fact{SubjectID: c.text("org"), Field: alliance.Field(c.text("field")), Value: value, Evidence: c.text("evidence"), Period: alliance.Period{ValidFrom: c.day("on")}})
		}},
	"share": {title: "统一更换法定代表人", right: access.AllianceEdit, tab: "members", note: "文件要求唯一法定代表人的医联体适用（SMX-4.1.3、JS-4.5.2）。",
		fields: func(s *sheet) []field {
			return []field{s.input("法定代表人", "value", "text", ""), s.input("依据（批准文件）", "evidence", "text", ""), s.on()}
		},
		run: func(c call) error {
			return c.svc().ShareRepresentative(c.ctx, c.actor, c.v.ID, c.text("value"), c.text("evidence"), c.day("on"))
		}},
	"document": {title: "登记制度文件", right: access.AllianceEdit, tab: "members",
		fields: func(s *sheet) []field {
			return []field{s.choice("文件", "code", codeOptions(s.Rules.Documents)), s.input("名称和文号", "value", "text", ""), s.on()}
		},
		run: func(c call) error {
			return c.svc().SetDocument(c.ctx, c.actor, c.v.ID, c.text("code"), c.text("value"), c.day("on"))
		}},
	"relate": {title: "登记协议和关系", right: access.AllianceEdit, tab: "relations", note: "托管（GB-2.5）、承接单位（ZZ-2.1c）、上级指导医院（LL-4.1）、省级医院联系城市（JS-4.1.1）。系统外的机构直接填名称。",
		fields: func(s *sheet) []field {
			optional := func(f field) field { f.Required = false; f.Empty = "不在系统内"; return f }
			var orgs []web.Option
			for _, o := range s.Orgs {
				orgs = append(orgs, web.Option{Value: o.ID, Text: o.Name})
			}
			return []field{s.choice("类型", "kind", web.TitledChoices(alliance.RelationKinds())), optional(s.choice("上级或托管方", "from", orgs)),
				{"input", web.Control{Label: "上级或托管方名称（系统外）", Name: "from_name", Value: s.value("from_name", ""), Err: s.Err}},
				optional(s.choice("下级或被托管方", "to", orgs)), optional(s.checks("负责的区域（承接单位和联系城市必选）", "area", web.Choices(s.Towns[1:], func(r region.Region) (string, string) { return r.Code, r.Name }))),
				{"input", web.Control{Label: "内容", Name: "terms", Value: s.value("terms", ""), Err: s.Err}}, s.input("协议或文件", "evidence", "text", ""), s.on()}
		},
		run: func(c call) error {
			return c.svc().Relate(c.ctx, c.actor, alliance.Relation{Kind: alliance.RelationKind(c.text("kind")), Alliance: c.v.ID, From: c.text("from"), FromName: c.text("from_name"), To: c.text("to"),
				Area: c.list("area"), Terms: c.text("terms"), Evidence: c.text("evidence"), Period: alliance.Period{ValidFrom: c.day("on"), Reason: c.text("evidence")}})
		}},
	"establish": {title: "设立治理机构", right: access.GovernanceEdit, tab: "organs",
		fields: func(s *sheet) []field {
			return []field{s.choice("机构", "code", codeOptions(s.Rules.Choices())), {"input", web.Control{Label: "名称（可不填）", Name: "title", Value: s.value("title", ""), Err: s.Err, Hint: "专业组请写明，例如“内科专业组”"}}, s.on(), s.input("设立的依据", "basis", "text", "")}
		},
		run: func(c call) error {
			_, err := c.governance().Establish(c.ctx, c.actor, governance.Organ{Alliance: c.v.ID, Code: c.text("code"), Title: c.text("title"), EstablishedOn: c.day("on"), Basis: c.text("basis")})
			return err
		}},
	"appoint": {title: "任命", right: access.GovernanceEdit, tab: "organs",
		fields: func(s *sheet) []field {
			return []field{s.choice("治理机构", "organ", s.organs()), s.choice("职务", "post", postOptions()), s.input("姓名", "name", "text", ""), s.choice("所在单位", "org", s.members(true)),
				s.input("单位职务", "position", "text", ""), s.input("自何日起", "from", "date", string(s.Todays)), s.input("任命的依据", "basis", "text", "")}
		},
		run: func(c call) error {
			_, err := c.governance().Appoint(c.ctx, c.actor, governance.Seat{Organ: c.text("organ"), Post: governance.Post(c.text("post")), Name: c.text("name"), Org: c.text("org"), Position: c.text("position"), From: c.day("from"), Basis: c.text("basis")})
			return err
		}},
	"dismiss": {title: "免职", right: access.GovernanceEdit, tab: "organs", danger: true,
		fields: func(s *sheet) []field {
			var seats []web.Option
			for _, o := range s.Organs {
				for _, x := range o.Seats {
					seats = append(seats, web.Option{Value: x.ID, Text: o.Title + " " + x.Post.Title(o.Code) + " " + x.Name})
				}
			}
			return []field{s.choice("职务", "seat", seats), s.input("最后一天", "to", "date", string(s.Todays))}
		},
		run: func(c call) error { return c.governance().Dismiss(c.ctx, c.actor, c.text("seat"), c.day("to")) }},
	"renew": {title: "换届", right: access.GovernanceEdit, tab: "organs",
		fields: func(s *sheet) []field {
			return []field{s.choice("治理机构", "organ", s.organs()), s.input("新一届自", "from", "date", string(s.Todays)), s.input("换届的依据", "basis", "text", "")}
		},
		run: func(c call) error {
			return c.governance().Renew(c.ctx, c.actor, c.text("organ"), c.day("from"), c.text("basis"))
		}},
	"meeting": {title: "登记会议和决议", right: access.GovernanceEdit, tab: "organs", note: "到会人数不足法定人数的，不能作出决议。决议可关联它所决定的变更。", fields: meetingFields, run: holdMeeting},
	"unify": {title: "登记统一管理", right: access.GovernanceEdit, tab: "plan",
		fields: func(s *sheet) []field {
			return []field{s.choice("事项", "code", codeOptions(s.Rules.Unified)), s.choice("程度", "state", web.TitledChoices([]governance.UnifiedState{governance.Wholly, governance.Partly, governance.NotUnified})),
				s.input("自何日起", "since", "date", string(s.Todays)), {"input", web.Control{Label: "依据（文件、账套、系统）", Name: "evidence", Value: s.value("evidence", ""), Err: s.Err}}}
		},
		run: func(c call) error {
			return c.governance().Unify(c.ctx, c.actor, governance.Unified{Alliance: c.v.ID, Code: c.text("code"), State: governance.UnifiedState(c.text("state")), Since: c.day("since"), Evidence: c.text("evidence")})
		}},
	"reach": {title: "登记阶段进展", right: access.GovernanceEdit, tab: "plan",
		fields: func(s *sheet) []field {
			var phases []web.Option
			for _, m := range s.Milestones {
				phases = append(phases, web.Option{Value: m.Clause + "/" + m.Name, Text: m.Name + "（" + m.Clause + "）"})
			}
			return []field{s.choice("阶段", "name", phases), s.choice("进展", "state", []web.Option{{Value: governance.Running, Text: "进行中"}, {Value: governance.Done, Text: "已完成"}}), s.on(), s.area("完成情况和依据", "evidence")}
		},
		run: func(c call) error {
			clause, name, _ := strings.Cut(c.text("name"), "/")
			return c.governance().Reach(c.ctx, c.actor, c.v.ID, clause, name, c.text("state"), c.text("evidence"), c.day("on"))
		}},
}

// persons reads one person a line: the name, then institution and post.
func persons(d alliance.Duty, text string) []alliance.Liable {
	var out []alliance.Liable
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		l := alliance.Liable{Duty: d, Name: line}
		if i := strings.IndexFunc(line, func(r rune) bool { return strings.ContainsRune("，,、 　", r) }); i > 0 {
			l.Name, l.Position = line[:i], strings.TrimLeft(line[i:], "，,、 　")
		}
		out = append(out, l)
	}
	return out
}

func (p *Pages) open(w http.ResponseWriter, r *http.Request) error {
	return p.renderAct(w, r, url.Values{}, nil)
}

func (p *Pages) renderAct(w http.ResponseWriter, r *http.Request, values url.Values, failed error) error {
	ctx := r.Context()
	a, ok := acts[r.PathValue("action")]
	if !ok {
		return errs.E(errs.NotFound, "没有这项操作")
	}
	v, err := p.load(r)
	if err != nil {
		return err
	}
	if !v.Rights[a.right] {
		return access.Require(v.Actor, a.right, access.Care) // says in words what is lacking
	}
	s := sheet{page2: v, Name: r.PathValue("action"), Act: a, Values: values, Err: failed}
	err = p.Alliances.DB.View(ctx, func(tx *db.Tx) (err error) {
		if s.Orgs, err = institutions(ctx, tx); err != nil {
			return err
		}
		here, err := region.Get(ctx, tx, v.Alliance.Region)
		if err != nil {
			return err
		}
		below, err := region.Children(ctx, tx, here.Code)
		s.Towns = append([]region.Region{here}, below...)
		return err
	})
	if err != nil {
		return err
	}
	s.Fields = a.fields(&s)
	return web.Render(w, r, web.Status(failed), actView(s))
}

// institutions are those that can lead or join.
func institutions(ctx context.Context, tx *db.Tx) ([]organization.Organization, error) {
	all, err := organization.List(ctx, tx, organization.Filter{})
	return slices.DeleteFunc(all, func(o organization.Organization) bool {
		return o.Kind == organization.VillageClinic || !o.Kind.Hospital() && !o.Kind.Primary()
	}), err
}

func (p *Pages) act(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	a, ok := acts[r.PathValue("action")]
	if !ok {
		return errs.E(errs.NotFound, "没有这项操作")
	}
	v, err := p.load(r)
	if err != nil {
		return err
	}
	err = a.run(call{p, r.Context(), v.Actor, v, r.PostForm})
	if errs.Is(err, errs.NotFound) { // nothing was chosen, or what was chosen is gone
		err = errs.Because(err, errs.Invalid, "请先选择：%s", err.Error())
	}
	if errs.Correctable(err) {
		return p.renderAct(w, r, r.PostForm, err)
	}
	if err != nil {
		return err
	}
	web.Changed(w, "alliance todo")
	web.Flash(w, r, web.Good, a.title+"已登记")
	return web.Redirect(w, r, "/alliances/"+v.ID+"?tab="+a.tab)
}

// founding is the form of a new alliance.
type founding struct {
	Form    alliance.Formation
	Kinds   []web.Option
	Regions []web.Option
	Orgs    []organization.Organization
	Err     error
}

func (p *Pages) newAlliance(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	x := founding{Form: alliance.Formation{On: calendar.DateOf(p.Alliances.DB.Now())}}
	if access.May(actor, access.AllianceEdit, access.Own) {
		x.Form.Lead = actor.Org
	}
	return p.renderNew(w, r, x)
}

func (p *Pages) renderNew(w http.ResponseWriter, r *http.Request, x founding) error {
	ctx, actor := r.Context(), access.ActorOf(r.Context())
	if !access.Has(access.Role(actor.Role), access.AllianceEdit) {
		return access.Require(actor, access.AllianceEdit, access.Any)
	}
	err := p.Alliances.DB.View(ctx, func(tx *db.Tx) error {
		var err error
		if x.Orgs, err = institutions(ctx, tx); err != nil {
			return err
		}
		if actor.Org == "" {
			return nil
		}
		line, err := organization.Chain(ctx, tx, actor.Org)
		if err != nil {
			return err
		}
		titles := alliance.KindTitles(p.Alliances.Book, policy.Place{Regions: line}, calendar.DateOf(tx.Now))
		for _, k := range alliance.Kinds() {
			x.Kinds = append(x.Kinds, web.Option{Value: string(k), Text: titles[k]})
		}
		for _, code := range line {
			here, err := region.Get(ctx, tx, code)
			if err != nil {
				return err
			}
			if here.Level != region.County && here.Level != region.City && here.Level != region.Province {
				continue
			}
			x.Regions = append(x.Regions, web.Option{Value: code, Text: here.Name, Note: here.Level.Title()})
			if x.Form.Region == "" {
				x.Form.Region = code
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(x.Err), newView(x))
}

func (p *Pages) form(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	f := alliance.Formation{Name: web.Typed(r, "name"), Kind: alliance.Kind(r.FormValue("kind")), Region: r.FormValue("region"), Lead: r.FormValue("lead"),
		Members: r.PostForm["members"], On: calendar.Date(web.Typed(r, "on")), Reason: web.Typed(r, "reason")}
	a, err := p.Alliances.Form(r.Context(), access.ActorOf(r.Context()), f)
	if errs.Is(err, errs.Invalid) {
		return p.renderNew(w, r, founding{Form: f, Err: err})
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "“"+a.Name+"”已登记组建，备案任务已建立")
	return web.Redirect(w, r, "/alliances/"+a.ID+"?tab=filings")
}
