package exemption_test

import (
	"context"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/exemption"
	"yilian/internal/filing/filingtest"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/policy"
)

var (
	ctx            = context.Background()
	placeOfJiangsu = policy.Place{Regions: []string{"3201", "32", "CN"}}
)

// world is Jiangsu with a provincial hospital, the commissions of two cities
// and of the province, and a community centre.
type world struct {
	*filingtest.World
	hospital, city, other, province access.Actor
	centre                          string
}

func enter(t *testing.T, d *db.DB) *world {
	t.Helper()
	w := &world{World: filingtest.New(t, d)}
	alliancetest.SeedRegion(t, d, "jiangsu")
	w.OK(d.Tx(ctx, func(tx *db.Tx) error {
		return organization.SeedAt(ctx, tx, "320102", []organization.Organization{
			{Name: "玄武社区卫生服务中心", Kind: organization.CommunityCenter, Level: "一级", Ownership: organization.Public, Region: "320102", Active: true},
			{Name: "南京市卫生健康委员会", Kind: organization.Bureau, Level: organization.Ungraded, Ownership: organization.Public, Region: "3201", Active: true},
			{Name: "苏州市卫生健康委员会", Kind: organization.Bureau, Level: organization.Ungraded, Ownership: organization.Public, Region: "3205", Active: true},
		}, nil)
	}))
	w.hospital = w.Actor("江苏省肿瘤医院", access.AllianceOffice, "办公室唐某")
	w.city = w.Actor("南京市卫生健康委员会", access.BureauCity, "市内杨某")
	w.other = w.Actor("苏州市卫生健康委员会", access.BureauCity, "市内周某")
	w.province = w.Actor("江苏省卫生健康委员会", access.BureauProvince, "省内李某")
	w.centre = w.Org("玄武社区卫生服务中心")
	return w
}

func (w *world) application() exemption.Application {
	return exemption.Application{Kind: exemption.Lead, Org: w.hospital.Org, AllianceKind: string(alliance.MedicalGroup), Region: "3201", Existing: true, Since: "2018-05-01",
		Purpose: "继续牵头已建成的医疗集团", Evidence: "南京市批准文件及三年运行评估：基层诊疗量占比上升 6 个百分点"}
}

func (w *world) form() error {
	_, err := w.Alliances.Form(ctx, w.hospital, alliance.Formation{Name: "江苏省肿瘤医院医疗集团", Kind: alliance.MedicalGroup, Region: "3201", Lead: w.hospital.Org,
		Members: []string{w.centre}, On: "2026-03-02", Reason: "市规划"})
	return err
}

func (w *world) act(who access.Actor, c flow.Case, action, reason, text string) (flow.Case, error) {
	return w.Exemptions.Act(ctx, who, exemption.Ref{ID: c.ID, Version: c.Version, Once: w.Token()}, action, reason, text)
}

// JS-4.1.2, X9: a provincial hospital leads no tight alliance until city and
// province have agreed, on evidence; then it does.
func TestTwoApprovalsLetAProvincialHospitalLead(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		if err := w.form(); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "JS-4.1.2") || !strings.Contains(err.Error(), "例外登记") {
			t.Fatalf("without an exception: %v", err)
		}
		bare := w.application()
		bare.Evidence = "有成效"
		if _, err := w.Exemptions.Apply(ctx, w.hospital, bare, w.Token()); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "依据") {
			t.Fatalf("without evidence: %v", err)
		}
		if _, err := w.Exemptions.Apply(ctx, w.city, w.application(), w.Token()); !errs.Is(err, errs.Forbidden) {
			t.Fatalf("the city applies for it: %v", err)
		}
		once := w.Token()
		c, err := w.Exemptions.Apply(ctx, w.hospital, w.application(), once)
		w.OK(err)
		if again, err := w.Exemptions.Apply(ctx, w.hospital, w.application(), once); err != nil || again.ID != c.ID {
			t.Fatalf("sent twice: %s %v", again.ID, err)
		}
		if c.State != exemption.StateCity || c.To.OrgName != "南京市卫生健康委员会" {
			t.Fatalf("%s lies with %s", c.State, c.To.OrgName)
		}
		for _, who := range []access.Actor{w.other, w.province} { // not theirs yet
			if _, err := w.act(who, c, exemption.ActConsent, "", ""); !errs.Is(err, errs.Forbidden) && !errs.Is(err, errs.NotFound) {
				t.Fatalf("%s consents: %v", who.OrgName, err)
			}
		}
		c, err = w.act(w.city, c, exemption.ActConsent, "", "")
		w.OK(err)
		if err := w.form(); !errs.Is(err, errs.Invalid) {
			t.Fatalf("one consent is enough: %v", err)
		}
		if c.State != exemption.StateProvince || c.To.OrgName != "江苏省卫生健康委员会" {
			t.Fatalf("%s lies with %s", c.State, c.To.OrgName)
		}
		if _, err := w.act(w.city, c, exemption.ActApprove, "", ""); err == nil {
			t.Fatal("the city gives the province's approval")
		}
		c, err = w.act(w.province, c, exemption.ActApprove, "", "")
		w.OK(err)
		if c.Open() {
			t.Fatalf("still %s", c.State)
		}
		w.OK(w.form())
		v, err := w.Exemptions.View(ctx, w.hospital, c.ID)
		w.OK(err)
		if !v.Approved || v.Clause != "JS-4.1.2" || len(v.Timeline) != 3 {
			t.Errorf("%+v", v.Application)
		}
		if _, err := w.Exemptions.View(ctx, w.other, c.ID); !errs.Is(err, errs.NotFound) {
			t.Errorf("another city sees it: %v", err)
		}
	})
}

