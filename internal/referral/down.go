package referral

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/policy"
	"yilian/internal/terminology"
)

// trackDown is the track of down-referrals: their clocks are variants of the
// ordinary ones (referral.clock.arranged.down, .in_care.down).
const trackDown = "down"

// The coded lists of a down-referral.
const (
	keyDownReasons     = "referral.reason.down"
	keyDownIndications = "referral.indication.down"
)

// Medicine is one medicine that the patient goes on taking.
type Medicine struct {
	Name      string `json:"name"`
	Dose      string `json:"dose"`      // 每次剂量
	Frequency string `json:"frequency"` // 用法和频次
	Quantity  string `json:"quantity"`  // 带药数量
	DaysLeft  int    `json:"days_left"` // for how many days it lasts
}

// PlannedVisit is one follow-up of a plan: when, and what to check.
type PlannedVisit struct {
	On   string `json:"on"`
	What string `json:"what"`
}

// Plan is the packet with which a patient is sent down, so that his treatment
// goes on without a gap (GB-3.4). It is sealed at rest.
type Plan struct {
	Done      string         `json:"done"`      // 已完成的诊疗
	Next      string         `json:"next"`      // 后续治疗方案
	Medicines []Medicine     `json:"medicines"` // 带药和续用药
	RedFlags  string         `json:"red_flags"` // 出现哪些情况立即联系原主治医生
	Visits    []PlannedVisit `json:"visits"`
	Rehab     string         `json:"rehab"`   // 康复建议
	Nursing   string         `json:"nursing"` // 护理要求
	Until     string         `json:"until"`   // 计划结束日期; empty: reviewed by the clock
}

// DownForm is what the attending doctor writes to send a patient down.
type DownForm struct {
	Patient       string
	Diagnosis     string
	Reason        string // code of referral.reason.down
	ReasonText    string // when the reason asks for free text
	Indications   []string
	TargetService string
	Plan          Plan
	Choices       []Choice
	Consent       *consent.Consent
}

// Continuation is the plan of a down-referral as it stands.
type Continuation struct {
	Plan          Plan
	Attending     string
	AttendingName string
	AttendingOrg  string
	ChasedAt      time.Time
	Entries       []FollowEntry // newest first
	Next          string        // next planned follow-up that is not done; empty: none
}

// FollowEntry is one line that the receiver has written while the plan runs.
type FollowEntry struct {
	ID       string
	Referral string
	At       time.Time
	ByID     string
	ByName   string
	OrgName  string
	Visit    bool
	RedFlag  bool
	Question flow.Case // the question case; zero: nothing was asked
	Body     FollowBody
}

// FollowBody is the sealed part of an entry.
type FollowBody struct {
	Vitals     Vitals    `json:"vitals"`
	Text       string    `json:"text"`
	Question   string    `json:"question"`
	Answer     string    `json:"answer"`
	AnsweredBy string    `json:"answered_by"`
	AnsweredAt time.Time `json:"answered_at"`
}

func (f DownForm) tidy() DownForm {
	f.Diagnosis = terminology.Canonical(f.Diagnosis)
	if c, ok := terminology.Get(f.Diagnosis); ok {
		f.Diagnosis = c.Code
	}
	f.Indications = slices.Compact(slices.Sorted(slices.Values(f.Indications)))
	f.Choices, f.ReasonText = choose(f.Choices), strings.TrimSpace(f.ReasonText)
	p := &f.Plan
	for _, text := range p.texts() {
		*text.value = strings.TrimSpace(*text.value)
	}
	p.Medicines = slices.DeleteFunc(slices.Clone(p.Medicines), func(m Medicine) bool {
		return strings.TrimSpace(m.Name+m.Dose+m.Frequency+m.Quantity) == ""
	})
	p.Visits = slices.DeleteFunc(slices.Clone(p.Visits), func(v PlannedVisit) bool { return v.On == "" && strings.TrimSpace(v.What) == "" })
	slices.SortFunc(p.Visits, func(a, b PlannedVisit) int { return strings.Compare(a.On, b.On) })
	return f
}

