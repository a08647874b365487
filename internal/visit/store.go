package visit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

func sealContext(id string, version int64) string { return fmt.Sprintf("visit:%s/%d", id, version) }

func (s *Service) insert(ctx context.Context, tx *db.Tx, v Visit, once string) error {
	text, err := json.Marshal(v.Form)
	if err != nil {
		return fmt.Errorf("write visit %s: %w", v.ID, err)
	}
	sealed, err := s.Keys.Seal(string(text), sealContext(v.ID, v.Version))
	if err != nil {
		return fmt.Errorf("seal visit %s: %w", v.ID, err)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO visit (id, version, current, once, patient, org, started_at, follow_on, sealed, recorded_at, recorded_by, change_reason, void_reason)
		VALUES ($1, $2, TRUE, $3, $4, $5, $6, $7, $8, $9, $10, $11, '')`,
		v.ID, v.Version, once, v.Patient, v.Org, db.At(v.Start), string(v.FollowOn), sealed, db.At(v.RecordedAt), v.RecordedBy, v.Reason)
	if err != nil {
		return fmt.Errorf("insert visit: %w", err)
	}
	return nil
}

// row is a version as stored.
type row struct {
	Visit
	once, sealed string
}

const columns = `id, version, once, patient, org, sealed, recorded_at, recorded_by, change_reason, voided_at, void_reason`

func scanRow(scan db.Scan) (r row, err error) {
	var at, voided db.Time
	err = scan(&r.ID, &r.Version, &r.once, &r.Patient, &r.Org, &r.sealed, &at, &r.RecordedBy, &r.Reason, &voided, &r.VoidReason)
	r.RecordedAt, r.VoidedAt = at.Time, voided.Time
	return r, err
}

func (s *Service) open(r row) (Visit, error) {
	text, err := s.Keys.Open(r.sealed, sealContext(r.ID, r.Version))
	if err != nil {
		return Visit{}, fmt.Errorf("open visit %s: %w", r.ID, err)
	}
	if err := json.Unmarshal([]byte(text), &r.Form); err != nil {
		return Visit{}, fmt.Errorf("read visit %s: %w", r.ID, err)
	}
	return r.Visit, nil
}

// get returns the newest version with the form that made the first.
func (s *Service) get(ctx context.Context, tx *db.Tx, id string) (Visit, string, error) {
	r, err := db.Get(ctx, tx, "这次门诊", scanRow, `SELECT `+columns+` FROM visit WHERE id = $1 AND current`, id)
	if err != nil {
		return Visit{}, "", err
	}
	v, err := s.open(r)
	return v, r.once, err
}

// byOnce returns the visit that a form has made already.
func (s *Service) byOnce(ctx context.Context, tx *db.Tx, once string) (Visit, bool, error) {
	list, err := db.List(ctx, tx, scanRow, `
		SELECT `+columns+` FROM visit WHERE current AND id IN (SELECT id FROM visit WHERE once = $1 AND version = 1)`, once)
	if err != nil || len(list) == 0 {
		return Visit{}, false, err
	}
	v, err := s.open(list[0])
	return v, true, err
}

func (s *Service) history(ctx context.Context, tx *db.Tx, id string) ([]Visit, error) {
	rows, err := db.List(ctx, tx, scanRow, `SELECT `+columns+` FROM visit WHERE id = $1 ORDER BY version DESC`, id)
	out := make([]Visit, 0, len(rows))
	for _, r := range rows {
		if err != nil {
			break
		}
		var v Visit
		if v, err = s.open(r); err == nil {
			out = append(out, v)
		}
	}
	return out, err
}

// replace takes the mark of the newest from a version; one that has lost it
// meanwhile is a Conflict.
func replace(ctx context.Context, tx *db.Tx, v Visit) error {
	n, err := tx.Exec(ctx, `UPDATE visit SET current = FALSE WHERE id = $1 AND version = $2 AND current AND voided_at IS NULL`, v.ID, v.Version)
	if err == nil && n == 0 {
		err = errs.E(errs.Conflict, "这次门诊刚刚被改动，请刷新后核对再操作")
	}
	return err
}

func void(ctx context.Context, tx *db.Tx, v Visit, reason string) error {
	n, err := tx.Exec(ctx, `UPDATE visit SET voided_at = $3, void_reason = $4 WHERE id = $1 AND version = $2 AND current AND voided_at IS NULL`,
		v.ID, v.Version, db.At(tx.Now), reason)
	if err == nil && n == 0 {
		err = errs.E(errs.Conflict, "这次门诊刚刚被改动，请刷新后核对再操作")
	}
	return err
}

// ofOrg returns the visits of an institution since a time, the newest first.
func (s *Service) ofOrg(ctx context.Context, tx *db.Tx, org string, since time.Time, limit int) ([]Visit, error) {
	rows, err := db.List(ctx, tx, scanRow, `
		SELECT `+columns+` FROM visit WHERE org = $1 AND started_at >= $2 AND current ORDER BY started_at DESC, id DESC LIMIT $3`, org, db.At(since), limit)
	if err != nil {
		return nil, err
	}
	out := make([]Visit, len(rows))
	for i, r := range rows {
		if out[i], err = s.open(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// due returns visits whose follow-up is due by a day and has not happened: no
// later visit of the person at the institution.
func (s *Service) due(ctx context.Context, tx *db.Tx, org string, by calendar.Date, limit int) ([]Visit, error) {
	rows, err := db.List(ctx, tx, scanRow, `
		SELECT `+columns+` FROM visit v
		WHERE org = $1 AND follow_on <> '' AND follow_on <= $2 AND current AND voided_at IS NULL
		  AND NOT EXISTS (SELECT 1 FROM visit w WHERE w.patient = v.patient AND w.org = v.org AND w.current AND w.voided_at IS NULL AND w.started_at > v.started_at)
		ORDER BY follow_on, id LIMIT $3`, org, string(by), limit)
	if err != nil {
		return nil, err
	}
	out := make([]Visit, len(rows))
	for i, r := range rows {
		if out[i], err = s.open(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Frequent returns the diagnoses that an institution makes most, by the
// encounters since a day.
func Frequent(ctx context.Context, tx *db.Tx, org string, since calendar.Date, limit int) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `
		SELECT d.insurance_code FROM encounter e JOIN encounter_diagnosis d ON d.encounter = e.id AND d.version = e.version
		WHERE e.org = $1 AND e.current AND e.voided_at IS NULL AND e.counted_on >= $2 AND d.known
		GROUP BY d.insurance_code ORDER BY count(*) DESC, d.insurance_code LIMIT $3`, org, string(since), limit)
}
