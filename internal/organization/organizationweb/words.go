package organizationweb

import (
	"slices"
	"strconv"
	"strings"

	"yilian/internal/organization"
	"yilian/internal/region"
	"yilian/internal/web"
)

func specialtyOptions() []web.Option {
	return web.Choices(organization.Specialties(), func(s organization.Specialty) (string, string) { return s.Code, s.Code + " " + s.Name })
}

func regionOptions(regions []region.Region) []web.Option {
	return web.Choices(regions, func(r region.Region) (string, string) {
		if r.Level == region.Village {
			return r.Code, r.Code[9:] + " " + r.Name
		}
		return r.Code, r.Name
	})
}

func orgOptions(orgs []organization.Organization) []web.Option {
	return web.Choices(orgs, func(o organization.Organization) (string, string) { return o.ID, o.Name })
}

func departmentOptions(departments []organization.Department) []web.Option {
	return web.Choices(departments, func(d organization.Department) (string, string) { return d.ID, d.Name })
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

func capacity(n int) string {
	if n == 0 {
		return "未设定"
	}
	return strconv.Itoa(n) + " 人"
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
