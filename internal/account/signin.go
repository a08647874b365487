package account

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// SignIn opens a session. A wrong password and an unknown login name answer
// alike and take alike; after too many failures the name is stopped for a
// while. The password is checked outside the transaction, and everything that
// matters is read again inside it, so that guesses made at once count.
func (s *Service) SignIn(ctx context.Context, c Credentials) (Opened, error) {
	o := s.Options.filled()
	c.Login = normalLogin(c.Login)
	if c.Login == "" || c.Password == "" {
		return Opened{}, errs.E(errs.Invalid, "请填写登录名和密码")
	}
	found, known, t, err := s.lookUp(ctx, c.Login)
	if err != nil {
		return Opened{}, err
	}
	hash, right := found.hash, false
	if !known {
		if hash, err = s.decoy.get(); err != nil {
			return Opened{}, fmt.Errorf("hash decoy: %w", err)
		}
	}
	if !t.locked(s.DB.Now()) && len(c.Password) <= 4*maxPassword {
		if right, err = crypto.CheckPassword(hash, c.Password); err != nil {
			return Opened{}, fmt.Errorf("check password: %w", err)
		}
	}
	var out Opened
	var answer error // for the user, while the transaction commits its record
	err = s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		out, answer, err = s.enter(ctx, tx, o, c, found.hash, right)
		return err
	})
	if err != nil {
		return Opened{}, err
	}
	return out, answer
}

func (s *Service) lookUp(ctx context.Context, login string) (a secret, known bool, t throttle, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		a, err = byLogin(ctx, tx, login)
		if errs.Is(err, errs.NotFound) {
			t, err = s.strangerThrottle(ctx, tx, login)
			return err
		}
		known, t = true, a.throttle
		return err
	})
	return a, known, t, err
}

// enter records the attempt. right says that the password matched the hash
// that was read before the transaction.
func (s *Service) enter(ctx context.Context, tx *db.Tx, o Options, c Credentials, hash string, right bool) (Opened, error, error) {
	a, err := byLogin(ctx, tx, c.Login)
	if errs.Is(err, errs.NotFound) {
		answer, err := s.refuseStranger(ctx, tx, o, c)
		return Opened{}, answer, err
	}
	if err != nil {
		return Opened{}, nil, err
	}
	refuse := func(answer error, why string) (Opened, error, error) {
		return Opened{}, answer, s.refusedLeaf(ctx, tx, a.Account, c.IP, "session.signin", why)
	}
	if a.throttle.locked(tx.Now) {
		return refuse(lockedAnswer(a.throttle.until), "输错次数过多，暂停登录")
	}
	if !right || a.hash != hash {
		answer, err := s.fail(ctx, tx, o, a, c.IP, "session.signin", wrongPassword(o))
		return Opened{}, answer, err
	}
	// From here on the person has shown that he knows the password, and may
	// be told about his own account.
	switch a.State {
	case Locked:
		return refuse(errs.E(errs.Forbidden, "账号已被锁定（%s），请联系安全管理员解锁", a.StateReason), "账号已锁定")
	case Disabled:
		return refuse(errs.E(errs.Forbidden, "账号已停用，请联系本机构负责人或系统管理员"), "账号已停用")
	case Active:
	}
	posts, err := usablePosts(ctx, tx, a.ID)
	if err != nil {
		return Opened{}, nil, err
	}
	if len(posts) == 0 {
		return refuse(errNoPost, "没有可用的岗位")
	}
	out, err := s.open(ctx, tx, o, a, posts, c)
	return out, nil, err
}

// fail counts a wrong password or code of an account and returns the answer.
func (s *Service) fail(ctx context.Context, tx *db.Tx, o Options, a secret, ip, action string, answer error) (error, error) {
	t := a.throttle.failed(tx.Now, o)
	if err := saveThrottle(ctx, tx, a.ID, t); err != nil {
		return nil, err
	}
	why := "密码不正确"
	if t.locked(tx.Now) {
		answer, why = lockedAnswer(t.until), "连续输错，暂停登录"
	}
	return answer, s.refusedLeaf(ctx, tx, a.Account, ip, action, why)
}

func (s *Service) refuseStranger(ctx context.Context, tx *db.Tx, o Options, c Credentials) (error, error) {
	t, err := s.strangerThrottle(ctx, tx, c.Login)
	if err != nil {
		return nil, err
	}
	answer := wrongPassword(o)
	if t.locked(tx.Now) {
		answer = lockedAnswer(t.until)
	} else {
		t = t.failed(tx.Now, o)
		if t.locked(tx.Now) {
			answer = lockedAnswer(t.until)
		}
		if err := s.strangerFailed(ctx, tx, c.Login, t); err != nil {
			return nil, err
		}
	}
	// Not the whole name: people type passwords into the wrong field.
	first, _ := utf8.DecodeRuneInString(c.Login)
	detail := fmt.Sprintf("登录名不存在：%c***（%d 位）", first, utf8.RuneCountInString(c.Login))
	return answer, s.refusedLeaf(ctx, tx, Account{}, c.IP, "session.signin", detail)
}

