package message

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// noticeFor is how long a notice is shown and counted.
const noticeFor = 30 * 24 * time.Hour

// Notify stores notices in the caller's transaction.
func Notify(ctx context.Context, tx *db.Tx, list ...Notice) error { return Deliver(ctx, tx, list) }

// Deliver stores notices that lower modules have written as rows of their own
// (flow). Storing one with the same ID again changes nothing.
func Deliver(ctx context.Context, tx *db.Tx, list []Notice) error {
	for _, n := range list {
		if n.Account == "" && (n.Org == "" || n.Role == "") {
			return errs.E(errs.Internal, "notice %q without address", n.Kind)
		}
		if n.ID == "" {
			n.ID = db.NewID()
		}
		if n.CreatedAt.IsZero() {
			n.CreatedAt = tx.Now
		}
		if !strings.HasPrefix(n.Link, "/") || strings.HasPrefix(n.Link, "//") {
			n.Link = "" // notices lead only into this site
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO message_notice (id, account, org, role, kind, body, link, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`,
			n.ID, n.Account, n.Org, string(n.Role), n.Kind, n.Text, n.Link, db.At(n.CreatedAt))
		if err != nil {
			return fmt.Errorf("insert notice: %w", err)
		}
	}
	return nil
}

// Unread counts the notices that the actor has not read, in his present post.
func Unread(ctx context.Context, tx *db.Tx, actor access.Actor) (int, error) {
	if actor.Account == "" {
		return 0, nil
	}
	n, err := db.Count(ctx, tx, `
		SELECT (SELECT count(*) FROM message_notice n
				WHERE n.account = $1 AND n.created_at > $4
				  AND NOT EXISTS (SELECT 1 FROM message_notice_read r WHERE r.account = $1 AND r.notice = n.id))
			+ (SELECT count(*) FROM message_notice n
				WHERE n.org = $2 AND n.role = $3 AND n.account = '' AND n.created_at > $4
				  AND NOT EXISTS (SELECT 1 FROM message_notice_read r WHERE r.account = $1 AND r.notice = n.id))`,
		actor.Account, actor.Org, actor.Role, db.At(tx.Now.Add(-noticeFor)))
	return int(n), err
}

// Unread counts the actor's unread notices, for the bell.
func (s *Service) Unread(ctx context.Context, actor access.Actor) (n int, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		n, err = Unread(ctx, tx, actor)
		return err
	})
	return n, err
}

// Notices returns the actor's notices of the last 30 days, newest first, and
// whether there are more.
func (s *Service) Notices(ctx context.Context, actor access.Actor, unreadOnly bool, offset int) (list []Notice, more bool, err error) {
	const size = 50
	err = s.db.View(ctx, func(tx *db.Tx) (err error) {
		list, err = db.List(ctx, tx, readNotice, `
			SELECT n.id, n.account, n.org, n.role, n.kind, n.body, n.link, n.created_at, r.read_at
			FROM message_notice n LEFT JOIN message_notice_read r ON r.notice = n.id AND r.account = $1
			WHERE (n.account = $1 OR (n.account = '' AND n.org = $2 AND n.role = $3))
			  AND n.created_at > $4 AND (NOT CAST($5 AS BOOLEAN) OR r.read_at IS NULL)
			ORDER BY n.created_at DESC, n.id DESC LIMIT $6 OFFSET $7`,
			actor.Account, actor.Org, actor.Role, db.At(tx.Now.Add(-noticeFor)), unreadOnly, size+1, offset)
		return err
	})
	if more = len(list) > size; more {
		list = list[:size]
	}
	return list, more, err
}

func readNotice(scan db.Scan) (n Notice, err error) {
	var created, read db.Time
	err = scan(&n.ID, &n.Account, &n.Org, &n.Role, &n.Kind, &n.Text, &n.Link, &created, &read)
	n.CreatedAt, n.ReadAt = created.Time, read.Time
	return n, err
}

// Read marks one of the actor's notices as read and returns it.
func (s *Service) Read(ctx context.Context, actor access.Actor, id string) (n Notice, err error) {
	err = s.db.Tx(ctx, func(tx *db.Tx) (err error) {
		n, err = db.Get(ctx, tx, "通知", readNotice, `
			SELECT n.id, n.account, n.org, n.role, n.kind, n.body, n.link, n.created_at, r.read_at
			FROM message_notice n LEFT JOIN message_notice_read r ON r.notice = n.id AND r.account = $1
			WHERE n.id = $4 AND (n.account = $1 OR (n.account = '' AND n.org = $2 AND n.role = $3))`,
			actor.Account, actor.Org, actor.Role, id)
		if err != nil || !n.ReadAt.IsZero() {
			return err
		}
		n.ReadAt = tx.Now
		_, err = tx.Exec(ctx, `
			INSERT INTO message_notice_read (account, notice, read_at) VALUES ($1, $2, $3) ON CONFLICT (account, notice) DO NOTHING`,
			actor.Account, id, db.At(tx.Now))
		if err != nil {
			return fmt.Errorf("mark notice read: %w", err)
		}
		return nil
	})
	return n, err
}

// ReadAll marks all of the actor's notices as read.
func (s *Service) ReadAll(ctx context.Context, actor access.Actor) error {
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO message_notice_read (account, notice, read_at)
			SELECT CAST($1 AS TEXT), n.id, CAST($5 AS BIGINT) FROM message_notice n
			WHERE (n.account = $1 OR (n.account = '' AND n.org = $2 AND n.role = $3)) AND n.created_at > $4
			ON CONFLICT (account, notice) DO NOTHING`,
			actor.Account, actor.Org, actor.Role, db.At(tx.Now.Add(-noticeFor)), db.At(tx.Now))
		if err != nil {
			return fmt.Errorf("mark notices read: %w", err)
		}
		return nil
	})
}

// Sweep removes notices older than half a year; the audit log keeps the acts.
func Sweep(ctx context.Context, tx *db.Tx) error {
	limit := db.At(tx.Now.AddDate(0, -6, 0))
	_, err := tx.Exec(ctx, `
		DELETE FROM message_notice_read WHERE notice IN (SELECT id FROM message_notice WHERE created_at < $1)`, limit)
	if err != nil {
		return fmt.Errorf("sweep read notices: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM message_notice WHERE created_at < $1`, limit); err != nil {
		return fmt.Errorf("sweep notices: %w", err)
	}
	return nil
}
