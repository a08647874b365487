package organization_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
)

var ctx = context.Background()

func seeded(t *testing.T, d *db.DB) *organization.Service {
	t.Helper()
	organizationtest.Seed(t, d)
	return &organization.Service{DB: d, Log: audit.New(d, crypto.Ephemeral("sm"))}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var admin = access.Actor{Account: "a", Name: "管理员", Role: string(access.SystemAdmin)}

func head(org string) access.Actor {
	return access.Actor{Account: "h", Name: "院长", Role: string(access.TownshipHead), Org: org}
}

func TestSeedHoldsTheInstitutionsOfLingling(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seeded(t, d)
		seeded(t, d) // again changes nothing
		want := map[organization.Kind]int{
			organization.CountyHospital: 1, organization.TCMHospital: 1, organization.MaternalHospital: 1,
			organization.TownshipCenter: 10, organization.CommunityCenter: 6, organization.VillageClinic: 120,
			organization.Bureau: 3, organization.Insurer: 1,
		}
		for kind, n := range want {
			got := dbtest.View(t, d, func(tx *db.Tx) ([]organization.Organization, error) {
				return organization.List(ctx, tx, organization.Filter{Kind: kind})
			})
			if len(got) != n {
				t.Errorf("%s: %d institutions, want %d", kind.Title(), len(got), n)
			}
		}
		lead := organizationtest.ByName(t, d, "永州市第四人民医院")
		departments := dbtest.View(t, d, func(tx *db.Tx) ([]organization.Department, error) {
			return organization.Departments(ctx, tx, lead.ID)
		})
		if len(departments) != 22 {
			t.Errorf("lead has %d departments", len(departments))
		}
		chain := dbtest.View(t, d, func(tx *db.Tx) ([]string, error) { return organization.Chain(ctx, tx, lead.ID) })
		if want := []string{"431102002", "431102", "4311", "43", "CN"}; !slices.Equal(chain, want) {
			t.Errorf("chain %v, want %v", chain, want)
		}
		clinics := dbtest.View(t, d, func(tx *db.Tx) ([]organization.Organization, error) {
			return organization.List(ctx, tx, organization.Filter{Parent: organizationtest.ByName(t, d, "珠山镇中心卫生院").ID})
		})
		if len(clinics) < 10 || clinics[0].Kind != organization.VillageClinic {
			t.Errorf("珠山 has %d clinics", len(clinics))
		}
		if err := organization.CheckUSCC(lead.Identifier(organization.USCC)); err != nil {
			t.Error(err)
		}
	})
}

func TestListNarrows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seeded(t, d)
		for _, c := range []struct {
			name  string
			f     organization.Filter
			first string
			n     int
		}{
			{"town and everything below", organization.Filter{Region: "431102203"}, "凼底乡卫生院", 6},
			{"text in the name", organization.Filter{Text: "第四人民"}, "永州市第四人民医院", 1},
			{"text in the short name", organization.Filter{Text: "市四医院"}, "永州市第四人民医院", 1},
			{"wildcards are not wild", organization.Filter{Text: "_%_"}, "永州市第四人民医院", 143},
			{"unknown region", organization.Filter{Region: "999"}, "", 0},
		} {
			got := dbtest.View(t, d, func(tx *db.Tx) ([]organization.Organization, error) { return organization.List(ctx, tx, c.f) })
			if len(got) != c.n || (c.n > 0 && got[0].Name != c.first) {
				t.Errorf("%s: %d found, first %v", c.name, len(got), got)
			}
		}
	})
}

func TestUSCC(t *testing.T) {
	for code, says := range map[string]string{
		"91350100M000100Y43": "",
		"91350100M000100Y44": "校验位不符：第 18 位应为 3",
		"91350100M000100Y4":  "应为 18 位，现在是 17 位",
		"91350100I000100Y43": "第 9 位“I”不是允许的字符",
		"统一社会信用代码":           "应为 18 位，现在是 8 位",
	} {
		err := organization.CheckUSCC(code)
		if says == "" && err != nil {
			t.Errorf("%s: %v", code, err)
		}
		if says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, want …%s…", code, err, says)
		}
	}
}

func TestPhone(t *testing.T) {
	for phone, ok := range map[string]bool{
		"": true, "0746-6221234": true, "07466221234": true, "13874612345": true, "120": true, "12320": true, "400-800-1234": true,
		"0746-6221234-801": true, "123": true, "6221234": false, "1387461234": false, "0746-122123": false, "０７４６": false, "abc": false,
	} {
		if err := organization.CheckPhone(phone); (err == nil) != ok {
			t.Errorf("%q: %v", phone, err)
		}
	}
}

func TestParseTreats(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "",
		"I20-I22、I50 i10.x":     "I20 I21 I22 I50 I10.x",
		"j18.9，J18.9":           "J18.9",
		"I25-I20":               "!应在同一字母章内",
		"I20-J10":               "!应在同一字母章内",
		"心脏":                    "!没有以 心脏 开头的编码",
		"X99.9":                 "!没有以 X99.9 开头的编码",
		"C":                     "C",
		"S72 S72.0,S72.1;S72.2": "S72 S72.0 S72.1 S72.2",
	} {
		got, err := organization.ParseTreats(text)
		if msg, bad := strings.CutPrefix(want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), msg) {
				t.Errorf("%q: %v, want …%s…", text, err, msg)
			}
			continue
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v %v, want %s", text, got, err, want)
		}
	}
}

