package exchange

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/exchange/hl7"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/record"
	"yilian/internal/referral"
)

// Service holds the use cases of exchange.
type Service struct {
	DB         *db.DB
	Keys       *crypto.Keyring
	Audit      *audit.Log
	Access     *access.Control
	Patients   *patient.Service
	Index      *index.Service
	Encounters *encounter.Service
	Referrals  *referral.Service
	Record     *record.Store

	turns turns
}

// source is where something comes from, for placing it.
type source struct {
	peer     Peer
	ref      string // message, or file and row
	by       string // who is named as recording
	assigned string
	object   string  // what waits in the master index when the person is not safe: "hl7", "" nothing
	placed   bool    // the master index has settled it: assigned and ident are its answer
	ident    *string // identity through which it came, once known; nil: not noted
}

// actor is the program, on behalf of the institution of the peer.
func (src source) actor() access.Actor {
	a := audit.Program("接口 " + src.peer.Name)
	a.Org, a.OrgName = src.peer.Org, src.peer.OrgName
	return a
}

// Receive takes in one message and returns the answer. The answer is given
// after what the message says is committed, or after the message itself is kept
// with the reason why it could not be placed. The same message again gets the
// same answer and changes nothing.
func (s *Service) Receive(ctx context.Context, peer Peer, raw []byte) ([]byte, error) {
	m, perr := hl7.Parse(raw)
	release, err := s.turns.take(ctx, turnsOf(peer, m))
	if err != nil {
		return nil, err
	}
	defer release()
	var kept Message
	for range 2 { // two copies at once: the second finds the first
		err = s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
			kept, err = s.receive(ctx, tx, peer, raw, m, perr)
			return err
		})
		if !errs.Is(err, errs.Conflict) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return hl7.Acknowledge(m, hl7.Answer{Code: kept.AnswerCode, ID: kept.ID, At: kept.ReceivedAt.In(calendar.Shanghai), Problems: kept.Problems}), nil
}

func (s *Service) receive(ctx context.Context, tx *db.Tx, peer Peer, raw []byte, m *hl7.Message, perr error) (Message, error) {
	k := Message{ID: db.NewID(), Org: peer.Org, Peer: peer.Name, ReceivedAt: tx.Now, Size: int64(len(raw)),
		digest: s.Keys.Digest(raw), Version: 1, State: Placed, AnswerCode: hl7.Accept, Tries: 1}
	once := ""
	if m != nil {
		code, event := m.Type()
		k.Kind, k.ControlID = strings.Trim(code+"^"+event, "^"), m.ControlID()
		if once = k.ControlID; once != "" {
			once = peer.Name + "/" + once
			if peer.Daily {
				day := m.Segment("MSH").Str(7)
				once = peer.Name + "/" + day[:min(8, len(day))] + "/" + k.ControlID
			}
			was, found, err := byOnce(ctx, tx, once)
			if err != nil {
				return k, err
			}
			if found && was.digest == k.digest {
				return was, nil
			}
			if found {
				once, perr = "", fault(Duplicate, hl7.DuplicateKey, "MSH", 10, "消息号 %s 已用于另一条内容不同的消息（%s 收到），本条没有处理",
					k.ControlID, was.ReceivedAt.In(calendar.Shanghai).Format("2006-01-02 15:04"))
			}
		}
	}
	if err := s.place(ctx, tx, &k, source{peer: peer, ref: k.ID, by: "接口 " + peer.Name, object: messageObject, ident: new(string)}, m, perr); err != nil {
		return k, err
	}
	return k, s.insert(ctx, tx, k, once, raw)
}

// place tries to carry a message out; perr is why it cannot even be tried. What
// was done half-way is undone.
func (s *Service) place(ctx context.Context, tx *db.Tx, k *Message, src source, m *hl7.Message, perr error) error {
	if f, ok := errors.AsType[*hl7.Fault](perr); ok {
		perr = reject(Unreadable, hl7.SegmentOrder, "", 0, "%s", f.Error())
	}
	if perr == nil {
		perr = tx.Savepoint(ctx, func() error {
			who, notes, err := s.carryOut(ctx, tx, src, m)
			k.Patient, k.Problems = who, notes
			return err
		})
	}
	if perr == nil {
		k.State, k.Reason, k.Place, k.Detail, k.SettledAt, k.SettledBy = Placed, "", "", "", tx.Now, src.by
		return nil
	}
	st := stop(perr)
	if st == nil && (errs.Is(perr, errs.Invalid) || errs.Is(perr, errs.NotFound)) { // a rule of a module below
		st = &stopped{Refused, BadValue, hl7.Error, hl7.ValueNotFound, "", 0, perr.Error(), nil}
	}
	if st == nil {
		return perr
	}
	k.Patient = ""
	k.State, k.Reason, k.Place, k.Detail = st.state, st.reason, st.problem().At(), st.text
	k.AnswerCode, k.Problems = st.code, []hl7.Problem{st.problem()}
	if st.then != nil {
		return st.then(ctx, tx)
	}
	return nil
}

