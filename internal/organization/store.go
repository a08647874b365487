package organization

import (
	"context"
	"fmt"
	"slices"

	"yilian/internal/db"
	"yilian/internal/region"
)

func readOrg(scan db.Scan) (o Organization, err error) {
	var parent db.Null
	err = scan(&o.ID, &o.Name, &o.ShortName, &o.Kind, &o.Level, &o.Ownership, &o.Region, &parent,
		&o.ReferralPhone, &o.Address, &o.Active, &o.Version)
	o.Parent = string(parent)
	return o, err
}

// Get returns one institution with its identifiers.
func Get(ctx context.Context, tx *db.Tx, id string) (Organization, error) {
	o, err := db.Get(ctx, tx, "这家机构", readOrg, `
		SELECT id, name, short_name, kind, level, ownership, region, parent, referral_phone, address, active, version
		FROM organization WHERE id = $1`, id)
	if err != nil {
		return o, err
	}
	o.Identifiers, err = identifiers(ctx, tx, id)
	return o, err
}

func identifiers(ctx context.Context, tx *db.Tx, org string) ([]Identifier, error) {
	return db.List(ctx, tx, func(scan db.Scan) (i Identifier, err error) {
		return i, scan(&i.System, &i.Value)
	}, `SELECT system, value FROM organization_identifier WHERE org = $1 ORDER BY system, value`, org)
}

// ByName returns the institution with exactly this name.
func ByName(ctx context.Context, tx *db.Tx, name string) (Organization, error) {
	id, err := db.Get(ctx, tx, "机构“"+name+"”", db.Value[string], `SELECT id FROM organization WHERE name = $1`, name)
	if err != nil {
		return Organization{}, err
	}
	return Get(ctx, tx, id)
}

// ByIdentifier returns the institution with an official number.
func ByIdentifier(ctx context.Context, tx *db.Tx, system, value string) (Organization, error) {
	id, err := db.Get(ctx, tx, IdentifierTitle(system)+" "+value+" 对应的机构", db.Value[string],
		`SELECT org FROM organization_identifier WHERE system = $1 AND value = $2`, system, value)
	if err != nil {
		return Organization{}, err
	}
	return Get(ctx, tx, id)
}

// Filter narrows a list of institutions; empty fields do not.
type Filter struct {
	Kind   Kind
	Region string // the division and all below it
	Parent string
	Text   string // part of the name or short name
	Closed bool   // closed institutions too
}

// List returns institutions, hospitals first, without their identifiers.
func List(ctx context.Context, tx *db.Tx, f Filter) ([]Organization, error) {
	found, err := db.List(ctx, tx, readOrg, `
		WITH RECURSIVE below(code) AS (
			SELECT code FROM region WHERE code = $2
			UNION SELECT r.code FROM region r JOIN below b ON r.parent = b.code
		)
		SELECT id, name, short_name, kind, level, ownership, region, parent, referral_phone, address, active, version
		FROM organization
		WHERE (CAST($1 AS TEXT) = '' OR kind = $1)
		  AND (CAST($2 AS TEXT) = '' OR region IN (SELECT code FROM below))
		  AND (CAST($3 AS TEXT) = '' OR parent = $3)
		  AND (CAST($4 AS TEXT) = '' OR name LIKE '%' || $4 || '%' OR short_name LIKE '%' || $4 || '%')
		  AND (active OR CAST($5 AS BOOLEAN))
		ORDER BY region, name`, string(f.Kind), f.Region, f.Parent, likeText(f.Text), f.Closed)
	if err != nil {
		return nil, err
	}
	order := Kinds()
	slices.SortStableFunc(found, func(a, b Organization) int {
		return slices.Index(order, a.Kind) - slices.Index(order, b.Kind)
	})
	return found, nil
}

// likeText drops the wildcards of LIKE; no institution's name holds them.
func likeText(s string) string {
	out := make([]rune, 0, len(s))
	for _, c := range s {
		if c != '%' && c != '_' && c != '\\' {
			out = append(out, c)
		}
	}
	return string(out)
}

// Names returns the short names of institutions by id.
func Names(ctx context.Context, tx *db.Tx, ids []string) (map[string]string, error) {
	query, args := db.Expand(`SELECT id, CASE WHEN short_name = '' THEN name ELSE short_name END
		FROM organization WHERE id IN ($list)`, nil, ids)
	rows, err := db.List(ctx, tx, func(scan db.Scan) (r [2]string, err error) { return r, scan(&r[0], &r[1]) }, query, args...)
	names := make(map[string]string, len(rows))
	for _, r := range rows {
		names[r[0]] = r[1]
	}
	return names, err
}