func (p *Plan) texts() []textField {
	return []textField{
		{"done", "已完成的诊疗", &p.Done, true},
		{"next", "后续治疗方案", &p.Next, true},
		{"red_flags", "红旗征象（出现哪些情况立即联系）", &p.RedFlags, true},
		{"rehab", "康复建议", &p.Rehab, false},
		{"nursing", "护理要求", &p.Nursing, false},
	}
}

// checkSaved finds what may not stand even in a draft.
func (f DownForm) checkSaved(reasons, indications []policy.Code, today calendar.Date, form *errs.Form) {
	inList(form, "reason", "下转原因", f.Reason, reasons)
	for _, i := range f.Indications {
		inList(form, "indications", "下转指征", i, indications)
	}
	if f.Diagnosis != "" {
		form.AddErr("diagnosis", terminology.Check(f.Diagnosis))
	}
	for _, text := range f.Plan.texts() {
		if utf8.RuneCountInString(*text.value) > maxText {
			form.Add(text.name, "%s太长：最多 %d 个字", text.label, maxText)
		}
	}
	for i, m := range f.Plan.Medicines {
		switch {
		case m.Name == "" || m.Dose == "" || m.Frequency == "":
			form.Add("medicines", "第 %d 种药请写全药名、每次剂量和用法频次", i+1)
		case m.DaysLeft < 0 || m.DaysLeft > 366:
			form.Add("medicines", "%s 的可用天数应在 0—366 之间", m.Name)
		}
	}
	f.Plan.checkDates(today, form)
}

func (p Plan) checkDates(today calendar.Date, form *errs.Form) {
	last := today.AddDays(366)
	if p.Until != "" {
		day, err := calendar.ParseDate(p.Until)
		switch {
		case err != nil:
			form.AddErr("until", err)
		case !day.After(today):
			form.Add("until", "计划结束日期应晚于今天")
		case day.After(last):
			form.Add("until", "计划结束日期不能晚于一年以后")
		}
	}
	seen := map[string]bool{}
	for _, v := range p.Visits {
		day, err := calendar.ParseDate(v.On)
		switch {
		case v.On == "" || strings.TrimSpace(v.What) == "":
			form.Add("visits", "每次随访请写明日期和要检查的内容")
		case err != nil:
			form.AddErr("visits", err)
		case day.Before(today) || day.After(last):
			form.Add("visits", "随访日期 %s 应在今天到一年以内", v.On)
		case p.Until != "" && v.On > p.Until:
			form.Add("visits", "随访日期 %s 晚于计划结束日期 %s", v.On, p.Until)
		case seen[v.On]:
			form.Add("visits", "随访日期 %s 写了两次，请合并", v.On)
		}
		seen[v.On] = true
	}
}

// checkSent finds what is missing before a patient may be sent down.
func (f DownForm) checkSent(reasons []policy.Code, form *errs.Form) {
	form.Require("reason", f.Reason, "下转原因")
	form.Require("target_service", f.TargetService, "接收机构和科室")
	if f.Diagnosis == "" {
		form.Add("diagnosis", "请填写诊断（ICD-10 医保版编码）")
	}
	if len(f.Indications) == 0 {
		form.Add("indications", "请至少选择一条下转指征")
	}
	if i := slices.IndexFunc(reasons, func(c policy.Code) bool { return c.Code == f.Reason }); i >= 0 && reasons[i].Free {
		form.Require("reason_text", f.ReasonText, "下转原因的具体情况")
	}
	for _, text := range f.Plan.texts() {
		if text.required {
			form.Require(text.name, *text.value, text.label)
		}
	}
	if len(f.Plan.Visits) == 0 {
		form.Add("visits", "请至少安排一次随访，写明日期和要检查的内容")
	}
	if len(f.Choices) == 0 {
		form.Add("choices", "请记录已向患者介绍过的可选机构（患者自愿选择）")
	}
}

// offers reports whether an action belongs to the way a referral goes: some
// stand for one direction only.
func (r Record) offers(action string) bool {
	switch action {
	case ActDeclineDown:
		return r.Direction == Down
	case ActDecline, ActRedirect, ActHandOn:
		return r.Direction != Down
	case ActCompleteDown:
		return r.Direction == Up
	}
	return true
}
