package account

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

const (
	pass  = "jinshan-2026-bei"
	other = "Daxihe#2026nan"
)

// cheap is one hash for all seeded accounts of the tests.
var cheap = sync.OnceValues(func() (string, error) { return crypto.HashPassword(pass) })

type world struct {
	*Service
	t   *testing.T
	d   *db.DB
	ctx context.Context
	at  time.Time
}

func start(t *testing.T, d *db.DB) *world {
	t.Helper()
	keys := crypto.Ephemeral("sm")
	w := &world{t: t, d: d, ctx: context.Background(), at: dbtest.Clock}
	var mu sync.Mutex
	d.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return w.at }
	w.Service = &Service{DB: d, Keys: keys, Audit: audit.New(d, keys), Directory: Directory{
		RegionsOf: func(_ context.Context, _ *db.Tx, org string) ([]string, error) {
			return []string{"431102", "4311", "43", "CN"}, nil
		},
		Under: func(_ context.Context, _ *db.Tx, org, head string) (bool, error) {
			return strings.HasPrefix(org, head+"-"), nil
		},
	}}
	return w
}

func (w *world) pass(d time.Duration) { w.at = w.at.Add(d) }

func (w *world) seed(login string, role access.Role, org string) Account {
	w.t.Helper()
	hash, err := cheap()
	if err != nil {
		w.t.Fatal(err)
	}
	n := NewAccount{Login: login, Name: "测试员", Posts: []NewPost{{Role: role, Org: org, OrgName: org}}}
	if role == access.Resident {
		n.Patient = "p-" + login
	}
	a, err := w.SeedHashed(w.ctx, n, hash, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func actorOf(a Account) access.Actor {
	return Session{Account: a, Post: a.Posts[0], ID: "test"}.Actor()
}

func (w *world) signIn(login string) Opened {
	w.t.Helper()
	o, err := w.SignIn(w.ctx, Credentials{Login: login, Password: pass, IP: "10.0.0.1", Agent: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return o
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) refused(err error, kind errs.Kind, word string) {
	w.t.Helper()
	if err == nil || errs.KindOf(err) != kind || !strings.Contains(err.Error(), word) {
		w.t.Fatalf("want kind %d with %q, got %v", kind, word, err)
	}
}

func (w *world) ended(token string) bool {
	w.t.Helper()
	_, err := w.Resolve(w.ctx, token)
	if err != nil && !errs.Is(err, errs.NotFound) {
		w.t.Fatal(err)
	}
	return err != nil
}

func TestPasswordRules(t *testing.T) {
	for _, c := range []struct{ password, want string }{
		{"", "请填写"},
		{"short1", "太短"},
		{strings.Repeat("长a1", 50), "太长"},
		{"zhangsan12", "不能包含登录名"},
		{"张三的密码2026!!", "不能包含本人姓名"},
		{"password123", "太常见"},
		{"Password123!", "太常见"},
		{"1234567890", "太常见"},
		{"aaaaaaaaaaaa", "太常见"},
		{"abcabcabcabc", "太常见"},
		{"abcdefghijkl", "太常见"},
		{"9876543210", "太常见"},
		{"19820415736", "至少两类"},
		{" 潇水河边的老樟树2", "空格"},
		{"潇水河边的老樟树2号", ""},
		{"xiaoshui-2026-east", ""},
	} {
		var f errs.Form
		checkPassword(&f, "zhangsan", "张三", c.password)
		err := f.Err()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: want %q, got %v", c.password, c.want, err)
		}
	}
	for range 50 {
		var f errs.Form
		if checkPassword(&f, "x", "y", initialPassword()); !f.OK() {
			t.Fatal(f.Err())
		}
	}
}

func TestFirstSignInForcesANewPassword(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		admin := actorOf(w.seed("root1", access.SystemAdmin, "area"))
		a, slip, err := w.Create(w.ctx, admin, NewAccount{Login: " WangFang ", Name: "王芳", Posts: []NewPost{{Role: access.TownshipDoctor, Org: "th1", OrgName: "菱角塘镇卫生院"}}})
		w.ok(err)
		if a.Login != "wangfang" || slip.Password == "" || slip.OrgName != "菱角塘镇卫生院" {
			t.Fatalf("%+v %+v", a, slip)
		}
		o, err := w.SignIn(w.ctx, Credentials{Login: "WANGFANG", Password: slip.Password})
		w.ok(err)
		if o.Session.Stage != StageChange {
			t.Fatalf("stage %s", o.Session.Stage)
		}
		_, err = w.SwitchPost(w.ctx, o.Session, a.Posts[0].ID)
		w.refused(err, errs.Forbidden, "先完成登录")
		_, err = w.ChangePassword(w.ctx, o.Session, slip.Password, other, other+"x")
		w.refused(err, errs.Invalid, "不一样")
		_, err = w.ChangePassword(w.ctx, o.Session, slip.Password, slip.Password, slip.Password)
		w.refused(err, errs.Invalid, "最近 5 次")
		_, err = w.ChangePassword(w.ctx, o.Session, "wrong", other, other)
		w.refused(err, errs.Invalid, "密码不正确")
		second, err := w.SignIn(w.ctx, Credentials{Login: "wangfang", Password: slip.Password})
		w.ok(err)
		n, err := w.ChangePassword(w.ctx, o.Session, slip.Password, other, other)
		w.ok(err)
		if !w.ended(second.Token) {
			t.Fatal("a session opened with the old password lives on")
		}
		if n.Session.Stage != StageOpen || n.Token == o.Token || !w.ended(o.Token) || w.ended(n.Token) {
			t.Fatal("the password change must open the session under a new token")
		}
		_, err = w.SignIn(w.ctx, Credentials{Login: "wangfang", Password: slip.Password})
		w.refused(err, errs.Invalid, "不正确")
	})
}

func TestLastFivePasswords(t *testing.T) {
	w := start(t, dbtest.SQLite(t))
	w.seed("doc1", access.TownshipDoctor, "th1")
	o := w.signIn("doc1")
	cur := pass
	for i, p := range []string{"Pa-ssw-ord-1", "Pa-ssw-ord-2", "Pa-ssw-ord-3", "Pa-ssw-ord-4"} {
		w.pass(time.Second)
		n, err := w.ChangePassword(w.ctx, o.Session, cur, p, p)
		if err != nil {
			t.Fatal(i, err)
		}
		o, cur = n, p
	}
	_, err := w.ChangePassword(w.ctx, o.Session, cur, pass, pass) // the fifth last
	w.refused(err, errs.Invalid, "最近 5 次")
	o, err = w.ChangePassword(w.ctx, o.Session, cur, other, other)
	w.ok(err)
	_, err = w.ChangePassword(w.ctx, o.Session, other, pass, pass) // now the sixth last
	w.ok(err)
}

func TestUnknownAndWrongAnswerAlike(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		w.seed("doc1", access.TownshipDoctor, "th1")
		for i := range 7 {
			_, known := w.SignIn(w.ctx, Credentials{Login: "doc1", Password: "wrong-password"})
			_, unknown := w.SignIn(w.ctx, Credentials{Login: "nobody", Password: "wrong-password"})
			if known == nil || unknown == nil || known.Error() != unknown.Error() || errs.KindOf(known) != errs.KindOf(unknown) {
				t.Fatalf("attempt %d: %v / %v", i+1, known, unknown)
			}
			if locked := strings.Contains(known.Error(), "暂停登录，请在 09:15"); locked != (i >= 4) {
				t.Fatalf("attempt %d: locked=%v: %v", i+1, locked, known)
			}
		}
		var leaves []audit.Leaf
		w.ok(d.View(w.ctx, func(tx *db.Tx) (err error) {
			leaves, err = audit.Search(w.ctx, tx, audit.Filter{Action: "session.signin", Limit: 100})
			return err
		}))
		if len(leaves) != 14 {
			t.Fatalf("%d leaves of 14 refusals", len(leaves))
		}
		for _, l := range leaves {
			if l.Outcome != audit.Refused || strings.Contains(l.Detail, "nobody") {
				t.Fatalf("%+v", l)
			}
		}
	})
}

