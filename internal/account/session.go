package account

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
)

var (
	errSignedOut = errs.E(errs.NotFound, "登录已失效，请重新登录")
	errNoPost    = errs.E(errs.Forbidden, "您的账号目前没有可用的岗位（未到开始日期、已结束或待审批），请联系系统管理员")
)

// newToken returns 256 random bits for the cookie, and the hash that the
// database keeps.
func (s *Service) newToken() (token, hash string) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // crypto/rand.Read never fails
	token = base64.RawURLEncoding.EncodeToString(b)
	return token, s.tokenHash(token)
}

func (s *Service) tokenHash(token string) string {
	return s.Keys.Digest([]byte("account.session"), []byte(token))
}

func insertSession(ctx context.Context, tx *db.Tx, n Session, hash string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO account_session (id, token_hash, account, post, stage, factor_done, regions, ip, agent, created_at, seen_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)`,
		n.ID, hash, n.Account.ID, n.Post.ID, string(n.Stage), n.FactorDone, strings.Join(n.Regions, ","), n.IP, n.Agent,
		db.At(n.CreatedAt), db.At(n.ExpiresAt))
	if err != nil {
		return fmt.Errorf("insert session: %w", err)
	}
	return nil
}

// endSessions ends the open sessions of an account; with a post, only those
// that act in it.
func endSessions(ctx context.Context, tx *db.Tx, account, post, reason string) error {
	_, err := tx.Exec(ctx, `
		UPDATE account_session SET ended_at = $3, end_reason = $4
		WHERE account = $1 AND ended_at IS NULL AND (CAST($2 AS TEXT) = '' OR post = $2)`,
		account, post, db.At(tx.Now), reason)
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

func endSession(ctx context.Context, tx *db.Tx, id, reason string) error {
	_, err := tx.Exec(ctx, `UPDATE account_session SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL`,
		id, db.At(tx.Now), reason)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

const selectSession = `
	SELECT s.id, s.stage, s.factor_done, s.regions, s.ip, s.agent, s.created_at, s.seen_at, s.expires_at, s.locked_at, s.ended_at, s.end_reason,
		a.id, a.login, a.name, a.person, a.patient, a.state, a.must_change, a.factor,
		p.id, p.role, p.org, p.org_name, p.department, p.valid_from, p.valid_to, p.state,
		coalesce(o.idle_minutes, d.idle_minutes, 0)
	FROM account_session s
	JOIN account a ON a.id = s.account
	JOIN account_post p ON p.id = s.post
	LEFT JOIN account_policy o ON o.org = p.org
	LEFT JOIN account_policy d ON d.org = ''`

// readSession reads a row of selectSession.
func (s *Service) readSession(scan db.Scan) (n Session, err error) {
	var created, seen, expires, locked, ended db.Time
	var regions string
	var idle int64
	err = scan(&n.ID, &n.Stage, &n.FactorDone, &regions, &n.IP, &n.Agent, &created, &seen, &expires, &locked, &ended, &n.EndReason,
		&n.Account.ID, &n.Account.Login, &n.Account.Name, &n.Account.Person, &n.Account.Patient, &n.Account.State,
		&n.Account.MustChange, &n.Account.Factor,
		&n.Post.ID, &n.Post.Role, &n.Post.Org, &n.Post.OrgName, &n.Post.Department, &n.Post.From, &n.Post.To, &n.Post.State,
		&idle)
	n.CreatedAt, n.SeenAt, n.ExpiresAt, n.EndedAt = created.Time, seen.Time, expires.Time, ended.Time
	n.Locked = !locked.IsZero()
	n.Post.Account = n.Account.ID
	if regions != "" {
		n.Regions = strings.Split(regions, ",")
	}
	if n.Idle = s.Options.filled().Idle; idle > 0 {
		n.Idle = time.Duration(idle) * time.Minute
	}
	return n, err
}

// live reports whether the session may still be used, and notes whether it has
// been idle too long.
func live(n *Session, tx *db.Tx) bool {
	now := tx.Now
	if !n.EndedAt.IsZero() || !now.Before(n.ExpiresAt) || n.Account.State != Active || !n.Post.activeOn(today(tx)) {
		return false
	}
	if now.Sub(n.SeenAt) >= n.Idle {
		n.Locked = true
	}
	return true
}

func (s *Service) sessionByHash(ctx context.Context, tx *db.Tx, hash string) (Session, error) {
	n, err := db.Get(ctx, tx, "登录", s.readSession, selectSession+` WHERE s.token_hash = $1`, hash)
	return onlyLive(n, err, tx)
}

func (s *Service) sessionByID(ctx context.Context, tx *db.Tx, id string) (Session, error) {
	n, err := db.Get(ctx, tx, "登录", s.readSession, selectSession+` WHERE s.id = $1`, id)
	return onlyLive(n, err, tx)
}

// onlyLive passes on what was read, and refuses a session that is over.
func onlyLive(n Session, err error, tx *db.Tx) (Session, error) {
	if err == nil && !live(&n, tx) {
		err = errSignedOut
	}
	if err != nil {
		return Session{}, err
	}
	return n, nil
}

// Resolve returns the session of a cookie's token; NotFound when it has ended,
// run out, or its account or post is no longer active.
func (s *Service) Resolve(ctx context.Context, token string) (n Session, err error) {
	if token == "" {
		return Session{}, errSignedOut
	}
	err = s.DB.View(ctx, func(tx *db.Tx) (err error) {
		n, err = s.sessionByHash(ctx, tx, s.tokenHash(token))
		return err
	})
	return n, err
}

// Touch notes that the person is active; it writes at most once a minute.
func (s *Service) Touch(ctx context.Context, n Session) error {
	if n.Locked || s.DB.Now().Sub(n.SeenAt) < s.Options.filled().TouchEvery {
		return nil
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE account_session SET seen_at = $2
			WHERE id = $1 AND seen_at < $2 AND seen_at > $3 AND locked_at IS NULL AND ended_at IS NULL`,
			n.ID, db.At(tx.Now), db.At(tx.Now.Add(-n.Idle)))
		if err != nil {
			return fmt.Errorf("touch session: %w", err)
		}
		return nil
	})
}

