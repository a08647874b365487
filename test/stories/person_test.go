package stories_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"yilian/internal/simulate"
	"yilian/internal/web/webtest"
)

// person is somebody at a computer or with a phone.
type person struct {
	context.Context
	t     *testing.T
	w     *world
	login string
	size  string
}

// cast is a Chromium in which people sign in.
type cast struct {
	t       *testing.T
	w       *world
	browser context.Context
}

func stage(t *testing.T) cast {
	t.Helper()
	w := enter(t)
	return cast{t, w, webtest.Browser(t)}
}

// comes signs somebody in on a screen of his own.
func (c cast) comes(login string) *person {
	c.t.Helper()
	p := &person{webtest.Person(c.t, c.browser), c.t, c.w, login, "desk"}
	p.signIn()
	return p
}

func (p *person) signIn() {
	p.t.Helper()
	p.visit("/login")
	p.fill("login", p.login)
	p.fill("password", simulate.Password+kb.Enter)
	p.until("!location.pathname.startsWith('/login')")
	p.loaded()
}

// pc leaves the screen that of an old PC.
func (p *person) pc() *person { return p }

// phone makes the screen that of a phone.
func (p *person) phone() *person {
	p.t.Helper()
	webtest.Do(p, webtest.Size(webtest.Phone))
	p.size = "phone"
	return p
}

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string is always valid
	}
	return string(b)
}

func (p *person) visit(path string) {
	p.t.Helper()
	webtest.Visit(p, p.w.url+path)
	p.loaded()
}

func (p *person) loaded() {
	p.t.Helper()
	p.until("document.readyState === 'complete' && document.documentElement && (window.yilian || document.querySelector('article.sheet'))")
}

// patience is when a story gives up. It is no measurement: everything polls and
// goes on at once.
const patience = 45 * time.Second

// value evaluates JavaScript on the page; while the page gives way to the next
// one it asks again.
func value[T any](p *person, js string) T {
	p.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		var v T
		if v, err = chromedp.Run(p, chromedp.Evaluate[T](js)); err == nil {
			return v
		}
	}
	p.t.Fatalf("%s: evaluate %s: %v", p.login, js, err)
	panic("not reached")
}

// read is the text that an element shows.
func (p *person) read(sel string) string {
	p.t.Helper()
	return value[string](p, "(document.querySelector("+quote(sel)+")||{innerText:''}).innerText")
}

// until waits until a JavaScript expression is true on the page.
func (p *person) until(js string) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		if value[bool](p, "(()=>{try{return !!("+js+")}catch{return false}})()") {
			return
		}
	}
	p.fail("it never becomes true: " + js)
}

func (p *person) fail(why string) {
	p.t.Helper()
	webtest.Screenshot(p, "failed-story-"+p.login)
	p.t.Fatalf("%s on %s: %s", p.login, p.where(), why)
}

// place finds the point of a button, link or row to click on: visible, at rest,
// not covered. It is [x, y], or null as long as there is none. From then on the
// page remembers when a form or a link is on its way to the next page, so that
// nobody reads the page that is going away.
const place = `(sel, text) => {
	if (!window._watched) {
		window._watched = true;
		let go = e => { if (!e.defaultPrevented) window._leaving = Date.now(); };
		addEventListener('submit', go);
		addEventListener('beforeunload', go);
	}
	let all = [...document.querySelectorAll(sel)].filter(e => e.checkVisibility && e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length && !e.disabled && e.innerText.replace(/\s+/g, ' ').includes(text));
	let e = all.find(e => e.innerText.trim() === text) || all[0];
	if (!e || document.querySelector('.htmx-request')) return null;
	let r = e.getBoundingClientRect();
	if (r.top < 0 || r.bottom > innerHeight || r.left < 0 || r.right > innerWidth) { e.scrollIntoView({block: 'center', behavior: 'instant'}); r = e.getBoundingClientRect(); }
	let was = e._was; e._was = [r.left, r.top].join();
	if (was !== e._was) return null;
	r = e.getClientRects()[0];
	let x = r.left + r.width / 2, y = r.top + r.height / 2, hit = document.elementFromPoint(x, y);
	return hit && (e.contains(hit) || hit.contains(e)) ? [x, y] : null;
}`

// settle waits until what a click has set off is there. A download leaves the
// page standing, which is why the memory of leaving fades.
func (p *person) settle() {
	p.t.Helper()
	p.until("!(Date.now() - window._leaving < 10000) && !document.querySelector('.htmx-request')")
}

// press clicks the visible element that a selector finds and that shows text,
// and waits for what comes of it.
func (p *person) press(sel, text string) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(60 * time.Millisecond) {
		xy := value[[]float64](p, "("+place+")("+quote(sel)+","+quote(text)+")")
		if len(xy) == 2 {
			webtest.Do(p, chromedp.MouseClickXY(xy[0], xy[1]))
			p.settle()
			return
		}
	}
	p.fail("there is no " + sel + " " + text + " to press")
}

// button presses the button or link with a text.
func (p *person) button(text string) {
	p.t.Helper()
	p.press("button, a, summary", text)
}

// act presses an action of the open case.
func (p *person) act(text string) {
	p.t.Helper()
	p.press(".sheet-foot button, .sheet-foot a", text)
}

// confirm presses the submit button of the open action's form.
func (p *person) confirm() {
	p.t.Helper()
	p.press("section[id^=action-] .form-foot button[type=submit]", "")
}

