package governance

import (
	"context"
	"fmt"
	"strings"

	"yilian/internal/calendar"
	"yilian/internal/db"
)

func readOrgan(scan db.Scan) (o Organ, err error) {
	var from, to, end db.Null
	err = scan(&o.ID, &o.Alliance, &o.Code, &o.Title, &o.EstablishedOn, &from, &to, &end, &o.Basis, &o.TermCase)
	o.TermFrom, o.TermTo, o.EndedOn = calendar.Date(from), calendar.Date(to), calendar.Date(end)
	return o, err
}

// GetOrgan returns one organ without its seats.
func GetOrgan(ctx context.Context, tx *db.Tx, id string) (Organ, error) {
	return db.Get(ctx, tx, "这个机构", readOrgan, `
		SELECT id, alliance, code, title, established_on, term_from, term_to, ended_on, basis, term_case FROM organ WHERE id = $1`, id)
}

// Organs returns the organs of an alliance with their seats on a day; ended
// ones too.
func Organs(ctx context.Context, tx *db.Tx, alliance string, day calendar.Date) ([]Organ, error) {
	all, err := db.List(ctx, tx, readOrgan, `
		SELECT id, alliance, code, title, established_on, term_from, term_to, ended_on, basis, term_case
		FROM organ WHERE alliance = $1 ORDER BY established_on, id`, alliance)
	for i := range all {
		if err == nil {
			all[i].Seats, err = seatsOn(ctx, tx, all[i].ID, day)
		}
	}
	return all, err
}

// terms returns the organs that have a running term and no reminder.
func terms(ctx context.Context, tx *db.Tx) ([]Organ, error) {
	return db.List(ctx, tx, readOrgan, `
		SELECT id, alliance, code, title, established_on, term_from, term_to, ended_on, basis, term_case
		FROM organ WHERE term_to IS NOT NULL AND ended_on IS NULL AND term_case = '' ORDER BY term_to, id`)
}

func insertOrgan(ctx context.Context, tx *db.Tx, o Organ) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO organ (id, alliance, code, title, established_on, term_from, term_to, ended_on, basis, term_case)
		VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8, '')`,
		o.ID, o.Alliance, o.Code, o.Title, string(o.EstablishedOn), db.Null(o.TermFrom), db.Null(o.TermTo), o.Basis)
	if err != nil {
		return fmt.Errorf("insert organ: %w", err)
	}
	return nil
}

func readSeat(scan db.Scan) (s Seat, err error) {
	var to db.Null
	var at db.Time
	err = scan(&s.ID, &s.Organ, &s.Post, &s.Name, &s.Org, &s.OrgName, &s.Position, &s.From, &to, &s.Basis, &s.By, &at)
	s.To, s.At = calendar.Date(to), at.Time
	return s, err
}

// seatsOn returns who sits in an organ on a day, by rank.
func seatsOn(ctx context.Context, tx *db.Tx, organ string, day calendar.Date) ([]Seat, error) {
	return db.List(ctx, tx, readSeat, `
		SELECT id, organ, post, name, org, org_name, position, valid_from, valid_to, basis, by_name, at
		FROM organ_seat WHERE organ = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to >= $2)
		ORDER BY CASE post WHEN 'chair' THEN 0 WHEN 'director' THEN 0 WHEN 'vice' THEN 1 WHEN 'deputy' THEN 1 ELSE 2 END, at, id`, organ, string(day))
}

func getSeat(ctx context.Context, tx *db.Tx, id string) (Seat, error) {
	return db.Get(ctx, tx, "这个职务", readSeat, `
		SELECT id, organ, post, name, org, org_name, position, valid_from, valid_to, basis, by_name, at FROM organ_seat WHERE id = $1`, id)
}

func insertSeat(ctx context.Context, tx *db.Tx, s Seat) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO organ_seat (id, organ, post, name, org, org_name, position, valid_from, valid_to, basis, by_name, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, $9, $10, $11)`,
		s.ID, s.Organ, string(s.Post), s.Name, s.Org, s.OrgName, s.Position, string(s.From), s.Basis, s.By, db.At(s.At))
	if err != nil {
		return fmt.Errorf("insert seat: %w", err)
	}
	return nil
}

