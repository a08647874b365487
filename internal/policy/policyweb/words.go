package policyweb

import (
	"strings"

	"yilian/internal/policy/library"
	"yilian/internal/region"
)

// keyTitles are the Chinese names of what a rule or a target is about. A key
// that is not here is named by its parts (title).
var keyTitles = map[string]string{
	"alliance.council.chair":               "理事长由谁担任",
	"alliance.council.members":             "理事由谁担任",
	"alliance.council.term_years":          "理事会任期（年）",
	"alliance.effective":                   "有明显成效的医联体",
	"alliance.member.independent":          "成员单位独立法人地位不变",
	"alliance.member.ownership_kept":       "机构所有制和隶属关系不变",
	"alliance.office.contacts_per_member":  "每个成员单位联络员人数",
	"alliance.office.deputies.max":         "办公室副主任人数上限",
	"alliance.office.deputies.min":         "办公室副主任人数下限",
	"alliance.office.directors":            "办公室主任人数",
	"alliance.participation":               "参加医联体",
	"alliance.plate.format":                "挂牌名称的写法",
	"alliance.started":                     "启动医联体建设",
	"assessment.dimensions":                "考核内容",
	"contract.benefits":                    "签约居民的优惠",
	"contract.coverage":                    "家庭医生签约覆盖率",
	"contract.team_roles":                  "签约团队的组成",
	"contract.teams_per_community":         "每个社区的签约团队数",
	"exam.order.skip_registration":         "凭基层检查单免挂号",
	"insurance.certificate.valid":          "转诊证明有效期",
	"insurance.reimbursement.by_tier":      "医保按机构级别差别支付",
	"outreach.title_min":                   "下派人员的最低职称",
	"performance.dimensions":               "绩效考核内容",
	"plan.published":                       "明确工作方案",
	"practice.member_site":                 "在成员单位执业",
	"practice.promotion.primary_years":     "晋升前的基层服务年限（年）",
	"prescription.long.max_days":           "长期处方最多天数",
	"prescription.long.usual_days":         "长期处方一般天数",
	"recognition.items":                    "结果互认的项目",
	"recognition.quality_control.required": "互认须质控合格",
	"recognition.scope":                    "结果互认的范围",
	"referral.direction":                   "转诊方向",
	"referral.down.attending_follows":      "下转后原主治医生继续指导",
	"referral.file.required":               "转诊档案必须建立",
	"referral.settlement.region":           "医保结算地区",
	"service.role.lead":                    "牵头单位的服务内容",
	"service.role.primary":                 "基层机构的服务内容",
	"supervision.sanctions":                "违规处理",
	"supervision.watch":                    "重点防止的行为",
	"training.first.at_lead":               "首次进修在牵头医院",
	"training.free":                        "培训免费",
	"training.plan.due":                    "培训计划的截止日期",
	"training.rounds.members_first":        "查房培训成员单位优先",
	"alliance.branch.approvals":            "设分院须取得的同意",
	"alliance.branch.existing":             "已设的分院",
	"alliance.charter.form":                "约定的形式",
	"alliance.charter.parts":               "章程必备内容",
	"alliance.city_county.forms":           "城市与县之间的组建形式",
	"alliance.committee.chair":             "管理委员会主任由谁担任",
	"alliance.committee.members":           "管理委员会的组成部门",
	"alliance.committee.office_at":         "管理委员会办公室设在",
	"alliance.council.reminder":            "理事会换届提前提醒",
	"alliance.documents":                   "须建立的制度文件",
	"alliance.duties.parties":              "须划清职责的各方",
	"alliance.exclusive":                   "同一片区同一时间只归一个",
	"alliance.kinds":                       "医联体类型的名称",
	"exemption.clock.city":                 "例外登记市级办理期限",
	"exemption.clock.province":             "例外登记省级办理期限",
	"exemption.clock.returned":             "例外登记补充依据期限",
	"exemption.reason.return":              "例外登记退回理由",
	"exemption.reason.refuse":              "例外登记不同意理由",
	"alliance.lead.answers_for_all":        "牵头医院负总责",
	"alliance.lead.eligible":               "谁可以牵头",
	"alliance.lead.number":                 "牵头单位数",
	"alliance.lead.provincial":             "省属医院牵头紧密型医联体",
	"alliance.lead.provincial.existing":    "省属医院已牵头的紧密型医联体",
	"alliance.legal_representative":        "成员单位的法定代表人",
	"alliance.link.area.required":          "承接单位须写明负责区域",
	"alliance.link.eligible":               "谁可以作承接单位",
	"alliance.meetings.regular":            "定期召开例会",
	"alliance.member.unchanged":            "成员单位保持不变的事项",
	"alliance.members.include":             "应吸纳的机构",
	"alliance.membership.review":           "成员单位的调整",
	"alliance.national.many":               "国家级、省级医院可参加多个医联体",
	"alliance.offices":                     "内设管理机构",
	"alliance.organs":                      "须设立的组织",
	"alliance.organs.optional":             "可以设立的组织",
	"alliance.per_county.max":              "每县医联体数上限",
	"alliance.per_county.min":              "每县医联体数下限",
	"alliance.per_county.outside":          "超出一般数目时",
	"alliance.private.join":                "社会办医疗机构可以加入",
	"alliance.private.lead":                "民营医院可以牵头",
	"alliance.specialty":                   "已建成的专科联盟",
	"alliance.specialty.centres":           "专科联盟依托的救治中心",
	"alliance.specialty.focus":             "专科联盟的重点",
	"alliance.support.many":                "一家机构可有多家对口支援",
	"alliance.ties":                        "合作的纽带",
	"alliance.tight":                       "紧密型",
	"alliance.unattached":                  "没有加入的单位和地区",
	"alliance.unified":                     "统一管理的事项",
	"assessment.dimensions.member":         "对成员单位的考核内容",
	"assessment.done":                      "综合考核",
	"assessment.per_year.min":              "每年综合考核次数下限",
	"assessment.sanctions":                 "不按规定开展的处理",
	"assessment.weighted":                  "加重权重的考核内容",
	"assistance.forms":                     "帮扶的形式",
	"assistance.plan.required":             "须制定中长期帮扶规划",
	"capability.focus":                     "重点提升的专科和病种",
	"chronic.standard_care":                "规范化诊疗和管理率",
	"contract.groups":                      "分类管理的人群",
	"contract.guidance_team.required":      "签约团队须有指导团队",
	"evaluation.dimensions":                "效果评估内容",
	"filing.authority":                     "向谁备案",
	"filing.chain":                         "逐级上报",
	"filing.deadline.change":               "重大变化备案期限",
	"filing.deadline.end":                  "终止备案期限",
	"filing.deadline.formation":            "组建备案期限",
	"filing.documents":                     "备案材料",
	"filing.on_change":                     "重大变化时的备案方式",
	"firstvisit.county.min":                "县级首诊和分级诊疗病种数下限",
	"firstvisit.township.min":              "乡级首诊和分级诊疗病种数下限",
	"fund.overspend":                       "医保打包资金超支",
	"fund.surplus":                         "医保打包资金结余",
	"grid.cell.city":                       "市区的网格单位",
	"grid.cell.county":                     "县域的网格单位",
	"grid.cell.responsible":                "每个网格的负责医联体数",
	"grid.coverage":                        "网格覆盖",
	"grid.coverage.min":                    "网格覆盖率下限（%）",
	"grid.file.by":                         "布局报备日期",
	"grid.file.required":                   "布局须报省备案",
	"grid.filed":                           "布局已报备",
	"grid.overlap.max":                     "重叠网格数上限",
	"grid.unit":                            "规划单元",
	"hospital.grade":                       "通过等级评审",
	"phase.pilot":                          "试点地区",
	"portal.services":                      "网上服务项目",
	"prescription.long.allowed":            "可以开长期处方",
	"quality.core_systems.whole_alliance":  "医疗质量核心制度覆盖整个医联体",
	"recognition.level":                    "结果互认的机构级别",
	"referral.down.plan.required":          "下转须有连续治疗方案",
	"referral.green_channel":               "绿色通道的内容",
	"referral.outside.required":            "县外转诊必须做到",
	"referral.priority.referred":           "上转患者优先",
	"staff.pool":                           "人员编制的使用",
	"staff.unified":                        "人员统一管理的事项",
	"staff.village":                        "乡村医生的聘用",
	"stay.average":                         "平均住院日",
	"supervision.rhythm":                   "督导的频次",
	"supervision.scope":                    "监管的单位",
	"telemedicine.coverage":                "远程医疗覆盖",
	"telemedicine.levels":                  "远程医疗网络的层级",
	"telemedicine.services":                "远程医疗服务项目",
	"visit.common":                         "常见病、慢性病患者就诊人次",
	"visit.county_share":                   "县域内就诊率",
	"visit.first_outpatient":               "首诊门诊量",
	"visit.primary_share":                  "基层医疗卫生机构就诊率",
	"referral.up":                          "上转例数",
	"referral.down":                        "下转例数",
	"visit.common_share":                   "常见病、慢性病患者占比",
}

