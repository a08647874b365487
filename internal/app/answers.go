package app

import (
	"context"

	"yilian/internal/alliance/participation"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/policy"
	"yilian/internal/policy/policyweb"
	"yilian/internal/region"
)

// answered says what in the product answers a clause. A clause that is not
// here is shown as not answered; TestAnswers holds every line against the
// clauses that are loaded, the menu, and docs/clauses.md.
var answered = map[string]policyweb.Answer{
	"GB-1.3a": part("/alliance/participation", "“有明显成效”没有可核对的定义"),
	"GB-1.3b": whole("/alliance/participation"),
	"GB-2.1":  part("/alliances", "处方流动、人才共享"),
	"GB-2.2":  part("/alliances", "乡村一体化管理"),
	"GB-2.3":  part("/alliances", "专科联盟的转诊流程"),
	"GB-2.4":  part("/consults", "远程教学、培训"),
	"GB-2.5":  part("/alliances", "派驻人员的管理"),
	"GB-3.1":  whole("/alliances"),
	"GB-3.3b": part("/referrals", "优先检查和住院"),
	"GB-3.3c": part("/policy", "开方时的核对"),
	"GB-3.4":  part("/referrals", "长期护理"),
	"GB-4.1":  part("/policy", "执业登记时的核对"),
	"GB-5.1":  part("/alliances", "财政补助与绩效挂钩"),
	"GB-6.3":  part("/counts", "只有民营成员的转诊和基金份额，垄断资源、虹吸基层没有统计"),
	"GB-6.1":  part("/alliance/participation", "省方案的发布日期由人核对"),

	"ZZ-1.2":  part("/alliance/participation", "“有明显成效”没有可核对的定义"),
	"ZZ-1.2b": part("/alliance/participation", "医保总额付费"),
	"ZZ-2.1a": whole("/alliances"),
	"ZZ-2.1b": part("/unattached", "考核本身；“就近”由人判断"),
	"ZZ-2.1c": part("/alliances", "承接单位的转诊和帮扶统计"),
	"ZZ-2.2":  whole("/alliances"),
	"ZZ-2.3":  whole("/alliances"),
	"ZZ-2.4":  whole("/alliances"),
	"ZZ-2.5":  part("/alliances", "远程教学、培训"),
	"ZZ-2.5b": part("/alliances", "执业登记时的核对"),
	"ZZ-3.1":  part("/alliances", "制度文件只登记名称和文号，内容没有结构化"),
	"ZZ-3.4a": whole("/referrals"),
	"ZZ-3.4b": part("/certificates", "医保手续联网办理"),
	"ZZ-3.4c": part("/counts", "年度目标的自动核对"),
	"ZZ-4.1":  part("/policy/packages", "发布日期由人核对"),

	"SMX-4.1.1":  whole("/alliances"),
	"SMX-4.1.2":  part("/alliances", "政府、医保、社区各方的职责清单"),
	"SMX-4.1.3":  part("/alliances", "依据由各医共体填写，没有从系统使用中取数"),
	"SMX-4.4.3a": part("/referrals", "优先检查和住院，长处方"),
	"SMX-4.4.3d": part("/referrals", "康复期的自动提示"),
	"SMX-5":      whole("/alliances"),

	"JS-2.1":   whole("/grid"),
	"JS-3a":    whole("/alliance/participation", "/grid"),
	"JS-3b":    part("/alliance/participation", "涉农区没有登记"),
	"JS-3c":    part("/counts", "就诊率、首诊门诊量、平均住院日"),
	"JS-4.1.1": whole("/alliances"),
	"JS-4.1.2": whole("/exemptions"),
	"JS-4.1.3": whole("/alliances"),
	"JS-4.1.4": whole("/alliances"),
	"JS-4.1.5": whole("/alliances"),
	"JS-4.2":   whole("/grid", "/alliances"),
	"JS-4.3":   part("/alliances", "联盟自己的转诊流程、药品目录共享"),
	"JS-4.5.1": whole("/alliances"),
	"JS-4.5.2": part("/alliances", "基建、财务、药品耗材、设备的统一办理"),
	"JS-4.5.3": part("/alliances", "文件要求定期例会而没有写周期，只登记会议，不提醒"),
	"JS-4.5.4": whole("/alliances"),
	"JS-5.1":   part("/grid", "专科联盟和远程网络架构的报备"),
	"JS-5.3":   whole("/filings"),
	"JS-A1":    whole("/grid"),
	"JS-A2":    whole("/alliances"),
	"JS-A3":    whole("/alliances"),

	"LL-4.1":    whole("/alliances", "/alliance"),
	"LL-4.1c":   part("/contracts", "住院和检查费用减免、上门服务"),
	"LL-4.2":    whole("/alliance"),
	"LL-4.3.1":  whole("/alliances"),
	"LL-4.3.2":  whole("/alliances"),
	"LL-4.3.3":  whole("/alliances"),
	"LL-4.3.4c": part("/calls", "双方专家会诊记录"),
	"LL-4.3.4d": part("/certificates", "分级支付比例没有文件给出，不估算"),
	"LL-4.4.1a": part("/referrals", "按功能定位限制接诊"),
	"LL-4.4.1b": part("/referrals", "优先检查和住院"),
	"LL-4.4.1c": whole("/referrals"),
	"LL-4.4.1d": whole("/referrals"),
	"LL-4.5.1":  part("/alliances", "定期检查的登记，追究责任的处理结果"),
	"LL-5":      whole("/alliances"),
	"LL-6":      whole("/steering"),
}

func whole(pages ...string) policyweb.Answer {
	return policyweb.Answer{State: policyweb.Whole, Pages: pages}
}

func part(page, lacks string) policyweb.Answer {
	return policyweb.Answer{State: policyweb.Part, Pages: []string{page}, Lacks: lacks}
}

// figures are the running numbers that targets are held against, by indicator
// and scope.
func (a *App) figures() map[string]policyweb.Measure {
	share := func(scope participation.Scope) policyweb.Measure {
		return func(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (policy.Figure, error) {
			r, err := participation.Of(ctx, tx, a.Book, participation.Question{Scope: scope, Region: code, Day: day})
			return r.Figure, err
		}
	}
	all := map[string]policyweb.Measure{
		"alliance.specialty/province": func(ctx context.Context, tx *db.Tx, code string, day calendar.Date) (policy.Figure, error) {
			return participation.Specialty(ctx, tx, participation.Question{Region: code, Day: day})
		},
		"grid.coverage/":                   a.gridCoverage,
		"grid.filed/city":                  gridFiled,
		"plan.published/county":            a.ownPlan(region.County),
		"plan.published/province":          a.ownPlan(region.Province),
		"alliance.started/tertiary_public": share(participation.Tertiary),
	}
	for _, scope := range participation.Scopes() {
		all[scope.Indicator()+"/"+string(scope)] = share(scope)
	}
	return all
}
