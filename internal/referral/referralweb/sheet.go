package referralweb

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/practitioner"
	"yilian/internal/referral"
	"yilian/internal/region"
	"yilian/internal/schedule"
	"yilian/internal/web"
)

// view is the page of one case, with the form of one action when one is open.
type view struct {
	referral.Full
	Actor        access.Actor
	OwnerOrgName string // when the owner is neither side
	Home         string // town, village and address of the patient
	Reserved     schedule.Reserved
	Form         *form
	Err          error // what went wrong with an action that has no form
}

// form is one action being filled in.
type form struct {
	Action  flow.Action
	Values  url.Values
	Err     error
	Reasons []web.Option
	Lists   lists
	Offers  offers
}

// lists are what the fields of a form choose from.
type lists struct {
	Departments []web.Option
	Doctors     []web.Option
	Targets     []referral.Target // to send elsewhere, with load and obstacles
	Services    []web.Option      // to redirect to
	Orgs        []web.Option      // to suggest
	Asked       referral.Asked    // by the place chosen to send elsewhere
}

func (f form) value(name string) string { return f.Values.Get(name) }

// read opens a case for the actor; the look is logged by the service.
func (p *Pages) read(ctx context.Context, actor access.Actor, id string) (*view, error) {
	full, err := p.Service.View(ctx, actor, id)
	if err != nil {
		return nil, err
	}
	v := &view{Full: full, Actor: actor}
	err = p.Service.DB.View(ctx, func(tx *db.Tx) (err error) {
		if v.Home, err = home(ctx, tx, full.Patient); err != nil {
			return err
		}
		if v.Reserved, err = p.Service.Reserved(ctx, tx, full.Case.ID); err != nil {
			return err
		}
		if orgOf(full.Case, full.Case.OwnerOrg) != "" || full.Case.OwnerOrg == "" {
			return nil
		}
		names, err := organization.Names(ctx, tx, []string{full.Case.OwnerOrg})
		v.OwnerOrgName = names[full.Case.OwnerOrg]
		return err
	})
	return v, err
}

// home writes where the patient lives: town, village, address.
func home(ctx context.Context, tx *db.Tx, p patient.Patient) (string, error) {
	if p.Region == "" {
		return p.Address, nil
	}
	line, err := region.Line(ctx, tx, p.Region)
	if err != nil {
		return "", err
	}
	out := line[0].Name
	if line[0].Level == region.Village && len(line) > 1 {
		out = line[1].Name + out
	}
	return out + p.Address, nil
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	v, err := p.read(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, sheet(v))
}

// news answers the drawer when its case has moved on meanwhile; nothing is
// said but that. The drawer is not replaced under a person's hands.
func (p *Pages) news(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	seen, err := strconv.Atoi(r.URL.Query().Get("version"))
	if err != nil {
		return errs.E(errs.Invalid, "页面已过期，请重新打开这张转诊单")
	}
	var c flow.Case
	err = p.Service.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		c, err = flow.Get(r.Context(), tx, r.PathValue("id"))
		return err
	})
	if err != nil {
		return err
	}
	if c.Kind != referral.Kind || actor.Org == "" || (actor.Org != c.From.Org && actor.Org != c.To.Org && actor.Org != c.OwnerOrg) {
		return errs.E(errs.NotFound, "没有找到这张转诊单")
	}
	return web.Render(w, r, http.StatusOK, newsLine(c.ID, c.Version != seen))
}

// find returns an action that the actor may take now.
func (v *view) find(name string) (flow.Action, bool) {
	i := slices.IndexFunc(v.Actions, func(a flow.Action) bool { return a.Name == name })
	if i < 0 {
		return flow.Action{}, false
	}
	return v.Actions[i], true
}

