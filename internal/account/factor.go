package account

import (
	"context"
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
)

const (
	codesAtOnce = 10
	// LowCodes is how few printed codes make the pages ask for new ones.
	LowCodes   = 3
	totpPeriod = 30
)

// Enrolment is what an authenticator app needs; shown once.
type Enrolment struct {
	Secret string // for typing in by hand, in groups of four
	URL    string // otpauth:// address, for a QR code
}

// policyOf returns what an institution asks for at sign-in: its own rule, or
// that for everybody.
func policyOf(ctx context.Context, tx *db.Tx, org string) (Policy, error) {
	list, err := db.List(ctx, tx, readPolicy, `
		SELECT org, second_factor, idle_minutes, set_by, set_at FROM account_policy
		WHERE org = $1 OR org = '' ORDER BY org DESC LIMIT 1`, org)
	if err != nil || len(list) == 0 {
		return Policy{Org: org}, err
	}
	return list[0], nil
}

func readPolicy(scan db.Scan) (p Policy, err error) {
	var factor string
	var at db.Time
	err = scan(&p.Org, &factor, &p.IdleMinutes, &p.SetBy, &at)
	p.SecondFactor, p.SetAt = factor != "none", at.Time
	return p, err
}

// Policies returns all rules.
func (s *Service) Policies(ctx context.Context, actor access.Actor) (list []Policy, err error) {
	if err := access.Require(actor, access.AccountPolicy, access.Any); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) (err error) {
		list, err = db.List(ctx, tx, readPolicy, `
			SELECT org, second_factor, idle_minutes, set_by, set_at FROM account_policy ORDER BY org`)
		return err
	})
	return list, err
}

// SetPolicy sets what an institution asks for at sign-in.
func (s *Service) SetPolicy(ctx context.Context, actor access.Actor, p Policy) error {
	if err := access.Require(actor, access.AccountPolicy, access.Any); err != nil {
		return err
	}
	if p.IdleMinutes != 0 && (p.IdleMinutes < 3 || p.IdleMinutes > 60) {
		return fieldErr("idle", "自动锁屏时间要在 3 至 60 分钟之间")
	}
	factor := "none"
	if p.SecondFactor {
		factor = "totp_or_codes"
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO account_policy (org, second_factor, idle_minutes, set_by, set_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (org) DO UPDATE SET second_factor = excluded.second_factor,
				idle_minutes = excluded.idle_minutes, set_by = excluded.set_by, set_at = excluded.set_at`,
			p.Org, factor, p.IdleMinutes, actor.Account, db.At(tx.Now))
		if err != nil {
			return fmt.Errorf("upsert policy: %w", err)
		}
		detail, err := s.policyDetail(ctx, tx, p)
		if err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "account.policy", p.Org, detail)
	})
}

// policyDetail is a policy in words, for the auditor.
func (s *Service) policyDetail(ctx context.Context, tx *db.Tx, p Policy) (string, error) {
	org, factor, idle := "全部机构", "不要求第二因素", "锁屏时间用默认值"
	if p.Org != "" {
		org = "一个机构"
	}
	if p.Org != "" && s.Directory.Institutions != nil {
		list, err := s.Directory.Institutions(ctx, tx)
		if err != nil {
			return "", fmt.Errorf("read institutions: %w", err)
		}
		if i := slices.IndexFunc(list, func(o Institution) bool { return o.ID == p.Org }); i >= 0 {
			org = list[i].Name
		}
	}
	if p.SecondFactor {
		factor = "要求第二因素"
	}
	if p.IdleMinutes > 0 {
		idle = fmt.Sprintf("%d 分钟锁屏", p.IdleMinutes)
	}
	return org + "：" + factor + "，" + idle, nil
}

// mayEnrol says whether the session may set a second factor up: a full
// session, or one that is stopped because it has none.
func mayEnrol(cur Session) error {
	if cur.Locked || cur.Stage != StageOpen && cur.Stage != StageEnrol {
		return errs.E(errs.Forbidden, "请先完成登录，再设置第二因素")
	}
	return nil
}

// BeginTOTP makes a new secret for an authenticator app. It counts only after
// ConfirmTOTP; until then the present factor stays. The present password is
// asked for, since whoever sits at an open session must not take it over.
func (s *Service) BeginTOTP(ctx context.Context, n Session, password string) (e Enrolment, err error) {
	key, err := totp.Generate(totp.GenerateOpts{
		Issuer: s.Options.filled().Issuer, AccountName: n.Account.Login, Period: totpPeriod, SecretSize: 20,
	})
	if err != nil {
		return Enrolment{}, fmt.Errorf("generate TOTP secret: %w", err)
	}
	sealed, err := s.Keys.Seal(key.Secret(), totpContext(n.Account.ID))
	if err != nil {
		return Enrolment{}, fmt.Errorf("seal TOTP secret: %w", err)
	}
	err = s.withPassword(ctx, n.Account.ID, n.IP, password, "account.factor.begin", func(tx *db.Tx, _ secret) error {
		cur, err := s.sessionByID(ctx, tx, n.ID)
		if err != nil {
			return err
		}
		if err := mayEnrol(cur); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE account SET totp_pending = $2 WHERE id = $1`, n.Account.ID, sealed); err != nil {
			return fmt.Errorf("save pending secret: %w", err)
		}
		return nil
	})
	if err != nil {
		return Enrolment{}, err
	}
	return enrolment(key), nil
}