// fill types into a field, replacing what is there. Dates and special keys work.
func (p *person) fill(name, text string) {
	p.t.Helper()
	field := "[...document.querySelectorAll('main [name=" + name + "], #drawer [name=" + name + "]')].find(e => e.checkVisibility())"
	p.until(field + " && !document.querySelector('.htmx-request')")
	webtest.Script(p, "let e="+field+"; e.scrollIntoView({block:'center',behavior:'instant'}); e.focus(); if (e.select) e.select()")
	webtest.Key(p, text)
}

// set gives a field a long text at once.
func (p *person) set(name, text string) {
	p.t.Helper()
	webtest.Script(p, "let e=document.querySelector('[name="+name+"]'); e.value="+quote(text)+"; e.dispatchEvent(new Event('input',{bubbles:true})); e.dispatchEvent(new Event('change',{bubbles:true}))")
}

// choose takes an option of a select by its text.
func (p *person) choose(name, text string) {
	p.t.Helper()
	p.until("document.querySelector('select[name=" + name + "]')")
	webtest.Script(p, "let e=document.querySelector('select[name="+name+"]'), all=[...e.options], o=all.find(o=>o.text.trim()==="+quote(text)+")||all.find(o=>o.text.includes("+quote(text)+")); e.value=o.value; e.dispatchEvent(new Event('change',{bubbles:true}))")
	p.until("!document.querySelector('.htmx-request')")
}

// tick clicks the radio button or box with a label.
func (p *person) tick(text string) {
	p.t.Helper()
	p.press("label", text)
}

// find chooses an entry of a field that is searched while typing.
func (p *person) find(name, text, want string) {
	p.t.Helper()
	p.fill(name+"_text", text)
	p.press(".combo-item", want)
	p.until("document.querySelector('[name=" + name + "]').value")
}

func (p *person) where() string {
	p.t.Helper()
	return value[string](p, "location.pathname + location.search")
}

// text is all that can be read on the page.
func (p *person) text() string {
	p.t.Helper()
	return value[string](p, "document.body.innerText")
}

// reads waits until the page shows all of the texts.
func (p *person) reads(texts ...string) {
	p.t.Helper()
	for _, s := range texts {
		p.until("document.body.innerText.includes(" + quote(s) + ")")
	}
}

// readsIn waits until a part of the page shows the texts.
func (p *person) readsIn(sel string, texts ...string) {
	p.t.Helper()
	for _, s := range texts {
		p.until("[...document.querySelectorAll(" + quote(sel) + ")].some(e => e.innerText.includes(" + quote(s) + "))")
	}
}

// misses fails when the page shows one of the texts.
func (p *person) misses(texts ...string) {
	p.t.Helper()
	all := p.text()
	for _, s := range texts {
		if strings.Contains(all, s) {
			p.t.Errorf("%s reads %q on %s", p.login, s, p.where())
		}
	}
}

// shot saves the screen and checks that nothing runs out of it sideways.
func (p *person) shot(name string) {
	p.t.Helper()
	p.loaded()
	p.fits(name)
	webtest.Screenshot(p, "story-"+name+"-"+p.size)
}

// fits checks that nothing runs out of the screen sideways.
func (p *person) fits(name string) {
	p.t.Helper()
	if wide := value[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
		p.t.Errorf("%s is %d px too wide on %s", name, wide, p.size)
	}
}

// answer is what a request from the page got.
type answer struct {
	Status int
	URL    string
	Text   string
}

// post sends a form as a page of the program would, without the page: what
// somebody forges, or a quick way to a state that other stories tell.
func (p *person) post(path string, pairs ...string) answer {
	p.t.Helper()
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		parts = append(parts, "b.append("+quote(pairs[i])+","+quote(pairs[i+1])+")")
	}
	js := "(async()=>{let b=new URLSearchParams();" + strings.Join(parts, ";") +
		";let r=await fetch(" + quote(path) + ",{method:'POST',body:b});return {Status:r.status,URL:r.url,Text:await r.text()}})()"
	v, err := chromedp.Run(p, chromedp.Evaluate[answer](js, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("post %s: %v", path, err)
	}
	return v
}

// refer sends a referral for a resident to the department of a hospital and
// returns its id.
func (p *person) refer(r resident, hospital, department string) string {
	p.t.Helper()
	form := []string{"patient", r.ID, "diagnosis", "I20.000", "diagnosis_text", "不稳定型心绞痛", "urgency", "III", "chief", "反复胸闷 3 天",
		"illness", "活动后胸骨后压榨样疼痛，休息可缓解。", "treatment", "阿司匹林口服", "visit", "outpatient", "consciousness", "clear", "allergies", "无"}
	found := p.post("/referrals/new/suggest", form...)
	target := value[string](p, "(()=>{let d=new DOMParser().parseFromString("+quote(found.Text)+",'text/html');let r=[...d.querySelectorAll('tr')].find(x=>x.textContent.includes("+
		quote(hospital)+")&&x.textContent.includes("+quote(department)+"));return r?r.querySelector('[type=radio]').value:''})()")
	if target == "" {
		p.t.Fatalf("no place %s %s among the suggestions: %d %s", hospital, department, found.Status, found.Text)
	}
	form = append(form, "indications", "angina", "target_service", target, "shown", target, "signed_by", "self", "form", "written", "consent", "1", "do", "send")
	got := p.post("/referrals", form...)
	_, tail, ok := strings.Cut(got.URL, "/referrals/")
	if !ok || got.Status != 200 {
		p.t.Fatalf("refer: %d %s %s", got.Status, got.URL, got.Text)
	}
	id, _, _ := strings.Cut(tail, "/")
	return id
}
