package contractweb

import (
	"strconv"
	"strings"

	"yilian/internal/contract"
	"yilian/internal/patient"
	"yilian/internal/practitioner"
	"yilian/internal/web"
)

func yearOptions() []web.Option {
	var out []web.Option
	for n := contract.MinYears; n <= contract.MaxYears; n++ {
		out = append(out, web.Option{Value: strconv.Itoa(n), Text: strconv.Itoa(n) + " 年"})
	}
	return out
}

func teamOptions(teams []contract.Team) []web.Option {
	return web.Choices(teams, func(t contract.Team) (string, string) { return t.ID, t.Name + "（" + t.LeaderName + "）" })
}

func staffOptions(staff []practitioner.Practitioner) []web.Option {
	return web.Choices(staff, func(p practitioner.Practitioner) (string, string) { return p.ID, p.Name + " " + p.Title })
}

func relationOptions() []web.Option {
	return web.Choices(patient.RelationKinds(), func(c patient.Code) (string, string) { return c.Code, c.Title })
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
