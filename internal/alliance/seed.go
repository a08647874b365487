package alliance

import (
	"context"
	"fmt"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/policy"
)

// Seed writes the alliances, memberships and pairings that a policy profile
// states, for the institutions that the register holds. It needs
// organization.Seed before it; alliances and pairings that are there already
// are left as they are. Facts without a date begin with the profile.
func Seed(ctx context.Context, tx *db.Tx, p policy.Profile) error {
	facts := p.Facts()
	orgs, err := resolve(ctx, tx, facts.Institutions)
	if err != nil {
		return err
	}
	by := Period{KnownFrom: tx.Now, KnownBy: p.Document(), Reason: "按文件登记"}
	if err := seedAffiliations(ctx, tx, p, facts.Institutions, orgs, by); err != nil {
		return err
	}
	alliances, err := seedAlliances(ctx, tx, p, facts.Alliances)
	if err != nil {
		return err
	}
	for _, m := range facts.Memberships {
		id, fresh := alliances[m.Alliance]
		if org := orgs[m.Member]; fresh && org != "" {
			row := Membership{ID: db.NewID(), Alliance: id, Org: org, OrgName: facts.Name(m.Member), Role: Role(m.Role), Plate: m.Plate, Clause: m.Clause, Period: by}
			row.ValidFrom, row.ValidTo = since(m.From, p.ValidFrom), calendar.Date(m.To)
			if err := insertMembership(ctx, tx, row); err != nil {
				return fmt.Errorf("seed membership %s/%s: %w", m.Alliance, m.Member, err)
			}
		}
	}
	if err := seedTies(ctx, tx, p, facts, orgs, by); err != nil {
		return err
	}
	return seedSupports(ctx, tx, p, facts.Supports, orgs, by)
}

// seedTies writes the ties upwards (LL-4.1) and the provincial hospitals with
// their cities (JS-4.1.1); those that are there are left as they are.
func seedTies(ctx context.Context, tx *db.Tx, p policy.Profile, facts policy.Facts, orgs map[string]string, by Period) error {
	for _, t := range facts.Ties {
		r := Relation{Clause: t.Clause, Terms: t.As, Evidence: p.Document(), Period: by}
		r.ValidFrom = p.ValidFrom
		name := facts.Name(t.Institution)
		if len(t.Regions) > 0 {
			r.Kind, r.From, r.FromName, r.Area = Contact, orgs[t.Institution], name, t.Regions
		} else {
			r.Kind, r.FromName, r.To, r.ToName = Guidance, t.With, orgs[t.Institution], name
		}
		n, err := db.Count(ctx, tx, `SELECT count(*) FROM alliance_relation WHERE kind = $1 AND from_name = $2 AND to_name = $3`, string(r.Kind), r.FromName, r.ToName)
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		if err := insertRelation(ctx, tx, r); err != nil {
			return fmt.Errorf("seed tie %s: %w", name, err)
		}
	}
	return nil
}

// seedAffiliations says of the provincial hospitals of a province's document
// that they belong to the province's own authority, wherever they stand.
func seedAffiliations(ctx context.Context, tx *db.Tx, p policy.Profile, institutions []policy.Institution, orgs map[string]string, by Period) error {
	bureau := ""
	for _, i := range institutions {
		if i.Kind == "health_bureau" && i.Level == "province" {
			bureau = orgs[i.ID]
		}
	}
	for _, i := range institutions {
		org := orgs[i.ID]
		if bureau == "" || org == "" || i.Level != "province" || org == bureau {
			continue
		}
		history, err := FactHistory(ctx, tx, org, Affiliation)
		if err != nil || len(history) > 0 {
			if err != nil {
				return err
			}
			continue
		}
		f := Fact{Subject: subjectOrg, SubjectID: org, Field: Affiliation, Value: bureau, Evidence: p.Document(), Clause: i.Clause, Period: by}
		f.ValidFrom = p.ValidFrom
		if err := setFact(ctx, tx, f); err != nil {
			return fmt.Errorf("seed affiliation of %s: %w", i.Name, err)
		}
	}
	return nil
}

// resolve maps the profile's ids of institutions to the register's; an
// institution that is not in the register is left out.
func resolve(ctx context.Context, tx *db.Tx, institutions []policy.Institution) (map[string]string, error) {
	orgs := map[string]string{}
	for _, i := range institutions {
		for _, name := range append([]string{i.Name}, i.AsWritten...) {
			o, err := organization.ByName(ctx, tx, name)
			if err == nil {
				orgs[i.ID] = o.ID
				break
			}
			if !errs.Is(err, errs.NotFound) {
				return nil, err
			}
		}
	}
	return orgs, nil
}

// seedAlliances returns the alliances that were new, by the profile's id.
func seedAlliances(ctx context.Context, tx *db.Tx, p policy.Profile, all []policy.Alliance) (map[string]string, error) {
	fresh := map[string]string{}
	for _, a := range all {
		n, err := db.Count(ctx, tx, `SELECT count(*) FROM alliance WHERE name = $1`, a.Name)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			continue
		}
		row := Alliance{ID: db.NewID(), Name: a.Name, Kind: Kind(a.Kind), Region: a.Region, Profile: p.ID, Clause: a.Clause}
		if err := insertAlliance(ctx, tx, row); err != nil {
			return nil, fmt.Errorf("seed alliance %s: %w", a.ID, err)
		}
		by := Period{ValidFrom: since(a.From, p.ValidFrom), KnownBy: p.Document(), Reason: "按文件登记"}
		state := Fact{Subject: subjectAlliance, SubjectID: row.ID, Field: State, Value: Formed, Evidence: p.Document(), Clause: a.Clause, Period: by}
		if err := setFact(ctx, tx, state); err != nil {
			return nil, fmt.Errorf("seed alliance %s: %w", a.ID, err)
		}
		fresh[a.ID] = row.ID
	}
	return fresh, nil
}

func seedSupports(ctx context.Context, tx *db.Tx, p policy.Profile, all []policy.Support, orgs map[string]string, by Period) error {
	for _, s := range all {
		from, to := orgs[s.Supporter], orgs[s.Supported]
		if from == "" || to == "" {
			continue
		}
		n, err := db.Count(ctx, tx, `SELECT count(*) FROM alliance_support WHERE supporter = $1 AND supported = $2`, from, to)
		if err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		row := Support{ID: db.NewID(), Supporter: from, Supported: to, Focus: s.Focus, Clause: s.Clause, Period: by}
		row.ValidFrom, row.ValidTo = since(s.From, p.ValidFrom), calendar.Date(s.To)
		if err := insertSupport(ctx, tx, row); err != nil {
			return fmt.Errorf("seed support %s/%s: %w", s.Supporter, s.Supported, err)
		}
	}
	return nil
}

func since(date string, begin calendar.Date) calendar.Date {
	if date != "" {
		return calendar.Date(date)
	}
	return begin
}
