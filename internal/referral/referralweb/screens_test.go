package referralweb

import (
	"net/http/httptest"
	"testing"
	"time"

	"yilian/internal/db/dbtest"
	"yilian/internal/referral"
	"yilian/internal/web/webtest"
)

// TestLayout looks at every page in a browser at the size of an old PC and of a
// phone: nothing may scroll sideways, no script may fail.
func TestLayout(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	f.w.Contract(2)
	states := []string{referral.StateSubmitted, referral.StateAwaitingInfo, referral.StateAccepted, referral.StateArranged, referral.StateInCare, referral.StateClosed, referral.StateDeclined}
	cases := map[string]string{}
	for i, s := range states {
		cases[s] = f.w.To(i, s).ID
	}
	draft := f.w.Draft(7)
	f.w.After(20 * time.Hour)
	server := httptest.NewServer(f.site)
	t.Cleanup(server.Close)
	ctx := webtest.Browser(t)
	look := func(name, path string) {
		t.Helper()
		webtest.Visit(ctx, server.URL+path)
		webtest.Until(ctx, "document.readyState === 'complete'")
		if webtest.Eval[bool](ctx, "document.documentElement.scrollWidth > document.documentElement.clientWidth") {
			t.Errorf("%s scrolls sideways", name)
		}
		webtest.Screenshot(ctx, "referral-"+name)
	}
	for _, size := range []struct {
		name string
		size [2]int64
	}{{"desk", webtest.Desk}, {"phone", webtest.Phone}} {
		webtest.Do(ctx, webtest.Size(size.size))
		f.as(f.w.Centre)
		look("list-"+size.name, "/referrals")
		look("case-"+size.name, "/referrals/"+cases[referral.StateSubmitted])
		look("arrange-"+size.name, "/referrals/"+cases[referral.StateAccepted]+"/arrange")
		look("decline-"+size.name, "/referrals/"+cases[referral.StateSubmitted]+"/decline")
		webtest.Visit(ctx, server.URL+"/referrals")
		webtest.Click(ctx, "tr[data-state=submitted]")
		webtest.Until(ctx, "document.querySelector('#drawer.show:not(.showing) .sheet-foot')")
		webtest.Screenshot(ctx, "referral-drawer-"+size.name)
		f.as(f.w.Doctor)
		look("new-"+size.name, "/referrals/new?patient="+f.w.Patients[0].ID)
		look("draft-"+size.name, "/referrals/new?draft="+draft.ID)
		look("receipt-"+size.name, "/referrals/"+cases[referral.StateSubmitted]+"/receipt")
		look("arranged-"+size.name, "/referrals/"+cases[referral.StateArranged])
		f.as(f.w.Specialist)
		look("complete-"+size.name, "/referrals/"+cases[referral.StateInCare]+"/complete")
		f.as(f.w.Desk)
		look("reception-"+size.name, "/desk")
		f.as(f.w.Bureau)
		look("overview-"+size.name, "/overview")
		f.as(f.w.Doctor)
		for _, p := range []string{"form", "reply", "consent"} {
			look("paper-"+p+"-"+size.name, "/referrals/"+cases[referral.StateClosed]+"/print/"+p)
		}
	}
}
