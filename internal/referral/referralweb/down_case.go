package referralweb

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/web"
)

// downCase is a page about one down-referral: a follow-up to write, or what an
// institution without the system answers.
type downCase struct {
	*view
	Values  url.Values
	Err     error
	Reasons []web.Option // of declining
	Phone   []web.Option // of a telephone entry
	Link    string       // the one-time link that was just made
	Expires time.Time
}

func (q downCase) value(name string) string { return q.Values.Get(name) }

// followable reports whether a follow-up can be written by the reader now.
func followable(v *view) bool {
	_, ok := v.find(referral.ActNote)
	return ok && v.Down != nil && v.Case.State == referral.StateInCare
}

// enterable reports whether the reader may answer for an institution without
// the system. What is refused beyond that, the use case says.
func enterable(v *view) bool {
	return v.Down != nil && v.Actor.Org == v.Case.From.Org && len(referral.OutsideAnswers(v.Case.State)) > 0 &&
		(may(v.Actor, access.ReferralTriage) || may(v.Actor, access.ReferralTreat))
}

func (p *Pages) downView(ctx context.Context, r *http.Request) (downCase, error) {
	actor, _ := access.ActorFrom(ctx)
	v, err := p.read(ctx, actor, r.PathValue("id"))
	if err != nil {
		return downCase{}, err
	}
	if v.Down == nil {
		return downCase{}, errs.E(errs.NotFound, "%s 不是下转单", v.Case.Number)
	}
	q := downCase{view: v, Values: r.PostForm}
	if q.Values == nil {
		q.Values = url.Values{}
	}
	for _, x := range []struct {
		key  string
		into *[]web.Option
	}{{"referral.reason.decline_down", &q.Reasons}, {"referral.reason.phone_entry", &q.Phone}} {
		list, err := p.Service.Flow.Codes(x.key, v.Case.Place, v.Now)
		if err != nil {
			return q, err
		}
		*x.into = options(list)
	}
	return q, nil
}

func (p *Pages) followForm(w http.ResponseWriter, r *http.Request) error {
	q, err := p.downView(r.Context(), r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, followPage(q))
}

// acting is the reference of a posted form.
func acting(r *http.Request) (referral.Ref, error) {
	version, err := strconv.Atoi(r.PostFormValue("version"))
	if err != nil {
		return referral.Ref{}, errs.E(errs.Invalid, "页面已过期，请重新打开再办理")
	}
	return referral.Ref{ID: r.PathValue("id"), Version: version, Once: web.OnceToken(r)}, nil
}

func (p *Pages) follow(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	if err := web.ParseForm(r); err != nil {
		return err
	}
	ref, err := acting(r)
	if err != nil {
		return err
	}
	var wrong errs.Form
	f := referral.FollowForm{
		Visit: r.PostFormValue("kind") != "question", Vitals: vitals(r.PostForm, &wrong), Text: r.PostFormValue("text"),
		RedFlag: r.PostFormValue("red_flag"), Question: r.PostFormValue("question"),
	}
	if err = wrong.Err(); err == nil {
		_, err = p.Service.Follow(ctx, actor, ref, f)
	}
	if err != nil {
		return p.downAgain(w, r, err, followPage)
	}
	said := "随访已记录"
	if f.RedFlag == "yes" || strings.TrimSpace(f.Question) != "" {
		said = "已记录，并已立即通知原主治医生"
	}
	web.Flash(w, r, web.Good, said)
	web.Changed(w, "referral todo")
	return web.Redirect(w, r, "/referrals/"+ref.ID)
}

func (p *Pages) outsideForm(w http.ResponseWriter, r *http.Request) error {
	q, err := p.downView(r.Context(), r)
	if err != nil {
		return err
	}
	now := q.Now.In(calendar.Shanghai)
	q.Values.Set("on", now.Format("2006-01-02"))
	q.Values.Set("clock", now.Format("15:04"))
	return web.Render(w, r, http.StatusOK, outsidePage(q))
}