// usually is the action that a state waits for: the blue button.
var usually = map[string]string{
	referral.StateInReview: referral.ActPass, referral.StateSubmitted: referral.ActAccept, referral.StateAwaitingInfo: referral.ActAnswer,
	referral.StateAccepted: referral.ActArrange, referral.StateDeferred: referral.ActArrange, referral.StateArranged: referral.ActArrive, referral.StateNoShow: referral.ActRearrange,
	referral.StateArrived: referral.ActStart, referral.StateInCare: referral.ActComplete, referral.StateCompleted: referral.ActAcknowledge,
	referral.StateDeclined: referral.ActElsewhere, referral.StateTransferring: referral.ActArrive,
}

func usual(v *view, a flow.Action) bool {
	if v.Case.State == referral.StateTransferring && v.Rescue != nil && !v.Rescue.Acknowledged() && v.Actor.Org == v.Case.To.Org {
		return a.Name == referral.ActAcknowledgeED
	}
	return usually[v.Case.State] == a.Name
}

// offered are the actions with a page of this package, the usual one first,
// those that end the case last.
func offered(v *view) []flow.Action {
	list := slices.DeleteFunc(slices.Clone(v.Actions), func(a flow.Action) bool {
		_, ok := actions[a.Name]
		return !ok && a.Name != referral.ActSubmit && a.Name != referral.ActEmergency && a.Name != referral.ActCompleteDown
	})
	rank := func(a flow.Action) int {
		switch {
		case usual(v, a):
			return 0
		case a.Dangerous:
			return 2
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b flow.Action) int { return rank(a) - rank(b) })
	return list
}

// open shows the form of an action inside the case.
func (p *Pages) open(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	name := r.PathValue("action")
	if _, ok := actions[name]; !ok {
		return errs.E(errs.NotFound, "没有这项操作，请返回转诊单重新选择")
	}
	v, err := p.read(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	a, ok := v.find(name)
	if !ok {
		v.Err = errs.E(errs.Conflict, "现在不能办理这一步：单子已是“%s”，或不由您办理", machine.StateTitle(v.Case.State))
		return web.Render(w, r, http.StatusConflict, sheet(v))
	}
	if err := p.prepare(r.Context(), v, a, nil, nil); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, sheet(v))
}

// act takes an action and shows the case as it then is.
func (p *Pages) act(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	id, name := r.PathValue("id"), r.PathValue("action")
	a, ok := actions[name]
	if !ok {
		return errs.E(errs.NotFound, "没有这项操作，请返回转诊单重新选择")
	}
	if err := r.ParseForm(); err != nil {
		return errs.Because(err, errs.Invalid, "提交的内容无法识别，请刷新页面后重试")
	}
	version, err := strconv.Atoi(r.PostFormValue("version"))
	if err != nil {
		return errs.E(errs.Invalid, "页面已过期，请重新打开这张转诊单再办理")
	}
	ref := referral.Ref{ID: id, Version: version, Once: web.OnceToken(r)}
	if _, err = a.run(call{p, ctx, actor, ref, r.PostForm}); err != nil {
		return p.refused(w, r, actor, name, err)
	}
	web.Flash(w, r, web.Good, a.done)
	web.Changed(w, "referral todo")
	return p.after(w, r, actor, id)
}

// after shows the case after an act. Who has handed it to somebody else may
// not see it any more, and goes back to the list.
func (p *Pages) after(w http.ResponseWriter, r *http.Request, actor access.Actor, id string) error {
	v, err := p.read(r.Context(), actor, id)
	gone := errs.Is(err, errs.NotFound) || errs.Is(err, errs.Forbidden)
	switch {
	case err != nil && !gone:
		return err
	case gone && web.IsFragment(r):
		web.CloseDrawer(w)
		return web.Render(w, r, http.StatusOK, templ.NopComponent) // says what was done
	case gone:
		return web.Redirect(w, r, "/referrals")
	case web.IsFragment(r):
		return web.Render(w, r, http.StatusOK, sheet(v))
	}
	return web.Redirect(w, r, "/referrals/"+id)
}

