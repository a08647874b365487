// Package index is the master index of persons over the patients that sources
// state: it decides to whom a statement belongs, keeps what fits nobody in a
// queue, links and parts patients with evidence, and tells the modules above
// what moves with an identity. Which patients are one person stands in package
// access, where everybody asks (ADR 0035).
package index

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/patient"
	"yilian/internal/patient/match"
)

// Service holds the use cases of the master index.
type Service struct {
	DB       *db.DB
	Patients *patient.Service
	Access   *access.Control
	Audit    *audit.Log
	Weights  match.Weights
	// Moved, Placed and Withdrawn are called in the transaction of the act by
	// the modules that keep what came through an identity (record, exchange);
	// an error undoes the act.
	Moved     []func(ctx context.Context, tx *db.Tx, m Moved) error
	Placed    []func(ctx context.Context, tx *db.Tx, p Placed) error
	Withdrawn []func(ctx context.Context, tx *db.Tx, w Withdrawal) error

	size atomic.Pointer[size]
}

// Stated is what a source states about a person, and what it brought along.
type Stated struct {
	patient.Statement
	Source   string // institution that states it
	System   string // namespace of Number; "" is the institution's own
	Unknown  bool   // the source says that it does not know who it is
	Mother   string // patient id; of a newborn who has no paper yet
	Order    int    // of a birth: 1, 2 …
	Object   string // what hangs on the person: "hl7", "fhir", "file" …
	ObjectID string
}

// Outcome is what becomes of a statement.
type Outcome string

// The outcomes of Match and Attach.
const (
	Known     Outcome = "known"   // this source has stated this number before
	Certain   Outcome = "certain" // a paper with a valid number, and the name agrees
	Linked    Outcome = "linked"  // the model is sure: a patient of its own, linked
	InReview  Outcome = "review"  // a patient of its own, beside others that a human compares
	Fresh     Outcome = "fresh"   // a new person
	Unmatched Outcome = "unmatched"
)

// Reason says why something is unmatched.
type Reason string

// The reasons of the queue.
const (
	TooFew        Reason = "too_few"
	NumberName    Reason = "number_name"
	NumberCard    Reason = "number_card"
	CardName      Reason = "card_name"
	CardInvalid   Reason = "card_invalid"
	Incomplete    Reason = "incomplete"
	MotherUnknown Reason = "mother"
)

// Title is the reason in Chinese, as a sentence for the clerk.
func (r Reason) Title() string {
	return map[Reason]string{
		TooFew:        "身份信息不足两项，不能归到任何人名下",
		NumberName:    "就诊号对应的居民姓名不同，可能是号码被重新使用或填错",
		NumberCard:    "就诊号对应的居民身份证号不同",
		CardName:      "身份证号已登记在另一姓名下，可能借用证件或填错号码",
		CardInvalid:   "身份证号校验不通过，也没有找到可靠对应的居民",
		Incomplete:    "像是新居民，但姓名、性别或出生日期不全，不能建档",
		MotherUnknown: "新生儿的母亲没有登记，无法随母建档",
	}[r]
}

// Candidate is a registered patient beside a statement.
type Candidate struct {
	Patient string       `json:"patient"`
	Bits    float64      `json:"bits"`
	Parts   []match.Part `json:"parts"`
}

// Decision is what Match finds; nothing is written.
type Decision struct {
	Outcome    Outcome
	Patient    string // whom it belongs to, or the likeliest; "" nobody
	Identity   string // of Known
	Reason     Reason // of Unmatched
	Candidates []Candidate
}

// Attachment is what Attach has done. Patient is whom the caller names in what
// it keeps; it is empty while the statement waits in the queue.
type Attachment struct {
	Outcome  Outcome
	Patient  string
	Identity string
	Waiting  string // id in the queue of Unmatched
	Reason   Reason
}

// Moved says that an identity has turned out to be another person's: what came
// through it goes along.
type Moved struct {
	Identity, From, To string
	Objects            []Object
	Reason             string
}

// Object is one thing of a module above.
type Object struct{ Kind, ID string }

// Placed says that a human has decided where something unmatched belongs. A
// rejected one has no patient.
type Placed struct {
	Waiting, Patient, Identity string
	Object                     Object
	Rejected                   bool
	Note                       string
}

// Basis is who or what decided on a pair.
type Basis string

// The bases of links.
const (
	ByModel Basis = "model"
	ByCard  Basis = "card" // an identity card was shown
	ByHuman Basis = "human"
)

// Title is the basis in Chinese.
func (b Basis) Title() string {
	return map[Basis]string{ByModel: "系统比对", ByCard: "出示身份证", ByHuman: "人工核对"}[b]
}

// PairLink is a decision on two patients.
type PairLink struct {
	ID        string
	A, B      string
	Same      bool
	Basis     Basis
	Bits      float64
	Parts     []match.Part
	Reason    string
	At        time.Time
	By        string
	EndedAt   time.Time // zero while it holds
	EndedBy   string
	EndReason string
}

func encode(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode evidence: %w", err)
	}
	return string(text), nil
}

func decodeParts(text string) (parts []match.Part, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &parts); err != nil {
		return nil, fmt.Errorf("decode evidence: %w", err)
	}
	return parts, nil
}

func (s *Service) leaf(ctx context.Context, tx *db.Tx, actor access.Actor, action, id, detail string, patients ...string) error {
	for _, p := range patients {
		err := s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "index", ObjectID: id, Patient: p, Detail: detail})
		if err != nil {
			return fmt.Errorf("audit %s: %w", action, err)
		}
	}
	return nil
}

// signature is who decided, for those who look at it later.
func signature(a access.Actor) string {
	switch {
	case a.OrgName != "" && a.Name != "":
		return a.OrgName + a.Name
	case a.Name != "":
		return a.Name
	}
	return "系统"
}
