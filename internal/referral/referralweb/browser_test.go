package referralweb

import (
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"yilian/internal/db/dbtest"
	"yilian/internal/referral"
	"yilian/internal/web/webtest"
)

// TestFewInteractions refers a patient as a township doctor does and holds the
// budget of issue item 13: at most six interactions from the open patient.
func TestFewInteractions(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	f.as(f.w.Doctor)
	server := httptest.NewServer(f.site)
	t.Cleanup(server.Close)
	ctx := webtest.Browser(t)
	webtest.Visit(ctx, server.URL+"/referrals/new?patient="+f.w.Patients[0].ID)
	webtest.Until(ctx, "document.readyState === 'complete'")
	webtest.Type(ctx, "#f-diagnosis", "I20.9")
	webtest.Until(ctx, "document.querySelector('#f-diagnosis-list .combo-item')")
	webtest.Screenshot(ctx, "referral-new-diagnosis")
	webtest.Key(ctx, kb.Enter)
	webtest.Click(ctx, "input[name=urgency][value=III]")
	webtest.Until(ctx, "document.querySelector('#targets input[name=target_service]:checked')")
	webtest.Type(ctx, "#f-chief", "反复胸闷 3 天"+kb.Tab)
	webtest.Until(ctx, "document.querySelector('#f-illness').value.includes('反复胸闷')")
	webtest.Script(ctx, "document.querySelector('#send-referral').scrollIntoView()")
	webtest.Screenshot(ctx, "referral-new-consent")
	webtest.Script(ctx, "document.querySelector('#targets').scrollIntoView()")
	webtest.Screenshot(ctx, "referral-new-targets")
	// The suggestions that follow the last field must stand before the next
	// click: they move what lies below them.
	webtest.Until(ctx, "!document.querySelector('.htmx-request')")
	webtest.Click(ctx, "#f-consent")
	webtest.Until(ctx, "document.querySelector('#f-consent').checked")
	webtest.Click(ctx, "#send-referral")
	webtest.Until(ctx, "document.querySelector('#receipt-number')")
	webtest.Screenshot(ctx, "referral-new-receipt")
	if len(f.measured) != 1 || f.measured[0] > 6 {
		t.Fatalf("interactions: %v", f.measured)
	}
}

// TestReloadKeepsWhatWasTyped: the browser puts the fields back, and the part
// that depends on them follows.
func TestReloadKeepsWhatWasTyped(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	f.as(f.w.Doctor)
	server := httptest.NewServer(f.site)
	t.Cleanup(server.Close)
	ctx := webtest.Browser(t)
	page := server.URL + "/referrals/new?patient=" + f.w.Patients[0].ID
	webtest.Visit(ctx, page)
	webtest.Until(ctx, "document.readyState === 'complete'")
	webtest.Type(ctx, "#f-diagnosis", "I20.9")
	webtest.Until(ctx, "document.querySelector('#f-diagnosis-list .combo-item')")
	webtest.Key(ctx, kb.Enter)
	webtest.Click(ctx, "input[name=urgency][value=III]")
	webtest.Type(ctx, "#f-chief", "反复胸闷 3 天"+kb.Tab)
	webtest.Until(ctx, "Object.keys(sessionStorage).some(k => sessionStorage[k].includes('反复胸闷'))")
	webtest.Visit(ctx, page)
	webtest.Until(ctx, "document.readyState === 'complete' && document.querySelector('#targets input[name=target_service]:checked')")
	webtest.Until(ctx, "document.querySelector('#f-illness').value.includes('反复胸闷')")
	webtest.Until(ctx, "document.querySelector('input[name=indications][value=angina]:checked')")
	webtest.Screenshot(ctx, "referral-new-reloaded")
}

// TestDrawerKeepsUp accepts and arranges from the drawer; the list behind it
// follows, and a colleague's open drawer is told.
func TestDrawerKeepsUp(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	c := f.w.To(0, referral.StateSubmitted)
	f.as(f.w.Centre)
	server := httptest.NewServer(f.site)
	t.Cleanup(server.Close)
	ctx := webtest.Browser(t)
	webtest.Visit(ctx, server.URL+"/referrals")
	webtest.Click(ctx, "#case-"+c.ID)
	webtest.Until(ctx, "document.querySelector('#drawer.show:not(.showing) #do-accept button')")
	webtest.Click(ctx, "#drawer #do-accept button")
	webtest.Until(ctx, "document.querySelector('#drawer [data-action=arrange]')")
	webtest.Until(ctx, "document.querySelector('#list tr[data-state=accepted]')")
	webtest.Click(ctx, "#drawer [data-action=arrange]")
	webtest.Click(ctx, "#form-arrange button[type=submit]")
	webtest.Until(ctx, "document.querySelector('#list tr[data-state=arranged]')")
	webtest.Screenshot(ctx, "referral-drawer-arranged")
	f.state(c, referral.StateArranged)

	// Somebody else moves the case while the drawer is open.
	if _, err := f.w.Service.Cancel(t.Context(), f.w.Centre2, f.w.Ref(f.now(c)), "doctor_absent", ""); err != nil {
		t.Fatal(err)
	}
	webtest.Script(ctx, "htmx.trigger(document.querySelector('#case-news'), 'live')")
	webtest.Until(ctx, "document.querySelector('#case-news .note')")
	webtest.Screenshot(ctx, "referral-drawer-news")
}