func FuzzParseTreats(f *testing.F) {
	f.Add("I20-I25、I50")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := organization.ParseTreats(text)
		if err != nil && !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
		if again, err := organization.ParseTreats(strings.Join(got, " ")); err != nil || !slices.Equal(got, again) {
			t.Errorf("%q: %v read again is %v %v", text, got, again, err)
		}
	})
}

func TestSaveTellsEveryWrongField(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		_, err := svc.Save(ctx, admin, organization.Organization{
			Name: "永州市第四人民医院", Kind: "x", Level: "五级", Ownership: "", Region: "1", ReferralPhone: "12",
			Parent: "nobody", Identifiers: []organization.Identifier{{System: organization.USCC, Value: "1"}},
		})
		e, ok := errors.AsType[*errs.Error](err)
		if !ok {
			t.Fatalf("%v", err)
		}
		var names []string
		for _, f := range e.Fields {
			names = append(names, f.Name)
		}
		if want := []string{"name", "kind", "level", "ownership", "region", "referral_phone", "parent", "uscc"}; !slices.Equal(names, want) {
			t.Errorf("fields %v, want %v", names, want)
		}
	})
}

func TestStaleEditIsRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		o := organizationtest.ByName(t, d, "凼底乡卫生院")
		first, second := o, o
		first.Address, second.Address = "新址一", "新址二"
		saved, err := svc.Save(ctx, admin, first)
		must(t, err)
		if saved.Version != 2 {
			t.Errorf("version %d", saved.Version)
		}
		if _, err := svc.Save(ctx, admin, second); !errs.Is(err, errs.Conflict) {
			t.Errorf("stale edit: %v", err)
		}
		if got := organizationtest.ByName(t, d, "凼底乡卫生院"); got.Address != "新址一" || got.Identifier(organization.USCC) == "" {
			t.Errorf("after the stale edit: %+v", got)
		}
	})
}

func TestWhoMayEdit(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		own, other := organizationtest.ByName(t, d, "凼底乡卫生院"), organizationtest.ByName(t, d, "珠山镇中心卫生院")
		clinic := dbtest.View(t, d, func(tx *db.Tx) ([]organization.Organization, error) {
			return organization.List(ctx, tx, organization.Filter{Parent: own.ID})
		})[0]
		clinic = organizationtest.ByName(t, d, clinic.Name)
		for _, c := range []struct {
			name  string
			actor access.Actor
			org   organization.Organization
			edit  func(*organization.Organization)
			want  errs.Kind
		}{
			{"head, own phone", head(own.ID), own, func(o *organization.Organization) { o.ReferralPhone = "0746-6639999" }, -1},
			{"head, own clinic", head(own.ID), clinic, func(o *organization.Organization) { o.Address = "村口" }, -1},
			{"head, own name", head(own.ID), own, func(o *organization.Organization) { o.Name, o.Version = "凼底医院", 2 }, errs.Forbidden},
			{"head, another institution", head(own.ID), other, func(o *organization.Organization) { o.Address = "别处" }, errs.Forbidden},
			{"doctor", access.Actor{Role: string(access.TownshipDoctor), Org: other.ID}, other, func(o *organization.Organization) {}, errs.Forbidden},
			{"program", audit.Program("导入"), other, func(o *organization.Organization) { o.Name = "珠山镇卫生院" }, -1},
		} {
			o := c.org
			c.edit(&o)
			_, err := svc.Save(ctx, c.actor, o)
			if (c.want == -1) != (err == nil) || (c.want != -1 && !errs.Is(err, c.want)) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		if _, err := svc.Save(ctx, head(own.ID), organization.Organization{Name: "新机构"}); !errs.Is(err, errs.Forbidden) {
			t.Errorf("head enters an institution: %v", err)
		}
	})
}

func TestDepartmentAndServiceEdits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		own := organizationtest.ByName(t, d, "凼底乡卫生院")
		dep, err := svc.SaveDepartment(ctx, head(own.ID), organization.Department{Org: own.ID, Name: "口腔科", Specialty: "12", DailyCapacity: 3})
		must(t, err)
		if _, err := svc.SaveDepartment(ctx, head(own.ID), organization.Department{Org: own.ID, Name: "口腔科", Specialty: "12"}); !errs.Is(err, errs.Invalid) {
			t.Errorf("second department of the name: %v", err)
		}
		h, err := svc.SaveService(ctx, head(own.ID), organization.HealthcareService{
			Org: own.ID, Department: dep.ID, Name: "口腔门诊", Kind: organization.Clinic, Specialty: "12", Treats: []string{"K02"},
		})
		must(t, err)
		find := func() int {
			return len(dbtest.View(t, d, func(tx *db.Tx) ([]organization.Candidate, error) {
				return organization.FindServices(ctx, tx, organization.Need{Code: "K02.900", Specialty: "12", Age: 30})
			}))
		}
		if find() != 1 {
			t.Error("new service not found")
		}
		other := organizationtest.ByName(t, d, "珠山镇中心卫生院")
		h.Org = other.ID // a service never moves
		if _, err := svc.SaveService(ctx, head(other.ID), h); !errs.Is(err, errs.Forbidden) {
			t.Errorf("head of another institution: %v", err)
		}
		dep.Active = false
		closed, err := svc.SaveDepartment(ctx, admin, dep)
		must(t, err)
		if find() != 0 {
			t.Error("service of a closed department is still offered")
		}
		if _, err := svc.SaveDepartment(ctx, admin, dep); !errs.Is(err, errs.Conflict) {
			t.Errorf("stale department: %v", err)
		}
		if closed.Version != 2 {
			t.Errorf("version %d", closed.Version)
		}
	})
}
