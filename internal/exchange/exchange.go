// Package exchange takes in what the systems of hospitals send: HL7 version 2
// over MLLP, tables, CDA documents. A message is answered after what it says is
// committed; what cannot be placed waits where people see it, with the reason
// and a way to mend it. Nothing that was sent is lost, nothing is placed twice.
package exchange

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/exchange/hl7"
)

// State is what became of a message.
type State string

// The states of a message.
const (
	Placed    State = "placed"    // what it says is in the record
	Waiting   State = "waiting"   // somebody here must mend something
	Refused   State = "refused"   // the sender must mend something
	Dismissed State = "dismissed" // somebody decided that it is not needed
)

// States returns all states, those that need somebody first.
func States() []State { return []State{Waiting, Refused, Placed, Dismissed} }

// Title is the state in Chinese.
func (s State) Title() string {
	return map[State]string{Placed: "已入库", Waiting: "待处理", Refused: "已退回", Dismissed: "不再处理"}[s]
}

// Reason says why a message was not placed.
type Reason string

// The reasons. Those of the first group wait here, those of the second are the
// sender's to mend.
const (
	PersonUnknown   Reason = "person_unknown"
	PersonDiffers   Reason = "person_differs"
	PersonAmbiguous Reason = "person_ambiguous"
	VisitUnknown    Reason = "visit_unknown"
	CaseUnknown     Reason = "case_unknown"
	CaseMoved       Reason = "case_moved"

	Unreadable  Reason = "unreadable"
	NotForUs    Reason = "not_for_us"
	Unsupported Reason = "unsupported"
	Missing     Reason = "missing"
	BadValue    Reason = "bad_value"
	Duplicate   Reason = "duplicate"
)

var reasonWords = map[Reason]struct{ title, fix string }{
	PersonUnknown:   {"认不出患者", "请核对消息中的患者，填写其身份证号后重放；确为第一次来的患者，选择“按消息建档”"},
	PersonDiffers:   {"患者身份不一致", "证件号或院内号对应的人与消息中的姓名、出生日期不符。请与来源科室核实：填写正确患者的身份证号后重放，或请来源更正后重发"},
	PersonAmbiguous: {"可能是同一人", "已有同名同生日的患者。是同一人请填写其身份证号后重放；不是同一人请选择“按消息建档”"},
	VisitUnknown:    {"找不到就诊", "出院、改动或取消的就诊还没有登记。请来源先补发入院或登记消息，再点“重放”"},
	CaseUnknown:     {"找不到转诊单", "要改动或取消的转诊单还没有登记。请先补发转诊申请，再点“重放”"},
	CaseMoved:       {"转诊单已往下办理", "转诊单已发出或已接收，消息不能直接改动。请在平台打开转诊单办理，然后选择“不再处理”"},
	Unreadable:      {"读不懂", "来源发来的不是 HL7 v2 消息，请来源检查接口"},
	NotForUs:        {"来源未登记", "请系统管理员核对接口配置中的来源地址与机构"},
	Unsupported:     {"不支持的消息类型", "本平台不接收这类消息，请来源停止发送，或改用支持的类型"},
	Missing:         {"缺少必填内容", "请来源补全后以新的消息号重发"},
	BadValue:        {"内容有误", "请来源更正后以新的消息号重发"},
	Duplicate:       {"消息号重复", "同一消息号已用于另一条内容不同的消息。请来源检查消息号的生成"},
}

// Title is the reason in Chinese.
func (r Reason) Title() string { return reasonWords[r].title }

// Fix says what can be done about it.
func (r Reason) Fix() string { return reasonWords[r].fix }

// AboutPerson reports whether naming the person mends it.
func (r Reason) AboutPerson() bool {
	return r == PersonUnknown || r == PersonDiffers || r == PersonAmbiguous
}

// Message is a message as it is kept.
type Message struct {
	ID         string
	Org        string
	Peer       string
	ControlID  string
	Kind       string
	ReceivedAt time.Time
	Size       int64
	State      State
	Reason     Reason
	Place      string
	Detail     string
	Patient    string
	AnswerCode string
	Problems   []hl7.Problem
	Assigned   string
	Tries      int64
	Version    int64
	SettledAt  time.Time
	SettledBy  string
	Note       string

	digest string
}

// NewPerson is what Assigned says when somebody has confirmed that the person
// of a message is nobody we know.
const NewPerson = "new"

// stopped is why a message cannot be placed: for people here (hold) or for the
// sender (fault).
type stopped struct {
	state     State
	reason    Reason
	code      string // acknowledgement code
	condition hl7.Condition
	segment   string
	field     int
	text      string
	// then is done once what was carried out half-way is undone.
	then func(ctx context.Context, tx *db.Tx) error
}

func (s *stopped) Error() string { return s.text }

func (s *stopped) problem() hl7.Problem {
	return hl7.Problem{Segment: s.segment, Field: s.field, Condition: s.condition, Warning: s.state == Waiting, Text: s.text}
}

// hold keeps a message for the people here. The sender is told that it has
// arrived (AA) and that it waits (a warning): sending again would not help.
func hold(r Reason, segment string, field int, format string, args ...any) error {
	return &stopped{Waiting, r, hl7.Accept, hl7.UnknownKey, segment, field, fmt.Sprintf(format, args...), nil}
}

// fault gives a message back: the sender must mend it.
func fault(r Reason, condition hl7.Condition, segment string, field int, format string, args ...any) error {
	return &stopped{Refused, r, hl7.Error, condition, segment, field, fmt.Sprintf(format, args...), nil}
}

// reject gives back what we do not take at all.
func reject(r Reason, condition hl7.Condition, segment string, field int, format string, args ...any) error {
	return &stopped{Refused, r, hl7.Reject, condition, segment, field, fmt.Sprintf(format, args...), nil}
}

func missing(segment string, field int, what string) error {
	return fault(Missing, hl7.FieldMissing, segment, field, "%s-%d 缺少%s", segment, field, what)
}

// stop finds why placing ended; nil when err is a fault of the program.
func stop(err error) *stopped {
	s, _ := errors.AsType[*stopped](err)
	return s
}

// timeOf reads a time field; an empty one is the zero time.
func timeOf(s hl7.Segment, field int) (time.Time, error) {
	text := s.Str(field)
	if text == "" {
		return time.Time{}, nil
	}
	t, _, err := hl7.ParseTime(text, calendar.Shanghai)
	if err != nil {
		return t, fault(BadValue, hl7.DataType, s.Name, field, "%s-%d %v", s.Name, field, err)
	}
	return t, nil
}

// first is the first of several times that is stated.
func first(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// personName is an extended person name (XPN, XCN from its family name on) as
// people here write it: 李秀英, but Kathleen Woolfson.
func personName(family, given, middle string) string {
	for _, c := range family + given {
		if c > 0x2e80 {
			return family + given
		}
	}
	return strings.Join(strings.Fields(given+" "+middle+" "+family), " ")
}
