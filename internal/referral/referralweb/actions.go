package referralweb

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
)

// call is one action as it was posted.
type call struct {
	p     *Pages
	ctx   context.Context
	actor access.Actor
	ref   referral.Ref
	form  url.Values
}

func (c call) text(name string) string { return strings.TrimSpace(c.form.Get(name)) }

func (c call) reason() string  { return c.text("reason") }
func (c call) comment() string { return c.text("comment") }

// action is how the pages offer one action of the machine.
type action struct {
	icon   string
	direct bool   // one click: nothing has to be filled in
	done   string // what is said after
	run    func(c call) (flow.Case, error)
}

// actions are the actions that a case offers under its own address. Sending a
// draft has a page of its own.
var actions = map[string]action{
	flow.ActionClaim:          {"user-check", true, "已接手，这张单子现在由您负责", func(c call) (flow.Case, error) { return c.p.Service.Claim(c.ctx, c.actor, c.ref) }},
	referral.ActPass:          {"check", true, "审核通过，已送接收机构", func(c call) (flow.Case, error) { return c.p.Service.Pass(c.ctx, c.actor, c.ref, c.comment()) }},
	referral.ActReturn:        {"arrow-back-up", false, "已退回转诊医生修改", reasoned((*referral.Service).Return)},
	referral.ActDiscard:       {"trash", false, "草稿已作废", reasoned((*referral.Service).Discard)},
	referral.ActRefuseConsent: {"hand-stop", false, "已登记患者拒绝转诊", refuseConsent},
	referral.ActAccept:        {"check", true, "已受理，转出机构已收到通知。请安排就诊", func(c call) (flow.Case, error) { return c.p.Service.Accept(c.ctx, c.actor, c.ref, c.comment()) }},
	referral.ActAsk:           {"help", false, "已请对方补充，我方时限暂停", ask},
	referral.ActAnswer:        {"message", false, "补充资料已送出", answer},
	referral.ActRedirect:      {"arrow-forward-up", false, "已转介，对方已收到通知", redirect},
	referral.ActHandOn:        {"arrow-forward-up", false, "已转介，对方已收到通知", redirect},
	referral.ActDecline:       {"x", false, "已退回，原因和建议已送转诊医生", decline},
	referral.ActDeclineDown:   {"x", false, "已退回，原因和建议已送原主治医生", decline},
	referral.ActElsewhere:     {"send", false, "已另转他院", elsewhere},
	referral.ActArrange:       {"calendar-plus", false, "已安排就诊，到诊码已发给患者", arrange},
	referral.ActDefer:         {"hourglass", false, "已列入候诊/候床，患者已收到承诺日期", deferCase},
	referral.ActReschedule:    {"calendar-time", false, "已改期，患者已收到通知", reschedule},
	referral.ActAcknowledgeED: {"check", true, "已确认接收，呼叫停止。请准备接诊", func(c call) (flow.Case, error) {
		return c.p.Service.AcknowledgeEmergency(c.ctx, c.actor, c.ref, c.comment())
	}},
	referral.ActDivert:        {"arrow-forward-up", false, "已改送，新的接收医院已收到通知", divert},
	referral.ActDivertFrom:    {"arrow-forward-up", false, "已改送，新的接收医院已收到通知", divert},
	referral.ActArrive:        {"door-enter", false, "到诊登记完成，已通知接诊科室", arrive},
	referral.ActNoShow:        {"calendar-off", false, "已登记未到诊，转诊医生会联系患者", func(c call) (flow.Case, error) { return c.p.Service.NoShow(c.ctx, c.actor, c.ref, c.comment()) }},
	referral.ActRearrange:     {"refresh", false, "已请接收机构重新安排", reasoned((*referral.Service).Rearrange)},
	referral.ActCancel:        {"ban", false, "已取消就诊", reasoned((*referral.Service).Cancel)},
	referral.ActCallOff:       {"ban", false, "已取消转诊", reasoned((*referral.Service).Cancel)},
	referral.ActStart:         {"player-play", false, "已开始诊疗，临床责任由您承担", start},
	referral.ActNote:          {"notes", false, "诊疗进展已记录", func(c call) (flow.Case, error) { return c.p.Service.InterimNote(c.ctx, c.actor, c.ref, c.text("text")) }},
	referral.ActAskCancel:     {"ban", false, "取消申请已送接诊医生，等对方答复", reasoned((*referral.Service).AskCancel)},
	referral.ActAnswerCancel:  {"message", false, "答复已送转诊医生", answerCancel},
	referral.ActComplete:      {"clipboard-check", false, "回转单已送转出机构，待对方确认", complete},
	referral.ActAcknowledge:   {"checks", true, "回执已确认，本单结案", func(c call) (flow.Case, error) { return c.p.Service.Acknowledge(c.ctx, c.actor, c.ref, c.comment()) }},
	referral.ActClose:         {"clipboard", false, "本单已结案", closeCase},
	referral.ActWithdraw:      {"arrow-back-up", false, "转诊已撤回", reasoned((*referral.Service).Withdraw)},
	referral.ActDeath:         {"flag", false, "已登记死亡，患者的其他转诊一并结案", death},
	referral.ActDeathAtTarget: {"flag", false, "已登记死亡，患者的其他转诊一并结案", death},
}

