package alliance

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
)

func readAlliance(scan db.Scan) (a Alliance, err error) {
	return a, scan(&a.ID, &a.Name, &a.Kind, &a.Region, &a.Profile, &a.Clause)
}

// Get returns one alliance.
func Get(ctx context.Context, tx *db.Tx, id string) (Alliance, error) {
	return db.Get(ctx, tx, "这个医联体", readAlliance, `SELECT id, name, kind, region, profile, clause FROM alliance WHERE id = $1`, id)
}

// List returns all alliances.
func List(ctx context.Context, tx *db.Tx) ([]Alliance, error) {
	return db.List(ctx, tx, readAlliance, `SELECT id, name, kind, region, profile, clause FROM alliance ORDER BY kind, name`)
}

func readMembership(scan db.Scan) (m Membership, err error) {
	var to db.Null
	var knownFrom, knownTo db.Time
	err = scan(&m.ID, &m.Alliance, &m.Org, &m.OrgName, &m.Role, &m.Plate, &m.Clause, &m.ValidFrom, &to, &knownFrom, &knownTo, &m.KnownBy, &m.Reason)
	m.ValidTo, m.KnownFrom, m.KnownTo = calendar.Date(to), knownFrom.Time, knownTo.Time
	return m, err
}

func readSupport(scan db.Scan) (s Support, err error) {
	var to db.Null
	var knownFrom, knownTo db.Time
	err = scan(&s.ID, &s.Supporter, &s.Supported, &s.Focus, &s.Clause, &s.ValidFrom, &to, &knownFrom, &knownTo, &s.KnownBy, &s.Reason)
	s.ValidTo, s.KnownFrom, s.KnownTo = calendar.Date(to), knownFrom.Time, knownTo.Time
	return s, err
}

// MembersOn returns who belongs to an alliance on a day, as the register knew
// it at knownAt; the lead comes first.
func MembersOn(ctx context.Context, tx *db.Tx, alliance string, day calendar.Date, knownAt time.Time) ([]Membership, error) {
	return db.List(ctx, tx, readMembership, `
		SELECT m.id, m.alliance, m.org, m.org_name, m.role, m.plate, m.clause, m.valid_from, m.valid_to, m.known_from, m.known_to, m.known_by, m.reason
		FROM alliance_membership m JOIN organization o ON o.id = m.org
		WHERE m.alliance = $1 AND m.valid_from <= $2 AND (m.valid_to IS NULL OR m.valid_to >= $2)
		  AND m.known_from <= $3 AND (m.known_to IS NULL OR m.known_to > $3)
		ORDER BY CASE m.role WHEN 'lead' THEN 0 WHEN 'member' THEN 1 ELSE 2 END, o.region, o.name`,
		alliance, string(day), db.At(knownAt))
}

// AlliancesOf returns the memberships of an institution on a day, as known at
// knownAt.
func AlliancesOf(ctx context.Context, tx *db.Tx, org string, day calendar.Date, knownAt time.Time) ([]Membership, error) {
	return db.List(ctx, tx, readMembership, `
		SELECT id, alliance, org, org_name, role, plate, clause, valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_membership
		WHERE org = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to >= $2)
		  AND known_from <= $3 AND (known_to IS NULL OR known_to > $3)
		ORDER BY valid_from, id`, org, string(day), db.At(knownAt))
}

// AllOn returns every membership on a day, as known at knownAt.
func AllOn(ctx context.Context, tx *db.Tx, day calendar.Date, knownAt time.Time) ([]Membership, error) {
	return db.List(ctx, tx, readMembership, `
		SELECT id, alliance, org, org_name, role, plate, clause, valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_membership
		WHERE valid_from <= $1 AND (valid_to IS NULL OR valid_to >= $1)
		  AND known_from <= $2 AND (known_to IS NULL OR known_to > $2)
		ORDER BY alliance, id`, string(day), db.At(knownAt))
}

// SupportsOn returns the support pairings on a day, as known at knownAt: those
// in which the institution stands on either side, or all when org is "".
func SupportsOn(ctx context.Context, tx *db.Tx, org string, day calendar.Date, knownAt time.Time) ([]Support, error) {
	return db.List(ctx, tx, readSupport, `
		SELECT s.id, s.supporter, s.supported, s.focus, s.clause, s.valid_from, s.valid_to, s.known_from, s.known_to, s.known_by, s.reason
		FROM alliance_support s JOIN organization a ON a.id = s.supporter JOIN organization b ON b.id = s.supported
		WHERE (CAST($1 AS TEXT) = '' OR s.supporter = $1 OR s.supported = $1)
		  AND s.valid_from <= $2 AND (s.valid_to IS NULL OR s.valid_to >= $2)
		  AND s.known_from <= $3 AND (s.known_to IS NULL OR s.known_to > $3)
		ORDER BY a.name, b.region, b.name`, org, string(day), db.At(knownAt))
}