func TestLockOutEndsByTimeAndByUnlock(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		a := w.seed("doc1", access.TownshipDoctor, "th1")
		sec := actorOf(w.seed("sec1", access.SecurityAdmin, "area"))
		wrong := func() error {
			_, err := w.SignIn(w.ctx, Credentials{Login: "doc1", Password: "wrong-password"})
			return err
		}
		// Four failures, and the window slides: after 15 minutes they are old.
		for range 4 {
			w.refused(wrong(), errs.Invalid, "不正确")
		}
		w.pass(15 * time.Minute)
		for range 4 {
			w.refused(wrong(), errs.Invalid, "不正确")
		}
		w.signIn("doc1") // a right one clears the count
		for range 4 {
			w.refused(wrong(), errs.Invalid, "不正确")
		}
		w.refused(wrong(), errs.Forbidden, "暂停登录")
		_, err := w.SignIn(w.ctx, Credentials{Login: "doc1", Password: pass})
		w.refused(err, errs.Forbidden, "暂停登录") // even with the right one
		w.pass(15*time.Minute - time.Millisecond)
		_, err = w.SignIn(w.ctx, Credentials{Login: "doc1", Password: pass})
		w.refused(err, errs.Forbidden, "暂停登录")
		w.pass(time.Millisecond)
		w.signIn("doc1")
		for range 5 {
			_ = wrong()
		}
		w.ok(w.Unlock(w.ctx, sec, a.ID, "本人来电核实"))
		w.signIn("doc1")
	})
}

