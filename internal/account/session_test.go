package account

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

func TestTwoSignInsAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		a := w.seed("doc1", access.TownshipDoctor, "th1")
		var wg sync.WaitGroup
		tokens := make([]string, 4)
		for i := range tokens {
			wg.Go(func() {
				o, err := w.SignIn(w.ctx, Credentials{Login: "doc1", Password: pass})
				if err != nil {
					t.Error(err)
				}
				tokens[i] = o.Token
			})
		}
		wg.Wait()
		list, err := w.Sessions(w.ctx, actorOf(a), a.ID)
		w.ok(err)
		if len(list) != 4 {
			t.Fatalf("%d sessions", len(list))
		}
		w.ok(w.EndSession(w.ctx, actorOf(a), list[0].ID))
		gone := 0
		for _, tok := range tokens {
			if w.ended(tok) {
				gone++
			}
		}
		if gone != 1 {
			t.Fatalf("%d of 4 sessions ended, want the one", gone)
		}
	})
}

func TestIdleLocksAndTheDayEnds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		w.seed("doc1", access.TownshipDoctor, "th1")
		o := w.signIn("doc1")
		resolve := func() Session {
			t.Helper()
			n, err := w.Resolve(w.ctx, o.Token)
			w.ok(err)
			return n
		}
		w.pass(30 * time.Second)
		w.ok(w.Touch(w.ctx, resolve()))
		if got := resolve().SeenAt; !got.Equal(dbtest.Clock) {
			t.Fatalf("written after half a minute: %s", got)
		}
		w.pass(30 * time.Second)
		w.ok(w.Touch(w.ctx, resolve()))
		if got := resolve().SeenAt; !got.Equal(w.at) {
			t.Fatal("not written after a minute")
		}
		w.pass(15*time.Minute - time.Millisecond)
		if resolve().Locked {
			t.Fatal("locked too early")
		}
		w.pass(time.Millisecond)
		n := resolve()
		if !n.Locked {
			t.Fatal("not locked after 15 idle minutes")
		}
		w.ok(w.Touch(w.ctx, n))
		n.Locked = false // a stale copy of the session must not wake it
		w.ok(w.Touch(w.ctx, n))
		if !resolve().Locked {
			t.Fatal("activity alone woke a locked session")
		}
		_, err := w.SwitchPost(w.ctx, n, n.Post.ID)
		w.refused(err, errs.Forbidden, "锁定")
		w.refused(w.UnlockSession(w.ctx, n, "wrong"), errs.Invalid, "密码不正确")
		w.ok(w.UnlockSession(w.ctx, n, pass))
		if resolve().Locked {
			t.Fatal("still locked")
		}
		w.ok(w.LockSession(w.ctx, resolve()))
		if !resolve().Locked {
			t.Fatal("not locked by hand")
		}
		w.ok(w.UnlockSession(w.ctx, n, pass))
		w.at = dbtest.Clock.Add(12 * time.Hour)
		if !w.ended(o.Token) {
			t.Fatal("a session outlived 12 hours")
		}
		w.refused(w.UnlockSession(w.ctx, n, pass), errs.NotFound, "重新登录")
	})
}

func TestUnlockGuessesCount(t *testing.T) {
	w := start(t, dbtest.SQLite(t))
	w.seed("doc1", access.TownshipDoctor, "th1")
	o := w.signIn("doc1")
	w.ok(w.LockSession(w.ctx, o.Session))
	for range 4 {
		w.refused(w.UnlockSession(w.ctx, o.Session, "wrong"), errs.Invalid, "密码不正确")
	}
	w.refused(w.UnlockSession(w.ctx, o.Session, "wrong"), errs.Forbidden, "暂停登录")
	w.refused(w.UnlockSession(w.ctx, o.Session, pass), errs.Forbidden, "暂停登录")
	w.pass(15 * time.Minute)
	w.ok(w.UnlockSession(w.ctx, o.Session, pass))
}

func TestChangeOfPersonOnASharedMachine(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		w.seed("doc1", access.TownshipDoctor, "th1")
		w.seed("doc2", access.TownshipDoctor, "th1")
		first := w.signIn("doc1")
		w.ok(w.LockSession(w.ctx, first.Session))
		_, err := w.SignIn(w.ctx, Credentials{Login: "doc2", Password: "wrong-password", Over: first.Token})
		w.refused(err, errs.Invalid, "不正确")
		if w.ended(first.Token) {
			t.Fatal("a wrong password ended the other person's session")
		}
		second, err := w.SignIn(w.ctx, Credentials{Login: "doc2", Password: pass, Over: first.Token})
		w.ok(err)
		if !w.ended(first.Token) || w.ended(second.Token) || second.Session.Account.Login != "doc2" {
			t.Fatal("the old session must end and the new one begin")
		}
		w.ok(w.SignOut(w.ctx, second.Session))
		if !w.ended(second.Token) {
			t.Fatal("signed out and still there")
		}
	})
}

