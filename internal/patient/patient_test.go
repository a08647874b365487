package patient_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/region"
)

var ctx = context.Background()

const (
	village = "431102103002" // 黄田铺镇
	other   = "431102001001" // 朝阳街道
)

func service(t *testing.T, d *db.DB) *patient.Service {
	t.Helper()
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	if err := d.Tx(ctx, func(tx *db.Tx) error { return region.Seed(ctx, tx) }); err != nil {
		t.Fatal(err)
	}
	return &patient.Service{DB: d, Keys: keys, Access: access.New(log), Audit: log}
}

func doctor(org, town string) access.Actor {
	return access.Actor{Account: "acc-" + org, Person: "p-" + org, Name: "赵医生", Role: string(access.TownshipDoctor),
		Org: org, OrgName: "黄田铺镇卫生院", Regions: []string{town, "431102", "4311", "43", "CN"}}
}

var near = doctor("org-near", village[:9])

func form(name, id string) patient.Registration {
	return patient.Registration{Name: name, IDType: patient.IDCard, IDNumber: id, Phone: "13900001234",
		Region: village, InsuranceKind: patient.Resident, InsurancePlace: "431102"}
}

func register(t *testing.T, s *patient.Service, actor access.Actor, f patient.Registration) patient.Patient {
	t.Helper()
	p, err := s.Register(ctx, actor, f)
	if err != nil {
		t.Fatalf("register %s: %v", f.Name, err)
	}
	return p
}

var zhang = idcard.Make("431102", "1965-03-12", 22) // female

func TestRegisterDerivesSexAndBirthAndSealsNumbers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		f := form("张桂兰", strings.ToLower(zhang))
		f.Sex, f.BirthDate = patient.Male, "1999-01-01" // typed wrongly: the card wins
		p := register(t, s, near, f)
		if p.Sex != patient.Female || p.BirthDate != "1965-03-12" || p.Age("2026-03-11") != 60 || p.Age("2026-03-12") != 61 {
			t.Errorf("%+v", p)
		}
		if p.IDMasked != idcard.Mask(zhang) || p.PhoneMasked != "139****1234" {
			t.Errorf("masked %s %s", p.IDMasked, p.PhoneMasked)
		}
		_ = d.View(ctx, func(tx *db.Tx) error {
			n, err := db.Count(ctx, tx, `SELECT count(*) FROM patient WHERE id_sealed LIKE '%1965%' OR phone_sealed LIKE '%1390000%' OR id_index LIKE '%1965%'`)
			if err != nil || n != 0 {
				t.Errorf("numbers lie open: %d %v", n, err)
			}
			leaves, err := audit.Search(ctx, tx, audit.Filter{Patient: p.ID, Action: "patient.register"})
			if err != nil || len(leaves) != 1 {
				t.Errorf("leaves %v %v", leaves, err)
			}
			return nil
		})
		if _, err := s.Open(ctx, near, p.ID, access.Look); err != nil {
			t.Errorf("the registering institution must see its entry: %v", err)
		}
		if _, err := s.Open(ctx, doctor("org-far", other[:9]), p.ID, access.Look); !errs.Is(err, errs.Forbidden) {
			t.Errorf("another institution saw it: %v", err)
		}
	})
}

