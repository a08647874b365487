package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/charter"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/filing"
	"yilian/internal/governance"
	"yilian/internal/grid"
	"yilian/internal/grid/report"
	"yilian/internal/policy"
	"yilian/internal/policy/policyweb"
	"yilian/internal/region"
)

// counts are the running counts in words of clauses that ask people to do
// something and name no number.
func (a *App) counts() map[string]policyweb.Count {
	all := map[string]policyweb.Count{
		"LL-4.2": countSupports, "LL-4.3.1": countStanding, "GB-5.1": countStanding, "GB-3.1": countCharters, "JS-5.3": countFilings, "LL-4.5.1": countEnded,
		"LL-5": a.countPhases, "SMX-5": a.countPhases, "SMX-4.1.3": a.countUnified, "ZZ-3.1": a.countDocuments, "JS-4.1.2": countExemptions, "LL-6": a.countSteering,
	}
	for kind, clauses := range map[alliance.Kind]string{
		alliance.MedicalGroup: "GB-2.1 ZZ-2.1a JS-4.1.3", alliance.CountyCommunity: "GB-2.2 ZZ-2.3 JS-4.1.4 SMX-4.1.1", alliance.SpecialtyAlliance: "GB-2.3 ZZ-2.2 JS-4.3 JS-A2",
		alliance.TelemedicineNetwork: "GB-2.4 ZZ-2.5", alliance.TCMAlliance: "ZZ-2.4",
	} {
		for id := range strings.FieldsSeq(clauses) {
			all[id] = countKind(kind)
		}
	}
	for kind, clauses := range map[alliance.RelationKind]string{
		alliance.Trust: "GB-2.5 ZZ-2.5b", alliance.LinkArea: "ZZ-2.1c", alliance.Guidance: "LL-4.1", alliance.Contact: "JS-4.1.1",
	} {
		for id := range strings.FieldsSeq(clauses) {
			all[id] = countRelations(kind)
		}
	}
	for kind, clauses := range map[alliance.Kind]string{
		alliance.MedicalGroup: "JS-4.5.1", alliance.CountyCommunity: "JS-4.5.2 SMX-4.1.2 JS-A3", alliance.SpecialtyAlliance: "JS-4.5.3", alliance.TelemedicineNetwork: "JS-4.5.4", "": "LL-4.3.2 LL-4.3.3",
	} {
		for id := range strings.FieldsSeq(clauses) {
			all[id] = a.countOrgans(kind)
		}
	}
	return all
}

// inRegion are the alliances that serve a region or a part of it on a day.
func inRegion(ctx context.Context, tx *db.Tx, code string, day calendar.Date, kind alliance.Kind) ([]alliance.Alliance, map[string][]alliance.Membership, error) {
	list, err := alliance.List(ctx, tx)
	if err != nil {
		return nil, nil, err
	}
	all, err := alliance.AllOn(ctx, tx, day, tx.Now)
	if err != nil {
		return nil, nil, err
	}
	members := map[string][]alliance.Membership{}
	for _, m := range all {
		members[m.Alliance] = append(members[m.Alliance], m)
	}
	return slices.DeleteFunc(list, func(a alliance.Alliance) bool {
		return code != region.CN && !strings.HasPrefix(a.Region, code) || kind != "" && a.Kind != kind || len(members[a.ID]) == 0
	}), members, nil
}

