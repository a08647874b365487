package library

import (
	"context"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/policy"
)

// Service is the set of use cases; Book is the one that every module asks.
type Service struct {
	DB      *db.DB
	Log     *audit.Log
	Book    *policy.Book
	Shipped policy.Sources // part of the program
	Folder  policy.Sources // folder of the configuration; may be empty

	mu   sync.Mutex
	mark string // newest activation that Book answers from
}

// base is what counts when nothing was activated here.
func (s *Service) base() policy.Sources { return s.Shipped.With(s.Folder) }

// Init makes Book answer from what is in force and records versions that were
// not seen before. It runs at every start, in any number of processes.
func (s *Service) Init(ctx context.Context) error {
	if err := s.Reload(ctx); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		active, err := activePackages(ctx, tx)
		if err != nil {
			return err
		}
		sources := s.base()
		program := audit.Program("启动")
		for _, p := range s.Book.Profiles() {
			if _, own := active[p.ID]; own {
				continue
			}
			origin := Shipped
			if _, own := s.Folder[p.ID]; own {
				origin = Folder
			}
			fresh, err := insertVersion(ctx, tx, versionOf(p, sources[p.ID], origin, tx.Now, program.Name))
			if err != nil {
				return err
			}
			last, err := latest(ctx, tx, p.ID)
			if err != nil {
				return err
			}
			if !fresh && last.Version == p.Version {
				continue
			}
			if err := insertActivation(ctx, tx, Activation{ID: db.NewID(), Profile: p.ID, Version: p.Version, Action: Loaded,
				At: tx.Now, Name: program.Name, Reason: origin.Title()}, ""); err != nil {
				return err
			}
		}
		return nil
	})
}

func versionOf(p policy.Profile, files policy.Files, origin Origin, at time.Time, name string) Version {
	return Version{Profile: p.ID, Version: p.Version, Title: p.Title, Clauses: int64(len(p.Clauses())),
		Files: files, Origin: origin, At: at, Name: name}
}

// Reload makes Book answer from what the database says is in force, when that
// has changed since.
func (s *Service) Reload(ctx context.Context) error {
	var active map[string]policy.Files
	var mark string
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if mark, err = newest(ctx, tx); err != nil {
			return err
		}
		active, err = activePackages(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mark == mark && mark != "" {
		return nil
	}
	book, err := s.base().With(active).Load()
	if err != nil {
		return errs.Because(err, errs.Unavailable, "启用的政策文件在这一版程序里读不出来，请在上一版程序里撤回后再升级：%v", err)
	}
	s.Book.Replace(book)
	s.mark = mark
	return nil
}

// followEvery is how soon a process answers from what another one activated.
const followEvery = time.Minute

// Follow keeps Book up to date with what other processes activate.
func (s *Service) Follow(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.Reload(ctx); err != nil && ctx.Err() == nil {
			slog.Error("policy profiles were not reloaded", "error", err)
		}
	}
}

var idText = regexp.MustCompile(`(?m)^\s*id\s*=\s*"([a-z][a-z0-9-]{1,40})"`)

// try loads a package beside what is in force.
func (s *Service) try(ctx context.Context, tx *db.Tx, files policy.Files) (id string, after *policy.Book, err error) {
	m := idText.FindStringSubmatch(files["profile.toml"])
	if m == nil {
		return "", nil, errs.E(errs.Invalid, "没有找到 [profile] 下的 id，请按模板填写（小写英文、数字和短横线）")
	}
	id = m[1]
	if old, ok := s.base()[id]; ok {
		if book, err := (policy.Sources{id: old}).Load(); err == nil && book.Profiles()[0].Base() {
			return id, nil, errs.E(errs.Invalid, "%s 是产品默认，不能用上传的文件代替；请在地区文件里写同名的规则", id)
		}
	}
	active, err := activePackages(ctx, tx)
	if err != nil {
		return id, nil, err
	}
	after, err = s.base().With(active).With(policy.Sources{id: files}).Load()
	if err != nil {
		return id, nil, err
	}
	if p, _ := after.Profile(id); p.Base() {
		return id, nil, errs.E(errs.Invalid, "请写明适用地区（jurisdiction）：没有地区的文件是产品默认，不能上传")
	}
	return id, after, nil
}