func (s *Service) refusedLeaf(ctx context.Context, tx *db.Tx, a Account, ip, action, why string) error {
	return s.Audit.Append(ctx, tx, audit.Leaf{
		Actor:  access.Actor{Account: a.ID, Person: a.Person, Name: a.Name, IP: ip},
		Action: action, Object: "account", ObjectID: a.ID, Outcome: audit.Refused, Detail: why,
	})
}

// open makes the session and ends the one that it replaces on this browser.
func (s *Service) open(ctx context.Context, tx *db.Tx, o Options, a secret, posts []Post, c Credentials) (Opened, error) {
	post := posts[0]
	if i := slices.IndexFunc(posts, func(p Post) bool { return p.ID == a.lastPost }); i >= 0 {
		post = posts[i]
	}
	n := Session{
		ID: db.NewID(), Account: a.Account, Post: post, IP: c.IP, Agent: clip(c.Agent, 300),
		CreatedAt: tx.Now, SeenAt: tx.Now, ExpiresAt: tx.Now.Add(o.Absolute), Idle: o.Idle,
	}
	var err error
	if n.Regions, err = s.regions(ctx, tx, post.Org); err != nil {
		return Opened{}, err
	}
	if n.Stage, err = s.nextStage(ctx, tx, n); err != nil {
		return Opened{}, err
	}
	if err := s.replace(ctx, tx, n, c.Over); err != nil {
		return Opened{}, err
	}
	token, hash := s.newToken()
	if err := insertSession(ctx, tx, n, hash); err != nil {
		return Opened{}, err
	}
	_, err = tx.Exec(ctx, `UPDATE account SET last_sign_in = $2, last_post = $3 WHERE id = $1`, a.ID, db.At(tx.Now), post.ID)
	if err != nil {
		return Opened{}, fmt.Errorf("update last sign-in: %w", err)
	}
	if n.Stage == StageOpen || n.Stage == StageChange || n.Stage == StageEnrol {
		// A second factor still to come keeps counting: see PassFactor.
		if err := saveThrottle(ctx, tx, a.ID, throttle{}); err != nil {
			return Opened{}, err
		}
	}
	detail := post.Title()
	if n.Stage != StageOpen {
		detail += "（" + stageTitles[n.Stage] + "）"
	}
	return Opened{Session: n, Token: token}, s.leaf(ctx, tx, n.Actor(), "session.signin", a.ID, detail)
}

var stageTitles = map[Stage]string{StageFactor: "待验证第二因素", StageEnrol: "待设置第二因素", StageChange: "待修改初始密码"}

