package countweb

import (
	"fmt"
	"net/http"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/encounter"
	"yilian/internal/flow"
	"yilian/internal/referral/referralcount"
	"yilian/internal/web"
)

// privatePage is the page of what goes to private members, by quarter.
type privatePage struct {
	Actor   access.Actor
	Quarter referralcount.Quarter
	Choices []web.Option
	Shares  []referralcount.Share
}

// quarters is how many quarters a reader may look back.
const quarters = 12

func (p *Pages) private(w http.ResponseWriter, r *http.Request) error {
	now := referralcount.QuarterOf(calendar.DateOf(p.DB.Now()))
	v := privatePage{Actor: access.ActorOf(r.Context()), Quarter: now}
	for i := range quarters {
		q := now.Before(i)
		v.Choices = append(v.Choices, web.Option{Value: q.String(), Text: q.Title()})
	}
	var err error
	if s := r.URL.Query().Get("quarter"); s != "" {
		if v.Quarter, err = referralcount.ParseQuarter(s); err != nil {
			return err
		}
	}
	if v.Shares, err = referralcount.Shares(r.Context(), p.DB, v.Actor, v.Quarter); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, privateView(v))
}

// cases is the address of the referrals that a member received while it was one.
func (privatePage) cases(m referralcount.Received) string {
	q := referralcount.Query{By: flow.To, Scope: referralcount.Scope{From: m.From, To: m.To}}
	return at("/counts/cases", q, "custom", "measure", string(referralcount.Asked), "row_org", m.Org)
}

// shareText is a share in words.
func shareText(r referralcount.Rate) string {
	if p, ok := r.Percent(); ok {
		return fmt.Sprintf("%.1f%%", p)
	}
	return "分母为 0，不能计算"
}

// fundText is a share of money in words: what no source stated is not zero.
func fundText(s referralcount.Share) string {
	if !s.Measured {
		return "没有测到"
	}
	return shareText(s.Fund)
}

func fen(n int64, measured bool) string {
	return encounter.Fen{Amount: n, Known: measured}.String()
}

// unstated names the alliances whose money is not wholly known.
func (v privatePage) unstated() string {
	var parts []string
	for _, s := range v.Shares {
		if s.Unstated > 0 {
			parts = append(parts, fmt.Sprintf("%s %d 人次", s.Name, s.Unstated))
		}
	}
	return strings.Join(parts, "、")
}
