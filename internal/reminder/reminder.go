// Package reminder keeps what became of the reminder before an appointment:
// whether it was delivered, and what the patient answered. It sends nothing and
// moves no case; the referral does.
package reminder

import (
	"time"

	"yilian/internal/message"
	"yilian/internal/policy"
)

// The answers of a patient.
const (
	Confirmed   = "confirmed"
	WillNotCome = "will_not_come"
	Unreachable = "unreachable"
)

// How an answer came.
const (
	ByPhone  = "phone"
	InPerson = "in_person"
	OnPage   = "page" // the patient himself, on his page
)

// Answers returns the answers in the order of forms.
func Answers() []policy.Code {
	return []policy.Code{{Code: Confirmed, Title: "确认会来"}, {Code: WillNotCome, Title: "表示不来"}, {Code: Unreachable, Title: "联系不上"}}
}

// AnswerTitle is an answer in Chinese.
func AnswerTitle(code string) string {
	for _, a := range Answers() {
		if a.Code == code {
			return a.Title
		}
	}
	return ""
}

// Receipt is a reminder with its delivery and the newest answer.
type Receipt struct {
	SentAt      time.Time // zero: not reminded yet
	Delivery    message.State
	Answer      string // "" none yet
	ReasonTitle string
	How         string
	Note        string
	ByName      string
	AnsweredAt  time.Time
}

// Text says in a few words where it stands, for desks and lists.
func (r Receipt) Text() string {
	switch {
	case r.Answer != "":
		text := "患者" + AnswerTitle(r.Answer)
		if r.Answer == Unreachable {
			text = "患者联系不上"
		}
		if r.ReasonTitle != "" {
			text += "：" + r.ReasonTitle
		}
		return text
	case r.SentAt.IsZero():
		return "未提醒"
	case r.Delivery == "":
		return "已提醒，未发消息"
	}
	return "提醒" + r.Delivery.Title()
}
