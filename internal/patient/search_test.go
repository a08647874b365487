package patient_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/region"
)

func TestSearchFindsBySeveralWays(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		add := func(name, birth string, serial int, phone, where string) {
			f := form(name, idcard.Make("431102", birth, serial))
			f.Phone, f.Region = phone, where
			register(t, s, near, f)
		}
		add("张桂兰", "1965-03-12", 22, "13900001234", village)
		add("张国梁", "1980-01-01", 1, "13900005555", other)
		add("单丹", "1990-06-01", 2, "13900007777", village)
		add("吕布", "1970-06-01", 3, "13900008888", village)
		add("欧阳娜", "1975-06-01", 4, "13900009999", village)
		passport := form("John Smith", "")
		passport.IDType, passport.IDNumber, passport.Sex, passport.BirthDate = "03", "E1234567", patient.Male, "1985-05-05"
		register(t, s, near, passport)
		for _, c := range []struct {
			text string
			want []string
		}{
			{"张桂", []string{"张桂兰"}},
			{"桂兰", []string{"张桂兰"}},
			{"zgl", []string{"张桂兰", "张国梁"}}, // neighbours first, then by name
			{"ZGL", []string{"张桂兰", "张国梁"}},
			{"zhanggui", []string{"张桂兰"}},
			{"zhang gui lan", []string{"张桂兰"}},
			{"guilan", []string{"张桂兰"}},
			{"张gl", nil},
			{"张zgl", []string{"张桂兰", "张国梁"}},
			{"zgl 1965", []string{"张桂兰"}},
			{"张 1980", []string{"张国梁"}},
			{"zgl 女", []string{"张桂兰"}},
			{"zgl 1234", []string{"张桂兰"}},
			{"shandan", []string{"单丹"}},
			{"dandan", []string{"单丹"}},
			{"lv", []string{"吕布"}},
			{"lubu", []string{"吕布"}},
			{"oyn", []string{"欧阳娜"}},
			{"5555", []string{"张国梁"}},
			{"１３９００００５５５５", []string{"张国梁"}},
			{"139-0000-5555", nil},
			{zhang, []string{"张桂兰"}},
			{strings.ToLower(zhang), []string{"张桂兰"}},
			{zhang[14:], []string{"张桂兰"}},
			{"19650312", []string{"张桂兰"}},
			{"E1234567", []string{"John Smith"}},
			{"john", []string{"John Smith"}},
			{"王五", nil},
		} {
			found, err := s.Search(ctx, near, c.text)
			if c.text == "139-0000-5555" {
				if !errs.Is(err, errs.Invalid) && err != nil {
					t.Errorf("%s: %v", c.text, err)
				}
				continue
			}
			var got []string
			for _, h := range found.Hits {
				got = append(got, h.Name)
			}
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s: %v %v, want %v", c.text, got, err, c.want)
			}
		}
		for _, text := range []string{"", "张", "z", "男", "12", "12345", "431102196503120023"} {
			if _, err := s.Search(ctx, near, text); !errs.Is(err, errs.Invalid) {
				t.Errorf("%q: %v", text, err)
			}
		}
		found, _ := s.Search(ctx, near, "zgl")
		h := found.Hits[0]
		if !h.Near || h.Place != "黄田铺镇"+placeOf(t, d) || strings.Contains(fmt.Sprintf("%+v", found), zhang) {
			t.Errorf("%+v", h)
		}
		bureau := near
		bureau.Role = string(access.BureauCounty)
		if _, err := s.Search(ctx, bureau, "zgl"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("bureau searched persons: %v", err)
		}
	})
}

func placeOf(t *testing.T, d *db.DB) (name string) {
	_ = d.View(ctx, func(tx *db.Tx) error {
		r, err := region.Get(ctx, tx, village)
		name = r.Name
		return err
	})
	return name
}

func TestFrequentNamesStopAndNeighboursComeFirst(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		n, err := s.Import(ctx, audit.Program("test"), func(yield func(patient.Entry) bool) {
			for i := range 300 {
				e := patient.Entry{Name: "王" + string(rune('一'+i)), Sex: patient.Male, BirthDate: "1980-01-01", Region: other,
					IDType: patient.IDCard, IDNumber: idcard.Make("431102", "1980-01-01", 2*i+1), InsuranceKind: patient.Resident}
				if i%50 == 49 {
					e.Region = village
				}
				if !yield(e) {
					return
				}
			}
		})
		if err != nil || n != 300 {
			t.Fatalf("%d %v", n, err)
		}
		found, err := s.Search(ctx, near, "wa")
		if err != nil || len(found.Hits) != 20 || !found.More {
			t.Fatalf("%d %v %v", len(found.Hits), found.More, err)
		}
		for i, h := range found.Hits {
			if h.Near != (i < 6) {
				t.Errorf("place %d: %+v", i, h)
			}
		}
	})
}

func TestImportStoresRelationsAndFindsThem(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := service(t, d)
		mother, child := db.NewID(), db.NewID()
		_, err := s.Import(ctx, audit.Program("test"), slices.Values([]patient.Entry{
			{ID: mother, Name: "李秀英", Sex: "2", BirthDate: "1992-07-01", Region: village, Org: near.Org, InsuranceKind: patient.Resident},
			{ID: child, Name: "张小宝", Sex: "1", BirthDate: "2020-05-05", Region: village, Org: near.Org, InsuranceKind: patient.Resident,
				Relations: []patient.EntryRelation{{From: "2020-05-05", NewRelation: patient.NewRelation{
					Kind: "52", OtherID: mother, Name: "李秀英", Phone: "13900005678", Guardian: true, Household: true}}}},
		}))
		if err != nil {
			t.Fatal(err)
		}
		page, err := s.Open(ctx, near, child, access.Look)
		if err != nil || len(page.Relations) != 1 || !page.Relations[0].Guardian || page.Grant.Basis != access.BasisRegistration {
			t.Errorf("%+v %v", page, err)
		}
	})
}