// A return asks for more and goes through both levels again; a refusal ends it;
// neither lets the hospital lead.
func TestReturnedAndRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		c, err := w.Exemptions.Apply(ctx, w.hospital, w.application(), w.Token())
		w.OK(err)
		c, err = w.act(w.city, c, exemption.ActConsent, "", "")
		w.OK(err)
		reason := firstReason(t, w, exemption.ActReturn)
		if _, err := w.act(w.province, c, exemption.ActReturn, reason, ""); !errs.Is(err, errs.Invalid) {
			t.Fatalf("returned without a word: %v", err)
		}
		c, err = w.act(w.province, c, exemption.ActReturn, reason, "请附三年运行数据")
		w.OK(err)
		if c.State != exemption.StateReturned {
			t.Fatal(c.State)
		}
		if _, err := w.act(w.hospital, c, exemption.ActResubmit, "", " "); !errs.Is(err, errs.Invalid) {
			t.Fatalf("nothing was added: %v", err)
		}
		stale := c
		c, err = w.act(w.hospital, c, exemption.ActResubmit, "", "附 2023—2025 年运行报表")
		w.OK(err)
		if _, err := w.act(w.hospital, stale, exemption.ActWithdraw, "", "不办了"); !errs.Is(err, errs.Conflict) {
			t.Fatalf("a stale page: %v", err)
		}
		if c.State != exemption.StateCity || c.To.OrgName != "南京市卫生健康委员会" {
			t.Fatalf("%s at %s: both levels decide again", c.State, c.To.OrgName)
		}
		v, err := w.Exemptions.View(ctx, w.city, c.ID)
		w.OK(err)
		if !strings.Contains(v.Evidence, "补充：附 2023—2025 年运行报表") {
			t.Errorf("evidence: %s", v.Evidence)
		}
		c, err = w.act(w.city, c, exemption.ActRefuse, firstReason(t, w, exemption.ActRefuse), "与市规划不符")
		w.OK(err)
		if c.Open() || w.form() == nil {
			t.Errorf("refused, and it leads: %s", c.State)
		}
	})
}

// A place whose documents ask for no approval refuses the application.
func TestNoExceptionWhereNoDocumentAsks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		x := exemption.Application{Kind: exemption.Branch, Org: w.Office.Org, Region: "4311", Since: "2026-03-02", Purpose: "设分院", Evidence: "省里批复同意设立分院"}
		if _, err := w.Exemptions.Apply(ctx, w.Office, x, w.Token()); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "没有文件要求") {
			t.Errorf("%v", err)
		}
		branch := w.application()
		branch.Kind, branch.Region = exemption.Branch, "3205" // another city's commission decides
		c, err := w.Exemptions.Apply(ctx, w.hospital, branch, w.Token())
		w.OK(err)
		if c.To.OrgName != "苏州市卫生健康委员会" {
			t.Errorf("a branch in 苏州 lies with %s", c.To.OrgName)
		}
	})
}

func firstReason(t *testing.T, w *world, action string) string {
	t.Helper()
	a, err := w.Book.Resolve("exemption.reason."+action, placeOfJiangsu, "2026-03-02")
	w.OK(err)
	codes, err := a.Codes()
	w.OK(err)
	return codes[0].Code
}
