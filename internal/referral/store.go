package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

const columns = `id, patient, direction, visit, purpose, indications, diagnosis_code, diagnosis_name,
	target_service, target_phone, under_way, consent, contract_team, contracted, decided_under, clauses, request, advice,
	submitted_at, submitted_on, waited_ms, accepted_at, declined, appointed_at, appointed_on, department, doctor, doctor_name,
	location, phone, code_org, code, wrong_codes, arrived_at, arrived_by, arrived_how, started_at, attending, attending_name,
	care, expected_discharge, result_code, result_name, report, completed_at, result, reviewer, cancel_request`

// sealedRow is a record whose sealed parts are still closed.
type sealedRow struct {
	Record
	request, advice, report, cancel string
}

func scanRecord(scan db.Scan) (r sealedRow, err error) {
	var indications, clauses, submittedOn, appointedOn string
	var submitted, accepted, appointed, arrived, started, completed db.Time
	var waited int64
	a := &r.Arrangement
	err = scan(&r.ID, &r.Patient, &r.Direction, &r.Visit, &r.Purpose, &indications, &r.Diagnosis, &r.DiagnosisName,
		&r.TargetService, &r.TargetPhone, &r.underWay, &r.Consent, &r.Team, &r.Contracted, &r.Policy, &clauses, &r.request, &r.advice,
		&submitted, &submittedOn, &waited, &accepted, &r.Declined, &appointed, &appointedOn, &a.Department, &a.Doctor, &a.DoctorName,
		&a.Location, &a.Phone, &r.codeOrg, &a.Code, &r.WrongCodes, &arrived, &r.ArrivedBy, &r.ArrivedHow, &started, &r.Attending, &r.AttendingName,
		&r.Care, &r.ExpectedDisch, &r.Report.ResultCode, &r.Report.ResultName, &r.report, &completed, &r.Report.Outcome, &r.reviewer, &r.cancel)
	r.Indications, r.Clauses = strings.Fields(indications), strings.Fields(clauses)
	r.SubmittedAt, r.AcceptedAt, r.ArrivedAt, r.StartedAt, r.CompletedAt = submitted.Time, accepted.Time, arrived.Time, started.Time, completed.Time
	a.At, r.Waited = appointed.Time, time.Duration(waited)*time.Millisecond
	return r, err
}

func sealContext(id string) string { return "referral:" + id }

// load reads a record and opens its sealed parts.
func (s *Service) load(ctx context.Context, tx *db.Tx, id string) (Record, error) {
	row, err := db.Get(ctx, tx, "这张转诊单", scanRecord, `SELECT `+columns+` FROM referral WHERE id = $1`, id)
	if err != nil {
		return Record{}, err
	}
	for _, part := range []struct {
		sealed string
		into   any
	}{{row.request, &row.Request}, {row.advice, &row.Advice}, {row.report, &row.Report}, {row.cancel, &row.Cancel}} {
		if err := s.unseal(id, part.sealed, part.into); err != nil {
			return Record{}, err
		}
	}
	row.Emergency, err = s.emergency(ctx, tx, id)
	return row.Record, err
}

func (s *Service) unseal(id, sealed string, into any) error {
	if sealed == "" {
		return nil
	}
	text, err := s.Keys.Open(sealed, sealContext(id))
	if err != nil {
		return fmt.Errorf("open referral %s: %w", id, err)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("read referral %s: %w", id, err)
	}
	return nil
}

func (s *Service) seal(id string, part any) (string, error) {
	text, err := json.Marshal(part)
	if err != nil {
		return "", fmt.Errorf("write referral %s: %w", id, err)
	}
	sealed, err := s.Keys.Seal(string(text), sealContext(id))
	if err != nil {
		return "", fmt.Errorf("seal referral %s: %w", id, err)
	}
	return sealed, nil
}

func (s *Service) values(r Record) ([]any, error) {
	request, err := s.seal(r.ID, r.Request)
	if err != nil {
		return nil, err
	}
	advice, report, cancel := "", "", ""
	if r.Advice != (Advice{}) {
		if advice, err = s.seal(r.ID, r.Advice); err != nil {
			return nil, err
		}
	}
	if r.Report != (Report{}) {
		if report, err = s.seal(r.ID, r.Report); err != nil {
			return nil, err
		}
	}
	if r.Cancel.Open() {
		if cancel, err = s.seal(r.ID, r.Cancel); err != nil {
			return nil, err
		}
	}
	a := r.Arrangement
	return []any{r.ID, r.Patient, string(r.Direction), r.Visit, r.Purpose, strings.Join(r.Indications, " "), r.Diagnosis, r.DiagnosisName,
		r.TargetService, r.TargetPhone, r.underWay, r.Consent, r.Team, r.Contracted, r.Policy, strings.Join(r.Clauses, " "), request, advice,
		db.At(r.SubmittedAt), dateOf(r.SubmittedAt), r.Waited.Milliseconds(), db.At(r.AcceptedAt), r.Declined,
		db.At(a.At), dateOf(a.At), a.Department, a.Doctor, a.DoctorName,
		a.Location, a.Phone, r.codeOrg, a.Code, r.WrongCodes, db.At(r.ArrivedAt), r.ArrivedBy, r.ArrivedHow, db.At(r.StartedAt), r.Attending, r.AttendingName,
		r.Care, string(r.ExpectedDisch), r.Report.ResultCode, r.Report.ResultName, report, db.At(r.CompletedAt), r.Report.Outcome, r.reviewer, cancel}, nil
}

func dateOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return string(calendar.DateOf(t))
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, r Record) error {
	values, err := s.values(r)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO referral (`+columns+`) VALUES (
		$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
		$24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48)`, values...)
	if err != nil {
		return fmt.Errorf("insert referral: %w", err)
	}
	tx.Touch(Kind, r.ID)
	return nil
}

// update writes the whole record. The case's version, moved in the same
// transaction, is what keeps two writers apart.
func (s *Service) update(ctx context.Context, tx *db.Tx, r Record) error {
	values, err := s.values(r)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE referral SET (`+columns+`) = (
		$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
		$24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48)
		WHERE id = $1`, values...)
	switch {
	case db.IsUnique(err, "under_way"):
		return errs.Because(err, errs.Conflict, "该患者同类诊断的另一张转诊单刚刚提交，请在那张单子上继续办理")
	case err != nil:
		return fmt.Errorf("update referral: %w", err)
	case n != 1:
		return fmt.Errorf("update referral %s: no such row", r.ID)
	}
	tx.Touch(Kind, r.ID)
	if r.Emergency != nil {
		return s.saveEmergency(ctx, tx, r.ID, *r.Emergency)
	}
	return nil
}

// codeTaken reports whether an arrival code is in use at an institution.
func codeTaken(ctx context.Context, tx *db.Tx, org, code string) (bool, error) {
	n, err := db.Count(ctx, tx, `SELECT count(*) FROM referral WHERE code_org = $1 AND code = $2`, org, code)
	return n > 0, err
}

func (s *Service) insertQuestion(ctx context.Context, tx *db.Tx, referral string, q Question) error {
	text, err := s.seal(referral, q.Text)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO referral_question (id, referral, asked_at, asked_by, asked_name, asked_org, question, answered_by, answered_name, answer)
		VALUES ($1, $2, $3, $4, $5, $6, $7, '', '', '')`,
		db.NewID(), referral, db.At(q.AskedAt), q.AskedBy, q.AskedName, q.AskedOrg, text)
	if err != nil {
		return fmt.Errorf("insert question: %w", err)
	}
	return nil
}

// answer answers the open question of a referral.
func (s *Service) answer(ctx context.Context, tx *db.Tx, referral, by, name, answer string) error {
	text, err := s.seal(referral, answer)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		UPDATE referral_question SET answered_at = $2, answered_by = $3, answered_name = $4, answer = $5
		WHERE referral = $1 AND answered_at IS NULL`, referral, db.At(tx.Now), by, name, text)
	if err != nil {
		return fmt.Errorf("answer question: %w", err)
	}
	return nil
}

// questions returns the questions of a referral, oldest first.
func (s *Service) questions(ctx context.Context, tx *db.Tx, referral string) ([]Question, error) {
	list, err := db.List(ctx, tx, func(scan db.Scan) (q Question, err error) {
		var asked, answered db.Time
		err = scan(&q.ID, &asked, &q.AskedBy, &q.AskedName, &q.AskedOrg, &q.Text, &answered, &q.AnsweredName, &q.Answer)
		q.AskedAt, q.AnsweredAt = asked.Time, answered.Time
		return q, err
	}, `SELECT id, asked_at, asked_by, asked_name, asked_org, question, answered_at, answered_name, answer
		FROM referral_question WHERE referral = $1 ORDER BY asked_at, id`, referral)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := s.unseal(referral, list[i].Text, &list[i].Text); err != nil {
			return nil, err
		}
		if err := s.unseal(referral, list[i].Answer, &list[i].Answer); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (s *Service) insertNote(ctx context.Context, tx *db.Tx, referral string, n Note) error {
	text, err := s.seal(referral, n.Text)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO referral_note (id, referral, at, by_id, by_name, org_name, body) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		db.NewID(), referral, db.At(n.At), n.By, n.ByName, n.OrgName, text)
	if err != nil {
		return fmt.Errorf("insert note: %w", err)
	}
	return nil
}

// notes returns the interim notes of a referral, oldest first.
func (s *Service) notes(ctx context.Context, tx *db.Tx, referral string) ([]Note, error) {
	list, err := db.List(ctx, tx, func(scan db.Scan) (n Note, err error) {
		var at db.Time
		err = scan(&n.ID, &at, &n.By, &n.ByName, &n.OrgName, &n.Text)
		n.At = at.Time
		return n, err
	}, `SELECT id, at, by_id, by_name, org_name, body FROM referral_note WHERE referral = $1 ORDER BY at, id`, referral)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := s.unseal(referral, list[i].Text, &list[i].Text); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// RecordOf reads the clinical side of a case. Who may see it is the question of
// the caller.
func (s *Service) RecordOf(ctx context.Context, tx *db.Tx, id string) (Record, error) {
	return s.load(ctx, tx, id)
}

// QuestionsOf reads the questions of the receiving side and their answers,
// oldest first. Who may see them is the question of the caller.
func (s *Service) QuestionsOf(ctx context.Context, tx *db.Tx, id string) ([]Question, error) {
	return s.questions(ctx, tx, id)
}
