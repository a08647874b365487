package auditweb

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/web"
)

// objects are the kinds of things that leaves name.
var objects = map[string]string{
	"account": "账号", "session": "登录", "client": "系统客户端", "patient": "患者档案", "referral": "转诊单", "consent_task": "补办知情同意", "phoned_check": "电话代录核对", "consult": "咨询单",
	"contract": "签约", "consent": "授权与同意", "organization": "机构", "department": "科室", "service": "诊疗服务",
	"practitioner": "人员", "posting": "下派", "roster": "值班表", "shift": "值班表", "message": "消息", "notice": "消息",
	"alliance": "医联体", "membership": "成员单位", "support": "帮扶", "calendar": "工作日历", "job": "后台任务",
	"calls": "通话与交接", "certificate": "转诊证明", "referral.ledger": "转诊台账", "referral.list": "转诊列表",
	"charter": "章程", "governance": "医联体治理", "steering": "领导小组", "encounter": "就诊", "visit": "门诊登记", "disclosure": "紧急调阅复核", "exchange": "数据交换", "grid": "网格布局", "grid_layout": "网格布局", "index": "主索引", "record": "健康记录",
	"audit": "审计", "contract_team": "签约团队", "appointment": "预约", "schedule": "号源模板", "bed": "床位", "rescue": "绿色通道", "keys": "密钥", "setting": "系统设置", "policy": "政策规则", "region": "行政区划",
}

