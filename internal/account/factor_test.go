package account

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

func (w *world) code(secret string, shift time.Duration) string {
	w.t.Helper()
	c, err := totp.GenerateCode(strings.ReplaceAll(secret, " ", ""), w.at.Add(shift))
	w.ok(err)
	return c
}

func TestSecondFactorWhereAskedFor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		sec := actorOf(w.seed("sec1", access.SecurityAdmin, "area"))
		sys := actorOf(w.seed("sys1", access.SystemAdmin, "area"))
		w.seed("doc1", access.TownshipDoctor, "th1")
		w.refused(w.SetPolicy(w.ctx, sys, Policy{Org: "th1", SecondFactor: true}), errs.Forbidden, "没有这项权限")
		w.refused(w.SetPolicy(w.ctx, sec, Policy{Org: "th1", IdleMinutes: 90}), errs.Invalid, "3 至 60")
		w.ok(w.SetPolicy(w.ctx, sec, Policy{Org: "th1", SecondFactor: true, IdleMinutes: 5}))

		o := w.signIn("doc1")
		if o.Session.Stage != StageEnrol {
			t.Fatalf("stage %s", o.Session.Stage)
		}
		_, err := w.ChangePassword(w.ctx, o.Session, pass, other, other)
		w.refused(err, errs.Forbidden, "先完成登录")
		_, err = w.ConfirmTOTP(w.ctx, o.Session, "123456")
		w.refused(err, errs.Conflict, "扫描二维码")
		_, err = w.BeginTOTP(w.ctx, o.Session, "wrong")
		w.refused(err, errs.Invalid, "密码不正确")
		e, err := w.BeginTOTP(w.ctx, o.Session, pass)
		w.ok(err)
		if !strings.HasPrefix(e.URL, "otpauth://totp/") {
			t.Fatal(e.URL)
		}
		_, err = w.ConfirmTOTP(w.ctx, o.Session, "000000")
		w.refused(err, errs.Invalid, "验证码不正确")
		n, err := w.ConfirmTOTP(w.ctx, o.Session, w.code(e.Secret, 0))
		w.ok(err)
		if n.Session.Stage != StageOpen || !w.ended(o.Token) {
			t.Fatal("enrolled, and the session is not open under a new token")
		}
		if cur, err := w.Resolve(w.ctx, n.Token); err != nil || cur.Idle != 5*time.Minute {
			t.Fatal("the institution's idle time does not hold", cur.Idle, err)
		}

		// Next time the code is asked for. The code of the enrolment is used up.
		o = w.signIn("doc1")
		if o.Session.Stage != StageFactor {
			t.Fatalf("stage %s", o.Session.Stage)
		}
		_, err = w.PassFactor(w.ctx, o.Session, w.code(e.Secret, 0))
		w.refused(err, errs.Invalid, "已经用过")
		_, err = w.BeginTOTP(w.ctx, o.Session, pass)
		w.refused(err, errs.Forbidden, "先完成登录") // the password alone may not replace the factor
		_, _, err = w.PrintCodes(w.ctx, o.Session, pass)
		w.refused(err, errs.Forbidden, "先完成登录")
		n, err = w.PassFactor(w.ctx, o.Session, " "+w.code(e.Secret, 30*time.Second)) // one step ahead
		w.ok(err)
		if n.Session.Stage != StageOpen || !n.Session.FactorDone {
			t.Fatalf("%+v", n.Session)
		}
		w.pass(2 * time.Minute)
		o = w.signIn("doc1")
		_, err = w.PassFactor(w.ctx, o.Session, w.code(e.Secret, -60*time.Second)) // two steps behind
		w.refused(err, errs.Invalid, "不正确")
		_, err = w.PassFactor(w.ctx, o.Session, w.code(e.Secret, -30*time.Second))
		w.ok(err)
	})
}

func TestTOTPCodeIsGoodOnceEvenAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		w.seed("doc1", access.TownshipDoctor, "th1")
		o := w.signIn("doc1")
		e, err := w.BeginTOTP(w.ctx, o.Session, pass)
		w.ok(err)
		_, err = w.ConfirmTOTP(w.ctx, o.Session, w.code(e.Secret, 0))
		w.ok(err)
		w.pass(time.Minute)
		sessions := []Opened{w.signIn("doc1"), w.signIn("doc1"), w.signIn("doc1")}
		code := w.code(e.Secret, 0)
		var wg sync.WaitGroup
		won := make([]error, len(sessions))
		for i, s := range sessions {
			wg.Go(func() { _, won[i] = w.PassFactor(w.ctx, s.Session, code) })
		}
		wg.Wait()
		if n := len(slices.DeleteFunc(won, func(err error) bool { return err != nil })); n != 1 {
			t.Fatalf("one code opened %d sessions", n)
		}
	})
}

func TestPrintedCodesAreGoodOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		sec := actorOf(w.seed("sec1", access.SecurityAdmin, "area"))
		a := w.seed("doc1", access.TownshipDoctor, "th1")
		o := w.signIn("doc1")
		codes, n, err := w.PrintCodes(w.ctx, o.Session, pass)
		w.ok(err)
		if len(codes) != 10 || n.Session.Stage != StageOpen {
			t.Fatal(codes, n.Session.Stage)
		}
		for i, c := range codes {
			s := w.signIn("doc1")
			if s.Session.Stage != StageFactor {
				t.Fatal(s.Session.Stage)
			}
			_, err := w.PassFactor(w.ctx, s.Session, strings.ToUpper(strings.ReplaceAll(c, "-", " ")))
			w.ok(err)
			s = w.signIn("doc1")
			_, err = w.PassFactor(w.ctx, s.Session, c)
			w.refused(err, errs.Invalid, "已经用过")
			left, err := w.CodesLeft(w.ctx, a.ID)
			w.ok(err)
			if left != 9-i {
				t.Fatalf("%d left after %d", left, i+1)
			}
		}
		w.ok(w.ResetFactor(w.ctx, sec, a.ID, "纸片遗失，当面核实"))
		if !w.ended(n.Token) {
			t.Fatal("session outlived the reset of its factor")
		}
		o = w.signIn("doc1")
		if o.Session.Stage != StageOpen {
			t.Fatal(o.Session.Stage)
		}
		old, o, err := w.PrintCodes(w.ctx, o.Session, pass)
		w.ok(err)
		_, _, err = w.PrintCodes(w.ctx, o.Session, pass)
		w.ok(err)
		s := w.signIn("doc1")
		_, err = w.PassFactor(w.ctx, s.Session, old[0])
		w.refused(err, errs.Invalid, "不正确") // new codes void the old
	})
}

func TestFactorGuessesLock(t *testing.T) {
	w := start(t, dbtest.SQLite(t))
	w.seed("doc1", access.TownshipDoctor, "th1")
	o := w.signIn("doc1")
	codes, _, err := w.PrintCodes(w.ctx, o.Session, pass)
	w.ok(err)
	for range 4 {
		o = w.signIn("doc1") // the right password in between must not clear the count
		_, err = w.PassFactor(w.ctx, o.Session, "999999")
		w.refused(err, errs.Invalid, "不正确")
	}
	_, err = w.PassFactor(w.ctx, o.Session, "999999")
	w.refused(err, errs.Forbidden, "暂停登录")
	_, err = w.PassFactor(w.ctx, o.Session, codes[0])
	w.refused(err, errs.Forbidden, "暂停登录")
}

func TestSwitchingIntoAPostThatAsksForAFactor(t *testing.T) {
	w := start(t, dbtest.SQLite(t))
	sec := actorOf(w.seed("sec1", access.SecurityAdmin, "area"))
	sys := actorOf(w.seed("sys1", access.SystemAdmin, "area"))
	a := w.seed("doc1", access.TownshipDoctor, "th1")
	w.ok(w.SetPolicy(w.ctx, sec, Policy{Org: "hosp", SecondFactor: true}))
	p, err := w.GrantPost(w.ctx, sys, a.ID, NewPost{Role: access.Emergency, Org: "hosp", OrgName: "医院"})
	w.ok(err)
	o := w.signIn("doc1")
	n, err := w.SwitchPost(w.ctx, o.Session, p.ID)
	w.ok(err)
	if n.Session.Stage != StageEnrol {
		t.Fatal(n.Session.Stage)
	}
}

