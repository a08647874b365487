package schedule

import (
	"cmp"
	"context"
	"slices"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
)

// Need is what a free place is looked for; empty fields do not restrict.
type Need struct {
	Org          string
	Department   string
	Service      string // a session without a service serves every service of its department
	Practitioner string
	Kind         Kind
	From         time.Time // zero: now
	Priority     Priority
	Patient      string // times at which he is expected elsewhere are left out
	N            int    // how many; 0: 10

	except    string // an appointment that does not count against the patient
	displaced bool   // reserved places too
}

// Free is a slot in which the asking patient can have a place.
type Free struct {
	Slot Slot
	Pool Pool // the share the place would come from
	Left int  // places of the slot that are his to take
}

// page is how many slots are read at a time.
const page = 300

// NextFree returns the first free slots that a patient of the priority may
// take, by time.
func (s *Service) NextFree(ctx context.Context, tx *db.Tx, need Need) ([]Free, error) {
	if need.N <= 0 {
		need.N = 10
	}
	from := tx.Now
	if need.From.After(from) {
		from = need.From
	}
	busy, err := busyTimes(ctx, tx, need, from)
	if err != nil {
		return nil, err
	}
	release := map[string]time.Duration{}
	var out []Free
	for after := ""; len(out) < need.N; {
		slots, err := freeSlots(ctx, tx, need, from, after)
		if err != nil {
			return nil, err
		}
		shares, err := sharesFor(ctx, tx, slots)
		if err != nil {
			return nil, err
		}
		for _, slot := range slots {
			if _, ok := release[slot.Org]; !ok {
				t, err := s.terms(ctx, tx, slot.Org)
				if err != nil {
					return nil, err
				}
				release[slot.Org] = t.release
			}
			if slices.ContainsFunc(busy, func(b Slot) bool { return overlap(b, slot) }) {
				continue
			}
			released := need.displaced || !tx.Now.Before(slot.Start.Add(-release[slot.Org]))
			if f, ok := free(slot, shares[dayKey{slot.Schedule, slot.Day}], need.Priority, released); ok {
				if out = append(out, f); len(out) == need.N {
					return out, nil
				}
			}
		}
		if len(slots) < page {
			return out, nil
		}
		last := slots[len(slots)-1]
		from, after = last.Start, last.ID
	}
	return out, nil
}

// free says what a patient can have of a slot.
func free(slot Slot, shares Shares, p Priority, released bool) (Free, bool) {
	pool, ok := shares.choose(p, released)
	if !ok || slot.Free() <= 0 {
		return Free{}, false
	}
	left := 0
	for _, pool := range pools(p, released) {
		left += shares[pool].Left()
	}
	return Free{Slot: slot, Pool: pool, Left: min(left, slot.Free())}, true
}

// busyTimes returns where the patient is expected from an instant on.
func busyTimes(ctx context.Context, tx *db.Tx, need Need, from time.Time) ([]Slot, error) {
	if need.Patient == "" {
		return nil, nil
	}
	return db.List(ctx, tx, readSlot, `SELECT `+slotColumns+appointmentFrom+`
		WHERE a.patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1) AND a.id <> $2 AND a.state IN ('held', 'booked') AND s.ends_at > $3`, need.Patient, need.except, db.At(from))
}

// freeSlots reads slots with a place left, not before from; after is the slot
// at from that was read last.
func freeSlots(ctx context.Context, tx *db.Tx, n Need, from time.Time, after string) ([]Slot, error) {
	return db.List(ctx, tx, readSlot, `SELECT `+slotColumns+` FROM slot s JOIN schedule c ON c.id = s.schedule
		WHERE (s.starts_at > $1 OR (s.starts_at = $1 AND s.id > $2 AND s.starts_at > $9)) AND s.open AND s.taken < s.capacity
		  AND (CAST($3 AS TEXT) = '' OR c.org = $3)
		  AND (CAST($4 AS TEXT) = '' OR c.department = $4)
		  AND (CAST($5 AS TEXT) = '' OR c.service = $5 OR c.service = '')
		  AND (CAST($6 AS TEXT) = '' OR s.practitioner = $6)
		  AND (CAST($7 AS TEXT) = '' OR c.kind = $7)
		ORDER BY s.starts_at, s.id LIMIT $8`,
		db.At(from), after, n.Org, n.Department, n.Service, n.Practitioner, string(n.Kind), page, db.At(tx.Now))
}

