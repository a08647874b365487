package match

import (
	"strings"

	"yilian/internal/idcard"
)

// Person is what is compared of a person; empty fields are not stated.
type Person struct {
	Name    string
	Sex     string // GB/T 2261.1
	Birth   string // 1965-03-12, or 1965 when only the year is known
	ID      string // identity card number as written, also with a typing error
	Phone   string
	Address string  // within the village
	Region  string  // village code
	Bearers Bearers // of the name
}

// The fields, in the order of a pattern.
const (
	FieldName = iota
	FieldSex
	FieldBirth
	FieldID
	FieldPhone
	FieldPlace
)

// Levels that others need by name.
const (
	SexDiffers   int8 = 1
	BirthSame    int8 = 0
	BirthTypo    int8 = 1 // a digit wrong, two transposed, day and month exchanged
	BirthYear    int8 = 2 // the year only
	BirthDiffers int8 = 3
	IDSame       int8 = 0
	IDTypo       int8 = 1 // one error, and one of the two cannot be right
	IDTypos      int8 = 2 // two errors
	IDDiffers    int8 = 3
	PhoneSame    int8 = 0
	PhoneTypo    int8 = 1
	PhoneDiffers int8 = 2
	PlaceSame    int8 = 0 // the same address
	PlaceVillage int8 = 1
	PlaceTown    int8 = 2
	PlaceDiffers int8 = 3
)

// Fields are the fields of Person as the model sees them.
func Fields() []Field {
	return []Field{{"name", int(nameLevels)}, {"sex", 2}, {"birth", 4}, {"id", 4}, {"phone", 3}, {"place", 4}}
}

// Prepared is a person made ready for many comparisons.
type Prepared struct {
	Person
	name  Name
	valid bool // the identity number passes its check digit
}

// Prepare makes a person ready.
func Prepare(p Person) Prepared {
	out := Prepared{Person: p}
	if Unnamed(p.Name) {
		out.Name = ""
	}
	out.name = ParseName(out.Name)
	out.ID = idcard.Normalize(p.ID)
	if id, err := idcard.Parse(out.ID); err == nil {
		out.ID, out.valid = id.Number, true
	}
	return out
}

// Apart reports whether two valid, different identity cards say that these are
// two persons. No weight of the other fields outdoes it: the check digit finds
// every single wrong digit and every transposition of neighbours.
func Apart(a, b Prepared) bool { return a.valid && b.valid && a.ID != b.ID }

// Compare returns the pattern of two persons.
func Compare(a, b Prepared) Pattern {
	var p Pattern
	p[FieldName] = compareNames(a.name, b.name, max(a.Bearers.commonness(), b.Bearers.commonness()))
	p[FieldSex] = compareSex(a.Sex, b.Sex)
	p[FieldBirth] = compareBirth(a.Birth, b.Birth)
	p[FieldID] = compareID(a, b)
	p[FieldPhone] = comparePhone(a.Phone, b.Phone)
	p[FieldPlace] = comparePlace(a.Person, b.Person)
	return p
}

func compareSex(a, b string) int8 {
	stated := func(s string) bool { return s == idcard.Male || s == idcard.Female }
	switch {
	case !stated(a) || !stated(b):
		return Missing
	case a == b:
		return 0
	}
	return SexDiffers
}

func compareBirth(a, b string) int8 {
	switch {
	case len(a) < 4 || len(b) < 4:
		return Missing
	case len(a) == 4 || len(b) == 4: // a year, often estimated
		if a[:4] == b[:4] {
			return BirthYear
		}
		return BirthDiffers
	case a == b:
		return BirthSame
	}
	x, y := strings.ReplaceAll(a, "-", ""), strings.ReplaceAll(b, "-", "")
	if len(x) != 8 || len(y) != 8 {
		return Missing
	}
	exchanged := x[:4] == y[:4] && x[4:6] == y[6:] && x[6:] == y[4:6]
	switch {
	case Edits(x, y, 1) == 1 || exchanged:
		return BirthTypo
	case x[:4] == y[:4] || x[4:] == y[4:]:
		return BirthYear
	}
	return BirthDiffers
}

func compareID(a, b Prepared) int8 {
	switch {
	case a.ID == "" || b.ID == "":
		return Missing
	case a.ID == b.ID:
		return IDSame
	case Apart(a, b):
		return IDDiffers
	}
	switch Edits(a.ID, b.ID, 2) {
	case 1:
		return IDTypo
	case 2:
		return IDTypos
	}
	return IDDiffers
}

func comparePhone(a, b string) int8 {
	switch {
	case a == "" || b == "":
		return Missing
	case a == b:
		return PhoneSame
	case Edits(a, b, 1) == 1:
		return PhoneTypo
	}
	return PhoneDiffers
}

func comparePlace(a, b Person) int8 {
	switch {
	case len(a.Region) < 9 || len(b.Region) < 9:
		return Missing
	case a.Region[:9] != b.Region[:9]:
		return PlaceDiffers
	case a.Region != b.Region || len(a.Region) < 12:
		return PlaceTown
	}
	if at := plainAddress(a.Address); at != "" && at == plainAddress(b.Address) {
		return PlaceSame
	}
	return PlaceVillage
}

// plainAddress leaves out signs and the words that people add or not.
func plainAddress(s string) string {
	s = idcard.Normalize(s)
	return strings.NewReplacer("第", "", "村民小组", "组", "小组", "组", "门牌", "", "，", "", ",", "", "附近", "").Replace(s)
}

// Classes of pairs. Two persons come together for one reason each: those who
// share a day of birth seldom share a name, and namesakes seldom the day. As one
// class of strangers, in which either is frequent, both together would seem
// frequent too.
const (
	Same      = "same"
	Household = "household"
	Stranger  = "stranger"
	Birthmate = "birthmate"
	Namesake  = "namesake"
)

// NewModel returns the model of Person before it has learnt.
func NewModel() *Model {
	return Start(Fields(), []string{Same, Household, Stranger, Birthmate, Namesake}, map[string]map[string]float64{
		Same:      {"": 0.2, "name": 0.5},
		Household: {"": 1, "name": 2, "birth": 3, "id": 4, "phone": 0.3, "place": 0.3},
		Stranger:  {"": 2, "sex": 1, "name": 2, "birth": 2, "place": 2},
		Birthmate: {"": 2, "sex": 1, "name": 3, "birth": 0.01, "place": 2},
		Namesake:  {"": 2, "sex": 1, "name": 0.7, "birth": 3, "place": 1},
	})
}
