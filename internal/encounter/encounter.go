// Package encounter keeps visits and stays as facts that are counted and paid:
// where, when, which class, first contact or not and by which definition, with
// which diagnoses, how it ended, who paid what. Facts come from hospital
// messages, FHIR, files and the insurer; the clinical record behind them is not
// kept here. A corrected fact keeps what it was; a wrong one is voided.
package encounter

import (
	"cmp"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/terminology"
)

// Fen is an amount of money that a source may not have stated.
type Fen struct {
	Amount int64
	Known  bool
}

// FenOf is a stated amount.
func FenOf(amount int64) Fen { return Fen{amount, true} }

// Scan implements sql.Scanner.
func (f *Fen) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*f = Fen{}
	case int64:
		*f = FenOf(v)
	default:
		return fmt.Errorf("scan amount: unexpected %T", src)
	}
	return nil
}

// Value implements driver.Valuer.
func (f Fen) Value() (driver.Value, error) {
	if !f.Known {
		return nil, nil
	}
	return f.Amount, nil
}

// String is the amount in yuan, or 未提供.
func (f Fen) String() string {
	if !f.Known {
		return "未提供"
	}
	sign, n := "", f.Amount
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

// ParseFen reads an amount in yuan with at most two decimals; "" is not stated.
func ParseFen(text string) (Fen, error) {
	s := strings.ReplaceAll(strings.TrimSpace(text), ",", "")
	if s == "" {
		return Fen{}, nil
	}
	whole, part, _ := strings.Cut(s, ".")
	if len(part) > 2 && strings.Trim(part[2:], "0") == "" {
		part = part[:2]
	}
	bad := errs.E(errs.Invalid, "金额“%s”写法有误，请以元为单位填写，最多两位小数，例如 128.50", text)
	if whole == "" || len(whole) > 12 || len(part) > 2 || strings.Trim(whole+part, "0123456789") != "" {
		return Fen{}, bad
	}
	var n int64
	for _, c := range whole + (part + "00")[:2] {
		n = n*10 + int64(c-'0')
	}
	return FenOf(n), nil
}

// Share is an amount under a code: a fund or a class of charges.
type Share struct {
	Code string
	Fen  int64
}

// Diagnosis is one diagnosis in both editions; either may be missing.
type Diagnosis struct {
	ClinicalCode, ClinicalName   string
	InsuranceCode, InsuranceName string
	Known                        bool // the insurance code is in the edition we hold; set when recorded
}

// Title is what a list shows of a diagnosis.
func (d Diagnosis) Title() string {
	name := cmp.Or(d.ClinicalName, d.InsuranceName)
	code := cmp.Or(d.InsuranceCode, d.ClinicalCode)
	return strings.TrimSpace(name + " " + code)
}

// Outside is an institution that is not in the register.
type Outside struct{ Code, Name, Region string }

// Source says where a fact came from.
type Source struct {
	System string // hl7/<peer>, file/<institution>, insurer …
	Key    string // of the visit there: the same key is the same visit
	Ref    string // message, file and row, or page
}

// Encounter is one visit or stay, or a row of counts.
type Encounter struct {
	ID             string
	Version        int64
	Patient        string // "" nobody in the index
	Org            string // "" outside
	Outside        Outside
	Class          Class
	Start, End     time.Time // End zero: goes on, or not stated
	Department     string
	Doctor         string
	First          string // Yes, No, "" not stated
	FirstBy        string
	Leave          string
	Referral       string
	InsuranceKind  string
	InsurancePlace string
	Total, Own     Fen
	Funds          []Share
	Fees           []Share
	Diagnoses      []Diagnosis // the main one first
	Visits         int64       // 1, or more for a row of counts
	Clinical       bool
	Source         Source
	RecordedAt     time.Time
	RecordedBy     string
	ChangeReason   string
	VoidedAt       time.Time
	VoidedBy       string
	VoidReason     string
}

// CountedOn is the business day an encounter counts on: a stay on the day it
// ends, anything else on the day it begins; "" while a stay goes on.
func (e Encounter) CountedOn() calendar.Date {
	if e.Class != Inpatient {
		return calendar.DateOf(e.Start)
	}
	if e.End.IsZero() {
		return ""
	}
	return calendar.DateOf(e.End)
}

// Fund is the sum of what the funds paid; unknown when no fund is stated.
func (e Encounter) Fund() Fen {
	if len(e.Funds) == 0 {
		return Fen{}
	}
	return FenOf(sum(e.Funds))
}

// Main is the main diagnosis; zero when none is stated.
func (e Encounter) Main() Diagnosis {
	if len(e.Diagnoses) == 0 {
		return Diagnosis{}
	}
	return e.Diagnoses[0]
}

func sum(list []Share) (n int64) {
	for _, s := range list {
		n += s.Fen
	}
	return n
}

// check normalises an encounter and names everything that is wrong with it.
func (e Encounter) check(now time.Time) (Encounter, error) {
	var f errs.Form
	e.Visits = max(e.Visits, 1)
	e.Start, e.End = e.Start.UTC().Truncate(time.Millisecond), e.End.UTC().Truncate(time.Millisecond)
	if !known(Classes(), string(e.Class)) {
		f.Add("class", "就诊类别“%s”不认识，应为：%s", e.Class, titles(Classes()))
	}
	if e.Org == "" && strings.TrimSpace(e.Outside.Name) == "" {
		f.Add("org", "请填写就诊机构")
	}
	if e.Source.System == "" || e.Source.Key == "" {
		f.Add("source_key", "缺少就诊流水号，无法分辨是否重复")
	}
	e.checkTimes(&f, now)
	e.checkCodes(&f)
	e.checkMoney(&f)
	if e.Visits > 1 && (e.Patient != "" || e.Clinical) {
		f.Add("visits", "写明人次大于 1 的汇总行不能同时写明患者")
	}
	e.Diagnoses = slices.Clone(e.Diagnoses)
	for i := range e.Diagnoses {
		e.Diagnoses[i] = canonical(e.Diagnoses[i])
	}
	return e, f.Err()
}

// earliest is before any visit that a system can have kept.
var earliest = time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC)

