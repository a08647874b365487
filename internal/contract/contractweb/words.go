package contractweb

import (
	"strconv"
	"strings"

	"yilian/internal/contract"
	"yilian/internal/patient"
	"yilian/internal/practitioner"
	"yilian/internal/web"
)

func kindOptions() []web.Option {
	var out []web.Option
	for _, k := range contract.Kinds() {
		out = append(out, web.Option{Value: string(k), Text: k.Title()})
	}
	return out
}

func yearOptions() []web.Option {
	var out []web.Option
	for n := contract.MinYears; n <= contract.MaxYears; n++ {
		out = append(out, web.Option{Value: strconv.Itoa(n), Text: strconv.Itoa(n) + " 年"})
	}
	return out
}

func endOptions() []web.Option {
	var out []web.Option
	for _, r := range contract.EndReasons() {
		out = append(out, web.Option{Value: string(r), Text: r.Title()})
	}
	return out
}

func roleOptions() []web.Option {
	var out []web.Option
	for _, r := range contract.Roles() {
		out = append(out, web.Option{Value: string(r), Text: r.Title()})
	}
	return out
}

func teamOptions(teams []contract.Team) []web.Option {
	var out []web.Option
	for _, t := range teams {
		out = append(out, web.Option{Value: t.ID, Text: t.Name + "（" + t.LeaderName + "）"})
	}
	return out
}

func staffOptions(staff []practitioner.Practitioner) []web.Option {
	var out []web.Option
	for _, p := range staff {
		out = append(out, web.Option{Value: p.ID, Text: p.Name + " " + p.Title})
	}
	return out
}

func relationOptions() []web.Option {
	var out []web.Option
	for _, c := range patient.RelationKinds() {
		out = append(out, web.Option{Value: c.Code, Text: c.Title})
	}
	return out
}

func statusTone(status string) web.Tone {
	switch status {
	case "有效":
		return web.Good
	case "即将到期":
		return web.Warn
	case "待生效":
		return web.Info
	}
	return web.Neutral
}

func memberText(t contract.Team) string {
	var names []string
	for _, m := range t.Members {
		names = append(names, m.Name+"（"+m.Role.Title()+"）")
	}
	return strings.Join(names, "、")
}

func missingText(t contract.Team) string {
	var names []string
	for _, r := range t.Missing() {
		names = append(names, r.Title())
	}
	return strings.Join(names, "、")
}

func (p listPage) gapText() string {
	return "本机构有 " + strconv.FormatInt(p.Gap.Have, 10) + " 个家庭医生团队，应组建 " + strconv.FormatInt(p.Gap.Want, 10) +
		" 个，还差 " + strconv.FormatInt(p.Gap.Want-p.Gap.Have, 10) + " 个（依据：" + p.Gap.Answer.Clause + "）。"
}

func (p teamPage) action() string {
	if p.Team.ID == "" {
		return "/teams"
	}
	return "/teams/" + p.Team.ID
}