// Allies returns the institutions that stand in an alliance with org on a day,
// as known now: those that share an alliance, and those paired with it by
// support (the specialty alliances of LL-4.1 name no members; LL-4.2 names the
// pairs). A village clinic has the allies of its centre, and its centre.
func Allies(ctx context.Context, tx *db.Tx, org string, day calendar.Date) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `
		WITH self(id) AS (
			SELECT id FROM organization WHERE id = $1
			UNION SELECT parent FROM organization WHERE id = $1 AND parent IS NOT NULL
		), now_member(alliance, org) AS (
			SELECT alliance, org FROM alliance_membership
			WHERE valid_from <= $2 AND (valid_to IS NULL OR valid_to >= $2)
			  AND known_from <= $3 AND (known_to IS NULL OR known_to > $3) AND role <> 'link'
		), now_support(a, b) AS (
			SELECT supporter, supported FROM alliance_support
			WHERE valid_from <= $2 AND (valid_to IS NULL OR valid_to >= $2)
			  AND known_from <= $3 AND (known_to IS NULL OR known_to > $3)
		)
		SELECT id FROM (
			SELECT other.org AS id FROM now_member mine JOIN now_member other ON other.alliance = mine.alliance
			WHERE mine.org IN (SELECT id FROM self)
			UNION SELECT b FROM now_support WHERE a IN (SELECT id FROM self)
			UNION SELECT a FROM now_support WHERE b IN (SELECT id FROM self)
			UNION SELECT id FROM self
		) allies WHERE id <> $1 ORDER BY id`, org, string(day), db.At(tx.Now))
}

// History returns everything the register ever said about the members of an
// alliance, the oldest entry first.
func History(ctx context.Context, tx *db.Tx, alliance string) ([]Membership, error) {
	return db.List(ctx, tx, readMembership, `
		SELECT id, alliance, org, org_name, role, plate, clause, valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_membership WHERE alliance = $1 ORDER BY known_from, id`, alliance)
}

// GetMembership returns one entry, corrected since or not.
func GetMembership(ctx context.Context, tx *db.Tx, id string) (Membership, error) {
	return db.Get(ctx, tx, "这条成员记录", readMembership, `
		SELECT id, alliance, org, org_name, role, plate, clause, valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_membership WHERE id = $1`, id)
}

// PairHistory returns everything the register ever said about a pairing, the
// oldest entry first.
func PairHistory(ctx context.Context, tx *db.Tx, supporter, supported string) ([]Support, error) {
	return db.List(ctx, tx, readSupport, `
		SELECT id, supporter, supported, focus, clause, valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_support WHERE supporter = $1 AND supported = $2 ORDER BY known_from, id`, supporter, supported)
}

// GetSupport returns one pairing, corrected since or not.
func GetSupport(ctx context.Context, tx *db.Tx, id string) (Support, error) {
	return db.Get(ctx, tx, "这条对口建设记录", readSupport, `
		SELECT id, supporter, supported, focus, clause, valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_support WHERE id = $1`, id)
}

func insertAlliance(ctx context.Context, tx *db.Tx, a Alliance) error {
	if _, err := tx.Exec(ctx, `INSERT INTO alliance (id, name, kind, region, profile, clause) VALUES ($1, $2, $3, $4, $5, $6)`,
		a.ID, a.Name, string(a.Kind), a.Region, a.Profile, a.Clause); err != nil {
		return fmt.Errorf("insert alliance: %w", err)
	}
	tx.Touch("alliance", a.ID)
	return nil
}

func insertMembership(ctx context.Context, tx *db.Tx, m Membership) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO alliance_membership (id, alliance, org, org_name, role, plate, clause, valid_from, valid_to, known_from, known_to, known_by, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, $11, $12)`,
		m.ID, m.Alliance, m.Org, m.OrgName, string(m.Role), m.Plate, m.Clause, string(m.ValidFrom), db.Null(m.ValidTo),
		db.At(m.KnownFrom), m.KnownBy, m.Reason); err != nil {
		return fmt.Errorf("insert membership: %w", err)
	}
	tx.Touch("alliance_membership", m.ID)
	return nil
}

func insertSupport(ctx context.Context, tx *db.Tx, s Support) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO alliance_support (id, supporter, supported, focus, clause, valid_from, valid_to, known_from, known_to, known_by, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, $9, $10)`,
		s.ID, s.Supporter, s.Supported, s.Focus, s.Clause, string(s.ValidFrom), db.Null(s.ValidTo),
		db.At(s.KnownFrom), s.KnownBy, s.Reason); err != nil {
		return fmt.Errorf("insert support: %w", err)
	}
	return nil
}

// FirstDay is the first day on which an institution was a member of any
// alliance, as the register now says; "" when it never was.
func FirstDay(ctx context.Context, tx *db.Tx, org string) (calendar.Date, error) {
	return db.Get(ctx, tx, "成员单位", db.Value[calendar.Date], `
		SELECT coalesce(min(valid_from), '') FROM alliance_membership WHERE org = $1 AND known_to IS NULL`, org)
}

// After lists the ids of alliances after one, ascending.
func After(ctx context.Context, tx *db.Tx, after string, limit int) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT id FROM alliance WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// MembershipsAfter lists the ids of memberships after one, ascending, corrected
// since or not.
func MembershipsAfter(ctx context.Context, tx *db.Tx, after string, limit int) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT id FROM alliance_membership WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}
