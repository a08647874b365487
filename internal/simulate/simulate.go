// Package simulate drives the modules from above to make a demonstration that
// looks like life: staff, residents, and six months of referrals, each through
// the same use cases that people use, with the clock of the database moved.
package simulate

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"yilian/internal/access"
	"yilian/internal/app"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// Residents is how many synthetic residents the demo has.
const Residents = 2000

// Password is the password of every demo account.
const Password = "Lingling-2026"

// seed makes the demo the same for the same day.
const seed = 431102

// Founded is when the institutions of a demo that begins now went on the
// platform: before the first of its six months.
func Founded(now time.Time) time.Time { return now.AddDate(0, -6, -10) }

// Settings that say how far the demo is.
const (
	begunMark = "demo.begun"
	doneMark  = "demo.done"
)

// World is what the demo prints: one sign-in for each role, and the client.
type World struct {
	SignIns []SignIn
	Client  string
	Secret  string
	out     io.Writer
}

// SignIn is one account to try.
type SignIn struct {
	Role  access.Role
	Login string
	Org   string
}

// Demo fills an empty installation, or finds the demo that is there.
func Demo(ctx context.Context, a *app.App) (*World, error) {
	sc, err := sceneOf(a.Config.Region)
	if err != nil {
		return nil, err
	}
	w := &World{out: os.Stdout, Client: demoClient, SignIns: sc.signIns()}
	secret, done, err := mark(ctx, a)
	if err != nil {
		return nil, err
	}
	if done {
		w.Secret = secret
		return w, nil
	}
	if err := begin(ctx, a); err != nil {
		return nil, err
	}
	real := a.DB.Now
	defer func() { a.DB.Now = real }()
	now := real()
	err = a.DB.Bulk(ctx, func() error {
		s := &simulation{app: a, now: now, rng: newRand(seed), scene: sc}
		if err := s.fill(ctx); err != nil {
			return err
		}
		a.DB.Now = real
		secret, err = s.finish(ctx)
		return err
	})
	w.Secret = secret
	return w, err
}

// mark reports whether the demo was made before, and its client secret.
func mark(ctx context.Context, a *app.App) (secret string, done bool, err error) {
	err = a.DB.View(ctx, func(tx *db.Tx) error {
		list, err := db.List(ctx, tx, db.Value[string], `SELECT value FROM setting WHERE name = $1`, doneMark)
		if err == nil && len(list) == 1 {
			secret, done = list[0], true
		}
		return err
	})
	return secret, done, err
}

// begin marks that the demo is being made. A demo that was cut off half-way
// cannot be continued: its people would be entered twice.
func begin(ctx context.Context, a *app.App) error {
	return a.DB.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, '1') ON CONFLICT (name) DO NOTHING`, begunMark)
		if err == nil && n == 0 {
			err = errs.E(errs.Conflict, "上一次建立演示数据时被中断，数据不完整：请删除文件夹 %s 后重新运行", filepath.Dir(a.DB.Target()))
		}
		return err
	})
}

// Announce prints the address and the sign-ins.
func (w *World) Announce(address string) {
	fmt.Fprintf(w.out, "医联演示已启动：%s\n", address)
	fmt.Fprintf(w.out, "所有演示账号的密码都是 %s\n\n", Password)
	for _, s := range w.SignIns {
		fmt.Fprintf(w.out, "  %-16s %s（%s）\n", s.Login, s.Role.Title(), s.Org)
	}
	fmt.Fprintf(w.out, "\nclient %s %s\n", w.Client, w.Secret)
}

// simulation is the filling of one demo.
type simulation struct {
	app   *app.App
	now   time.Time // when the demo begins for its users
	rng   *rng
	scene scene
	staff *staff
	folk  *folk
}

func (s *simulation) fill(ctx context.Context) error {
	s.at(Founded(s.now))
	err := s.build(ctx)
	if err != nil {
		return fmt.Errorf("demo institutions: %w", err)
	}
	if s.staff, err = s.hire(ctx); err != nil {
		return fmt.Errorf("demo staff: %w", err)
	}
	if err := s.community(ctx); err != nil {
		return fmt.Errorf("demo county: %w", err)
	}
	if s.folk, err = s.settle(ctx); err != nil {
		return fmt.Errorf("demo residents: %w", err)
	}
	if err := s.sign(ctx); err != nil {
		return fmt.Errorf("demo contracts: %w", err)
	}
	if err := s.app.Attributions.All(ctx); err != nil {
		return fmt.Errorf("demo attribution: %w", err)
	}
	if err := s.live(ctx); err != nil {
		return fmt.Errorf("demo referrals: %w", err)
	}
	if err := s.offer(ctx); err != nil {
		return fmt.Errorf("demo schedules: %w", err)
	}
	if err := s.identities(ctx); err != nil {
		return fmt.Errorf("demo identities: %w", err)
	}
	if err := s.govern(ctx); err != nil {
		return fmt.Errorf("demo alliances: %w", err)
	}
	s.at(s.now)
	if err := s.visits(ctx); err != nil {
		return fmt.Errorf("demo visits: %w", err)
	}
	if err := s.messages(ctx); err != nil {
		return fmt.Errorf("demo messages: %w", err)
	}
	if err := s.baselines(ctx); err != nil {
		return fmt.Errorf("demo baselines: %w", err)
	}
	if err := s.charts(ctx); err != nil {
		return fmt.Errorf("demo records: %w", err)
	}
	if err := s.plan(ctx); err != nil {
		return fmt.Errorf("demo layout: %w", err)
	}
	return nil
}

// at moves the clock of the database.
func (s *simulation) at(t time.Time) {
	t = t.UTC().Truncate(time.Millisecond)
	s.app.DB.Now = func() time.Time { return t }
}

// finish makes the system client and marks the demo as complete.
func (s *simulation) finish(ctx context.Context) (string, error) {
	secret, err := s.client(ctx)
	if err != nil {
		return "", err
	}
	if _, err := s.app.Audit.Seal(ctx); err != nil {
		return "", err
	}
	err = s.app.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)`, doneMark, secret)
		return err
	})
	return secret, err
}
