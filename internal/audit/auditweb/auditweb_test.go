package auditweb

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/patient"
	"yilian/internal/web"
)

var ctx = context.Background()

type fixture struct {
	*testing.T
	d      *db.DB
	log    *audit.Log
	site   *web.Site
	actor  access.Actor
	person string // a registered patient
}

const number = "431102198803120029"

func setup(t *testing.T, d *db.DB) *fixture {
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	people := &patient.Service{DB: d, Keys: keys, Access: access.New(log), Audit: log}
	f := &fixture{T: t, d: d, log: log, site: web.New(web.Options{}), actor: access.Actor{Account: "a-9", Name: "审计员甲", Role: string(access.Auditor)}}
	f.site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(access.WithActor(r.Context(), f.actor)))
		})
	})
	Routes(f.site, d, log, people)
	doctor := access.Actor{Account: "a-1", Name: "周医生", Role: string(access.TownshipDoctor), Org: "org-1", OrgName: "菱角塘镇卫生院"}
	p, err := people.Register(ctx, doctor, patient.Registration{
		Name: "张桂兰", Sex: "2", BirthDate: "1988-03-12", IDType: patient.IDCard, IDNumber: number, InsuranceKind: patient.InsuranceKinds()[0].Code,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.person = p.ID
	return f
}

func (f *fixture) add(leaf audit.Leaf) {
	f.Helper()
	if err := f.d.Tx(ctx, func(tx *db.Tx) error { return f.log.Append(ctx, tx, leaf) }); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, r)
	return w
}

func (f *fixture) get(path string) string {
	f.Helper()
	w := f.send(httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		f.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func (f *fixture) post(path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return f.send(r)
}

func (f *fixture) has(body string, want ...string) {
	f.Helper()
	for _, w := range want {
		if !strings.Contains(body, w) {
			f.Errorf("%q is missing in %s", w, body)
		}
	}
}

func (f *fixture) lacks(body string, unwanted ...string) {
	f.Helper()
	for _, w := range unwanted {
		if strings.Contains(body, w) {
			f.Errorf("%q is shown", w)
		}
	}
}

func TestSearchShowsTitlesAndIsAudited(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.add(audit.Leaf{
			Actor: access.Actor{Account: "a-2", Name: "唐医生", Role: string(access.ReferralCenter), OrgName: "零陵区人民医院"}, Action: "referral.accept",
			Object: "referral", ObjectID: "r-1", Patient: f.person, Detail: "submitted→accepted R01",
		})
		f.add(audit.Leaf{Actor: audit.Program("x"), Action: "kind.unheard_of", Object: "patient", Outcome: audit.Refused})
		body := f.get("/audit")
		f.has(body, "张桂兰", "周医生", "建档", "唐医生", "受理转诊", "待受理 → 待安排", "操作患者档案", "系统", "拒绝", "成功", "转诊中心")
		f.lacks(body, ">referral.accept<", "submitted", "unheard_of", "R01")

		only := f.get("/audit?who=" + url.QueryEscape("唐医生") + "&action=referral.accept&object=referral&outcome=ok&from=2026-03-02&to=2026-03-02")
		f.has(only, "待受理 → 待安排")
		f.lacks(only, "周医生")
		f.has(f.get("/audit?from=2026-03-03"), "没有符合条件的记录")

		// The searches themselves have become records.
		again := f.get("/audit?action=audit.search")
		f.has(again, "审计员甲", "审计查询", "操作人 唐医生，操作 受理转诊，对象 转诊单，结果 成功，自 2026-03-02，至 2026-03-02", "全部记录")
	})
}

func TestOthersMayNotSearch(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	for _, role := range []access.Role{access.SystemAdmin, access.SecurityAdmin, access.TownshipDoctor, access.Resident, ""} {
		f.actor.Role = string(role)
		for _, r := range []*http.Request{
			httptest.NewRequest(http.MethodGet, "/audit", nil), httptest.NewRequest(http.MethodGet, "/audit/x", nil),
			httptest.NewRequest(http.MethodPost, "/audit/verify", nil), httptest.NewRequest(http.MethodPost, "/audit/person", nil),
		} {
			if w := f.send(r); w.Code != http.StatusForbidden {
				t.Errorf("%s %s %s: %d", role, r.Method, r.URL, w.Code)
			}
		}
	}
}