// actions are the acts that have a name of their own; an act that is not here
// is shown by the kind of its object.
var actions = map[string]string{
	"session.signin": "登录", "session.signout": "退出登录", "session.factor": "验证第二因素", "session.post": "切换岗位",
	"session.lock": "锁屏", "session.unlock": "解锁", "session.end": "结束登录",
	"account.create": "新建账号", "account.lock": "锁定账号", "account.unlock": "解锁账号", "account.disable": "停用账号",
	"account.reset": "重置密码", "account.password": "修改密码", "account.rename": "更正姓名", "account.policy": "修改登录策略",
	"account.codes": "纸质一次性口令", "account.factor.begin": "开始设置动态口令", "account.factor.set": "启用第二因素", "account.factor.reset": "清除第二因素",
	"account.post.grant": "添加岗位", "account.post.end": "结束岗位", "account.post.approve": "批准管理员岗位", "account.post.refuse": "不批准管理员岗位",
	"client.create": "新建系统客户端", "client.start": "启用系统客户端", "client.stop": "停用系统客户端", "client.check": "系统客户端登录",
	"patient.read": "调阅患者档案", "patient.break": "紧急调阅", "patient.reveal": "查看证件和电话", "patient.register": "建档",
	"patient.sensitive": "打开敏感内容", "visit.read": "查看门诊", "disclosure.read": "查看紧急调阅", "visit.correct": "更正门诊", "visit.void": "作废门诊",
	"patient.update": "修改档案", "patient.import": "批量建档", "patient.deceased": "登记死亡",
	"patient.deceased.void": "撤销死亡登记", "patient.relation.add": "登记家庭关系", "patient.relation.end": "结束家庭关系",
	"patient.label.set": "设置敏感标签", "patient.label.void": "撤销敏感标签",
	"organization.create": "新建机构", "organization.change": "修改机构", "department.create": "新建科室", "department.change": "修改科室",
	"service.create": "新建诊疗服务", "service.change": "修改诊疗服务", "message.resend": "重发消息",
	"practitioner.create": "新建人员", "practitioner.change": "修改人员", "practitioner.post": "任职或下派", "practitioner.post_end": "结束任职或下派",
	"roster.add": "排班", "roster.void": "作废排班", "roster.end_duty": "停用值班岗位",
	"alliance.document": "登记医联体文件", "alliance.relate": "登记医联体协作关系", "alliance.unrelate": "结束医联体协作关系", "alliance.pair": "登记帮扶关系", "alliance.pair_correct": "更正帮扶关系",
	"contract.sign": "签约", "contract.renew": "续约", "contract.end": "解约", "contract.void": "作废签约",
	"contract.team.create": "新建签约团队", "contract.team.update": "修改签约团队",
	"consent.record": "登记同意", "consent.refuse": "登记拒绝", "consent.void": "作废同意或拒绝",
	"schedule.create": "新建号源模板", "schedule.change": "修改号源模板", "schedule.except": "停诊或加号", "schedule.void_exception": "撤销停诊或加号",
	"appointment.book": "预约号源", "appointment.move": "改约", "appointment.keep": "改由替诊", "appointment.release": "释放预约",
	"bed.offer": "调整可预约床位", "bed.occupy": "预留床位入住", "bed.discharge": "出院释放床位", "rescue.list": "修改绿色通道呼叫名单",
	"charter.begin": "起草章程", "charter.save": "修改章程",
	"steering.establish": "登记领导小组成立", "steering.appoint": "登记领导小组任职", "steering.dismiss": "登记领导小组离任", "steering.meeting": "登记领导小组会议",
	"governance.meeting": "登记会议", "governance.milestone": "登记阶段任务", "governance.unify": "登记统一管理情况",
	"client.approve": "批准系统客户端", "client.keys": "登记系统客户端公钥", "client.rotate": "更换系统客户端密钥", "client.token": "系统客户端取得令牌",
	"encounter.record": "登记就诊", "encounter.correct": "更正就诊", "encounter.load": "批量登记就诊", "encounter.move": "就诊改归他人", "encounter.void": "作废就诊",
	"encounter.skip": "就诊未计入统计",
	"exchange.read":  "查看交换消息", "exchange.replay": "重放交换消息", "exchange.dismiss": "搁置交换消息", "exchange.document": "接收共享文档", "exchange.import": "导入文件",
	"grid.draft": "新建网格草案", "grid.cell": "调整网格", "grid.assign": "划分网格", "grid.adopt": "启用网格布局", "grid.drop": "废弃网格草案",
	"grid.people": "登记区划人口", "grid.places": "调整区划示意位置", "grid.upload": "上传区划边界",
	"index.attach": "身份归入居民", "index.compare": "核对疑似同一人", "index.detach": "身份移出居民", "index.differ": "判定不是同一人", "index.enter": "登记新身份",
	"index.identify": "查明身份", "index.link": "合并为同一人", "index.part": "拆分", "index.place": "处理待归人记录", "index.wait": "记录待归人", "index.withdraw": "撤回归错的文档",
	"record.create": "写入健康记录", "record.update": "修改健康记录", "record.delete": "删除健康记录", "record.read": "读取健康记录", "record.vread": "读取健康记录的旧版本",
	"record.history": "查看健康记录的历次版本", "record.search": "检索健康记录", "record.everything": "读取全部健康记录",
	"record.export": "批量导出健康记录", "record.export.file": "下载批量导出的文件", "record.export.cancel": "取消批量导出",
	"record.notify": "按订阅发送健康记录", "record.subscription": "订阅状态变化",
	"referral.baseline.enter": "登记统计基数", "referral.baseline.confirm": "确认统计基数", "referral.baseline.void": "作废统计基数",
	"referral.counts.export": "导出转诊统计", "referral.reminder.answer": "登记就诊提醒的答复", "referral.reminder.confirm": "患者确认就诊",
	"calendar.upload": "上传工作日历", "keys.rotate": "更换密钥",
	"job.retry": "重新执行后台任务", "audit.search": "审计查询", "audit.read": "查看审计记录", "audit.verify": "校验审计链",
	"referral.open": "新建转诊单", "referral.claim": "认领转诊单", "referral.overdue": "转诊超时提醒", "referral.reclock": "重新计算期限",
	"referral.record": "补充记录", "referral.submit": "提交转诊", "referral.send_emergency": "紧急转诊", "referral.back_entry": "急诊补录", "referral.acknowledge_phone": "登记电话确认接收", "referral.divert_from": "急诊改送（转出方）",
	"consent_task.open": "急诊待补知情同意", "consent_task.sign": "补办知情同意", "consent_task.drop": "不再需要补办知情同意", "consent_task.claim": "接手补办知情同意", "consent_task.overdue": "补办知情同意超时提醒", "consent_task.reclock": "重新计算期限", "consent_task.record": "补充记录", "referral.save": "保存草稿", "referral.refuse_consent": "登记患者拒绝转诊", "referral.discard": "作废草稿",
	"referral.pass": "院内审核通过", "referral.return": "院内审核退回", "referral.accept": "受理转诊", "referral.ask": "要求补充资料",
	"referral.redirect": "改转", "referral.decline": "退回转诊", "referral.decline_down": "退回下转", "referral.capability": "修改下转接收能力", "referral.link.open": "打开一次性链接", "referral.link.answer": "通过一次性链接答复", "referral.withdraw": "撤回转诊", "referral.answer": "补充资料",
	"referral.arrange": "安排就诊", "referral.defer": "候诊/候床", "referral.arrive": "登记到诊", "referral.reschedule": "改约",
	"referral.no_show": "登记未到诊", "referral.cancel": "取消就诊", "referral.rearrange": "重新安排", "referral.close": "结案",
	"referral.acknowledge": "确认回执", "referral.divert": "急诊改送", "referral.start": "开始诊疗", "referral.note": "诊疗记录",
	"referral.complete": "完成诊疗并回转", "referral.complete_down": "完成诊疗并下转", "referral.elsewhere": "另转他院", "referral.print": "打印转诊文书",
	"referral.hand_on": "转介其他科室", "referral.acknowledge_emergency": "确认接收急诊", "referral.ask_cancel": "申请取消", "referral.answer_cancel": "答复取消申请",
	"referral.call_off": "取消转诊", "referral.death": "登记死亡（转出方）", "referral.death_at_target": "登记死亡（接诊方）",
	"consult.open": "提出咨询", "consult.claim": "认领咨询单", "consult.overdue": "咨询超时提醒", "consult.reclock": "重新计算咨询期限",
	"consult.record": "咨询补充记录", "consult.ask_back": "咨询：请补充", "consult.supply": "咨询：补充资料", "consult.reply": "答复咨询",
	"consult.decline": "退回咨询", "consult.elsewhere": "咨询另问他科", "consult.withdraw": "撤回咨询", "consult.convert": "咨询转为转诊",
	"consult.convert_for": "按授权将咨询转为转诊", "consult.close": "咨询评价并结案", "consult.end": "结束咨询", "consult.death": "患者死亡结束咨询",
	"consult.print":          "打印咨询答复单",
	"referral.ledger.export": "导出转诊台账", "referral.list": "打开转诊列表", "referral.file": "下载转诊档案", "referral.phoned.enter": "电话代录转诊", "calls.handover": "写交班", "calls.takeover": "接班", "calls.test": "测试转诊电话",
	"certificate.issue": "开具转诊证明", "certificate.void": "作废转诊证明", "certificate.print": "打印转诊证明",
}

