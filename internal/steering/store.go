package steering

import (
	"context"
	"fmt"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// fill adds what the bureau recorded about a group.
func fill(ctx context.Context, tx *db.Tx, g *Group, on calendar.Date) error {
	found, err := db.Get(ctx, tx, "这个机构", func(scan db.Scan) (x Group, err error) {
		return x, scan(&x.ID, &x.EstablishedOn, &x.Basis)
	}, `SELECT id, established_on, basis FROM steering WHERE org = $1 AND profile = $2 AND body = $3`, g.Org, g.Profile, g.Body.ID)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	g.ID, g.EstablishedOn, g.Basis = found.ID, found.EstablishedOn, found.Basis
	g.Seats, err = db.List(ctx, tx, func(scan db.Scan) (x Seat, err error) {
		var to db.Null
		err = scan(&x.ID, &x.Group, &x.Post, &x.Name, &x.Position, &x.From, &to, &x.Basis)
		x.To = calendar.Date(to)
		return x, err
	}, `SELECT id, steering, post, name, position, valid_from, valid_to, basis FROM steering_seat
		WHERE steering = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to >= $2) ORDER BY at, id`, g.ID, string(on))
	if err != nil {
		return err
	}
	g.Meetings, err = db.List(ctx, tx, func(scan db.Scan) (m Meeting, err error) {
		var at db.Time
		err = scan(&m.ID, &m.Group, &m.Title, &m.HeldOn, &m.Chair, &m.Present, &m.Minutes, &m.By, &at)
		m.At = at.Time
		return m, err
	}, `SELECT id, steering, title, held_on, chair, present, minutes, by_name, at FROM steering_meeting
		WHERE steering = $1 ORDER BY held_on DESC, id DESC`, g.ID)
	return err
}

func insert(ctx context.Context, tx *db.Tx, g Group, by string) error {
	_, err := tx.Exec(ctx, `INSERT INTO steering (id, org, profile, body, established_on, basis, by_name, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		g.ID, g.Org, g.Profile, g.Body.ID, string(g.EstablishedOn), g.Basis, by, db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("insert steering group: %w", err)
	}
	return nil
}

func insertSeat(ctx context.Context, tx *db.Tx, x Seat, by string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO steering_seat (id, steering, post, name, position, valid_from, valid_to, basis, by_name, at)
		VALUES ($1, $2, $3, $4, $5, $6, NULL, $7, $8, $9)`,
		x.ID, x.Group, x.Post, x.Name, x.Position, string(x.From), x.Basis, by, db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("insert seat: %w", err)
	}
	return nil
}

func insertMeeting(ctx context.Context, tx *db.Tx, m Meeting) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO steering_meeting (id, steering, title, held_on, chair, present, minutes, by_name, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		m.ID, m.Group, m.Title, string(m.HeldOn), m.Chair, m.Present, m.Minutes, m.By, db.At(m.At))
	if err != nil {
		return fmt.Errorf("insert meeting: %w", err)
	}
	return nil
}