func TestRegisterNamesEveryWrongField(t *testing.T) {
	today := calendar.DateOf(dbtest.Clock)
	for _, c := range []struct {
		field, want string
		change      func(*patient.Registration)
	}{
		{"name", "请填写姓名", func(f *patient.Registration) { f.Name = " " }},
		{"name", "不应有数字", func(f *patient.Registration) { f.Name = "张3" }},
		{"id_number", "校验码应为", func(f *patient.Registration) { f.IDNumber = zhang[:17] + wrongDigit(zhang[17]) }},
		{"id_number", "02月30日 不存在", func(f *patient.Registration) { f.IDNumber = "431102199902300021" }},
		{"id_number", "晚于今天", func(f *patient.Registration) { f.IDNumber = idcard.Make("431102", "2026-03-03", 1) }},
		{"id_number", "请填写护照号码", func(f *patient.Registration) { f.IDType, f.IDNumber = "03", "" }},
		{"id_type", "请选择证件类型", func(f *patient.Registration) { f.IDType = "" }},
		{"sex", "请选择性别", func(f *patient.Registration) { f.IDType, f.IDNumber, f.BirthDate = "03", "E123456", "1980-01-01" }},
		{"birth_date", "不存在", func(f *patient.Registration) { f.IDType, f.IDNumber, f.Sex, f.BirthDate = "", "", "1", "2021-02-30" }},
		{"birth_date", "晚于今天", func(f *patient.Registration) { f.IDType, f.IDNumber, f.Sex, f.BirthDate = "", "", "1", "2026-03-03" }},
		{"phone", "没有证件的患者必须填写联系电话", func(f *patient.Registration) {
			f.IDType, f.IDNumber, f.Sex, f.BirthDate, f.Phone = "", "", "1", "1980-01-01", ""
		}},
		{"phone", "手机应为1开头", func(f *patient.Registration) { f.Phone = "12345" }},
		{"safe_how", "请写明安全联系人", func(f *patient.Registration) { f.SafePhone = "13800000000" }},
		{"insurance_kind", "请选择医保类型", func(f *patient.Registration) { f.InsuranceKind = "x" }},
		{"ethnic", "GB/T 3304", func(f *patient.Registration) { f.Ethnic = "77" }},
		{"guardian_name", "未满14周岁必须登记监护人", func(f *patient.Registration) { f.IDNumber = idcard.Make("431102", "2020-05-05", 1) }},
		{"guardian_phone", "请填写监护人电话", func(f *patient.Registration) {
			f.IDNumber = idcard.Make("431102", "2020-05-05", 1)
			f.Guardian = patient.NewRelation{Name: "张伟", Kind: "51"}
		}},
	} {
		f := form("张桂兰", zhang)
		c.change(&f)
		_, err := f.Check(today, false)
		var e *errs.Error
		if !errors.As(err, &e) || e.Kind != errs.Invalid {
			t.Errorf("%s: %v", c.want, err)
			continue
		}
		if !slices.ContainsFunc(e.Fields, func(x errs.Field) bool { return x.Name == c.field && strings.Contains(x.Message, c.want) }) {
			t.Errorf("%s …%s…: %+v", c.field, c.want, e.Fields)
		}
	}
	f := form("", "1")
	f.Phone, f.InsuranceKind = "1", ""
	_, err := f.Check(today, false)
	if e, ok := errors.AsType[*errs.Error](err); !ok || len(e.Fields) != 4 {
		t.Errorf("all wrong fields at once: %v", err)
	}
}

func wrongDigit(d byte) string {
	if d == '1' {
		return "2"
	}
	return "1"
}

func TestSameCardIsRefusedWithoutLeaking(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		p := register(t, s, near, form("张桂兰", zhang))
		_, err := s.Register(ctx, doctor("org-far", other[:9]), form("张桂兰", zhang))
		dup, ok := errors.AsType[*patient.Duplicate](err)
		if !errs.Is(err, errs.Conflict) || !ok || dup.ID != p.ID {
			t.Fatalf("%v", err)
		}
		if strings.Contains(err.Error(), "张桂兰") || strings.Contains(err.Error(), zhang) || !strings.Contains(err.Error(), "张*兰") {
			t.Errorf("message: %v", err)
		}
	})
}

func TestPossibleDuplicatesAskForConfirmation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		p := register(t, s, near, form("张桂兰", zhang))
		f := form("张桂兰", "")
		f.IDType, f.Sex, f.BirthDate = "", patient.Female, "1965-03-12"
		_, err := s.Register(ctx, near, f)
		possible, ok := errors.AsType[*patient.Possible](err)
		if !errs.Is(err, errs.Conflict) || !ok || len(possible.Hits) != 1 || possible.Hits[0].ID != p.ID {
			t.Fatalf("%v", err)
		}
		f.Confirmed = true
		register(t, s, near, f)
		twin := form("张桂兰", idcard.Make("431102", "1965-03-12", 24)) // another card: another person
		twin.Confirmed = true                                        // but somebody without a card of that name exists
		register(t, s, near, twin)
	})
}

func TestUpdateRefusesAStaleVersion(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		p := register(t, s, near, form("张桂兰", zhang))
		f := form("张桂芳", "")
		f.Phone = ""
		q, err := s.Update(ctx, near, p.ID, p.Version, f)
		if err != nil || q.Name != "张桂芳" || q.Version != 2 || q.PhoneMasked != "139****1234" || q.IDMasked != idcard.Mask(zhang) || q.BirthDate != "1965-03-12" {
			t.Fatalf("%+v %v", q, err)
		}
		_, err = s.Update(ctx, near, p.ID, p.Version, f)
		if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "黄田铺镇卫生院赵医生于 2026-03-02 09:00") {
			t.Errorf("stale: %v", err)
		}
		if got := names(t, s, near, "zgf"); !slices.Equal(got, []string{"张桂芳"}) {
			t.Errorf("new spelling: %v", got)
		}
		if got := names(t, s, near, "zgl"); len(got) != 0 {
			t.Errorf("old spelling still finds: %v", got)
		}
		second := register(t, s, near, form("李四", idcard.Make("431102", "1970-01-01", 1)))
		g := form("李四", zhang)
		if _, err := s.Update(ctx, near, second.ID, 1, g); !errs.Is(err, errs.Conflict) {
			t.Errorf("took another's card: %v", err)
		}
		if _, err := s.Update(ctx, doctor("org-far", other[:9]), p.ID, 2, f); !errs.Is(err, errs.Forbidden) {
			t.Errorf("without a relation: %v", err)
		}
	})
}

