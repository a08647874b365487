package schedule

import (
	"context"
	"fmt"
	"slices"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
)

// BedDay is one pool of beds on one day.
type BedDay struct {
	Department string
	Kind       BedKind
	Day        calendar.Date
	Offered    int
	Taken      int // may exceed Offered when patients stay longer than expected
	Explicit   bool
	SetBy      string
}

// Free is the number of beds to give.
func (b BedDay) Free() int { return max(0, b.Offered-b.Taken) }

// bedAhead is how many days ahead a bed can be asked for.
const bedAhead = 90

func readBedDay(scan db.Scan) (b BedDay, err error) {
	return b, scan(&b.Department, &b.Kind, &b.Day, &b.Offered, &b.Taken, &b.Explicit, &b.SetBy)
}

// bedDays returns a pool on the days from from to before until. A day without
// a row offers what the last known day before does, and nothing is taken.
func bedDays(ctx context.Context, tx *db.Tx, department string, kind BedKind, from, until calendar.Date) ([]BedDay, error) {
	rows, err := db.List(ctx, tx, readBedDay, `
		SELECT department, kind, day, offered, taken, explicit, set_by FROM bed_day
		WHERE department = $1 AND kind = $2 AND day < $4
		  AND day >= COALESCE((SELECT max(day) FROM bed_day WHERE department = $1 AND kind = $2 AND day <= $3), '')
		ORDER BY day`, department, string(kind), string(from), string(until))
	if err != nil {
		return nil, err
	}
	var out []BedDay
	last, i := BedDay{Department: department, Kind: kind}, 0
	for day := from; day < until; day = day.AddDays(1) {
		for ; i < len(rows) && rows[i].Day <= day; i++ {
			last = rows[i]
		}
		now := last
		if now.Day != day {
			now.Day, now.Taken, now.Explicit = day, 0, false
		}
		out = append(out, now)
	}
	return out, nil
}

// storeBedDays makes sure that each day has a row, so that it can be counted
// under a condition.
func storeBedDays(ctx context.Context, tx *db.Tx, days []BedDay) error {
	for _, b := range days {
		_, err := tx.Exec(ctx, `INSERT INTO bed_day (department, kind, day, offered, taken, explicit, set_at, set_by)
			VALUES ($1, $2, $3, $4, 0, FALSE, $5, $6) ON CONFLICT (department, kind, day) DO NOTHING`,
			b.Department, string(b.Kind), string(b.Day), b.Offered, db.At(tx.Now), b.SetBy)
		if err != nil {
			return fmt.Errorf("insert bed day: %w", err)
		}
	}
	return nil
}

// Beds returns the pools of an institution's departments on a day.
func Beds(ctx context.Context, tx *db.Tx, org string, day calendar.Date) ([]BedDay, error) {
	depts, err := organization.Departments(ctx, tx, org)
	if err != nil {
		return nil, err
	}
	var out []BedDay
	for _, d := range depts {
		kinds, err := bedKindsOf(ctx, tx, d.ID)
		if err != nil {
			return nil, err
		}
		for _, k := range kinds {
			days, err := bedDays(ctx, tx, d.ID, k, day, day.AddDays(1))
			if err != nil {
				return nil, err
			}
			out = append(out, days...)
		}
	}
	return out, nil
}

func bedKindsOf(ctx context.Context, tx *db.Tx, department string) ([]BedKind, error) {
	return db.List(ctx, tx, db.Value[BedKind], `SELECT DISTINCT kind FROM bed_day WHERE department = $1 ORDER BY kind`, department)
}

// SetBeds says how many beds of a kind a department offers from a day on, until
// the next day for which a number was set.
func (s *Service) SetBeds(ctx context.Context, actor access.Actor, department string, kind BedKind, day calendar.Date, offered int) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		return s.SetBedsTx(ctx, tx, actor, department, kind, day, offered)
	})
}

// ChangeBeds raises or lowers the number of beds of a day.
func (s *Service) ChangeBeds(ctx context.Context, actor access.Actor, department string, kind BedKind, day calendar.Date, by int) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		now, err := bedDays(ctx, tx, department, kind, day, day.AddDays(1))
		if err != nil || len(now) == 0 {
			return err
		}
		return s.SetBedsTx(ctx, tx, actor, department, kind, day, now[0].Offered+by)
	})
}

