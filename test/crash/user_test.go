package crash_test

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"yilian/internal/access"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/test/harness"
)

// crowd is everybody who works, and what they share.
type crowd struct {
	w    *world
	s    *site
	j    *journal
	stop chan struct{}
	wg   sync.WaitGroup

	mu sync.Mutex // guards the patients of w
}

// user is one person at a browser.
type user struct {
	*crowd
	person
	c     *harness.Client
	rng   *mathrand.Rand
	rival *user // a colleague who presses at the same moment
}

func (c *crowd) stopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// enter signs a person in. Must be called by the goroutine of the test.
func (c *crowd) enter(login string, seed uint64) *user {
	t := c.w.t
	t.Helper()
	u := &user{crowd: c, person: c.w.with(login), c: harness.NewClient(t, ""), rng: mathrand.New(mathrand.NewPCG(seed, uint64(len(login))<<8|uint64(login[len(login)-1])))}
	u.c.At(c.s.url(u.rng))
	page := u.c.SignIn(login, password)
	if page.Status != http.StatusOK || strings.HasPrefix(page.Path, "/login") {
		t.Fatalf("%s cannot sign in: %d %s %s", login, page.Status, page.Path, page.Text())
	}
	u.c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return u
}

// work goes on until the crowd stops: something of the to-do list, or a new
// referral, one after the other.
func (u *user) work() {
	for !u.stopped() {
		time.Sleep(time.Duration(u.rng.IntN(20)) * time.Millisecond)
		fresh := u.role == access.TownshipDoctor && u.rng.IntN(5) < 2 || u.role == access.VillageDoctor && u.rng.IntN(3) == 0
		switch {
		case fresh:
			u.refer()
		case u.role == access.TownshipDoctor && u.rng.IntN(12) == 0:
			u.pick("/referrals?side=from&state=" + []string{"submitted", "accepted", "arranged", "in_care"}[u.rng.IntN(4)])
		default:
			u.pick("/") // the to-do list
		}
	}
}

// do sends a request to any process that is up. It goes on until there is an
// answer: as people do, the same form is sent again when the connection was
// lost. It gives up only when nobody answers for as long as a test may wait.
func (u *user) do(method, path string, form url.Values) (harness.Page, bool) {
	for end := time.Now().Add(harness.Patience); time.Now().Before(end); {
		base := u.s.url(u.rng)
		if base == "" {
			if method == http.MethodGet && u.stopped() {
				return harness.Page{}, false
			}
			time.Sleep(5 * time.Millisecond)
			continue
		}
		u.c.At(base)
		page, err := u.c.Do(ctx, method, path, form)
		if err != nil {
			u.j.count("lost connections")
			time.Sleep(time.Duration(u.rng.IntN(20)) * time.Millisecond)
			continue
		}
		location := page.Header.Get("Location")
		if page.Status >= 500 || strings.HasPrefix(location, "/login") || strings.HasPrefix(location, "/unlock") {
			u.j.bad("%s: %s %s was answered %d %s: %s", u.login, method, path, page.Status, location, page.Text())
			return page, false
		}
		return page, true
	}
	u.j.bad("%s: nobody answered %s %s", u.login, method, path)
	return harness.Page{}, false
}

var (
	rows      = regexp.MustCompile(`hx-get="/referrals/([0-9a-f-]{36})"`)
	version   = regexp.MustCompile(`/news\?version=(\d+)"`)
	offered   = regexp.MustCompile(`(?:id="do-|data-action=")([a-z_]+)"`)
	unsent    = regexp.MustCompile(`/referrals/new\?draft=`)
	whom      = regexp.MustCompile(`href="/patients/([0-9a-f-]{36})"`)
	arrival   = regexp.MustCompile(`id="arrival-code">(\d{6})<`)
	receiptAt = regexp.MustCompile(`^/referrals/([0-9a-f-]{36})/receipt$`)
	draftAt   = regexp.MustCompile(`^/referrals/new\?draft=([0-9a-f-]{36})$`)
)

// found is the first group of a pattern on a page, "" when it is not there.
func found(re *regexp.Regexp, text string) string {
	m := re.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}

// opened is a case as a person sees it.
type opened struct {
	id, patient, code string
	version           int
	actions           []string
	draft             bool
}

// pick opens one of the first cases of a list and does something with it.
func (u *user) pick(list string) {
	page, ok := u.do(http.MethodGet, list, nil)
	if !ok {
		return
	}
	if page.Status != http.StatusOK {
		u.j.bad("%s: the list %s was answered %d", u.login, list, page.Status)
		return
	}
	lines := rows.FindAllStringSubmatch(page.Body, 6)
	if len(lines) == 0 {
		time.Sleep(30 * time.Millisecond)
		return
	}
	id := lines[u.rng.IntN(len(lines))][1]
	if page, ok = u.do(http.MethodGet, "/referrals/"+id, nil); !ok || page.Status != http.StatusOK {
		return // somebody has taken it out of sight meanwhile
	}
	o := opened{id: id, patient: found(whom, page.Body), code: found(arrival, page.Body), draft: unsent.MatchString(page.Body)}
	o.version, _ = strconv.Atoi(found(version, page.Body))
	for _, m := range offered.FindAllStringSubmatch(page.Body, -1) {
		o.actions = append(o.actions, m[1])
	}
	if o.version == 0 || o.patient == "" {
		u.j.bad("%s: the page of case %s has no version or patient", u.login, id)
		return
	}
	u.handle(o)
}