func insertMeeting(ctx context.Context, tx *db.Tx, m Meeting) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO meeting (id, organ, title, held_on, place, chair, agenda, members, present, attended, minutes, quorum, clause, by_name, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		m.ID, m.Organ, m.Title, string(m.HeldOn), m.Place, m.Chair, strings.Join(m.Agenda, "\n"), m.Members, strings.Join(m.Present, "\n"),
		len(m.Present), m.Minutes, m.Quorum, m.Clause, m.By, db.At(m.At))
	if err != nil {
		return fmt.Errorf("insert meeting: %w", err)
	}
	for _, d := range m.Decisions {
		id := db.NewID()
		_, err := tx.Exec(ctx, `
			INSERT INTO decision (id, meeting, body, votes_for, against, abstained, passed, effective_on) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			id, m.ID, d.Text, d.For, d.Against, d.Abstained, d.Passed, string(d.EffectiveOn))
		if err != nil {
			return fmt.Errorf("insert decision: %w", err)
		}
		for _, c := range d.Changes {
			if _, err := tx.Exec(ctx, `INSERT INTO decision_link (decision, change) VALUES ($1, $2)`, id, c); err != nil {
				return fmt.Errorf("link decision: %w", err)
			}
		}
	}
	return nil
}

func readMeeting(scan db.Scan) (m Meeting, err error) {
	var agenda, present string
	var attended int
	var at db.Time
	err = scan(&m.ID, &m.Organ, &m.Title, &m.HeldOn, &m.Place, &m.Chair, &agenda, &m.Members, &present, &attended, &m.Minutes, &m.Quorum, &m.Clause, &m.By, &at)
	m.Agenda, m.Present, m.At = strings.Split(agenda, "\n"), strings.Split(present, "\n"), at.Time
	return m, err
}

// Meetings returns the meetings of an alliance's organs, the newest first.
func Meetings(ctx context.Context, tx *db.Tx, alliance string) ([]Meeting, error) {
	all, err := db.List(ctx, tx, readMeeting, `
		SELECT m.id, m.organ, m.title, m.held_on, m.place, m.chair, m.agenda, m.members, m.present, m.attended, m.minutes, m.quorum, m.clause, m.by_name, m.at
		FROM meeting m JOIN organ o ON o.id = m.organ WHERE o.alliance = $1 ORDER BY m.held_on DESC, m.id DESC`, alliance)
	for i := range all {
		if err == nil {
			all[i].Decisions, err = decisions(ctx, tx, all[i].ID)
		}
	}
	return all, err
}

// GetMeeting returns one meeting with its decisions.
func GetMeeting(ctx context.Context, tx *db.Tx, id string) (Meeting, error) {
	m, err := db.Get(ctx, tx, "这次会议", readMeeting, `
		SELECT id, organ, title, held_on, place, chair, agenda, members, present, attended, minutes, quorum, clause, by_name, at FROM meeting WHERE id = $1`, id)
	if err != nil {
		return m, err
	}
	m.Decisions, err = decisions(ctx, tx, id)
	return m, err
}

func decisions(ctx context.Context, tx *db.Tx, meeting string) ([]Decision, error) {
	all, err := db.List(ctx, tx, func(scan db.Scan) (d Decision, err error) {
		return d, scan(&d.ID, &d.Text, &d.For, &d.Against, &d.Abstained, &d.Passed, &d.EffectiveOn)
	}, `SELECT id, body, votes_for, against, abstained, passed, effective_on FROM decision WHERE meeting = $1 ORDER BY id`, meeting)
	for i := range all {
		if err == nil {
			all[i].Changes, err = db.List(ctx, tx, db.Value[string], `SELECT change FROM decision_link WHERE decision = $1 ORDER BY change`, all[i].ID)
		}
	}
	return all, err
}

func insertUnified(ctx context.Context, tx *db.Tx, u Unified) error {
	_, err := tx.Exec(ctx, `INSERT INTO unified (id, alliance, code, state, since, evidence, by_name, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		u.ID, u.Alliance, u.Code, string(u.State), string(u.Since), u.Evidence, u.By, db.At(u.At))
	if err != nil {
		return fmt.Errorf("insert unified management: %w", err)
	}
	return nil
}

// UnifiedNow returns where each management of an alliance stands: the newest row
// of each.
func UnifiedNow(ctx context.Context, tx *db.Tx, alliance string) ([]Unified, error) {
	all, err := db.List(ctx, tx, func(scan db.Scan) (u Unified, err error) {
		var at db.Time
		err = scan(&u.ID, &u.Alliance, &u.Code, &u.State, &u.Since, &u.Evidence, &u.By, &at)
		u.At = at.Time
		return u, err
	}, `SELECT id, alliance, code, state, since, evidence, by_name, at FROM unified WHERE alliance = $1 ORDER BY at, id`, alliance)
	newest := map[string]int{}
	var out []Unified
	for _, u := range all {
		if i, ok := newest[u.Code]; ok {
			out[i] = u
			continue
		}
		newest[u.Code] = len(out)
		out = append(out, u)
	}
	return out, err
}

func milestones(ctx context.Context, tx *db.Tx, alliance string) ([]Milestone, error) {
	return db.List(ctx, tx, func(scan db.Scan) (m Milestone, err error) {
		return m, scan(&m.Clause, &m.Name, &m.State, &m.Evidence, &m.OnDay, &m.By)
	}, `SELECT clause, name, state, evidence, on_day, by_name FROM milestone WHERE alliance = $1 ORDER BY at, id`, alliance)
}
