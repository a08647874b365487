// Package message tells patients, in plain words, who acts next and by when,
// and tells staff what has happened in their cases. It stores every message,
// delivers it through a pluggable channel, and stops at numbers that do not
// work. What a text may say is the caller's duty: no diagnosis and no
// department name, see Plain.
package message

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/jobs"
)

// State is where a message stands.
type State string

// The states of a message.
const (
	Queued    State = "queued"
	Delivered State = "delivered"
	Failed    State = "failed"  // tried and not delivered
	Stopped   State = "stopped" // not tried: the number has failed too often
)

// States returns all states in the order of pages.
func States() []State { return []State{Queued, Delivered, Failed, Stopped} }

// Title is the state in Chinese.
func (s State) Title() string {
	return map[State]string{Queued: "待发送", Delivered: "已送达", Failed: "发送失败", Stopped: "已停发"}[s]
}

// Meaning explains the state to staff.
func (s State) Meaning() string {
	return map[State]string{
		Queued:    "已存入系统，正在等待发送",
		Delivered: "已送到患者的消息页或手机",
		Failed:    "多次尝试仍未送达，请电话告知患者",
		Stopped:   "该号码连续发送失败，系统已暂停向它发送；核对号码后可重新发送",
	}[s]
}

// Message is one plain message to a patient.
type Message struct {
	ID, Patient string
	PatientName string // on lists
	To          string // contact, in full only for the channel; empty on lists
	ToMasked    string
	Text        string
	Case        string // reference of the case it is about
	Channel     string // what delivered it
	State       State
	Reason      string // why it failed or was stopped
	Attempts    int
	CreatedAt   time.Time
	DeliveredAt time.Time
}

// Out is a message to be sent.
type Out struct {
	Patient string
	To      string   // the patient's safe contact where one is set, else the phone; empty: message page only
	Text    string   // no diagnosis, no department name
	Case    string   // reference of the case
	Orgs    []string // institutions whose staff see it: the sides of the case
	Key     string   // names the change of state that it tells: sent at most once
}

// Channel delivers messages. It may be called again for a message that it has
// delivered already (a process died in between) and recognises the ID. An
// error of the kind errs.Invalid means that the contact itself is bad and
// trying again is useless.
type Channel interface {
	Name() string
	Deliver(ctx context.Context, m Message) error
}

// Page is the built-in channel: the message stands on the message page, which
// is all that an installation without an SMS provider has.
type Page struct{}

// Name implements Channel.
func (Page) Name() string { return "消息页" }

// Deliver implements Channel; being stored is being delivered.
func (Page) Deliver(context.Context, Message) error { return nil }

// Options are limits; zero values mean the defaults named here.
type Options struct {
	Attempts   int // 5 tries of one message
	BadContact int // 3 messages in a row that failed stop a contact
}

// Service has the use cases of messages.
type Service struct {
	db      *db.DB
	keys    *crypto.Keyring
	log     *audit.Log
	queue   *jobs.Queue
	channel Channel
	opts    Options
}

// New makes the service and registers its delivery job. A nil channel is Page.
func New(d *db.DB, keys *crypto.Keyring, log *audit.Log, q *jobs.Queue, channel Channel, opts Options) *Service {
	if channel == nil {
		channel = Page{}
	}
	if opts.Attempts == 0 {
		opts.Attempts = 5
	}
	if opts.BadContact == 0 {
		opts.BadContact = 3
	}
	s := &Service{db: d, keys: keys, log: log, queue: q, channel: channel, opts: opts}
	q.Title(deliverKind, "发送患者消息")
	jobs.HandleOutside(q, deliverKind, s.deliver)
	return s
}

const (
	deliverKind = "message.deliver"
	maxText     = 300
)

type deliverArgs struct{ ID string }

// Plain builds the text of a message: what has happened, who acts next, by
// when, and whom to call. Its parts must not name a diagnosis or a department.
type Plain struct {
	Done  string    // 您的转诊申请已提交
	Who   string    // 区第四人民医院转诊中心
	Does  string    // 审核并回复
	By    time.Time // until when; zero: not said
	Phone string    // number to call with questions
}

// Text returns the message.
func (p Plain) Text() string {
	var b strings.Builder
	b.WriteString("【医联】")
	if p.Done != "" {
		b.WriteString(strings.TrimRight(p.Done, "。") + "。")
	}
	if p.Who != "" {
		b.WriteString("下一步：由" + p.Who)
		if !p.By.IsZero() {
			b.WriteString("在" + Moment(p.By) + "前")
		}
		b.WriteString(strings.TrimRight(p.Does, "。") + "。")
	}
	if p.Phone != "" {
		b.WriteString("有疑问请拨打 " + p.Phone + "。")
	}
	return b.String()
}

// Moment is an instant as messages say it: 3月2日 15:04.
func Moment(t time.Time) string { return t.In(calendar.Shanghai).Format("1月2日 15:04") }

func (o Out) check() error {
	switch {
	case o.Patient == "" || o.Key == "":
		return errs.E(errs.Internal, "message without patient or key")
	case strings.TrimSpace(o.Text) == "":
		return errs.E(errs.Invalid, "消息内容不能为空")
	case utf8.RuneCountInString(o.Text) > maxText:
		return errs.E(errs.Invalid, "消息内容太长：最多 %d 个字", maxText)
	}
	return nil
}

// Filter narrows a list of messages; zero fields do not narrow.
type Filter struct {
	Patient, Case string
	State         State
	Limit         int // 0 means 50, at most 200
	Offset        int
}

// Notice is one line for staff: what happened and where to look. It is
// addressed to an account, or to whoever holds a role at an institution.
type Notice struct {
	ID        string // empty: a new one
	Account   string
	Org       string
	Role      access.Role
	Kind      string // for example referral.submitted
	Text      string
	Link      string // path on this site
	CreatedAt time.Time
	ReadAt    time.Time
}