// reasoned wraps a use case that takes a coded reason and a comment.
func reasoned(use func(*referral.Service, context.Context, access.Actor, referral.Ref, string, string) (flow.Case, error)) func(call) (flow.Case, error) {
	return func(c call) (flow.Case, error) {
		return use(c.p.Service, c.ctx, c.actor, c.ref, c.reason(), c.comment())
	}
}

// signature reads who signed and how.
func signature(form url.Values) consent.Consent {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	return consent.Consent{
		Form: consent.Form(text("form")), SignedBy: consent.Signer(text("signed_by")), SignerName: text("signer"),
		Relation: text("relation"), Document: text("document"), Witness: text("witness"), Reason: text("reason"), Detail: text("comment"),
	}
}

func refuseConsent(c call) (flow.Case, error) {
	return c.p.Service.RefuseConsent(c.ctx, c.actor, c.ref, signature(c.form))
}

func ask(c call) (flow.Case, error) {
	return c.p.Service.Ask(c.ctx, c.actor, c.ref, c.reason(), c.text("question"))
}

func answer(c call) (flow.Case, error) {
	return c.p.Service.Answer(c.ctx, c.actor, c.ref, c.text("answer"))
}

func answerCancel(c call) (flow.Case, error) {
	return c.p.Service.AnswerCancel(c.ctx, c.actor, c.ref, referral.CancelAnswer{Answer: c.text("answer"), Comment: c.comment()})
}

func redirect(c call) (flow.Case, error) {
	var wrong errs.Form
	at := when(c.form, "contact_at", "通话时间", &wrong)
	if err := wrong.Err(); err != nil {
		return flow.Case{}, err
	}
	return c.p.Service.Redirect(c.ctx, c.actor, c.ref, referral.Redirect{
		Service: c.text("target_service"), AgreedBy: c.text("agreed_by"), AgreedHow: c.text("agreed_how"), Reason: c.reason(), Comment: c.comment(),
		Phone: c.text("contact_phone"), At: at, Visit: calendar.Date(c.text("contact_visit")),
	})
}

func divert(c call) (flow.Case, error) {
	return c.p.Service.Divert(c.ctx, c.actor, c.ref, referral.Redirect{
		Service: c.text("target_service"), AgreedBy: c.text("agreed_by"), AgreedHow: c.text("agreed_how"), Reason: c.reason(), Comment: c.comment(),
	})
}

func decline(c call) (flow.Case, error) {
	return c.p.Service.Decline(c.ctx, c.actor, c.ref, referral.Decline{
		Reason: c.reason(), Comment: c.comment(), SuggestedOrg: c.text("suggested_org"), SuggestedService: c.text("suggested_service"), Advice: c.text("advice"),
	})
}

func arrange(c call) (flow.Case, error) {
	a, err := appointment(c.form)
	if err != nil {
		return flow.Case{}, err
	}
	return c.p.Service.Arrange(c.ctx, c.actor, c.ref, a)
}

