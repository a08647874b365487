package calls

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// maxItems is how many open cases one entry of the book lists.
const maxItems = 200

// Shift is what is typed into the hand-over book.
type Shift struct {
	From, To time.Time
	Text     string
	Once     string
}

// body is the sealed part of an entry.
type body struct {
	Text  string `json:"text"`
	Items []Item `json:"items"`
}

// OpenItems returns what a shift would hand over now: the open cases that are
// the institution's turn, the clock that breaks first on top.
func (s *Service) OpenItems(ctx context.Context, actor access.Actor) (list []Item, now time.Time, err error) {
	if err := may(actor); err != nil {
		return nil, now, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		now = tx.Now
		list, err = openItems(ctx, tx, actor.Org)
		return err
	})
	return list, now, err
}

func openItems(ctx context.Context, tx *db.Tx, org string) ([]Item, error) {
	return db.List(ctx, tx, func(scan db.Scan) (i Item, err error) {
		var due db.Time
		err = scan(&i.Case, &i.Number, &i.Subject, &i.Kind, &i.State, &i.Urgency, &i.Owner, &due)
		i.DueAt = due.Time
		return i, err
	}, `
		SELECT id, number, subject, kind, state, urgency, owner_name, due_at FROM flow_case
		WHERE owner_org = $1 AND closed_at IS NULL AND state <> 'draft'
		ORDER BY due_at, id LIMIT $2`, org, maxItems)
}

// HandOver writes an entry with the open cases as they stand.
func (s *Service) HandOver(ctx context.Context, actor access.Actor, sh Shift) (Handover, error) {
	if err := may(actor); err != nil {
		return Handover{}, err
	}
	h := Handover{ID: db.NewID(), Org: actor.Org, From: sh.From, To: sh.To, Text: strings.TrimSpace(sh.Text), WrittenBy: actor.Account, Writer: actor.Name}
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		h.WrittenAt = tx.Now
		if err := h.check(tx.Now); err != nil {
			return err
		}
		if h.Items, err = openItems(ctx, tx, actor.Org); err != nil {
			return err
		}
		h.Count = int64(len(h.Items))
		sealed, err := s.seal(h.ID, body{h.Text, h.Items})
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `
			INSERT INTO call_handover (id, org, from_at, to_at, body, items, written_by, written_name, written_at, taken_by, taken_name, remark, once)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', '', '', $10) ON CONFLICT (once) DO NOTHING`,
			h.ID, h.Org, db.At(h.From), db.At(h.To), sealed, h.Count, h.WrittenBy, h.Writer, db.At(tx.Now), token(sh.Once))
		if err != nil {
			return fmt.Errorf("insert hand-over: %w", err)
		}
		if n == 0 { // the same form again
			h.ID, err = db.Get(ctx, tx, "这条交班记录", db.Value[string], `SELECT id FROM call_handover WHERE once = $1 AND org = $2`, sh.Once, actor.Org)
			return err
		}
		return s.leaf(ctx, tx, actor, "calls.handover", h.ID, fmt.Sprintf("交班，未办结 %d 件", h.Count))
	})
	return h, err
}

func (h Handover) check(now time.Time) error {
	var f errs.Form
	switch {
	case h.From.IsZero():
		f.Add("from", "请填写班次开始时间")
	case h.To.IsZero():
		f.Add("to", "请填写班次结束时间")
	case !h.From.Before(h.To):
		f.Add("to", "班次结束时间要晚于开始时间")
	case h.To.Sub(h.From) > 48*time.Hour:
		f.Add("to", "一个班次不超过 48 小时，请核对日期")
	case h.From.After(now):
		f.Add("from", "班次还没有开始，请核对时间")
	}
	f.Require("text", h.Text, "交班内容（没有特别事项请写“无”）")
	if len([]rune(h.Text)) > 2000 {
		f.Add("text", "最多 2000 个字")
	}
	return f.Err()
}

// TakeOver signs an entry by the next shift; nobody takes over from himself.
func (s *Service) TakeOver(ctx context.Context, actor access.Actor, id, remark string) (Handover, error) {
	if err := may(actor); err != nil {
		return Handover{}, err
	}
	var h Handover
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		if h, err = s.handover(ctx, tx, actor.Org, id); err != nil {
			return err
		}
		if h.TakenBy == actor.Account {
			return nil // the same form again
		}
		if h.WrittenBy == actor.Account {
			return errs.E(errs.Conflict, "接班人不能是写交班的人，请由下一班人员登录接班")
		}
		n, err := tx.Exec(ctx, `
			UPDATE call_handover SET taken_by = $3, taken_name = $4, taken_at = $5, remark = $6
			WHERE id = $1 AND org = $2 AND taken_at IS NULL`, id, actor.Org, actor.Account, actor.Name, db.At(tx.Now), strings.TrimSpace(remark))
		if err != nil {
			return fmt.Errorf("take over: %w", err)
		}
		if n == 0 {
			return errs.E(errs.Conflict, "%s已于 %s 接班", h.Taker, h.TakenAt.Format("1月2日 15:04"))
		}
		h.TakenBy, h.Taker, h.TakenAt, h.Remark = actor.Account, actor.Name, tx.Now, strings.TrimSpace(remark)
		return s.leaf(ctx, tx, actor, "calls.takeover", id, "接班")
	})
	return h, err
}

const handoverColumns = `id, org, from_at, to_at, body, items, written_by, written_name, written_at, taken_by, taken_name, taken_at, remark`

func (s *Service) readHandover(scan db.Scan) (h Handover, err error) {
	var from, to, written, taken db.Time
	var sealed string
	err = scan(&h.ID, &h.Org, &from, &to, &sealed, &h.Count, &h.WrittenBy, &h.Writer, &written, &h.TakenBy, &h.Taker, &taken, &h.Remark)
	if err != nil {
		return h, err
	}
	h.From, h.To, h.WrittenAt, h.TakenAt = from.Time, to.Time, written.Time, taken.Time
	var b body
	err = s.open(h.ID, sealed, &b)
	h.Text, h.Items = b.Text, b.Items
	return h, err
}

func (s *Service) handover(ctx context.Context, tx *db.Tx, org, id string) (Handover, error) {
	return db.Get(ctx, tx, "这条交班记录", s.readHandover, `SELECT `+handoverColumns+` FROM call_handover WHERE id = $1 AND org = $2`, id, org)
}

// Handover returns one entry of the book of the actor's institution.
func (s *Service) Handover(ctx context.Context, actor access.Actor, id string) (h Handover, err error) {
	if err := may(actor); err != nil {
		return h, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		h, err = s.handover(ctx, tx, actor.Org, id)
		return err
	})
	return h, err
}

// Book returns the newest entries of the hand-over book.
func (s *Service) Book(ctx context.Context, actor access.Actor) (list []Handover, err error) {
	if err := may(actor); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		list, err = db.List(ctx, tx, s.readHandover, `SELECT `+handoverColumns+` FROM call_handover WHERE org = $1
			ORDER BY written_at DESC, id DESC LIMIT 30`, actor.Org)
		return err
	})
	return list, err
}

func (s *Service) leaf(ctx context.Context, tx *db.Tx, actor access.Actor, action, id, detail string) error {
	return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "calls", ObjectID: id, Outcome: audit.OK, Detail: detail})
}

// Overdue reports whether the clock of an item had run out at a time.
func (i Item) Overdue(now time.Time) bool { return !i.DueAt.IsZero() && i.DueAt.Before(now) }
