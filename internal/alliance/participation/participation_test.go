package participation_test

import (
	"context"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/alliance/participation"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/policy"
	"yilian/internal/referral/referraltest"
)

var (
	ctx   = context.Background()
	admin = access.Actor{Account: "a-1", Name: "管理员甲", Role: string(access.SystemAdmin)}
)

const day = calendar.Date("2026-03-02")

func of(t *testing.T, d *db.DB, book *policy.Book, scope participation.Scope, region string, on calendar.Date) (r participation.Result) {
	t.Helper()
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		r, err = participation.Of(ctx, tx, book, participation.Question{Scope: scope, Region: region, Day: on})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// GB-1.3b and ZZ-1.2: who of the government's primary institutions is not in,
// by name, against a target whose day has passed.
func TestWhoIsNotInByName(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		book := w.Flow.Book
		before := of(t, d, book, participation.Primary, "431102", day)
		if len(before.Rows) == 0 || before.Figure.Den != int64(len(before.Rows)) || !before.Bound ||
			before.Target.Clause != "GB-1.3b" || before.Target.By != "2020-12-31" {
			t.Fatalf("%+v of %d rows, target %+v", before.Figure, len(before.Rows), before.Target)
		}
		var o organization.Organization
		err := d.View(ctx, func(tx *db.Tx) (err error) {
			o, err = organization.Get(ctx, tx, w.Township.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		o.ID, o.Name, o.ShortName, o.Identifiers, o.Version = "", "新设乡卫生院", "", nil, 0
		if _, err := w.Organizations.Save(ctx, admin, o); err != nil {
			t.Fatal(err)
		}
		after := of(t, d, book, participation.Primary, "431102", day)
		missing := after.Missing()
		if after.Figure.Den != before.Figure.Den+1 || len(missing) != len(before.Missing())+1 || after.Rows[0].In() {
			t.Errorf("%+v, missing %d", after.Figure, len(missing))
		}
		found := false
		for _, r := range missing {
			found = found || r.Org.Name == "新设乡卫生院"
		}
		if !found || after.Verdict != policy.Missed || after.Gap <= 0 {
			t.Errorf("by name %v, %s, gap %v", found, after.Verdict, after.Gap)
		}
		// Before the plan of Lingling nobody is in.
		early := of(t, d, book, participation.Primary, "431102", "2019-06-01")
		if early.Figure.Num != 0 || early.Verdict != policy.Open {
			t.Errorf("in 2019: %+v %s", early.Figure, early.Verdict)
		}
		// No tertiary hospital is registered: not zero, not computable.
		third := of(t, d, book, participation.Tertiary, "431102", day)
		if len(third.Rows) == 0 && (third.Verdict != policy.Unmeasurable || !strings.Contains(third.Figure.Reason, "三级公立医院")) {
			t.Errorf("%+v %s", third.Figure, third.Verdict)
		}
	})
}

// JS-3b: counties and cities that have not begun, districts left out.
func TestRegionsThatHaveNotBegun(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		r := of(t, d, w.Flow.Book, participation.Counties, "32", day)
		if r.Figure.Den != 40 || r.Figure.Num != 0 || r.Target.Clause != "JS-3b" || r.Verdict != policy.Missed {
			t.Errorf("%+v %s by %s", r.Figure, r.Verdict, r.Target.Clause)
		}
		cities := of(t, d, w.Flow.Book, participation.Cities, "32", day)
		if cities.Figure.Den != 13 || cities.Missing()[0].Region.Name != "南京市" {
			t.Errorf("%+v", cities.Figure)
		}
		hunan := of(t, d, w.Flow.Book, participation.Cities, "43", day)
		if hunan.Bound {
			t.Errorf("Hunan is bound by %s", hunan.Target.Clause)
		}
	})
}

// JS-3b: a centre counts when it is in a telemedicine network; who is not, by
// name.
func TestTelemedicineNetworkByName(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		alliancetest.Seed(t, d)
		svc := alliancetest.Service(t, d)
		none := of(t, d, svc.Book, participation.Network, "431102", day)
		if none.Figure.Num != 0 || none.Figure.Den != 16 || len(none.Missing()) != 16 {
			t.Fatalf("before the network: %+v", none.Figure)
		}
		lead, town := organizationtest.ByName(t, d, "永州市第四人民医院").ID, organizationtest.ByName(t, d, "珠山镇中心卫生院").ID
		if _, err := svc.Form(ctx, admin, alliance.Formation{Name: "零陵区远程医疗协作网", Kind: alliance.TelemedicineNetwork, Region: "431102", Lead: lead,
			Members: []string{town}, On: day, Reason: "协作网协议"}); err != nil {
			t.Fatal(err)
		}
		r := of(t, d, svc.Book, participation.Network, "431102", day)
		if r.Figure.Num != 1 || len(r.Missing()) != 15 || r.Bound {
			t.Errorf("%+v, bound %v", r.Figure, r.Bound)
		}
		for _, x := range r.Missing() {
			if x.Org.ID == town {
				t.Error("the member is said to be missing")
			}
		}
	})
}