func enrolment(key *otp.Key) Enrolment {
	var groups []string
	for s := key.Secret(); s != ""; {
		n := min(4, len(s))
		groups, s = append(groups, s[:n]), s[n:]
	}
	return Enrolment{Secret: strings.Join(groups, " "), URL: key.URL()}
}

func totpContext(account string) string { return "account.totp/" + account }

// matchStep returns the 30-second step whose code was typed, one step of clock
// difference either way allowed, or 0. Steps up to after are refused: a code
// is good once.
func matchStep(secret, code string, now time.Time, after int64) (int64, error) {
	var match int64
	for _, d := range []int64{-1, 0, 1} {
		step := now.Unix()/totpPeriod + d
		want, err := hotp.GenerateCodeCustom(secret, uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return 0, fmt.Errorf("compute TOTP code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > after && match == 0 {
			match = step
		}
	}
	return match, nil
}

// ConfirmTOTP takes the first code of a new secret and makes it the second
// factor. Printed codes from before stay good as a reserve.
func (s *Service) ConfirmTOTP(ctx context.Context, n Session, code string) (out Opened, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		cur, err := s.sessionByID(ctx, tx, n.ID)
		if err != nil {
			return err
		}
		if err := mayEnrol(cur); err != nil {
			return err
		}
		a, err := byID(ctx, tx, cur.Account.ID)
		if err != nil {
			return err
		}
		if a.pending == "" {
			return errs.E(errs.Conflict, "请先点“设置动态口令”，扫描二维码后再输入验证码")
		}
		plain, err := s.Keys.Open(a.pending, totpContext(a.ID))
		if err != nil {
			return fmt.Errorf("open TOTP secret: %w", err)
		}
		step, err := matchStep(plain, plainCode(code), tx.Now, 0)
		if err != nil {
			return err
		}
		if step == 0 {
			return fieldErr("code", "验证码不正确：请确认手机时间准确，输入应用里正在显示的 6 位数字")
		}
		_, err = tx.Exec(ctx, `
			UPDATE account SET factor = 'totp', totp_secret = totp_pending, totp_pending = '', totp_step = $2, version = version + 1
			WHERE id = $1`, a.ID, step)
		if err != nil {
			return fmt.Errorf("set TOTP: %w", err)
		}
		out, err = s.factorSet(ctx, tx, cur, FactorTOTP)
		return err
	})
	return out, err
}

// factorSet lets the session on after its person has set a factor up.
func (s *Service) factorSet(ctx context.Context, tx *db.Tx, cur Session, f Factor) (out Opened, err error) {
	cur.Account.Factor, cur.FactorDone = f, true
	if cur.Stage, err = s.nextStage(ctx, tx, cur); err != nil {
		return Opened{}, err
	}
	if out.Token, err = s.rotate(ctx, tx, &cur); err != nil {
		return Opened{}, err
	}
	out.Session = cur
	return out, s.leaf(ctx, tx, cur.Actor(), "account.factor.set", cur.Account.ID, f.Title())
}

// PrintCodes makes ten new one-time codes and returns them, once, for the
// printer; those from before are void. Without an authenticator app they
// become the second factor.
func (s *Service) PrintCodes(ctx context.Context, n Session, password string) (codes []string, out Opened, err error) {
	for range codesAtOnce {
		codes = append(codes, randomText(2))
	}
	err = s.withPassword(ctx, n.Account.ID, n.IP, password, "account.codes", func(tx *db.Tx, a secret) error {
		cur, err := s.sessionByID(ctx, tx, n.ID)
		if err != nil {
			return err
		}
		if err := mayEnrol(cur); err != nil {
			return err
		}
		if err := s.replaceCodes(ctx, tx, a.ID, codes); err != nil {
			return err
		}
		f := a.Factor
		if f == FactorNone {
			f = FactorCodes
			if _, err := tx.Exec(ctx, `UPDATE account SET factor = 'codes', version = version + 1 WHERE id = $1`, a.ID); err != nil {
				return fmt.Errorf("set codes: %w", err)
			}
		}
		out, err = s.factorSet(ctx, tx, cur, f)
		return err
	})
	if err != nil {
		return nil, Opened{}, err
	}
	return codes, out, nil
}

