package account

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
)

var errNoAccount = errs.E(errs.NotFound, "没有找到账号")

// Filter narrows a list of accounts; zero fields do not narrow.
type Filter struct {
	Org, Text string
	State     State
	Role      access.Role
	Limit     int // 0 means 50, at most 200
	Offset    int
}

// loginPattern keeps login names easy to type and to read out on the phone.
var loginPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{2,31}$`)

// headMayGive are the roles that the head of a primary institution gives.
var headMayGive = []access.Role{access.VillageDoctor, access.TownshipDoctor}

func (s *Service) leaf(ctx context.Context, tx *db.Tx, actor access.Actor, action, account, detail string) error {
	return s.Audit.Append(ctx, tx, audit.Leaf{
		Actor: actor, Action: action, Object: "account", ObjectID: account, Outcome: audit.OK, Detail: detail,
	})
}

// require asks for the right over an institution: anywhere, or in the actor's
// own institution and those under it.
func (s *Service) require(ctx context.Context, tx *db.Tx, actor access.Actor, right access.Right, org string) error {
	rel := access.Any
	own := org != "" && org == actor.Org
	if !own && org != "" && s.Directory.Under != nil && access.Allowed(access.Role(actor.Role), right, access.Own) {
		var err error
		if own, err = s.Directory.Under(ctx, tx, org, actor.Org); err != nil {
			return fmt.Errorf("read institution: %w", err)
		}
	}
	if own {
		rel = access.Own
	}
	return access.Require(actor, right, rel)
}

// anywhere reports whether the actor holds the right over all institutions.
func anywhere(actor access.Actor, right access.Right) bool {
	return access.Require(actor, right, access.Any) == nil
}

// requireAccount asks for the right over an account: over all institutions
// where it holds a post. A head of an institution manages its doctors only.
func (s *Service) requireAccount(ctx context.Context, tx *db.Tx, actor access.Actor, right access.Right, id string) error {
	if anywhere(actor, right) {
		return nil
	}
	posts, err := postsOf(ctx, tx, id)
	if err != nil {
		return err
	}
	held := 0
	for _, p := range posts {
		if p.State != PostActive && p.State != PostPending {
			continue
		}
		held++
		if err := s.require(ctx, tx, actor, right, p.Org); err != nil {
			return err
		}
		if !slices.Contains(headMayGive, p.Role) {
			return errs.E(errs.Forbidden, "该账号有“%s”岗位，须由系统管理员或安全管理员办理", p.Role.Title())
		}
	}
	if held == 0 {
		return access.Require(actor, right, access.Any)
	}
	return nil
}

// notSelf keeps administrators from helping themselves.
func notSelf(actor access.Actor, account, what string) error {
	if actor.Account != "" && actor.Account == account {
		return errs.E(errs.Forbidden, "不能%s自己的账号，请由另一位管理员办理", what)
	}
	return nil
}

func checkNew(n NewAccount) error {
	var f errs.Form
	f.Require("login", n.Login, "登录名")
	if n.Login != "" && !loginPattern.MatchString(n.Login) {
		f.Add("login", "登录名要 3 至 32 位，用小写字母、数字、点、横线或下划线，以字母或数字开头")
	}
	f.Require("name", n.Name, "姓名")
	if len([]rune(n.Name)) > 40 {
		f.Add("name", "姓名最多 40 个字")
	}
	if len(n.Posts) == 0 {
		f.Add("role", "请至少选择一个岗位")
	}
	for _, p := range n.Posts {
		checkPost(&f, p)
		if p.Role == access.Resident && n.Patient == "" {
			f.Add("patient", "居民账号要先选定本人的居民档案")
		}
	}
	return f.Err()
}

// Create makes an account with its first posts and returns the slip with the
// initial password, which is shown once and must be changed at first sign-in.
func (s *Service) Create(ctx context.Context, actor access.Actor, n NewAccount) (Account, Slip, error) {
	password := initialPassword()
	a, err := s.create(ctx, actor, n, password, true)
	if err != nil {
		return Account{}, Slip{}, err
	}
	return a, slip(a, password), nil
}

// Seed makes an account with a chosen password, for the first administrators
// of an installation and for the demo. Its posts are active at once; only the
// program itself may call it.
func (s *Service) Seed(ctx context.Context, n NewAccount, password string, mustChange bool) (Account, error) {
	return s.create(ctx, audit.Program("安装"), n, password, mustChange)
}

func (s *Service) create(ctx context.Context, actor access.Actor, n NewAccount, password string, mustChange bool) (Account, error) {
	hash, err := crypto.HashPassword(password)
	if err != nil {
		return Account{}, fmt.Errorf("hash password: %w", err)
	}
	return s.createHashed(ctx, actor, n, hash, mustChange)
}

// SeedHashed is Seed for many accounts that share one password hash, so that
// a demo need not hash the same password sixty times.
func (s *Service) SeedHashed(ctx context.Context, n NewAccount, hash string, mustChange bool) (Account, error) {
	return s.createHashed(ctx, audit.Program("安装"), n, hash, mustChange)
}

func (s *Service) createHashed(ctx context.Context, actor access.Actor, n NewAccount, hash string, mustChange bool) (Account, error) {
	n.Login, n.Name = normalLogin(n.Login), strings.TrimSpace(n.Name)
	if err := checkNew(n); err != nil {
		return Account{}, err
	}
	var a Account
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		a = Account{
			ID: db.NewID(), Login: n.Login, Name: n.Name, Person: n.Person, Patient: n.Patient,
			State: Active, MustChange: mustChange, Factor: FactorNone, CreatedAt: tx.Now, Version: 1,
		}
		if _, err := byLogin(ctx, tx, n.Login); !errs.Is(err, errs.NotFound) {
			return cmpErr(err, fieldErr("login", "登录名“"+n.Login+"”已经有人使用，请换一个"))
		}
		if err := insertAccount(ctx, tx, a, hash); err != nil {
			return err
		}
		if err := s.leaf(ctx, tx, actor, "account.create", a.ID, a.Login+" "+a.Name); err != nil {
			return err
		}
		for _, p := range n.Posts {
			post, err := s.grant(ctx, tx, actor, a.ID, p)
			if err != nil {
				return err
			}
			a.Posts = append(a.Posts, post)
		}
		return nil
	})
	return a, err
}

func fieldErr(name, message string) error {
	var f errs.Form
	f.Add(name, "%s", message)
	return f.Err()
}

// cmpErr returns err, or other when there is none.
func cmpErr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

func slip(a Account, password string) Slip {
	out := Slip{Account: a.ID, Login: a.Login, Name: a.Name, Password: password, At: a.CreatedAt}
	for _, p := range a.Posts {
		if p.State == PostActive || p.State == PostPending {
			out.OrgName = p.OrgName
			break
		}
	}
	return out
}

// List returns accounts by login name, and how many there are altogether. Who
// manages only his own institution sees only its accounts.
func (s *Service) List(ctx context.Context, actor access.Actor, f Filter) (list []Account, total int, err error) {
	if f.Limit <= 0 || f.Limit > 200 {
		f.Limit = 50
	}
	f.Text = strings.TrimSpace(f.Text)
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		if !anywhere(actor, access.AccountCreate) && !anywhere(actor, access.AccountLock) {
			if f.Org == "" {
				f.Org = actor.Org
			}
			if err := s.require(ctx, tx, actor, access.AccountCreate, f.Org); err != nil {
				return err
			}
		}
		found, err := listAccounts(ctx, tx, f)
		if err != nil {
			return err
		}
		if total, err = countAccounts(ctx, tx, f); err != nil {
			return err
		}
		list = make([]Account, 0, len(found))
		for _, sec := range found {
			if sec.Posts, err = postsOf(ctx, tx, sec.ID); err != nil {
				return err
			}
			list = append(list, sec.Account)
		}
		return nil
	})
	return list, total, err
}

// Get returns one account with its posts, for those who manage it.
func (s *Service) Get(ctx context.Context, actor access.Actor, id string) (a Account, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		sec, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if actor.Account != id && !anywhere(actor, access.AccountCreate) {
			if err := s.requireAccount(ctx, tx, actor, access.AccountLock, id); err != nil {
				return err
			}
		}
		a = sec.Account
		if a.Posts, err = postsOf(ctx, tx, id); err != nil {
			return err
		}
		a.CodesLeft, err = codesLeft(ctx, tx, id)
		return err
	})
	return a, err
}

// Lock stops an account until it is unlocked, and ends its sessions at once.
func (s *Service) Lock(ctx context.Context, actor access.Actor, id, reason string) error {
	return s.setState(ctx, actor, access.AccountLock, id, Locked, "account.lock", reason)
}

// Disable stops the account of a person who has left, and ends its sessions.
func (s *Service) Disable(ctx context.Context, actor access.Actor, id, reason string) error {
	return s.setState(ctx, actor, access.AccountLock, id, Disabled, "account.disable", reason)
}

// Unlock lets an account sign in again, whether it was stopped by an
// administrator or by wrong passwords.
func (s *Service) Unlock(ctx context.Context, actor access.Actor, id, reason string) error {
	return s.setState(ctx, actor, access.AccountLock, id, Active, "account.unlock", reason)
}

func (s *Service) setState(ctx context.Context, actor access.Actor, right access.Right, id string, to State, action, reason string) error {
	reason = strings.TrimSpace(reason)
	if reason == "" {
		return fieldErr("reason", "请写明原因，例如“离岗”“本人遗失手机”")
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := notSelf(actor, id, "锁定或解锁"); err != nil {
			return err
		}
		if _, err := byID(ctx, tx, id); err != nil {
			return err
		}
		if err := s.requireAccount(ctx, tx, actor, right, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			UPDATE account SET state = $2, state_reason = $3, failures = '', locked_until = NULL, version = version + 1
			WHERE id = $1`, id, string(to), reason)
		if err != nil {
			return fmt.Errorf("update account state: %w", err)
		}
		if to != Active {
			if err := endSessions(ctx, tx, id, "", "账号"+to.Title()); err != nil {
				return err
			}
		}
		return s.leaf(ctx, tx, actor, action, id, reason)
	})
}

