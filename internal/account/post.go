package account

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

func checkPost(f *errs.Form, p NewPost) {
	if !p.Role.Valid() {
		f.Add("role", "请选择岗位")
		return
	}
	if p.Role != access.Resident && p.Org == "" {
		f.Add("org", "请选择“%s”岗位所在的机构", p.Role.Title())
	}
	for _, d := range []struct {
		name, label string
		date        calendar.Date
	}{{"from", "开始日期", p.From}, {"to", "结束日期", p.To}} {
		if d.date == "" {
			continue
		}
		if _, err := calendar.ParseDate(string(d.date)); err != nil {
			f.Add(d.name, "%s不对，请按 2026-03-02 这样填写", d.label)
		}
	}
	if p.To != "" && p.From != "" && p.To < p.From {
		f.Add("to", "结束日期不能早于开始日期")
	}
}

// GrantPost gives an account one more post. An administrator's post waits for
// the security administrator.
func (s *Service) GrantPost(ctx context.Context, actor access.Actor, account string, n NewPost) (p Post, err error) {
	var f errs.Form
	checkPost(&f, n)
	if err := f.Err(); err != nil {
		return Post{}, err
	}
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		// Taking the account's next version first makes two grants to one
		// account wait for each other.
		if err := bump(ctx, tx, account); err != nil {
			return err
		}
		if n.Role == access.Resident {
			sec, err := byID(ctx, tx, account)
			if err != nil {
				return err
			}
			if sec.Patient == "" {
				return fieldErr("role", "该账号没有关联居民档案，不能添加居民岗位")
			}
		}
		p, err = s.grant(ctx, tx, actor, account, n)
		return err
	})
	return p, err
}

func (s *Service) grant(ctx context.Context, tx *db.Tx, actor access.Actor, account string, n NewPost) (Post, error) {
	if err := notSelf(actor, account, "增加岗位给"); err != nil {
		return Post{}, err
	}
	if err := s.require(ctx, tx, actor, access.AccountCreate, n.Org); err != nil {
		return Post{}, err
	}
	if !anywhere(actor, access.AccountCreate) && !slices.Contains(headMayGive, n.Role) {
		return Post{}, errs.E(errs.Forbidden, "机构负责人只能为本机构设置村医和基层医生岗位；“%s”岗位请联系系统管理员", n.Role.Title())
	}
	held, err := postsOf(ctx, tx, account)
	if err != nil {
		return Post{}, err
	}
	if err := checkHeld(held, n); err != nil {
		return Post{}, err
	}
	p := Post{
		ID: db.NewID(), Account: account, Role: n.Role, Org: n.Org, OrgName: n.OrgName, Department: n.Department,
		From: n.From, To: n.To, State: PostActive, GrantedBy: actor.Account, GrantedAt: tx.Now,
	}
	if p.From == "" {
		p.From = today(tx)
	}
	if p.To != "" && p.To < p.From {
		return Post{}, fieldErr("to", "结束日期不能早于开始日期")
	}
	// Only the program itself (installation, demo) sets administrators up
	// without a second person.
	if Power(p.Role) && actor.Account != "" {
		p.State = PostPending
	}
	if err := insertPost(ctx, tx, p); err != nil {
		return Post{}, err
	}
	return p, s.leaf(ctx, tx, actor, "account.post.grant", account, p.Title()+"，"+p.State.Title())
}

// checkHeld refuses a second power and the same post twice.
func checkHeld(held []Post, n NewPost) error {
	for _, p := range held {
		if p.State != PostActive && p.State != PostPending {
			continue
		}
		if p.Role == n.Role && p.Org == n.Org && p.Department == n.Department {
			return errs.E(errs.Conflict, "该账号已有“%s”岗位（%s），不用重复添加", p.Title(), p.State.Title())
		}
		if Power(p.Role) && Power(n.Role) {
			return errs.E(errs.Conflict, "三权分立：系统管理员、安全管理员、审计员不能由同一人担任。该账号已有“%s”岗位（%s），请先结束它，或换一个账号",
				p.Role.Title(), p.State.Title())
		}
	}
	return nil
}

