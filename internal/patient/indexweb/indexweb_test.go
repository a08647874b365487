package indexweb_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/patient/indexweb"
	"yilian/internal/patient/match"
	"yilian/internal/patient/patientweb"
	"yilian/internal/region"
	"yilian/internal/web/facetest"
	"yilian/internal/web/webtest"
)

var ctx = context.Background()

var (
	clerk  = access.Actor{Account: "acc-clerk", Name: "钱登记", Role: string(access.Registration), Org: "org-hospital", OrgName: "零陵区人民医院"}
	doctor = access.Actor{Account: "acc-doctor", Name: "赵医生", Role: string(access.TownshipDoctor), Org: "org-clinic", OrgName: "珠山镇中心卫生院"}
	card   = idcard.Make("431102", "1965-03-12", 22)
)

type desk struct {
	*facetest.Face
	svc *index.Service
	her patient.Patient
}

func setup(t *testing.T) *desk {
	t.Helper()
	d := dbtest.SQLite(t)
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	control := access.New(log)
	weights, err := match.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Tx(ctx, func(tx *db.Tx) error { return region.Seed(ctx, tx) }); err != nil {
		t.Fatal(err)
	}
	patients := &patient.Service{DB: d, Keys: keys, Access: control, Audit: log}
	s := &desk{svc: &index.Service{DB: d, Patients: patients, Access: control, Audit: log, Weights: weights}}
	s.Face = facetest.New(t, d, clerk)
	indexweb.Routes(s.Site, s.svc)
	patientweb.Routes(s.Site, patients, nil, indexweb.PatientSection(s.svc))
	s.her, err = patients.Register(ctx, clerk, patient.Registration{Name: "张桂兰", IDType: patient.IDCard, IDNumber: card, Phone: "13900001234",
		Region: "431102103002", Address: "3组12号", InsuranceKind: patient.Resident})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *desk) attach(change func(*index.Stated)) (a index.Attachment) {
	s.Helper()
	st := index.Stated{Source: clerk.Org, Statement: patient.Statement{Number: "M1", Name: "张桂英", Sex: patient.Female, BirthDate: "1965-03-12",
		Phone: "13900001234", Region: "431102103002", Address: "3组12号"}}
	change(&st)
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		a, err = s.svc.Attach(ctx, tx, audit.Program("接口"), st)
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return a
}

func (s *desk) pair() index.Pair {
	s.Helper()
	list, err := s.svc.Reviews(ctx, clerk)
	if err != nil || len(list) == 0 {
		s.Fatal(list, err)
	}
	return list[0]
}

func TestComparePageDecidesAndParts(t *testing.T) {
	s := setup(t)
	s.See("/index", "没有待核对的档案")
	a := s.attach(func(*index.Stated) {})
	s.See("/index", "张桂兰", "张桂英", "姓同、名有一字同", "同一人（1）", "139****1234")
	p := s.pair()
	s.Post("/index/reviews/"+p.ID, facetest.Form("verdict", "same", "version", "9"), http.StatusConflict).Shows("已由")
	s.Post("/index/reviews/"+p.ID, facetest.Form("verdict", "same", "version", "1", "note", "核对身份证", "_interactions", "1", "_elapsed_ms", "6000"), http.StatusSeeOther)
	s.See("/index/links", "同一人", "6 秒", "核对身份证")
	s.See("/patients/"+s.her.ID, "合并显示同一居民的 2 份档案", "张桂英")
	s.Post("/index/patients/"+a.Patient+"/part", facetest.Form("comment", "孪生姐妹"), http.StatusSeeOther)
	s.See("/index/links", "不是同一人", "孪生姐妹")
	s.Actor = doctor
	s.Get("/index", http.StatusForbidden)
}

func TestQueuePage(t *testing.T) {
	s := setup(t)
	borrowed := s.attach(func(st *index.Stated) { st.Name, st.IDType, st.IDNumber = "王大力", patient.IDCard, card })
	few := s.attach(func(st *index.Stated) { st.Statement = patient.Statement{Number: "M2", Name: "陈师傅"} })
	s.See("/index/queue", "王大力", "借用证件", "陈师傅", "身份信息不足两项")
	s.See("/index/queue/"+borrowed.Waiting, "张桂兰", "归入此人", "退回来源")
	s.See("/index/queue/"+few.Waiting+"?q=张桂", "张桂兰")
	s.Post("/index/queue/"+few.Waiting, facetest.Form("decision", "registered", "version", "1"), http.StatusUnprocessableEntity).Shows("请选择")
	s.Post("/index/queue/"+few.Waiting, facetest.Form("decision", "rejected", "version", "1", "comment", "无法联系"), http.StatusSeeOther)
	s.Post("/index/queue/"+borrowed.Waiting, facetest.Form("decision", "attached", "patient", s.her.ID, "version", "1"), http.StatusSeeOther)
	s.See("/index/queue", "没有待归人的信息")
}

func TestUnknownAndNewbornPages(t *testing.T) {
	s := setup(t)
	s.See("/index/newborn?mother="+s.her.ID, "张桂兰")
	s.Post("/index/newborn", facetest.Form("mother", s.her.ID, "order", "1"), http.StatusUnprocessableEntity).Shows("请选择新生儿的性别")
	s.Post("/index/newborn", facetest.Form("mother", s.her.ID, "order", "1", "sex", "1", "birth_date", "2026-02-27"), http.StatusSeeOther)
	s.See("/index/unknown", "张桂兰之子", "核定")
	list, err := s.svc.Unresolved(ctx, clerk)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	s.Post("/index/unknown/"+list[0].ID, facetest.Form("name", "张小虎", "id_number", "1"), http.StatusUnprocessableEntity).Shows("18位")
	s.Post("/index/unknown/"+list[0].ID, facetest.Form("name", "张小虎", "id_number", idcard.Make("431102", "2026-02-27", 21)), http.StatusSeeOther)
	s.See("/index/unknown", "没有身份待核的居民")
	s.See("/patients/"+list[0].ID, "张小虎", "张桂兰之子", "新生儿（随母）")
}

// TestKeyboardDecides presses 2 on the comparison: not the same person.
func TestKeyboardDecides(t *testing.T) {
	s := setup(t)
	s.attach(func(*index.Stated) {})
	server := httptest.NewServer(s.Site)
	t.Cleanup(server.Close)
	b := webtest.Browser(t)
	webtest.Visit(b, server.URL+"/index")
	webtest.Until(b, "document.querySelector('[data-shortcut=\"2\"]')")
	webtest.Screenshot(b, "index-compare")
	webtest.Until(b, "(document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '2', bubbles: true})), true)")
	webtest.Until(b, "document.body.innerText.includes('没有待核对的档案')")
	webtest.Visit(b, server.URL+"/index/links")
	webtest.Screenshot(b, "index-links")
	webtest.Visit(b, server.URL+"/patients/"+s.her.ID)
	webtest.Screenshot(b, "index-patient")
	list, err := s.svc.Reviews(ctx, clerk)
	if err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
}