// Reset gives an account a new initial password and ends its sessions. An
// account that holds one of the three powers stays locked until the security
// administrator unlocks it: who may reset passwords must not be able to become
// another administrator.
func (s *Service) Reset(ctx context.Context, actor access.Actor, id string) (Slip, error) {
	password := initialPassword()
	hash, err := crypto.HashPassword(password)
	if err != nil {
		return Slip{}, fmt.Errorf("hash password: %w", err)
	}
	var out Slip
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := notSelf(actor, id, "重置"); err != nil {
			return err
		}
		sec, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.requireAccount(ctx, tx, actor, access.AccountReset, id); err != nil {
			return err
		}
		if sec.State == Disabled {
			return errs.E(errs.Conflict, "账号已停用，不能重置密码；如本人回岗，请先由安全管理员恢复账号")
		}
		if sec.Posts, err = postsOf(ctx, tx, id); err != nil {
			return err
		}
		ok, err := setPassword(ctx, tx, id, sec.hash, hash, true)
		if err != nil || !ok {
			return cmpErr(err, errs.E(errs.Conflict, "密码刚刚被修改过，请刷新后再试"))
		}
		if holdsPower(sec.Posts) {
			if err := lockForReset(ctx, tx, id); err != nil {
				return err
			}
		}
		if err := endSessions(ctx, tx, id, "", "密码被重置"); err != nil {
			return err
		}
		out = slip(sec.Account, password)
		out.At = tx.Now
		return s.leaf(ctx, tx, actor, "account.reset", id, sec.Login)
	})
	return out, err
}

