package practitioner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
)

func read(scan db.Scan) (p Practitioner, err error) {
	return p, scan(&p.ID, &p.Name, &p.Sex, &p.Phone, &p.Title, &p.Category, &p.Scope, &p.EmployedBy, &p.Active, &p.Version)
}

func readPosting(scan db.Scan) (p Posting, err error) {
	var department, to db.Null
	err = scan(&p.ID, &p.Practitioner, &p.Org, &department, &p.Kind, &p.Head, &p.From, &to)
	p.Department, p.To = string(department), calendar.Date(to)
	return p, err
}

func readShift(scan db.Scan) (s Shift, err error) {
	var from, to db.Time
	err = scan(&s.ID, &s.Org, &s.Department, &s.Duty, &s.Practitioner, &from, &to)
	s.From, s.To = from.Time, to.Time
	return s, err
}

// Get returns one person with all postings.
func Get(ctx context.Context, tx *db.Tx, id string) (Practitioner, error) {
	p, err := db.Get(ctx, tx, "这位人员", read, `
		SELECT id, name, sex, phone, title, category, scope, employed_by, active, version
		FROM practitioner WHERE id = $1`, id)
	if err != nil {
		return p, err
	}
	p.Postings, err = db.List(ctx, tx, readPosting, `
		SELECT id, practitioner, org, department, kind, head, valid_from, valid_to
		FROM posting WHERE practitioner = $1 ORDER BY valid_from, id`, id)
	return p, err
}

// At returns the people who work in an institution on a day, by posting;
// department "" means all departments, day "" today. Heads come first.
func At(ctx context.Context, tx *db.Tx, org, department string, day calendar.Date) ([]Practitioner, error) {
	if day == "" {
		day = calendar.DateOf(tx.Now)
	}
	return db.List(ctx, tx, read, `
		SELECT p.id, p.name, p.sex, p.phone, p.title, p.category, p.scope, p.employed_by, p.active, p.version
		FROM practitioner p JOIN (
			SELECT practitioner, max(CASE WHEN head THEN 1 ELSE 0 END) AS head FROM posting
			WHERE org = $1 AND (CAST($2 AS TEXT) = '' OR department = $2)
			  AND valid_from <= $3 AND (valid_to IS NULL OR valid_to >= $3)
			GROUP BY practitioner
		) w ON w.practitioner = p.id
		WHERE p.active ORDER BY w.head DESC, p.name, p.id`, org, department, string(day))
}

// PostingsAt returns the postings that hold in an institution on a day.
func PostingsAt(ctx context.Context, tx *db.Tx, org string, day calendar.Date) ([]Posting, error) {
	return db.List(ctx, tx, readPosting, `
		SELECT id, practitioner, org, department, kind, head, valid_from, valid_to FROM posting
		WHERE org = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to >= $2)
		ORDER BY department, id`, org, string(day))
}

// DisplayName returns the name and title to show for a person: 王芳 主治医师.
func DisplayName(ctx context.Context, tx *db.Tx, id string) (string, error) {
	p, err := db.Get(ctx, tx, "这位人员", read, `
		SELECT id, name, sex, phone, title, category, scope, employed_by, active, version
		FROM practitioner WHERE id = $1`, id)
	if err != nil || p.Title == "" || p.Title == "无" {
		return p.Name, err
	}
	return p.Name + " " + p.Title, nil
}

// Superior returns who heads a department today; without such a head, or for
// department "", who heads the institution. False when nobody does.
func Superior(ctx context.Context, tx *db.Tx, org, department string) (Practitioner, bool, error) {
	heads, err := db.List(ctx, tx, read, `
		SELECT p.id, p.name, p.sex, p.phone, p.title, p.category, p.scope, p.employed_by, p.active, p.version
		FROM practitioner p JOIN posting w ON w.practitioner = p.id
		WHERE w.org = $1 AND w.head AND p.active AND (w.department = $2 OR w.department IS NULL)
		  AND w.valid_from <= $3 AND (w.valid_to IS NULL OR w.valid_to >= $3)
		ORDER BY CASE WHEN w.department IS NULL THEN 1 ELSE 0 END, w.valid_from, p.id`,
		org, department, string(calendar.DateOf(tx.Now)))
	if err != nil || len(heads) == 0 {
		return Practitioner{}, false, err
	}
	return heads[0], true, nil
}

// Shifts returns the shifts of an institution that touch a period; department
// "" means all. The first to begin comes first.
func Shifts(ctx context.Context, tx *db.Tx, org, department string, from, to time.Time) ([]Shift, error) {
	return db.List(ctx, tx, readShift, `
		SELECT id, org, department, duty, practitioner, begins_at, ends_at FROM shift
		WHERE org = $1 AND (CAST($2 AS TEXT) = '' OR department = $2) AND voided_at IS NULL
		  AND begins_at < $4 AND ends_at > $3
		ORDER BY begins_at, id`, org, department, db.At(from), db.At(to))
}

// GetShift returns one turn of the roster that has not been voided.
func GetShift(ctx context.Context, tx *db.Tx, id string) (Shift, error) {
	return db.Get(ctx, tx, "这个班次，可能已被换掉", readShift, `
		SELECT id, org, department, duty, practitioner, begins_at, ends_at FROM shift WHERE id = $1 AND voided_at IS NULL`, id)
}

