package schedule

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
)

const scheduleColumns = `id, org, department, service, kind, name, practitioner, room, location, weekdays, begins, ends,
	slot_minutes, slot_capacity, share_alliance, share_contract, holidays, valid_from, valid_to, active, version`

func readSchedule(scan db.Scan) (s Schedule, err error) {
	var week string
	err = scan(&s.ID, &s.Org, &s.Department, &s.Service, &s.Kind, &s.Name, &s.Practitioner, &s.Room, &s.Location, &week,
		&s.From, &s.To, &s.Minutes, &s.Capacity, &s.Alliance, &s.Contract, &s.Holidays, &s.ValidFrom, &s.ValidTo, &s.Active, &s.Version)
	for _, c := range week {
		s.Weekdays = append(s.Weekdays, time.Weekday((c-'0')%7))
	}
	return s, err
}

// weekText is the days of the week as stored: 1 Monday … 7 Sunday.
func weekText(days []time.Weekday) string {
	text := ""
	for i, w := range Week() {
		for _, d := range days {
			if d == w {
				text += strconv.Itoa(i + 1)
				break
			}
		}
	}
	return text
}

// Get returns one schedule.
func Get(ctx context.Context, tx *db.Tx, id string) (Schedule, error) {
	return db.Get(ctx, tx, "这个出诊安排", readSchedule, `SELECT `+scheduleColumns+` FROM schedule WHERE id = $1`, id)
}

// Schedules returns the schedules of an institution or, when department is not
// empty, of one department; closed ones last.
func Schedules(ctx context.Context, tx *db.Tx, org, department string) ([]Schedule, error) {
	return db.List(ctx, tx, readSchedule, `SELECT `+scheduleColumns+` FROM schedule
		WHERE org = $1 AND (CAST($2 AS TEXT) = '' OR department = $2)
		ORDER BY active DESC, department, begins, name, id`, org, department)
}

func activeSchedules(ctx context.Context, tx *db.Tx) ([]Schedule, error) {
	return db.List(ctx, tx, readSchedule, `SELECT `+scheduleColumns+` FROM schedule WHERE active ORDER BY org, id`)
}

func insertSchedule(ctx context.Context, tx *db.Tx, s Schedule, by string) error {
	_, err := tx.Exec(ctx, `INSERT INTO schedule (id, org, department, service, kind, name, practitioner, room, location, weekdays, begins, ends,
			slot_minutes, slot_capacity, share_alliance, share_contract, holidays, valid_from, valid_to, active, version, changed_at, changed_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, 1, $21, $22)`,
		s.ID, s.Org, s.Department, s.Service, string(s.Kind), s.Name, s.Practitioner, s.Room, s.Location, weekText(s.Weekdays),
		string(s.From), string(s.To), s.Minutes, s.Capacity, s.Alliance, s.Contract, s.Holidays, string(s.ValidFrom), string(s.ValidTo),
		s.Active, db.At(tx.Now), by)
	if err != nil {
		return fmt.Errorf("insert schedule: %w", err)
	}
	return nil
}

// updateSchedule writes s over the version the user saw; false: it has moved on.
func updateSchedule(ctx context.Context, tx *db.Tx, s Schedule, by string) (bool, error) {
	n, err := tx.Exec(ctx, `UPDATE schedule SET service = $3, name = $4, practitioner = $5, room = $6, location = $7, weekdays = $8,
			begins = $9, ends = $10, slot_minutes = $11, slot_capacity = $12, share_alliance = $13, share_contract = $14, holidays = $15,
			valid_from = $16, valid_to = $17, active = $18, version = version + 1, changed_at = $19, changed_by = $20
		WHERE id = $1 AND version = $2`,
		s.ID, s.Version, s.Service, s.Name, s.Practitioner, s.Room, s.Location, weekText(s.Weekdays), string(s.From), string(s.To),
		s.Minutes, s.Capacity, s.Alliance, s.Contract, s.Holidays, string(s.ValidFrom), string(s.ValidTo), s.Active, db.At(tx.Now), by)
	return n == 1, err
}

