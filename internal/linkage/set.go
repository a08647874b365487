// Package linkage measures the master index: on FEBRL 1 and 2, on invented
// residents of Lingling with known truth, and in a database of a million. It
// also learns the weights that the program ships.
package linkage

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/calendar"
	"yilian/internal/idcard"
	"yilian/internal/patient/match"
	"yilian/internal/people"
	"yilian/internal/pinyin"
)

// Set is a register and what is stated beside it, with the truth.
type Set struct {
	Residents []match.Person
	Stated    []Statement
}

// Statement is what some source states, and of whom.
type Statement struct {
	match.Person
	Of int // index of the resident, -1: not registered
}

// twinShare and namesakeShare are how many in a hundred residents get a twin
// and a namesake in the same village: both more often than in life (about 1 in
// 50 births and, for frequent names, 1 in 200), because they are what goes
// wrong.
const (
	twinShare     = 2
	namesakeShare = 2
	freshShare    = 20 // statements of persons who are not registered
)

// NewSet draws n residents and m statements. The same seed and day give the
// same set.
func NewSet(seed uint64, n, m int, today calendar.Date) Set {
	rng := rand.New(rand.NewPCG(seed, 20260101))
	var all []match.Person
	for p := range people.Generate(seed, n*100/(100+twinShare+namesakeShare)*5/4, today) {
		phone := p.Phone
		if phone == "" && len(p.Kin) > 0 {
			phone = p.Kin[0].Phone // a child is reached through a parent
		}
		all = append(all, match.Person{Name: p.Name, Sex: p.Sex, Birth: string(p.Birth), ID: p.IDNumber, Phone: phone,
			Address: p.Address, Region: p.Region})
		switch x := rng.IntN(100); {
		case x < twinShare:
			all = append(all, twin(rng, all[len(all)-1]))
		case x < twinShare+namesakeShare:
			all = append(all, namesake(rng, all[len(all)-1]))
		}
	}
	seen := map[string]bool{}
	for i := range all { // a number drawn twice stays with the first; the other has no paper
		if seen[all[i].ID] {
			all[i].ID = ""
		}
		seen[all[i].ID] = all[i].ID != ""
	}
	s := Set{}
	registered := make([]int, len(all))
	for i, p := range all { // a fifth of the people is not in the register
		registered[i] = -1
		if len(s.Residents) < n && rng.IntN(5) > 0 {
			registered[i] = len(s.Residents)
			s.Residents = append(s.Residents, p)
		}
	}
	w := newWriter(rng, all)
	for len(s.Stated) < m {
		fresh := rng.IntN(100) < freshShare
		i := rng.IntN(len(all))
		for fresh == (registered[i] >= 0) {
			i = rng.IntN(len(all))
		}
		s.Stated = append(s.Stated, Statement{Person: w.state(all[i]), Of: registered[i]})
	}
	return s
}

// twin is a brother or sister of the same day, with the same phone, address and
// surname, and often a character of the given name.
func twin(rng *rand.Rand, p match.Person) match.Person {
	t := p
	surname, given := pinyin.Split(p.Name)
	runes := []rune(given)
	other := []rune("婷磊欣浩雪涛琳凯敏杰")[rng.IntN(10)]
	if len(runes) == 0 {
		runes = []rune{other}
	}
	runes[len(runes)-1] = other
	t.Name = surname + string(runes)
	if rng.IntN(3) == 0 {
		t.Sex = map[string]string{idcard.Male: idcard.Female, idcard.Female: idcard.Male}[p.Sex]
	}
	if p.ID != "" {
		t.ID = reID(p.ID, p.Birth, rng.IntN(500), t.Sex)
	}
	return t
}

// namesake is somebody else of the same name in the same village.
func namesake(rng *rand.Rand, p match.Person) match.Person {
	t := p
	birth := calendar.Date(p.Birth).AddDays(-rng.IntN(9000) - 200)
	t.Birth = string(birth)
	t.Address = strconv.Itoa(1+rng.IntN(15)) + "组" + strconv.Itoa(1+rng.IntN(80)) + "号"
	t.Phone = ""
	if rng.IntN(10) < 8 {
		t.Phone = drawPhone(rng)
	}
	if p.ID != "" {
		t.ID = reID(p.ID, t.Birth, rng.IntN(500), t.Sex)
	}
	return t
}

func reID(id, birth string, n int, sex string) string {
	sequence := 2 * n
	if sex == idcard.Male {
		sequence++
	}
	return idcard.Make(id[:6], birth, sequence%1000)
}

