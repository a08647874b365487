package organizationweb

import (
	"slices"
	"strconv"
	"strings"

	"yilian/internal/organization"
	"yilian/internal/region"
	"yilian/internal/web"
)

func kindOptions() (out []web.Option) {
	for _, k := range organization.Kinds() {
		out = append(out, web.Option{Value: string(k), Text: k.Title()})
	}
	return out
}

func serviceKindOptions() (out []web.Option) {
	for _, k := range organization.ServiceKinds() {
		out = append(out, web.Option{Value: string(k), Text: k.Title()})
	}
	return out
}

func specialtyOptions() (out []web.Option) {
	for _, s := range organization.Specialties() {
		out = append(out, web.Option{Value: s.Code, Text: s.Code + " " + s.Name})
	}
	return out
}

func textOptions(texts []string) (out []web.Option) {
	for _, t := range texts {
		out = append(out, web.Option{Value: t, Text: t})
	}
	return out
}

func regionOptions(regions []region.Region) (out []web.Option) {
	for _, r := range regions {
		text := r.Name
		if r.Level == region.Village {
			text = r.Code[9:] + " " + r.Name
		}
		out = append(out, web.Option{Value: r.Code, Text: text})
	}
	return out
}

func orgOptions(orgs []organization.Organization) (out []web.Option) {
	for _, o := range orgs {
		out = append(out, web.Option{Value: o.ID, Text: o.Name})
	}
	return out
}

func departmentOptions(departments []organization.Department) (out []web.Option) {
	for _, d := range departments {
		out = append(out, web.Option{Value: d.ID, Text: d.Name})
	}
	return out
}

// lineText reads from the top: 湖南省 永州市 零陵区 珠山镇.
func lineText(line []region.Region) string {
	var names []string
	for _, r := range slices.Backward(line) {
		if r.Level != region.Country {
			names = append(names, r.Name)
		}
	}
	return strings.Join(names, " ")
}

func openEnd(day string) string {
	if day == "" {
		return "至今"
	}
	return day
}

func capacity(n int) string {
	if n == 0 {
		return "未设定"
	}
	return strconv.Itoa(n) + " 人"
}

func statusValue(active bool) string {
	if active {
		return "open"
	}
	return "closed"
}

func formTitle(o organization.Organization) string {
	if o.ID == "" {
		return "登记机构"
	}
	return "修改资料：" + o.Short()
}

func formAction(o organization.Organization) string {
	if o.ID == "" {
		return "/organizations"
	}
	return "/organizations/" + o.ID
}

// backTo is where 取消 leads.
func backTo(o organization.Organization) string { return formAction(o) }

func departmentTitle(d organization.Department) string {
	if d.ID == "" {
		return "增加科室"
	}
	return "修改科室"
}

func departmentAction(d organization.Department) string {
	if d.ID == "" {
		return "/organizations/" + d.Org + "/departments"
	}
	return "/departments/" + d.ID
}

func serviceTitle(s organization.HealthcareService) string {
	if s.ID == "" {
		return "增加服务"
	}
	return "修改服务"
}

func serviceAction(s organization.HealthcareService) string {
	if s.ID == "" {
		return "/departments/" + s.Department + "/services"
	}
	return "/services/" + s.ID
}