func TestAdministratorsPostWaitsForApproval(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		sys := actorOf(w.seed("sys1", access.SystemAdmin, "area"))
		secA := w.seed("sec1", access.SecurityAdmin, "area")
		sec := actorOf(secA)
		a, slip, err := w.Create(w.ctx, sys, NewAccount{Login: "aud1", Name: "审计", Posts: []NewPost{{Role: access.Auditor, Org: "area", OrgName: "区卫健局"}}})
		w.ok(err)
		_, err = w.SignIn(w.ctx, Credentials{Login: "aud1", Password: slip.Password})
		w.refused(err, errs.Forbidden, "待审批")
		_, err = w.GrantPost(w.ctx, sys, a.ID, NewPost{Role: access.SystemAdmin, Org: "area", OrgName: "区卫健局"})
		w.refused(err, errs.Conflict, "三权分立")
		_, err = w.GrantPost(w.ctx, sys, secA.ID, NewPost{Role: access.Auditor, Org: "area", OrgName: "区卫健局"})
		w.refused(err, errs.Conflict, "三权分立")
		_, err = w.GrantPost(w.ctx, sys, sys.Account, NewPost{Role: access.TownshipDoctor, Org: "th1", OrgName: "x"})
		w.refused(err, errs.Forbidden, "自己")
		w.refused(w.DecidePost(w.ctx, sys, a.Posts[0].ID, true, ""), errs.Forbidden, "没有这项权限")
		w.refused(w.DecidePost(w.ctx, sec, a.Posts[0].ID, false, ""), errs.Invalid, "原因")
		asker := sec
		asker.Account = sys.Account // whoever asked for the post does not approve it
		w.refused(w.DecidePost(w.ctx, asker, a.Posts[0].ID, true, ""), errs.Forbidden, "另一位")
		list, err := w.Pending(w.ctx, sec)
		w.ok(err)
		if len(list) != 1 || list[0].Login != "aud1" {
			t.Fatalf("%+v", list)
		}
		w.ok(w.DecidePost(w.ctx, sec, a.Posts[0].ID, true, ""))
		w.refused(w.DecidePost(w.ctx, sec, a.Posts[0].ID, true, ""), errs.Conflict, "处理过")
		_, err = w.SignIn(w.ctx, Credentials{Login: "aud1", Password: slip.Password})
		w.ok(err)
	})
}

// powers counts the separate powers that an account holds or is to hold.
func (w *world) powers(id string) (n int) {
	w.t.Helper()
	w.ok(w.d.View(w.ctx, func(tx *db.Tx) error {
		posts, err := postsOf(w.ctx, tx, id)
		for _, p := range posts {
			if Power(p.Role) && (p.State == PostActive || p.State == PostPending) {
				n++
			}
		}
		return err
	}))
	return n
}

// TestThreePowersStayApart grants, approves, refuses and ends posts at random;
// no account ever holds two of the three powers.
func TestThreePowersStayApart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		sys := actorOf(w.seed("sys0", access.SystemAdmin, "area"))
		sec := actorOf(w.seed("sec0", access.SecurityAdmin, "area"))
		powers := []access.Role{access.SystemAdmin, access.SecurityAdmin, access.Auditor, access.TownshipDoctor}
		var accounts []Account
		for _, l := range []string{"pa1", "pa2"} {
			accounts = append(accounts, w.seed(l, access.Registration, "hosp"))
		}
		rapid.Check(t, func(r *rapid.T) {
			for range rapid.IntRange(1, 8).Draw(r, "steps") {
				id := accounts[rapid.IntRange(0, 1).Draw(r, "account")].ID
				role := rapid.SampledFrom(powers).Draw(r, "role")
				org := rapid.SampledFrom([]string{"area", "hosp"}).Draw(r, "org")
				var some string
				w.ok(d.View(w.ctx, func(tx *db.Tx) error {
					posts, err := postsOf(w.ctx, tx, id)
					if len(posts) > 0 {
						some = posts[rapid.IntRange(0, len(posts)-1).Draw(r, "post")].ID
					}
					return err
				}))
				var err error
				switch rapid.IntRange(0, 3).Draw(r, "act") {
				case 0, 1:
					_, err = w.GrantPost(w.ctx, sys, id, NewPost{Role: role, Org: org, OrgName: org})
				case 2:
					err = w.DecidePost(w.ctx, sec, some, rapid.Bool().Draw(r, "yes"), "理由")
				case 3:
					err = w.EndPost(w.ctx, sys, some, "结束")
				}
				if err != nil && errs.KindOf(err) == errs.Internal {
					r.Fatal(err)
				}
				if n := w.powers(id); n > 1 {
					r.Fatalf("one account holds %d of the three powers", n)
				}
			}
		})
	})
}

