package countweb

import (
	"net/http"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/policy"
	"yilian/internal/referral/referralcount"
	"yilian/internal/web"
)

// overridesPage is the report of listed diseases that went up all the same.
type overridesPage struct {
	referralcount.Overrides
	Actor  access.Actor
	Query  referralcount.OverrideQuery
	Table  referralcount.Query // the period
	Period string
	Number int
	Region bool
}

func (p *Pages) overrides(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	o := overridesPage{Actor: access.ActorOf(r.Context()), Number: web.PageNumber(r)}
	o.Region = region(o.Actor)
	var err error
	if o.Table, o.Period, err = p.query(q); err != nil {
		return err
	}
	o.Query = referralcount.OverrideQuery{Scope: o.Table.Scope, From: q.Get("org"), Doctor: q.Get("doctor"), Reason: q.Get("reason"),
		Place: policy.Place{Regions: o.Actor.Regions}, PageLimit: pageSize, PageOffset: (o.Number - 1) * pageSize}
	if !o.Region {
		if err := access.Require(o.Actor, access.ReferralCount, access.Own); err != nil {
			return err
		}
		err = p.DB.View(r.Context(), func(tx *db.Tx) error {
			o.Query.Place, err = p.Referrals.PlaceOf(r.Context(), tx, o.Actor)
			return err
		})
		if err != nil {
			return err
		}
	}
	if o.Overrides, err = referralcount.ReadOverrides(r.Context(), p.DB, p.Baselines.Book, o.Actor, o.Query); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, overridesView(o))
}

// link is the address of the report narrowed to the cases of a figure.
func (o overridesPage) link(pairs ...string) string {
	return at("/counts/firstvisit", o.Table, o.Period, pairs...)
}

func (o overridesPage) pages() web.Pages {
	return web.Pages{Page: o.Number, Size: pageSize, Total: int(o.Found), URL: o.link("org", o.Query.From, "doctor", o.Query.Doctor, "reason", o.Query.Reason)}
}

// narrowed says to which cases the list is narrowed, "" to none.
func (o overridesPage) narrowed() string {
	for _, d := range o.Doctors {
		if o.Query.Doctor != "" && d.Org == o.Query.From && d.Doctor == o.Query.Doctor {
			return d.OrgName + " " + d.DoctorName
		}
	}
	for _, d := range o.Doctors {
		if o.Query.Doctor == "" && d.Org == o.Query.From {
			return d.OrgName
		}
	}
	for _, r := range o.Reasons {
		if r.Code == o.Query.Reason {
			return r.Title
		}
	}
	return ""
}

func (o overridesPage) whose() string {
	if o.Region {
		return "本辖区"
	}
	return o.Actor.OrgName
}