// refused shows the case again with what was wrong: the fresh case when
// somebody was faster, the form with everything typed when a field is wrong.
func (p *Pages) refused(w http.ResponseWriter, r *http.Request, actor access.Actor, name string, cause error) error {
	kind := errs.KindOf(cause)
	if _, stale := errors.AsType[*flow.StaleError](cause); stale {
		kind = errs.Conflict
	}
	if kind != errs.Invalid && kind != errs.Conflict {
		return cause
	}
	v, err := p.read(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return cause
	}
	a, ok := v.find(name)
	if ok && !actions[name].direct {
		if err := p.prepare(r.Context(), v, a, r.PostForm, cause); err != nil {
			return err
		}
	} else {
		v.Err = cause
	}
	status := http.StatusUnprocessableEntity
	if kind == errs.Conflict {
		status = http.StatusConflict
		web.Changed(w, "referral todo")
	}
	return web.Render(w, r, status, sheet(v))
}

// prepare opens the form of an action with what was typed, or with what is
// known.
func (p *Pages) prepare(ctx context.Context, v *view, a flow.Action, typed url.Values, cause error) error {
	f := &form{Action: a, Values: typed, Err: cause}
	if a.Reasons != "" {
		list, err := p.Service.Flow.Codes(a.Reasons, v.Case.Place, v.Now)
		if err != nil {
			return err
		}
		f.Reasons = options(list)
	}
	if typed == nil {
		f.Values = known(v, a.Name)
	}
	v.Form = f
	switch a.Name {
	case referral.ActArrange, referral.ActReschedule:
		return p.appointments(ctx, v, typed != nil)
	case referral.ActDivert, referral.ActDivertFrom:
		return p.diversions(ctx, v)
	case referral.ActRedirect, referral.ActHandOn, referral.ActDecline, referral.ActElsewhere:
		return p.places(ctx, v)
	}
	return nil
}

// known fills a form with what need not be typed.
func known(v *view, action string) url.Values {
	out := url.Values{}
	switch action {
	case referral.ActArrange, referral.ActReschedule:
		out.Set("department", v.Case.To.Department)
		if a := v.Record.Arrangement; !a.At.IsZero() {
			at := a.At.In(calendar.Shanghai)
			out.Set("department", a.Department)
			out.Set("doctor", a.Doctor)
			out.Set("appointed_at", at.Format("2006-01-02"))
			out.Set("appointed_time", at.Format("15:04"))
			out.Set("location", a.Location)
			out.Set("phone", a.Phone)
			return out
		}
		at := nextSlot(v.Now)
		out.Set("appointed_at", at.Format("2006-01-02"))
		out.Set("appointed_time", at.Format("15:04"))
	case referral.ActRefuseConsent:
		out.Set("signed_by", string(consent.Self))
		out.Set("form", string(consent.Written))
	case referral.ActStart:
		out.Set("care", referral.Outpatient)
	case referral.ActComplete:
		out.Set("result_code", v.Record.Diagnosis)
		out.Set("result_code_text", v.Record.DiagnosisName)
		out.Set("outcome", referral.OutcomeReturned)
		out.Set("phone", v.Record.Arrangement.Phone)
	case referral.ActDeath, referral.ActDeathAtTarget:
		out.Set("deceased_on", string(calendar.DateOf(v.Now)))
	}
	return out
}

