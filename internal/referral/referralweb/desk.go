package referralweb

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/flow/flowweb"
	"yilian/internal/patient"
	"yilian/internal/referral"
	"yilian/internal/web"
)

// desk is the page of the registration desk.
type desk struct {
	Actor    access.Actor
	Now      time.Time
	Text     string // what was looked for
	Found    []referral.Item
	Values   url.Values // of the arrival form that came back
	Tried    string     // the case that it was for
	Err      error
	Expected []referral.Item // arranged for today or late
	Done     []referral.Item // arranged for today, arrived or not come
	Coming   []referral.Item // arranged for later, the patient has been reminded
	Reminded referral.Reminded
	Asked    string // the case whose answer form came back
	AskErr   error
}

// identified says which first identifier the clerk has typed.
func (d desk) identified() (code, number string) {
	text := strings.ToUpper(strings.TrimSpace(d.Text))
	switch {
	case len(text) == 6 && strings.Trim(text, "0123456789") == "":
		return text, ""
	case len(text) == 18 || len(text) == 15:
		return "", text
	}
	return "", ""
}

// masked shows a person so that the name can still be asked for.
func masked(subject string) string {
	name, rest := flowweb.SplitSubject(subject)
	return patient.MaskName(name) + " " + rest
}

func (p *Pages) desk(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	d, err := p.today(r.Context(), actor)
	if err != nil {
		return err
	}
	if r.URL.Query().Get("live") != "" && web.IsFragment(r) {
		return web.Render(w, r, http.StatusOK, deskLists(d))
	}
	return web.Render(w, r, http.StatusOK, deskPage(d))
}

// find looks for a patient who stands at the desk. It is posted: an identity
// number has no place in an address.
func (p *Pages) find(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	d, err := p.today(r.Context(), actor)
	if err != nil {
		return err
	}
	d.Text = strings.TrimSpace(r.PostFormValue("text"))
	d.Found, d.Err = p.Service.FindArrival(r.Context(), actor, d.Text)
	if d.Err != nil && !errs.Is(d.Err, errs.Invalid) && !errs.Is(d.Err, errs.NotFound) {
		return d.Err
	}
	status := http.StatusOK
	if d.Err != nil {
		status = web.Status(d.Err)
	}
	return p.answerDesk(w, r, status, d)
}

// answerDesk renders the part of the page that a form asked for, or the page.
func (p *Pages) answerDesk(w http.ResponseWriter, r *http.Request, status int, d desk) error {
	if web.IsFragment(r) {
		return web.Render(w, r, status, deskBody(d))
	}
	return web.Render(w, r, status, deskPage(d))
}

// register registers an arrival from the desk.
func (p *Pages) register(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	version, err := strconv.Atoi(r.PostFormValue("version"))
	if err != nil {
		return errs.E(errs.Invalid, "页面已过期，请重新查找患者")
	}
	id := r.PathValue("id")
	_, err = arrive(call{p, ctx, actor, referral.Ref{ID: id, Version: version, Once: web.OnceToken(r)}, r.PostForm})
	if err != nil && !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.Conflict) {
		return err
	}
	d, terr := p.today(ctx, actor)
	if terr != nil {
		return terr
	}
	if err != nil {
		d.Text, d.Tried, d.Values, d.Err = r.PostFormValue("text"), id, r.PostForm, err
		d.Found, terr = p.Service.FindArrival(ctx, actor, d.Text)
		if terr != nil && !errs.Is(terr, errs.NotFound) && !errs.Is(terr, errs.Invalid) {
			return terr
		}
		return p.answerDesk(w, r, web.Status(err), d)
	}
	web.Flash(w, r, web.Good, "到诊登记完成，已通知接诊科室")
	web.Changed(w, "referral todo")
	if !web.IsFragment(r) {
		return web.Redirect(w, r, "/desk")
	}
	return p.answerDesk(w, r, http.StatusOK, d)
}

// today reads who is expected today, who has come and who has not.
func (p *Pages) today(ctx context.Context, actor access.Actor) (desk, error) {
	d := desk{Actor: actor}
	if err := access.Require(actor, access.ReferralArrive, access.Own); err != nil {
		return d, err
	}
	for _, state := range []string{referral.StateArranged, referral.StateNoShow, referral.StateArrived, referral.StateInCare} {
		page, err := p.Service.List(ctx, actor, referral.Query{Side: flow.To, State: state, Limit: 200})
		if err != nil {
			return d, err
		}
		d.Now = page.Now
		if state == referral.StateArranged {
			if d.Reminded, err = p.Service.Reminded(ctx, actor, page.Items); err != nil {
				return d, err
			}
		}
		end := calendar.EndOf(calendar.DateOf(page.Now))
		for _, i := range page.Items {
			switch {
			case state == referral.StateArranged && !i.Appointed.After(end):
				d.Expected = append(d.Expected, i)
			case state == referral.StateArranged && !d.Reminded.Receipts[i.Case.ID].SentAt.IsZero():
				d.Coming = append(d.Coming, i)
			case state != referral.StateArranged && calendar.DateOf(i.Appointed) == calendar.DateOf(page.Now):
				d.Done = append(d.Done, i)
			}
		}
	}
	byTime := func(a, b referral.Item) int { return a.Appointed.Compare(b.Appointed) }
	slices.SortStableFunc(d.Expected, byTime)
	slices.SortStableFunc(d.Done, byTime)
	slices.SortStableFunc(d.Coming, byTime)
	return d, nil
}