func (s *Service) replaceCodes(ctx context.Context, tx *db.Tx, account string, codes []string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM account_code WHERE account = $1`, account); err != nil {
		return fmt.Errorf("delete old codes: %w", err)
	}
	for _, c := range codes {
		_, err := tx.Exec(ctx, `INSERT INTO account_code (id, account, hash, made_at) VALUES ($1, $2, $3, $4)`,
			db.NewID(), account, s.Keys.Index("account.code", account+"/"+plainCode(c)), db.At(tx.Now))
		if err != nil {
			return fmt.Errorf("insert code: %w", err)
		}
	}
	return nil
}

// plainCode drops what people add when they copy a code.
func plainCode(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '—', '　', '\t':
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// PassFactor takes the second factor of a session that waits for it: six
// digits from the app, or one printed code. Wrong ones count like passwords.
func (s *Service) PassFactor(ctx context.Context, n Session, code string) (out Opened, err error) {
	o := s.Options.filled()
	var answer error
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		answer, out = nil, Opened{}
		cur, err := s.sessionByID(ctx, tx, n.ID)
		if err != nil {
			return err
		}
		if cur.Stage != StageFactor || cur.Locked {
			return errs.E(errs.Conflict, "这一步已经完成或已过期，请刷新页面")
		}
		a, err := byID(ctx, tx, cur.Account.ID)
		if err != nil {
			return err
		}
		if a.throttle.locked(tx.Now) {
			answer = lockedAnswer(a.throttle.until)
			return s.refusedLeaf(ctx, tx, a.Account, n.IP, "session.factor", "输错次数过多，暂停登录")
		}
		how, err := s.useCode(ctx, tx, a, plainCode(code))
		if err != nil {
			return err
		}
		if how == "" {
			answer, err = s.fail(ctx, tx, o, a, n.IP, "session.factor",
				fieldErr("code", "验证码不正确或已经用过。动态口令每 30 秒换一次，请输入新的；纸质口令每个只能用一次"))
			return err
		}
		if err := saveThrottle(ctx, tx, a.ID, throttle{}); err != nil {
			return err
		}
		cur.FactorDone = true
		if cur.Stage, err = s.nextStage(ctx, tx, cur); err != nil {
			return err
		}
		if out.Token, err = s.rotate(ctx, tx, &cur); err != nil {
			return err
		}
		out.Session = cur
		return s.leaf(ctx, tx, cur.Actor(), "session.factor", a.ID, how)
	})
	return out, cmpErr(err, answer)
}

// useCode accepts a code and uses it up; it returns how it was accepted, or
// nothing.
func (s *Service) useCode(ctx context.Context, tx *db.Tx, a secret, code string) (string, error) {
	if a.Factor == FactorTOTP && len(code) == 6 {
		plain, err := s.Keys.Open(a.totp, totpContext(a.ID))
		if err != nil {
			return "", fmt.Errorf("open TOTP secret: %w", err)
		}
		step, err := matchStep(plain, code, tx.Now, a.step)
		if err != nil || step == 0 {
			return "", err
		}
		n, err := tx.Exec(ctx, `UPDATE account SET totp_step = $2 WHERE id = $1 AND totp_step < $2`, a.ID, step)
		if err != nil || n == 0 {
			return "", err
		}
		return FactorTOTP.Title(), nil
	}
	for _, hash := range s.Keys.Indexes("account.code", a.ID+"/"+code) {
		n, err := tx.Exec(ctx, `UPDATE account_code SET used_at = $2 WHERE account = $3 AND hash = $1 AND used_at IS NULL`,
			hash, db.At(tx.Now), a.ID)
		if err != nil {
			return "", fmt.Errorf("use code: %w", err)
		}
		if n > 0 {
			return FactorCodes.Title(), nil
		}
	}
	return "", nil
}

// CodesLeft returns how many printed codes of an account are unused.
func (s *Service) CodesLeft(ctx context.Context, account string) (n int, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) (err error) {
		n, err = codesLeft(ctx, tx, account)
		return err
	})
	return n, err
}

// ResetFactor removes the second factor of a person who lost phone and paper;
// where it is asked for, he sets up a new one at the next sign-in.
func (s *Service) ResetFactor(ctx context.Context, actor access.Actor, id, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return fieldErr("reason", "请写明原因，例如“手机遗失，已当面核对身份”")
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := notSelf(actor, id, "清除第二因素："); err != nil {
			return err
		}
		if err := access.Require(actor, access.AccountPolicy, access.Any); err != nil {
			return err
		}
		if err := bump(ctx, tx, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE account SET factor = 'none', totp_secret = '', totp_pending = '', totp_step = 0 WHERE id = $1`, id)
		if err != nil {
			return fmt.Errorf("reset factor: %w", err)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM account_code WHERE account = $1`, id); err != nil {
			return fmt.Errorf("delete codes: %w", err)
		}
		if err := endSessions(ctx, tx, id, "", "第二因素被清除"); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "account.factor.reset", id, reason)
	})
}
