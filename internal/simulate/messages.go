package simulate

import (
	"context"
	"fmt"

	"yilian/internal/exchange"
	"yilian/internal/idcard"
)

// messages lets the hospital's system send a few messages, so that the page of
// exchange shows what it looks like when most fit and some do not.
func (s *simulation) messages(ctx context.Context) error {
	org := s.staff.orgs[fourth]
	peer := exchange.Peer{Name: org.Short() + "HIS", Org: org.ID, OrgName: org.Name}
	known := s.folk.byCentre[shuikou]
	head := func(kind string, n int) string {
		return fmt.Sprintf("MSH|^~\\&|HIS|%s|YL|YL|%s||%s|D%04d|P|2.5||||||UNICODE UTF-8\r", org.Short(), s.now.Format("20060102150405-0700"), kind, n)
	}
	visit := func(n int) string {
		return fmt.Sprintf("PV1|1|O|心血管内科||||7^钱^医生||||||||||||D%04d|||||||||||||||||||||||||%s\r", n, s.now.AddDate(0, 0, -1).Format("200601021504"))
	}
	var raws []string
	for n, e := range known[:min(12, len(known))] {
		if e.IDNumber == "" {
			continue
		}
		name := e.Name
		if n == 3 {
			name = "错名"
		}
		raws = append(raws, head("ADT^A04", n)+fmt.Sprintf("PID|1||Z%04d^^^H4^PI~%s^^^^NNCHN||%s\r", n, e.IDNumber, name)+visit(n))
	}
	stranger := idcard.Make("431102", "1958-04-09", 22)
	raws = append(raws,
		head("ADT^A03", 90)+fmt.Sprintf("PID|1||Z0090^^^H4^PI~%s^^^^NNCHN||唐秀英\rPV1|1|I|||||||||||||||||D0090\r", stranger),
		head("VXU^V04", 91)+"PID|1||Z0091^^^H4^PI||周小宝\r",
		head("ADT^A01", 92)+fmt.Sprintf("PID|1||Z0092^^^H4^PI~%s^^^^NNCHN||唐秀英\rPV1|1|Q|||||||||||||||||D0092\r", stranger))
	for _, raw := range raws {
		if _, err := s.app.Exchange.Receive(ctx, peer, []byte(raw)); err != nil {
			return err
		}
	}
	return nil
}
