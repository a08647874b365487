package exchange

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/exchange/hl7"
	"yilian/internal/patient"
)

// task is one message being carried out.
type task struct {
	s     *Service
	tx    *db.Tx
	src   source
	m     *hl7.Message
	who   string
	notes []hl7.Problem
}

// supported names the messages that are carried out.
var supported = map[string]func(*task, context.Context) error{
	"ADT^A01": (*task).visit, "ADT^A03": (*task).visit, "ADT^A04": (*task).visit, "ADT^A08": (*task).visit,
	"ADT^A13": (*task).reopen, "ADT^A11": (*task).cancelVisit, "ADT^A28": (*task).personOnly, "ADT^A31": (*task).personOnly,
	"ADT^A34": (*task).merge, "ADT^A40": (*task).merge,
	"ORU^R01": (*task).report,
	"ORM^O01": (*task).order, "OML^O21": (*task).order, "OMG^O19": (*task).order,
	"MDM^T02": (*task).document, "MDM^T08": (*task).document, "MDM^T10": (*task).document,
	"SIU^S12": (*task).appointment, "SIU^S13": (*task).appointment, "SIU^S14": (*task).appointment,
	"SIU^S15": (*task).appointment, "SIU^S17": (*task).appointment, "SIU^S26": (*task).appointment,
	"REF^I12": (*task).refer, "REF^I13": (*task).changeReferral, "REF^I14": (*task).cancelReferral,
}

