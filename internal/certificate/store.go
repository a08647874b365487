package certificate

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/insurance"
)

const columns = `z.id, z.number, z.referral, z.case_number, z.patient, z.subject, z.org, z.org_name, z.from_org, z.to_org, z.from_name, z.to_name,
	z.insurance, z.place, z.place_name, z.issued_on, z.valid_to, z.clauses, z.policy, z.settlement, z.issued_by, z.issued_name, z.issued_at,
	z.voided_at, z.voided_name, z.void_reason, z.estimate, c.state`

func read(scan db.Scan) (c Certificate, err error) {
	var issued, voided db.Time
	var clauses, estimate string
	err = scan(&c.ID, &c.Number, &c.Referral, &c.CaseNumber, &c.Patient, &c.Subject, &c.Org, &c.OrgName, &c.FromOrg, &c.ToOrg, &c.FromName, &c.ToName,
		&c.Insurance, &c.Place, &c.PlaceName, &c.IssuedOn, &c.ValidTo, &clauses, &c.Policy, &c.Settlement, &c.IssuedBy, &c.IssuedName, &issued,
		&voided, &c.VoidedName, &c.VoidReason, &estimate, &c.State)
	c.Clauses, c.IssuedAt, c.VoidedAt = strings.Fields(clauses), issued.Time, voided.Time
	if err == nil && estimate != "" {
		c.Estimate = new(insurance.Share)
		err = json.Unmarshal([]byte(estimate), c.Estimate)
	}
	return c, err
}

func get(ctx context.Context, tx *db.Tx, id string) (Certificate, error) {
	return db.Get(ctx, tx, "这张转诊证明", read, `SELECT `+columns+` FROM certificate z JOIN flow_case c ON c.id = z.referral WHERE z.id = $1`, id)
}

// live returns the certificate of a referral that is not voided, nil when there
// is none.
func live(ctx context.Context, tx *db.Tx, caseID string) (*Certificate, error) {
	list, err := db.List(ctx, tx, read, `SELECT `+columns+` FROM certificate z JOIN flow_case c ON c.id = z.referral
		WHERE z.referral = $1 AND z.voided_at IS NULL`, caseID)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

func search(ctx context.Context, tx *db.Tx, org string, q Query) ([]Certificate, error) {
	return db.List(ctx, tx, read, `SELECT `+columns+` FROM certificate z JOIN flow_case c ON c.id = z.referral
		WHERE (z.org = $1 OR z.from_org = $1 OR z.to_org = $1)
		  AND (CAST($2 AS TEXT) = '' OR z.issued_on >= $2) AND (CAST($3 AS TEXT) = '' OR z.issued_on <= $3)
		  AND (CAST($4 AS TEXT) = '' OR z.number LIKE CAST($4 AS TEXT) || '%' OR z.case_number LIKE CAST($4 AS TEXT) || '%' OR z.subject LIKE '%' || CAST($4 AS TEXT) || '%')
		ORDER BY z.issued_at DESC, z.id DESC LIMIT $5 OFFSET $6`,
		org, string(q.From), string(q.To), strings.NewReplacer("%", "", "_", "").Replace(strings.TrimSpace(q.Text)), pageSize+1, q.Offset)
}

func insert(ctx context.Context, tx *db.Tx, c Certificate) error {
	estimate := ""
	if c.Estimate != nil {
		text, err := json.Marshal(c.Estimate)
		if err != nil {
			return fmt.Errorf("write estimate: %w", err)
		}
		estimate = string(text)
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO certificate (id, number, referral, case_number, patient, subject, org, org_name, from_org, to_org, from_name, to_name,
			insurance, place, place_name, issued_on, valid_to, clauses, policy, settlement, issued_by, issued_name, issued_at, voided_name, void_reason, estimate)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, '', '', $24)`,
		c.ID, c.Number, c.Referral, c.CaseNumber, c.Patient, c.Subject, c.Org, c.OrgName, c.FromOrg, c.ToOrg, c.FromName, c.ToName,
		c.Insurance, c.Place, c.PlaceName, string(c.IssuedOn), string(c.ValidTo), strings.Join(c.Clauses, " "), c.Policy, c.Settlement,
		c.IssuedBy, c.IssuedName, db.At(c.IssuedAt), estimate)
	if db.IsUnique(err, "referral") {
		return errs.Because(err, errs.Conflict, "这张转诊单的证明刚刚由别人开具，请刷新后打印")
	}
	if err != nil {
		return fmt.Errorf("insert certificate: %w", err)
	}
	return nil
}

// nextNumber counts the certificates of a day: ZM202603020001.
func nextNumber(ctx context.Context, tx *db.Tx, day calendar.Date) (string, error) {
	n, err := db.Get(ctx, tx, "转诊证明编号", db.Value[int64], `
		INSERT INTO certificate_number (day, n) VALUES ($1, 1)
		ON CONFLICT (day) DO UPDATE SET n = certificate_number.n + 1 RETURNING n`, string(day))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("ZM%s%04d", strings.ReplaceAll(string(day), "-", ""), n), nil
}
