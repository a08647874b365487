package simulate

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/referral"
)

// referralsADay is how many residents of the demo are referred on a working
// day; with 2,000 residents that is about life.
const referralsADay = 2

// course is the way of one referral.
type course struct {
	*life
	v       vignette
	who     patient.Entry
	doctor  access.Actor
	service organization.HealthcareService
	c       flow.Case
	stop    string // state in which the case is left for the demo; "" runs on
}

// live plays six months of referrals, then leaves a few cases in every state
// that a user can meet, with clocks that are about to run.
func (s *simulation) live(ctx context.Context) error {
	l := &life{simulation: s, offers: map[string][]organization.HealthcareService{}}
	centres := s.staff.centres()
	for day := s.now.AddDate(0, -6, 0); day.Before(s.now); day = day.AddDate(0, 0, 1) {
		if wd := day.In(calendar.Shanghai).Weekday(); wd == time.Sunday || (wd == time.Saturday && !s.rng.chance(40)) {
			continue
		}
		for range referralsADay {
			at := day.Truncate(24 * time.Hour).Add(s.rng.between(5, 560)) // 08:05 to 17:20 in Shanghai
			if err := l.begin(ctx, pick(s.rng, centres), at, ""); err != nil {
				return err
			}
		}
	}
	for _, state := range []string{
		referral.StateDraft, referral.StateSubmitted, referral.StateSubmitted, referral.StateSubmitted, referral.StateAwaitingInfo,
		referral.StateAccepted, referral.StateAccepted, referral.StateArranged, referral.StateArranged, referral.StateNoShow,
		referral.StateArrived, referral.StateInCare, referral.StateCompleted, referral.StateDeclined,
	} {
		for range 2 {
			if err := l.begin(ctx, pick(s.rng, []string{shuikou, shuikou, pick(s.rng, centres)}), s.beganAt(state), state); err != nil {
				return err
			}
		}
	}
	if err := l.emergencies(ctx); err != nil {
		return err
	}
	if err := l.village(ctx); err != nil {
		return err
	}
	if err := l.advise(ctx); err != nil {
		return err
	}
	l.glass()
	if err := l.office(ctx); err != nil {
		return err
	}
	// What happened before yesterday has been read.
	l.plan(s.now.Add(-20*time.Hour), l.read)
	return l.run(ctx)
}

// village lets the village doctor write two referrals that wait for the review
// of his centre, and one that he threw away.
func (l *life) village(ctx context.Context) error {
	doctor, err := l.staff.one(l.rng, l.staff.orgs[l.busiestClinic(l.folk)].ID, access.VillageDoctor, "")
	if err != nil {
		return err
	}
	home := l.staff.orgs[l.busiestClinic(l.folk)].Region
	for i, stop := range []string{referral.StateInReview, referral.StateInReview, referral.StateDiscarded} {
		at := l.now.Add(-l.rng.between(20, 150)).Add(-time.Duration(i) * time.Hour)
		c := &course{life: l, doctor: doctor, stop: stop}
		for range 2000 {
			c.v = pick(l.rng, vignettes())
			who, ok := l.folk.find(l.rng, shuikou, c.v, calendar.DateOf(at))
			if ok && who.Region == home && c.v.urgency != "II" {
				c.who = who
				break
			}
		}
		if c.who.ID == "" {
			continue // nobody of that village fits
		}
		if err := c.choose(ctx); err != nil {
			return err
		}
		l.plan(at, c.draft)
	}
	return nil
}

// read marks everybody's notices as read.
func (l *life) read(ctx context.Context) error {
	for _, p := range l.staff.people {
		if err := l.app.Messages.ReadAll(ctx, p.actor); err != nil {
			return err
		}
	}
	return nil
}

// recent is how long ago a case began that now stands in a state.
func (s *simulation) recent(state string) time.Duration {
	switch state {
	case referral.StateDraft, referral.StateSubmitted:
		return s.rng.between(4, 110)
	case referral.StateAwaitingInfo, referral.StateAccepted, referral.StateDeclined:
		return s.rng.between(130, 300)
	case referral.StateArranged:
		return s.rng.between(300, 900)
	}
	return s.rng.between(2*1440, 4*1440)
}

