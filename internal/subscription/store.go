package subscription

import (
	"context"
	"encoding/json"
	"fmt"

	"yilian/internal/db"
	"yilian/internal/errs"
)

const columns = `id, client, org, type, criteria, endpoint, headers, payload, state, serial, failures, failing_since, ends_at`

func (s *Service) readRow(scan db.Scan) (x Subscription, err error) {
	var headers string
	var since, ends db.Time
	if err := scan(&x.ID, &x.Client, &x.Org, &x.Type, &x.Criteria, &x.Endpoint, &headers, &x.Payload, &x.State, &x.serial, &x.failures, &since, &ends); err != nil {
		return x, err
	}
	x.failingSince, x.EndsAt = since.Time, ends.Time
	if headers != "" {
		plain, err := s.Keys.Open(headers, sealContext(x.ID))
		if err != nil {
			return x, err
		}
		err = json.Unmarshal([]byte(plain), &x.Headers)
		return x, err
	}
	return x, nil
}

func sealContext(id string) string { return "subscription/" + id }

// get reads a subscription; ok is false when there is none.
func (s *Service) get(ctx context.Context, tx *db.Tx, id string) (x Subscription, ok bool, err error) {
	x, err = db.Get(ctx, tx, "订阅", s.readRow, `SELECT `+columns+` FROM subscription WHERE id = $1`, id)
	if errs.Is(err, errs.NotFound) {
		return x, false, nil
	}
	return x, err == nil, err
}

// live are the subscriptions that hear of a type.
func (s *Service) live(ctx context.Context, tx *db.Tx, kind string) ([]Subscription, error) {
	return db.List(ctx, tx, s.readRow, `SELECT `+columns+` FROM subscription WHERE type = $1 AND state IN ('active', 'error') ORDER BY id`, kind)
}

func (s *Service) put(ctx context.Context, tx *db.Tx, x Subscription) error {
	headers := ""
	if len(x.Headers) > 0 {
		raw, err := json.Marshal(x.Headers)
		if err != nil {
			return err
		}
		if headers, err = s.Keys.Seal(string(raw), sealContext(x.ID)); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO subscription (id, client, org, type, criteria, endpoint, headers, payload, state, serial, failures, failing_since, ends_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (id) DO UPDATE SET org = excluded.org, type = excluded.type, criteria = excluded.criteria, endpoint = excluded.endpoint,
			headers = excluded.headers, payload = excluded.payload, state = excluded.state, serial = excluded.serial,
			failures = excluded.failures, failing_since = excluded.failing_since, ends_at = excluded.ends_at`,
		x.ID, x.Client, x.Org, x.Type, x.Criteria, x.Endpoint, headers, x.Payload, string(x.State), x.serial, x.failures, db.At(x.failingSince), db.At(x.EndsAt))
	if err != nil {
		return fmt.Errorf("store subscription: %w", err)
	}
	return nil
}