// FullNames returns the first names of institutions by id.
func FullNames(ctx context.Context, tx *db.Tx, ids []string) (map[string]string, error) {
	query, args := db.Expand(`SELECT id, name FROM organization WHERE id IN ($list)`, nil, ids)
	rows, err := db.List(ctx, tx, func(scan db.Scan) (r [2]string, err error) { return r, scan(&r[0], &r[1]) }, query, args...)
	names := make(map[string]string, len(rows))
	for _, r := range rows {
		names[r[0]] = r[1]
	}
	return names, err
}

// Chain returns the jurisdictions of an institution, specific first: its
// village or town, county, city, province, CN.
func Chain(ctx context.Context, tx *db.Tx, id string) ([]string, error) {
	code, err := db.Get(ctx, tx, "这家机构", db.Value[string], `SELECT region FROM organization WHERE id = $1`, id)
	if err != nil {
		return nil, err
	}
	return region.Chain(ctx, tx, code)
}

func readDepartment(scan db.Scan) (d Department, err error) {
	return d, scan(&d.ID, &d.Org, &d.Name, &d.Specialty, &d.Location, &d.Phone, &d.DailyCapacity, &d.Active, &d.Version)
}

// GetDepartment returns one department.
func GetDepartment(ctx context.Context, tx *db.Tx, id string) (Department, error) {
	return db.Get(ctx, tx, "这个科室", readDepartment, `
		SELECT id, org, name, specialty, location, phone, daily_capacity, active, version
		FROM department WHERE id = $1`, id)
}

// Departments returns the open departments of an institution.
func Departments(ctx context.Context, tx *db.Tx, org string) ([]Department, error) {
	return db.List(ctx, tx, readDepartment, `
		SELECT id, org, name, specialty, location, phone, daily_capacity, active, version
		FROM department WHERE org = $1 AND active ORDER BY specialty, name`, org)
}

// AllDepartments returns the departments of an institution, closed ones last.
func AllDepartments(ctx context.Context, tx *db.Tx, org string) ([]Department, error) {
	return db.List(ctx, tx, readDepartment, `
		SELECT id, org, name, specialty, location, phone, daily_capacity, active, version
		FROM department WHERE org = $1 ORDER BY active DESC, specialty, name`, org)
}

func readService(scan db.Scan) (s HealthcareService, err error) {
	return s, scan(&s.ID, &s.Org, &s.Department, &s.Name, &s.Kind, &s.Specialty, &s.MinAge, &s.MaxAge, &s.Sex, &s.Active, &s.Version)
}

// GetService returns one service with what it treats.
func GetService(ctx context.Context, tx *db.Tx, id string) (HealthcareService, error) {
	s, err := db.Get(ctx, tx, "这项服务", readService, `
		SELECT id, org, department, name, kind, specialty, min_age, max_age, sex, active, version
		FROM healthcare_service WHERE id = $1`, id)
	if err != nil {
		return s, err
	}
	one := []HealthcareService{s}
	err = fillTreats(ctx, tx, one)
	return one[0], err
}

// Services returns the services of an institution, closed ones last.
func Services(ctx context.Context, tx *db.Tx, org string) ([]HealthcareService, error) {
	all, err := db.List(ctx, tx, readService, `
		SELECT s.id, s.org, s.department, s.name, s.kind, s.specialty, s.min_age, s.max_age, s.sex, s.active, s.version
		FROM healthcare_service s JOIN department d ON d.id = s.department
		WHERE s.org = $1 ORDER BY s.active DESC, d.specialty, d.name, s.kind, s.name`, org)
	if err != nil {
		return nil, err
	}
	return all, fillTreats(ctx, tx, all)
}

// fillTreats reads the ICD prefixes of the services in one statement.
func fillTreats(ctx context.Context, tx *db.Tx, services []HealthcareService) error {
	at := make(map[string]int, len(services))
	ids := make([]string, 0, len(services))
	for i, s := range services {
		at[s.ID] = i
		ids = append(ids, s.ID)
	}
	for part := range slices.Chunk(ids, 500) {
		query, args := db.Expand(`SELECT service, prefix FROM healthcare_service_treats
			WHERE prefix <> '' AND service IN ($list) ORDER BY service, prefix`, nil, part)
		rows, err := db.List(ctx, tx, func(scan db.Scan) (r [2]string, err error) { return r, scan(&r[0], &r[1]) }, query, args...)
		if err != nil {
			return err
		}
		for _, r := range rows {
			s := &services[at[r[0]]]
			s.Treats = append(s.Treats, r[1])
		}
	}
	return nil
}

