package gridweb

import (
	"fmt"
	"strconv"
	"strings"

	"yilian/internal/flow"
	"yilian/internal/grid"
	"yilian/internal/grid/partition"
	"yilian/internal/grid/report"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/web"
)

func emptyLayout() grid.Layout { return grid.Layout{} }

// share is the coverage in percent; without pieces nothing can be said.
func share(c grid.Coverage) string {
	if c.Pieces == 0 {
		return "无法计算"
	}
	return percent(float64(c.Covered) / float64(c.Pieces))
}

func good(ok bool) web.Tone {
	if ok {
		return web.Good
	}
	return web.Bad
}

func worse(d float64) string {
	switch {
	case d > 5e-4:
		return "text-danger"
	case d < -5e-4:
		return "text-success"
	}
	return ""
}

// people writes a number of persons with a mark for thousands.
func people(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func estimatedNote(yes bool) string {
	if yes {
		return "含估计值"
	}
	return ""
}

func peopleLine(u grid.Unit) string {
	n, estimated := u.People()
	if n == 0 {
		return fmt.Sprintf("%d 个乡镇（街道），人口未知", len(u.Towns))
	}
	text := fmt.Sprintf("%d 个乡镇（街道），%s 人", len(u.Towns), people(n))
	if estimated {
		text += "（估计）"
	}
	return text
}

func source(a grid.Area) string {
	if a.Year == 0 {
		return "没有数据，请登记"
	}
	return fmt.Sprintf("%d 年，%s", a.Year, a.Source)
}

func stateTone(s grid.State) web.Tone {
	switch s {
	case grid.Draft:
		return web.Warn
	case grid.Adopted:
		return web.Good
	}
	return web.Neutral
}

func origin(l grid.Layout) string {
	switch l.Origin {
	case grid.ByCopy:
		return "由其他布局复制"
	case grid.ByProposal:
		return "由计算方案生成"
	}
	return "手工编制"
}

func runLine(r grid.Run) string {
	rules := "连片"
	if !r.Contiguous {
		rules = "允许不连片"
	}
	return fmt.Sprintf("由计算方案“%s”生成：权重 均衡 %.0f%%、路程 %.0f%%、沿用 %.0f%%，%s，种子 %d；生成时距理论最优不超过 %.1f%%",
		r.Title, 100*r.Weights["balance"], 100*r.Weights["travel"], 100*r.Weights["continuity"], rules, r.Seed, 100*r.Gap)
}

// distance is a mean distance: kilometres with real boundaries, tiles without.
func distance(u grid.Unit, d float64) string {
	if u.Drawn {
		return fmt.Sprintf("%.1f 公里", d)
	}
	return fmt.Sprintf("%.1f 格（示意）", d)
}

func names(list []organization.Organization) string {
	out := make([]string, len(list))
	for i, o := range list {
		out[i] = o.Short()
	}
	return strings.Join(out, "、")
}

func copyOptions(list []grid.Layout) []web.Option {
	return web.Choices(list, func(l grid.Layout) (string, string) { return l.ID, l.Name + "（" + l.State.Title() + "）" })
}

func cellOptions(l grid.Layout) []web.Option {
	return web.Choices(l.Cells, func(c grid.Cell) (string, string) { return c.ID, c.Name })
}

func leadOptions(list []organization.Organization) []web.Option {
	return web.Choices(list, func(o organization.Organization) (string, string) { return o.ID, o.Name })
}

// townOptions are the towns with the cell they lie in behind the name.
func townOptions(u grid.Unit, l grid.Layout) []web.Option {
	out := make([]web.Option, len(u.Towns))
	for i, t := range u.Towns {
		out[i] = web.Option{Value: t.Code, Text: t.Name, Note: "未划入"}
		var in []string
		for _, c := range l.Holder(t.Code, "") {
			in = append(in, c.Name)
		}
		if len(in) > 0 {
			out[i].Note = strings.Join(in, "、")
		}
	}
	return out
}

func villageOptions(u grid.Unit) []web.Option {
	var out []web.Option
	for _, t := range u.Towns {
		for _, v := range u.Villages[t.Code] {
			out = append(out, web.Option{Value: v.Code, Text: t.Name + " " + v.Name})
		}
	}
	return out
}

func lineY(t tile, i int, size int64) int64 {
	rows := len(t.Lines)
	if t.People != "" {
		rows++
	}
	return t.Y + size/3 + int64(2*i-rows+1)*size*11/20
}

func breach(p partition.Problem, l grid.Layout, b partition.Breach) string {
	name := p.Leads[b.Lead].Name
	if b.Lead < len(l.Cells) {
		name = l.Cells[b.Lead].Name
	}
	if b.Seat {
		return "“" + name + "”的牵头医院所在的" + p.Names(b.Areas) + "不再归它"
	}
	return "“" + name + "”将不连片：" + p.Names(b.Areas) + "与其余部分不相邻"
}

func breaches(p proposePage, x partition.Proposal) string {
	out := make([]string, len(x.Breaches))
	for i, b := range x.Breaches {
		out[i] = breach(p.Answer.Problem, grid.Layout{}, b)
	}
	return strings.Join(out, "；")
}

func placed(p groundPage, a grid.Area, axis int) string {
	if typed, ok := p.Places[a.Code]; ok {
		return typed[axis]
	}
	return strconv.FormatInt([2]int64{a.X, a.Y}[axis]/grid.Step, 10)
}

// hidden carries the question along with a proposal.
func hidden(p proposePage) map[string]string {
	out := map[string]string{"balance": p.Balance, "travel": p.Travel, "continuity": p.Keep, "seed": p.Seed}
	for org, share := range p.Chosen {
		out["share-"+org] = share
	}
	if p.Pieces {
		out["pieces"] = "1"
	}
	if p.Free {
		out["free"] = "1"
	}
	return out
}

func cellText(u grid.Unit, s grid.Staffing) string {
	var areas []string
	for _, code := range s.Cell.Areas {
		a, _ := u.Area(code)
		areas = append(areas, a.Name)
	}
	text := "牵头医院：" + s.Lead + "。范围：" + strings.Join(areas, "、") + "；" + people(s.People) + " 人。成员：" + names(s.Members) + "。"
	if len(s.Outside) > 0 {
		text += "未加入的公立机构：" + names(s.Outside) + "。"
	}
	return text
}

func findingText(c grid.Coverage) string {
	out := make([]string, len(c.Findings))
	for i, f := range c.Findings {
		out[i] = f.Text
	}
	return strings.Join(out, "\n")
}

func reportTitle(state string) string {
	s, _ := machine.State(state)
	return s.Title
}

func reportTone(state string) web.Tone {
	s, _ := machine.State(state)
	return map[string]web.Tone{"orange": web.Warn, "red": web.Bad, "blue": web.Info, "green": web.Good}[s.Tone]
}

// machine is read for the titles of its states only.
var machine = report.Machine()

// holder is the authority whose turn it is.
func holder(c flow.Case) string {
	if s, _ := machine.State(c.State); s.Turn == flow.From {
		return c.From.OrgName
	}
	return c.To.OrgName
}

func actTone(dangerous bool) web.Tone {
	if dangerous {
		return web.Bad
	}
	return web.Info
}

func reasons(key string, codes []policy.Code) []web.Option {
	if key == "" {
		return nil
	}
	return web.Choices(codes, func(c policy.Code) (string, string) { return c.Code, c.Title })
}

func commentOf(asked bool) string {
	if asked {
		return "需补正的内容"
	}
	return ""
}
