// Package people invents residents of Lingling for the demo, for tests and for
// measurements: names by the frequency of surnames, ages by the bands of the 7th
// census, households with parents who answer for their children. Nobody in it
// exists; the same seed and day give the same persons.
package people

import (
	"fmt"
	"iter"
	"math/rand/v2"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/idcard"
	"yilian/internal/patient"
)

// Person is one invented resident.
type Person struct {
	Index          int // 0, 1, 2 … in the order of generation
	Household      int
	Name           string
	Sex            string // GB/T 2261.1
	Birth          calendar.Date
	IDNumber       string // "" for some newborns
	Phone          string // "" for children and some of the old
	Address        string
	Region         string // village code
	Ethnic         string
	InsuranceKind  string
	InsurancePlace string
	Kin            []Kin
}

// Kin says what another person is to this one.
type Kin struct {
	Kind     string // GB/T 4761
	Index    int    // of the other person, always a smaller one
	Name     string
	Phone    string
	Guardian bool
}

// Place is a county with where its residents live.
type Place struct {
	County string
	Homes  []Home
}

// Home is a village, or a town where villages are not known.
type Home struct {
	Code  string
	Urban bool
}

// block is how many persons are drawn together: enough to find husbands, wives
// and parents of fitting age among them.
const block = 400

// Generate yields n persons of Lingling as of today.
func Generate(seed uint64, n int, today calendar.Date) iter.Seq[Person] {
	return GenerateAt(lingling(), seed, n, today)
}