// partTitles are the words that longer keys are made of.
var partTitles = map[string]string{
	"I": "Ⅰ级", "II": "Ⅱ级", "III": "Ⅲ级", "IV": "Ⅳ级",
	"above": "下限", "accepted": "已受理", "access": "查看资料", "after": "结案后", "alliance": "成员单位",
	"answered": "已答复", "arranged": "已安排", "arrived": "已到诊", "ask": "要求补充", "ask_back": "请补充",
	"ask_cancel": "申请取消", "asked": "待答复", "awaiting_info": "待补充", "back_entry": "事后补录", "bed": "床位",
	"by": "由谁签署", "cancel": "取消", "candidate": "候选名单", "clock": "期限", "close": "结案",
	"completed": "已回转", "consent": "知情同意", "consult": "咨询", "contract": "签约居民", "contracted": "签约患者",
	"days": "天数", "decline": "退回", "decline_down": "退回下转", "declined": "已退回", "defer": "暂缓",
	"deferred": "已暂缓", "discard": "作废草稿", "discharge": "距预计出院", "divert": "改送", "down": "下转",
	"draft": "草稿", "emergency": "急诊", "encounter": "就诊", "end": "结束", "escalate": "上报", "escalation": "超时上报", "flow": "办理",
	"follow": "随访", "grace": "宽限", "hold": "暂留", "horizon": "放号", "hours": "时间", "hypertension": "高血压",
	"in_care": "诊疗中", "in_review": "待审核", "indication": "指征", "inpatient": "住院", "keep": "保留",
	"lane": "急救通道", "link": "一次性链接", "method": "方式", "missed": "未到", "more_info": "待补充", "next": "换下一位值班人",
	"no_show": "未到诊", "outcome": "转归", "outpatient": "门诊", "phone": "转诊电话", "phone_entry": "电话代录",
	"priority": "优先", "published": "公布", "question": "提问", "reason": "理由", "red_flag": "红旗征象",
	"redirect": "转介", "referral": "转诊", "refuse_consent": "拒绝转诊", "release": "转为公开", "reminder": "提醒",
	"required": "必须", "reschedule": "改期", "return": "退回修改", "review": "院内审核", "routine": "一般",
	"schedule": "号源床位", "share": "预留比例", "stay": "住院天数", "submitted": "待受理", "today": "当天",
	"transferring": "转运中", "transport": "转运方式", "untraced": "去向不明", "up": "上转", "urgency": "分级",
	"valid": "有效期", "village": "村卫生室", "warning": "提前提醒", "withdraw": "撤回",
}