// states are the states of a case, as they stand in the detail of its moves.
var states = map[string]string{
	"draft": "草稿", "in_review": "院内审核", "submitted": "待受理", "awaiting_info": "待补充", "accepted": "待安排",
	"deferred": "候诊/候床", "arranged": "待到诊", "no_show": "未到诊", "transferring": "急诊转运中", "arrived": "已到诊",
	"in_care": "诊疗中", "completed": "待回执", "declined": "已退回", "closed": "已结案", "withdrawn": "已撤回",
	"cancelled": "已取消", "discarded": "已作废",
	"asked": "待答复", "more_info": "待补充", "answered": "已答复",
}

func objectTitle(object string) string {
	if m := machines[object]; m != nil {
		return m.Title
	}
	return cmp.Or(objects[object], "其他")
}

// actionTitle never shows a code: what has no name of its own is an act on its
// object.
func actionTitle(l audit.Leaf) string {
	if title := actions[l.Action]; title != "" {
		return title
	}
	if title := stepTitle(l.Action); title != "" {
		return title
	}
	return "操作" + objectTitle(l.Object)
}

// who is the name to show for an actor.
func who(a audit.Actor) string {
	switch {
	case a.Role == audit.ProgramRole:
		return "系统"
	case a.Name != "":
		return a.Name
	}
	return "未登录"
}

func role(a audit.Actor) string {
	if a.Role == audit.ProgramRole {
		return "程序自动执行"
	}
	return access.Role(a.Role).Title()
}

var move = regexp.MustCompile(`^([a-z_]*)→([a-z_]+)(?: (.*))?$`)

// detail is the line of a leaf in words: moves of a case by the names of its
// states, purposes by theirs.
func detail(l audit.Leaf) string {
	if title := access.Purpose(l.Detail).Title(); title != "" {
		return title
	}
	m := move.FindStringSubmatch(l.Detail)
	if m == nil {
		return l.Detail
	}
	from, to := stateTitle(l.Object, m[1]), stateTitle(l.Object, m[2])
	switch {
	case to == "":
		return ""
	case from == "" || from == to:
		return to
	}
	return from + " → " + to
}

func outcome(l audit.Leaf) (web.Tone, string) {
	if l.Outcome == audit.Refused {
		return web.Bad, "拒绝"
	}
	return web.Good, "成功"
}

// options lists titles as choices, sorted by title within their code's kind.
func options(titles map[string]string) []web.Option {
	codes := slices.Collect(maps.Keys(titles))
	slices.SortFunc(codes, func(a, b string) int {
		ka, _, _ := strings.Cut(a, ".")
		kb, _, _ := strings.Cut(b, ".")
		return cmp.Or(cmp.Compare(ka, kb), cmp.Compare(titles[a], titles[b]))
	})
	out, seen := make([]web.Option, 0, len(codes)), map[string]bool{}
	for _, code := range codes {
		if !seen[titles[code]] { // one thing may have two codes: the first stands for it
			seen[titles[code]] = true
			out = append(out, web.Option{Value: code, Text: titles[code]})
		}
	}
	return out
}
