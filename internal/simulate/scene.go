package simulate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/app"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/organization"
	"yilian/internal/people"
	"yilian/internal/region"
)

// Regions are what a demo can show, by the id of their profile.
func Regions() []string { return []string{"lingling", "zhengzhou", "jiangsu"} }

// A scene is where a demo plays: a county with its people, inside the region of
// a document. The parts that institutions play are named after who plays them
// in Lingling: fourth is the county's general hospital, shuikou the centre that
// sends most.
type scene struct {
	region  string            // profile id
	county  string            // region code of the county where residents live
	cast    map[string]string // part → the institution that plays it; none in Lingling, where all play themselves
	areas   string            // telephone area code and first digits
	head    string            // who heads the county's government
	offices []signing         // offices of the document's own alliances
	members []joining         // members of the document's own alliances
	street  []string          // districts of whose streets some community centres are in the demo
	outside []encounter.Outside
}

// signing is a sign-in beyond the parts.
type signing struct{ login, org string }

// joining are the members of the alliances whose name holds a word.
type joining struct {
	word    string
	members []string
}

func sceneOf(id string) (scene, error) {
	switch id {
	case "lingling":
		return scene{region: id, county: region.Lingling, outside: []encounter.Outside{
			{Code: "H43010000012", Name: "中南大学湘雅医院", Region: "430100"}, {Code: "H43110000101", Name: "永州市中心医院", Region: "431103"},
			{Code: "H45030000033", Name: "桂林医学院附属医院", Region: "450300"}}}, nil
	case "zhengzhou":
		return zhengzhou(), nil
	case "jiangsu":
		return jiangsu(), nil
	}
	return scene{}, fmt.Errorf("no demo plays in %s", id)
}

// zhengzhou plays in 中牟县: the document leaves it to each county to form its
// own community (ZZ-2.3). The three comprehensive alliances have community
// centres of three districts, the seven specialty ones the county's hospitals.
func zhengzhou() scene {
	hospital, women := "中牟县人民医院", "中牟县妇幼保健院"
	return scene{
		region: "zhengzhou", county: "410122", areas: "0371-6218", head: "县长", street: []string{"410102", "410104", "410105"},
		cast: map[string]string{
			fourth: hospital, tcm: "中牟县中医院", maternal: women, shuikou: "韩寺镇卫生院", zhushan: "官渡镇卫生院",
			district: "中牟县卫生健康委员会", city: "郑州市卫生和计划生育委员会", province: "河南省卫生健康委员会", fund: "中牟县医疗保障局",
		},
		offices: []signing{{"zhongxin", "郑州市中心医院"}},
		members: []joining{
			{"郑州市中心医院", []string{"@410102"}}, {"郑州市第一人民医院", []string{"@410104"}}, {"郑州人民医院", []string{"@410105"}},
			{"妇幼", []string{women}}, {"儿科", []string{hospital, women}}, {"心血管病", []string{hospital}}, {"骨科", []string{hospital, "中牟县中医院"}},
			{"老年病", []string{hospital}}, {"眼科", []string{hospital}}, {"传染病", []string{hospital}},
		},
		outside: []encounter.Outside{{Code: "H41010000012", Name: "郑州大学第一附属医院", Region: "410100"}, {Code: "H41010000033", Name: "河南省人民医院", Region: "410100"}},
	}
}

// jiangsu plays in 溧阳市, a county of 常州: one of 13 cities, each in touch with
// one of the six provincial hospitals.
func jiangsu() scene {
	hospital, women := "溧阳市人民医院", "溧阳市妇幼保健院"
	return scene{
		region: "jiangsu", county: "320481", areas: "0519-8726", head: "市长",
		cast: map[string]string{
			fourth: hospital, tcm: "溧阳市中医医院", maternal: women, shuikou: "埭头镇卫生院", zhushan: "上黄镇卫生院",
			district: "溧阳市卫生健康局", city: "常州市卫生健康委员会", province: "江苏省卫生健康委员会", fund: "溧阳市医疗保障局",
		},
		offices: []signing{{"shengren", "江苏省人民医院"}},
		members: []joining{
			{"高危孕产妇", []string{women, "南京市第一医院"}}, {"新生儿", []string{women, "无锡市人民医院"}}, {"儿科", []string{women, "苏州大学附属第一医院"}},
			{"救治联盟", []string{hospital, "无锡市人民医院", "南京市第一医院"}}, {"肿瘤", []string{hospital, "南通大学附属医院"}}, {"康复", []string{hospital, "溧阳市中医医院"}},
			{"", []string{"无锡市人民医院", "南通大学附属医院", "徐州医科大学附属医院"}},
		},
		outside: []encounter.Outside{{Code: "H32010000012", Name: "江苏省人民医院", Region: "320100"}, {Code: "H32040000033", Name: "常州市第一人民医院", Region: "320400"}},
	}
}