func TestRevealNeedsRelationAndLeavesALeaf(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		p := register(t, s, near, form("张桂兰", zhang))
		secret, err := s.Reveal(ctx, near, p.ID)
		if err != nil || secret.IDNumber != zhang || secret.Phone != "13900001234" {
			t.Fatalf("%+v %v", secret, err)
		}
		if _, err := s.Reveal(ctx, doctor("org-far", other[:9]), p.ID); !errs.Is(err, errs.Forbidden) {
			t.Errorf("without a relation: %v", err)
		}
		clerk := near
		clerk.Role = string(access.BureauCounty)
		if _, err := s.Reveal(ctx, clerk, p.ID); !errs.Is(err, errs.Forbidden) {
			t.Errorf("without the right: %v", err)
		}
		_ = d.View(ctx, func(tx *db.Tx) error {
			leaves, err := audit.Search(ctx, tx, audit.Filter{Patient: p.ID, Action: "patient.reveal"})
			if err != nil || len(leaves) != 1 || strings.Contains(leaves[0].Detail, zhang) || !strings.Contains(leaves[0].Detail, access.Reveal.Title()) {
				t.Errorf("leaves %+v %v", leaves, err)
			}
			return nil
		})
	})
}

func TestGuardianOfAChild(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		mother := register(t, s, near, form("李秀英", idcard.Make("431102", "1992-07-01", 2)))
		f := form("张小宝", idcard.Make("431102", "2020-05-05", 1))
		f.Phone = ""
		f.Guardian = patient.NewRelation{Kind: "52", OtherID: mother.ID, Phone: "13900005678", Household: true}
		child := register(t, s, near, f)
		resident := access.Actor{Account: "a", Name: "李秀英", Role: string(access.Resident), Patient: mother.ID}
		page, err := s.Open(ctx, resident, child.ID, access.Look)
		if err != nil || len(page.Relations) != 1 || page.Relations[0].Name != "李秀英" || page.Relations[0].PhoneMasked != "139****5678" {
			t.Fatalf("guardian looks: %+v %v", page.Relations, err)
		}
		_ = d.View(ctx, func(tx *db.Tx) error {
			c, err := s.Contact(ctx, tx, child.ID)
			if err != nil || c.Phone != "13900005678" || c.Name != "李秀英" {
				t.Errorf("messages for a child go to the guardian: %+v %v", c, err)
			}
			got, err := patient.Sensitive(ctx, tx, child.ID)
			if err != nil || !slices.Equal(got, []patient.Label{patient.Minor}) {
				t.Errorf("%v %v", got, err)
			}
			return nil
		})
		err = s.EndRelation(ctx, near, child.ID, page.Relations[0].ID, "监护权变更")
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "唯一的监护人") {
			t.Errorf("last guardian: %v", err)
		}
		if _, err := s.AddRelation(ctx, near, child.ID, patient.NewRelation{Kind: "51", Name: "张伟", Phone: "13900009999", Guardian: true}); err != nil {
			t.Fatal(err)
		}
		if err := s.EndRelation(ctx, near, child.ID, page.Relations[0].ID, "监护权变更"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(ctx, resident, child.ID, access.Look); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a former guardian still sees: %v", err)
		}
	})
}

func TestSafeContactReceivesTheMessages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		f := form("张桂兰", zhang)
		f.SafePhone, f.SafeHow = "138 0000 1111", "女儿，只说何时到院"
		p := register(t, s, near, f)
		contact := func() (c patient.Contact) {
			_ = d.View(ctx, func(tx *db.Tx) (err error) { c, err = s.Contact(ctx, tx, p.ID); return err })
			return c
		}
		if c := contact(); c.Phone != "13800001111" || !c.Safe {
			t.Errorf("%+v", c)
		}
		f.SafePhone = "-"
		if _, err := s.Update(ctx, near, p.ID, 1, f); err != nil {
			t.Fatal(err)
		}
		if c := contact(); c.Phone != "13900001234" || c.Safe {
			t.Errorf("%+v", c)
		}
		if _, err := s.MarkDeceased(ctx, near, p.ID, "2026-03-03", "证明 1 号"); !errs.Is(err, errs.Invalid) {
			t.Errorf("death tomorrow: %v", err)
		}
		if _, err := s.MarkDeceased(ctx, near, p.ID, "2026-03-01", "死亡医学证明 1 号"); err != nil {
			t.Fatal(err)
		}
		if c := contact(); c.Phone != "" {
			t.Errorf("the dead get no messages: %+v", c)
		}
	})
}

func TestLabelsAreForDirectCareOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		p := register(t, s, near, form("张桂兰", zhang))
		if err := s.SetLabel(ctx, near, p.ID, patient.Tuberculosis, "确诊"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("registration is no direct care: %v", err)
		}
		if err := d.Tx(ctx, func(tx *db.Tx) error {
			return access.Relate(ctx, tx, access.CareRelation{Patient: p.ID, Org: near.Org, Basis: access.BasisContract, Reference: "c1"})
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.SetLabel(ctx, near, p.ID, patient.Tuberculosis, ""); !errs.Is(err, errs.Invalid) {
			t.Errorf("no reason: %v", err)
		}
		if err := s.SetLabel(ctx, near, p.ID, patient.Tuberculosis, "确诊"); err != nil {
			t.Fatal(err)
		}
		if err := s.SetLabel(ctx, near, p.ID, patient.Tuberculosis, "确诊"); !errs.Is(err, errs.Conflict) {
			t.Errorf("twice: %v", err)
		}
		page, err := s.Open(ctx, near, p.ID, access.Treat)
		if err != nil || len(page.Labels) != 1 || page.Labels[0].Label != patient.Tuberculosis {
			t.Fatalf("%+v %v", page.Labels, err)
		}
		clerk := near
		clerk.Role = string(access.Registration)
		page, err = s.Open(ctx, clerk, p.ID, access.Look)
		if err != nil || len(page.Labels) != 0 {
			t.Errorf("a desk sees labels: %+v %v", page.Labels, err)
		}
		if err := s.VoidLabel(ctx, near, p.ID, patient.Tuberculosis, "误标"); err != nil {
			t.Fatal(err)
		}
		if err := s.SetLabel(ctx, near, p.ID, patient.Tuberculosis, "再次确诊"); err != nil {
			t.Errorf("again after voiding: %v", err)
		}
	})
}

func names(t *testing.T, s *patient.Service, actor access.Actor, text string) []string {
	t.Helper()
	found, err := s.Search(ctx, actor, text)
	if err != nil {
		t.Fatalf("search %q: %v", text, err)
	}
	var out []string
	for _, h := range found.Hits {
		out = append(out, h.Name)
	}
	return out
}

func TestRotationKeepsEverythingFindable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		f := form("张桂兰", zhang)
		f.Guardian = patient.NewRelation{Kind: "20", Name: "张伟", Phone: "13900007777"}
		p := register(t, s, near, f)
		if err := s.Keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Register(ctx, near, form("张桂兰", zhang)); !errs.Is(err, errs.Conflict) {
			t.Errorf("the same card after a rotation: %v", err)
		}
		for range 2 { // before and after sealing again
			for _, text := range []string{zhang, zhang[14:], "13900001234", "1234"} {
				if got := names(t, s, near, text); !slices.Equal(got, []string{"张桂兰"}) {
					t.Errorf("%s: %v", text, got)
				}
			}
			if secret, err := s.Reveal(ctx, near, p.ID); err != nil || secret.IDNumber != zhang {
				t.Errorf("%+v %v", secret, err)
			}
			if _, _, err := s.Reseal(ctx, "", 100); err != nil {
				t.Fatal(err)
			}
		}
		if next, changed, err := s.Reseal(ctx, "", 100); err != nil || next != "" || changed != 0 {
			t.Errorf("a second pass changes nothing: %q %d %v", next, changed, err)
		}
		page, err := s.Open(ctx, near, p.ID, access.Look)
		if err != nil || page.Version != 1 || page.Relations[0].PhoneMasked != "139****7777" {
			t.Errorf("%+v %v", page, err)
		}
	})
}

func TestMasks(t *testing.T) {
	for in, want := range map[string]string{"": "", "13812345678": "138****5678", "110": "***", "6223501": "*******", "0746-6212345": "074*****2345"} {
		if got := patient.MaskPhone(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"": "", "张": "张*", "张三": "张*", "张桂兰": "张*兰"} {
		if got := patient.MaskName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