func TestGuessesAtOnceAllCount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		a := w.seed("doc1", access.TownshipDoctor, "th1")
		var wg sync.WaitGroup
		answers := make([]error, 12)
		for i := range answers {
			wg.Go(func() { _, answers[i] = w.SignIn(w.ctx, Credentials{Login: "doc1", Password: "wrong-password"}) })
		}
		wg.Wait()
		invalid := 0
		for _, err := range answers {
			if errs.Is(err, errs.Invalid) {
				invalid++
			} else if !errs.Is(err, errs.Forbidden) {
				t.Fatal(err)
			}
		}
		if invalid != 4 {
			t.Fatalf("%d guesses were answered before the lock, want 4", invalid)
		}
		got, err := w.Get(w.ctx, actorOf(a), a.ID)
		w.ok(err)
		if got.LockedUntil.IsZero() {
			t.Fatal("not locked")
		}
	})
}

func TestLockedAndDisabledAccountsAreOutAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		sec := actorOf(w.seed("sec1", access.SecurityAdmin, "area"))
		sys := actorOf(w.seed("sys1", access.SystemAdmin, "area"))
		a := w.seed("doc1", access.TownshipDoctor, "th1")
		o := w.signIn("doc1")
		w.refused(w.Lock(w.ctx, sec, a.ID, " "), errs.Invalid, "原因")
		w.refused(w.Lock(w.ctx, sys, a.ID, "离岗"), errs.Forbidden, "没有这项权限")
		w.ok(w.Lock(w.ctx, sec, a.ID, "调查"))
		if !w.ended(o.Token) {
			t.Fatal("the session of a locked account lives")
		}
		_, err := w.SignIn(w.ctx, Credentials{Login: "doc1", Password: pass})
		w.refused(err, errs.Forbidden, "已被锁定")
		_, err = w.SignIn(w.ctx, Credentials{Login: "doc1", Password: "wrong-password"})
		w.refused(err, errs.Invalid, "登录名或密码不正确")
		w.ok(w.Unlock(w.ctx, sec, a.ID, "已查清"))
		if !w.ended(o.Token) {
			t.Fatal("unlocking brought an ended session back")
		}
		o = w.signIn("doc1")
		w.ok(w.Disable(w.ctx, sec, a.ID, "离职"))
		if !w.ended(o.Token) {
			t.Fatal("the session of a disabled account lives")
		}
		_, err = w.SignIn(w.ctx, Credentials{Login: "doc1", Password: pass})
		w.refused(err, errs.Forbidden, "已停用")
		_, err = w.Reset(w.ctx, sys, a.ID)
		w.refused(err, errs.Conflict, "已停用")
		w.refused(w.Lock(w.ctx, sec, sec.Account, "自己"), errs.Forbidden, "自己")
	})
}

func TestResetEndsSessionsAndKeepsPowersApart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		sys := actorOf(w.seed("sys1", access.SystemAdmin, "area"))
		secA := w.seed("sec1", access.SecurityAdmin, "area")
		sec2 := actorOf(w.seed("sec2", access.SecurityAdmin, "area"))
		doc := w.seed("doc1", access.TownshipDoctor, "th1")
		o := w.signIn("doc1")
		slip, err := w.Reset(w.ctx, sys, doc.ID)
		w.ok(err)
		if !w.ended(o.Token) {
			t.Fatal("session outlived the reset")
		}
		n, err := w.SignIn(w.ctx, Credentials{Login: "doc1", Password: slip.Password})
		w.ok(err)
		if n.Session.Stage != StageChange {
			t.Fatal(n.Session.Stage)
		}
		slip, err = w.Reset(w.ctx, sys, secA.ID)
		w.ok(err)
		_, err = w.SignIn(w.ctx, Credentials{Login: "sec1", Password: slip.Password})
		w.refused(err, errs.Forbidden, "须由安全管理员")
		w.ok(w.Unlock(w.ctx, sec2, secA.ID, "当面核实"))
		_, err = w.SignIn(w.ctx, Credentials{Login: "sec1", Password: slip.Password})
		w.ok(err)
		_, err = w.Reset(w.ctx, sys, sys.Account)
		w.refused(err, errs.Forbidden, "自己")
		_, err = w.Reset(w.ctx, sec2, doc.ID)
		w.refused(err, errs.Forbidden, "没有这项权限")
	})
}

