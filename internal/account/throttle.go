package account

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// throttle counts recent wrong passwords of one login name, whether or not an
// account has that name.
type throttle struct {
	failures []int64 // Unix milliseconds, at most Options.Failures
	until    time.Time
}

func parseThrottle(failures string, until db.Time) throttle {
	t := throttle{until: until.Time}
	for part := range strings.SplitSeq(failures, ",") {
		if ms, err := strconv.ParseInt(part, 10, 64); err == nil {
			t.failures = append(t.failures, ms)
		}
	}
	return t
}

func (t throttle) text() string {
	parts := make([]string, len(t.failures))
	for i, ms := range t.failures {
		parts[i] = strconv.FormatInt(ms, 10)
	}
	return strings.Join(parts, ",")
}

// locked reports whether sign-in is stopped at the instant.
func (t throttle) locked(now time.Time) bool { return now.Before(t.until) }

// recent drops failures older than the window.
func (t throttle) recent(now time.Time, o Options) throttle {
	t.failures = slices.DeleteFunc(slices.Clone(t.failures), func(ms int64) bool {
		return ms <= now.Add(-o.Window).UnixMilli()
	})
	return t
}

// failed adds one failure and locks when there are too many.
func (t throttle) failed(now time.Time, o Options) throttle {
	t = t.recent(now, o)
	t.failures = append(t.failures, now.UnixMilli())
	if len(t.failures) >= o.Failures {
		t.until, t.failures = now.Add(o.LockFor), nil
	}
	return t
}

// wrongPassword and lockedAnswer are the same for known and unknown names.
func wrongPassword(o Options) error {
	return errs.E(errs.Invalid, "登录名或密码不正确。%d 分钟内连续输错 %d 次将暂停登录 %d 分钟",
		int(o.Window.Minutes()), o.Failures, int(o.LockFor.Minutes()))
}

func lockedAnswer(until time.Time) error {
	return errs.E(errs.Forbidden, "输错次数过多，已暂停登录，请在 %s 之后再试；急用请联系本机构负责人或安全管理员解锁", clock(until))
}

func readThrottle(scan db.Scan) (throttle, error) {
	var text string
	var until db.Time
	err := scan(&text, &until)
	return parseThrottle(text, until), err
}

// strangerThrottle reads the count of a login name that no account has.
func (s *Service) strangerThrottle(ctx context.Context, tx *db.Tx, login string) (throttle, error) {
	t, err := db.Get(ctx, tx, "登录记录", readThrottle,
		`SELECT failures, locked_until FROM account_stranger WHERE login_key = $1`, s.Keys.Index("account.login", login))
	if errs.Is(err, errs.NotFound) {
		return throttle{}, nil
	}
	return t, err
}

// strangerFailed counts a failure at a name that no account has. The name is
// kept as a keyed hash: people type passwords into the wrong field.
func (s *Service) strangerFailed(ctx context.Context, tx *db.Tx, login string, t throttle) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO account_stranger (login_key, failures, locked_until, seen_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (login_key) DO UPDATE
		SET failures = excluded.failures, locked_until = excluded.locked_until, seen_at = excluded.seen_at`,
		s.Keys.Index("account.login", login), t.text(), db.At(t.until), db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("upsert stranger: %w", err)
	}
	_, err = tx.Exec(ctx, `DELETE FROM account_stranger WHERE seen_at < $1`, db.At(tx.Now.Add(-24*time.Hour)))
	if err != nil {
		return fmt.Errorf("delete old strangers: %w", err)
	}
	return nil
}

// saveThrottle writes an account's count of failures.
func saveThrottle(ctx context.Context, tx *db.Tx, account string, t throttle) error {
	_, err := tx.Exec(ctx, `UPDATE account SET failures = $2, locked_until = $3 WHERE id = $1`,
		account, t.text(), db.At(t.until))
	if err != nil {
		return fmt.Errorf("update failures: %w", err)
	}
	return nil
}