const exceptionColumns = `id, schedule, day, kind, begins, ends, slot_capacity, practitioner, reason, made_at, made_by`

func readException(scan db.Scan) (e Exception, err error) {
	var at db.Time
	err = scan(&e.ID, &e.Schedule, &e.Day, &e.Kind, &e.From, &e.To, &e.Capacity, &e.Practitioner, &e.Reason, &at, &e.MadeBy)
	e.MadeAt = at.Time
	return e, err
}

func exceptionsOf(ctx context.Context, tx *db.Tx, schedule string, from calendar.Date) ([]Exception, error) {
	return db.List(ctx, tx, readException, `SELECT `+exceptionColumns+` FROM schedule_exception
		WHERE schedule = $1 AND day >= $2 AND voided_at IS NULL ORDER BY day, made_at, id`, schedule, string(from))
}

// Exceptions returns the exceptions of an institution's schedules from a day on.
func Exceptions(ctx context.Context, tx *db.Tx, org string, from calendar.Date) ([]Exception, error) {
	return db.List(ctx, tx, readException, `SELECT e.id, e.schedule, e.day, e.kind, e.begins, e.ends, e.slot_capacity, e.practitioner,
			e.reason, e.made_at, e.made_by
		FROM schedule_exception e JOIN schedule c ON c.id = e.schedule
		WHERE c.org = $1 AND e.day >= $2 AND e.voided_at IS NULL ORDER BY e.day, e.begins, e.id`, org, string(from))
}

func getException(ctx context.Context, tx *db.Tx, id string) (Exception, error) {
	return db.Get(ctx, tx, "这条停诊、加诊或替诊记录", readException, `SELECT `+exceptionColumns+`
		FROM schedule_exception WHERE id = $1 AND voided_at IS NULL`, id)
}

func insertException(ctx context.Context, tx *db.Tx, e Exception) error {
	_, err := tx.Exec(ctx, `INSERT INTO schedule_exception (id, schedule, day, kind, begins, ends, slot_capacity, practitioner, reason, made_at, made_by, voided_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '')`,
		e.ID, e.Schedule, string(e.Day), string(e.Kind), string(e.From), string(e.To), e.Capacity, e.Practitioner, e.Reason, db.At(tx.Now), e.MadeBy)
	if err != nil {
		return fmt.Errorf("insert schedule exception: %w", err)
	}
	return nil
}

// slotColumns are those of slot s joined with its schedule c.
const slotColumns = `s.id, s.schedule, c.org, c.department, c.service, c.kind, c.name, c.begins, c.ends, c.location,
	s.day, s.starts_at, s.ends_at, s.planned, s.capacity, s.taken, s.open, s.practitioner`

// slotFields returns where to scan slotColumns to, and what completes them.
func slotFields(s *Slot) (fields []any, done func()) {
	var of Schedule
	var start, end db.Time
	fields = []any{&s.ID, &s.Schedule, &s.Org, &s.Department, &s.Service, &s.Kind, &of.Name, &of.From, &of.To, &s.Location,
		&s.Day, &start, &end, &s.Planned, &s.Capacity, &s.Taken, &s.Open, &s.Practitioner}
	return fields, func() {
		of.Kind = s.Kind
		s.Title, s.Start, s.End = of.Title(), start.Time, end.Time
	}
}

func readSlot(scan db.Scan) (s Slot, err error) {
	fields, done := slotFields(&s)
	err = scan(fields...)
	done()
	return s, err
}

// GetSlot returns one slot.
func GetSlot(ctx context.Context, tx *db.Tx, id string) (Slot, error) {
	return db.Get(ctx, tx, "这个时段的号", readSlot, `SELECT `+slotColumns+` FROM slot s JOIN schedule c ON c.id = s.schedule WHERE s.id = $1`, id)
}

