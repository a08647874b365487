package phonedweb

import (
	"yilian/internal/access"
	"yilian/internal/consent"
	"yilian/internal/firstvisit"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/referral/phoned"
	"yilian/internal/rescue"
	"yilian/internal/web"
)

var (
	machine   = phoned.Machine()
	referrals = referral.Machine()
)

func checkTone(state string) web.Tone {
	switch state {
	case phoned.StatePending:
		return web.Warn
	case phoned.StateConfirmed:
		return web.Good
	}
	return web.Neutral
}

func options(list []policy.Code) []web.Option {
	out := make([]web.Option, len(list))
	for i, c := range list {
		out[i] = web.Option{Value: c.Code, Text: c.Title}
	}
	return out
}

func signers() []web.Option {
	var out []web.Option
	for _, s := range []consent.Signer{consent.Self, consent.Guardian, consent.Authorized} {
		out = append(out, web.Option{Value: string(s), Text: s.Title()})
	}
	return out
}

func coded(list []patient.Code) []web.Option {
	out := make([]web.Option, len(list))
	for i, c := range list {
		out[i] = web.Option{Value: c.Code, Text: c.Title}
	}
	return out
}

// urgencies are the levels; the first has a button of its own.
func urgencies() []web.Option {
	var out []web.Option
	for _, c := range referral.Urgencies() {
		out = append(out, web.Option{Value: c.Code, Text: c.Title})
	}
	return out
}

func lanes() []web.Option {
	var out []web.Option
	for _, l := range rescue.Lanes() {
		out = append(out, web.Option{Value: l.Code, Text: l.Title})
	}
	return out
}

func doctors(c phoned.Choices) []web.Option {
	var out []web.Option
	for _, p := range c.Doctors {
		out = append(out, web.Option{Value: p.ID, Text: p.Name, Note: p.Title})
	}
	return out
}

// placeOptions are the departments of the clerk's own institution.
func placeOptions(c phoned.Choices) []web.Option {
	var out []web.Option
	for _, x := range c.Places {
		out = append(out, web.Option{Value: x.Service.ID, Text: x.Department.Name + " " + x.Service.Name, Note: x.Service.Kind.Title()})
	}
	return out
}

func firstVisit(reason, comment string) *firstvisit.Override {
	return &firstvisit.Override{Reason: reason, Comment: comment}
}

// asked reports whether a field that is only shown when it is asked for has to
// be shown.
func (e entryForm) asked(name string) bool {
	return web.FieldError(e.Err, name) != "" || e.value(name) != ""
}

func mayEnter(actor access.Actor) bool { return access.May(actor, access.ReferralTriage, access.Own) }
