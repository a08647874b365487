package chartweb_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/chart"
	"yilian/internal/chart/chartweb"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/patient"
	"yilian/internal/patient/patientweb"
	"yilian/internal/policy"
	"yilian/internal/record"
	"yilian/internal/web/facetest"
	"yilian/profiles"
)

type world struct {
	*facetest.Face
	store *record.Store
	org   organization.Organization
	who   string
	n     int
}

func enter(t *testing.T, d *db.DB) *world {
	t.Helper()
	organizationtest.Seed(t, d)
	book, err := policy.Load(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{org: organizationtest.OfKind(t, d, organization.TownshipCenter)[0]}
	w.Face = facetest.New(t, d, access.Actor{Account: "a1", Name: "赵医生", Role: string(access.TownshipDoctor), Org: w.org.ID, OrgName: w.org.Name, Regions: []string{"431102", "4311", "43", "CN"}})
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	w.store = &record.Store{DB: d, Keys: keys}
	people := &patient.Service{DB: d, Keys: keys, Access: access.New(log), Audit: log}
	s := &chart.Service{DB: d, Book: book, Record: w.store, Access: people.Access, Patients: people}
	p := &chartweb.Pages{Service: s, Audit: log}
	chartweb.Routes(w.Site, p)
	patientweb.Routes(w.Site, people, p.Summary)
	who, err := people.Register(t.Context(), audit.Program("建档"), patient.Registration{Name: "李秀英", Sex: "2", BirthDate: "1960-05-06", Phone: "13900001234", InsuranceKind: patient.Resident})
	if err != nil {
		t.Fatal(err)
	}
	w.who = who.ID
	w.relate(access.BasisContract)
	return w
}

func (w *world) relate(basis access.Basis) {
	w.Helper()
	err := w.DB.Tx(w.Context(), func(tx *db.Tx) error {
		return access.Relate(w.Context(), tx, access.CareRelation{Patient: w.who, Org: w.org.ID, Basis: basis, Reference: "c1"})
	})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) put(kind, body string) record.Resource {
	w.Helper()
	w.n++
	return w.write(fmt.Sprintf("r%d", w.n), kind, body)
}

func (w *world) write(id, kind, body string) (r record.Resource) {
	w.Helper()
	err := w.DB.Tx(w.Context(), func(tx *db.Tx) (err error) {
		r, _, err = w.store.Update(w.Context(), tx, record.Draft{Body: []byte(`{"resourceType":"` + kind + `",` + body + `}`), ID: id, Patient: w.who,
			Source: record.Source{Org: w.org.ID, Client: "his"}})
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return r
}

func (w *world) page(path string) string { return "/patients/" + w.who + path }

func glucose(day, value string) string {
	return `"status":"final","code":{"text":"空腹血糖","coding":[{"system":"http://loinc.org","code":"1558-6"}]},"effectiveDateTime":"` + day +
		`","valueQuantity":{"value":` + value + `,"unit":"mmol/L"},"referenceRange":[{"text":"3.9-6.1"}]`
}

func TestThePatientPageBeginsWithAMinute(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		w.See(w.page(""), "没有记录不等于没有过敏", "没有当前的健康问题", "还没有检验检查结果")
		w.put("Condition", `"code":{"text":"高血压","coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"I10.x00x002"}]},"clinicalStatus":{"coding":[{"code":"active"}]}`)
		w.put("MedicationStatement", `"status":"active","medicationCodeableConcept":{"text":"氨氯地平片"},"effectiveDateTime":"2026-02-20","dosage":[{"text":"每日 1 次"}]`)
		w.put("AllergyIntolerance", `"code":{"text":"青霉素"},"clinicalStatus":{"coding":[{"code":"active"}]},"reaction":[{"manifestation":[{"text":"皮疹"}]}]`)
		w.put("Observation", glucose("2026-01-05", "5.2"))
		w.put("Observation", glucose("2026-02-20", "7.10"))
		w.See(w.page(""), "青霉素", "皮疹", "高血压", "氨氯地平片", "每日 1 次", "7.10", "高 ↑", "3.9-6.1", "上升", "<polyline", w.org.Name)
		w.See(w.page("/results"), "空腹血糖")
		w.See(w.page("/results?test=%E7%A9%BA%E8%85%B9%E8%A1%80%E7%B3%96&unit=mmol%2FL"), "全部结果", "2026-01-05", "5.2", "正常", "趋势 上升")
		w.Get(w.page("/results?test=x"), 404)
		w.See(w.page("/timeline"), "青霉素", "氨氯地平片", "2026-02-20")
		w.Get(w.page("/timeline?kind=medicine"), 200).Shows("氨氯地平片").Hides("青霉素")
		w.Get(w.page("/timeline?org=x"), 200).Shows("没有符合条件的记录")
		w.Get(w.page("/timeline?from=3"), 422)
	})
}

func TestACorrectedFactShowsWhatItWas(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		w.write("g", "Observation", glucose("2026-02-20", "17.1"))
		w.write("g", "Observation", glucose("2026-02-20", "7.1"))
		w.See(w.page("/facts/Observation/g"), "更正记录", "第 2 版", "现行", "第 1 版", "17.1 mmol/L", "7.1 mmol/L")
		w.See(w.page("/timeline"), "已更正 1 次")
		w.Get(w.page("/facts/Observation/none"), 404)
		w.Get(w.page("/facts/Patient/g"), 404)
		w.Actor.Org = "elsewhere"
		w.Get(w.page("/facts/Observation/g"), 403)
		w.Get(w.page("/timeline"), 403)
		w.Get(w.page("/results"), 403)
	})
}