// name is who plays a part.
func (sc scene) name(part string) string {
	if n := sc.cast[part]; n != "" {
		return n
	}
	return part
}

// part is the part that an institution plays; its own name when it plays none.
func (sc scene) part(name string) string {
	for part, n := range sc.cast {
		if n == name {
			return part
		}
	}
	return name
}

// build enters the institutions of the county and the members of the document's
// alliances, which were there before the platform.
func (s *simulation) build(ctx context.Context) error {
	if s.scene.cast == nil {
		return nil // the reference data of Lingling has everything
	}
	centres := map[string][]string{}
	err := s.app.DB.Tx(ctx, func(tx *db.Tx) error {
		list, err := s.scene.institutions(ctx, tx, centres)
		if err != nil {
			return err
		}
		like := map[string]string{}
		for _, part := range []string{fourth, tcm, maternal} {
			like[s.scene.name(part)] = part
		}
		if err := organization.SeedAt(ctx, tx, s.scene.county, list, like); err != nil {
			return err
		}
		clinics, err := s.scene.clinics(ctx, tx)
		if err != nil {
			return err
		}
		return organization.SeedAt(ctx, tx, s.scene.county, clinics, nil)
	})
	if err != nil {
		return err
	}
	return s.join(ctx, centres)
}

// institutions are those above the villages; centres gathers the community
// centres of a district under "@" and its code.
func (sc scene) institutions(ctx context.Context, tx *db.Tx, centres map[string][]string) ([]organization.Organization, error) {
	county, err := region.Get(ctx, tx, sc.county)
	if err != nil {
		return nil, err
	}
	var list []organization.Organization
	add := func(name string, kind organization.Kind, level, code string) {
		list = append(list, organization.Organization{Name: name, Kind: kind, Level: level, Ownership: organization.Public, Region: code, Active: true,
			ReferralPhone: fmt.Sprintf("%s%04d", sc.areas, 1001+len(list)), Address: region.FullName(county.Code)})
	}
	add(sc.name(province), organization.Bureau, organization.Ungraded, county.Code[:2])
	cities, err := region.Children(ctx, tx, county.Code[:2])
	if err != nil {
		return nil, err
	}
	for _, c := range cities {
		switch {
		case county.Code[:4] == c.Code:
			add(sc.name(city), organization.Bureau, organization.Ungraded, c.Code)
		case sc.region == "jiangsu": // the province's document speaks to all of them
			add(c.Name+"卫生健康委员会", organization.Bureau, organization.Ungraded, c.Code)
		}
	}
	add(sc.name(district), organization.Bureau, organization.Ungraded, county.Code)
	add(sc.name(fund), organization.Insurer, organization.Ungraded, county.Code)
	add(sc.name(fourth), organization.CountyHospital, "二级甲等", county.Code)
	add(sc.name(tcm), organization.TCMHospital, "二级甲等", county.Code)
	add(sc.name(maternal), organization.MaternalHospital, "二级甲等", county.Code)
	for _, code := range append([]string{county.Code}, sc.street...) {
		towns, err := region.Children(ctx, tx, code)
		if err != nil {
			return nil, err
		}
		for i, t := range towns {
			name, kind := t.Name+"卫生院", organization.TownshipCenter
			switch {
			case strings.HasSuffix(t.Name, "街道"):
				name, kind = t.Name+"社区卫生服务中心", organization.CommunityCenter
			case !strings.HasSuffix(t.Name, "镇") && !strings.HasSuffix(t.Name, "乡"):
				continue // a prison or a development zone
			}
			if code != county.Code && (kind != organization.CommunityCenter || i >= 5) {
				continue
			}
			add(name, kind, "一级甲等", t.Code)
			if code != county.Code {
				centres["@"+code] = append(centres["@"+code], name)
			}
		}
	}
	return list, nil
}