// Supported returns the messages that are carried out, sorted.
func Supported() []string {
	var out []string
	for k := range supported {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// carryOut does what a message says and returns whom it is about.
func (s *Service) carryOut(ctx context.Context, tx *db.Tx, src source, m *hl7.Message) (string, []hl7.Problem, error) {
	code, event := m.Type()
	switch {
	case code == "":
		return "", nil, fault(Missing, hl7.FieldMissing, "MSH", 9, "MSH-9 缺少消息类型")
	case m.ControlID() == "":
		return "", nil, fault(Missing, hl7.FieldMissing, "MSH", 10, "MSH-10 缺少消息号，无法分辨是否重复")
	}
	do := supported[code+"^"+event]
	if do == nil {
		condition, field := hl7.UnsupportedType, "类型"
		for k := range supported {
			if strings.HasPrefix(k, code+"^") {
				condition, field = hl7.UnsupportedEvent, "事件"
			}
		}
		return "", nil, reject(Unsupported, condition, "MSH", 9, "不支持的消息%s %s^%s", field, code, event)
	}
	t := &task{s: s, tx: tx, src: src, m: m}
	for _, n := range m.Notes {
		t.warn("MSH", 18, hl7.DataType, n)
	}
	err := do(t, ctx)
	return t.who, t.notes, err
}

// warn tells the sender something that did not stop the message.
func (t *task) warn(segment string, field int, c hl7.Condition, text string) {
	t.notes = append(t.notes, hl7.Problem{Segment: segment, Field: field, Condition: c, Warning: true, Text: text})
}

// person finds whom the message is about.
func (t *task) person(ctx context.Context) error {
	pid := t.m.Segment("PID")
	if pid.Name == "" {
		return fault(Missing, hl7.SegmentOrder, "PID", 0, "缺少 PID 段，不知道是哪位患者")
	}
	p, err := personOf(pid)
	if err != nil {
		return err
	}
	p.insurance = insuranceOf(t.m.Segment("IN1"))
	t.who, err = t.s.identify(ctx, t.tx, t.src, p)
	return err
}

func (t *task) personOnly(ctx context.Context) error { return t.person(ctx) }

// visit is admission (A01), discharge (A03), registration (A04) and change
// (A08): what the message states goes over what is known of the visit.
func (t *task) visit(ctx context.Context) error {
	if err := t.person(ctx); err != nil {
		return err
	}
	_, event := t.m.Type()
	pv1 := t.m.Segment("PV1")
	if event == "A08" && t.visitKey() == "" { // an update of the person
		return nil
	}
	if pv1.Name == "" {
		return fault(Missing, hl7.SegmentOrder, "PV1", 0, "缺少 PV1 段，不知道是哪次就诊")
	}
	e, found, err := t.known(ctx)
	if err != nil {
		return err
	}
	if event == "A03" && !found && pv1.Str(44) == "" {
		return hold(VisitUnknown, "PV1", 19, "出院的就诊没有登记过，消息中也没有入院时间（PV1-44）")
	}
	if err := t.overlay(&e); err != nil {
		return err
	}
	return t.s.recordVisit(ctx, t.tx, t.src, e)
}

// visitKey is the number of the visit at the sender.
func (t *task) visitKey() string {
	pv1 := t.m.Segment("PV1")
	return cmp.Or(pv1.Str(19), pv1.Str(50), t.m.Segment("PID").Str(18))
}

// system names the peer as a source of encounters.
func (t *task) system() string { return encounter.SourceHL7 + "/" + t.src.peer.Name }

// known is the visit as recorded so far, or a new one.
func (t *task) known(ctx context.Context) (encounter.Encounter, bool, error) {
	key := t.visitKey()
	if key == "" {
		return encounter.Encounter{}, false, missing("PV1", 19, "就诊流水号")
	}
	e, found, err := encounter.BySource(ctx, t.tx, t.system(), key)
	if err != nil {
		return e, false, err
	}
	if found {
		e.Source.Ref = t.m.ControlID()
	} else if e, found, err = encounter.ByOtherRoad(ctx, t.tx, t.src.peer.Org, key, encounter.SourceHL7); err != nil {
		return e, false, err
	}
	if !found {
		e.Source = encounter.Source{System: t.system(), Key: key, Ref: t.m.ControlID()}
	}
	e.Patient, e.Org, e.Clinical = t.who, t.src.peer.Org, true
	return e, found, nil
}

// overlay puts what the message states over a visit; what it leaves out stays.
func (t *task) overlay(e *encounter.Encounter) error {
	_, event := t.m.Type()
	pv1, evn := t.m.Segment("PV1"), t.m.Segment("EVN")
	class, err := classOf(pv1.Str(2), event)
	if err != nil {
		return err
	}
	e.Class = cmp.Or(class, e.Class, encounter.Outpatient)
	var times [5]time.Time
	for i, f := range []struct {
		s     hl7.Segment
		field int
	}{{pv1, 44}, {evn, 6}, {evn, 2}, {t.m.Segment("MSH"), 7}, {pv1, 45}} {
		if times[i], err = timeOf(f.s, f.field); err != nil {
			return err
		}
	}
	if e.Start.IsZero() || !times[0].IsZero() {
		e.Start = first(times[0], times[1], times[2], times[3])
	}
	if event == "A03" || !times[4].IsZero() {
		e.End = first(times[4], times[1], times[2], times[3])
	}
	if leave := leaveOf(pv1.Str(36)); leave != "" && !e.End.IsZero() {
		e.Leave = leave
	} else if pv1.Str(36) != "" && leave == "" {
		t.warn("PV1", 36, hl7.ValueNotFound, "PV1-36 离院方式“"+pv1.Str(36)+"”不认识，没有记录")
	}
	e.Department = cmp.Or(pv1.Rep(3).Comp(1), pv1.Str(10), e.Department)
	if x := pv1.Rep(7); !x.Empty() {
		e.Doctor = cmp.Or(personName(x.Sub(2, 1), x.Comp(3), ""), x.Comp(1))
	}
	if list := diagnosesOf(t.m.All("DG1")); len(list) > 0 {
		e.Diagnoses = list
	}
	if kind := insuranceOf(t.m.Segment("IN1")); kind != "" {
		e.InsuranceKind = kind
	}
	return nil
}

// classOf reads table HL70004; A01 without a class is an admission.
func classOf(code, event string) (encounter.Class, error) {
	switch strings.ToUpper(code) {
	case "I", "B", "住院":
		return encounter.Inpatient, nil
	case "E", "急诊":
		return encounter.Emergency, nil
	case "O", "R", "C", "N", "P", "门诊":
		return encounter.Outpatient, nil
	case "", "U":
		if event == "A01" {
			return encounter.Inpatient, nil
		}
		return "", nil
	}
	return "", fault(BadValue, hl7.ValueNotFound, "PV1", 2, "PV1-2 就诊类别“%s”不认识，应为 I（住院）、O（门诊）或 E（急诊）", code)
}

// leaveOf reads the way of leaving: the code of the front page of a stay, or
// table HL70112 as far as it says the same.
func leaveOf(code string) string {
	if encounter.LeaveTitle(code) != "" {
		return code
	}
	switch code {
	case "01", "home":
		return "1"
	case "02":
		return "2"
	case "07", "left-ama":
		return "4"
	case "20", "40", "41", "42", "expired":
		return encounter.Died
	}
	return encounter.CodeOf(encounter.LeaveWays(), code)
}

// diagnosesOf reads DG1: the main one (DG1-15 = 1) first; when there are final
// ones, only those.
func diagnosesOf(list []hl7.Segment) []encounter.Diagnosis {
	if slices.ContainsFunc(list, func(s hl7.Segment) bool { return s.Str(6) == "F" }) {
		list = slices.DeleteFunc(slices.Clone(list), func(s hl7.Segment) bool { return s.Str(6) != "F" })
	}
	slices.SortStableFunc(list, func(a, b hl7.Segment) int {
		return cmp.Compare(btoi(a.Str(15) != "1"), btoi(b.Str(15) != "1"))
	})
	var out []encounter.Diagnosis
	for _, s := range list {
		x := s.Rep(3)
		code, name, system := x.Comp(1), cmp.Or(x.Comp(2), s.Text(4)), strings.ToUpper(x.Comp(3))
		if code == "" && name == "" {
			continue
		}
		if system == "YB" || system == "CHS" || strings.Contains(system, "医保") {
			out = append(out, encounter.Diagnosis{InsuranceCode: code, InsuranceName: name})
		} else {
			out = append(out, encounter.Diagnosis{ClinicalCode: code, ClinicalName: name})
		}
	}
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// insuranceOf reads the kind of cover from IN1-15 or the name of the plan.
func insuranceOf(in1 hl7.Segment) string {
	for _, text := range []string{in1.Str(15), in1.Rep(2).Comp(2), in1.Str(4), in1.Str(9)} {
		switch {
		case strings.Contains(text, "救助"):
			return patient.MedicalAid
		case strings.Contains(text, "居民") || strings.Contains(text, "新农合"):
			return patient.Resident
		case strings.Contains(text, "职工"):
			return patient.UrbanEmployee
		case strings.Contains(text, "自费"):
			return patient.SelfPay
		}
	}
	return ""
}

// reopen is a cancelled discharge (A13).
func (t *task) reopen(ctx context.Context) error {
	if err := t.person(ctx); err != nil {
		return err
	}
	e, found, err := t.known(ctx)
	if err != nil {
		return err
	}
	if !found {
		return hold(VisitUnknown, "PV1", 19, "要取消出院的就诊没有登记过")
	}
	e.End, e.Leave, e.ChangeReason = time.Time{}, "", "取消出院（ADT^A13）"
	return t.s.recordVisit(ctx, t.tx, t.src, e)
}

// cancelVisit is a cancelled admission or registration (A11).
func (t *task) cancelVisit(ctx context.Context) error {
	if err := t.person(ctx); err != nil {
		return err
	}
	e, found, err := t.known(ctx)
	if err != nil {
		return err
	}
	if !found {
		return hold(VisitUnknown, "PV1", 19, "要取消的就诊没有登记过")
	}
	return t.s.Encounters.VoidTx(ctx, t.tx, t.src.actor(), e.ID, "来源取消就诊（ADT^A11）")
}

// merge says that two numbers of the institution are one person (A34, A40). The
// old number follows; when both already stand for two persons of the index,
// somebody has to look: the index parts and joins, not a message.
func (t *task) merge(ctx context.Context) error {
	if err := t.person(ctx); err != nil {
		return err
	}
	mrg := t.m.Segment("MRG")
	if mrg.Name == "" || mrg.Raw(1) == "" {
		return missing("MRG", 1, "被合并的患者号")
	}
	var old said
	for _, r := range mrg.Reps(1) {
		old.addNumber(r.Comp(1), cmp.Or(r.Comp(4), r.Sub(4, 2)), r.Comp(5), 3)
	}
	for _, st := range t.src.sayings(old) {
		was, err := t.s.Index.ByNumber(ctx, t.tx, st)
		if err != nil {
			return err
		}
		if was == "" { // a number that nobody knows follows
			st.Statement.Name = t.m.Segment("PID").Rep(5).Comp(1)
			_, err = t.s.Index.Also(ctx, t.tx, t.src.actor(), st, t.who)
		} else {
			err = t.join(ctx, was)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// join links two patients on the sender's word, when the index bears it out;
// otherwise the pair is put before the people of the index, and the message
// waits for them.
func (t *task) join(ctx context.Context, was string) error {
	joined, err := t.s.Index.Claim(ctx, t.tx, t.src.actor(), was, t.who, "来源合并患者号（"+t.src.peer.Name+"）")
	if err != nil || joined {
		return err
	}
	who := t.who
	held := hold(PersonDiffers, "MRG", 1, "要合并的两个患者号在主索引中是两位患者：请在患者主索引中核对并关联后重放")
	stop(held).then = func(ctx context.Context, tx *db.Tx) error {
		return t.s.Index.Propose(ctx, tx, was, who)
	}
	return held
}
