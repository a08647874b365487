package contract

import (
	"context"
	"fmt"

	"yilian/internal/calendar"
	"yilian/internal/db"
)

func readTeam(scan db.Scan) (t Team, err error) {
	return t, scan(&t.ID, &t.Org, &t.OrgName, &t.Name, &t.Leader, &t.LeaderName, &t.Phone, &t.Active, &t.Version, &t.Contracted)
}

// GetTeam returns one team with its members.
func GetTeam(ctx context.Context, tx *db.Tx, id string) (Team, error) {
	t, err := db.Get(ctx, tx, "这个家庭医生团队", readTeam, `
		SELECT t.id, t.org, o.name, t.name, t.leader, p.name, t.phone, t.active, t.version,
			(SELECT count(*) FROM family_contract c WHERE c.team = t.id AND c.latest AND c.from_on <= $2 AND c.to_on >= $2 AND c.ended_on = '')
		FROM contract_team t JOIN organization o ON o.id = t.org JOIN practitioner p ON p.id = t.leader
		WHERE t.id = $1`, id, string(calendar.DateOf(tx.Now)))
	if err != nil {
		return t, err
	}
	t.Members, err = members(ctx, tx, id)
	return t, err
}

// Teams returns the teams of an institution, dissolved ones last.
func Teams(ctx context.Context, tx *db.Tx, org string) ([]Team, error) {
	list, err := db.List(ctx, tx, readTeam, `
		SELECT t.id, t.org, o.name, t.name, t.leader, p.name, t.phone, t.active, t.version,
			(SELECT count(*) FROM family_contract c WHERE c.team = t.id AND c.latest AND c.from_on <= $2 AND c.to_on >= $2 AND c.ended_on = '')
		FROM contract_team t JOIN organization o ON o.id = t.org JOIN practitioner p ON p.id = t.leader
		WHERE t.org = $1 ORDER BY t.active DESC, t.name`, org, string(calendar.DateOf(tx.Now)))
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Members, err = members(ctx, tx, list[i].ID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func members(ctx context.Context, tx *db.Tx, team string) ([]Member, error) {
	return db.List(ctx, tx, func(scan db.Scan) (m Member, err error) {
		return m, scan(&m.Practitioner, &m.Name, &m.Role)
	}, `
		SELECT m.practitioner, p.name, m.role FROM contract_team_member m JOIN practitioner p ON p.id = m.practitioner
		WHERE m.team = $1 ORDER BY m.role, p.name`, team)
}

func insertTeam(ctx context.Context, tx *db.Tx, t Team, by string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO contract_team (id, org, name, leader, phone, active, version, changed_at, changed_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		t.ID, t.Org, t.Name, t.Leader, t.Phone, t.Active, t.Version, db.At(tx.Now), by)
	if err != nil {
		return fmt.Errorf("insert contract team: %w", err)
	}
	return replaceMembers(ctx, tx, t)
}

func updateTeam(ctx context.Context, tx *db.Tx, t Team, by string) (bool, error) {
	n, err := tx.Exec(ctx, `
		UPDATE contract_team SET name = $3, leader = $4, phone = $5, active = $6, version = version + 1, changed_at = $7, changed_by = $8
		WHERE id = $1 AND version = $2`, t.ID, t.Version, t.Name, t.Leader, t.Phone, t.Active, db.At(tx.Now), by)
	if err != nil || n == 0 {
		return false, err
	}
	return true, replaceMembers(ctx, tx, t)
}

func replaceMembers(ctx context.Context, tx *db.Tx, t Team) error {
	if _, err := tx.Exec(ctx, `DELETE FROM contract_team_member WHERE team = $1`, t.ID); err != nil {
		return fmt.Errorf("replace team members: %w", err)
	}
	for _, m := range t.Members {
		if _, err := tx.Exec(ctx, `INSERT INTO contract_team_member (team, practitioner, role) VALUES ($1, $2, $3)`,
			t.ID, m.Practitioner, string(m.Role)); err != nil {
			return fmt.Errorf("insert team member: %w", err)
		}
	}
	return nil
}

func readContract(scan db.Scan) (c Contract, err error) {
	var renews db.Null
	var signed, voided db.Time
	err = scan(&c.ID, &c.Patient, &c.Name, &c.Team, &c.TeamName, &c.TeamPhone, &c.Org, &c.OrgName, &c.Kind, &c.Signer, &c.SignerKind,
		&c.From, &c.To, &renews, &c.Latest, &signed, &c.SignedBy, &c.EndedOn, &c.EndReason, &c.EndNote, &voided)
	c.Renews, c.SignedAt, c.VoidedAt = string(renews), signed.Time, voided.Time
	return c, err
}

// Get returns one contract.
func Get(ctx context.Context, tx *db.Tx, id string) (Contract, error) {
	return db.Get(ctx, tx, "这份签约", readContract, `
		SELECT c.id, c.patient_id, c.name, c.team, t.name, t.phone, c.org, o.name, c.kind, c.signer, c.signer_kind,
			c.from_on, c.to_on, c.renews, c.latest, c.signed_at, c.signed_by, c.ended_on, c.end_reason, c.end_note, c.voided_at
		FROM family_contract c JOIN contract_team t ON t.id = c.team JOIN organization o ON o.id = c.org
		WHERE c.id = $1`, id)
}

// Of returns all contracts of a resident, newest first, voided ones left out.
func Of(ctx context.Context, tx *db.Tx, patient string) ([]Contract, error) {
	return db.List(ctx, tx, readContract, `
		SELECT c.id, c.patient_id, c.name, c.team, t.name, t.phone, c.org, o.name, c.kind, c.signer, c.signer_kind,
			c.from_on, c.to_on, c.renews, c.latest, c.signed_at, c.signed_by, c.ended_on, c.end_reason, c.end_note, c.voided_at
		FROM family_contract c JOIN contract_team t ON t.id = c.team JOIN organization o ON o.id = c.org
		WHERE c.patient_id IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		AND c.voided_at IS NULL ORDER BY c.from_on DESC, c.id DESC`, patient)
}

// Active returns the contract in force for a resident on a day; false when
// there is none.
func Active(ctx context.Context, tx *db.Tx, patient string, day calendar.Date) (Contract, bool, error) {
	all, err := Of(ctx, tx, patient)
	for _, c := range all {
		if c.holds(day) {
			return c, true, err
		}
	}
	return Contract{}, false, err
}

// CountActive returns how many residents are contracted with an institution on
// a day; org "" counts all.
func CountActive(ctx context.Context, tx *db.Tx, org string, day calendar.Date) (int64, error) {
	return db.Count(ctx, tx, `
		SELECT count(DISTINCT patient_id) FROM family_contract
		WHERE (CAST($1 AS TEXT) = '' OR org = $1) AND voided_at IS NULL AND from_on <= $2 AND to_on >= $2
		  AND (ended_on = '' OR ended_on > $2)`, org, string(day))
}

func insertContract(ctx context.Context, tx *db.Tx, c Contract, initials string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO family_contract (id, patient_id, team, org, kind, name, initials, signer, signer_kind, from_on, to_on,
			renews, latest, signed_at, signed_by, ended_on, end_reason, end_note, voided_by, void_reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, TRUE, $13, $14, '', '', '', '', '')`,
		c.ID, c.Patient, c.Team, c.Org, string(c.Kind), c.Name, initials, c.Signer, c.SignerKind, string(c.From), string(c.To),
		db.Null(c.Renews), db.At(c.SignedAt), c.SignedBy)
	return err
}

// Filter narrows the list of contracts of an institution.
type Filter struct {
	Org    string
	Team   string
	Text   string // part of the name, or initials
	Status string // "live" (default), "expiring", "over"
	Page   int    // from 1
}

// PageSize is the rows of one page of List.
const PageSize = 20

// List returns contracts of an institution, the first to expire first, and how
// many there are.
func List(ctx context.Context, tx *db.Tx, f Filter, today calendar.Date) ([]Contract, int64, error) {
	text := likePrefix(f.Text)
	args := []any{f.Org, f.Team, text, f.Status, string(today), string(today.AddDays(ExpiringDays))}
	total, err := db.Count(ctx, tx, `
		SELECT count(*) FROM family_contract c
		WHERE c.org = $1 AND c.voided_at IS NULL AND (CAST($2 AS TEXT) = '' OR c.team = $2)
		  AND (CAST($3 AS TEXT) = '' OR c.name LIKE '%' || $3 || '%' OR c.initials LIKE lower($3) || '%')
		  AND CASE CAST($4 AS TEXT)
			WHEN 'over' THEN NOT c.latest OR c.to_on < $5 OR c.ended_on <> ''
			WHEN 'expiring' THEN c.latest AND c.ended_on = '' AND c.to_on >= $5 AND c.to_on < $6
			ELSE c.latest AND c.ended_on = '' AND c.to_on >= $5 END`, args...)
	if err != nil {
		return nil, 0, err
	}
	list, err := db.List(ctx, tx, readContract, `
		SELECT c.id, c.patient_id, c.name, c.team, t.name, t.phone, c.org, o.name, c.kind, c.signer, c.signer_kind,
			c.from_on, c.to_on, c.renews, c.latest, c.signed_at, c.signed_by, c.ended_on, c.end_reason, c.end_note, c.voided_at
		FROM family_contract c JOIN contract_team t ON t.id = c.team JOIN organization o ON o.id = c.org
		WHERE c.org = $1 AND c.voided_at IS NULL AND (CAST($2 AS TEXT) = '' OR c.team = $2)
		  AND (CAST($3 AS TEXT) = '' OR c.name LIKE '%' || $3 || '%' OR c.initials LIKE lower($3) || '%')
		  AND CASE CAST($4 AS TEXT)
			WHEN 'over' THEN NOT c.latest OR c.to_on < $5 OR c.ended_on <> ''
			WHEN 'expiring' THEN c.latest AND c.ended_on = '' AND c.to_on >= $5 AND c.to_on < $6
			ELSE c.latest AND c.ended_on = '' AND c.to_on >= $5 END
		ORDER BY c.to_on, c.id LIMIT $7 OFFSET $8`, append(args, PageSize, (max(f.Page, 1)-1)*PageSize)...)
	return list, total, err
}