func (e Encounter) checkTimes(f *errs.Form, now time.Time) {
	switch {
	case e.Start.IsZero():
		f.Add("start", "请填写就诊（入院）时间")
	case e.Start.Before(earliest) || e.Start.After(now.Add(24*time.Hour)):
		f.Add("start", "就诊（入院）时间 %s 不合理：不能早于 1950 年或晚于今天", calendar.DateOf(e.Start))
	}
	if e.End.IsZero() {
		return
	}
	if e.End.Before(e.Start) {
		f.Add("end", "结束（出院）时间 %s 早于就诊（入院）时间 %s", clock(e.End), clock(e.Start))
	} else if e.End.After(now.Add(24 * time.Hour)) {
		f.Add("end", "结束（出院）时间 %s 晚于今天", calendar.DateOf(e.End))
	}
}

func (e Encounter) checkCodes(f *errs.Form) {
	if (e.First == "") != (e.FirstBy == "") || (e.First != "" && e.First != Yes && e.First != No) {
		f.Add("first", "首诊标志与首诊口径要一起填写，标志为“是”或“否”")
	} else if e.FirstBy != "" && !known(Firsts(), e.FirstBy) {
		f.Add("first_by", "首诊口径“%s”不认识，应为：%s", e.FirstBy, titles(Firsts()))
	}
	if e.Leave != "" && !known(LeaveWays(), e.Leave) {
		f.Add("leave", "离院方式“%s”不认识，应为：%s", e.Leave, titles(LeaveWays()))
	}
	if e.Leave != "" && e.End.IsZero() {
		f.Add("leave", "填写了离院方式，还要填写出院时间")
	}
}

func (e Encounter) checkMoney(f *errs.Form) {
	for _, list := range []struct {
		codes []Code
		rows  []Share
		what  string
	}{{FundKinds(), e.Funds, "基金"}, {FeeClasses(), e.Fees, "费用类别"}} {
		seen := map[string]bool{}
		for _, s := range list.rows {
			if !known(list.codes, s.Code) {
				f.Add("money", "%s“%s”不认识，应为：%s", list.what, s.Code, titles(list.codes))
			} else if seen[s.Code] {
				f.Add("money", "%s“%s”写了两次", list.what, title(list.codes, s.Code))
			}
			if s.Fen < 0 {
				f.Add("money", "%s“%s”的金额是负数；退费请改正原记录", list.what, title(list.codes, s.Code))
			}
			seen[s.Code] = true
		}
	}
	if e.Total.Amount < 0 || e.Own.Amount < 0 {
		f.Add("money", "总费用和个人负担不能是负数；退费请改正原记录")
	}
	if !e.Total.Known {
		return
	}
	if len(e.Fees) > 0 && sum(e.Fees) != e.Total.Amount {
		f.Add("fees", "各类费用合计 %s 元，与总费用 %s 元不符", FenOf(sum(e.Fees)), e.Total)
	}
	if e.Own.Known && len(e.Funds) > 0 && sum(e.Funds)+e.Own.Amount != e.Total.Amount {
		f.Add("own", "基金支付 %s 元加个人负担 %s 元，与总费用 %s 元不符", e.Fund(), e.Own, e.Total)
	}
}

// canonical writes the codes the way the editions do. A code that we do not
// hold is kept as it came: care is not refused for a code.
func canonical(d Diagnosis) Diagnosis {
	d.ClinicalCode = strings.TrimSpace(d.ClinicalCode)
	d.InsuranceCode = strings.TrimSpace(d.InsuranceCode)
	d.Known = false
	if c, ok := terminology.Get(d.InsuranceCode); ok && d.InsuranceCode != "" {
		d.InsuranceCode, d.Known = c.Code, true
		d.InsuranceName = cmp.Or(d.InsuranceName, c.Name)
	}
	return d
}

func titles(list []Code) string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = c.Title
	}
	return strings.Join(out, "、")
}

// same reports whether two encounters state the same facts, whatever message
// brought them.
func same(a, b Encounter) bool {
	return a.Patient == b.Patient && a.Org == b.Org && a.Outside == b.Outside && a.Class == b.Class &&
		a.Start.Equal(b.Start) && a.End.Equal(b.End) && a.Department == b.Department && a.Doctor == b.Doctor &&
		a.First == b.First && a.FirstBy == b.FirstBy && a.Leave == b.Leave && a.Referral == b.Referral &&
		a.InsuranceKind == b.InsuranceKind && a.InsurancePlace == b.InsurancePlace && a.Total == b.Total && a.Own == b.Own &&
		a.Visits == b.Visits && a.Clinical == b.Clinical && slices.Equal(a.Diagnoses, b.Diagnoses) &&
		slices.Equal(sorted(a.Funds), sorted(b.Funds)) && slices.Equal(sorted(a.Fees), sorted(b.Fees))
}

func sorted(list []Share) []Share {
	return slices.SortedFunc(slices.Values(list), func(a, b Share) int { return strings.Compare(a.Code, b.Code) })
}

// clock is an instant as a sentence names it.
func clock(t time.Time) string { return t.In(calendar.Shanghai).Format("2006-01-02 15:04") }
