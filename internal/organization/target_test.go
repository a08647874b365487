package organization_test

import (
	"slices"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
)

var hospitals = []organization.Kind{organization.CountyHospital, organization.TCMHospital, organization.MaternalHospital}

func TestFindServices(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seeded(t, d)
		fourth, tcm := organizationtest.ByName(t, d, "永州市第四人民医院").ID, organizationtest.ByName(t, d, "零陵区中医院").ID
		for _, c := range []struct {
			name string
			need organization.Need
			want string // service that comes first
			not  string // service that must not be offered
		}{
			{"angina, own lead", organization.Need{Code: "I20.000", Age: 60, Sex: "1", Urgency: "III", Allies: []string{fourth}}, "心血管内科门诊", "急诊医学科急诊x"},
			{"angina, critical: emergency first", organization.Need{Code: "I20.000", Age: 60, Sex: "1", Urgency: "II", Allies: []string{fourth}}, "急诊医学科急诊", "心血管内科门诊"},
			{"no urgency: never emergency", organization.Need{Code: "I20.000", Age: 60, Urgency: "IV", Allies: []string{fourth}}, "心血管内科门诊", "急诊医学科急诊"},
			{"ally before the closer match", organization.Need{Code: "E11.300", Age: 60, Urgency: "IV", Allies: []string{tcm}}, "内分泌肾病科门诊", ""},
			{"children go to paediatrics", organization.Need{Code: "J18.900", Age: 3, Urgency: "IV", Allies: []string{fourth}}, "儿科门诊", "呼吸与危重症医学科门诊"},
			{"men never to gynaecology", organization.Need{Code: "N73.900", Age: 30, Sex: "1", Urgency: "IV"}, "全科门诊", "妇产科门诊"},
			{"inpatient only", organization.Need{Code: "S72.000", Age: 70, Kinds: []organization.ServiceKind{organization.Inpatient}, Allies: []string{tcm}}, "骨伤科住院", "骨伤科门诊"},
			{"specialty with its subspecialties", organization.Need{Specialty: "03", Age: organization.AgeUnknown, OrgKinds: hospitals}, "心血管内科门诊", "全科门诊"},
			{"finest prefix wins", organization.Need{Code: "E11.300", Age: 60, Urgency: "IV", Allies: []string{fourth}}, "眼科门诊", ""},
		} {
			if len(c.need.OrgKinds) == 0 && c.want != "全科门诊" {
				c.need.OrgKinds = hospitals
			}
			found := dbtest.View(t, d, func(tx *db.Tx) ([]organization.Candidate, error) {
				return organization.FindServices(ctx, tx, c.need)
			})
			if len(found) == 0 || found[0].Service.Name != c.want {
				var names []string
				for _, f := range found[:min(4, len(found))] {
					names = append(names, f.Org.Short()+" "+f.Service.Name)
				}
				t.Errorf("%s: first are %v, want %s", c.name, names, c.want)
			}
			if slices.ContainsFunc(found, func(f organization.Candidate) bool { return f.Service.Name == c.not }) {
				t.Errorf("%s: offers %s", c.name, c.not)
			}
		}
	})
}

func TestFindServicesNeverOffersTheAskingInstitution(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seeded(t, d)
		from := organizationtest.ByName(t, d, "珠山镇中心卫生院").ID
		found := dbtest.View(t, d, func(tx *db.Tx) ([]organization.Candidate, error) {
			return organization.FindServices(ctx, tx, organization.Need{Code: "I10.x00", Age: 50, From: from})
		})
		if len(found) == 0 {
			t.Fatal("nothing found")
		}
		for i, c := range found {
			if c.Org.ID == from {
				t.Error("offers itself")
			}
			if i > 0 && found[i-1].Specificity < c.Specificity {
				t.Error("a looser match stands before a closer one")
			}
		}
	})
}
