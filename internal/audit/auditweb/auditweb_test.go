package auditweb

import (
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
	"yilian/internal/web/facetest"
)

type fixture struct {
	*facetest.Face
	log    *audit.Log
	person string // a registered patient
}

const number = "431102198803120029"

func setup(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	people := &patient.Service{DB: d, Keys: keys, Access: access.New(log), Audit: log}
	f := &fixture{Face: facetest.New(t, d, access.Actor{Account: "a-9", Name: "审计员甲", Role: string(access.Auditor)}), log: log}
	Routes(f.Site, d, log, people)
	doctor := access.Actor{Account: "a-1", Name: "周医生", Role: string(access.TownshipDoctor), Org: "org-1", OrgName: "菱角塘镇卫生院"}
	p, err := people.Register(t.Context(), doctor, patient.Registration{
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
	if err := f.DB.Tx(f.Context(), func(tx *db.Tx) error { return f.log.Append(f.Context(), tx, leaf) }); err != nil {
		f.Fatal(err)
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
		body := f.Get("/audit", http.StatusOK)
		body.Shows("张桂兰", "周医生", "建档", "唐医生", "受理转诊", "待受理 → 待安排", "操作患者档案", "系统", "拒绝", "成功", "转诊中心")
		body.Hides(">referral.accept<", "submitted", "unheard_of", "R01")

		only := f.Get("/audit?who="+url.QueryEscape("唐医生")+"&action=referral.accept&object=referral&outcome=ok&from=2026-03-02&to=2026-03-02", http.StatusOK)
		only.Shows("待受理 → 待安排")
		only.Hides("周医生")
		f.See("/audit?from=2026-03-03", "没有符合条件的记录")

		// The searches themselves have become records.
		again := f.Get("/audit?action=audit.search", http.StatusOK)
		again.Shows("审计员甲", "审计查询", "操作人 唐医生，操作 受理转诊，对象 转诊单，结果 成功，自 2026-03-02，至 2026-03-02", "全部记录")
	})
}

func TestOthersMayNotSearch(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	for _, role := range []access.Role{access.SystemAdmin, access.SecurityAdmin, access.TownshipDoctor, access.Resident, ""} {
		f.Actor.Role = string(role)
		f.Get("/audit", http.StatusForbidden)
		f.Get("/audit/x", http.StatusForbidden)
		f.Post("/audit/verify", nil, http.StatusForbidden)
		f.Post("/audit/person", nil, http.StatusForbidden)
	}
}

func TestWrongDatesAreNamed(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	for query, want := range map[string]string{
		"from=2026-02-30":               "2026-02-30",
		"from=2026-03-02&to=2026-03-01": "结束日期不能早于开始日期",
	} {
		f.Get("/audit?"+query, http.StatusUnprocessableEntity).Shows(want)
	}
}

func TestPaging(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	for i := range pageSize + 5 {
		dbtest.SetClock(f.DB, dbtest.Clock.Add(time.Duration(i)*time.Minute))
		f.add(audit.Leaf{Actor: access.Actor{Name: fmt.Sprintf("医生%03d号", i)}, Action: "message.resend", Object: "message"})
	}
	body := f.Get("/audit?action=message.resend", http.StatusOK)
	body.Shows("医生054号", "医生005号", "更早的记录", "本页 50 条")
	body.Hides("医生004号", "回到最新")
	_, href, _ := strings.Cut(body.Between(`rel="next"`, ">"), `href="`)
	href, _, _ = strings.Cut(href, `"`)
	older := f.Get(strings.ReplaceAll(href, "&amp;", "&"), http.StatusOK)
	older.Shows("医生004号", "医生000号", "回到最新")
	older.Hides("医生005号", "更早的记录")
}

func TestIdentityNumberLeadsToThePatient(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	if to := f.Post("/audit/person", facetest.Form("number", number), http.StatusSeeOther).To(); to != "/audit?patient="+f.person {
		t.Fatalf("leads to %s", to)
	}
	f.See("/audit?patient="+f.person, "患者：张桂兰", "建档")
	f.Post("/audit/person", facetest.Form("number", "431102198803120024"), http.StatusUnprocessableEntity) // wrong check digit
}

func TestOneRecord(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	leaf := audit.Leaf{
		ID: db.NewID(), Actor: access.Actor{Account: "a-2", Name: "唐医生", Role: string(access.DepartmentDoctor), IP: "10.0.0.7"}, Action: "patient.break",
		Object: "patient", ObjectID: f.person, Patient: f.person, Basis: string(access.BasisBreak), Clause: "LL-4.3.4c", Detail: "昏迷，无法询问",
	}
	f.add(leaf)
	f.See("/audit/"+leaf.ID, "紧急调阅", "唐医生", "科室医生", "10.0.0.7", "昏迷，无法询问", "LL-4.3.4c", "张桂兰")
	f.Get("/audit/none", http.StatusNotFound)
	f.See("/audit?action=audit.read", "查看审计记录")
}

func TestVerifyButton(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	if _, err := f.log.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.log.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.See("/audit", "最近检查点", "第 1 号", "立即校验")
	press := func() facetest.Answer {
		r := httptest.NewRequest(http.MethodPost, "/audit/verify", nil)
		r.Header.Set("HX-Request", "true")
		return f.Send(r, http.StatusOK)
	}
	press().Shows("审计链完整：1 条记录逐条相接，1 个检查点的签名成立")
	if err := f.DB.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE audit_leaf SET name = '别人' WHERE action = 'patient.register'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	press().Shows("审计链不完整", "第 1 号审计记录的内容被改动过", "查看这条记录")
	f.Post("/audit/verify", nil, http.StatusSeeOther) // without scripts
	f.See("/audit?action=audit.verify", "校验审计链")
}

func TestEveryTitledActionHasATitledObject(t *testing.T) {
	for code := range actions {
		object, _, _ := strings.Cut(code, ".")
		if objects[object] == "" {
			t.Errorf("%s: no title for %s", code, object)
		}
	}
}
