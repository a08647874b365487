package referral

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/flow"
)

// MorningJob is the kind of the periodic job that writes the list of
// candidates; MorningEvery is its period: slots begin on the half hour, and
// the one of 07:30 does the work.
const (
	MorningJob   = "referral.down.morning"
	MorningEvery = 30 * time.Minute
)

// Morning tells wards and centres at 07:30 how many of their in-patients may
// be sent down.
func (s *Service) Morning(ctx context.Context, tx *db.Tx) error {
	now := tx.Now.In(calendar.Shanghai)
	if now.Hour() != 7 || now.Minute() < 30 {
		return nil
	}
	type ward struct{ org, department string }
	wards, err := db.List(ctx, tx, func(scan db.Scan) (w ward, err error) { return w, scan(&w.org, &w.department) }, `
		SELECT DISTINCT c.to_org, c.owner_dept FROM referral r JOIN flow_case c ON c.id = r.id
		WHERE c.state = 'in_care' AND r.care = 'inpatient' AND r.direction = 'up' ORDER BY c.to_org, c.owner_dept`)
	if err != nil {
		return err
	}
	total := map[string]int{}
	var orgs []string
	for _, w := range wards {
		// The list of a ward is what its doctor sees.
		actor := access.Actor{Role: string(access.DepartmentDoctor), Org: w.org, Department: w.department}
		list, err := s.candidates(ctx, tx, actor)
		if err != nil {
			return err
		}
		if _, seen := total[w.org]; !seen {
			orgs = append(orgs, w.org)
		}
		total[w.org] += len(list)
		byDoctor := map[string]int{}
		var doctors []flow.Party
		for _, c := range list {
			if byDoctor[c.Case.Owner]++; byDoctor[c.Case.Owner] == 1 {
				doctors = append(doctors, flow.Party{Org: w.org, Person: c.Case.Owner})
			}
		}
		for _, d := range doctors {
			text := fmt.Sprintf("下转候选：您有 %d 名住院患者可以考虑下转", byDoctor[d.Person])
			if err := s.morningNotice(ctx, tx, d, access.DepartmentDoctor, text); err != nil {
				return err
			}
		}
	}
	for _, org := range orgs {
		if total[org] == 0 {
			continue
		}
		text := fmt.Sprintf("下转候选：全院 %d 名住院患者可以考虑下转", total[org])
		if err := s.morningNotice(ctx, tx, flow.Party{Org: org}, access.ReferralCenter, text); err != nil {
			return err
		}
	}
	return nil
}

// morningNotice tells a person, or a role of an institution.
func (s *Service) morningNotice(ctx context.Context, tx *db.Tx, to flow.Party, role access.Role, text string) error {
	return s.tellStaff(ctx, tx, flow.Notice{Kind: DownListKind, Level: "info", Org: to.Org, Role: role, Person: to.Person, Text: text})
}

// DownListKind is the kind of a notice that leads to the list, not to a case.
const DownListKind = "down_list"
