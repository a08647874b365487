package patientweb

import (
	"strings"

	"github.com/a-h/templ"

	"yilian/internal/patient"
	"yilian/internal/web"
)

// identityWith is the identity block of a form; on an edit the stored number
// stays sealed and the field empty.
func identityWith(p formPage) derived {
	d := identityOf(p.Form, p.Today)
	d.Err = p.Err
	if p.Err != nil { // it stands under its field already
		d.Wrong = ""
	}
	return d
}

func (p formPage) back() string {
	if p.ID == "" {
		return "/patients"
	}
	return "/patients/" + p.ID
}

// identifyAttrs make a field ask the server what the number says.
func identifyAttrs(trigger string) templ.Attributes {
	return templ.Attributes{"hx-get": "/patients/identify", "hx-trigger": trigger, "hx-include": "closest form",
		"hx-target": "#identity", "hx-swap": "outerHTML", "hx-sync": "closest form:replace"}
}

func (p showPage) subtitle() string {
	text := patient.SexTitle(p.Sex) + " · " + web.Age(string(p.BirthDate), string(p.Today))
	if p.Place != "" {
		text += " · " + p.Place
	}
	return text
}

func (p showPage) revealURL(what string) string {
	if !p.Reveal {
		return ""
	}
	return "/patients/" + p.ID + "/reveal/" + what
}

// residence joins the division and the address, which people often type in
// full.
func residence(place, address string) string {
	if strings.HasPrefix(address, place) {
		return address
	}
	return place + address
}
