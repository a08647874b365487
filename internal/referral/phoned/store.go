package phoned

import (
	"context"
	"encoding/json"
	"fmt"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
)

const pageSize = 50

func sealContext(id string) string { return "phoned:" + id }

func (s *Service) seal(id string, d Detail) (string, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("write telephone entry: %w", err)
	}
	sealed, err := s.Keys.Seal(string(text), sealContext(id))
	if err != nil {
		return "", fmt.Errorf("seal telephone entry: %w", err)
	}
	return sealed, nil
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, check flow.Case, referral string, e *entering, d Detail) error {
	sealed, err := s.seal(check.ID, d)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO referral_phoned (id, referral, from_org, clerk_org, clerk_name, called_at, entered_at, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		check.ID, referral, e.org.ID, e.actor.Org, e.actor.Name, db.At(e.caller.At), db.At(tx.Now), sealed)
	if err != nil {
		return fmt.Errorf("insert telephone entry: %w", err)
	}
	return nil
}

// correct keeps what the caller's institution has said is wrong.
func (s *Service) correct(ctx context.Context, tx *db.Tx, id, text string) error {
	r, err := s.get(ctx, tx, id)
	if err != nil {
		return err
	}
	r.Detail.Correction = text
	sealed, err := s.seal(id, r.Detail)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE referral_phoned SET detail = $2 WHERE id = $1`, id, sealed); err != nil {
		return fmt.Errorf("update telephone entry: %w", err)
	}
	return nil
}

const columns = `p.id, p.referral, r.number, r.state, p.from_org, p.clerk_org, p.clerk_name, p.called_at, p.entered_at, p.detail`

func (s *Service) scan(scan db.Scan) (r Record, err error) {
	var called, entered db.Time
	var sealed string
	if err = scan(&r.ID, &r.Referral, &r.Number, &r.State, &r.FromOrg, &r.ClerkOrg, &r.ClerkName, &called, &entered, &sealed); err != nil {
		return r, err
	}
	r.CalledAt, r.EnteredAt = called.Time, entered.Time
	text, err := s.Keys.Open(sealed, sealContext(r.ID))
	if err != nil {
		return r, fmt.Errorf("open telephone entry %s: %w", r.ID, err)
	}
	return r, json.Unmarshal([]byte(text), &r.Detail)
}

func (s *Service) get(ctx context.Context, tx *db.Tx, id string) (Record, error) {
	return db.Get(ctx, tx, "这张电话代录", s.scan,
		`SELECT `+columns+` FROM referral_phoned p JOIN flow_case r ON r.id = p.referral WHERE p.id = $1`, id)
}

func (s *Service) list(ctx context.Context, tx *db.Tx, org string, offset int) ([]Record, error) {
	out, err := db.List(ctx, tx, s.scan, `
		SELECT `+columns+` FROM referral_phoned p JOIN flow_case r ON r.id = p.referral JOIN flow_case c ON c.id = p.id
		WHERE p.from_org = $1 OR p.clerk_org = $1
		ORDER BY CASE WHEN c.closed_at IS NULL THEN 0 ELSE 1 END, p.entered_at DESC, p.id LIMIT $2 OFFSET $3`, org, pageSize+1, offset)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(out))
	for i, r := range out {
		ids[i] = r.ID
	}
	checks, err := flow.ByIDs(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]flow.Case, len(checks))
	for _, c := range checks {
		byID[c.ID] = c
	}
	for i := range out {
		out[i].Check = byID[out[i].ID]
	}
	return out, nil
}

// checkToken is the token under which the check of a form stands; the referral
// keeps the form's own where it opens with one.
func checkToken(once string) string {
	if once == "" {
		return ""
	}
	return once + ".check"
}

// entered finds the referral of a form that was sent before.
func entered(ctx context.Context, tx *db.Tx, once string) (flow.Case, bool, error) {
	if once == "" {
		return flow.Case{}, false, nil
	}
	check, done, err := flow.Done(ctx, tx, checkToken(once))
	if err != nil || !done {
		return flow.Case{}, false, err
	}
	c, err := flow.Get(ctx, tx, check.BasedOn)
	if errs.Is(err, errs.NotFound) {
		return c, false, nil
	}
	return c, err == nil, err
}