// LockSession asks for the password again before anything else, for a person
// who leaves the desk.
func (s *Service) LockSession(ctx context.Context, n Session) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE account_session SET locked_at = $2 WHERE id = $1 AND locked_at IS NULL AND ended_at IS NULL`,
			n.ID, db.At(tx.Now))
		if err != nil {
			return fmt.Errorf("lock session: %w", err)
		}
		return s.leaf(ctx, tx, n.Actor(), "session.lock", n.Account.ID, "")
	})
}

// SignOut ends the session.
func (s *Service) SignOut(ctx context.Context, n Session) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := endSession(ctx, tx, n.ID, "退出登录"); err != nil {
			return err
		}
		return s.leaf(ctx, tx, n.Actor(), "session.signout", n.Account.ID, "")
	})
}

// rotate gives the session a new token and stage, so that a token from before
// a change of privilege is worth nothing (session fixation).
func (s *Service) rotate(ctx context.Context, tx *db.Tx, n *Session) (string, error) {
	token, hash := s.newToken()
	changed, err := tx.Exec(ctx, `
		UPDATE account_session SET token_hash = $2, stage = $3, factor_done = $4, post = $5, regions = $6, seen_at = $7, locked_at = NULL
		WHERE id = $1 AND ended_at IS NULL`,
		n.ID, hash, string(n.Stage), n.FactorDone, n.Post.ID, strings.Join(n.Regions, ","), db.At(tx.Now))
	if err != nil {
		return "", fmt.Errorf("rotate session: %w", err)
	}
	if changed == 0 {
		return "", errSignedOut
	}
	n.SeenAt, n.Locked = tx.Now, false
	return token, nil
}

// Posts returns the posts in which the person may act today.
func (s *Service) Posts(ctx context.Context, account string) (list []Post, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) (err error) {
		list, err = usablePosts(ctx, tx, account)
		return err
	})
	return list, err
}

func usablePosts(ctx context.Context, tx *db.Tx, account string) ([]Post, error) {
	all, err := postsOf(ctx, tx, account)
	return slices.DeleteFunc(all, func(p Post) bool { return !p.activeOn(today(tx)) }), err
}

// SwitchPost makes the session act in another post of the same person.
func (s *Service) SwitchPost(ctx context.Context, n Session, post string) (out Opened, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		cur, err := s.usable(ctx, tx, n)
		if err != nil {
			return err
		}
		posts, err := usablePosts(ctx, tx, cur.Account.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(posts, func(p Post) bool { return p.ID == post })
		if i < 0 {
			return errs.E(errs.Forbidden, "您没有这个岗位，或岗位已结束")
		}
		from := cur.Post
		cur.Post = posts[i]
		if cur.Regions, err = s.regions(ctx, tx, cur.Post.Org); err != nil {
			return err
		}
		if cur.Stage, err = s.nextStage(ctx, tx, cur); err != nil {
			return err
		}
		if out.Token, err = s.rotate(ctx, tx, &cur); err != nil {
			return err
		}
		if err := rememberPost(ctx, tx, cur.Account.ID, post); err != nil {
			return err
		}
		out.Session = cur
		return s.leaf(ctx, tx, cur.Actor(), "session.post", cur.Account.ID, from.Title()+" → "+cur.Post.Title())
	})
	return out, err
}

// usable reads the session again inside a transaction and refuses it when it
// has ended, is locked or is not fully open.
func (s *Service) usable(ctx context.Context, tx *db.Tx, n Session) (Session, error) {
	cur, err := s.sessionByID(ctx, tx, n.ID)
	if err != nil {
		return Session{}, err
	}
	if cur.Locked {
		return Session{}, errs.E(errs.Forbidden, "屏幕已锁定，请先输入密码解锁")
	}
	if cur.Stage != StageOpen {
		return Session{}, errs.E(errs.Forbidden, "请先完成登录")
	}
	return cur, nil
}

func rememberPost(ctx context.Context, tx *db.Tx, account, post string) error {
	_, err := tx.Exec(ctx, `UPDATE account SET last_post = $2 WHERE id = $1`, account, post)
	if err != nil {
		return fmt.Errorf("remember post: %w", err)
	}
	return nil
}

func (s *Service) regions(ctx context.Context, tx *db.Tx, org string) ([]string, error) {
	if s.Directory.RegionsOf == nil || org == "" {
		return nil, nil
	}
	r, err := s.Directory.RegionsOf(ctx, tx, org)
	if err != nil {
		return nil, fmt.Errorf("read regions of institution: %w", err)
	}
	return r, nil
}

// Sessions returns the open sessions of an account: one's own, or for those
// who manage it. Ended and outlived ones are not listed.
func (s *Service) Sessions(ctx context.Context, actor access.Actor, account string) (list []Session, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		if err := s.mayEnd(ctx, tx, actor, account); err != nil {
			return err
		}
		found, err := db.List(ctx, tx, s.readSession, selectSession+`
			WHERE s.account = $1 AND s.ended_at IS NULL AND s.expires_at > $2
			ORDER BY s.seen_at DESC, s.id DESC LIMIT 100`, account, db.At(tx.Now))
		for _, n := range found {
			if live(&n, tx) {
				list = append(list, n)
			}
		}
		return err
	})
	return list, err
}

func (s *Service) mayEnd(ctx context.Context, tx *db.Tx, actor access.Actor, account string) error {
	if actor.Account == account {
		return nil
	}
	return s.requireAccount(ctx, tx, actor, access.AccountLock, account)
}

// EndSession ends one session: one's own, or another's by those who may lock
// the account.
func (s *Service) EndSession(ctx context.Context, actor access.Actor, id string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		owner, err := db.Get(ctx, tx, "登录", db.Value[string], `SELECT account FROM account_session WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if err := s.mayEnd(ctx, tx, actor, owner); err != nil {
			return err
		}
		reason := "本人结束"
		if actor.Account != owner {
			reason = "管理员结束"
		}
		if err := endSession(ctx, tx, id, reason); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "session.end", owner, reason)
	})
}

// Sweep removes sessions that ended or ran out more than 90 days ago; the
// audit log keeps the sign-ins.
func Sweep(ctx context.Context, tx *db.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM account_session WHERE expires_at < $1`, db.At(tx.Now.AddDate(0, 0, -90)))
	if err != nil {
		return fmt.Errorf("sweep sessions: %w", err)
	}
	// Assertions that have expired are refused anyway.
	if _, err := tx.Exec(ctx, `DELETE FROM account_assertion WHERE until < $1`, db.At(tx.Now)); err != nil {
		return fmt.Errorf("sweep assertions: %w", err)
	}
	return nil
}
