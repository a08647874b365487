// Package stories_test tells the stories of the people who use the platform, in
// a real Chromium against the whole program with its demonstration data:
// several people at once, on the screen of an old PC and on a phone. What the
// screens showed lies in build/screens afterwards.
package stories_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/app"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/idcard"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/region"
	"yilian/internal/simulate"
)

// morning is when all stories begin: a Wednesday, 09:40 in Shanghai, a working
// day between working days.
var morning = time.Date(2026, 11, 18, 1, 40, 0, 0, time.UTC)

// world is the running program with its demonstration data.
type world struct {
	app  *app.App
	url  string
	turn func(time.Duration) // moves the clock forward
	log  *journal
	seq  atomic.Int64 // of invented residents
}

var open = sync.OnceValues(start)

// enter returns the world, made with the first story, and fails the story when
// the program logs an error meanwhile.
func enter(t *testing.T) *world {
	t.Helper()
	w, err := open()
	if err != nil {
		t.Fatal(err)
	}
	from := len(w.log.errors())
	t.Cleanup(func() {
		for _, line := range w.log.errors()[from:] {
			t.Errorf("the program logged: %s", line)
		}
	})
	return w
}

var (
	folder string                        // of database and keys
	finish = func() error { return nil } // ends the program
)

func TestMain(m *testing.M) {
	code := m.Run()
	err := finish()
	if folder != "" {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// start makes the demonstration in a new folder and serves it on a free port.
func start() (*world, error) {
	dir, err := os.MkdirTemp("", "yilian-stories")
	if err != nil {
		return nil, err
	}
	folder = dir
	w, err := build(dir)
	if err != nil {
		return nil, err
	}
	finish, err = w.serve()
	return w, err
}

// alone is a program of its own, for a story that lets days pass.
func alone(t *testing.T) *world {
	t.Helper()
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	w, err := build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	end, err := w.serve()
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
		for _, line := range w.log.errors() {
			t.Errorf("the program logged: %s", line)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// build makes the demonstration in a folder.
func build(dir string) (*world, error) {
	var err error
	w := &world{log: &journal{}}
	slog.SetDefault(slog.New(w.log))
	begun, ahead := time.Now(), &atomic.Int64{}
	now := func() time.Time {
		return morning.Add(time.Since(begun) + time.Duration(ahead.Load())).Truncate(time.Millisecond)
	}
	w.turn = func(d time.Duration) { ahead.Add(int64(d)) }
	cfg := app.Config{Database: filepath.Join(dir, "yilian.db"), KeyFile: filepath.Join(dir, "yilian.keys"), Address: "127.0.0.1:0",
		Demo: true, Founded: simulate.Founded(morning)}
	if w.app, err = app.Open(context.Background(), cfg); err != nil {
		return nil, err
	}
	w.app.DB.Now = now
	if _, err := simulate.Demo(context.Background(), w.app); err != nil {
		return nil, err
	}
	return w, nil
}

// serve runs the program until end is called.
func (w *world) serve() (end func() error, err error) {
	ctx, stop := context.WithCancel(context.Background())
	addr, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- w.app.Serve(ctx, func(a string) { addr <- a }) }()
	end = func() error {
		stop()
		err := <-ended
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return errors.Join(err, w.app.Close())
	}
	select {
	case a := <-addr:
		w.url = "http://" + a
		return end, nil
	case err := <-ended:
		ended <- err
		return end, err
	}
}

// journal keeps what the program logs.
type journal struct {
	mu    sync.Mutex
	wrong []string
	sent  []int64 // interactions of submitted referrals
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j *journal) WithGroup(string) slog.Handler            { return j }

func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		if r.Message == "referral sent" && a.Key == "interactions" {
			j.sent = append(j.sent, a.Value.Int64())
		}
		return true
	})
	if r.Level >= slog.LevelError {
		j.wrong = append(j.wrong, line)
	}
	return nil
}

func (j *journal) errors() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.wrong)
}

// measured is what the program was told about the effort of referrals so far.
func (j *journal) measured() []int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.sent)
}

// resident is somebody of 水口山 whom a story is about.
type resident struct{ ID, Name, Number string }

const (
	shuikou = "水口山镇中心卫生院"
	fourth  = "永州市第四人民医院"
)

// institution finds one by name.
func (w *world) institution(t *testing.T, name string) organization.Organization {
	t.Helper()
	var found organization.Organization
	err := w.app.DB.View(t.Context(), func(tx *db.Tx) error {
		list, err := organization.List(t.Context(), tx, organization.Filter{})
		i := slices.IndexFunc(list, func(o organization.Organization) bool { return o.Name == name })
		if i >= 0 {
			found = list[i]
		}
		return err
	})
	if err != nil || found.ID == "" {
		t.Fatalf("institution %s: %v", name, err)
	}
	return found
}

// settle registers a new resident with the township centre.
func (w *world) settle(t *testing.T, name, birth string) resident {
	t.Helper()
	return w.settleAt(t, w.institution(t, shuikou), name, birth)
}

// settleAt registers a new resident with an institution.
func (w *world) settleAt(t *testing.T, org organization.Organization, name, birth string) resident {
	t.Helper()
	n := int(w.seq.Add(1))
	number := number(birth, 2*n) // even: a woman
	e := patient.Entry{ID: db.NewID(), Name: name, Sex: "2", BirthDate: calendar.Date(birth), IDType: patient.IDCard, IDNumber: number,
		Phone: fmt.Sprintf("1390000%04d", n), Region: w.village(t, org.Region), Address: "一组", Ethnic: "01", InsuranceKind: patient.Resident,
		InsurancePlace: "431102", Org: org.ID}
	if _, err := w.app.Patients.Import(t.Context(), audit.Program("故事"), slices.Values([]patient.Entry{e})); err != nil {
		t.Fatal(err)
	}
	return resident{ID: e.ID, Name: name, Number: number}
}

// village is a place itself, or the first village of a town.
func (w *world) village(t *testing.T, town string) string {
	t.Helper()
	if len(town) > len("431102103") {
		return town
	}
	var code string
	err := w.app.DB.View(t.Context(), func(tx *db.Tx) error {
		list, err := region.AtLevel(t.Context(), tx, region.Village, town)
		if err == nil && len(list) > 0 {
			code = list[0].Code
		}
		return err
	})
	if err != nil || code == "" {
		t.Fatalf("villages of %s: %v", town, err)
	}
	return code
}

// number is an identity number of the district.
func number(birth string, n int) string {
	s := "431102" + strings.ReplaceAll(birth, "-", "") + fmt.Sprintf("%03d", 700+n%300)
	return s + string(idcard.CheckDigit(s))
}

// signUp gives a resident an account.
func (w *world) signUp(t *testing.T, r resident, login string) {
	t.Helper()
	_, err := w.app.Accounts.Seed(t.Context(), account.NewAccount{Login: login, Name: r.Name, Patient: r.ID,
		Posts: []account.NewPost{{Role: access.Resident, From: "2026-01-01"}}}, simulate.Password, false)
	if err != nil {
		t.Fatal(err)
	}
}