func TestWrongDatesAreNamed(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	for query, want := range map[string]string{
		"from=2026-02-30":               "2026-02-30",
		"from=2026-03-02&to=2026-03-01": "结束日期不能早于开始日期",
	} {
		w := f.send(httptest.NewRequest(http.MethodGet, "/audit?"+query, nil))
		if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

func TestPaging(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	for i := range pageSize + 5 {
		dbtest.SetClock(f.d, dbtest.Clock.Add(time.Duration(i)*time.Minute))
		f.add(audit.Leaf{Actor: access.Actor{Name: fmt.Sprintf("医生%03d号", i)}, Action: "message.resend", Object: "message"})
	}
	body := f.get("/audit?action=message.resend")
	f.has(body, "医生054号", "医生005号", "更早的记录", "本页 50 条")
	f.lacks(body, "医生004号", "回到最新")
	i := strings.Index(body, `rel="next"`)
	href, _, _ := strings.Cut(body[i:], `>`)
	_, href, _ = strings.Cut(href, `href="`)
	href, _, _ = strings.Cut(href, `"`)
	older := f.get(strings.ReplaceAll(href, "&amp;", "&"))
	f.has(older, "医生004号", "医生000号", "回到最新")
	f.lacks(older, "医生005号", "更早的记录")
}

func TestIdentityNumberLeadsToThePatient(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	w := f.post("/audit/person", url.Values{"number": {number}})
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/audit?patient="+f.person {
		t.Fatalf("%d %s", w.Code, w.Header().Get("Location"))
	}
	f.has(f.get("/audit?patient="+f.person), "患者：张桂兰", "建档")
	if w := f.post("/audit/person", url.Values{"number": {"431102198803120024"}}); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("wrong check digit: %d", w.Code)
	}
}

func TestOneRecord(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	leaf := audit.Leaf{
		ID: db.NewID(), Actor: access.Actor{Account: "a-2", Name: "唐医生", Role: string(access.DepartmentDoctor), IP: "10.0.0.7"}, Action: "patient.break",
		Object: "patient", ObjectID: f.person, Patient: f.person, Basis: string(access.BasisBreak), Clause: "LL-4.3.4c", Detail: "昏迷，无法询问",
	}
	f.add(leaf)
	f.has(f.get("/audit/"+leaf.ID), "紧急调阅", "唐医生", "科室医生", "10.0.0.7", "昏迷，无法询问", "LL-4.3.4c", "张桂兰")
	if w := f.send(httptest.NewRequest(http.MethodGet, "/audit/none", nil)); w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
	f.has(f.get("/audit?action=audit.read"), "查看审计记录")
}

func TestVerifyButton(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	if _, err := f.log.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := f.log.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	f.has(f.get("/audit"), "最近检查点", "第 1 号", "立即校验")
	press := func() string {
		r := httptest.NewRequest(http.MethodPost, "/audit/verify", nil)
		r.Header.Set("HX-Request", "true")
		return f.send(r).Body.String()
	}
	f.has(press(), "审计链完整：1 条记录逐条相接，1 个检查点的签名成立")
	if err := f.d.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE audit_leaf SET name = '别人' WHERE action = 'patient.register'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	f.has(press(), "审计链不完整", "第 1 号审计记录的内容被改动过", "查看这条记录")
	if w := f.post("/audit/verify", nil); w.Code != http.StatusSeeOther {
		t.Errorf("without scripts: %d", w.Code)
	}
	f.has(f.get("/audit?action=audit.verify"), "校验审计链")
}

func TestEveryTitledActionHasATitledObject(t *testing.T) {
	for code := range actions {
		object, _, _ := strings.Cut(code, ".")
		if objects[object] == "" {
			t.Errorf("%s: no title for %s", code, object)
		}
	}
}
