package simulate

import (
	"context"
	"iter"
	"slices"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/patient"
	"yilian/internal/people"
)

// folk are the residents, by the centre that keeps them.
type folk struct {
	byCentre map[string][]patient.Entry // centre name → residents
	busy     map[string]bool            // resident+ICD category under way
}

// settle invents the residents, registers them with the centre of their town,
// and gives one of them an account.
func (s *simulation) settle(ctx context.Context) (*folk, error) {
	f := &folk{byCentre: map[string][]patient.Entry{}, busy: map[string]bool{}}
	centreOf := s.centresByTown()
	org := func(village string) string {
		return s.staff.orgs[centreOf[village[:9]]].ID
	}
	persons := people.Generate(seed, Residents, calendar.DateOf(s.now))
	if s.scene.cast != nil {
		at, err := s.homes(ctx)
		if err != nil {
			return nil, err
		}
		persons = people.GenerateAt(at, seed, Residents, calendar.DateOf(s.now))
	}
	kept := func(yield func(patient.Entry) bool) {
		for e := range people.Entries(persons, org) {
			centre := centreOf[e.Region[:9]]
			f.byCentre[centre] = append(f.byCentre[centre], e)
			if !yield(e) {
				return
			}
		}
	}
	if _, err := s.app.Patients.Import(ctx, audit.Program("演示数据"), iter.Seq[patient.Entry](kept)); err != nil {
		return nil, err
	}
	return f, s.personalAccounts(ctx, f)
}

// centresByTown maps a town's code to the centre that serves it.
func (s *simulation) centresByTown() map[string]string {
	out := map[string]string{}
	for _, name := range s.staff.centres() {
		out[s.staff.orgs[name].Region] = name
	}
	return out
}

// personalAccounts gives the village doctor and one resident their sign-ins.
func (s *simulation) personalAccounts(ctx context.Context, f *folk) error {
	clinic := s.busiestClinic(f)
	if err := s.visit(ctx, s.staff.orgs[clinic], f.byCentre[shuikou]); err != nil {
		return err
	}
	if _, err := s.employ(ctx, s.staff, access.VillageDoctor, clinic, "", "cunyi"); err != nil {
		return err
	}
	who := f.adult(f.byCentre[shuikou], calendar.DateOf(s.now))
	_, err := s.app.Accounts.SeedHashed(ctx, account.NewAccount{
		Login: "jumin", Name: who.Name, Patient: who.ID,
		Posts: []account.NewPost{{Role: access.Resident, From: calendar.DateOf(s.now.AddDate(-1, 0, 0))}},
	}, s.staff.hash, false)
	return err
}

// busiestClinic is the village clinic of 水口山 with the most residents.
func (s *simulation) busiestClinic(f *folk) string {
	best, most := "", -1
	for _, name := range s.staff.clinics(shuikou) {
		n := 0
		for _, e := range f.byCentre[shuikou] {
			if e.Region == s.staff.orgs[name].Region {
				n++
			}
		}
		if n > most {
			best, most = name, n
		}
	}
	return best
}

func (f *folk) adult(list []patient.Entry, today calendar.Date) patient.Entry {
	i := slices.IndexFunc(list, func(e patient.Entry) bool {
		age := patient.AgeOn(e.BirthDate, today)
		return age > 50 && age < 70 && e.Phone != ""
	})
	return list[max(i, 0)]
}

// find returns a resident of the centre whom a vignette fits and who is not
// already on his way with the same trouble.
func (f *folk) find(r *rng, centre string, v vignette, on calendar.Date) (patient.Entry, bool) {
	list := f.byCentre[centre]
	for range 400 {
		e := pick(r, list)
		age := patient.AgeOn(e.BirthDate, on)
		key := e.ID + v.code[:3]
		fits := !e.BirthDate.After(on) && age >= v.minAge && age <= v.maxAge && (v.sex == "" || v.sex == e.Sex)
		if fits && !f.busy[key] && e.IDNumber != "" {
			f.busy[key] = true
			return e, true
		}
	}
	return patient.Entry{}, false
}

// guardian returns who answers for a child.
func guardian(e patient.Entry) (name, relation string, ok bool) {
	for _, k := range e.Relations {
		if k.Guardian {
			return k.Name, k.Kind, true
		}
	}
	return "", "", false
}