// sharesFor reads the shares of the days of the slots.
func sharesFor(ctx context.Context, tx *db.Tx, slots []Slot) (map[dayKey]Shares, error) {
	var ids []string
	var first, last calendar.Date
	for _, s := range slots {
		ids = append(ids, s.Schedule)
		if first == "" || s.Day < first {
			first = s.Day
		}
		last = max(last, s.Day)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	query, args := db.Expand(`SELECT schedule, day, `+shareColumns+` FROM schedule_day WHERE day >= $1 AND day <= $2 AND schedule IN ($list)`,
		[]any{string(first), string(last)}, ids)
	rows, err := db.List(ctx, tx, readDayShares, query, args...)
	out := make(map[dayKey]Shares, len(rows))
	for _, r := range rows {
		out[r.dayKey] = r.shares
	}
	return out, err
}

// SlotsOn returns the slots of an institution's department on a day, closed
// ones too.
func SlotsOn(ctx context.Context, tx *db.Tx, department string, day calendar.Date) ([]Slot, error) {
	return db.List(ctx, tx, readSlot, `SELECT `+slotColumns+` FROM slot s JOIN schedule c ON c.id = s.schedule
		WHERE c.department = $1 AND s.day = $2 ORDER BY s.starts_at, c.name, s.id`, department, string(day))
}

// Load is how full a department is on a day.
type Load struct {
	Department string
	Day        calendar.Date
	Capacity   int
	Taken      int
	Held       int // of Taken: holds that are not yet bookings
	Free       int
	Released   int // of Free: reserved places that are open to everybody now
	Closed     bool
	Shares     Shares
}

// DayLoad returns how full a department's sessions of a kind are on a day.
func (s *Service) DayLoad(ctx context.Context, tx *db.Tx, department string, kind Kind, day calendar.Date) (Load, error) {
	all, err := s.loads(ctx, tx, "", department, kind, day, day)
	if err != nil || len(all) == 0 {
		return Load{Department: department, Day: day, Shares: Shares{}}, err
	}
	return all[0], nil
}

// Loads returns how full the departments of an institution are on the days
// from from to to; days without places are left out.
func (s *Service) Loads(ctx context.Context, tx *db.Tx, org string, kind Kind, from, to calendar.Date) ([]Load, error) {
	return s.loads(ctx, tx, org, "", kind, from, to)
}

func (s *Service) loads(ctx context.Context, tx *db.Tx, org, department string, kind Kind, from, to calendar.Date) ([]Load, error) {
	slots, err := db.List(ctx, tx, readSlot, `SELECT `+slotColumns+` FROM slot s JOIN schedule c ON c.id = s.schedule
		WHERE (CAST($1 AS TEXT) = '' OR c.org = $1) AND (CAST($2 AS TEXT) = '' OR c.department = $2) AND (CAST($3 AS TEXT) = '' OR c.kind = $3)
		  AND s.day >= $4 AND s.day <= $5 ORDER BY c.department, s.day, s.starts_at`, org, department, string(kind), string(from), string(to))
	if err != nil || len(slots) == 0 {
		return nil, err
	}
	shares, err := sharesFor(ctx, tx, slots)
	if err != nil {
		return nil, err
	}
	held, err := heldOn(ctx, tx, slots[0].Org, kind, from, to)
	if err != nil {
		return nil, err
	}
	t, err := s.terms(ctx, tx, slots[0].Org)
	if err != nil {
		return nil, err
	}
	return addUp(slots, shares, held, tx.Now, t.release), nil
}

type place struct {
	department string
	day        calendar.Date
}

func heldOn(ctx context.Context, tx *db.Tx, org string, kind Kind, from, to calendar.Date) (map[place]int, error) {
	type count struct {
		place
		n int
	}
	rows, err := db.List(ctx, tx, func(scan db.Scan) (c count, err error) {
		return c, scan(&c.department, &c.day, &c.n)
	}, `SELECT c.department, s.day, count(*) FROM appointment a JOIN slot s ON s.id = a.slot JOIN schedule c ON c.id = s.schedule
		WHERE a.state = 'held' AND c.org = $1 AND (CAST($2 AS TEXT) = '' OR c.kind = $2) AND s.day >= $3 AND s.day <= $4
		GROUP BY c.department, s.day`, org, string(kind), string(from), string(to))
	out := make(map[place]int, len(rows))
	for _, r := range rows {
		out[r.place] = r.n
	}
	return out, err
}

// addUp sums slots to departments and days.
func addUp(slots []Slot, shares map[dayKey]Shares, held map[place]int, now time.Time, release time.Duration) []Load {
	at := map[place]*Load{}
	seen := map[dayKey]int{} // free places of released slots
	var out []*Load
	for _, x := range slots {
		key := place{x.Department, x.Day}
		l := at[key]
		if l == nil {
			l = &Load{Department: x.Department, Day: x.Day, Closed: true, Held: held[key], Shares: Shares{}}
			at[key] = l
			out = append(out, l)
		}
		day := dayKey{x.Schedule, x.Day}
		if _, ok := seen[day]; !ok {
			seen[day] = 0
			for p, share := range shares[day] {
				l.Shares[p] = Share{l.Shares[p].Places + share.Places, l.Shares[p].Taken + share.Taken}
			}
		}
		l.Capacity += x.Capacity
		l.Taken += x.Taken
		l.Closed = l.Closed && !x.Open
		if !x.Start.After(now) {
			continue
		}
		l.Free += x.Free()
		if !now.Before(x.Start.Add(-release)) {
			seen[day] += x.Free()
		}
	}
	for day, n := range seen {
		i := slices.IndexFunc(slots, func(x Slot) bool { return x.Schedule == day.schedule && x.Day == day.day })
		at[place{slots[i].Department, day.day}].Released += min(n, shares[day].reserved())
	}
	list := make([]Load, len(out))
	for i, l := range out {
		list[i] = *l
	}
	return list
}

// Appointments returns the appointments of an institution on a day, by time.
func Appointments(ctx context.Context, tx *db.Tx, org string, day calendar.Date) ([]Appointment, error) {
	return db.List(ctx, tx, readAppointment, `SELECT `+appointmentColumns+appointmentFrom+`
		WHERE c.org = $1 AND s.day = $2 AND a.state IN ('held', 'booked', 'used', 'missed')
		ORDER BY s.starts_at, c.department, a.id`, org, string(day))
}

// Affected is an appointment that a change of the plan has hit.
type Affected struct {
	Appointment
	Why  string // in Chinese: 停诊
	Must bool   // must be moved; otherwise the patient may agree to stay
}

// AffectedOf returns the appointments of an institution that must be moved, or
// whose patient must be told of another doctor, by time. Of a slot that was
// cut, those booked last are named.
func AffectedOf(ctx context.Context, tx *db.Tx, org string) ([]Affected, error) {
	rows, err := db.List(ctx, tx, readAppointment, `SELECT `+appointmentColumns+appointmentFrom+`
		WHERE c.org = $1 AND a.state IN ('held', 'booked') AND s.starts_at > $2
		  AND (NOT s.open OR s.capacity > s.planned OR a.practitioner <> s.practitioner)
		ORDER BY s.starts_at, s.id, a.made_at DESC, a.id DESC`, org, db.At(tx.Now))
	if err != nil {
		return nil, err
	}
	var out []Affected
	surplus := map[string]int{}
	for _, a := range rows {
		if _, ok := surplus[a.Slot.ID]; !ok {
			surplus[a.Slot.ID] = a.Slot.Capacity - a.Slot.Planned
		}
		switch {
		case !a.Slot.Open:
			out = append(out, Affected{a, "停诊", true})
		case surplus[a.Slot.ID] > 0:
			surplus[a.Slot.ID]--
			out = append(out, Affected{a, "减号", true})
		case a.Practitioner != a.Slot.Practitioner:
			out = append(out, Affected{a, "换医生", false})
		}
	}
	slices.SortStableFunc(out, func(a, b Affected) int {
		return cmp.Or(a.Slot.Start.Compare(b.Slot.Start), cmp.Compare(a.Slot.Department, b.Slot.Department))
	})
	return out, nil
}