// DryRun says what a package would change. Nothing is stored.
func (s *Service) DryRun(ctx context.Context, actor access.Actor, files policy.Files) (t Trial, err error) {
	if err := access.Require(actor, access.PolicyManage, access.Any); err != nil {
		return t, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		id, after, err := s.try(ctx, tx, files)
		if err != nil {
			return err
		}
		t = Trying(s.Book, after, id, calendar.DateOf(tx.Now))
		open, err := flow.OpenClocks(ctx, tx)
		if err != nil {
			return err
		}
		t.clocks(after, open)
		return nil
	})
	return t, err
}

// Activate puts a package in force for everything that begins from now on.
// digest is what the dry run showed: another content is refused.
func (s *Service) Activate(ctx context.Context, actor access.Actor, files policy.Files, digest, reason, once string) (p policy.Profile, err error) {
	if err := access.Require(actor, access.PolicyManage, access.Any); err != nil {
		return p, err
	}
	if strings.TrimSpace(reason) == "" {
		var f errs.Form
		f.Add("reason", "请写明启用的依据，例如文件名称和文号")
		return p, f.Err()
	}
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		id, after, err := s.try(ctx, tx, files)
		if err != nil {
			return err
		}
		p, _ = after.Profile(id)
		if p.Version != digest {
			return errs.E(errs.Conflict, "内容与核对时的不同（核对码 %s，现在是 %s）。请重新检查后再启用", digest, p.Version)
		}
		done, err := activatedBy(ctx, tx, once)
		if err != nil || done {
			return err
		}
		if last, err := latest(ctx, tx, id); err != nil || last.Version == p.Version {
			return cmpErr(err, errs.E(errs.Conflict, "这一版（%s）已在使用，没有改变", p.Version))
		}
		if _, err := insertVersion(ctx, tx, versionOf(p, files, Uploaded, tx.Now, actor.Name)); err != nil {
			return err
		}
		return s.record(ctx, tx, actor, Activation{Profile: id, Version: p.Version, Action: Activated, Reason: reason}, once)
	})
	if err != nil {
		return p, err
	}
	return p, s.Reload(ctx)
}

func cmpErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func (s *Service) record(ctx context.Context, tx *db.Tx, actor access.Actor, a Activation, once string) error {
	a.ID, a.At, a.Account, a.Name, a.Reason = db.NewID(), tx.Now, actor.Account, actor.Name, strings.TrimSpace(a.Reason)
	if err := insertActivation(ctx, tx, a, once); err != nil {
		return err
	}
	return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "policy." + string(a.Action), Object: "policy", ObjectID: a.Profile,
		Detail: a.Profile + "@" + a.Version + "：" + a.Reason})
}

// Withdraw takes an activated package back: what is shipped or stands in the
// folder counts again, or nothing. Decisions made under it stay.
func (s *Service) Withdraw(ctx context.Context, actor access.Actor, profile, reason string) error {
	if err := access.Require(actor, access.PolicyManage, access.Any); err != nil {
		return err
	}
	if strings.TrimSpace(reason) == "" {
		var f errs.Form
		f.Add("reason", "请写明撤回的原因")
		return f.Err()
	}
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		active, err := activePackages(ctx, tx)
		if err != nil {
			return err
		}
		if _, ok := active[profile]; !ok {
			return errs.E(errs.Conflict, "%s 没有启用过上传的版本，或已被撤回", profile)
		}
		delete(active, profile)
		after, err := s.base().With(active).Load()
		if err != nil {
			return errs.Because(err, errs.Conflict, "撤回后其他政策文件不再完整：%v", err)
		}
		left, _ := after.Profile(profile)
		return s.record(ctx, tx, actor, Activation{Profile: profile, Version: left.Version, Action: Withdrawn, Reason: reason}, "")
	})
	if err != nil {
		return err
	}
	return s.Reload(ctx)
}

// InForce returns the version of every profile that Book answers from.
func (s *Service) InForce(ctx context.Context) (out []Version, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		for _, p := range s.Book.Profiles() {
			v, err := GetVersion(ctx, tx, p.ID, p.Version)
			if err != nil {
				return err
			}
			out = append(out, v)
		}
		return nil
	})
	slices.SortFunc(out, byProfile)
	return out, err
}