// replace ends the session that the new one takes over from on a shared
// machine, so that nobody goes on working in another person's name.
func (s *Service) replace(ctx context.Context, tx *db.Tx, n Session, token string) error {
	if token == "" {
		return nil
	}
	old, err := s.sessionByHash(ctx, tx, s.tokenHash(token))
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	reason := "换人登录"
	if old.Account.ID == n.Account.ID {
		reason = "重新登录"
	}
	if err := endSession(ctx, tx, old.ID, reason); err != nil {
		return err
	}
	return s.leaf(ctx, tx, old.Actor(), "session.end", old.Account.ID, reason)
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// nextStage returns what the session still lacks.
func (s *Service) nextStage(ctx context.Context, tx *db.Tx, n Session) (Stage, error) {
	policy, err := policyOf(ctx, tx, n.Post.Org)
	if err != nil {
		return "", err
	}
	switch {
	case n.Account.Factor != FactorNone && !n.FactorDone:
		return StageFactor, nil
	case policy.SecondFactor && n.Account.Factor == FactorNone:
		return StageEnrol, nil
	case n.Account.MustChange:
		return StageChange, nil
	}
	return StageOpen, nil
}

// UnlockSession takes the password of a locked session; what was typed on the
// page stays there.
func (s *Service) UnlockSession(ctx context.Context, n Session, password string) error {
	return s.withPassword(ctx, n.Account.ID, n.IP, password, "session.unlock", func(tx *db.Tx, _ secret) error {
		cur, err := s.sessionByID(ctx, tx, n.ID)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE account_session SET locked_at = NULL, seen_at = $2 WHERE id = $1 AND ended_at IS NULL`,
			n.ID, db.At(tx.Now))
		if err != nil {
			return fmt.Errorf("unlock session: %w", err)
		}
		return s.leaf(ctx, tx, cur.Actor(), "session.unlock", n.Account.ID, "")
	})
}

// withPassword runs fn in a transaction once the account's own password is
// shown again. Wrong ones count like those at sign-in.
func (s *Service) withPassword(ctx context.Context, account, ip, password, action string, fn func(*db.Tx, secret) error) error {
	o := s.Options.filled()
	var a secret
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		a, err = byID(ctx, tx, account)
		return err
	})
	if err != nil {
		return err
	}
	right := false
	if !a.throttle.locked(s.DB.Now()) && len(password) <= 4*maxPassword {
		if right, err = crypto.CheckPassword(a.hash, password); err != nil {
			return fmt.Errorf("check password: %w", err)
		}
	}
	var answer error
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		answer = nil
		cur, err := byID(ctx, tx, account)
		switch {
		case err != nil:
			return err
		case cur.State != Active:
			return errSignedOut
		case cur.throttle.locked(tx.Now):
			answer = lockedAnswer(cur.throttle.until)
			return s.refusedLeaf(ctx, tx, cur.Account, ip, action, "输错次数过多，暂停登录")
		case !right || cur.hash != a.hash:
			answer, err = s.fail(ctx, tx, o, cur, ip, action, fieldErr("current", "密码不正确，请重新输入"))
			return err
		}
		if err := saveThrottle(ctx, tx, account, throttle{}); err != nil {
			return err
		}
		return fn(tx, cur)
	})
	if err != nil {
		return err
	}
	return answer
}

// ChangePassword replaces the person's own password, ends his other sessions
// and gives this one a new token.
func (s *Service) ChangePassword(ctx context.Context, n Session, current, password, again string) (out Opened, err error) {
	if n.Stage == StageFactor || n.Stage == StageEnrol || n.Locked {
		return Opened{}, errs.E(errs.Forbidden, "请先完成登录，再修改密码")
	}
	var f errs.Form
	f.Require("current", current, "现在的密码")
	checkPassword(&f, n.Account.Login, n.Account.Name, password)
	if password != again {
		f.Add("again", "两次输入的新密码不一样")
	}
	if err := f.Err(); err != nil {
		return Opened{}, err
	}
	var old []string
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		a, err := byID(ctx, tx, n.Account.ID)
		if err != nil {
			return err
		}
		old, err = oldHashes(ctx, tx, n.Account.ID)
		old = append(old, a.hash)
		return err
	})
	if err != nil {
		return Opened{}, err
	}
	used, err := usedBefore(password, old)
	if err != nil {
		return Opened{}, fmt.Errorf("check old passwords: %w", err)
	}
	hash, err := crypto.HashPassword(password)
	if err != nil {
		return Opened{}, fmt.Errorf("hash password: %w", err)
	}
	err = s.withPassword(ctx, n.Account.ID, n.IP, current, "account.password", func(tx *db.Tx, a secret) error {
		if used { // told only to who knows the present password
			return fieldErr("password", fmt.Sprintf("新密码不能与最近 %d 次用过的密码相同", history))
		}
		out, err = s.changed(ctx, tx, n, a, hash)
		return err
	})
	return out, err
}

func (s *Service) changed(ctx context.Context, tx *db.Tx, n Session, a secret, hash string) (Opened, error) {
	cur, err := s.sessionByID(ctx, tx, n.ID)
	if err != nil {
		return Opened{}, err
	}
	ok, err := setPassword(ctx, tx, a.ID, a.hash, hash, false)
	if err != nil || !ok {
		return Opened{}, cmpErr(err, errs.E(errs.Conflict, "密码刚刚被修改过，请重新登录"))
	}
	_, err = tx.Exec(ctx, `
		UPDATE account_session SET ended_at = $3, end_reason = '密码已修改'
		WHERE account = $1 AND id <> $2 AND ended_at IS NULL`, a.ID, n.ID, db.At(tx.Now))
	if err != nil {
		return Opened{}, fmt.Errorf("end other sessions: %w", err)
	}
	cur.Account.MustChange = false
	if cur.Stage, err = s.nextStage(ctx, tx, cur); err != nil {
		return Opened{}, err
	}
	token, err := s.rotate(ctx, tx, &cur)
	if err != nil {
		return Opened{}, err
	}
	return Opened{Session: cur, Token: token}, s.leaf(ctx, tx, cur.Actor(), "account.password", a.ID, "")
}
