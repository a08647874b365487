package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

var ctx = context.Background()

func newLog(d *db.DB) *Log { return New(d, crypto.Ephemeral(crypto.SM)) }

var doctor = Actor{
	Account: "acc-1", Person: "prac-1", Name: "周医生", Role: "township_doctor", Org: "org-1", OrgName: "菱角塘镇卫生院",
	Department: "dep-1", Regions: []string{"431102", "4311", "43", "CN"}, Session: "s-1", IP: "10.0.0.7",
}

func act(n int) Leaf {
	return Leaf{
		Actor: doctor, Action: "referral.send", Object: "referral", ObjectID: fmt.Sprintf("r-%d", n), Patient: fmt.Sprintf("p-%d", n),
		Basis: "care", Clause: "LL-4.3.4c", Detail: "上转",
	}
}

// write appends n leaves, each in its own transaction.
func write(t *testing.T, d *db.DB, l *Log, n int) {
	t.Helper()
	for i := range n {
		if err := d.Tx(ctx, func(tx *db.Tx) error { return l.Append(ctx, tx, act(i)) }); err != nil {
			t.Fatal(err)
		}
	}
}

func seal(t *testing.T, l *Log, want int) {
	t.Helper()
	if n, err := l.Seal(ctx); err != nil || n != want {
		t.Fatalf("sealed %d, want %d: %v", n, want, err)
	}
}

func verify(t *testing.T, l *Log) Report {
	t.Helper()
	r, err := l.Verify(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func search(t *testing.T, d *db.DB, f Filter) []Leaf {
	t.Helper()
	var out []Leaf
	if err := d.View(ctx, func(tx *db.Tx) (err error) {
		out, err = Search(ctx, tx, f)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLeafComesBackWhole(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		write(t, d, l, 1)
		got := search(t, d, Filter{})
		if len(got) != 1 || got[0].ID == "" {
			t.Fatalf("%+v", got)
		}
		want := act(0)
		want.ID, want.At, want.Outcome = got[0].ID, dbtest.Clock, OK
		if fmt.Sprintf("%+v", got[0]) != fmt.Sprintf("%+v", want) {
			t.Errorf("got  %+v\nwant %+v", got[0], want)
		}
		if err := d.View(ctx, func(tx *db.Tx) error {
			one, err := GetLeaf(ctx, tx, want.ID)
			if one.Detail != "上转" {
				t.Errorf("%+v", one)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	})
}

func TestRolledBackActLeavesNoLeaf(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l, boom := newLog(d), errors.New("boom")
		err := d.Tx(ctx, func(tx *db.Tx) error {
			if err := l.Append(ctx, tx, act(1)); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		seal(t, l, 0)
		if got := search(t, d, Filter{}); len(got) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// TestReadLeafIsDurableBeforeTheAnswer: when a View returns, its leaves are
// there, all of one group; a leaf that cannot be stored fails the View.
func TestReadLeafIsDurableBeforeTheAnswer(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		for _, failed := range []error{nil, errs.E(errs.Forbidden, "no")} {
			err := d.View(ctx, func(tx *db.Tx) error {
				for i := range 3 {
					if err := l.Append(ctx, tx, act(i)); err != nil {
						return err
					}
				}
				return failed
			})
			if !errors.Is(err, failed) {
				t.Fatal(err)
			}
			seal(t, l, 3)
		}
		bad := act(1)
		bad.Outcome = "perhaps"
		if err := d.View(ctx, func(tx *db.Tx) error { return l.Append(ctx, tx, bad) }); err == nil {
			t.Error("answered without its leaf")
		}
	})
}

func TestReadsAreCommittedTogether(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const readers = groupSize + 20
		l := newLog(d)
		l.flushing = true // as if a commit were going on while the readers come
		var all sync.WaitGroup
		for i := range readers {
			all.Go(func() {
				if err := l.AppendNow(ctx, act(i)); err != nil {
					t.Error(err)
				}
			})
		}
		for queued(l) < readers {
			time.Sleep(time.Millisecond)
		}
		l.flush(ctx)
		all.Wait()
		if got := search(t, d, Filter{Limit: 1000}); len(got) != readers || l.groups != 2 || l.flushing {
			t.Errorf("%d leaves in %d commits", len(got), l.groups)
		}
	})
}

func queued(l *Log) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

// TestReadersDoNotStarveTheLog has more open reads than connections, each of
// which waits for the log: the log must still find a connection.
func TestReadersDoNotStarveTheLog(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				if err := d.View(ctx, func(tx *db.Tx) error { return l.Append(ctx, tx, act(i)) }); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		seal(t, l, 60)
	})
}

func TestOneBadLeafDoesNotRefuseTheGroup(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		bad := act(1)
		bad.Outcome = "perhaps" // the table refuses it
		group := []*entry{{leaf: act(0).complete(), done: make(chan error, 1)}, {leaf: bad.complete(), done: make(chan error, 1)}}
		for _, e := range group {
			e.leaf.At = dbtest.Clock
		}
		l.waiting, l.flushing = group, true
		l.flush(ctx)
		if err := <-group[0].done; err != nil {
			t.Error(err)
		}
		if err := <-group[1].done; err == nil {
			t.Error("the bad leaf was accepted")
		}
		if got := search(t, d, Filter{}); len(got) != 1 {
			t.Errorf("%d leaves", len(got))
		}
	})
}

func TestUnstorableTextIsMended(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l, leaf := newLog(d), act(0)
		leaf.ObjectID, leaf.Detail = "a\x00b\xff", "查询 \x00 \xc3\x28"
		if err := d.Tx(ctx, func(tx *db.Tx) error { return l.Append(ctx, tx, leaf) }); err != nil {
			t.Fatal(err)
		}
		seal(t, l, 1)
		if r := verify(t, l); r.Broken != "" {
			t.Error(r.Reason)
		}
	})
}

