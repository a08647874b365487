package exchangeweb_test

import (
	"bytes"
	"context"
	"errors"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/chart"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/encounter"
	"yilian/internal/exchange"
	"yilian/internal/exchange/exchangeweb"
	"yilian/internal/idcard"
	"yilian/internal/patient/index"
	"yilian/internal/patient/match"
	"yilian/internal/policy/policytest"
	"yilian/internal/record"
	"yilian/internal/referral/referraltest"
	"yilian/internal/web/facetest"
)

type world struct {
	*facetest.Face
	w *referraltest.World
	s *exchange.Service
}

func newWorld(t *testing.T) world {
	t.Helper()
	d := dbtest.SQLite(t)
	w := referraltest.New(t, d)
	book := policytest.Shipped(t)
	s := &exchange.Service{DB: d, Keys: w.Keys, Audit: w.Audit, Access: access.New(w.Audit), Patients: w.Persons, Referrals: w.Service,
		Encounters: &encounter.Service{DB: d, Book: book, Audit: w.Audit}, Record: &record.Store{DB: d, Keys: w.Keys}}
	weights, err := match.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	s.Index = &index.Service{DB: d, Patients: w.Persons, Access: s.Access, Audit: w.Audit, Weights: weights}
	f := facetest.New(t, d, access.Actor{Account: "m", Name: "吴科长", Role: string(access.MedicalAffairs), Org: w.Hospital.ID, OrgName: w.Hospital.Name})
	exchangeweb.Routes(f.Site, s)
	return world{f, w, s}
}

func (w world) receive(raw string) {
	w.Helper()
	if _, err := w.s.Receive(context.Background(), exchange.Peer{Name: "四医院HIS", Org: w.w.Hospital.ID, OrgName: w.w.Hospital.Name}, []byte(raw)); err != nil {
		w.Fatal(err)
	}
}

// upload sends a form with a file.
func (w world) upload(path, field, file, content string, status int, pairs ...string) facetest.Answer {
	w.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		if err := m.WriteField(pairs[i], pairs[i+1]); err != nil {
			w.Fatal(err)
		}
	}
	part, err := m.CreateFormFile(field, file)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := part.Write([]byte(content)); err != nil {
		w.Fatal(err)
	}
	if err := m.Close(); err != nil {
		w.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, path, &b)
	r.Header.Set("Content-Type", m.FormDataContentType())
	return w.Send(r, status)
}

func TestAMessageThatWaitsIsMendedOnThePage(t *testing.T) {
	w := newWorld(t)
	w.See("/exchange", "没有消息", "最近两周没有收到消息")
	w.receive("MSH|^~\\&|HIS|H|YL|YL|20260302090000||ADT^A04|C1|P|2.5\rPID|1||N1^^^H1^PI~" + w.w.IDNumbers[0] +
		"^^^^NNCHN||错^名\rPV1|1|O|||||||||||||||||V1\rZPI|1|<script>alert(1)</script>\r")
	page := w.See("/exchange?state=waiting", "门急诊登记", "患者身份不一致", "待处理", "四医院HIS", "2026-03-02").Hides("错名")
	path := "/exchange/messages/" + page.Between(`href="/exchange/messages/`, `"`)
	page = w.See(path, "患者", "来源自定义", "问题在这里", "怎么办", "指定患者并重放", "&lt;script&gt;").Hides("<script>alert")
	version := page.Between(`name="version" value="`, `"`)
	w.Post(path+"/replay", facetest.Form("version", version, "card", "12"), http.StatusUnprocessableEntity).Shows("身份证")
	w.Post(path+"/replay", facetest.Form("version", version, "card", w.w.IDNumbers[0]), http.StatusSeeOther)
	w.See(path, "已入库", "四人民医院吴科长").Hides("指定患者并重放")
	w.Post(path+"/replay", facetest.Form("version", version), http.StatusConflict)

	w.receive("nonsense")
	page = w.See("/exchange?state=refused", "读不懂")
	path = "/exchange/messages/" + page.Between(`href="/exchange/messages/`, `"`)
	version = w.See(path, "nonsense", "不再处理").Between(`name="version" value="`, `"`)
	w.Post(path+"/dismiss", facetest.Form("version", version, "comment", "接口联调"), http.StatusSeeOther)
	w.See("/exchange?state=dismissed", "接口联调")

	w.Actor = w.w.Doctor
	w.Get(path, http.StatusForbidden)
	w.Get("/exchange", http.StatusForbidden)
	w.Actor = access.Actor{Account: "x", Name: "管理员", Role: string(access.SystemAdmin)}
	w.See("/exchange", "已入库").Hides(`href="/exchange/messages/`)
	w.Get(path, http.StatusForbidden)
}