// beganAt is when such a case began: those of the last hours just now, the
// others in working hours.
func (s *simulation) beganAt(state string) time.Time {
	at := s.now.Add(-s.recent(state))
	if s.now.Sub(at) > 24*time.Hour {
		at = s.rng.office(at.AddDate(0, 0, -1))
	}
	return at
}

// waits reports whether cases that stand in a state wait for the receiving
// centre or the referring doctor.
func waits(state string) bool {
	switch state {
	case referral.StateSubmitted, referral.StateAwaitingInfo, referral.StateAccepted, referral.StateDeclined, referral.StateNoShow:
		return true
	}
	return false
}

// begin plans one referral out of a centre.
func (l *life) begin(ctx context.Context, centre string, at time.Time, stop string) error {
	v := pick(l.rng, vignettes())
	for waits(stop) && v.urgency == "II" && !l.rng.chance(12) {
		v = pick(l.rng, vignettes()) // urgent cases do not lie around
	}
	who, ok := l.folk.find(l.rng, centre, v, calendar.DateOf(at))
	if !ok {
		return nil // nobody of that age lives there
	}
	doctor, err := l.staff.one(l.rng, l.staff.orgs[centre].ID, access.TownshipDoctor, "")
	if err != nil {
		return err
	}
	c := &course{life: l, v: v, who: who, doctor: doctor, stop: stop}
	if err := c.choose(ctx); err != nil {
		return err
	}
	c.fromVillage(centre)
	l.plan(at, c.draft)
	return nil
}

// fromVillage lets the doctor of the patient's own village write the referral
// where the village clinic has one; his centre reviews it.
func (c *course) fromVillage(centre string) {
	if c.stop != "" {
		return
	}
	for _, name := range c.staff.clinics(centre) {
		clinic := c.staff.orgs[name]
		if list := c.staff.with(clinic.ID, access.VillageDoctor, ""); len(list) > 0 && clinic.Region == c.who.Region {
			c.doctor = list[0]
		}
	}
}

// choose finds the service that the vignette names.
func (c *course) choose(ctx context.Context) error {
	org := c.staff.orgs[c.v.org]
	dept := c.staff.depts[org.ID+c.v.department]
	kind := organization.Clinic
	if c.v.care == referral.Inpatient {
		kind = organization.Inpatient
	}
	list, err := c.services(ctx, org.ID)
	if err != nil {
		return err
	}
	for _, h := range list {
		if h.Department == dept.ID && (c.service.ID == "" || h.Kind == kind) {
			c.service = h
		}
	}
	if c.service.ID == "" {
		return fmt.Errorf("%s has no service in %s", c.v.org, c.v.department)
	}
	return nil
}

// services are those of an institution, read once.
func (l *life) services(ctx context.Context, org string) (list []organization.HealthcareService, err error) {
	if list, ok := l.offers[org]; ok {
		return list, nil
	}
	err = l.app.DB.View(ctx, func(tx *db.Tx) error {
		list, err = organization.Services(ctx, tx, org)
		return err
	})
	l.offers[org] = list
	return list, err
}

func (c *course) ref() referral.Ref { return referral.Ref{ID: c.c.ID, Version: c.c.Version} }

// took notes the case after an act.
func (c *course) took(k flow.Case, err error) error {
	if err == nil {
		c.c = k
	}
	return err
}

// then plans the next step after a while; office moves it into working hours,
// which urgent cases do not wait for. A case that is to stay in its present
// state plans nothing.
func (c *course) then(now time.Time, min, max int, do func(ctx context.Context) error) {
	if c.stop != "" && c.c.State == c.stop {
		return
	}
	at := now.Add(c.rng.between(min, max))
	if c.v.urgency != "II" && c.stop == "" {
		at = c.rng.office(at)
	}
	c.plan(at, do)
}

func (c *course) clock() time.Time { return c.app.DB.Now() }

func (c *course) form() referral.Form {
	vitals := c.vitals()
	return referral.Form{
		Patient: c.who.ID, Visit: referral.Outpatient, Urgency: c.v.urgency, Purpose: c.v.purpose,
		Indications: []string{c.v.indication}, Diagnosis: c.v.code, TargetService: c.service.ID,
		Request: referral.Request{
			Chief: c.v.chief, Illness: c.v.illness, Past: c.v.past, Treatment: c.v.treatment, Allergies: pick(c.rng, []string{"无", "无", "无", "青霉素过敏"}),
			Vitals: vitals, Consciousness: "clear", Transport: pick(c.rng, []string{"self", "family", "family"}),
			Choices: []referral.Choice{{Org: c.service.Org, OrgName: c.v.org, Service: c.v.department, Chosen: true}},
		},
	}
}

