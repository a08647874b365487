// Package referralweb is the face of the two-way referral: worklists, the case
// with its actions, the new referral, the registration desk, the overview and
// the printed forms. It parses, calls one use case of package referral and
// renders; it decides nothing.
package referralweb

import (
	"context"
	"time"

	"yilian/internal/access"
	"yilian/internal/referral"
	"yilian/internal/web"
)

// Pages are the routes of this package. Consent, departments and people are
// read through the database of the service.
type Pages struct {
	Service *referral.Service
	// Address is the outside address of the platform, put into QR codes before
	// the path of a case; "" leaves the path alone.
	Address string
	// Measured is told how many interactions and how much time a doctor needed
	// from an open patient to a submitted referral; nil: nobody listens.
	Measured func(ctx context.Context, interactions int, elapsed time.Duration)
}

// Routes registers the pages and their menu.
func Routes(site *web.Site, p *Pages) {
	rights := func(list ...access.Right) (out []string) {
		for _, r := range list {
			out = append(out, string(r))
		}
		return out
	}
	site.Menu(
		web.Item{Group: "业务协同", Title: "双向转诊", Icon: "arrows-exchange", Path: "/referrals", Order: 20, Rights: rights(access.ReferralRead)},
		web.Item{Group: "业务协同", Title: "到诊登记", Icon: "door-enter", Path: "/desk", Order: 21, Rights: rights(access.ReferralArrive)},
		web.Item{Group: "监管", Title: "总览", Icon: "chart-bar", Path: "/overview", Order: 60, Rights: rights(access.ReferralCount)},
	)
}
