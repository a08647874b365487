package app

import (
	"context"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/message"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
)

// directory answers flow's questions about people out of the registers.
type directory struct{}

var _ flow.Directory = directory{}

// duties says which duty of the roster stands behind a role.
var duties = map[access.Role]practitioner.Duty{
	access.OnCall: practitioner.OnCallDuty, access.Emergency: practitioner.OnCallDuty,
	access.ReferralCenter: practitioner.ReferralCenter, access.TownshipHead: practitioner.Reviewer,
}

// OnDuty implements flow.Directory.
func (directory) OnDuty(ctx context.Context, tx *db.Tx, org, department string, role access.Role, at time.Time) ([]string, error) {
	duty, ok := duties[role]
	if !ok {
		return nil, nil
	}
	list, err := practitioner.OnCall(ctx, tx, org, department, duty, at)
	if err != nil {
		return nil, err
	}
	var people []string
	for _, d := range list {
		people = append(people, d.Person.ID)
	}
	return people, nil
}

// superiors lists who answers for a role, nearest first.
var superiors = map[access.Role][]access.Role{
	access.VillageDoctor:    {access.TownshipHead},
	access.TownshipDoctor:   {access.TownshipHead},
	access.TownshipHead:     {access.AllianceOffice},
	access.ReferralCenter:   {access.MedicalAffairs},
	access.Registration:     {access.ReferralCenter, access.MedicalAffairs},
	access.DepartmentDoctor: {access.DepartmentHead, access.MedicalAffairs},
	access.DepartmentHead:   {access.MedicalAffairs},
	access.BedManager:       {access.MedicalAffairs},
	access.Emergency:        {access.MedicalAffairs},
	access.OnCall:           {access.MedicalAffairs},
}

// Superior implements flow.Directory: the level-th role above that somebody
// holds at the institution; the role itself when there is nobody above.
func (directory) Superior(ctx context.Context, tx *db.Tx, org string, role access.Role, level int) (access.Role, error) {
	found := role
	for _, above := range superiors[role] {
		holders, err := account.Holders(ctx, tx, org, above)
		if err != nil {
			return role, err
		}
		if len(holders) == 0 {
			continue
		}
		found = above
		if level--; level <= 0 {
			break
		}
	}
	return found, nil
}

// PersonName implements flow.Directory.
func (directory) PersonName(ctx context.Context, tx *db.Tx, person string) (string, error) {
	return practitioner.DisplayName(ctx, tx, person)
}

// notify hands a notice of flow to the message module: to one person where the
// case is in somebody's hands, else to everybody of the role.
func notify(ctx context.Context, tx *db.Tx, n flow.Notice) error {
	m := message.Notice{Org: n.Org, Role: n.Role, Kind: n.Kind + "." + n.Level, Text: n.Text, Link: caseKinds[n.Kind].Path + "/" + n.Case}
	if n.Person == "" {
		return message.Notify(ctx, tx, m)
	}
	accounts, err := account.OfPerson(ctx, tx, n.Person)
	if err != nil {
		return err
	}
	if len(accounts) == 0 { // the person has left: the role must know
		return message.Notify(ctx, tx, m)
	}
	for _, a := range accounts {
		m.ID, m.Account, m.Org, m.Role = "", a, "", ""
		if err := message.Notify(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

// accountDirectory tells the account module about institutions.
func accountDirectory() account.Directory {
	return account.Directory{
		RegionsOf: organization.Chain,
		Institutions: func(ctx context.Context, tx *db.Tx) ([]account.Institution, error) {
			list, err := organization.List(ctx, tx, organization.Filter{})
			var out []account.Institution
			for _, o := range list {
				out = append(out, account.Institution{ID: o.ID, Name: o.Name})
			}
			return out, err
		},
		Under: func(ctx context.Context, tx *db.Tx, org, head string) (bool, error) {
			o, err := organization.Get(ctx, tx, org)
			return err == nil && o.Parent == head, err
		},
		Departments: func(ctx context.Context, tx *db.Tx, org string) ([]account.Institution, error) {
			list, err := organization.Departments(ctx, tx, org)
			var out []account.Institution
			for _, d := range list {
				out = append(out, account.Institution{ID: d.ID, Name: d.Name})
			}
			return out, err
		},
		People: func(ctx context.Context, tx *db.Tx, org string) ([]account.Person, error) {
			list, err := practitioner.At(ctx, tx, org, "", "")
			var out []account.Person
			for _, p := range list {
				out = append(out, account.Person{ID: p.ID, Name: p.Name, Title: p.Title})
			}
			return out, err
		},
	}
}