// EndPost ends a post and the sessions that act in it.
func (s *Service) EndPost(ctx context.Context, actor access.Actor, post, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		p, err := postByID(ctx, tx, post)
		if err != nil {
			return err
		}
		if err := notSelf(actor, p.Account, "结束岗位，用"); err != nil {
			return errs.E(errs.Forbidden, "不能结束自己的岗位，请由另一位管理员办理")
		}
		if err := s.require(ctx, tx, actor, access.AccountCreate, p.Org); err != nil {
			return err
		}
		if !anywhere(actor, access.AccountCreate) && !slices.Contains(headMayGive, p.Role) {
			return errs.E(errs.Forbidden, "“%s”岗位须由系统管理员办理", p.Role.Title())
		}
		if err := bump(ctx, tx, p.Account); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `
			UPDATE account_post SET state = 'ended', ended_by = $2, ended_at = $3, reason = $4
			WHERE id = $1 AND state IN ('pending', 'active')`, post, actor.Account, db.At(tx.Now), strings.TrimSpace(reason))
		if err != nil {
			return fmt.Errorf("end post: %w", err)
		}
		if n == 0 {
			return errs.E(errs.Conflict, "这个岗位已经结束")
		}
		if err := endSessions(ctx, tx, p.Account, post, "岗位已结束"); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "account.post.end", p.Account, p.Title())
	})
}

// DecidePost approves or refuses an administrator's post that waits. Only the
// security administrator decides, and never about his own account or a post
// that he gave.
func (s *Service) DecidePost(ctx context.Context, actor access.Actor, post string, approve bool, reason string) error {
	if err := access.Require(actor, access.AccountApprove, access.Any); err != nil {
		return err
	}
	if !approve && strings.TrimSpace(reason) == "" {
		return fieldErr("reason", "不批准时请写明原因")
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		p, err := postByID(ctx, tx, post)
		if err != nil {
			return err
		}
		if actor.Account == p.Account || actor.Account == p.GrantedBy {
			return errs.E(errs.Forbidden, "不能审批自己的或自己申请的岗位，请由另一位安全管理员审批")
		}
		if err := bump(ctx, tx, p.Account); err != nil {
			return err
		}
		state, action := PostActive, "account.post.approve"
		if !approve {
			state, action = PostRefused, "account.post.refuse"
		}
		n, err := tx.Exec(ctx, `
			UPDATE account_post SET state = $2, decided_by = $3, decided_at = $4, reason = $5
			WHERE id = $1 AND state = 'pending'`, post, string(state), actor.Account, db.At(tx.Now), strings.TrimSpace(reason))
		if err != nil {
			return fmt.Errorf("decide post: %w", err)
		}
		if n == 0 {
			return errs.E(errs.Conflict, "这个岗位已经处理过（%s）", p.State.Title())
		}
		return s.leaf(ctx, tx, actor, action, p.Account, p.Title())
	})
}

// Pending returns the administrators' posts that wait for approval.
func (s *Service) Pending(ctx context.Context, actor access.Actor) (list []Post, err error) {
	if err := access.Require(actor, access.AccountApprove, access.Any); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) (err error) {
		list, err = pendingPosts(ctx, tx)
		return err
	})
	return list, err
}

// Holders returns the accounts that hold an active post of the role at the
// institution on the day of the transaction, for notices.
func Holders(ctx context.Context, tx *db.Tx, org string, role access.Role) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `
		SELECT DISTINCT p.account FROM account_post p JOIN account a ON a.id = p.account
		WHERE p.org = $1 AND p.role = $2 AND p.state = 'active' AND a.state = 'active'
		  AND p.valid_from <= $3 AND (p.valid_to = '' OR p.valid_to >= $3)
		ORDER BY p.account`, org, string(role), string(today(tx)))
}