func insertOrg(ctx context.Context, tx *db.Tx, o Organization) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO organization (id, name, short_name, kind, level, ownership, region, parent, referral_phone, address, active, version, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12)`,
		o.ID, o.Name, o.ShortName, string(o.Kind), o.Level, string(o.Ownership), o.Region, db.Null(o.Parent),
		o.ReferralPhone, o.Address, o.Active, db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("insert organization: %w", err)
	}
	tx.Touch("organization", o.ID)
	return replaceIdentifiers(ctx, tx, o)
}

// updateOrg writes o over the version the user saw; false: it has moved on.
func updateOrg(ctx context.Context, tx *db.Tx, o Organization) (bool, error) {
	n, err := tx.Exec(ctx, `
		UPDATE organization SET name = $3, short_name = $4, kind = $5, level = $6, ownership = $7, region = $8, parent = $9,
			referral_phone = $10, address = $11, active = $12, version = version + 1, changed_at = $13
		WHERE id = $1 AND version = $2`,
		o.ID, o.Version, o.Name, o.ShortName, string(o.Kind), o.Level, string(o.Ownership), o.Region, db.Null(o.Parent),
		o.ReferralPhone, o.Address, o.Active, db.At(tx.Now))
	if err != nil || n == 0 {
		return false, err
	}
	tx.Touch("organization", o.ID)
	return true, replaceIdentifiers(ctx, tx, o)
}

// replaceIdentifiers keeps the official numbers as they are now; the audit
// leaf of the edit keeps what they were.
func replaceIdentifiers(ctx context.Context, tx *db.Tx, o Organization) error {
	if _, err := tx.Exec(ctx, `DELETE FROM organization_identifier WHERE org = $1`, o.ID); err != nil {
		return fmt.Errorf("replace identifiers: %w", err)
	}
	for _, id := range o.Identifiers {
		if _, err := tx.Exec(ctx, `INSERT INTO organization_identifier (system, value, org) VALUES ($1, $2, $3)`,
			id.System, id.Value, o.ID); err != nil {
			return fmt.Errorf("insert identifier: %w", err)
		}
	}
	return nil
}

func insertDepartment(ctx context.Context, tx *db.Tx, d Department) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO department (id, org, name, specialty, location, phone, daily_capacity, active, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)`,
		d.ID, d.Org, d.Name, d.Specialty, d.Location, d.Phone, d.DailyCapacity, d.Active)
	if err != nil {
		return fmt.Errorf("insert department: %w", err)
	}
	tx.Touch("department", d.ID)
	return nil
}

func updateDepartment(ctx context.Context, tx *db.Tx, d Department) (bool, error) {
	n, err := tx.Exec(ctx, `
		UPDATE department SET name = $3, specialty = $4, location = $5, phone = $6, daily_capacity = $7, active = $8, version = version + 1
		WHERE id = $1 AND version = $2`,
		d.ID, d.Version, d.Name, d.Specialty, d.Location, d.Phone, d.DailyCapacity, d.Active)
	tx.Touch("department", d.ID)
	return n == 1, err
}

func insertService(ctx context.Context, tx *db.Tx, s HealthcareService) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO healthcare_service (id, org, department, name, kind, specialty, min_age, max_age, sex, active, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)`,
		s.ID, s.Org, s.Department, s.Name, string(s.Kind), s.Specialty, s.MinAge, s.MaxAge, s.Sex, s.Active)
	if err != nil {
		return fmt.Errorf("insert service: %w", err)
	}
	tx.Touch("healthcare_service", s.ID)
	return replaceTreats(ctx, tx, s)
}

func updateService(ctx context.Context, tx *db.Tx, s HealthcareService) (bool, error) {
	n, err := tx.Exec(ctx, `
		UPDATE healthcare_service SET department = $3, name = $4, kind = $5, specialty = $6, min_age = $7, max_age = $8,
			sex = $9, active = $10, version = version + 1
		WHERE id = $1 AND version = $2`,
		s.ID, s.Version, s.Department, s.Name, string(s.Kind), s.Specialty, s.MinAge, s.MaxAge, s.Sex, s.Active)
	if err != nil || n == 0 {
		return false, err
	}
	tx.Touch("healthcare_service", s.ID)
	return true, replaceTreats(ctx, tx, s)
}

func replaceTreats(ctx context.Context, tx *db.Tx, s HealthcareService) error {
	if _, err := tx.Exec(ctx, `DELETE FROM healthcare_service_treats WHERE service = $1`, s.ID); err != nil {
		return fmt.Errorf("replace treats: %w", err)
	}
	prefixes := s.Treats
	if len(prefixes) == 0 {
		prefixes = []string{""} // anything
	}
	for _, p := range prefixes {
		if _, err := tx.Exec(ctx, `INSERT INTO healthcare_service_treats (prefix, service) VALUES ($1, $2)`, p, s.ID); err != nil {
			return fmt.Errorf("insert treats: %w", err)
		}
	}
	return nil
}

// After lists the ids of institutions after one, ascending.
func After(ctx context.Context, tx *db.Tx, after string, limit int) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT id FROM organization WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// DepartmentsAfter lists the ids of departments after one, ascending.
func DepartmentsAfter(ctx context.Context, tx *db.Tx, after string, limit int) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT id FROM department WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// ServicesAfter lists the ids of services after one, ascending.
func ServicesAfter(ctx context.Context, tx *db.Tx, after string, limit int) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT id FROM healthcare_service WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}
