package patientweb_test

import (
	"net/http/httptest"
	"testing"

	"yilian/internal/db/dbtest"
	"yilian/internal/web/webtest"
)

// A clerk enters a person: the number fills sex, birth date and age while it is
// typed, the page answers with the identity masked, and the search finds it live.
func TestClerkEntersAPerson(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	srv := httptest.NewServer(f.Site)
	t.Cleanup(srv.CloseClientConnections)
	b := webtest.Browser(t)
	webtest.Visit(b, srv.URL+"/patients/new")
	webtest.Type(b, "[name=name]", "张桂兰")
	webtest.Type(b, "[name=id_number]", card[:17]+wrong(card[17]))
	webtest.Until(b, "document.querySelector('#identity').innerText.includes('第18位校验码应为')")
	webtest.Script(b, "document.querySelector('[name=id_number]').value = ''")
	webtest.Type(b, "[name=id_number]", card)
	webtest.Until(b, "document.querySelector('[name=birth_shown]')?.value.includes('60岁')")
	if got := webtest.Eval[string](b, "document.activeElement.name"); got != "id_number" {
		t.Errorf("the focus went to %q", got)
	}
	webtest.Type(b, "[name=phone]", "13900001234")
	webtest.Type(b, "[name=region_text]", "黄田铺")
	webtest.Until(b, "document.querySelectorAll('.combo-item').length > 0")
	webtest.Screenshot(b, "patient-new")
	webtest.Click(b, ".combo-item")
	webtest.Until(b, "document.querySelector('[name=region]').value.startsWith('431102103')")
	webtest.Click(b, "#patient-form button[type=submit]")
	webtest.Until(b, "document.querySelector('h1, h2')?.innerText.includes('张桂兰') && location.pathname.length > 12")
	webtest.Until(b, "document.body.innerText.includes('黄田铺镇')")
	webtest.Screenshot(b, "patient-page")
	webtest.Click(b, ".masked-show")
	webtest.Until(b, "document.querySelector('.revealed')?.innerText == '"+card+"'")

	webtest.Visit(b, srv.URL+"/patients")
	webtest.Type(b, ".filters [name=q]", "zg")
	webtest.Until(b, "document.querySelector('#list').innerText.includes('张桂兰')")
	webtest.Screenshot(b, "patient-search")
	webtest.Do(b, webtest.Size(webtest.Phone))
	webtest.Screenshot(b, "patient-search-phone")
}

// wrong is a check digit that is not d.
func wrong(d byte) string {
	if d == '1' {
		return "2"
	}
	return "1"
}
