package referral

import (
	"context"
	"fmt"

	"yilian/internal/db"
	"yilian/internal/flow"
)

func (s *Service) insertPlan(ctx context.Context, tx *db.Tx, c flow.Case, plan Plan) error {
	sealed, err := s.seal(c.ID, plan)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO referral_down (referral, plan, until_on, attending, attending_name, attending_org) VALUES ($1, $2, $3, $4, $5, $6)`,
		c.ID, sealed, plan.Until, c.From.Person, c.From.PersonName, c.From.Org)
	if err != nil {
		return fmt.Errorf("insert plan: %w", err)
	}
	return s.insertDates(ctx, tx, c.ID, plan)
}

func (s *Service) updatePlan(ctx context.Context, tx *db.Tx, c flow.Case, plan Plan) error {
	sealed, err := s.seal(c.ID, plan)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE referral_down SET plan = $2, until_on = $3 WHERE referral = $1`, c.ID, sealed, plan.Until)
	if err != nil {
		return fmt.Errorf("update plan: %w", err)
	}
	if n != 1 {
		return fmt.Errorf("update plan of %s: no such row", c.ID)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM referral_down_date WHERE referral = $1`, c.ID); err != nil {
		return fmt.Errorf("delete follow-up dates: %w", err)
	}
	return s.insertDates(ctx, tx, c.ID, plan)
}

func (s *Service) insertDates(ctx context.Context, tx *db.Tx, referral string, plan Plan) error {
	for _, v := range plan.Visits {
		_, err := tx.Exec(ctx, `INSERT INTO referral_down_date (referral, due_on) VALUES ($1, $2) ON CONFLICT DO NOTHING`, referral, v.On)
		if err != nil {
			return fmt.Errorf("insert follow-up date: %w", err)
		}
	}
	return nil
}

// plan reads the plan of a down-referral without its entries.
func (s *Service) plan(ctx context.Context, tx *db.Tx, referral string) (Continuation, error) {
	type row struct {
		Continuation
		sealed string
	}
	r, err := db.Get(ctx, tx, "下转计划", func(scan db.Scan) (r row, err error) {
		var chased db.Time
		err = scan(&r.sealed, &r.Attending, &r.AttendingName, &r.AttendingOrg, &chased)
		r.ChasedAt = chased.Time
		return r, err
	}, `SELECT plan, attending, attending_name, attending_org, chased_at FROM referral_down WHERE referral = $1`, referral)
	if err != nil {
		return Continuation{}, err
	}
	if err := s.unseal(referral, r.sealed, &r.Plan); err != nil {
		return Continuation{}, err
	}
	next, err := db.List(ctx, tx, db.Value[string], `
		SELECT due_on FROM referral_down_date WHERE referral = $1 AND done_at IS NULL ORDER BY due_on LIMIT 1`, referral)
	if len(next) > 0 {
		r.Next = next[0]
	}
	return r.Continuation, err
}

// continuation reads the plan with everything that was written since.
func (s *Service) continuation(ctx context.Context, tx *db.Tx, referral string) (*Continuation, error) {
	c, err := s.plan(ctx, tx, referral)
	if err != nil {
		return nil, err
	}
	c.Entries, err = s.entries(ctx, tx, referral)
	return &c, err
}

const entryColumns = `id, referral, at, by_id, by_name, org_name, red_flag, question, body, visit`

type sealedEntry struct {
	FollowEntry
	question, sealed string
}

func scanEntry(scan db.Scan) (e sealedEntry, err error) {
	var at db.Time
	err = scan(&e.ID, &e.Referral, &at, &e.ByID, &e.ByName, &e.OrgName, &e.RedFlag, &e.question, &e.sealed, &e.Visit)
	e.At = at.Time
	return e, err
}

func (s *Service) entries(ctx context.Context, tx *db.Tx, referral string) ([]FollowEntry, error) {
	rows, err := db.List(ctx, tx, scanEntry, `SELECT `+entryColumns+` FROM referral_follow WHERE referral = $1 ORDER BY at DESC, id DESC`, referral)
	if err != nil {
		return nil, err
	}
	out := make([]FollowEntry, 0, len(rows))
	for _, r := range rows {
		e, err := s.openEntry(ctx, tx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (s *Service) openEntry(ctx context.Context, tx *db.Tx, r sealedEntry) (FollowEntry, error) {
	err := s.unseal(r.Referral, r.sealed, &r.Body)
	if err == nil && r.question != "" {
		r.Question, err = flow.Get(ctx, tx, r.question)
	}
	return r.FollowEntry, err
}

// entryOf reads the entry that a question case belongs to.
func (s *Service) entryOf(ctx context.Context, tx *db.Tx, question string) (FollowEntry, error) {
	r, err := db.Get(ctx, tx, "这条提问", scanEntry, `SELECT `+entryColumns+` FROM referral_follow WHERE question = $1`, question)
	if err != nil {
		return FollowEntry{}, err
	}
	return s.openEntry(ctx, tx, r)
}

func (s *Service) insertEntry(ctx context.Context, tx *db.Tx, e FollowEntry) error {
	sealed, err := s.seal(e.Referral, e.Body)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO referral_follow (`+entryColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		e.ID, e.Referral, db.At(e.At), e.ByID, e.ByName, e.OrgName, e.RedFlag, e.Question.ID, sealed, e.Visit)
	if err != nil {
		return fmt.Errorf("insert follow-up: %w", err)
	}
	return nil
}

func (s *Service) updateEntry(ctx context.Context, tx *db.Tx, e FollowEntry) error {
	sealed, err := s.seal(e.Referral, e.Body)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE referral_follow SET body = $2 WHERE id = $1`, e.ID, sealed); err != nil {
		return fmt.Errorf("update follow-up: %w", err)
	}
	return nil
}