func holdsPower(posts []Post) bool {
	return slices.ContainsFunc(posts, func(p Post) bool {
		return Power(p.Role) && (p.State == PostActive || p.State == PostPending)
	})
}

func lockForReset(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.Exec(ctx, `UPDATE account SET state = 'locked', state_reason = $2 WHERE id = $1`,
		id, "管理员账号重置密码后，须由安全管理员核实并解锁")
	if err != nil {
		return fmt.Errorf("lock reset account: %w", err)
	}
	return nil
}

// Rename corrects the display name and the practitioner behind an account.
func (s *Service) Rename(ctx context.Context, actor access.Actor, id string, version int64, name, person string) error {
	name = strings.TrimSpace(name)
	if name == "" || len([]rune(name)) > 40 {
		return fieldErr("name", "请填写姓名，最多 40 个字")
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := s.requireAccount(ctx, tx, actor, access.AccountCreate, id); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE account SET name = $3, person = $4, version = version + 1 WHERE id = $1 AND version = $2`,
			id, version, name, person)
		if err != nil {
			return fmt.Errorf("rename account: %w", err)
		}
		if n == 0 {
			return errs.E(errs.Conflict, "账号刚刚被别人修改过，请刷新后再改")
		}
		return s.leaf(ctx, tx, actor, "account.rename", id, name)
	})
}

// Choices returns what the forms of accounts offer: the institutions that the
// actor may choose.
func (s *Service) Choices(ctx context.Context, actor access.Actor) (list []Institution, err error) {
	own := []Institution{{ID: actor.Org, Name: actor.OrgName}}
	if s.Directory.Institutions == nil {
		return own, nil
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		all, err := s.Directory.Institutions(ctx, tx)
		if err != nil {
			return err
		}
		for _, o := range all {
			switch err := s.require(ctx, tx, actor, access.AccountCreate, o.ID); {
			case err == nil || anywhere(actor, access.AccountLock):
				list = append(list, o)
			case !errs.Is(err, errs.Forbidden):
				return err
			}
		}
		return nil
	})
	if err == nil && len(list) == 0 && actor.Org != "" {
		list = own
	}
	return list, err
}

// ChoicesAt returns the departments and the practitioners of an institution
// that the forms of accounts offer.
func (s *Service) ChoicesAt(ctx context.Context, actor access.Actor, org string) (departments []Institution, people []Person, err error) {
	if org == "" {
		return nil, nil, nil
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		if err := s.require(ctx, tx, actor, access.AccountCreate, org); err != nil {
			return err
		}
		if s.Directory.Departments != nil {
			if departments, err = s.Directory.Departments(ctx, tx, org); err != nil {
				return err
			}
		}
		if s.Directory.People != nil {
			people, err = s.Directory.People(ctx, tx, org)
		}
		return err
	})
	return departments, people, err
}

// today is the business date of a transaction.
func today(tx *db.Tx) calendar.Date { return calendar.DateOf(tx.Now) }
