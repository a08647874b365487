package exchange

import (
	"context"
	"encoding/json"
	"fmt"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

func readMessage(scan db.Scan) (k Message, err error) {
	var received, settled db.Time
	var who db.Null
	var answer string
	err = scan(&k.ID, &k.Org, &k.Peer, &k.ControlID, &k.digest, &k.Kind, &received, &k.Size, &k.State, &k.Reason, &k.Place, &k.Detail,
		&who, &k.AnswerCode, &answer, &k.Assigned, &k.Tries, &k.Version, &settled, &k.SettledBy, &k.Note)
	if err != nil {
		return k, err
	}
	k.ReceivedAt, k.SettledAt, k.Patient = received.Time, settled.Time, string(who)
	if answer != "" {
		err = json.Unmarshal([]byte(answer), &k.Problems)
	}
	return k, err
}

func byOnce(ctx context.Context, tx *db.Tx, once string) (Message, bool, error) {
	list, err := db.List(ctx, tx, readMessage, `
		SELECT id, org, peer, control_id, digest, kind, received_at, size, state, reason, place, detail, patient,
			answer_code, answer, assigned, tries, version, settled_at, settled_by, note
		FROM exchange_message WHERE once = $1`, once)
	if err != nil || len(list) == 0 {
		return Message{}, false, err
	}
	return list[0], true, nil
}

func get(ctx context.Context, tx *db.Tx, id string) (Message, string, error) {
	k, err := db.Get(ctx, tx, "这条消息", readMessage, `
		SELECT id, org, peer, control_id, digest, kind, received_at, size, state, reason, place, detail, patient,
			answer_code, answer, assigned, tries, version, settled_at, settled_by, note
		FROM exchange_message WHERE id = $1`, id)
	if err != nil {
		return k, "", err
	}
	sealed, err := db.Get(ctx, tx, "这条消息", db.Value[string], `SELECT sealed FROM exchange_message WHERE id = $1`, id)
	return k, sealed, err
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, k Message, once string, raw []byte) error {
	sealed, err := s.Keys.Seal(string(raw), "exchange/"+k.ID)
	if err != nil {
		return err
	}
	answer, err := answerOf(k)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO exchange_message (id, org, peer, control_id, once, digest, kind, received_at, received_on, sealed, size, state, reason,
			place, detail, patient, answer_code, answer, assigned, tries, version, settled_at, settled_by, note)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`,
		k.ID, k.Org, k.Peer, k.ControlID, db.Null(once), k.digest, k.Kind, db.At(k.ReceivedAt), string(calendar.DateOf(k.ReceivedAt)),
		sealed, k.Size, string(k.State), string(k.Reason), k.Place, k.Detail, db.Null(k.Patient), k.AnswerCode, answer, k.Assigned,
		k.Tries, k.Version, db.At(k.SettledAt), k.SettledBy, k.Note)
	if err != nil {
		return fmt.Errorf("insert message: %w", err)
	}
	return nil
}

func answerOf(k Message) (string, error) {
	if len(k.Problems) == 0 {
		return "", nil
	}
	out, err := json.Marshal(k.Problems)
	return string(out), err
}

func update(ctx context.Context, tx *db.Tx, k Message) error {
	n, err := tx.Exec(ctx, `
		UPDATE exchange_message SET state = $2, reason = $3, place = $4, detail = $5, patient = $6, assigned = $7, tries = $8,
			settled_at = $9, settled_by = $10, note = $11, version = $12
		WHERE id = $1 AND version = $12 - 1`,
		k.ID, string(k.State), string(k.Reason), k.Place, k.Detail, db.Null(k.Patient), k.Assigned, k.Tries,
		db.At(k.SettledAt), k.SettledBy, k.Note, k.Version)
	if err != nil {
		return fmt.Errorf("update message: %w", err)
	}
	if n == 0 {
		return errs.E(errs.Conflict, "这条消息刚刚被别人处理过，请刷新后再看")
	}
	return nil
}

// Filter narrows the list of messages; zero values do not narrow.
type Filter struct {
	Org   string
	State State
	Peer  string
	Kind  string // ADT, or ADT^A01
	Day   calendar.Date
	Page  int // from 1
}

// PageSize is how many messages one page of the list holds.
const PageSize = 50

// List returns a page of messages, the newest first, and how many there are.
func List(ctx context.Context, tx *db.Tx, f Filter) ([]Message, int64, error) {
	list, err := db.List(ctx, tx, readMessage, `
		SELECT id, org, peer, control_id, digest, kind, received_at, size, state, reason, place, detail, patient,
			answer_code, answer, assigned, tries, version, settled_at, settled_by, note
		FROM exchange_message
		WHERE (CAST($1 AS TEXT) = '' OR org = $1) AND (CAST($2 AS TEXT) = '' OR state = $2) AND (CAST($3 AS TEXT) = '' OR peer = $3)
		  AND (CAST($4 AS TEXT) = '' OR kind = $4 OR kind LIKE $4 || '^%') AND (CAST($5 AS TEXT) = '' OR received_on = $5)
		ORDER BY received_at DESC, id DESC LIMIT $6 OFFSET $7`,
		f.Org, string(f.State), f.Peer, f.Kind, string(f.Day), PageSize, (max(f.Page, 1)-1)*PageSize)
	if err != nil {
		return nil, 0, err
	}
	n, err := db.Count(ctx, tx, `
		SELECT count(*) FROM exchange_message
		WHERE (CAST($1 AS TEXT) = '' OR org = $1) AND (CAST($2 AS TEXT) = '' OR state = $2) AND (CAST($3 AS TEXT) = '' OR peer = $3)
		  AND (CAST($4 AS TEXT) = '' OR kind = $4 OR kind LIKE $4 || '^%') AND (CAST($5 AS TEXT) = '' OR received_on = $5)`,
		f.Org, string(f.State), f.Peer, f.Kind, string(f.Day))
	return list, n, err
}

// DayCount is how many messages of a peer came on a day and what became of them.
type DayCount struct {
	Peer   string
	Day    calendar.Date
	Placed int64
	// Waiting, Refused and Dismissed count what the states say.
	Waiting, Refused, Dismissed int64
}

// CountDays counts the messages of an institution ("" all) by peer and day
// since a day, the newest day first.
func CountDays(ctx context.Context, tx *db.Tx, org string, since calendar.Date) ([]DayCount, error) {
	return db.List(ctx, tx, func(scan db.Scan) (c DayCount, err error) {
		return c, scan(&c.Peer, &c.Day, &c.Placed, &c.Waiting, &c.Refused, &c.Dismissed)
	}, `
		SELECT peer, received_on, count(*) FILTER (WHERE state = 'placed'), count(*) FILTER (WHERE state = 'waiting'),
			count(*) FILTER (WHERE state = 'refused'), count(*) FILTER (WHERE state = 'dismissed')
		FROM exchange_message WHERE (CAST($1 AS TEXT) = '' OR org = $1) AND received_on >= $2
		GROUP BY peer, received_on ORDER BY received_on DESC, peer`, org, string(since))
}

// PeerSeen is when a peer last sent something, and what waits of it.
type PeerSeen struct {
	Peer    string
	Last    db.Time
	Waiting int64
}

// Seen returns the peers of an institution ("" all) that have ever sent.
func Seen(ctx context.Context, tx *db.Tx, org string) ([]PeerSeen, error) {
	return db.List(ctx, tx, func(scan db.Scan) (p PeerSeen, err error) { return p, scan(&p.Peer, &p.Last, &p.Waiting) }, `
		SELECT peer, max(received_at), count(*) FILTER (WHERE state = 'waiting')
		FROM exchange_message WHERE (CAST($1 AS TEXT) = '' OR org = $1) GROUP BY peer ORDER BY peer`, org)
}

func link(ctx context.Context, tx *db.Tx, peer, kind, number string) (string, error) {
	list, err := db.List(ctx, tx, db.Value[string], `SELECT object FROM exchange_link WHERE peer = $1 AND kind = $2 AND number = $3`, peer, kind, number)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0], nil
}

func setLink(ctx context.Context, tx *db.Tx, peer, kind, number, object string) error {
	_, err := tx.Exec(ctx, `INSERT INTO exchange_link (peer, kind, number, object) VALUES ($1, $2, $3, $4)
		ON CONFLICT (peer, kind, number) DO UPDATE SET object = excluded.object`, peer, kind, number, object)
	return err
}