func reschedule(c call) (flow.Case, error) {
	a, err := appointment(c.form)
	if err != nil {
		return flow.Case{}, err
	}
	return c.p.Service.Reschedule(c.ctx, c.actor, c.ref, a, c.reason(), c.comment())
}

// appointment reads the appointment form.
func appointment(form url.Values) (referral.Arrangement, error) {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	a := referral.Arrangement{Department: text("department"), Doctor: text("doctor"), Location: text("location"), Phone: text("phone")}
	booked(form, &a)
	if a.Slot != "" || text("appointed_at") == "" {
		return a, nil // the use case names what is missing
	}
	day, err := calendar.ParseDate(text("appointed_at"))
	if err != nil {
		return a, wrongField("appointed_at", err.Error())
	}
	clock, err := time.ParseInLocation("15:04", text("appointed_time"), calendar.Shanghai)
	if err != nil {
		return a, wrongField("appointed_time", "请填写就诊钟点，例如 09:30")
	}
	a.At = day.Time().Add(time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute)
	return a, nil
}

func arrive(c call) (flow.Case, error) {
	return c.p.Service.Arrive(c.ctx, c.actor, c.ref, referral.Arrival{
		Code: c.text("code"), IDNumber: strings.ToUpper(c.text("id_number")), Name: c.text("name"), BirthDate: c.text("birth_date"),
	})
}

func start(c call) (flow.Case, error) {
	return c.p.Service.Start(c.ctx, c.actor, c.ref, referral.Start{Care: c.text("care"), ExpectedDischarge: c.text("expected_discharge")})
}

func complete(c call) (flow.Case, error) {
	return c.p.Service.Complete(c.ctx, c.actor, c.ref, referral.Report{
		ResultCode: c.text("result_code"), RecordNumber: c.text("record_number"), Exams: c.text("exams"), Treatment: c.text("treatment"),
		Advice: c.text("advice"), Outcome: c.text("outcome"), Phone: c.text("phone"),
	})
}

func closeCase(c call) (flow.Case, error) {
	return c.p.Service.Close(c.ctx, c.actor, c.ref, referral.Closing{Outcome: c.text("outcome"), Reason: c.reason(), Comment: c.comment()})
}

func death(c call) (flow.Case, error) {
	return c.p.Service.RecordDeath(c.ctx, c.actor, c.ref, referral.Death{On: c.text("deceased_on"), Reason: c.reason()})
}

// choices are the places that stood on the page, the chosen one marked.
func choices(targets []referral.Target, shown []string, chosen string) []referral.Choice {
	var out []referral.Choice
	seen := map[string]bool{}
	for _, id := range append([]string{chosen}, shown...) {
		for _, t := range targets {
			if t.Service.ID == id && id != "" && !seen[id] {
				seen[id] = true
				out = append(out, referral.Choice{Org: t.Org.ID, OrgName: t.Org.Name, Service: t.Department.Name + " " + t.Service.Kind.Title(), Chosen: id == chosen})
			}
		}
	}
	return out
}

// The hours for which appointments are usually given.
const (
	firstHour = 8
	lastHour  = 17
)

// nextSlot is the next half hour of a working day's hours at least an hour from
// now: what the appointment form proposes.
func nextSlot(now time.Time) time.Time {
	at := now.In(calendar.Shanghai).Add(time.Hour + 29*time.Minute + 59*time.Second).Truncate(30 * time.Minute)
	switch {
	case at.Hour() < firstHour:
		return calendar.DateOf(at).Time().Add(firstHour * time.Hour)
	case at.Hour() >= lastHour:
		return calendar.DateOf(at).AddDays(1).Time().Add(firstHour * time.Hour)
	}
	return at
}

// hours are the clock times that an appointment may be given, as text.
func hours() []string {
	var out []string
	for h := firstHour; h <= lastHour; h++ {
		for _, m := range []int{0, 30} {
			out = append(out, pad(h)+":"+pad(m))
		}
	}
	return out
}

func pad(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}
