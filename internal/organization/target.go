package organization

import (
	"cmp"
	"context"
	"slices"

	"yilian/internal/db"
	"yilian/internal/terminology"
)

// formsFor returns the forms of service that suit an urgency, best first: a
// critical patient never goes to a booked clinic, a patient without urgency
// never to the emergency room.
func formsFor(urgency string) []ServiceKind {
	switch urgency {
	case "I", "II":
		return []ServiceKind{Emergency, Inpatient}
	case "III":
		return []ServiceKind{Clinic, Inpatient, Emergency}
	case "IV":
		return []ServiceKind{Clinic, Inpatient}
	}
	return []ServiceKind{Clinic, Inpatient, Emergency}
}

// FindServices returns the services that take the need: institutions of the
// own alliances first; then, for critical patients, emergency before the rest;
// then the closest match of the diagnosis. What is left of today's capacity is
// the caller's to show.
func FindServices(ctx context.Context, tx *db.Tx, need Need) ([]Candidate, error) {
	found, err := matching(ctx, tx, need)
	if err != nil {
		return nil, err
	}
	forms := need.Kinds
	if len(forms) == 0 {
		forms = formsFor(need.Urgency)
	}
	found = slices.DeleteFunc(found, func(c Candidate) bool {
		return !slices.Contains(forms, c.Service.Kind) || (len(need.OrgKinds) > 0 && !slices.Contains(need.OrgKinds, c.Org.Kind))
	})
	for i := range found {
		found[i].Ally = slices.Contains(need.Allies, found[i].Org.ID)
	}
	critical := need.Urgency == "I" || need.Urgency == "II"
	slices.SortStableFunc(found, func(a, b Candidate) int { return rank(a, b, forms, critical) })
	services := make([]HealthcareService, len(found))
	for i := range found {
		services[i] = found[i].Service
	}
	if err := fillTreats(ctx, tx, services); err != nil {
		return nil, err
	}
	for i := range found {
		found[i].Service.Treats = services[i].Treats
	}
	return found, nil
}

func rank(a, b Candidate, forms []ServiceKind, critical bool) int {
	if a.Ally != b.Ally {
		if a.Ally {
			return -1
		}
		return 1
	}
	byForm := cmp.Compare(slices.Index(forms, a.Service.Kind), slices.Index(forms, b.Service.Kind))
	bySpecificity := cmp.Compare(b.Specificity, a.Specificity)
	if critical {
		return cmp.Or(byForm, bySpecificity)
	}
	return cmp.Or(bySpecificity, byForm, cmp.Compare(b.Department.DailyCapacity, a.Department.DailyCapacity))
}

// matching reads the open services whose ICD prefixes, age, sex and specialty
// fit the need.
func matching(ctx context.Context, tx *db.Tx, need Need) ([]Candidate, error) {
	code := terminology.Canonical(need.Code)
	prefixes := []string{""} // services that treat anything
	for i := 1; i <= len(code); i++ {
		prefixes = append(prefixes, code[:i])
	}
	query, args := db.Expand(`
		SELECT s.id, s.org, s.department, s.name, s.kind, s.specialty, s.min_age, s.max_age, s.sex, s.active, s.version,
			d.id, d.org, d.name, d.specialty, d.location, d.phone, d.daily_capacity, d.active, d.version,
			o.id, o.name, o.short_name, o.kind, o.level, o.ownership, o.region, o.parent, o.referral_phone, o.address, o.active, o.version,
			m.specificity
		FROM (
			SELECT service, max(length(prefix)) AS specificity FROM healthcare_service_treats
			WHERE (CAST($6 AS TEXT) = '' OR service = $6) AND (CAST($1 AS TEXT) = '' OR prefix IN ($list)) GROUP BY service
		) m
		JOIN healthcare_service s ON s.id = m.service
		JOIN department d ON d.id = s.department
		JOIN organization o ON o.id = s.org
		WHERE s.active AND d.active AND o.active AND o.id <> $2
		  AND (CAST($3 AS TEXT) = '' OR s.specialty = $3 OR s.specialty LIKE $3 || '.%')
		  AND (CAST($4 AS BIGINT) < 0 OR (s.min_age <= $4 AND (s.max_age = 0 OR s.max_age >= $4)))
		  AND (s.sex = '' OR CAST($5 AS TEXT) NOT IN ('1', '2') OR s.sex = $5)
		ORDER BY o.name, d.name, s.name, s.id`,
		[]any{code, need.From, need.Specialty, need.Age, need.Sex, need.Service}, prefixes)
	found, err := db.List(ctx, tx, readCandidate, query, args...)
	if code == "" { // nothing was matched, so nothing is closer than the rest
		for i := range found {
			found[i].Specificity = 0
		}
	}
	return found, err
}

func readCandidate(scan db.Scan) (c Candidate, err error) {
	var parent db.Null
	s, d, o := &c.Service, &c.Department, &c.Org
	err = scan(&s.ID, &s.Org, &s.Department, &s.Name, &s.Kind, &s.Specialty, &s.MinAge, &s.MaxAge, &s.Sex, &s.Active, &s.Version,
		&d.ID, &d.Org, &d.Name, &d.Specialty, &d.Location, &d.Phone, &d.DailyCapacity, &d.Active, &d.Version,
		&o.ID, &o.Name, &o.ShortName, &o.Kind, &o.Level, &o.Ownership, &o.Region, &parent, &o.ReferralPhone, &o.Address, &o.Active, &o.Version,
		&c.Specificity)
	o.Parent = string(parent)
	return c, err
}
