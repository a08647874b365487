package app

import (
	"context"

	"yilian/internal/alliance/participation"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/policy"
	"yilian/internal/policy/policyweb"
)

// answered says what in the product answers a clause. A clause that is not
// here is shown as not answered; TestAnswers holds every line against the
// clauses that are loaded, the menu, and docs/clauses.md.
var answered = map[string]policyweb.Answer{
	"GB-1.3a": part("/alliance/participation", "“有明显成效”没有可核对的定义"),
	"GB-1.3b": whole("/alliance/participation"),
	"GB-2.1":  part("/alliance", "处方流动、人才共享"),
	"GB-2.2":  part("/alliance", "乡村一体化管理"),
	"GB-2.3":  part("/alliance", "专科联盟的转诊流程"),
	"GB-2.4":  part("/consults", "远程教学、培训"),
	"GB-3.3b": part("/referrals", "优先检查和住院"),
	"GB-3.3c": part("/policy", "开方时的核对"),
	"GB-3.4":  part("/referrals", "长期护理"),
	"GB-4.1":  part("/policy", "执业登记时的核对"),
	"GB-6.1":  part("/alliance/participation", "省工作方案的登记"),

	"ZZ-1.2":  part("/alliance/participation", "“有明显成效”没有可核对的定义"),
	"ZZ-1.2b": part("/alliance/participation", "医保总额付费"),
	"ZZ-2.1a": part("/policy", "文件写明的三个综合医联体已载入，成员由各地登记"),
	"ZZ-2.2":  part("/policy", "文件写明的七个专科联盟已载入，成员由各地登记"),
	"ZZ-3.4a": whole("/referrals"),
	"ZZ-3.4b": part("/certificates", "医保手续联网办理"),
	"ZZ-3.4c": part("/counts", "年度目标的自动核对"),

	"SMX-4.1.1":  part("/alliance", "组建时的一般数目提示"),
	"SMX-4.4.3a": part("/referrals", "优先检查和住院，长处方"),
	"SMX-4.4.3d": part("/referrals", "康复期的自动提示"),

	"JS-2.1":   whole("/grid"),
	"JS-4.2":   part("/grid", "法人治理结构"),
	"JS-5.1":   part("/grid", "报省备案"),
	"JS-A1":    whole("/grid"),
	"JS-3a":    part("/alliance/participation", "网格化布局"),
	"JS-3b":    part("/alliance/participation", "远程医疗覆盖；涉农区没有登记"),
	"JS-3c":    part("/counts", "就诊率、首诊门诊量、平均住院日"),
	"JS-4.1.1": part("/policy", "六家医院与 13 个市的联系已载入"),
	"JS-A2":    part("/policy", "19 个联盟及牵头单位已载入，成员由各联盟登记"),
	"JS-A3":    part("/policy", "管理体制已载入，任职由各医联体登记"),

	"LL-4.1":    part("/alliance", "对上级医院的联系没有登记为关系"),
	"LL-4.1c":   part("/contracts", "住院和检查费用减免、上门服务"),
	"LL-4.2":    whole("/alliance"),
	"LL-4.3.1":  part("/alliance", "法人和经费渠道的登记"),
	"LL-4.3.4c": part("/calls", "双方专家会诊记录"),
	"LL-4.3.4d": part("/certificates", "分级支付比例没有文件给出，不估算"),
	"LL-4.4.1a": part("/referrals", "按功能定位限制接诊"),
	"LL-4.4.1b": part("/referrals", "优先检查和住院"),
	"LL-4.4.1c": whole("/referrals"),
	"LL-4.4.1d": whole("/referrals"),
}

func whole(page string) policyweb.Answer {
	return policyweb.Answer{State: policyweb.Whole, Pages: []string{page}}
}

func part(page, lacks string) policyweb.Answer {
	return policyweb.Answer{State: policyweb.Part, Pages: []string{page}, Lacks: lacks}
}

// figures are the running numbers that targets are held against, by indicator
// and scope.
func (a *App) figures() map[string]policyweb.Measure {
	share := func(scope participation.Scope) policyweb.Measure {
		return func(ctx context.Context, tx *db.Tx, region string, day calendar.Date) (policy.Figure, error) {
			r, err := participation.Of(ctx, tx, a.Book, participation.Question{Scope: scope, Region: region, Day: day})
			return r.Figure, err
		}
	}
	all := map[string]policyweb.Measure{
		"alliance.specialty/province": func(ctx context.Context, tx *db.Tx, region string, day calendar.Date) (policy.Figure, error) {
			return participation.Specialty(ctx, tx, participation.Question{Region: region, Day: day})
		},
		"alliance.started/tertiary_public": share(participation.Tertiary),
	}
	for _, scope := range participation.Scopes() {
		all[scope.Indicator()+"/"+string(scope)] = share(scope)
	}
	return all
}