func drawPhone(rng *rand.Rand) string {
	return "1" + strconv.Itoa(3+rng.IntN(7)) + "0000" + strconv.Itoa(100000 + rng.IntN(100000))[1:]
}

// writer states persons as desks do: with errors.
type writer struct {
	rng   *rand.Rand
	sound map[string][]string // characters by syllable
	near  map[string][]string // characters by near-sound
}

func newWriter(rng *rand.Rand, all []match.Person) *writer {
	w := &writer{rng: rng, sound: map[string][]string{}, near: map[string][]string{}}
	seen := map[rune]bool{}
	for _, p := range all {
		for _, r := range p.Name {
			if s := pinyin.Full(string(r)); !seen[r] && s != "" {
				seen[r] = true
				w.sound[s] = append(w.sound[s], string(r))
				n := match.Sound(string(r))
				w.near[n] = append(w.near[n], string(r))
			}
		}
	}
	return w
}

// chance is true n times in a hundred.
func (w *writer) chance(n int) bool { return w.rng.IntN(100) < n }

// state writes down a person. How often what goes wrong is a guess from the
// complaints in the field (no paper at hand, a relative's phone, dialect);
// each share is stated here so that it can be argued with.
func (w *writer) state(p match.Person) match.Person {
	s := p
	s.Name = w.name(p.Name)
	switch x := w.rng.IntN(100); {
	case x < 35:
		s.ID = ""
	case x < 50 && p.ID != "":
		s.ID = w.digits(p.ID, 17)
	}
	switch x := w.rng.IntN(100); {
	case x < 4:
		s.Birth = w.birth(p.Birth)
	case x < 6:
		s.Birth = p.Birth[:4]
	}
	switch x := w.rng.IntN(100); {
	case x < 15:
		s.Phone = ""
	case x < 25:
		s.Phone = drawPhone(w.rng) // a new number, or a relative's
	case x < 30 && p.Phone != "":
		s.Phone = w.digits(p.Phone, 11)
	}
	switch x := w.rng.IntN(100); {
	case x < 15:
		s.Address = ""
	case x < 22:
		s.Address, s.Region = "", ""
	case x < 27:
		s.Address = strconv.Itoa(1+w.rng.IntN(15)) + "组" + strconv.Itoa(1+w.rng.IntN(80)) + "号" // moved within the village
	}
	if w.rng.IntN(200) == 0 {
		s.Sex = map[string]string{idcard.Male: idcard.Female, idcard.Female: idcard.Male}[p.Sex]
	}
	return s
}

func (w *writer) name(name string) string {
	runes := []rune(name)
	at := w.rng.IntN(len(runes))
	switch x := w.rng.IntN(100); {
	case x < 6:
		runes[at] = w.pick(w.sound[pinyin.Full(string(runes[at]))], runes[at])
	case x < 9:
		runes[at] = w.pick(w.near[match.Sound(string(runes[at]))], runes[at])
	case x < 11 && len(runes) > 2:
		runes = slices.Delete(runes, len(runes)-1, len(runes))
	case x < 13 && len(runes) > 2:
		runes[len(runes)-1], runes[len(runes)-2] = runes[len(runes)-2], runes[len(runes)-1]
	case x < 15:
		return strings.ToUpper(pinyin.Spellings(name)[0].Full)
	}
	return string(runes)
}

func (w *writer) pick(list []string, old rune) rune {
	if len(list) == 0 {
		return old
	}
	return []rune(list[w.rng.IntN(len(list))])[0]
}

// digits changes one digit or transposes two neighbours within the first n.
func (w *writer) digits(number string, n int) string {
	b := []byte(number)
	i := w.rng.IntN(n - 1)
	if w.chance(40) && b[i] != b[i+1] {
		b[i], b[i+1] = b[i+1], b[i]
		return string(b)
	}
	b[i] = '0' + (b[i]-'0'+1+byte(w.rng.IntN(9)))%10
	return string(b)
}

func (w *writer) birth(birth string) string {
	y, m, d := birth[:4], birth[5:7], birth[8:]
	if d <= "12" && d != m && w.chance(30) {
		return y + "-" + d + "-" + m
	}
	for range 20 {
		x := w.digits(y+m+d, 8)
		if t := x[:4] + "-" + x[4:6] + "-" + x[6:]; t != birth {
			if _, err := calendar.ParseDate(t); err == nil {
				return t
			}
		}
	}
	return y
}
