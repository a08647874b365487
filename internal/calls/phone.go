package calls

import (
	"context"
	"fmt"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/message"
	"yilian/internal/organization"
)

const remindKind = "calls.remind"

// monthOf is the month of a business date.
func monthOf(d calendar.Date) string { return string(d)[:7] }

// phones reads the published phones of a jurisdiction with their last tests.
func phones(ctx context.Context, tx *db.Tx, region string) (Phones, error) {
	out := Phones{Month: monthOf(calendar.DateOf(tx.Now)), Now: tx.Now}
	orgs, err := organization.List(ctx, tx, organization.Filter{Region: region})
	if err != nil {
		return out, err
	}
	tests, err := db.List(ctx, tx, func(scan db.Scan) (t Test, err error) {
		var at db.Time
		err = scan(&t.Org, &t.Month, &t.Phone, &at, &t.ByName, &t.ByOrg, &t.Reached, &t.Note)
		t.At = at.Time
		return t, err
	}, `
		SELECT org, month, phone, at, by_name, by_org, reached, note FROM call_test t
		WHERE NOT EXISTS (SELECT 1 FROM call_test n WHERE n.org = t.org AND (n.at > t.at OR (n.at = t.at AND n.id > t.id)))`)
	if err != nil {
		return out, err
	}
	last := map[string]Test{}
	for _, t := range tests {
		last[t.Org] = t
	}
	for _, o := range orgs {
		if !o.Kind.Hospital() && !o.Kind.Primary() || o.Kind == organization.VillageClinic && o.ReferralPhone == "" {
			continue // a village clinic is reached through its township centre
		}
		if o.ReferralPhone == "" {
			out.Missing = append(out.Missing, o)
			continue
		}
		p := Phone{Org: o, Last: last[o.ID]}
		p.Due = p.Last.Month != out.Month || p.Last.Phone != o.ReferralPhone
		if !p.Due {
			out.Tested++
			if p.Last.Reached {
				out.Reached++
			}
		}
		out.List = append(out.List, p)
	}
	return out, nil
}

// regionOf is the county of an actor.
func regionOf(actor access.Actor) string {
	for _, r := range actor.Regions {
		if len(r) == 6 {
			return r
		}
	}
	return ""
}

// Phones returns the published phones of the actor's county. Bureaus see them
// too.
func (s *Service) Phones(ctx context.Context, actor access.Actor) (out Phones, err error) {
	if !access.Allowed(access.Role(actor.Role), access.ReferralCount, access.Region) {
		if err := access.Require(actor, access.ReferralRead, access.Own); err != nil {
			return out, err
		}
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		out, err = phones(ctx, tx, regionOf(actor))
		return err
	})
	return out, err
}

// Result is what is typed after a test call.
type Result struct {
	Org     string
	Reached bool
	Note    string
	Once    string
}

// Tested records a test call of an institution's published phone. A phone that
// was not reached tells the institution (LL-4.3.4c).
func (s *Service) Tested(ctx context.Context, actor access.Actor, r Result) error {
	if err := may(actor); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		o, err := organization.Get(ctx, tx, r.Org)
		if err != nil {
			return err
		}
		if o.ReferralPhone == "" {
			return errs.E(errs.Conflict, "%s没有公布转诊服务电话，请先由该机构登记", o.Short())
		}
		r.Note = strings.TrimSpace(r.Note)
		if !r.Reached && r.Note == "" {
			var f errs.Form
			f.Add("note", "没有打通时请写明情况，例如“空号”“三次无人接听”")
			return f.Err()
		}
		id := db.NewID()
		n, err := tx.Exec(ctx, `
			INSERT INTO call_test (id, org, month, phone, at, by_id, by_name, by_org, reached, note, once)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (once) DO NOTHING`,
			id, o.ID, monthOf(calendar.DateOf(tx.Now)), o.ReferralPhone, db.At(tx.Now), actor.Account, actor.Name, actor.OrgName, r.Reached, r.Note, token(r.Once))
		if err != nil {
			return fmt.Errorf("insert test call: %w", err)
		}
		if n == 0 {
			return nil
		}
		if !r.Reached {
			if err := message.Notify(ctx, tx, unreachable(o, actor, r.Note)); err != nil {
				return err
			}
		}
		return s.leaf(ctx, tx, actor, "calls.test", id, "测试转诊电话 "+o.Short())
	})
}

func unreachable(o organization.Organization, by access.Actor, note string) message.Notice {
	n := message.Notice{Org: o.ID, Role: access.TownshipHead, Kind: "calls.unreachable", Link: "/calls/phones",
		Text: fmt.Sprintf("%s测试贵单位公布的转诊电话 %s 没有打通：%s。请核对号码或安排人员接听", by.OrgName, o.ReferralPhone, note)}
	if o.Kind.Hospital() {
		n.Role = access.MedicalAffairs
	}
	return n
}

// remind tells the referral centres on the first working day of a month which
// phones are to be tested. It runs daily and says it once a month; a day that
// was missed is made up for.
func (s *Service) remind(ctx context.Context, tx *db.Tx) error {
	today := calendar.DateOf(tx.Now)
	if first := s.firstWorkingDay(today); today.Before(first) {
		return nil
	}
	county := ""
	var all Phones
	orgs, err := organization.List(ctx, tx, organization.Filter{})
	if err != nil {
		return err
	}
	for _, o := range orgs {
		if !o.Kind.Hospital() || len(o.Region) < 6 {
			continue
		}
		if c := o.Region[:6]; c != county {
			county = c
			if all, err = phones(ctx, tx, c); err != nil {
				return err
			}
		}
		due := len(all.List) - all.Tested
		if due == 0 {
			continue
		}
		err := message.Notify(ctx, tx, message.Notice{
			ID: "calls.remind." + o.ID + "." + all.Month, Org: o.ID, Role: access.ReferralCenter, Kind: remindKind, Link: "/calls/phones",
			Text: fmt.Sprintf("本月还有 %d 个公布的转诊电话没有测试，请逐个拨打并登记结果（LL-4.3.4c）", due),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// firstWorkingDay is the first working day of a day's month; days beyond the
// loaded calendar count by the week.
func (s *Service) firstWorkingDay(today calendar.Date) calendar.Date {
	day := calendar.Date(monthOf(today) + "-01")
	for range 15 {
		working, known := s.Calendar.Working(day)
		if !known {
			working = day.Weekday() != 0 && day.Weekday() != 6
		}
		if working {
			return day
		}
		day = day.AddDays(1)
	}
	return day
}