// GenerateAt yields n persons of a county as of today.
func GenerateAt(at Place, seed uint64, n int, today calendar.Date) iter.Seq[Person] {
	return func(yield func(Person) bool) {
		g := newMaker(at, seed, today)
		for start := 0; start < n; start += block {
			for _, p := range g.block(start, min(block, n-start)) {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// Entries turns persons into entries for patient.Import. org names the
// institution that a resident of a village is registered with; nil for none.
func Entries(persons iter.Seq[Person], org func(village string) string) iter.Seq[patient.Entry] {
	return func(yield func(patient.Entry) bool) {
		ids := map[int]string{}
		for p := range persons {
			if p.Index%block == 0 {
				clear(ids) // kin never reach over a block
			}
			ids[p.Index] = db.NewID()
			e := patient.Entry{
				ID: ids[p.Index], Name: p.Name, Sex: p.Sex, BirthDate: p.Birth, IDNumber: p.IDNumber, Phone: p.Phone,
				Address: p.Address, Region: p.Region, Ethnic: p.Ethnic, InsuranceKind: p.InsuranceKind, InsurancePlace: p.InsurancePlace,
			}
			if p.IDNumber != "" {
				e.IDType = patient.IDCard
			}
			if org != nil {
				e.Org = org(p.Region)
			}
			for _, k := range p.Kin {
				e.Relations = append(e.Relations, patient.EntryRelation{From: p.Birth, NewRelation: patient.NewRelation{
					Kind: k.Kind, OtherID: ids[k.Index], Name: k.Name, Phone: k.Phone, Guardian: k.Guardian, Household: true}})
			}
			if !yield(e) {
				return
			}
		}
	}
}

// maker holds what one generation draws from.
type maker struct {
	county   string
	rng      *rand.Rand
	today    calendar.Date
	surnames *wheel[string]
	bands    *wheel[band]
	villages *wheel[Home]
	given    map[string][]string // by sex
	serial   map[string]int      // last identity sequence by birth date and sex
	house    int
}

func newMaker(at Place, seed uint64, today calendar.Date) *maker {
	return &maker{
		county: at.County, rng: rand.New(rand.NewPCG(seed, 431102)), today: today,
		surnames: surnameWheel(), bands: bandWheel(), villages: villageWheel(at.Homes), given: givenNames(), serial: map[string]int{},
	}
}

// member is a person while the households of a block are put together.
type member struct {
	age      int
	sex      string
	birth    calendar.Date
	spouse   *member
	children []*member
	placed   bool
}

func (g *maker) block(start, n int) []Person {
	members := make([]*member, n)
	for i := range members {
		b := g.bands.spin(g.rng)
		m := &member{sex: b.sex, age: b.from + g.rng.IntN(b.to-b.from+1)}
		m.birth = g.today.AddDays(-g.rng.IntN(365)).AddDays(-m.age * 365).AddDays(-m.age / 4)
		m.birth = min(m.birth, g.today)
		m.age = patient.AgeOn(m.birth, g.today)
		members[i] = m
	}
	marry(g.rng, members)
	adopt(g.rng, members)
	var out []Person
	for _, m := range members {
		if !m.placed && (m.age >= 18 || orphan(members, m)) {
			out = g.household(out, start, m)
		}
	}
	return out
}

// marry pairs most women with a man of fitting age.
func marry(rng *rand.Rand, members []*member) {
	for _, w := range members {
		if w.sex != idcard.Female || w.age < 22 || rng.IntN(100) >= 85 {
			continue
		}
		for _, m := range members {
			if d := m.age - w.age; m.sex == idcard.Male && m.spouse == nil && m.age >= 22 && d >= -2 && d <= 8 {
				w.spouse, m.spouse = m, w
				break
			}
		}
	}
}

// adopt gives each child a mother of fitting age.
func adopt(rng *rand.Rand, members []*member) {
	for _, c := range members {
		if c.age >= 18 {
			continue
		}
		for try := range 400 {
			w := members[rng.IntN(len(members))]
			d := w.age - c.age
			usual := w.sex == idcard.Female && d >= 20 && d <= 40 && len(w.children) < 3
			if usual || try > 200 && d >= 18 && w.age >= 20 { // small blocks have no choice
				w.children = append(w.children, c)
				break
			}
		}
	}
}

func orphan(members []*member, c *member) bool {
	for _, m := range members {
		for _, child := range m.children {
			if child == c {
				return false
			}
		}
	}
	return true
}

// household writes out a couple or a single with their children, parents first.
func (g *maker) household(out []Person, start int, m *member) []Person {
	g.house++
	v := g.villages.spin(g.rng)
	address := fmt.Sprintf("%d组%d号", 1+g.rng.IntN(15), 1+g.rng.IntN(80)) // within the village, which is the region
	add := func(m *member, surname string) *Person {
		m.placed = true
		p := g.person(m, surname, v, start+len(out))
		p.Household, p.Address = g.house, address
		out = append(out, p)
		return &out[len(out)-1]
	}
	first := *add(m, g.surnames.spin(g.rng))
	family := []Person{first}
	if m.spouse != nil && !m.spouse.placed {
		s := add(m.spouse, g.surnames.spin(g.rng))
		s.Kin = append(s.Kin, Kin{Kind: "10", Index: first.Index, Name: first.Name, Phone: first.Phone})
		family = append(family, *s)
	}
	children := m.children
	if m.spouse != nil {
		children = append(children, m.spouse.children...)
	}
	for _, c := range children {
		child := add(c, surnameOf(family))
		for _, parent := range family {
			kind := "52"
			if parent.Sex == idcard.Male {
				kind = "51"
			}
			child.Kin = append(child.Kin, Kin{Kind: kind, Index: parent.Index, Name: parent.Name, Phone: parent.Phone, Guardian: true})
		}
	}
	return out
}

func (g *maker) person(m *member, surname string, v Home, index int) Person {
	p := Person{Index: index, Name: surname + g.givenName(m), Sex: m.sex, Birth: m.birth, Region: v.Code, Ethnic: "01"}
	if g.rng.IntN(1000) < 15 { // minorities: 1.5 % in the census, mostly Yao
		p.Ethnic = "13"
	}
	if m.age > 0 || g.rng.IntN(10) < 7 {
		p.IDNumber = g.idNumber(m)
	}
	if m.age >= 14 && (m.age < 75 || g.rng.IntN(10) < 6) {
		p.Phone = fmt.Sprintf("1%d0000%05d", 3+g.rng.IntN(7), g.rng.IntN(100000))
	}
	p.InsuranceKind, p.InsurancePlace = g.cover(m.age, v.Urban), g.county
	return p
}

// idNumber gives each birth date its own row of sequences, odd for men.
func (g *maker) idNumber(m *member) string {
	key := string(m.birth) + m.sex
	n, ok := g.serial[key]
	if !ok {
		n = g.rng.IntN(500)
	}
	g.serial[key] = n + 1
	sequence := 2 * (n % 500)
	if m.sex == idcard.Male {
		sequence++
	}
	return idcard.Make(g.county, string(m.birth), sequence)
}

func (g *maker) cover(age int, urban bool) string {
	employed := 8
	if urban {
		employed = 32
	}
	switch x := g.rng.IntN(100); {
	case age >= 20 && x < employed:
		return patient.UrbanEmployee
	case x >= 99:
		return patient.SelfPay
	case x >= 95:
		return patient.MedicalAid
	}
	return patient.Resident
}

// surnameOf is the father's, or the mother's when there is no father.
func surnameOf(family []Person) string {
	for _, p := range family {
		if p.Sex == idcard.Male {
			return surnamePart(p.Name)
		}
	}
	return surnamePart(family[0].Name)
}