// how often an offered action is chosen; what is not named here is left alone.
var weights = map[string]int{
	flow.ActionClaim: 3, referral.ActAccept: 12, referral.ActAsk: 3, referral.ActDecline: 1, referral.ActAnswer: 10,
	referral.ActPass: 10, referral.ActReturn: 2, referral.ActArrange: 10, referral.ActReschedule: 1, referral.ActArrive: 10, referral.ActCancel: 1,
	referral.ActStart: 10, referral.ActNote: 4, referral.ActComplete: 8, referral.ActAcknowledge: 10,
	referral.ActClose: 4, referral.ActElsewhere: 6, referral.ActWithdraw: 2, referral.ActCallOff: 1, referral.ActDiscard: 1,
	referral.ActAskCancel: 2, referral.ActAnswerCancel: 5,
}

// handle chooses an action and takes it.
func (u *user) handle(o opened) {
	if o.draft && u.rng.IntN(8) > 0 {
		u.send(o)
		return
	}
	sum := 0
	for _, a := range o.actions {
		sum += weights[a]
	}
	if sum == 0 {
		return
	}
	n := u.rng.IntN(sum)
	for _, a := range o.actions {
		if n -= weights[a]; n < 0 {
			u.take(o, a)
			return
		}
	}
}

// take posts one action: mostly once, sometimes twice with the same token (a
// double click), sometimes against a rival who presses at the same moment.
func (u *user) take(o opened, action string) {
	fight := u.rival != nil && (action == referral.ActAccept || action == flow.ActionClaim)
	if !fight {
		u.press(o, action)
		return
	}
	u.j.count("fights")
	var wg sync.WaitGroup
	wg.Go(func() { u.rival.press(o, action) })
	u.press(o, action)
	wg.Wait()
}

func (u *user) press(o opened, action string) {
	a := act{login: u.login, account: u.actor.Account, caseID: o.id, action: action, version: o.version + 1, once: token()}
	form := u.fields(o, action)
	form.Set("version", strconv.Itoa(o.version))
	form.Set("_once", a.once)
	page, ok := u.twice("/referrals/"+o.id+"/"+action, form)
	if !ok {
		return
	}
	a.acked, a.refused = u.verdict(action, page)
	u.j.add(a)
}

// twice posts a form, sometimes two times at once; both must be told the same.
func (u *user) twice(path string, form url.Values) (harness.Page, bool) {
	if u.rng.IntN(4) > 0 {
		return u.do(http.MethodPost, path, form)
	}
	u.j.count("double submits")
	other := *u // its own position in the random sequence and its own address
	other.rng = mathrand.New(mathrand.NewPCG(u.rng.Uint64(), 1))
	browser := *u.c
	other.c = &browser
	var second harness.Page
	var ok2 bool
	var wg sync.WaitGroup
	wg.Go(func() { second, ok2 = other.do(http.MethodPost, path, form) })
	first, ok := u.do(http.MethodPost, path, form)
	wg.Wait()
	done := func(p harness.Page) bool { return p.Status < 400 }
	if ok && ok2 && (done(first) != done(second) || path == "/referrals" && first.Header.Get("Location") != second.Header.Get("Location")) {
		u.j.bad("%s: a double submit to %s was answered %d %s and %d %s: %s", u.login, path,
			first.Status, first.Header.Get("Location"), second.Status, second.Header.Get("Location"), second.Text())
	}
	return first, ok && ok2
}

// verdict reads an answer.
func (u *user) verdict(what string, page harness.Page) (acked, refused bool) {
	switch {
	case page.Status >= 200 && page.Status < 400:
		return true, false
	case page.Status == http.StatusConflict, page.Status == http.StatusForbidden, page.Status == http.StatusNotFound:
		u.j.count("refusals")
		return false, true
	}
	u.j.bad("%s: %s was answered %d: %s", u.login, what, page.Status, page.Text())
	return false, true
}

func token() string {
	b := make([]byte, 15)
	_, _ = rand.Read(b) // never fails
	return base32.StdEncoding.EncodeToString(b)
}

