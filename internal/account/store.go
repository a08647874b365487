package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
)

// clock is the time of day in Shanghai, for sentences.
func clock(t time.Time) string { return t.In(calendar.Shanghai).Format("15:04") }

// secret is an account with what must not leave the package.
type secret struct {
	Account
	hash     string
	throttle throttle
	totp     string // sealed
	pending  string // sealed
	step     int64
	lastPost string
}

func readSecret(scan db.Scan) (a secret, err error) {
	var failures string
	var until, last, created db.Time
	err = scan(&a.ID, &a.Login, &a.Name, &a.Person, &a.Patient, &a.State, &a.StateReason, &a.MustChange,
		&failures, &until, &a.Factor, &last, &created, &a.Version,
		&a.hash, &a.totp, &a.pending, &a.step, &a.lastPost)
	a.throttle = parseThrottle(failures, until)
	a.LockedUntil, a.LastSignIn, a.CreatedAt = until.Time, last.Time, created.Time
	a.Failures = len(a.throttle.failures)
	return a, err
}

func byLogin(ctx context.Context, tx *db.Tx, login string) (secret, error) {
	return db.Get(ctx, tx, "账号", readSecret, `
		SELECT id, login, name, person, patient, state, state_reason, must_change,
			failures, locked_until, factor, last_sign_in, created_at, version,
			password_hash, totp_secret, totp_pending, totp_step, last_post
		FROM account WHERE login = $1`, login)
}

func byID(ctx context.Context, tx *db.Tx, id string) (secret, error) {
	return db.Get(ctx, tx, "账号", readSecret, `
		SELECT id, login, name, person, patient, state, state_reason, must_change,
			failures, locked_until, factor, last_sign_in, created_at, version,
			password_hash, totp_secret, totp_pending, totp_step, last_post
		FROM account WHERE id = $1`, id)
}

// bump takes the next version of an account, so that changes to one account
// happen one after another.
func bump(ctx context.Context, tx *db.Tx, id string) error {
	n, err := tx.Exec(ctx, `UPDATE account SET version = version + 1 WHERE id = $1`, id)
	if err != nil {
		return fmt.Errorf("update account version: %w", err)
	}
	if n == 0 {
		return errNoAccount
	}
	return nil
}

func insertAccount(ctx context.Context, tx *db.Tx, a Account, hash string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO account (id, login, name, person, patient, state, password_hash, password_at, must_change, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8)`,
		a.ID, a.Login, a.Name, a.Person, a.Patient, string(a.State), hash, db.At(tx.Now), a.MustChange)
	if err != nil {
		return fmt.Errorf("insert account: %w", err)
	}
	return nil
}

// setPassword replaces the password and keeps the old hash in the history. It
// reports false when the password is no longer the one whose hash is old.
func setPassword(ctx context.Context, tx *db.Tx, id, old, hash string, mustChange bool) (bool, error) {
	n, err := tx.Exec(ctx, `
		UPDATE account SET password_hash = $3, password_at = $4, must_change = $5, version = version + 1
		WHERE id = $1 AND password_hash = $2`, id, old, hash, db.At(tx.Now), mustChange)
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO account_password (id, account, hash, set_at) VALUES ($1, $2, $3, $4)`,
		db.NewID(), id, old, db.At(tx.Now))
	if err != nil {
		return false, fmt.Errorf("insert old password: %w", err)
	}
	return true, nil
}

// oldHashes returns the hashes of the last passwords before the present one.
func oldHashes(ctx context.Context, tx *db.Tx, id string) ([]string, error) {
	return db.List(ctx, tx, db.Value[string],
		`SELECT hash FROM account_password WHERE account = $1 ORDER BY set_at DESC, id DESC LIMIT $2`, id, history-1)
}

func readPost(scan db.Scan) (p Post, err error) {
	var granted, decided, ended db.Time
	err = scan(&p.ID, &p.Account, &p.Role, &p.Org, &p.OrgName, &p.Department, &p.From, &p.To, &p.State,
		&p.GrantedBy, &granted, &p.DecidedBy, &decided, &p.EndedBy, &ended, &p.Reason, &p.AccountName, &p.Login)
	p.GrantedAt, p.DecidedAt, p.EndedAt = granted.Time, decided.Time, ended.Time
	return p, err
}

