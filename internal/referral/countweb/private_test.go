package countweb

import (
	"html"
	"net/http"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/referral"
	"yilian/internal/referral/referralcount"
)

// A11, GB-6.3, JS-4.1.5: the share of referrals and of money that goes to
// private members, by quarter and alliance; what nobody stated is not zero.
func TestShareOfPrivateMembers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		ctx := t.Context()
		run := func(sql string, args ...any) {
			t.Helper()
			if err := d.Tx(ctx, func(tx *db.Tx) error { _, err := tx.Exec(ctx, sql, args...); return err }); err != nil {
				t.Fatal(err)
			}
		}
		own := func(o organization.Organization, as organization.Ownership) func() {
			return func() { run(`UPDATE organization SET ownership = $2 WHERE id = $1`, o.ID, string(as)) }
		}
		encounters, n := &encounter.Service{DB: d, Book: w.Service.Book, Audit: w.Audit}, 0
		stay := func(o organization.Organization, funds ...encounter.Share) func() {
			return func() {
				n++
				e := encounter.Encounter{Patient: w.Patients[0].ID, Org: o.ID, Class: encounter.Inpatient, Start: d.Now().AddDate(0, 0, -9), End: d.Now().AddDate(0, 0, -2),
					InsuranceKind: patient.Resident, Visits: 1, Funds: funds, Source: encounter.Source{System: "t", Key: string(rune('a' + n)), Ref: "t"}}
				if _, _, err := encounters.Record(ctx, audit.Program("t"), e); err != nil {
					t.Fatal(err)
				}
			}
		}
		pool := func(fen int64) encounter.Share { return encounter.Share{Code: "resident_pool", Fen: fen} }
		now := referralcount.QuarterOf("2026-03-02")
		for _, x := range []struct {
			name       string
			do         func()
			quarter    referralcount.Quarter
			private    int
			referrals  referralcount.Rate
			fund       referralcount.Rate
			measured   bool
			unstated   int64
			wholeShare string
		}{
			{"nothing yet", func() {}, now, 0, referralcount.Rate{}, referralcount.Rate{}, false, 0, "分母为 0，不能计算"},
			{"to a public lead", func() { w.To(0, referral.StateSubmitted) }, now, 0, referralcount.Rate{Denominator: 1}, referralcount.Rate{}, false, 0, "0.0%"},
			{"the lead is private", own(w.Hospital, organization.Private), now, 1, referralcount.Rate{Numerator: 1, Denominator: 1}, referralcount.Rate{}, false, 0, "100.0%"},
			{"a stay without a stated fund", stay(w.Hospital), now, 1, referralcount.Rate{Numerator: 1, Denominator: 1}, referralcount.Rate{}, false, 1, "100.0%"},
			{"a stay with one", stay(w.Hospital, pool(30000)), now, 1, referralcount.Rate{Numerator: 1, Denominator: 1}, referralcount.Rate{Numerator: 30000, Denominator: 30000}, true, 1, "100.0%"},
			{"one at a public member", stay(w.Township, pool(10000)), now, 1, referralcount.Rate{Numerator: 1, Denominator: 1}, referralcount.Rate{Numerator: 30000, Denominator: 40000}, true, 1, "100.0%"},
			{"the quarter before", func() {}, now.Before(1), 1, referralcount.Rate{}, referralcount.Rate{}, false, 0, "分母为 0，不能计算"},
			{"who leaves before counts no more", func() {
				run(`UPDATE alliance_membership SET valid_to = '2026-02-01' WHERE org = $1`, w.Hospital.ID)
			}, now, 1, referralcount.Rate{}, referralcount.Rate{Denominator: 10000}, true, 0, "分母为 0，不能计算"},
		} {
			x.do()
			all, err := referralcount.Shares(ctx, d, w.Bureau, x.quarter)
			if err != nil {
				t.Fatal(err)
			}
			var got referralcount.Share
			for _, s := range all {
				if s.Members > got.Members {
					got = s // the general-practice alliance is the largest
				}
			}
			if got.PrivateMembers != x.private || got.Referrals != x.referrals || got.Fund != x.fund || got.Measured != x.measured || got.Unstated != x.unstated {
				t.Errorf("%s: %+v", x.name, got)
			}
			if text := shareText(got.Referrals); text != x.wholeShare {
				t.Errorf("%s: %s, want %s", x.name, text, x.wholeShare)
			}
		}
		if _, err := referralcount.Shares(ctx, d, w.Centre, now); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a hospital: %v", err)
		}
		f.See("/counts").Hides("民营成员份额")
		f.Get("/counts/private", http.StatusForbidden)
	})
}

func TestPrivateShareOpensItsCases(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		c := w.To(0, referral.StateSubmitted)
		f.Actor = w.Bureau
		f.See("/counts", "民营成员份额")
		f.See("/counts/private", "2026 年第 1 季度", "没有民营成员", "没有测到", "未提供", "0.0%", "GB-6.3")
		if err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE organization SET ownership = 'private' WHERE id = $1`, w.Hospital.ID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		link := f.See("/counts/private", "100.0%", w.Hospital.Name).Between(`href="/counts/cases`, `"`)
		f.See("/counts/cases"+html.UnescapeString(link), c.Number).Hides(w.Patients[0].Name)
		f.See("/counts/private?quarter=2025-4", "2025 年第 4 季度")
		f.Get("/counts/private?quarter=2026-5", http.StatusUnprocessableEntity)
		f.Actor = access.Actor{Account: "b", Role: string(access.BureauCounty), Org: "x", Regions: []string{"431103"}}
		f.See("/counts/private", "没有医联体成员")
	})
}