func slotsOf(ctx context.Context, tx *db.Tx, schedule string, from calendar.Date) ([]Slot, error) {
	return db.List(ctx, tx, readSlot, `SELECT `+slotColumns+` FROM slot s JOIN schedule c ON c.id = s.schedule
		WHERE s.schedule = $1 AND s.day >= $2 ORDER BY s.starts_at`, schedule, string(from))
}

const shareColumns = `alliance, alliance_taken, contract, contract_taken, open, open_taken`

func readShares(scan db.Scan) (Shares, error) {
	var a, c, o Share
	err := scan(&a.Places, &a.Taken, &c.Places, &c.Taken, &o.Places, &o.Taken)
	return Shares{Alliance: a, Contract: c, Public: o}, err
}

func sharesOf(ctx context.Context, tx *db.Tx, schedule string, day calendar.Date) (Shares, error) {
	return db.Get(ctx, tx, "这一天的号源", readShares, `SELECT `+shareColumns+` FROM schedule_day WHERE schedule = $1 AND day = $2`,
		schedule, string(day))
}

// dayKey names one day of one schedule.
type dayKey struct {
	schedule string
	day      calendar.Date
}

type dayShares struct {
	dayKey
	shares Shares
}

func readDayShares(scan db.Scan) (d dayShares, err error) {
	d.shares, err = readShares(func(dest ...any) error {
		return scan(append([]any{&d.schedule, &d.day}, dest...)...)
	})
	return d, err
}

const appointmentColumns = `a.id, a.pool, a.case_id, a.patient, a.subject, a.state, a.practitioner, a.expires_at, a.made_at, a.made_by,
	a.ended_at, a.ended_by, a.reason, a.version, ` + slotColumns

// appointmentFrom joins appointments with slot and schedule.
const appointmentFrom = ` FROM appointment a JOIN slot s ON s.id = a.slot JOIN schedule c ON c.id = s.schedule `

func readAppointment(scan db.Scan) (a Appointment, err error) {
	var expires, made, ended db.Time
	fields, done := slotFields(&a.Slot)
	err = scan(append([]any{&a.ID, &a.Pool, &a.Case, &a.Patient, &a.Subject, &a.State, &a.Practitioner, &expires, &made, &a.MadeBy,
		&ended, &a.EndedBy, &a.Reason, &a.Version}, fields...)...)
	done()
	a.ExpiresAt, a.MadeAt, a.EndedAt = expires.Time, made.Time, ended.Time
	return a, err
}

// GetAppointment reads one appointment.
func GetAppointment(ctx context.Context, tx *db.Tx, id string) (Appointment, error) {
	return getAppointment(ctx, tx, id)
}

func getAppointment(ctx context.Context, tx *db.Tx, id string) (Appointment, error) {
	return db.Get(ctx, tx, "这个预约", readAppointment, `SELECT `+appointmentColumns+appointmentFrom+`WHERE a.id = $1`, id)
}

func appointmentsOf(ctx context.Context, tx *db.Tx, caseID string) ([]Appointment, error) {
	return db.List(ctx, tx, readAppointment, `SELECT `+appointmentColumns+appointmentFrom+`
		WHERE a.case_id = $1 AND a.state IN ('held', 'booked', 'used', 'missed') ORDER BY s.starts_at, a.id`, caseID)
}

func insertAppointment(ctx context.Context, tx *db.Tx, a Appointment) error {
	_, err := tx.Exec(ctx, `INSERT INTO appointment (id, slot, pool, case_id, patient, subject, state, practitioner, expires_at, made_at, made_by,
			ended_by, reason, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', '', 1)`,
		a.ID, a.Slot.ID, string(a.Pool), a.Case, a.Patient, a.Subject, string(a.State), a.Practitioner, db.At(a.ExpiresAt), db.At(tx.Now), a.MadeBy)
	if err != nil {
		return fmt.Errorf("insert appointment: %w", err)
	}
	return nil
}