// outsideAnswer reads what the other side has answered.
func outsideAnswer(form url.Values) referral.OutsideAnswer {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	a := referral.OutsideAnswer{
		Answer: text("answer"), Name: text("name"), Phone: text("phone"), Reason: text("reason"), Visit: text("visit"), Text: text("text"), Advice: text("advice"),
		Decline: referral.Decline{Reason: text("decline_reason"), Comment: text("decline_comment"), Advice: text("decline_advice")},
	}
	if at, err := time.ParseInLocation("2006-01-02 15:04", text("on")+" "+text("clock"), calendar.Shanghai); err == nil {
		a.At = at
	}
	return a
}

func (p *Pages) phoneEntry(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	if err := web.ParseForm(r); err != nil {
		return err
	}
	ref, err := acting(r)
	if err != nil {
		return err
	}
	if _, err := p.Service.EnterByPhone(r.Context(), actor, ref, outsideAnswer(r.PostForm)); err != nil {
		return p.downAgain(w, r, err, outsidePage)
	}
	web.Flash(w, r, web.Good, "电话答复已代录")
	web.Changed(w, "referral todo")
	return web.Redirect(w, r, "/referrals/"+ref.ID)
}

func (p *Pages) makeLink(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	if err := web.ParseForm(r); err != nil {
		return err
	}
	ref, err := acting(r)
	if err != nil {
		return err
	}
	token, expires, err := p.Service.LinkFor(r.Context(), actor, ref, r.PostFormValue("contact"))
	if err != nil {
		return p.downAgain(w, r, err, outsidePage)
	}
	q, err := p.downView(r.Context(), r)
	if err != nil {
		return err
	}
	q.Link, q.Expires = p.Address+"/continue/"+token, expires
	if token == "" {
		q.Err = errs.E(errs.Conflict, "链接刚刚已经生成过，出于安全不再显示；需要时请重新生成")
	}
	return web.Render(w, r, http.StatusOK, outsidePage(q))
}

func (p *Pages) following(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	list, err := p.Service.Following(r.Context(), actor)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, followingPage(list, p.Service.DB.Now()))
}

func (p *Pages) question(w http.ResponseWriter, r *http.Request) error {
	return p.showQuestion(w, r, http.StatusOK, "", nil)
}

func (p *Pages) showQuestion(w http.ResponseWriter, r *http.Request, status int, typed string, cause error) error {
	actor, _ := access.ActorFrom(r.Context())
	q, err := p.Service.DownQuestion(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	claim := slices.ContainsFunc(p.Service.Flow.Actions(q.Case, actor), func(a flow.Action) bool { return a.Name == flow.ActionClaim })
	return web.Render(w, r, status, questionPage(q, claim, typed, cause))
}

func (p *Pages) reply(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	if err := web.ParseForm(r); err != nil {
		return err
	}
	ref, err := acting(r)
	if err != nil {
		return err
	}
	answer := r.PostFormValue("answer")
	if _, err := p.Service.Reply(r.Context(), actor, ref, answer); err != nil {
		if errs.Correctable(err) {
			return p.showQuestion(w, r, web.Status(err), answer, err)
		}
		return err
	}
	web.Flash(w, r, web.Good, "答复已送出")
	web.Changed(w, "referral todo")
	return web.Redirect(w, r, "/down-questions/"+ref.ID)
}

func (p *Pages) claimQuestion(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	ref, err := acting(r)
	if err != nil {
		return err
	}
	if _, err := p.Service.ClaimQuestion(r.Context(), actor, ref); err != nil {
		return err
	}
	web.Changed(w, "referral todo")
	return web.Redirect(w, r, "/down-questions/"+ref.ID)
}

// linkTries bounds how often one address may knock at links in a minute: far
// above what a person does, far below what guessing would need.
const (
	linkTries  = 20
	linkWindow = time.Minute
)

// doorkeeper counts knocks by address.
type doorkeeper struct {
	mu    sync.Mutex
	since time.Time
	seen  map[string]int
}

// admit reports whether an address may knock once more.
func (d *doorkeeper) admit(address string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil || now.Sub(d.since) >= linkWindow {
		d.since, d.seen = now, map[string]int{}
	}
	d.seen[address]++
	return d.seen[address] <= linkTries
}

// knock lets a request to the public address of links in, and says where it
// comes from.
func (p *Pages) knock(w http.ResponseWriter, r *http.Request) (string, error) {
	ip, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		ip = r.RemoteAddr
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("X-Robots-Tag", "noindex")
	if !p.door.admit(ip, p.Service.DB.Now()) {
		return ip, errs.E(errs.Unavailable, "打开得太频繁，请一分钟以后再试")
	}
	return ip, nil
}

// linkPage is what an institution without the system sees.
type linkPage struct {
	referral.Linked
	Token  string
	Values url.Values
	Err    error
}

func (p *Pages) openLink(w http.ResponseWriter, r *http.Request) error {
	ip, err := p.knock(w, r)
	if err != nil {
		return err
	}
	token := r.PathValue("token")
	l, err := p.Service.OpenLink(r.Context(), token, ip)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, linkView(linkPage{Linked: l, Token: token, Values: url.Values{}}))
}

