package simulate

import (
	"context"
	"fmt"
	"slices"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/contract"
	"yilian/internal/db"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/practitioner"
)

// contractedShare is how many adults of a hundred have a family-doctor
// contract in the demo.
const contractedShare = 46

// teamsOf is how many teams a centre forms: communities five (LL-4.1c).
func teamsOf(kind organization.Kind) int {
	if kind == organization.CommunityCenter {
		return 5
	}
	return 3
}

// sign forms the family-doctor teams and contracts residents with them.
func (s *simulation) sign(ctx context.Context) error {
	for _, centre := range s.staff.centres() {
		org := s.staff.orgs[centre]
		doctors := s.staff.with(org.ID, access.TownshipDoctor, "")
		members, err := s.helpers(ctx, org)
		if err != nil {
			return err
		}
		var teams []string
		for i := range teamsOf(org.Kind) {
			t, err := s.app.Contracts.SaveTeam(ctx, doctors[0], contract.Team{
				Name: fmt.Sprintf("第%d家庭医生团队", i+1), Leader: doctors[i%len(doctors)].Person, Phone: org.ReferralPhone, Members: members,
			})
			if err != nil {
				return err
			}
			teams = append(teams, t.ID)
		}
		if err := s.signResidents(ctx, centre, doctors[0], teams); err != nil {
			return err
		}
	}
	return nil
}

// helpers enters a nurse and a public-health doctor of the centre.
func (s *simulation) helpers(ctx context.Context, org organization.Organization) ([]contract.Member, error) {
	var out []contract.Member
	for _, kind := range []struct {
		category practitioner.Category
		title    string
		scope    string
		role     contract.Role
	}{{practitioner.Nurse, "护师", "护理", contract.Nurse}, {practitioner.PublicHealth, "医师", "公共卫生类别", contract.PublicHealth}} {
		name, sex := s.staff.names.next()
		p := practitionerOf(access.TownshipDoctor, name, sex, org, organization.Department{}, s.now)
		p.Category, p.Title, p.Scope = kind.category, kind.title, kind.scope
		id, err := s.register(ctx, audit.Program("演示数据"), p)
		if err != nil {
			return nil, err
		}
		out = append(out, contract.Member{Practitioner: id, Role: kind.role})
	}
	return out, nil
}

func (s *simulation) signResidents(ctx context.Context, centre string, doctor access.Actor, teams []string) error {
	today := calendar.DateOf(s.app.DB.Now())
	for part := range slices.Chunk(s.folk.byCentre[centre], 200) {
		err := s.app.DB.Tx(ctx, func(tx *db.Tx) error {
			for _, e := range part {
				if patient.AgeOn(e.BirthDate, today) < 18 || !s.rng.chance(contractedShare) {
					continue
				}
				n := contract.NewContract{Patient: e.ID, Team: pick(s.rng, teams), Kind: contract.Basic, Years: 1}
				switch {
				case e.IDNumber != "":
					n.Tail = e.IDNumber[len(e.IDNumber)-4:]
				case e.Phone != "":
					n.Tail = e.Phone[len(e.Phone)-4:]
				}
				if _, err := s.app.Contracts.SignTx(ctx, tx, doctor, n); err != nil {
					return fmt.Errorf("%s: %w", centre, err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// visit opens the residents of its own village to a village clinic.
func (s *simulation) visit(ctx context.Context, clinic organization.Organization, residents []patient.Entry) error {
	return s.app.DB.Tx(ctx, func(tx *db.Tx) error {
		for _, e := range residents {
			if e.Region != clinic.Region {
				continue
			}
			r := access.CareRelation{Patient: e.ID, Org: clinic.ID, Basis: access.BasisRegistration, Reference: clinic.ID}
			if err := access.Relate(ctx, tx, r); err != nil {
				return err
			}
		}
		return nil
	})
}