func TestManyWritersAndSealersMakeOneChain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const writers, each = 8, 25
		keys := crypto.Ephemeral(crypto.SM)
		l, other := New(d, keys), New(d, keys) // two processes on one database
		var writing, sealing sync.WaitGroup
		done := make(chan struct{})
		for i, s := range []*Log{l, other} {
			sealing.Go(func() {
				for {
					if _, err := s.Seal(ctx); err != nil {
						t.Error(err)
					}
					select {
					case <-done:
						return
					default:
						time.Sleep(time.Duration(i+1) * time.Millisecond)
					}
				}
			})
		}
		for w := range writers {
			writing.Go(func() {
				for i := range each {
					do := d.Tx
					if w%2 == 1 {
						do = d.View
					}
					if err := do(ctx, func(tx *db.Tx) error { return l.Append(ctx, tx, act(w*each+i)) }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writing.Wait()
		close(done)
		sealing.Wait()
		if _, err := l.Seal(ctx); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, l); r.Broken != "" || r.Sealed != writers*each || r.Unsealed != 0 {
			t.Errorf("%+v", r)
		}
	})
}

func TestManyLeavesAreSealedInBatches(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		const n = 2*sealBatch + 7
		leaves := make([]Leaf, n)
		for i := range leaves {
			leaves[i] = act(i).complete()
			leaves[i].At = dbtest.Clock
		}
		if err := d.Tx(ctx, func(tx *db.Tx) error { return insert(tx, leaves) }); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, l); r.Unsealed != n || r.Sealed != 0 || r.Broken != "" {
			t.Errorf("%+v", r)
		}
		seal(t, l, n)
		if r := verify(t, l); r.Unsealed != 0 || r.Sealed != n || r.Broken != "" {
			t.Errorf("%+v", r)
		}
	})
}

func TestChainOutlivesKeysAndSuites(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		keys := crypto.Ephemeral(crypto.Intl)
		l := New(d, keys)
		for range 3 {
			write(t, d, l, 2)
			seal(t, l, 2)
			if _, err := l.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
			if err := keys.Rotate(); err != nil {
				t.Fatal(err)
			}
		}
		if r := verify(t, l); r.Broken != "" || r.Checkpoints != 3 {
			t.Errorf("%+v", r)
		}
	})
}

func TestMissingSigningKeyIsNotABrokenChain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		dir := t.TempDir()
		keys, err := crypto.Create(filepath.Join(dir, "keys.json"), crypto.SM)
		if err != nil {
			t.Fatal(err)
		}
		backup, err := os.ReadFile(filepath.Join(dir, "keys.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		l := New(d, keys)
		write(t, d, l, 1)
		seal(t, l, 1)
		if _, err := l.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "old.json"), backup, 0o600); err != nil {
			t.Fatal(err)
		}
		old, err := crypto.Load(filepath.Join(dir, "old.json"))
		if err != nil {
			t.Fatal(err)
		}
		if r, err := New(d, old).Verify(ctx); !errs.Is(err, errs.Unavailable) {
			t.Errorf("%+v %v", r, err)
		}
	})
}

func TestRunSealsAndSignsAtTheEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		write(t, d, l, 3)
		running, stop := context.WithCancel(ctx)
		stop()
		if err := l.Run(running); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, l); r.Sealed != 3 || r.Unsealed != 0 || r.Checkpoints != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestCheckpointCanBeHeldOutside(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		if _, err := l.Checkpoint(ctx); !errs.Is(err, errs.NotFound) {
			t.Errorf("empty chain: %v", err)
		}
		write(t, d, l, 3)
		seal(t, l, 3)
		c, err := l.Checkpoint(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := l.Checkpoint(ctx); err != nil || again != c {
			t.Errorf("signed twice: %+v %v", again, err)
		}
		holds := func(c Checkpoint) error {
			return d.View(ctx, func(tx *db.Tx) error { return l.Holds(ctx, tx, c) })
		}
		if err := holds(c); err != nil {
			t.Error(err)
		}
		forged := c
		forged.Seq = 2
		if err := holds(forged); !errs.Is(err, errs.Invalid) {
			t.Errorf("%v", err)
		}
		if _, err := tamper(t, d).Exec(`UPDATE audit_link SET chain_hash = 'sm3.00' WHERE seq = 3`); err != nil {
			t.Fatal(err)
		}
		if err := holds(c); !errs.Is(err, errs.Conflict) {
			t.Errorf("%v", err)
		}
	})
}

func TestSearch(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		start := dbtest.Clock
		nurse := Actor{Account: "acc-2", Person: "prac-2", Name: "唐护士", Role: "registration", Org: "org-2"}
		resident := Actor{Account: "acc-3", Name: "居民", Role: "resident", Patient: "p-1"}
		for i, leaf := range []Leaf{
			{Actor: doctor, Action: "patient.read", Object: "patient", ObjectID: "p-1", Patient: "p-1"},
			{Actor: nurse, Action: "patient.read", Object: "patient", ObjectID: "p-1", Patient: "p-1", Outcome: Refused, Clause: "LL-1"},
			{Actor: nurse, Action: "patient.read", Object: "patient", ObjectID: "p-2", Patient: "p-2"},
			{Actor: resident, Action: "patient.read", Object: "patient", ObjectID: "p-1", Patient: "p-1"},
			{Actor: Program("referral.escalate"), Action: "referral.escalate", Object: "referral", ObjectID: "r-9", Patient: "p-1"},
		} {
			dbtest.SetClock(d, start.Add(time.Duration(i)*time.Hour))
			if err := d.Tx(ctx, func(tx *db.Tx) error { return l.Append(ctx, tx, leaf) }); err != nil {
				t.Fatal(err)
			}
		}
		for name, c := range map[string]struct {
			f    Filter
			want string // hours, newest first
		}{
			"all":            {Filter{}, "4 3 2 1 0"},
			"patient":        {Filter{Patient: "p-1"}, "4 3 1 0"},
			"account":        {Filter{Actor: "acc-2"}, "2 1"},
			"name":           {Filter{Actor: "唐护士"}, "2 1"},
			"both":           {Filter{Actor: "prac-2", Patient: "p-1"}, "1"},
			"object":         {Filter{Object: "referral"}, "4"},
			"object id":      {Filter{ObjectID: "p-2"}, "2"},
			"action":         {Filter{Action: "patient.read", Org: "org-1"}, "0"},
			"refused":        {Filter{Outcome: Refused}, "1"},
			"from":           {Filter{From: start.Add(3 * time.Hour)}, "4 3"},
			"to":             {Filter{To: start.Add(time.Hour)}, "0"},
			"limit":          {Filter{Limit: 2}, "4 3"},
			"nothing":        {Filter{Patient: "p-1' OR '1'='1"}, ""},
			"actor and time": {Filter{Actor: "acc-2", From: start.Add(2 * time.Hour)}, "2"},
		} {
			if got := hours(search(t, d, c.f), start); got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		}
		if err := d.View(ctx, func(tx *db.Tx) error {
			who, err := l.AccessesOf(ctx, tx, "p-1", 10)
			if got := hours(who, start); got != "0" {
				t.Errorf("who looked: %q", got)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	})
}

func hours(leaves []Leaf, start time.Time) string {
	var out []string
	for _, leaf := range leaves {
		out = append(out, fmt.Sprint(int(leaf.At.Sub(start).Hours())))
	}
	return strings.Join(out, " ")
}

func TestPagesDoNotShift(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		write(t, d, l, 7) // all at one instant: the id decides
		seen, last := map[string]bool{}, ""
		for page := 0; ; page++ {
			got := search(t, d, Filter{Limit: 3, Before: last, Actor: "acc-1"})
			if len(got) == 0 {
				break
			}
			for _, leaf := range got {
				if seen[leaf.ID] {
					t.Error("a leaf came twice")
				}
				seen[leaf.ID] = true
			}
			last = got[len(got)-1].ID
			if page == 0 {
				write(t, d, l, 2)
			}
		}
		if len(seen) != 7 {
			t.Errorf("%d leaves on all pages", len(seen))
		}
		if err := d.View(ctx, func(tx *db.Tx) error {
			_, err := Search(ctx, tx, Filter{Before: "none"})
			return err
		}); !errs.Is(err, errs.NotFound) {
			t.Errorf("%v", err)
		}
	})
}
