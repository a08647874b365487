package consultweb

import (
	"net/http/httptest"
	"testing"

	"yilian/internal/consult"
	"yilian/internal/db/dbtest"
	"yilian/internal/web/webtest"
)

// TestDrawerInABrowser answers from the drawer: the form opens, what is missing
// is said, the list refreshes, and no script or style is refused.
func TestDrawerInABrowser(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	c := f.w.Ask(0, func(q *consult.Form) { q.Pace, q.MayConvert = consult.Today, true })
	f.w.To(1, consult.StateAnswered)
	f.as(f.w.Specialist)
	server := httptest.NewServer(f.site)
	t.Cleanup(server.Close)
	ctx := webtest.Browser(t)
	webtest.Visit(ctx, server.URL+"/consults")
	webtest.Screenshot(ctx, "consult-list")
	webtest.Click(ctx, "#case-"+c.ID)
	webtest.Until(ctx, "document.querySelector('#drawer.show:not(.showing) [data-action=reply]')")
	webtest.Screenshot(ctx, "consult-drawer")
	webtest.Click(ctx, "#drawer [data-action=reply]")
	webtest.Until(ctx, "document.querySelector('#drawer #form-reply')")
	webtest.Screenshot(ctx, "consult-reply")
	webtest.Click(ctx, "#form-reply input[name=kind][value=exam]")
	webtest.Type(ctx, "#form-reply textarea[name=opinion]", "考虑稳定型心绞痛")
	webtest.Click(ctx, "#form-reply button[type=submit]")
	webtest.Until(ctx, "document.querySelector('#form-reply .invalid-feedback, #form-reply .field-error, #form-reply .note')")
	webtest.Type(ctx, "#form-reply input[name=exams]", "运动平板试验")
	webtest.Click(ctx, "#form-reply button[type=submit]")
	webtest.Until(ctx, "document.querySelector('#list tr[data-state=answered]') && !document.querySelector('#form-reply')")
	webtest.Screenshot(ctx, "consult-answered")
	if f.now(c).State != consult.StateAnswered {
		t.Errorf("%s", f.now(c).State)
	}
	webtest.Visit(ctx, server.URL+"/consults/"+c.ID+"/print")
	webtest.Screenshot(ctx, "consult-paper")
	f.as(f.w.Doctor)
	webtest.Visit(ctx, server.URL+"/consults/new?patient="+c.Patient)
	webtest.Screenshot(ctx, "consult-new")
	webtest.Visit(ctx, server.URL+"/consults/figures")
	webtest.Screenshot(ctx, "consult-figures")
}
