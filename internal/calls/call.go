package calls

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
)

// Entry is what is typed into the call log.
type Entry struct {
	At       time.Time // zero: now
	Case     string    // case id, or
	Number   string    // case number; both "" when about no case
	Outgoing bool
	WithOrg  string
	Detail
	Once string
}

// Log enters a call. Entered twice with one token it stands once.
func (s *Service) Log(ctx context.Context, actor access.Actor, e Entry) (Call, error) {
	var c Call
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		c, err = s.LogTx(ctx, tx, actor, e)
		return err
	})
	return c, err
}

// LogTx is Log in the caller's transaction.
func (s *Service) LogTx(ctx context.Context, tx *db.Tx, actor access.Actor, e Entry) (Call, error) {
	if err := mayLog(actor); err != nil {
		return Call{}, err
	}
	c := Call{ID: db.NewID(), Org: actor.Org, At: e.At, Case: e.Case, Outgoing: e.Outgoing, WithOrg: strings.TrimSpace(e.WithOrg), Detail: e.tidy(), By: actor.Account, ByName: actor.Name}
	if c.At.IsZero() {
		c.At = tx.Now
	}
	c.EnteredAt = tx.Now
	if err := c.about(ctx, tx, actor, strings.ToUpper(strings.TrimSpace(e.Number))); err != nil {
		return c, err
	}
	if err := c.check(tx.Now); err != nil {
		return c, err
	}
	sealed, err := s.seal(c.ID, c.Detail)
	if err != nil {
		return c, err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO call_log (id, org, at, case_id, number, outgoing, with_org, detail, by_id, by_name, once, entered_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (once) DO NOTHING`,
		c.ID, c.Org, db.At(c.At), c.Case, c.Number, c.Outgoing, c.WithOrg, sealed, c.By, c.ByName, token(e.Once), db.At(tx.Now))
	if err != nil {
		return c, fmt.Errorf("insert call: %w", err)
	}
	return c, nil
}

func (d Detail) tidy() Detail {
	return Detail{Person: strings.TrimSpace(d.Person), Phone: strings.TrimSpace(d.Phone), Purpose: strings.TrimSpace(d.Purpose), Result: strings.TrimSpace(d.Result)}
}

// token is a form's token, or a fresh one where a form has none.
func token(once string) string {
	if once == "" {
		return db.NewID()
	}
	return once
}

func (c Call) check(now time.Time) error {
	var f errs.Form
	if c.WithOrg == "" && c.Person == "" {
		f.Add("with_org", "请填写对方单位或姓名")
	}
	f.Require("result", c.Result, "通话结果")
	if c.Purpose == "" && c.Case == "" {
		f.Add("purpose", "请填写事由，或从转诊单上记录")
	}
	if c.At.After(now.Add(time.Minute)) {
		f.Add("at", "通话时间不能晚于现在")
	}
	for name, s := range map[string]string{"result": c.Result, "purpose": c.Purpose} {
		if len([]rune(s)) > 500 {
			f.Add(name, "最多 500 个字")
		}
	}
	return f.Err()
}

// about finds the case that a call is about; it must be one of the actor's
// institution.
func (c *Call) about(ctx context.Context, tx *db.Tx, actor access.Actor, number string) error {
	if c.Case == "" && number == "" {
		return nil
	}
	var found flow.Case
	var err error
	if c.Case != "" {
		found, err = flow.Get(ctx, tx, c.Case)
	} else {
		found, err = flow.ByNumber(ctx, tx, number)
	}
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	if err != nil || !concerns(found, actor.Org) {
		var f errs.Form
		f.Add("number", "没有找到本机构的这张单子，请核对编号")
		return f.Err()
	}
	c.Case, c.Number = found.ID, found.Number
	return nil
}

func sealContext(id string) string { return "calls:" + id }

func (s *Service) seal(id string, part any) (string, error) {
	text, err := json.Marshal(part)
	if err != nil {
		return "", fmt.Errorf("write call: %w", err)
	}
	return s.Keys.Seal(string(text), sealContext(id))
}

func (s *Service) open(id, sealed string, into any) error {
	text, err := s.Keys.Open(sealed, sealContext(id))
	if err != nil {
		return fmt.Errorf("open call %s: %w", id, err)
	}
	return json.Unmarshal([]byte(text), into)
}

// Query chooses calls. Empty fields do not narrow.
type Query struct {
	Case     string
	From, To calendar.Date
	Offset   int
}

// pageSize is how many calls a page holds.
const pageSize = 50

// List returns the calls of the actor's institution, newest first, and whether
// there are more.
func (s *Service) List(ctx context.Context, actor access.Actor, q Query) (list []Call, more bool, err error) {
	if err := mayLog(actor); err != nil {
		return nil, false, err
	}
	from, to := time.UnixMilli(0), time.UnixMilli(1<<52)
	if q.From != "" {
		from = q.From.Time()
	}
	if q.To != "" {
		to = calendar.EndOf(q.To)
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		list, err = db.List(ctx, tx, s.readCall, `
			SELECT id, org, at, case_id, number, outgoing, with_org, detail, by_id, by_name, entered_at FROM call_log
			WHERE org = $1 AND (CAST($2 AS TEXT) = '' OR case_id = $2) AND at >= $3 AND at <= $4
			ORDER BY at DESC, id DESC LIMIT $5 OFFSET $6`, actor.Org, q.Case, db.At(from), db.At(to), pageSize+1, q.Offset)
		return err
	})
	if more = len(list) > pageSize; more {
		list = list[:pageSize]
	}
	return list, more, err
}

func (s *Service) readCall(scan db.Scan) (c Call, err error) {
	var at, entered db.Time
	var detail string
	err = scan(&c.ID, &c.Org, &at, &c.Case, &c.Number, &c.Outgoing, &c.WithOrg, &detail, &c.By, &c.ByName, &entered)
	if err != nil {
		return c, err
	}
	c.At, c.EnteredAt = at.Time, entered.Time
	return c, s.open(c.ID, detail, &c.Detail)
}