func TestHeadManagesOnlyHisDoctors(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		head := actorOf(w.seed("head1", access.TownshipHead, "th1"))
		make := func(login string, role access.Role, org string) (Account, error) {
			a, _, err := w.Create(w.ctx, head, NewAccount{Login: login, Name: "某人", Posts: []NewPost{{Role: role, Org: org, OrgName: org}}})
			return a, err
		}
		mine, err := make("mine", access.TownshipDoctor, "th1")
		w.ok(err)
		village, err := make("village", access.VillageDoctor, "th1-v3")
		w.ok(err)
		_, err = make("far", access.TownshipDoctor, "th2")
		w.refused(err, errs.Forbidden, "没有这项权限")
		_, err = make("boss", access.TownshipHead, "th1")
		w.refused(err, errs.Forbidden, "只能为本机构设置")
		_, err = make("root9", access.SystemAdmin, "th1")
		w.refused(err, errs.Forbidden, "只能为本机构设置")
		_, err = make("mine", access.TownshipDoctor, "th1")
		w.refused(err, errs.Invalid, "已经有人使用")
		_, err = make("a", access.TownshipDoctor, "")
		w.refused(err, errs.Invalid, "机构")

		peer := w.seed("head2", access.TownshipHead, "th1")
		_, err = w.Reset(w.ctx, head, peer.ID)
		w.refused(err, errs.Forbidden, "须由系统管理员")
		far := w.seed("far2", access.TownshipDoctor, "th2")
		w.ok(w.Lock(w.ctx, head, mine.ID, "请假"))
		w.ok(w.Unlock(w.ctx, head, mine.ID, "回岗"))
		_, err = w.Reset(w.ctx, head, village.ID)
		w.ok(err)
		w.refused(w.Lock(w.ctx, head, far.ID, "x"), errs.Forbidden, "没有这项权限")
		_, err = w.Reset(w.ctx, head, far.ID)
		w.refused(err, errs.Forbidden, "没有这项权限")
		_, err = w.Get(w.ctx, head, far.ID)
		w.refused(err, errs.Forbidden, "没有这项权限")

		// A doctor who also holds a post elsewhere is not the head's alone.
		sys := actorOf(w.seed("sys1", access.SystemAdmin, "area"))
		_, err = w.GrantPost(w.ctx, sys, mine.ID, NewPost{Role: access.DepartmentDoctor, Org: "hosp", OrgName: "hosp"})
		w.ok(err)
		_, err = w.Reset(w.ctx, head, mine.ID)
		w.refused(err, errs.Forbidden, "")

		list, _, err := w.List(w.ctx, head, Filter{})
		w.ok(err)
		if len(list) != 3 {
			t.Fatalf("the head sees %d accounts of his institution, want two heads and one doctor", len(list))
		}
		_, _, err = w.List(w.ctx, head, Filter{Org: "th2"})
		w.refused(err, errs.Forbidden, "")
		found, _, err := w.List(w.ctx, sys, Filter{Text: "Far", Role: access.TownshipDoctor})
		w.ok(err)
		if len(found) != 1 || found[0].Login != "far2" {
			// Login search is by the stored lower-case form.
			t.Fatalf("%+v", found)
		}
	})
}

// TestWhatChangedWhileThePasswordWasChecked: checking takes a while, and the
// account is read again before the session opens.
func TestWhatChangedWhileThePasswordWasChecked(t *testing.T) {
	w := start(t, dbtest.SQLite(t))
	w.seed("doc1", access.TownshipDoctor, "th1")
	hash, err := cheap()
	w.ok(err)
	enter := func(hash string) (answer error) {
		w.ok(w.d.Tx(w.ctx, func(tx *db.Tx) (err error) {
			_, answer, err = w.enter(w.ctx, tx, w.Options.filled(), Credentials{Login: "doc1"}, hash, true)
			return err
		}))
		return answer
	}
	w.refused(enter("a password from before"), errs.Invalid, "不正确")
	for range 4 {
		_, _ = w.SignIn(w.ctx, Credentials{Login: "doc1", Password: "wrong-password"}) // the refusals are not the matter here
	}
	w.refused(enter(hash), errs.Forbidden, "暂停登录")
}