func postsOf(ctx context.Context, tx *db.Tx, account string) ([]Post, error) {
	return db.List(ctx, tx, readPost, `
		SELECT p.id, p.account, p.role, p.org, p.org_name, p.department, p.valid_from, p.valid_to, p.state,
			p.granted_by, p.granted_at, p.decided_by, p.decided_at, p.ended_by, p.ended_at, p.reason, a.name, a.login
		FROM account_post p JOIN account a ON a.id = p.account
		WHERE p.account = $1 ORDER BY p.granted_at, p.id`, account)
}

func postByID(ctx context.Context, tx *db.Tx, id string) (Post, error) {
	return db.Get(ctx, tx, "岗位", readPost, `
		SELECT p.id, p.account, p.role, p.org, p.org_name, p.department, p.valid_from, p.valid_to, p.state,
			p.granted_by, p.granted_at, p.decided_by, p.decided_at, p.ended_by, p.ended_at, p.reason, a.name, a.login
		FROM account_post p JOIN account a ON a.id = p.account
		WHERE p.id = $1`, id)
}

func pendingPosts(ctx context.Context, tx *db.Tx) ([]Post, error) {
	return db.List(ctx, tx, readPost, `
		SELECT p.id, p.account, p.role, p.org, p.org_name, p.department, p.valid_from, p.valid_to, p.state,
			p.granted_by, p.granted_at, p.decided_by, p.decided_at, p.ended_by, p.ended_at, p.reason, a.name, a.login
		FROM account_post p JOIN account a ON a.id = p.account
		WHERE p.state = 'pending' ORDER BY p.granted_at, p.id LIMIT 500`)
}

func insertPost(ctx context.Context, tx *db.Tx, p Post) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO account_post (id, account, role, org, org_name, department, valid_from, valid_to, state, granted_by, granted_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		p.ID, p.Account, string(p.Role), p.Org, p.OrgName, p.Department, string(p.From), string(p.To),
		string(p.State), p.GrantedBy, db.At(p.GrantedAt))
	if err != nil {
		return fmt.Errorf("insert post: %w", err)
	}
	return nil
}

// likeEscape makes text literal inside a LIKE pattern with ESCAPE '\'.
var likeEscape = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

func (f Filter) pattern() string {
	if f.Text == "" {
		return ""
	}
	return "%" + likeEscape.Replace(f.Text) + "%"
}

// matching is the condition of both readers of a list; Filter.match has its
// arguments.
const matching = `
	WHERE (CAST($1 AS TEXT) = '' OR EXISTS (
			SELECT 1 FROM account_post p
			WHERE p.account = a.id AND p.org = $1 AND p.state IN ('pending', 'active')))
	  AND (CAST($2 AS TEXT) = '' OR a.login LIKE $5 ESCAPE '\' OR a.name LIKE $2 ESCAPE '\')
	  AND (CAST($3 AS TEXT) = '' OR a.state = $3)
	  AND (CAST($4 AS TEXT) = '' OR EXISTS (
			SELECT 1 FROM account_post p
			WHERE p.account = a.id AND p.role = $4 AND p.state IN ('pending', 'active')))`

func (f Filter) match(more ...any) []any {
	return append([]any{f.Org, f.pattern(), string(f.State), string(f.Role), strings.ToLower(f.pattern())}, more...)
}

func countAccounts(ctx context.Context, tx *db.Tx, f Filter) (int, error) {
	n, err := db.Count(ctx, tx, `SELECT count(*) FROM account a`+matching, f.match()...)
	return int(n), err
}

func listAccounts(ctx context.Context, tx *db.Tx, f Filter) ([]secret, error) {
	return db.List(ctx, tx, readSecret, `
		SELECT a.id, a.login, a.name, a.person, a.patient, a.state, a.state_reason, a.must_change,
			a.failures, a.locked_until, a.factor, a.last_sign_in, a.created_at, a.version,
			a.password_hash, a.totp_secret, a.totp_pending, a.totp_step, a.last_post
		FROM account a`+matching+` ORDER BY a.login LIMIT $6 OFFSET $7`, f.match(f.Limit, f.Offset)...)
}

func codesLeft(ctx context.Context, tx *db.Tx, account string) (int, error) {
	n, err := db.Count(ctx, tx, `SELECT count(*) FROM account_code WHERE account = $1 AND used_at IS NULL`, account)
	return int(n), err
}