func TestDocumentsAreReadable(t *testing.T) {
	w := enter(t, dbtest.SQLite(t))
	raw, err := os.ReadFile("../../exchange/exchangeweb/testdata/C0007.xml")
	if err != nil {
		t.Fatal(err)
	}
	w.write("b", "Binary", `"contentType":"application/xml","data":"`+base64.StdEncoding.EncodeToString(raw)+`"`)
	w.write("d", "DocumentReference", `"status":"current","type":{"text":"检验报告"},"date":"2026-02-20T10:00:00+08:00","content":[{"attachment":{"contentType":"application/xml","url":"Binary/b"}},
		{"attachment":{"contentType":"text/plain; charset=utf-8","title":"附言","data":"`+base64.StdEncoding.EncodeToString([]byte("请复查<b>"))+`"}},
		{"attachment":{"contentType":"application/pdf","title":"扫描件","data":"JVBERi0="}},{"attachment":{"contentType":"text/html","title":"网页","data":"PGI+"}},{"attachment":{"contentType":"application/pdf","url":"https://his.example/1.pdf"}}]`)
	w.See(w.page("/facts/DocumentReference/d"), "检验报告结果", "刘英磊", "请复查&lt;b&gt;", "打开PDF", "保存文件", "没有随记录送来")
	pdf := w.Get(w.page("/facts/DocumentReference/d/files/2"), 200)
	if pdf.Body != "%PDF-" || pdf.Header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(pdf.Header.Get("Content-Disposition"), "inline") {
		t.Errorf("%q %v", pdf.Body, pdf.Header)
	}
	html := w.Get(w.page("/facts/DocumentReference/d/files/3"), 200)
	if html.Header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(html.Header.Get("Content-Security-Policy"), "sandbox") || !strings.HasPrefix(html.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("a page of the sender's could run: %v", html.Header)
	}
	w.Get(w.page("/facts/DocumentReference/d/files/4"), 404)
	w.Get(w.page("/facts/DocumentReference/d/files/9"), 404)
	w.Actor.Org = "elsewhere"
	w.Get(w.page("/facts/DocumentReference/d"), 403)
	w.Get(w.page("/facts/DocumentReference/d/files/2"), 403)
}

func TestHiddenFactsAndWhoLooked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		w.write("h", "Observation", `"status":"final","code":{"text":"HIV 抗体"},"valueString":"待复检","effectiveDateTime":"2026-02-20"`)
		w.See(w.page(""), "HIV 抗体")
		doctor := w.Actor
		w.Actor.Account, w.Actor.Role = "a2", string(access.Registration)
		w.See(w.page(""), "已隐藏 1 条", "您的岗位不能打开").Hides("HIV", "待复检")
		w.Post(w.page("/sensitive"), facetest.Form("comment", "我想看一看"), 403)
		w.Actor.Role = string(access.ReferralCenter)
		w.See(w.page("/timeline"), "已隐藏").Hides("HIV")
		w.Get(w.page("/facts/Observation/h"), 403).Shows("敏感信息", "填写原因")
		w.Post(w.page("/sensitive"), facetest.Form("comment", ""), 422)
		w.Post(w.page("/sensitive"), facetest.Form("comment", "核对转诊前检查"), 303)
		w.See(w.page(""), "HIV 抗体", "已填写原因打开")
		w.See(w.page("/facts/Observation/h"), "艾滋病性病")
		w.Actor = doctor
		w.Get("/looks", 403)
		w.Get("/record", 403)
		w.Actor = access.Actor{Account: "r", Name: "李秀英", Role: string(access.Resident), Patient: w.who}
		w.See("/looks", "打开敏感内容", "核对转诊前检查", "请留意", "转诊中心", "查看一条健康记录", "家庭医生签约")
		if to := w.Get("/record", 303).To(); to != w.page("") {
			t.Errorf("own record at %s", to)
		}
		w.See(w.page(""), "HIV 抗体")
		w.Actor.Patient = "somebody"
		w.Get("/looks?person="+w.who, 403)
	})
}