func (p *Pages) answerLink(w http.ResponseWriter, r *http.Request) error {
	ip, err := p.knock(w, r)
	if err != nil {
		return err
	}
	if err := web.ParseForm(r); err != nil {
		return err
	}
	token := r.PathValue("token")
	next, c, err := p.Service.AnswerLink(r.Context(), token, ip, outsideAnswer(r.PostForm))
	if err != nil {
		if !errs.Is(err, errs.Invalid) {
			return err
		}
		l, lerr := p.Service.OpenLink(r.Context(), token, ip)
		if lerr != nil {
			return lerr
		}
		return web.Render(w, r, web.Status(err), linkView(linkPage{Linked: l, Token: token, Values: r.PostForm, Err: err}))
	}
	if next != "" {
		next = p.Address + "/continue/" + next
	}
	return web.Render(w, r, http.StatusOK, linkDone(c, next))
}

// medicineText is a medicine in one line.
func medicineText(m referral.Medicine) string {
	text := m.Name + "，" + m.Dose + "，" + m.Frequency
	if m.Quantity != "" {
		text += "，带药 " + m.Quantity
	}
	if m.DaysLeft > 0 {
		text += "，够用 " + strconv.Itoa(m.DaysLeft) + " 天"
	}
	return text
}

func medicinesText(list []referral.Medicine) string {
	var out []string
	for _, m := range list {
		out = append(out, medicineText(m))
	}
	return strings.Join(out, "\n")
}

func visitsText(list []referral.PlannedVisit) string {
	var out []string
	for _, v := range list {
		out = append(out, v.On+"："+v.What)
	}
	return strings.Join(out, "\n")
}

// followText is a share in words; nothing due is not zero.
func followText(r referral.Rate) string {
	if r.Due == 0 {
		return "暂无到期随访"
	}
	return strconv.FormatInt(r.Kept*100/r.Due, 10) + "%（" + strconv.FormatInt(r.Kept, 10) + " / " + strconv.FormatInt(r.Due, 10) + "）"
}

// placeNote says why a place stands where it does.
func placeNote(t referral.DownTarget) string {
	var out []string
	for _, x := range []struct {
		yes  bool
		text string
	}{{t.Contract, "签约机构"}, {t.Home, "居住地"}, {t.Skilled, "有相应能力"}, {t.Capability.Beds, "有床位"}, {!t.Declared, "未公布接收能力"}} {
		if x.yes {
			out = append(out, x.text)
		}
	}
	if len(t.Missing) > 0 {
		out = append(out, "未备药品："+strings.Join(t.Missing, "、"))
	}
	return strings.Join(out, " · ")
}

// elsewhereTargets are the places for a declined case: below for a patient who
// is sent down.
func (p *Pages) elsewhereTargets(ctx context.Context, actor access.Actor, full referral.Full) ([]referral.Target, error) {
	if full.Down == nil {
		return p.Service.Targets(ctx, actor, referral.Need{Patient: full.Case.Patient, Diagnosis: full.Record.Diagnosis, Urgency: full.Case.Urgency})
	}
	found, err := p.Service.DownTargets(ctx, actor, referral.DownNeed{Patient: full.Case.Patient, Diagnosis: full.Record.Diagnosis, Reason: full.Record.Purpose})
	var out []referral.Target
	for _, t := range found {
		out = append(out, referral.Target{Candidate: t.Candidate, Direction: referral.Down, Problem: t.Problem})
	}
	return out, err
}

// draftURL is where a draft is written on.
func draftURL(v *view) string {
	if v.Down != nil {
		return "/down/new?draft=" + v.Case.ID
	}
	return "/referrals/new?draft=" + v.Case.ID
}
