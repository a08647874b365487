package simulate

import (
	"context"
	"fmt"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/referral"
	"yilian/internal/referral/baseline"
)

// counted are the figures of the year before the demo, as offices found them:
// a register on paper, an estimate, and one that the bureau has checked.
var counted = []struct {
	org       string
	direction referral.Direction
	n         int64
	source    baseline.Source
	note      string
	confirmed string
}{
	{fourth, referral.Down, 86, baseline.Paper, "医务科《双向转诊登记本》，1 至 12 月逐页清点", "抽查 50 例，与住院病历的下转记录一致，均为到诊口径"},
	{tcm, referral.Down, 41, baseline.Paper, "各科下转登记表汇总", ""},
	{shuikou, referral.Up, 52, baseline.Estimate, "门诊日志按每周约 1 例估算", ""},
	{"珠山镇中心卫生院", referral.Up, 38, baseline.Paper, "院办转诊台账", "与接收医院登记核对，到诊 38 例"},
}

// baselines enters the figures of the past year.
func (s *simulation) baselines(ctx context.Context) error {
	service := &baseline.Service{DB: s.app.DB, Audit: s.app.Audit, Book: s.app.Book}
	year := calendar.DateOf(s.now).Year() - 1
	span := baseline.Span{From: calendar.Date(fmt.Sprintf("%04d-01-01", year)), To: calendar.Date(fmt.Sprintf("%04d-12-31", year))}
	bureaus := s.staff.with(s.staff.orgs[district].ID, access.BureauCounty, "")
	if len(bureaus) == 0 {
		return fmt.Errorf("nobody is %s at %s", access.BureauCounty, district)
	}
	bureau := bureaus[0]
	var list []baseline.Entry
	for _, c := range counted {
		org, ok := s.staff.orgs[c.org]
		if !ok {
			return fmt.Errorf("no institution %s", c.org)
		}
		list = append(list, baseline.Entry{Org: org.ID, Direction: c.direction, Span: span, N: c.n, Source: c.source, Note: c.note})
	}
	if err := service.Enter(ctx, bureau, list); err != nil {
		return err
	}
	entered, err := service.List(ctx, bureau)
	if err != nil {
		return err
	}
	for _, e := range entered {
		for _, c := range counted {
			if c.confirmed != "" && s.staff.orgs[c.org].ID == e.Org && c.direction == e.Direction {
				if err := service.Confirm(ctx, bureau, e.ID, c.confirmed); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