// appointments reads departments with today's load, and doctors with their
// department, for the appointment form.
func (p *Pages) appointments(ctx context.Context, v *view, typed bool) error {
	return p.Service.DB.View(ctx, func(tx *db.Tx) error {
		day := calendar.DateOf(tx.Now)
		departments, err := organization.Departments(ctx, tx, v.Case.To.Org)
		if err != nil {
			return err
		}
		names := map[string]string{}
		for _, d := range departments {
			names[d.ID] = d.Name
			load, err := referral.DailyLoad(ctx, tx, d.ID, day)
			if err != nil {
				return err
			}
			v.Form.Lists.Departments = append(v.Form.Lists.Departments, web.Option{Value: d.ID, Text: d.Name, Note: "今日已约 " + loadText(load)})
		}
		postings, err := practitioner.PostingsAt(ctx, tx, v.Case.To.Org, day)
		if err != nil {
			return err
		}
		at := map[string]string{}
		for _, w := range postings {
			at[w.Practitioner] = w.Department
		}
		people, err := practitioner.At(ctx, tx, v.Case.To.Org, "", day)
		if err != nil {
			return err
		}
		here := v.Form.value("department")
		slices.SortStableFunc(people, func(a, b practitioner.Practitioner) int {
			return rankHere(at[a.ID] == here) - rankHere(at[b.ID] == here)
		})
		for _, d := range people {
			if d.Category == practitioner.Clinician || d.Category == practitioner.TCM {
				v.Form.Lists.Doctors = append(v.Form.Lists.Doctors, web.Option{Value: d.ID, Text: d.Name + " " + d.Title, Note: names[at[d.ID]]})
			}
		}
		return p.offer(ctx, tx, v, typed)
	})
}

func rankHere(here bool) int {
	if here {
		return 0
	}
	return 1
}

// places reads where a case may go instead.
func (p *Pages) places(ctx context.Context, v *view) error {
	if v.Form.Action.Name == referral.ActElsewhere {
		return p.elsewhereAsks(ctx, v)
	}
	return p.Service.DB.View(ctx, func(tx *db.Tx) error {
		today := calendar.DateOf(tx.Now)
		allies, err := alliance.Allies(ctx, tx, v.Actor.Org, today)
		if err != nil {
			return err
		}
		found, err := organization.FindServices(ctx, tx, organization.Need{
			Code: v.Record.Diagnosis, Age: v.Patient.Age(today), Sex: v.Patient.Sex, Urgency: v.Case.Urgency, From: v.Case.From.Org, Allies: allies,
		})
		if err != nil {
			return err
		}
		// A hospital that cannot take a patient hands on to another hospital; a
		// primary institution that "treats anything" is no answer.
		if hospitals := slices.DeleteFunc(slices.Clone(found), func(c organization.Candidate) bool { return c.Org.Kind.Primary() }); len(hospitals) > 0 {
			found = hospitals
		}
		seen := map[string]bool{v.Case.To.Org: true}
		for _, c := range found {
			if c.Org.ID != v.Case.To.Org || c.Department.ID != v.Case.To.Department {
				v.Form.Lists.Services = append(v.Form.Lists.Services, web.Option{
					Value: c.Service.ID, Text: c.Org.Short() + " " + c.Department.Name + " " + c.Service.Kind.Title(), Note: "转诊电话 " + web.Dash(c.Org.ReferralPhone),
				})
			}
			if !seen[c.Org.ID] {
				seen[c.Org.ID] = true
				v.Form.Lists.Orgs = append(v.Form.Lists.Orgs, web.Option{Value: c.Org.ID, Text: c.Org.Short()})
			}
		}
		return nil
	})
}

// diversions are the other hospitals that a patient on his way may be sent to.
func (p *Pages) diversions(ctx context.Context, v *view) error {
	lane := ""
	if v.Rescue != nil {
		lane = v.Rescue.Lane.Code
	}
	found, err := p.Service.Destinations(ctx, v.Actor, lane)
	for _, d := range found {
		if d.Org.ID != v.Case.To.Org && d.Org.ID != v.Case.From.Org {
			v.Form.Lists.Services = append(v.Form.Lists.Services, web.Option{Value: d.Service.ID, Text: d.Org.Short() + " " + d.Department.Name, Note: "电话 " + web.Dash(d.Org.ReferralPhone)})
		}
	}
	return err
}