// Now returns every turn of an institution that is on at an instant, with its
// person; first lines before second lines.
func Now(ctx context.Context, tx *db.Tx, org string, at time.Time) ([]OnDuty, error) {
	shifts, err := db.List(ctx, tx, readShift, `
		SELECT id, org, department, duty, practitioner, begins_at, ends_at FROM shift
		WHERE org = $1 AND voided_at IS NULL AND begins_at <= $2 AND ends_at > $2
		ORDER BY department, CASE duty WHEN 'on_call' THEN 0 WHEN 'second_line' THEN 1 ELSE 2 END, begins_at, id`, org, db.At(at))
	if err != nil {
		return nil, err
	}
	return people(ctx, tx, shifts)
}

// OnCall returns who answers at an instant, in the order they are called: for
// on-call duty first the on-call person, then the second line; for any other
// duty those on it. Department "" means the duty of the whole institution. A
// department without its own roster is answered by the institution's.
func OnCall(ctx context.Context, tx *db.Tx, org, department string, duty Duty, at time.Time) ([]OnDuty, error) {
	duties := []string{string(duty)}
	if duty == OnCallDuty {
		duties = append(duties, string(SecondLine))
	}
	query, args := db.Expand(`
		SELECT id, org, department, duty, practitioner, begins_at, ends_at FROM shift
		WHERE org = $1 AND (department = $2 OR department = '') AND voided_at IS NULL
		  AND begins_at <= $3 AND ends_at > $3 AND duty IN ($list)
		ORDER BY CASE WHEN department = $2 THEN 0 ELSE 1 END, begins_at, id`,
		[]any{org, department, db.At(at)}, duties)
	shifts, err := db.List(ctx, tx, readShift, query, args...)
	if err != nil {
		return nil, err
	}
	// The department's own roster first, and in it the first line before the second.
	slices.SortStableFunc(shifts, func(a, b Shift) int {
		if own := (b.Department == department); own != (a.Department == department) {
			if own {
				return 1
			}
			return -1
		}
		return slices.Index(duties, string(a.Duty)) - slices.Index(duties, string(b.Duty))
	})
	return people(ctx, tx, shifts)
}

// OnDutyPractitioners returns everyone in the institution who is on a duty
// now, in any department, each once.
func OnDutyPractitioners(ctx context.Context, tx *db.Tx, org string, duty Duty) ([]Practitioner, error) {
	return db.List(ctx, tx, read, `
		SELECT p.id, p.name, p.sex, p.phone, p.title, p.category, p.scope, p.employed_by, p.active, p.version
		FROM practitioner p WHERE p.active AND p.id IN (
			SELECT practitioner FROM shift WHERE org = $1 AND duty = $2 AND voided_at IS NULL AND begins_at <= $3 AND ends_at > $3
		) ORDER BY p.name, p.id`, org, string(duty), db.At(tx.Now))
}

// people joins the persons to shifts and drops those who have left.
func people(ctx context.Context, tx *db.Tx, shifts []Shift) ([]OnDuty, error) {
	ids := make([]string, 0, len(shifts))
	for _, s := range shifts {
		ids = append(ids, s.Practitioner)
	}
	query, args := db.Expand(`
		SELECT id, name, sex, phone, title, category, scope, employed_by, active, version
		FROM practitioner WHERE id IN ($list)`, nil, ids)
	found, err := db.List(ctx, tx, read, query, args...)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]Practitioner, len(found))
	for _, p := range found {
		byID[p.ID] = p
	}
	var out []OnDuty
	for _, s := range shifts {
		if p := byID[s.Practitioner]; p.Active {
			out = append(out, OnDuty{Shift: s, Person: p})
		}
	}
	return out, nil
}

func insertPractitioner(ctx context.Context, tx *db.Tx, p Practitioner) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO practitioner (id, name, sex, phone, title, category, scope, employed_by, active, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1)`,
		p.ID, p.Name, p.Sex, p.Phone, p.Title, string(p.Category), p.Scope, p.EmployedBy, p.Active); err != nil {
		return fmt.Errorf("insert practitioner: %w", err)
	}
	tx.Touch("practitioner", p.ID)
	for _, w := range p.Postings {
		if err := insertPosting(ctx, tx, w); err != nil {
			return err
		}
	}
	return nil
}

func insertPosting(ctx context.Context, tx *db.Tx, w Posting) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO posting (id, practitioner, org, department, kind, head, valid_from, valid_to)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		w.ID, w.Practitioner, w.Org, db.Null(w.Department), string(w.Kind), w.Head, string(w.From), db.Null(w.To))
	if err != nil {
		return fmt.Errorf("insert posting: %w", err)
	}
	tx.Touch("practitioner", w.Practitioner)
	return nil
}

func insertShift(ctx context.Context, tx *db.Tx, s Shift, by string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO shift (id, org, department, duty, practitioner, begins_at, ends_at, made_by, voided_by, void_reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', '')`,
		s.ID, s.Org, s.Department, string(s.Duty), s.Practitioner, db.At(s.From), db.At(s.To), by)
	if err != nil {
		return fmt.Errorf("insert shift: %w", err)
	}
	if !s.Duty.Covered() {
		return nil
	}
	_, err = tx.Exec(ctx, `INSERT INTO duty_post (org, department, duty) VALUES ($1, $2, $3) ON CONFLICT (org, department, duty) DO NOTHING`,
		s.Org, s.Department, string(s.Duty))
	return err
}

// After lists the ids of people after one, ascending.
func After(ctx context.Context, tx *db.Tx, after string, limit int) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT id FROM practitioner WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}