func TestPostsAndSwitching(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		sys := actorOf(w.seed("sys1", access.SystemAdmin, "area"))
		a := w.seed("doc1", access.TownshipDoctor, "th1")
		o := w.signIn("doc1")
		post, err := w.GrantPost(w.ctx, sys, a.ID, NewPost{Role: access.DepartmentDoctor, Org: "hosp", OrgName: "医院", Department: "d1"})
		w.ok(err)
		_, err = w.GrantPost(w.ctx, sys, a.ID, NewPost{Role: access.DepartmentDoctor, Org: "hosp", OrgName: "医院", Department: "d1"})
		w.refused(err, errs.Conflict, "重复")
		later, err := w.GrantPost(w.ctx, sys, a.ID, NewPost{Role: access.Emergency, Org: "hosp", OrgName: "医院", From: "2026-03-10", To: "2026-03-11"})
		w.ok(err)
		_, err = w.SwitchPost(w.ctx, o.Session, later.ID)
		w.refused(err, errs.Forbidden, "没有这个岗位")
		_, err = w.SwitchPost(w.ctx, o.Session, w.seed("doc2", access.TownshipDoctor, "th1").Posts[0].ID)
		w.refused(err, errs.Forbidden, "没有这个岗位")
		n, err := w.SwitchPost(w.ctx, o.Session, post.ID)
		w.ok(err)
		if !w.ended(o.Token) {
			t.Fatal("the token from before the switch is still good")
		}
		cur, err := w.Resolve(w.ctx, n.Token)
		w.ok(err)
		act := cur.Actor()
		if act.Org != "hosp" || act.Role != string(access.DepartmentDoctor) || act.Department != "d1" || len(act.Regions) != 4 {
			t.Fatalf("%+v", act)
		}
		if again := w.signIn("doc1"); again.Session.Post.ID != post.ID {
			t.Fatal("sign-in should return to the last post")
		}
		w.ok(w.EndPost(w.ctx, sys, post.ID, "轮转结束"))
		if !w.ended(n.Token) {
			t.Fatal("a session acts in an ended post")
		}
		w.ok(w.EndPost(w.ctx, sys, a.Posts[0].ID, "离开"))
		_, err = w.SignIn(w.ctx, Credentials{Login: "doc1", Password: pass})
		w.refused(err, errs.Forbidden, "没有可用的岗位")
		w.at = calendar.EndOf("2026-03-11").Add(-time.Hour)
		last := w.signIn("doc1")
		w.at = calendar.EndOf("2026-03-11").Add(time.Millisecond)
		if !w.ended(last.Token) {
			t.Fatal("a session acts in a post whose last day is over")
		}
	})
}

func TestResidentIsHimself(t *testing.T) {
	w := start(t, dbtest.SQLite(t))
	w.seed("res1", access.Resident, "")
	o := w.signIn("res1")
	if act := o.Session.Actor(); act.Patient != "p-res1" || act.Org != "" {
		t.Fatalf("%+v", act)
	}
	_, err := w.Seed(w.ctx, NewAccount{Login: "res2", Name: "某人", Posts: []NewPost{{Role: access.Resident}}}, pass, false)
	w.refused(err, errs.Invalid, "居民档案")
}

func TestSessionListAndEnding(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		sec := actorOf(w.seed("sec1", access.SecurityAdmin, "area"))
		a := w.seed("doc1", access.TownshipDoctor, "th1")
		b := actorOf(w.seed("doc2", access.TownshipDoctor, "th1"))
		o := w.signIn("doc1")
		_, err := w.Sessions(w.ctx, b, a.ID)
		w.refused(err, errs.Forbidden, "")
		w.refused(w.EndSession(w.ctx, b, o.Session.ID), errs.Forbidden, "")
		list, err := w.Sessions(w.ctx, sec, a.ID)
		w.ok(err)
		if len(list) != 1 || list[0].IP != "10.0.0.1" {
			t.Fatalf("%+v", list)
		}
		w.ok(w.EndSession(w.ctx, sec, o.Session.ID))
		if !w.ended(o.Token) {
			t.Fatal("ended by the administrator and still there")
		}
		w.at = w.at.AddDate(0, 0, 100)
		w.ok(d.Tx(w.ctx, func(tx *db.Tx) error { return Sweep(w.ctx, tx) }))
	})
}

func TestTokensAreNotStored(t *testing.T) {
	w := start(t, dbtest.SQLite(t))
	w.seed("doc1", access.TownshipDoctor, "th1")
	o := w.signIn("doc1")
	w.ok(w.d.View(w.ctx, func(tx *db.Tx) error {
		hash, err := db.Get(w.ctx, tx, "登录", db.Value[string], `SELECT token_hash FROM account_session`)
		if err == nil && (hash == o.Token || strings.Contains(hash, o.Token)) {
			return errors.New("the database holds the token itself")
		}
		return err
	}))
}