func (c *course) vitals() referral.Vitals {
	n := func(base, spread int) *int { x := base + c.rng.IntN(spread); return &x }
	temperature := float64(362+c.rng.IntN(12)) / 10
	v := referral.Vitals{Temperature: &temperature, Pulse: n(66, 34), Systolic: n(108, 52), Diastolic: n(64, 30)}
	if c.rng.chance(60) {
		v.SpO2, v.Respiration = n(93, 7), n(16, 6)
	}
	return v
}

func (c *course) draft(ctx context.Context) error {
	if err := c.took(c.app.Referrals.Draft(ctx, c.doctor, c.form(), "")); err != nil {
		return err
	}
	if c.stop == "" && c.rng.chance(2) {
		c.then(c.clock(), 5, 30, c.refuse)
		return nil
	}
	if c.stop == referral.StateDiscarded {
		c.then(c.clock(), 2, 9, c.discard)
		return nil
	}
	c.then(c.clock(), 3, 15, c.submit)
	return nil
}

func (c *course) discard(ctx context.Context) error {
	return c.took(c.app.Referrals.Discard(ctx, c.doctor, c.ref(), "not_needed", "患者症状缓解，先观察"))
}

// signature is the patient's own paper, or a guardian's for a child.
func (c *course) signature() consent.Consent {
	k := consent.Consent{
		Patient: c.who.ID, Purpose: consent.Referral, Reference: c.c.ID, Form: consent.Written, SignedBy: consent.Self,
		SignerName: c.who.Name, Choices: []string{c.v.org + " " + c.v.department}, SignedAt: c.clock(),
	}
	if name, relation, ok := guardian(c.who); ok && patient.AgeOn(c.who.BirthDate, calendar.DateOf(c.clock())) < patient.GuardianAge {
		k.SignedBy, k.SignerName, k.Relation = consent.Guardian, name, relation
	}
	return k
}

func (c *course) agree(ctx context.Context) error {
	return c.app.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := consent.Record(ctx, tx, c.app.Audit, c.doctor, c.signature(), false)
		return err
	})
}

func (c *course) refuse(ctx context.Context) error {
	k := c.signature()
	k.Refused, k.Reason = true, pick(c.rng, []string{"no_money", "far", "stay_local"})
	return c.took(c.app.Referrals.RefuseConsent(ctx, c.doctor, c.ref(), k))
}

func (c *course) submit(ctx context.Context) error {
	if err := c.agree(ctx); err != nil {
		return err
	}
	if err := c.took(c.app.Referrals.Submit(ctx, c.doctor, c.ref(), nil)); err != nil {
		return err
	}
	if c.c.State == referral.StateInReview {
		c.then(c.clock(), 20, 150, c.review)
		return nil
	}
	c.sent()
	return nil
}

func (c *course) review(ctx context.Context) error {
	head, err := c.staff.one(c.rng, c.c.OwnerOrg, access.TownshipHead, "")
	if err != nil {
		return err
	}
	if err := c.took(c.app.Referrals.Pass(ctx, head, c.ref(), "")); err != nil {
		return err
	}
	c.sent()
	return nil
}

// sent plans what the receiving centre does.
func (c *course) sent() {
	next, min, max := c.accept, 6, 100
	if c.v.urgency == "II" {
		min, max = 3, 34
	}
	switch {
	case c.stop == referral.StateAwaitingInfo || (c.stop == "" && c.rng.chance(8)):
		next = c.ask
	case c.stop == referral.StateDeclined || (c.stop == "" && c.rng.chance(6)):
		next = c.decline
	case c.stop == "" && c.rng.chance(3):
		next = c.withdraw
	}
	c.then(c.clock(), min, max, next)
}

func (c *course) centre() (access.Actor, error) {
	if c.c.Owner != "" {
		for _, a := range c.staff.with(c.c.To.Org, access.ReferralCenter, "") {
			if a.Person == c.c.Owner {
				return a, nil
			}
		}
	}
	return c.staff.one(c.rng, c.c.To.Org, access.ReferralCenter, "")
}
