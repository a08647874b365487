// Package visit is the entry of a visit at a village clinic or a township
// centre: one short form that becomes the encounter that is counted and the
// resources of the record, in one transaction. A correction needs a reason and
// shows what it was; a visit entered for the wrong person is voided.
package visit

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/terminology"
)

// Form is what is entered. Nothing that is known is asked for.
type Form struct {
	Complaint string            `json:"complaint"`
	Diagnoses []string          `json:"diagnoses"` // insurance edition, the main one first
	Vitals    map[string]string `json:"vitals"`    // as typed; what was not measured is not there
	Medicines []Medicine        `json:"medicines"`
	Total     encounter.Fen     `json:"total"`
	Own       encounter.Fen     `json:"own"`
	FollowOn  calendar.Date     `json:"follow_on"`
	Start     time.Time         `json:"start"`
}

// Medicine is one medicine that was given or goes on.
type Medicine struct {
	Name string `json:"name"`
	Dose string `json:"dose"` // how it is taken
	Days string `json:"days"` // "" not stated
}

// Vital is something that is measured in a visit.
type Vital struct {
	Name, Title, Unit, LOINC string
	Low, High                float64 // what a form takes; beyond is a slip of the finger
	Places                   int     // decimals
}

// Vitals returns what may be measured, in the order of the form.
func Vitals() []Vital {
	return []Vital{
		{"systolic", "收缩压", "mmHg", "8480-6", 50, 300, 0}, {"diastolic", "舒张压", "mmHg", "8462-4", 20, 200, 0},
		{"temperature", "体温", "℃", "8310-5", 30, 45, 1}, {"pulse", "脉搏", "次/分", "8867-4", 20, 250, 0},
		{"spo2", "血氧饱和度", "%", "59408-5", 40, 100, 0}, {"glucose", "空腹血糖", "mmol/L", "1558-6", 0.5, 60, 1},
		{"glucose_random", "随机血糖", "mmol/L", "2345-7", 0.5, 60, 1}, {"weight", "体重", "kg", "29463-7", 0.5, 350, 1},
	}
}

// The bounds of a form.
const (
	maxDiagnoses = 5
	maxMedicines = 20
	maxText      = 500
	backDays     = 365 // how far back a visit may be entered
	aheadDays    = 365 // how far ahead a follow-up may lie
)

// check normalises a form and names everything that is wrong with it.
func (f Form) check(now time.Time, deceased calendar.Date) (Form, error) {
	var e errs.Form
	f.Complaint = strings.TrimSpace(f.Complaint)
	e.Require("complaint", f.Complaint, "主诉，例如“咳嗽 3 天”")
	if len([]rune(f.Complaint)) > maxText {
		e.Add("complaint", "主诉太长，请控制在 %d 字以内", maxText)
	}
	f.Start = f.Start.UTC().Truncate(time.Minute)
	today := calendar.DateOf(now)
	switch day := calendar.DateOf(f.Start); {
	case f.Start.IsZero():
		e.Add("start", "请填写就诊时间")
	case f.Start.After(now.Add(time.Minute)):
		e.Add("start", "就诊时间不能晚于现在")
	case day < today.AddDays(-backDays):
		e.Add("start", "就诊时间 %s 太早，只能补录一年以内的就诊", day)
	case deceased != "" && day > deceased:
		e.Add("start", "患者已于 %s 登记死亡，不能登记此后的就诊", deceased)
	}
	f.Diagnoses = f.checkDiagnoses(&e)
	f.Vitals = f.checkVitals(&e)
	f.Medicines = f.checkMedicines(&e)
	if f.Own.Known && (!f.Total.Known || f.Own.Amount > f.Total.Amount) {
		e.Add("own", "个人付的金额不能大于总费用")
	}
	if f.FollowOn != "" {
		switch day, err := calendar.ParseDate(string(f.FollowOn)); {
		case err != nil:
			e.AddErr("follow_on", err)
		case day <= calendar.DateOf(f.Start):
			e.Add("follow_on", "复诊日期应在就诊日期之后")
		case day > today.AddDays(aheadDays):
			e.Add("follow_on", "复诊日期 %s 太远，应在一年以内", day)
		}
	}
	return f, e.Err()
}

func (f Form) checkDiagnoses(e *errs.Form) []string {
	var out []string
	unknown := false
	for _, d := range f.Diagnoses {
		if d = strings.TrimSpace(d); d == "" {
			continue
		}
		c, ok := terminology.Get(d)
		if !ok {
			unknown = true
			e.Add("diagnosis", "诊断“%s”不在医保版编码里，请输入名称、拼音首字母或编码后从列表选择", d)
			continue
		}
		if !slices.Contains(out, c.Code) {
			out = append(out, c.Code)
		}
	}
	switch {
	case len(out) == 0 && !unknown:
		e.Add("diagnosis", "请选择诊断：点常用诊断，或输入名称、拼音首字母查找")
	case len(out) > maxDiagnoses:
		e.Add("diagnosis", "一次就诊最多 %d 个诊断", maxDiagnoses)
	}
	return out
}

