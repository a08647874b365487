package match_test

import (
	"testing"

	"pgregory.net/rapid"

	"yilian/internal/idcard"
	"yilian/internal/patient/match"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int8
	}{
		{"张桂兰", "张桂兰", match.NameSameRare},
		{"阿依·古丽", "阿依古丽", match.NameSameRare},
		{"张桂兰", "章桂兰", match.NameSound},
		{"张桂兰", "ZHANG GUILAN", match.NameSound},
		{"张桂兰", "Guilan Zhang", match.NameSound},
		{"单小红", "SHAN XIAOHONG", match.NameSound}, // read Shan as a surname
		{"张桂兰", "张桂南", match.NameNear},            // n and l
		{"张晓兰", "张小蓝", match.NameSound},
		{"周志明", "邹志明", match.NameNear}, // zh and z
		{"黄建国", "方建国", match.NameNear}, // h and f
		{"陈丽萍", "陈丽频", match.NameNear}, // in and ing
		{"张桂兰", "张兰桂", match.NameNear}, // transposed
		{"张桂兰", "张兰", match.NameNear},  // one missing
		{"张桂兰", "张桂英", match.NameShared},
		{"张桂兰", "张秀英", match.NameSurname},
		{"张桂兰", "王大力", match.NameOther},
		{"张桂兰", "", match.Missing},
	} {
		a, b := match.Prepare(match.Person{Name: c.a}), match.Prepare(match.Person{Name: c.b})
		if got := match.Compare(a, b)[match.FieldName]; got != c.want {
			t.Errorf("%s and %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestOtherFields(t *testing.T) {
	valid := idcard.Make("431102", "1965-03-12", 22)
	for _, c := range []struct {
		field int
		a, b  match.Person
		want  int8
	}{
		{match.FieldBirth, match.Person{Birth: "1965-03-12"}, match.Person{Birth: "1965-12-03"}, match.BirthTypo},
		{match.FieldBirth, match.Person{Birth: "1965-03-12"}, match.Person{Birth: "1956-03-12"}, match.BirthTypo},
		{match.FieldBirth, match.Person{Birth: "1965-03-12"}, match.Person{Birth: "1965"}, match.BirthYear},
		{match.FieldBirth, match.Person{Birth: "1965-03-12"}, match.Person{Birth: "1988-07-01"}, match.BirthDiffers},
		{match.FieldID, match.Person{ID: valid}, match.Person{ID: valid[:9] + "8" + valid[10:]}, match.IDTypo},
		{match.FieldID, match.Person{ID: valid}, match.Person{ID: idcard.Make("431102", "1965-03-12", 24)}, match.IDDiffers},
		{match.FieldPhone, match.Person{Phone: "13900001234"}, match.Person{Phone: "13900001243"}, match.PhoneTypo},
		{match.FieldPhone, match.Person{Phone: "13900001234"}, match.Person{Phone: "15800009999"}, match.PhoneDiffers},
		{match.FieldPlace, match.Person{Region: "431102103002", Address: "第3组 12号"}, match.Person{Region: "431102103002", Address: "3组12号"}, match.PlaceSame},
		{match.FieldPlace, match.Person{Region: "431102103002"}, match.Person{Region: "431102103004"}, match.PlaceTown},
		{match.FieldSex, match.Person{Sex: "1"}, match.Person{Sex: "2"}, match.SexDiffers},
		{match.FieldSex, match.Person{Sex: "0"}, match.Person{Sex: "2"}, match.Missing},
	} {
		if got := match.Compare(match.Prepare(c.a), match.Prepare(c.b))[c.field]; got != c.want {
			t.Errorf("%+v and %+v: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestComparisonIsSymmetricAndWeighsWhatIsMissingAsNothing(t *testing.T) {
	w, err := match.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	person := rapid.Custom(func(t *rapid.T) match.Person {
		text := rapid.StringMatching(`[张王李赵]?[桂兰英国建华A-Z]{0,3}`)
		return match.Person{Name: text.Draw(t, "name"), Sex: rapid.SampledFrom([]string{"", "0", "1", "2"}).Draw(t, "sex"),
			Birth: rapid.SampledFrom([]string{"", "1965", "1965-03-12", "1965-12-03", "x"}).Draw(t, "birth"),
			ID:    rapid.StringMatching(`[0-9X]{0,18}`).Draw(t, "id"), Phone: rapid.StringMatching(`1[0-9]{10}|`).Draw(t, "phone"),
			Region: rapid.SampledFrom([]string{"", "431102103002", "4311"}).Draw(t, "region"), Address: rapid.String().Draw(t, "address")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := match.Prepare(person.Draw(t, "a")), match.Prepare(person.Draw(t, "b"))
		p, q := match.Compare(a, b), match.Compare(b, a)
		if p != q {
			t.Fatalf("%v and %v", p, q)
		}
		weight, sum := w.Model.Weigh(p), 0.0
		for i, part := range weight.Parts {
			if p[i] == match.Missing && part.Bits != 0 {
				t.Fatalf("%s is missing and weighs %.2f", part.Field, part.Bits)
			}
			sum += part.Bits
		}
	})
}

func TestTwinsAreNeverLinkedWithoutAHuman(t *testing.T) {
	w, err := match.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	twin := match.Person{Name: "张桂兰", Sex: "2", Birth: "1965-03-12", Phone: "13900001234", Region: "431102103002", Address: "3组12号"}
	other := twin
	other.Name = "张桂英"
	o, _ := match.Decide(w, match.Prepare(other), []match.Prepared{match.Prepare(twin)}, func(i, j int) bool { return i == j })
	if o == match.Link || o == match.Certain {
		t.Errorf("%s", o)
	}
}

// An address of nothing but signs says no more than none.
func TestAnAddressOfSignsIsNone(t *testing.T) {
	at := func(address string) match.Prepared {
		return match.Prepare(match.Person{Name: "张桂兰", Region: "431102103002", Address: address})
	}
	none := match.Compare(at(""), at(""))
	for _, address := range []string{",", "，附近", "第"} {
		if got := match.Compare(at(address), at("")); got != none {
			t.Errorf("%q: %v, an empty address %v", address, got, none)
		}
		if got := match.Compare(at(address), at(address)); got != none {
			t.Errorf("%q twice: %v", address, got)
		}
	}
}
