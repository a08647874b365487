package consult

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"yilian/internal/calendar"
	"yilian/internal/db"
)

const columns = `id, patient, diagnosis_code, diagnosis_name, pace, consent, may_convert, decided_under, clauses, question,
	asked_at, asked_on, answer_kind, answer, answered_at, in_time, decline, referral, converted_at,
	surveyed_at, avoided, prompted, helpful, remark`

// sealedRow is a record whose sealed parts are still closed.
type sealedRow struct {
	Record
	question, answer, decline, remark string
}

func scanRecord(scan db.Scan) (r sealedRow, err error) {
	var clauses, on, kind string
	var asked, answered, converted, surveyed db.Time
	v := &r.Survey
	err = scan(&r.ID, &r.Patient, &r.Diagnosis, &r.DiagnosisName, &r.Pace, &r.Consent, &r.MayConvert, &r.Policy, &clauses, &r.question,
		&asked, &on, &kind, &r.answer, &answered, &r.InTime, &r.decline, &r.Referral, &converted,
		&surveyed, &v.Avoided, &v.Prompted, &v.Helpful, &r.remark)
	r.Clauses = strings.Fields(clauses)
	r.AskedAt, r.AnsweredAt, r.ConvertedAt, r.SurveyedAt = asked.Time, answered.Time, converted.Time, surveyed.Time
	return r, err
}

func sealContext(id string) string { return "consult:" + id }

// load reads a record and opens its sealed parts.
func (s *Service) load(ctx context.Context, tx *db.Tx, id string) (Record, error) {
	row, err := db.Get(ctx, tx, "这张咨询单", scanRecord, `SELECT `+columns+` FROM consult WHERE id = $1`, id)
	if err != nil {
		return Record{}, err
	}
	for _, part := range []struct {
		sealed string
		into   any
	}{{row.question, &row.Question}, {row.answer, &row.Answer}, {row.decline, &row.Decline}, {row.remark, &row.Survey.Remark}} {
		if err := s.unseal(id, part.sealed, part.into); err != nil {
			return Record{}, err
		}
	}
	row.Answer.At = row.AnsweredAt
	return row.Record, nil
}

func (s *Service) unseal(id, sealed string, into any) error {
	if sealed == "" {
		return nil
	}
	text, err := s.Keys.Open(sealed, sealContext(id))
	if err != nil {
		return fmt.Errorf("open consultation %s: %w", id, err)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("read consultation %s: %w", id, err)
	}
	return nil
}

// seal closes a part; an empty one stays empty.
func (s *Service) seal(id string, part any, empty bool) (string, error) {
	if empty {
		return "", nil
	}
	text, err := json.Marshal(part)
	if err != nil {
		return "", fmt.Errorf("write consultation %s: %w", id, err)
	}
	sealed, err := s.Keys.Seal(string(text), sealContext(id))
	if err != nil {
		return "", fmt.Errorf("seal consultation %s: %w", id, err)
	}
	return sealed, nil
}

func (s *Service) values(r Record) ([]any, error) {
	var sealed [4]string
	for i, part := range []struct {
		value any
		empty bool
	}{{r.Question, false}, {r.Answer, !r.Answered()}, {r.Decline, r.Decline == (Decline{})}, {r.Survey.Remark, r.Survey.Remark == ""}} {
		var err error
		if sealed[i], err = s.seal(r.ID, part.value, part.empty); err != nil {
			return nil, err
		}
	}
	v := r.Survey
	return []any{r.ID, r.Patient, r.Diagnosis, r.DiagnosisName, r.Pace, r.Consent, r.MayConvert, r.Policy, strings.Join(r.Clauses, " "), sealed[0],
		db.At(r.AskedAt), string(calendar.DateOf(r.AskedAt)), r.Answer.Kind, sealed[1], db.At(r.AnsweredAt), r.InTime, sealed[2], r.Referral, db.At(r.ConvertedAt),
		db.At(r.SurveyedAt), v.Avoided, v.Prompted, v.Helpful, sealed[3]}, nil
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, r Record) error {
	values, err := s.values(r)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO consult (`+columns+`) VALUES (
		$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`, values...)
	if err != nil {
		return fmt.Errorf("insert consultation: %w", err)
	}
	return nil
}

// update writes the whole record. The case's version, moved in the same
// transaction, is what keeps two writers apart.
func (s *Service) update(ctx context.Context, tx *db.Tx, r Record) error {
	values, err := s.values(r)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE consult SET (`+columns+`) = (
		$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
		WHERE id = $1`, values...)
	if err == nil && n != 1 {
		err = fmt.Errorf("no such row")
	}
	if err != nil {
		return fmt.Errorf("update consultation %s: %w", r.ID, err)
	}
	return nil
}

func (s *Service) insertTalk(ctx context.Context, tx *db.Tx, consult string, q Talk) error {
	text, err := s.seal(consult, q.Text, false)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO consult_question (id, consult, asked_at, asked_name, asked_org, question, answered_name, answer)
		VALUES ($1, $2, $3, $4, $5, $6, '', '')`,
		db.NewID(), consult, db.At(q.AskedAt), q.AskedBy, q.AskedOrg, text)
	if err != nil {
		return fmt.Errorf("insert question: %w", err)
	}
	return nil
}

// supply answers the open question of a consultation.
func (s *Service) supply(ctx context.Context, tx *db.Tx, consult, by, answer string) error {
	text, err := s.seal(consult, answer, false)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		UPDATE consult_question SET answered_at = $2, answered_name = $3, answer = $4
		WHERE consult = $1 AND answered_at IS NULL`, consult, db.At(tx.Now), by, text)
	if err != nil {
		return fmt.Errorf("answer question: %w", err)
	}
	return nil
}

// talks returns the questions back and their answers, oldest first.
func (s *Service) talks(ctx context.Context, tx *db.Tx, consult string) ([]Talk, error) {
	list, err := db.List(ctx, tx, func(scan db.Scan) (q Talk, err error) {
		var asked, answered db.Time
		err = scan(&q.ID, &asked, &q.AskedBy, &q.AskedOrg, &q.Text, &answered, &q.AnsweredBy, &q.Answer)
		q.AskedAt, q.AnsweredAt = asked.Time, answered.Time
		return q, err
	}, `SELECT id, asked_at, asked_name, asked_org, question, answered_at, answered_name, answer
		FROM consult_question WHERE consult = $1 ORDER BY asked_at, id`, consult)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := s.unseal(consult, list[i].Text, &list[i].Text); err != nil {
			return nil, err
		}
		if err := s.unseal(consult, list[i].Answer, &list[i].Answer); err != nil {
			return nil, err
		}
	}
	return list, nil
}
