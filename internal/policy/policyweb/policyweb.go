// Package policyweb shows the loaded policy documents: every clause with its
// rules, targets and facts, and which of them are product defaults.
package policyweb

import (
	"net/http"
	"strings"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/policy"
	"yilian/internal/policy/library"
	"yilian/internal/region"
	"yilian/internal/web"
)

// Pages shows what is loaded and how it is answered.
type Pages struct {
	DB      *db.DB
	Book    *policy.Book
	Library *library.Service // nil: profiles are not loaded while the program runs
	Answers *Answers         // nil: what answers the clauses is not shown
}

// Routes adds the pages of the policy documents and their entries in the menu.
// Everybody who is signed in may read the documents; loading one needs
// policy.manage.
func (p *Pages) Routes(site *web.Site) {
	site.Menu(web.Item{Group: "政策与日历", Title: "政策文件", Icon: "book", Path: "/policy", Order: 810})
	site.Handle("GET /policy", func(w http.ResponseWriter, r *http.Request) error {
		return web.Render(w, r, http.StatusOK, listPage(p.Book.Profiles(), mayManage(r.Context())))
	})
	site.Handle("GET /policy/{profile}", func(w http.ResponseWriter, r *http.Request) error {
		one, ok := p.Book.Profile(r.PathValue("profile"))
		if !ok {
			return errs.E(errs.NotFound, "没有载入这份政策文件：%s", r.PathValue("profile"))
		}
		return web.Render(w, r, http.StatusOK, profilePage(one))
	})
	if p.Library != nil {
		p.packageRoutes(site)
	}
	if p.Answers != nil {
		p.answerRoutes(site)
	}
}

// where says for whom a profile is in force.
func where(p policy.Profile) string {
	switch p.Jurisdiction {
	case "":
		return "各地（没有文件规定时）"
	case "CN":
		return "全国"
	}
	return region.FullName(p.Jurisdiction)
}

func period(from, to string) string {
	switch {
	case from == "" && to == "":
		return ""
	case to == "":
		return from + " 起"
	case from == "":
		return "至 " + to
	}
	return from + " 至 " + to
}

func inForce(p policy.Profile) string { return period(string(p.ValidFrom), string(p.ValidTo)) }

// scope is what narrows a rule: kinds of alliance, region, dates.
func scope(r policy.Rule) string {
	var parts []string
	if len(r.Kinds) > 0 {
		names := make([]string, len(r.Kinds))
		for i, k := range r.Kinds {
			names[i] = kindTitle(k)
		}
		parts = append(parts, "限"+strings.Join(names, "、"))
	}
	if r.Region != "" {
		parts = append(parts, "限"+region.FullName(r.Region))
	}
	if s := period(string(r.ValidFrom), string(r.ValidTo)); s != "" {
		parts = append(parts, s)
	}
	switch r.Combine {
	case policy.StrictestMin, policy.StrictestMax:
		parts = append(parts, "多处规定时从严")
	case policy.Union:
		parts = append(parts, "与其他文件的清单合并")
	}
	return strings.Join(parts, "；")
}

func kindTitle(kind string) string {
	title, ok := map[string]string{
		"medical_group": "城市医疗集团", "county_community": "县域医共体", "specialty_alliance": "专科联盟",
		"tcm_alliance": "中医医联体", "telemedicine_network": "远程医疗协作网", "general_practice_alliance": "全科联盟",
	}[kind]
	if !ok {
		return kind
	}
	return title
}
