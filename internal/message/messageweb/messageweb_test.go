package messageweb

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/jobs"
	"yilian/internal/message"
	"yilian/internal/web"
)

// failing is a provider that fails with err.
type failing struct{ err error }

func (*failing) Name() string { return "短信" }

func (f *failing) Deliver(context.Context, message.Message) error { return f.err }

type server struct {
	t    *testing.T
	url  string
	who  access.Actor
	d    *db.DB
	svc  *message.Service
	q    *jobs.Queue
	fail *failing
}

func start(t *testing.T) *server {
	t.Helper()
	d := dbtest.SQLite(t)
	keys := crypto.Ephemeral("sm")
	s := &server{t: t, d: d, q: jobs.New(d), fail: &failing{}}
	s.q.Log = slog.New(slog.DiscardHandler)
	s.svc = message.New(d, keys, audit.New(d, keys), s.q, s.fail, message.Options{})
	site := web.New(web.Options{Log: s.q.Log, Now: d.Now})
	site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s.who.Account != "" {
				r = r.WithContext(access.WithActor(r.Context(), s.who))
			}
			next.ServeHTTP(w, r)
		})
	})
	Routes(site, s.svc)
	site.Handle("GET /referrals/{id}", func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.WriteString(w, "转诊单 "+r.PathValue("id"))
		return err
	})
	srv := httptest.NewServer(site)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

func (s *server) do(method, path string, status int, words ...string) string {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if res.StatusCode != status {
		s.t.Fatalf("%s %s: %d, want %d\n%s", method, path, res.StatusCode, status, body)
	}
	for _, w := range words {
		if !strings.Contains(string(body), w) {
			s.t.Fatalf("%s %s: no %q in\n%s", method, path, w, body)
		}
	}
	return string(body)
}

var (
	doctor   = access.Actor{Account: "a1", Role: string(access.TownshipDoctor), Org: "th1"}
	stranger = access.Actor{Account: "a2", Role: string(access.TownshipDoctor), Org: "th2"}
	resident = access.Actor{Account: "a3", Role: string(access.Resident), Patient: "p1"}
	auditor  = access.Actor{Account: "a4", Role: string(access.Auditor), Org: "th1"}
)

func TestMessagesOfStaffAndResident(t *testing.T) {
	s := start(t)
	s.fail.err = errs.E(errs.Invalid, "空号")
	err := s.d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := s.svc.Send(t.Context(), tx, message.Out{Patient: "p1", To: "13812345678", Text: "【医联】已提交", Case: "c1", Orgs: []string{"th1"}, Key: "k"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.q.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.who = doctor
	page := s.do("GET", "/messages", 200, "【医联】已提交", "138****5678", "发送失败", "空号", "重新发送", `href="/referrals/c1"`)
	if strings.Contains(page, "13812345678") {
		t.Fatal("the number is shown")
	}
	s.do("GET", "/messages?state=delivered", 200, "没有消息")
	path := regexp.MustCompile(`/messages/[0-9a-f-]+/resend`).FindString(page)
	s.who = stranger
	s.do("GET", "/messages", 200, "没有消息")
	s.do("POST", path, 403)
	s.who = auditor
	s.do("GET", "/messages", 403)
	s.who = doctor
	s.fail.err = nil
	s.do("POST", path, 200, "患者消息")
	if err := s.q.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.do("GET", "/messages", 200, "已送达")
	s.do("POST", path, 409)
	s.who = resident
	s.do("GET", "/messages", 200, "我的消息", "【医联】已提交")
	s.who = access.Actor{}
	s.do("GET", "/messages", 403)
}

func TestNoticesAndBell(t *testing.T) {
	s := start(t)
	err := s.d.Tx(t.Context(), func(tx *db.Tx) error {
		return message.Notify(t.Context(), tx,
			message.Notice{Org: "th1", Role: access.TownshipDoctor, Kind: "x", Text: "转诊单待补充", Link: "/referrals/c1"},
			message.Notice{Account: "a1", Kind: "x", Text: "只给本人"})
	})
	if err != nil {
		t.Fatal(err)
	}
	s.who = doctor
	s.do("GET", "/notices/bell", 200, "未读 2 条")
	page := s.do("GET", "/notices", 200, "转诊单待补充", "只给本人", "全部标为已读")
	for _, p := range regexp.MustCompile(`/notices/[0-9a-f-]{36}`).FindAllString(page, -1) {
		s.do("GET", p, 200)
	}
	s.do("GET", "/notices/bell", 200, "未读 0 条")
	s.do("GET", "/notices", 200, "没有通知")
	s.do("GET", "/notices?all=1", 200, "转诊单待补充", "已读")
	s.who = stranger
	s.do("GET", "/notices/bell", 200, "未读 0 条")
	s.do("GET", "/notices/no-such", 404)
	s.do("POST", "/notices/read", 200, "通知")
}