func TestThreeGrantsAtOnceLeaveOnePower(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		sys := actorOf(w.seed("sys0", access.SystemAdmin, "area"))
		three := []access.Role{access.SystemAdmin, access.SecurityAdmin, access.Auditor}
		victim := w.seed("pa3", access.Registration, "hosp")
		var wg sync.WaitGroup
		for _, role := range three {
			wg.Go(func() {
				_, err := w.GrantPost(w.ctx, sys, victim.ID, NewPost{Role: role, Org: "area", OrgName: "area"})
				if err != nil && errs.KindOf(err) != errs.Conflict {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := w.powers(victim.ID); n != 1 {
			t.Fatalf("three grants at once left %d powers", n)
		}
		plain := w.seed("pa4", access.Registration, "hosp")
		// The database itself refuses what a faulty program would write.
		err := d.Tx(w.ctx, func(tx *db.Tx) error {
			for _, role := range three[:2] {
				p := Post{ID: db.NewID(), Account: plain.ID, Role: role, Org: "o", OrgName: "o", From: "2026-01-01", State: PostActive, GrantedAt: tx.Now}
				if err := insertPost(w.ctx, tx, p); err != nil {
					return err
				}
			}
			return nil
		})
		w.refused(err, errs.Conflict, "")
	})
}

func TestSystemClients(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d)
		sys := actorOf(w.seed("sys1", access.SystemAdmin, "area"))
		sec := actorOf(w.seed("sec1", access.SecurityAdmin, "area"))
		c := Client{ID: "demo-his", Name: "示例 HIS", Org: "hosp", Scopes: "system/*.read  system/*.write"}
		_, err := w.CreateClient(w.ctx, sec, c)
		w.refused(err, errs.Forbidden, "没有这项权限")
		secret, err := w.CreateClient(w.ctx, sys, c)
		w.ok(err)
		_, err = w.CreateClient(w.ctx, sys, c)
		w.refused(err, errs.Invalid, "已经存在")
		_, err = w.CreateClient(w.ctx, sys, Client{ID: "大写"})
		w.refused(err, errs.Invalid, "客户端标识")
		_, err = w.CreateClient(w.ctx, sys, Client{ID: "other-his", Name: "x", Org: "hosp", Scopes: "user/*.rs"})
		w.refused(err, errs.Invalid, "以 system/ 开头")
		_, err = w.CheckClient(w.ctx, "demo-his", secret)
		w.refused(err, errs.Forbidden, "未获批准")
		w.refused(w.ApproveClient(w.ctx, sys, "demo-his"), errs.Forbidden, "没有这项权限")
		w.ok(w.ApproveClient(w.ctx, sec, "demo-his"))
		w.refused(w.ApproveClient(w.ctx, sec, "demo-his"), errs.Conflict, "已经批准")
		got, err := w.CheckClient(w.ctx, "demo-his", secret)
		w.ok(err)
		if got.Org != "hosp" || got.Scopes != "system/*.rs system/*.cud" {
			t.Fatalf("%+v", got)
		}
		_, wrong := w.CheckClient(w.ctx, "demo-his", secret+"x")
		_, unknown := w.CheckClient(w.ctx, "no-such", secret)
		w.ok(w.SetClientActive(w.ctx, sys, "demo-his", false))
		_, stopped := w.CheckClient(w.ctx, "demo-his", secret)
		if wrong == nil || unknown == nil || stopped == nil || wrong.Error() != unknown.Error() || stopped.Error() != wrong.Error() {
			t.Fatal(wrong, unknown, stopped)
		}
		list, err := w.Clients(w.ctx, sys)
		w.ok(err)
		if len(list) != 1 || list[0].Active {
			t.Fatalf("%+v", list)
		}
	})
}