func countKind(kind alliance.Kind) policyweb.Count {
	return func(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (string, string, error) {
		list, members, err := inRegion(ctx, tx, code, day, kind)
		n := 0
		for _, a := range list {
			n += len(members[a.ID])
		}
		return fmt.Sprintf("%s %d 个，成员 %d 家", kind.Title(), len(list), n), "/alliances", err
	}
}

func countRelations(kind alliance.RelationKind) policyweb.Count {
	return func(ctx context.Context, tx *db.Tx, _ string, day calendar.Date) (string, string, error) {
		all, err := alliance.RelationsOn(ctx, tx, "", day, tx.Now)
		n, places := 0, 0
		for _, r := range all {
			if r.Kind == kind {
				n++
				places += len(r.Area)
			}
		}
		text := fmt.Sprintf("%s %d 项", kind.Title(), n)
		if places > 0 {
			text += fmt.Sprintf("，涉及 %d 个地区", places)
		}
		return text, "/alliances", err
	}
}

func countSupports(ctx context.Context, tx *db.Tx, _ string, day calendar.Date) (string, string, error) {
	pairs, err := db.Count(ctx, tx, `
		SELECT count(*) FROM alliance_support WHERE known_to IS NULL AND valid_from <= $1 AND (valid_to IS NULL OR valid_to >= $1)`, string(day))
	return fmt.Sprintf("对口建设 %d 对", pairs), "/alliance", err
}

// countStanding counts the members whose legal representative is recorded.
func countStanding(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (string, string, error) {
	list, members, err := inRegion(ctx, tx, code, day, "")
	seen, known := map[string]bool{}, 0
	for _, a := range list {
		for _, m := range members[a.ID] {
			if seen[m.Org] {
				continue
			}
			seen[m.Org] = true
			facts, err := alliance.FactsOn(ctx, tx, m.Org, day, tx.Now)
			if err != nil {
				return "", "", err
			}
			if slices.ContainsFunc(facts, func(f alliance.Fact) bool { return f.Field == alliance.Representative }) {
				known++
			}
		}
	}
	return fmt.Sprintf("成员 %d 家，已登记法定代表人 %d 家", len(seen), known), "/alliances", err
}

func countCharters(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (string, string, error) {
	list, _, err := inRegion(ctx, tx, code, day, "")
	if err != nil {
		return "", "", err
	}
	n := 0
	for _, a := range list {
		if _, ok, err := charter.Current(ctx, tx, a.ID); err != nil {
			return "", "", err
		} else if ok {
			n++
		}
	}
	return fmt.Sprintf("%d 个医联体，%d 个有现行章程", len(list), n), "/alliances", nil
}

func countFilings(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (string, string, error) {
	list, _, err := inRegion(ctx, tx, code, day, "")
	if err != nil {
		return "", "", err
	}
	valid, open := 0, 0
	for _, a := range list {
		all, err := filing.Of(ctx, tx, a.ID)
		if err != nil {
			return "", "", err
		}
		if _, ok := filing.Valid(all); ok {
			valid++
		}
		for _, f := range all {
			if f.State == "open" {
				open++
			}
		}
	}
	return fmt.Sprintf("%d 个医联体，备案有效 %d 个，办理中 %d 件", len(list), valid, open), "/filings", nil
}

func countEnded(ctx context.Context, tx *db.Tx, code string, _ calendar.Date) (string, string, error) {
	list, err := alliance.List(ctx, tx)
	if err != nil {
		return "", "", err
	}
	n := 0
	for _, a := range list {
		end, err := alliance.EndedOn(ctx, tx, a.ID, tx.Now)
		if err != nil {
			return "", "", err
		}
		if end != "" && strings.HasPrefix(a.Region, code) {
			n++
		}
	}
	return fmt.Sprintf("已终止的医联体 %d 个", n), "/alliances", nil
}

func countExemptions(ctx context.Context, tx *db.Tx, _ string, _ calendar.Date) (string, string, error) {
	n, err := db.Count(ctx, tx, `SELECT count(*) FROM exemption`)
	if err != nil {
		return "", "", err
	}
	approved, err := db.Count(ctx, tx, `SELECT count(*) FROM exemption WHERE approved`)
	return fmt.Sprintf("例外登记 %d 件，市、省均同意 %d 件", n, approved), "/exemptions", err
}

func (a *App) countOrgans(kind alliance.Kind) policyweb.Count {
	return func(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (string, string, error) {
		list, members, err := inRegion(ctx, tx, code, day, kind)
		if err != nil {
			return "", "", err
		}
		complete, gaps := 0, 0
		for _, x := range list {
			at, err := alliance.Place(ctx, tx, x)
			if err != nil {
				return "", "", err
			}
			organs, err := governance.Organs(ctx, tx, x.ID, day)
			if err != nil {
				return "", "", err
			}
			n := len(governance.RulesAt(a.Book, at, day).Gaps(organs, members[x.ID], day))
			gaps += n
			if n == 0 {
				complete++
			}
		}
		title := "医联体"
		if kind != "" {
			title = kind.Title()
		}
		return fmt.Sprintf("%s %d 个，治理机构齐全 %d 个，缺 %d 项", title, len(list), complete, gaps), "/alliances", nil
	}
}

func (a *App) countUnified(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (string, string, error) {
	list, _, err := inRegion(ctx, tx, code, day, alliance.CountyCommunity)
	if err != nil {
		return "", "", err
	}
	halves, of := 0, 0
	for _, x := range list {
		rules, err := a.Alliances.Rules(ctx, tx, x, day)
		if err != nil {
			return "", "", err
		}
		rows, err := governance.UnifiedNow(ctx, tx, x.ID)
		if err != nil {
			return "", "", err
		}
		h, o := governance.Score(rules.Unified, rows)
		halves, of = halves+h, of+o
	}
	return fmt.Sprintf("医共体 %d 个，统一管理得分 %d / %d（统一 2 分、部分 1 分）", len(list), halves, of), "/alliances", nil
}

func (a *App) countDocuments(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (string, string, error) {
	list, _, err := inRegion(ctx, tx, code, day, "")
	if err != nil {
		return "", "", err
	}
	have, want := 0, 0
	for _, x := range list {
		rules, err := a.Alliances.Rules(ctx, tx, x, day)
		if err != nil {
			return "", "", err
		}
		facts, err := alliance.FactsOn(ctx, tx, x.ID, day, tx.Now)
		if err != nil {
			return "", "", err
		}
		for _, d := range rules.Documents {
			want++
			if slices.ContainsFunc(facts, func(f alliance.Fact) bool { return f.Field == alliance.Document(d.Code) }) {
				have++
			}
		}
	}
	return fmt.Sprintf("%d 个医联体应有制度文件 %d 份，已登记 %d 份", len(list), want, have), "/alliances", nil
}

func (a *App) countPhases(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (string, string, error) {
	list, _, err := inRegion(ctx, tx, code, day, "")
	if err != nil {
		return "", "", err
	}
	done, all := 0, 0
	for _, x := range list {
		phases, err := a.Governance.Milestones(ctx, tx, x)
		if err != nil {
			return "", "", err
		}
		for _, m := range phases {
			all++
			if m.State == governance.Done {
				done++
			}
		}
	}
	return fmt.Sprintf("%d 个医联体的阶段任务 %d 项，已完成 %d 项", len(list), all, done), "/alliances", nil
}

func (a *App) countSteering(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (string, string, error) {
	groups, err := a.Steering.Of(ctx, tx, code, day)
	if err != nil {
		return "", "", err
	}
	there, last := 0, calendar.Date("")
	for _, g := range groups {
		if g.ID != "" {
			there++
		}
		last = max(last, g.LastMeeting())
	}
	met := "还没有登记会议"
	if last != "" {
		met = "最近一次会议 " + string(last)
	}
	return fmt.Sprintf("文件设立 %d 个，已登记成立 %d 个，%s", len(groups), there, met), "/steering", nil
}

// gridCoverage is the share of the towns of a region that lie in a cell of a
// layout in force, with an alliance that answers for it (JS-3a).
func (a *App) gridCoverage(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (policy.Figure, error) {
	units, err := planned(ctx, tx, code)
	if err != nil {
		return policy.Figure{}, err
	}
	var pieces, covered int64
	for unit, towns := range units {
		l, err := grid.On(ctx, tx, unit, day, tx.Now)
		if errs.Is(err, errs.NotFound) {
			pieces += int64(towns)
			continue
		}
		if err != nil {
			return policy.Figure{}, err
		}
		u, err := grid.Open(ctx, tx, unit)
		if err != nil {
			return policy.Figure{}, err
		}
		c, err := a.Grids.Check(ctx, tx, u, l, day, tx.Now)
		if err != nil {
			return policy.Figure{}, err
		}
		pieces, covered = pieces+int64(c.Pieces), covered+int64(c.Covered)
	}
	f := policy.Share(covered, pieces, "本地区没有登记乡镇、街道")
	f.AsOf, f.Page = day, "/grid"
	return f, nil
}

// gridFiled is the share of cities whose every planning unit has a layout in
// force that the province has on file (JS-5.1).
func gridFiled(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (policy.Figure, error) {
	units, err := planned(ctx, tx, code)
	if err != nil {
		return policy.Figure{}, err
	}
	filed := map[string]bool{}
	for unit := range units {
		city := unit[:4]
		if _, seen := filed[city]; !seen {
			filed[city] = true
		}
		l, err := grid.On(ctx, tx, unit, day, tx.Now)
		if errs.Is(err, errs.NotFound) {
			filed[city] = false
			continue
		}
		if err != nil {
			return policy.Figure{}, err
		}
		r, ok, err := report.Of(ctx, tx, l.ID)
		if err != nil {
			return policy.Figure{}, err
		}
		filed[city] = filed[city] && ok && !r.FiledAt.IsZero()
	}
	var n int64
	for _, ok := range filed {
		if ok {
			n++
		}
	}
	f := policy.Share(n, int64(len(filed)), "本地区没有登记乡镇、街道")
	f.AsOf, f.Page = day, "/grid"
	return f, nil
}

// ownPlan tells whether every county, or every province, of a region has a
// document of its own loaded: its plan with goals and dates (ZZ-4.1, GB-6.1).
func (a *App) ownPlan(level region.Level) policyweb.Measure {
	return func(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (policy.Figure, error) {
		f := policy.Figure{AsOf: day, Page: "/policy/packages"}
		under := code
		if under == region.CN {
			under = ""
		}
		places, err := region.AtLevel(ctx, tx, level, under)
		if err != nil {
			return f, err
		}
		for _, r := range places {
			f.Den++
			if slices.ContainsFunc(a.Book.Profiles(), func(p policy.Profile) bool { return p.Jurisdiction == r.Code }) {
				f.Num++
			}
		}
		switch {
		case f.Den == 0:
			f.Reason = "本地区没有登记这一级行政区划"
		case f.Num == f.Den:
			f.Value = 1
		}
		return f, nil
	}
}

// planned are the counties and districts of a region with how many towns each
// has in the register; those without any are served by another installation.
func planned(ctx context.Context, tx *db.Tx, code string) (map[string]int, error) {
	under := code
	if under == region.CN {
		under = ""
	}
	towns, err := region.AtLevel(ctx, tx, region.Town, under)
	units := map[string]int{}
	for _, t := range towns {
		units[t.Parent]++
	}
	return units, err
}