// SetBedsTx is SetBeds inside a caller's transaction.
func (s *Service) SetBedsTx(ctx context.Context, tx *db.Tx, actor access.Actor, department string, kind BedKind, day calendar.Date, offered int) error {
	dept, err := organization.GetDepartment(ctx, tx, department)
	if err != nil {
		return err
	}
	if err := MayEditBeds(actor, dept.Org); err != nil {
		return err
	}
	today := calendar.DateOf(tx.Now)
	var f errs.Form
	switch {
	case !slices.Contains(BedKinds(), kind):
		f.Add("kind", "请选择床位类别")
	case day < today || day > today.AddDays(bedAhead):
		f.Add("day", "只能登记今天起 %d 天内的床位", bedAhead)
	case offered < 0 || offered > 500:
		f.Add("offered", "床位数应在 0 到 500 之间")
	}
	if err := f.Err(); err != nil {
		return err
	}
	now, err := bedDays(ctx, tx, department, kind, day, day.AddDays(1))
	if err != nil {
		return err
	}
	if offered < now[0].Taken && offered < now[0].Offered {
		return errs.E(errs.Conflict, "%s %s%s已预留或占用 %d 张，不能减到 %d 张；请先调整已预留的患者",
			dayText(day), dept.Name, kind.Title(), now[0].Taken, offered)
	}
	if err := storeOffered(ctx, tx, actor, now[0], offered); err != nil {
		return err
	}
	return s.Audit.Append(ctx, tx, audit.Leaf{
		Actor: actor, Action: "bed.offer", Object: "department", ObjectID: department, Outcome: audit.OK,
		Detail: fmt.Sprintf("%s %s %s %d → %d", dept.Name, day, kind.Title(), now[0].Offered, offered),
	})
}

// storeOffered writes the number of a day and of the later days that follow it.
func storeOffered(ctx context.Context, tx *db.Tx, actor access.Actor, was BedDay, offered int) error {
	_, err := tx.Exec(ctx, `INSERT INTO bed_day (department, kind, day, offered, taken, explicit, set_at, set_by)
		VALUES ($1, $2, $3, $4, 0, TRUE, $5, $6)
		ON CONFLICT (department, kind, day) DO UPDATE SET offered = excluded.offered, explicit = TRUE, set_at = excluded.set_at, set_by = excluded.set_by`,
		was.Department, string(was.Kind), string(was.Day), offered, db.At(tx.Now), signature(actor))
	if err != nil {
		return fmt.Errorf("offer beds: %w", err)
	}
	_, err = tx.Exec(ctx, `UPDATE bed_day SET offered = $4, set_at = $5, set_by = $6
		WHERE department = $1 AND kind = $2 AND day > $3 AND NOT explicit
		  AND day < COALESCE((SELECT min(n.day) FROM bed_day n WHERE n.department = $1 AND n.kind = $2 AND n.day > $3 AND n.explicit), '9999')`,
		was.Department, string(was.Kind), string(was.Day), offered, db.At(tx.Now), signature(actor))
	if err != nil {
		return fmt.Errorf("offer beds of later days: %w", err)
	}
	return nil
}

const bedColumns = `id, department, kind, case_id, patient, subject, state, from_on, until_on, expires_at, made_at, made_by, version`

func readBed(scan db.Scan) (b BedReservation, err error) {
	var expires, made db.Time
	err = scan(&b.ID, &b.Department, &b.Kind, &b.Case, &b.Patient, &b.Subject, &b.State, &b.From, &b.Until, &expires, &made, &b.MadeBy, &b.Version)
	b.ExpiresAt, b.MadeAt = expires.Time, made.Time
	return b, err
}

// bedOf returns the bed of a case, or nil.
func bedOf(ctx context.Context, tx *db.Tx, caseID string) (*BedReservation, error) {
	found, err := db.List(ctx, tx, readBed, `SELECT `+bedColumns+` FROM bed_reservation WHERE case_id = $1 AND state IN ('held', 'booked', 'used')`, caseID)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// BedsTaken returns the reservations of a department that are not over, by day.
func BedsTaken(ctx context.Context, tx *db.Tx, department string) ([]BedReservation, error) {
	return db.List(ctx, tx, readBed, `SELECT `+bedColumns+` FROM bed_reservation
		WHERE department = $1 AND state IN ('held', 'booked', 'used') ORDER BY from_on, made_at, id`, department)
}