// clinics give every second village of the county's towns a clinic; where the
// villages are not known, each town has one.
func (sc scene) clinics(ctx context.Context, tx *db.Tx) ([]organization.Organization, error) {
	all, err := organization.List(ctx, tx, organization.Filter{Kind: organization.TownshipCenter, Region: sc.county})
	if err != nil {
		return nil, err
	}
	var list []organization.Organization
	for _, centre := range all {
		town, err := region.Get(ctx, tx, centre.Region)
		if err != nil {
			return nil, err
		}
		villages, err := region.Children(ctx, tx, centre.Region)
		if err != nil {
			return nil, err
		}
		if len(villages) == 0 {
			villages = []region.Region{{Code: town.Code, Name: "中心村"}}
		}
		for i, v := range villages {
			if i%2 == 1 {
				continue
			}
			short := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(v.Name, "民委员会"), "委会"), "居")
			list = append(list, organization.Organization{Name: town.Name + short + "卫生室", ShortName: short + "卫生室", Kind: organization.VillageClinic,
				Level: organization.Ungraded, Ownership: organization.Public, Region: v.Code, Parent: centre.ID, ReferralPhone: centre.ReferralPhone, Active: true})
		}
	}
	return list, nil
}

// join gives the document's alliances their members. They joined before the
// platform began, so nothing is filed.
func (s *simulation) join(ctx context.Context, centres map[string][]string) error {
	quiet := *s.app.Alliances
	quiet.OnChange = nil
	admin := access.Actor{Name: "演示数据", Role: string(access.SystemAdmin)}
	p, _ := s.app.Book.Profile(s.scene.region)
	all, err := db.Read(ctx, s.app.DB, func(ctx context.Context, tx *db.Tx, _ string) ([]alliance.Alliance, error) {
		return alliance.List(ctx, tx)
	}, "")
	if err != nil {
		return err
	}
	for _, a := range all {
		i := slices.IndexFunc(s.scene.members, func(j joining) bool { return strings.Contains(a.Name, j.word) })
		if i < 0 {
			continue
		}
		for _, name := range s.scene.members[i].members {
			names := []string{name}
			if list, ok := centres[name]; ok {
				names = list
			}
			for _, n := range names {
				o, err := db.Read(ctx, s.app.DB, organization.ByName, n)
				if err != nil {
					return err
				}
				m := alliance.Membership{Alliance: a.ID, Org: o.ID, Role: alliance.Member, Clause: a.Clause, Period: alliance.Period{ValidFrom: p.ValidFrom, Reason: "平台启用前已加入"}}
				if lead, err := s.leadOf(ctx, a.ID); err != nil || lead.ID == o.ID {
					if err != nil {
						return err
					}
					continue
				}
				if _, err := quiet.Join(ctx, admin, m); err != nil {
					return fmt.Errorf("%s joins %s: %w", n, a.Name, err)
				}
			}
		}
	}
	return nil
}

func (s *simulation) leadOf(ctx context.Context, id string) (o organization.Organization, err error) {
	err = s.app.DB.View(ctx, func(tx *db.Tx) (err error) {
		o, err = alliance.LeadOn(ctx, tx, id, calendar.DateOf(s.now))
		return err
	})
	return o, err
}

// homes is where the residents live: the villages, or the towns, that a centre
// of the county serves.
func (s *simulation) homes(ctx context.Context) (people.Place, error) {
	at := people.Place{County: s.scene.county}
	err := s.app.DB.View(ctx, func(tx *db.Tx) error {
		for _, name := range s.staff.centres() {
			o := s.staff.orgs[name]
			urban := o.Kind == organization.CommunityCenter
			villages, err := region.Children(ctx, tx, o.Region)
			if err != nil {
				return err
			}
			if len(villages) == 0 {
				at.Homes = append(at.Homes, people.Home{Code: o.Region, Urban: urban})
			}
			for _, v := range villages {
				at.Homes = append(at.Homes, people.Home{Code: v.Code, Urban: urban})
			}
		}
		return nil
	})
	return at, err
}

// Config is the configuration of a demo of a region that begins now.
func Config(cfg app.Config, id string, now time.Time) app.Config {
	cfg.Demo, cfg.Region, cfg.Founded = true, id, Founded(now)
	return cfg
}
