package referralweb

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/patient"
	"yilian/internal/referral"
)

// dossier is the referral file (转诊档案): everything that the platform keeps
// about one case, and who has looked at it.
type dossier struct {
	*view
	Secret patient.Secret
	Looks  []look
}

// look is how often one person did one thing with the case's data.
type look struct {
	Name, Post, Org, What string
	First, Last           time.Time
	N                     int
}

// looking are the acts of the audit log that show data, with their words.
var looking = map[string]string{
	"patient.read": "查看患者资料和转诊单", "patient.reveal": "查看完整证件号码和电话", "patient.break": "紧急调阅",
	"referral.print": "打印单据", "referral.file": "下载转诊档案",
}

var filePaper = paper{"file", "转诊档案"}

// printFile shows the whole case as one document; the print is logged.
func (p *Pages) printFile(w http.ResponseWriter, r *http.Request) error {
	return p.file(w, r, "referral.print")
}

// saveFile answers the same document as one file that needs nothing else.
func (p *Pages) saveFile(w http.ResponseWriter, r *http.Request) error {
	return p.file(w, r, "referral.file")
}

func (p *Pages) file(w http.ResponseWriter, r *http.Request, action string) error {
	ctx := r.Context()
	actor := access.ActorOf(ctx)
	v, err := p.read(ctx, actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	d := dossier{view: v}
	if d.Secret, err = p.printed(ctx, actor, v, filePaper, action); err != nil {
		return err
	}
	if d.Looks, err = p.looks(ctx, v.Case); err != nil {
		return err
	}
	// Written whole first, so that a fault is answered as one and not as half
	// a file.
	var body bytes.Buffer
	if err := filePage(d, p.Address, action == "referral.file").Render(ctx, &body); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if action == "referral.file" {
		name := url.PathEscape("转诊档案_" + v.Case.Number + ".html")
		w.Header().Set("Content-Disposition", `attachment; filename="`+v.Case.Number+`.html"; filename*=UTF-8''`+name)
	}
	_, err = body.WriteTo(w)
	return err
}

// looks sums up who has looked since the case was opened: everybody for acts on
// the case itself, and the people of its institutions for acts on the patient.
// What others do with the patient is no part of this file.
func (p *Pages) looks(ctx context.Context, c flow.Case) ([]look, error) {
	var leaves []audit.Leaf
	err := p.Service.DB.View(ctx, func(tx *db.Tx) error {
		for action := range looking {
			found, err := audit.Search(ctx, tx, audit.Filter{Patient: c.Patient, Action: action, From: c.OpenedAt, Outcome: audit.OK, Limit: 1000})
			if err != nil {
				return err
			}
			leaves = append(leaves, found...)
		}
		return nil
	})
	orgs := []string{c.From.Org, c.To.Org, c.OwnerOrg}
	groups := map[look]*look{}
	var out []*look
	for _, l := range leaves {
		if l.ObjectID != c.ID && (l.Object == referral.Kind || l.Actor.Org == "" || !slices.Contains(orgs, l.Actor.Org)) {
			continue
		}
		key := look{Name: l.Actor.Name, Post: access.Role(l.Actor.Role).Title(), Org: l.Actor.OrgName, What: looking[l.Action]}
		g := groups[key]
		if g == nil {
			g = &look{Name: key.Name, Post: key.Post, Org: key.Org, What: key.What, First: l.At, Last: l.At}
			groups[key] = g
			out = append(out, g)
		}
		g.N++
		if l.At.Before(g.First) {
			g.First = l.At
		}
		if l.At.After(g.Last) {
			g.Last = l.At
		}
	}
	slices.SortFunc(out, func(a, b *look) int {
		if c := a.First.Compare(b.First); c != 0 {
			return c
		}
		return slices.Compare([]string{a.Name, a.What}, []string{b.Name, b.What})
	})
	list := make([]look, len(out))
	for i, g := range out {
		list[i] = *g
	}
	return list, err
}

// sideName is the institution of a side.
func sideName(c flow.Case, s flow.Side) string {
	switch s {
	case flow.From:
		return c.From.OrgName
	case flow.To:
		return c.To.OrgName
	}
	return ""
}

// careTitle is the form of care at the receiver.
func careTitle(code string) string {
	if code == "" {
		return ""
	}
	return visitTitle(code)
}