// Words are the names that screens and the command line use.
var Words = library.Words{Key: title, Kind: kindTitle, Value: said, Region: place}

// title is the name of a rule or target on the page.
func title(key string) string {
	if t, ok := keyTitles[key]; ok {
		return t
	}
	parts := strings.Split(key, ".")
	for i, p := range parts {
		if t, ok := partTitles[p]; ok {
			parts[i] = t
		}
	}
	return strings.Join(parts, " · ")
}

// valueTitles say the coded texts of rules and the groups of targets.
var valueTitles = map[string]string{
	"all":                          "不限项目",
	"any":                          "不限机构级别",
	"apply_afterwards":             "补办报批手续",
	"cancel":                       "取消备案",
	"change":                       "变更备案",
	"city":                         "设区市",
	"city_key_specialty":           "各市临床重点专科",
	"continue_in_city_grid":        "可继续运行，纳入设区市网格",
	"county":                       "县（市、区）",
	"county_community":             "县域医共体",
	"county_manages_township_uses": "县管乡用",
	"exception":                    "原则上不得，须登记例外",
	"government":                   "政府办医疗机构",
	"government_head":              "县（市）政府主要负责同志",
	"health_bureau":                "卫生健康部门",
	"hypertension_diabetes":        "高血压、糖尿病患者",
	"join_nearest":                 "就近参加",
	"lead":                         "牵头医院",
	"lead_belongs_to":              "牵头医院所属的卫生健康行政部门",
	"level_by_level_to_province":   "逐级上报省",
	"own":                          "各成员单位自有",
	"priority":                     "重点人群",
	"reasonably_shared":            "合理分担",
	"refused":                      "未办理执业注册手续前不得执业",
	"regular":                      "经常性",
	"retained":                     "留用",
	"rural":                        "农村",
	"same":                         "同级机构之间",
	"shared":                       "由一人统一担任",
	"township":                     "乡镇卫生院、社区卫生服务中心",
	"township_hires_village_uses":  "乡聘村用",
	"urban":                        "城市",
	"warn":                         "提示，不拒绝",
	"whole_alliance":               "整个医联体",
	"yearly_after_assessment":      "每年考核后调整",
	"alliance":                     "医联体内",
	"allowed":                      "允许，不需办理执业地点变更和备案",
	"allowed_with_filing":          "允许，备案后执业",
	"lead_head":                    "牵头单位负责人",
	"member_heads":                 "成员单位负责人",
	"published_by_higher_qc":       "上级质控机构公布的项目",
	"senior_attending":             "高年资主治医师",
	"tertiary_public":              "三级公立医院",
	"secondary_public":             "二级公立医院",
	"government_primary":           "政府办基层医疗卫生机构",
	"tertiary":                     "三级医院",
	"pilot_city":                   "试点城市",
	"province":                     "各省",
	"poor":                         "贫困人口",
}

// said is a coded text in Chinese; other texts stand as the document has them.
func said(text string) string {
	if t, ok := valueTitles[text]; ok {
		return t
	}
	return strings.NewReplacer("{lead}", "〔牵头单位〕", "{member}", "〔成员单位〕").Replace(text)
}

// place names the region of a change; "" is everywhere.
func place(code string) string {
	if code == "" {
		return "各地"
	}
	return region.FullName(code)
}