// open is a message with its bytes, for somebody of its institution. Opening
// one is on record, with the patient once known.
func (s *Service) open(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (Message, []byte, error) {
	k, sealed, err := get(ctx, tx, id)
	if err != nil {
		return k, nil, err
	}
	if err := access.Require(actor, access.ExchangeManage, access.At(actor, k.Org)); err != nil {
		return k, nil, err
	}
	raw, err := s.Keys.Open(sealed, "exchange/"+id)
	return k, []byte(raw), err
}

// Read shows a message to somebody of its institution.
func (s *Service) Read(ctx context.Context, actor access.Actor, id string) (Message, []byte, error) {
	var k Message
	var raw []byte
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		if k, raw, err = s.open(ctx, tx, actor, id); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "exchange.read", k, "查看消息内容："+k.Kind)
	})
	return k, raw, err
}

// Fix is what somebody says before a message is tried again.
type Fix struct {
	Card   string // identity card of the person it is about
	Enter  bool   // it is about a person whom nobody knows: enter him as the message says
	Reason string // of Dismiss
}

// Replay tries a message again, with what has been mended meanwhile.
func (s *Service) Replay(ctx context.Context, actor access.Actor, id string, version int64, fix Fix) (Message, error) {
	var k Message
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		was, raw, err := s.open(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		if k = was; k.State == Placed || k.State == Dismissed {
			return errs.E(errs.Conflict, "这条消息%s（%s），不能重放", k.State.Title(), k.SettledBy)
		}
		if k.Version != version {
			return errs.E(errs.Conflict, "这条消息刚刚被别人处理过，请刷新后再看")
		}
		if k.Reason == Duplicate {
			return errs.E(errs.Conflict, "消息号已属于另一条消息，请来源以新的消息号重发")
		}
		switch {
		case fix.Card != "":
			if k.Assigned, err = s.holderOf(ctx, tx, fix.Card); err != nil {
				return err
			}
		case fix.Enter:
			k.Assigned = NewPerson
		}
		m, perr := hl7.Parse(raw)
		src := source{peer: Peer{Name: k.Peer, Org: k.Org, OrgName: actor.OrgName}, ref: k.ID, by: signature(actor), assigned: k.Assigned,
			object: messageObject, ident: new(string)}
		code, problems := k.AnswerCode, k.Problems // what the sender was told stays
		if err := s.place(ctx, tx, &k, src, m, perr); err != nil {
			return err
		}
		k.AnswerCode, k.Problems = code, problems
		k.Tries++
		k.Version++
		if err := update(ctx, tx, k); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "exchange.replay", k, fmt.Sprintf("重放第 %d 次：%s", k.Tries, k.State.Title()))
	})
	return k, err
}

// Dismiss says that a message is not needed, and why.
func (s *Service) Dismiss(ctx context.Context, actor access.Actor, id string, version int64, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		k, _, err := s.open(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		if k.State == Placed || k.State == Dismissed || k.Version != version {
			return errs.E(errs.Conflict, "这条消息%s，请刷新后再看", k.State.Title())
		}
		if reason = strings.TrimSpace(reason); len([]rune(reason)) < 2 {
			var f errs.Form
			f.Add("reason", "请写明不再处理的原因")
			return f.Err()
		}
		if err := s.rejectWaiting(ctx, tx, actor, k, reason); err != nil {
			return err
		}
		k.State, k.Note, k.SettledAt, k.SettledBy = Dismissed, reason, tx.Now, signature(actor)
		k.Version++
		if err := update(ctx, tx, k); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "exchange.dismiss", k, reason)
	})
}

func (s *Service) leaf(ctx context.Context, tx *db.Tx, actor access.Actor, action string, k Message, detail string) error {
	return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "message", ObjectID: k.ID,
		Patient: k.Patient, Outcome: audit.OK, Detail: detail})
}

func signature(a access.Actor) string {
	if a.Name == "" {
		return "系统"
	}
	return a.OrgName + a.Name
}