func (f Form) checkVitals(e *errs.Form) map[string]string {
	out := map[string]string{}
	for _, v := range Vitals() {
		text := strings.TrimSpace(f.Vitals[v.Name])
		if text == "" {
			continue
		}
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || strings.ContainsAny(text, "eExXpP_+") || x < v.Low || x > v.High {
			e.Add(v.Name, "%s“%s”不合理：应为 %s 到 %s %s，没测请留空", v.Title, text, number(v.Low), number(v.High), v.Unit)
			continue
		}
		out[v.Name] = number(x)
		if v.Places > 0 && strings.Contains(text, ".") {
			out[v.Name] = strconv.FormatFloat(x, 'f', v.Places, 64)
		}
	}
	high, low := out["systolic"], out["diastolic"]
	switch {
	case (strings.TrimSpace(f.Vitals["systolic"]) == "") != (strings.TrimSpace(f.Vitals["diastolic"]) == ""):
		e.Add("systolic", "血压要同时填收缩压和舒张压")
	case high != "" && low != "" && value(high) <= value(low):
		e.Add("systolic", "收缩压 %s 应高于舒张压 %s", high, low)
	}
	return out
}

func value(text string) float64 {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return x
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func (f Form) checkMedicines(e *errs.Form) []Medicine {
	var out []Medicine
	for _, m := range f.Medicines {
		m.Name, m.Dose, m.Days = strings.TrimSpace(m.Name), strings.TrimSpace(m.Dose), strings.TrimSpace(m.Days)
		switch {
		case m == (Medicine{}) || m.Name == "" && m.Dose == "" && m.Days == "":
			continue
		case m.Name == "":
			e.Add("medicine", "填了用法，还要填药名")
			continue
		case len([]rune(m.Name)) > 100 || len([]rune(m.Dose)) > 200:
			e.Add("medicine", "药名或用法太长")
			continue
		}
		if m.Days != "" {
			if n, err := strconv.Atoi(m.Days); err != nil || n < 1 || n > 180 {
				e.Add("medicine", "“%s”的天数“%s”应为 1 到 180 的整数", m.Name, m.Days)
				continue
			}
		}
		if slices.ContainsFunc(out, func(x Medicine) bool { return x.Name == m.Name }) {
			e.Add("medicine", "“%s”写了两次", m.Name)
			continue
		}
		out = append(out, m)
	}
	if len(out) > maxMedicines {
		e.Add("medicine", "一次最多 %d 种药", maxMedicines)
	}
	return out
}

// Visit is one version of a visit.
type Visit struct {
	Form
	ID         string // of the encounter
	Version    int64
	Patient    string
	Org        string
	RecordedAt time.Time
	RecordedBy string
	Reason     string // why this version replaced the one before
	VoidedAt   time.Time
	VoidReason string
}

// Changes names what differs between two versions: label, before, after.
func Changes(was, is Form) [][3]string {
	var out [][3]string
	add := func(label, a, b string) {
		if a != b {
			out = append(out, [3]string{label, a, b})
		}
	}
	add("就诊时间", clock(was.Start), clock(is.Start))
	add("主诉", was.Complaint, is.Complaint)
	add("诊断", names(was.Diagnoses), names(is.Diagnoses))
	for _, v := range Vitals() {
		add(v.Title, measured(v, was), measured(v, is))
	}
	add("用药", was.medicineText(), is.medicineText())
	add("费用（元）", was.Total.String(), is.Total.String())
	add("个人付（元）", was.Own.String(), is.Own.String())
	add("复诊日期", none(string(was.FollowOn)), none(string(is.FollowOn)))
	return out
}

func clock(t time.Time) string { return t.In(calendar.Shanghai).Format("2006-01-02 15:04") }

func none(s string) string {
	if s == "" {
		return "无"
	}
	return s
}

func measured(v Vital, f Form) string {
	if x := f.Vitals[v.Name]; x != "" {
		return x + " " + v.Unit
	}
	return "未测"
}

// names are the diagnoses in words.
func names(codes []string) string {
	out := make([]string, len(codes))
	for i, c := range codes {
		out[i] = c
		if t, ok := terminology.Get(c); ok {
			out[i] = t.Name
		}
	}
	return strings.Join(out, "、")
}

// DiagnosisNames are the diagnoses of a form in words.
func (f Form) DiagnosisNames() string { return names(f.Diagnoses) }

func (f Form) medicineText() string {
	var out []string
	for _, m := range f.Medicines {
		out = append(out, m.Text())
	}
	return none(strings.Join(out, "；"))
}

// Text is a medicine in one line.
func (m Medicine) Text() string {
	s := strings.TrimSpace(m.Name + " " + m.Dose)
	if m.Days != "" {
		s += "，" + m.Days + " 天"
	}
	return s
}

// resourceID is the id of a resource of a visit: the same part is the same
// resource in every version.
func resourceID(visit, part string) string {
	sum := sha256.Sum256([]byte(visit + "\x00" + part))
	return "v" + hex.EncodeToString(sum[:16])
}