func TestFilesOnThePage(t *testing.T) {
	w := newWorld(t)
	w.See("/exchange/files", "患者", "就诊", "诊断", "检验检查结果", "Excel 模板", "导入文书").Hides("医保县外就诊月报")
	if a := w.Get("/exchange/files/patients/template.csv", http.StatusOK); !strings.Contains(a.Body, "身份证号") {
		t.Error("the template has no columns")
	}
	w.Get("/exchange/files/patients/template.xlsx", http.StatusOK)
	w.Get("/exchange/files/nothing/template.csv", http.StatusNotFound)
	text := "姓名,身份证号\n李秀英," + idcard.Make("431102", "1958-04-09", 22) + "\n王五,123\n"
	w.upload("/exchange/files", "file", "患者.csv", text, http.StatusOK, "kind", "patients", "dry", "yes").Shows("试导入：没有保存", "下载有误的行", "校验")
	w.upload("/exchange/files", "file", "患者.csv", text, http.StatusOK, "kind", "patients", "dry", "no").Shows("正确的行已入库")
	w.upload("/exchange/files", "file", "x.csv", "a,b\n", http.StatusUnprocessableEntity, "kind", "patients").Shows("表头缺少必填的列")
	w.Post("/exchange/files", facetest.Form("kind", "patients"), http.StatusUnprocessableEntity).Shows("请选择要导入的文件")
}

func TestADocumentIsKeptAndShown(t *testing.T) {
	w := newWorld(t)
	raw, err := os.ReadFile("testdata/C0007.xml")
	if err != nil {
		t.Fatal(err)
	}
	answer := w.upload("/exchange/documents", "document", "C0007.xml", string(raw), http.StatusSeeOther)
	if to := w.Get(answer.To(), http.StatusSeeOther).To(); !strings.HasPrefix(to, "/patients/") || !strings.Contains(to, "/facts/DocumentReference/") {
		t.Errorf("the document opens at %s", to)
	}
	if again := w.upload("/exchange/documents", "document", "C0007.xml", string(raw), http.StatusSeeOther); again.To() != answer.To() {
		t.Error("the same document again is another one")
	}
	w.upload("/exchange/documents", "document", "x.xml", "<section/>", http.StatusUnprocessableEntity).Shows("不是完整的 CDA 文档")
}

// TestUncountedVisits: what keeps a visit from being counted stands on a page of
// the institution that has sent it, and on nobody else's.
func TestUncountedVisits(t *testing.T) {
	w := newWorld(t)
	w.See("/exchange/uncounted", "没有未计入统计的就诊")
	err := w.w.DB.Tx(t.Context(), func(tx *db.Tx) error {
		return errors.Join(
			encounter.NoteUncounted(t.Context(), tx, encounter.Uncounted{ID: "e1", Org: w.w.Hospital.ID, Client: "hosp-his", Patient: w.w.Patients[0].ID,
				Number: "MZ-1", Started: "2026-03-02T00:00:00Z", Reason: "缺少就诊类别"}),
			encounter.NoteUncounted(t.Context(), tx, encounter.Uncounted{ID: "e2", Org: w.w.Township.ID, Client: "town-his", Number: "MZ-2", Reason: "别家的原因"}))
	})
	if err != nil {
		t.Fatal(err)
	}
	w.See("/exchange", "未计入统计的就诊（1）")
	a := w.See("/exchange/uncounted", "缺少就诊类别", "MZ-1", "2026-03-02 08:00", "/patients/"+w.w.Patients[0].ID)
	if strings.Contains(a.Body, "别家的原因") {
		t.Error("the page shows what another institution has sent")
	}
	w.Actor = access.Actor{Account: "d", Role: string(access.DepartmentDoctor), Org: w.w.Hospital.ID}
	w.Get("/exchange/uncounted", http.StatusForbidden)
}

// TestOneFactIsWithdrawn: the button is offered to who may, and takes the fact
// off the chart with a reason.
func TestOneFactIsWithdrawn(t *testing.T) {
	w := newWorld(t)
	who := w.w.Patients[0].ID
	body := `{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"血糖"},"subject":{"reference":"Patient/` + who + `"}}`
	err := w.w.DB.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := w.s.Record.Create(t.Context(), tx, record.Draft{Body: []byte(body), ID: "o1", Source: record.Source{Org: w.w.Hospital.ID}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	fact := chart.Fact{Key: "Observation/o1", Org: w.w.Hospital.ID}
	desk := access.Actor{Account: "r", Role: string(access.Registration), Org: w.w.Hospital.ID}
	elsewhere := access.Actor{Account: "r2", Role: string(access.Registration), Org: w.w.Township.ID}
	doctor := access.Actor{Account: "d", Role: string(access.DepartmentDoctor), Org: w.w.Hospital.ID}
	at := exchangeweb.Withdraw(desk, fact)
	if at == "" || exchangeweb.Withdraw(elsewhere, fact) != "" || exchangeweb.Withdraw(doctor, fact) != "" {
		t.Fatalf("offered at %q", at)
	}
	if exchangeweb.Withdraw(desk, chart.Fact{Key: "encounter/e1", Org: w.w.Hospital.ID}) != "" {
		t.Error("a counted visit is offered")
	}
	w.Actor = doctor
	w.Post(at, url.Values{"comment": {"归错患者"}}, http.StatusForbidden)
	w.Actor = desk
	w.Post(at, url.Values{"comment": {""}}, http.StatusUnprocessableEntity)
	if to := w.Post(at, url.Values{"comment": {"归错患者"}}, http.StatusSeeOther).To(); to != "/patients/"+who {
		t.Errorf("goes on to %s", to)
	}
	w.Post(at, url.Values{"comment": {"归错患者"}}, http.StatusNotFound)
}