// fields fills in the form of an action.
func (u *user) fields(o opened, action string) url.Values {
	tomorrow := time.Now().Add(24 * time.Hour).Format("2006-01-02")
	e := u.w.byID[o.patient]
	switch action {
	case referral.ActAsk:
		return harness.Form("reason", "exam_result", "question", "请补充心电图结果")
	case referral.ActAnswer:
		return harness.Form("answer", "窦性心律，ST 段压低")
	case referral.ActDecline:
		return harness.Form("reason", "no_capacity", "advice", "建议转区中医院")
	case referral.ActAskCancel:
		return harness.Form("reason", "elsewhere", "comment", "家属要求转外院")
	case referral.ActAnswerCancel:
		return harness.Form("answer", referral.CancelRefuse, "comment", "病情不宜搬动，继续诊疗")
	case referral.ActReturn:
		return harness.Form("reason", "incomplete")
	case referral.ActDiscard:
		return harness.Form("reason", "mistake")
	case referral.ActWithdraw:
		return harness.Form("reason", "patient_cancelled")
	case referral.ActCancel, referral.ActCallOff:
		return harness.Form("reason", "changed")
	case referral.ActArrange:
		return harness.Form("department", u.w.service.Department.ID, "appointed_at", tomorrow, "appointed_time", "09:30", "location", "门诊 2 楼")
	case referral.ActReschedule:
		return harness.Form("department", u.w.service.Department.ID, "appointed_at", tomorrow, "appointed_time", "10:30", "location", "门诊 2 楼", "reason", "equipment")
	case referral.ActArrive:
		if o.code != "" && u.rng.IntN(2) == 0 {
			return harness.Form("code", o.code, "name", e.Name)
		}
		return harness.Form("id_number", e.IDNumber, "birth_date", string(e.BirthDate))
	case referral.ActStart:
		return harness.Form("care", referral.Outpatient)
	case referral.ActNote:
		return harness.Form("text", "病情平稳")
	case referral.ActComplete:
		return harness.Form("result_code", angina, "treatment", "抗血小板、调脂治疗", "advice", "2 周后复查", "outcome", referral.OutcomeReturned)
	case referral.ActClose:
		return harness.Form("outcome", referral.OutcomeDeclined, "reason", "patient_gave_up")
	case referral.ActElsewhere:
		return harness.Form("target_service", u.w.elsewhere.Service.ID, "shown", u.w.elsewhere.Service.ID)
	}
	return url.Values{}
}

// refer writes a new referral for a patient who has none, and sends it, or
// keeps it as a draft.
func (u *user) refer() {
	u.mu.Lock()
	e := u.w.next(u.actor.Org)
	u.mu.Unlock()
	if e.ID == "" {
		return
	}
	form := u.request(e.ID)
	if u.rng.IntN(5) == 0 {
		form.Set("do", "draft")
	}
	u.submit(form, opened{}, "draft")
}

// send sends a draft that was kept or came back from the review.
func (u *user) send(o opened) {
	form := u.request(o.patient)
	form.Set("draft", o.id)
	form.Set("version", strconv.Itoa(o.version))
	u.submit(form, o, "save")
}

func (u *user) request(patient string) url.Values {
	return harness.Form("patient", patient, "visit", referral.Outpatient, "urgency", []string{"III", "IV"}[u.rng.IntN(2)], "purpose", "specialist",
		"indications", "general_exam", "diagnosis", angina, "target_service", u.w.service.Service.ID, "shown", u.w.service.Service.ID,
		"chief", "反复胸闷 3 天", "illness", "活动后胸闷，休息后缓解", "treatment", "阿司匹林 100mg 口服", "consciousness", "clear",
		"transport", "family", "consent", "1", "signed_by", "self", "form", "written")
}

// submit posts a request. It is two steps in one form: the draft is kept, and
// then sent.
func (u *user) submit(form url.Values, o opened, first string) {
	once := token()
	form.Set("_once", once)
	page, ok := u.twice("/referrals", form)
	if !ok {
		return
	}
	step := func(id, action, suffix string, version int) act {
		return act{login: u.login, account: u.actor.Account, caseID: id, action: action, version: version, once: once + "." + suffix, acked: true}
	}
	action := map[string]string{"draft": "open", "save": referral.ActSave}[first]
	acked, _ := u.verdict("a request", page)
	location := page.Header.Get("Location")
	switch {
	case !acked: // the draft may have been kept all the same
		u.j.add(act{login: u.login, account: u.actor.Account, caseID: o.id, action: referral.ActSubmit, once: once + ".send", refused: true})
	case form.Get("do") == "draft":
		id := found(draftAt, location)
		u.j.add(step(id, action, first, o.version+1))
	default:
		id := found(receiptAt, location)
		u.j.add(step(id, action, first, o.version+1), step(id, referral.ActSubmit, "send", o.version+2))
	}
	if acked && found(draftAt, location)+found(receiptAt, location) == "" {
		u.j.bad("%s: a request was answered with the way to %q", u.login, location)
	}
}

// summary writes the counts in one line.
func (j *journal) summary() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return fmt.Sprintf("acts acknowledged %d; %v", j.acked, j.counts)
}
