// Package auditweb is the face of the audit log: the search of the auditor and
// the privacy officer, one record, the state of the chain and its check.
package auditweb

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/web"
)

// pageSize is the records of one page.
const pageSize = 50

type face struct {
	d      *db.DB
	log    *audit.Log
	people *patient.Service
}

// Routes adds the pages of the audit log and their entry in the menu.
func Routes(site *web.Site, d *db.DB, log *audit.Log, people *patient.Service) {
	f := &face{d: d, log: log, people: people}
	site.Menu(web.Item{
		Group: "安全与审计", Title: "审计查询", Icon: "shield-check", Path: "/audit", Order: 900,
		Rights: []string{string(access.AuditSearch)},
	})
	site.Handle("GET /audit", f.search)
	site.Handle("GET /audit/{id}", f.leaf)
	site.Handle("POST /audit/person", f.person)
	site.Handle("POST /audit/verify", f.verify)
}

// query is the filter as it was typed.
type query struct {
	Who, Patient, Action, Object, Outcome, From, To, Before string
}

func parse(v url.Values) query {
	get := func(name string) string { return strings.TrimSpace(v.Get(name)) }
	return query{
		Who: get("who"), Patient: get("patient"), Action: get("action"), Object: get("object"), Outcome: get("outcome"),
		From: get("from"), To: get("to"), Before: get("before"),
	}
}

// filter checks the query and turns it into a search.
func (q query) filter() (audit.Filter, error) {
	f := audit.Filter{
		Actor: q.Who, Patient: q.Patient, Action: q.Action, Object: q.Object, Outcome: q.Outcome,
		Before: q.Before, Limit: pageSize + 1,
	}
	var form errs.Form
	if q.From != "" {
		day, err := calendar.ParseDate(q.From)
		form.AddErr("from", err)
		if err == nil {
			f.From = day.Time()
		}
	}
	if q.To != "" {
		day, err := calendar.ParseDate(q.To)
		form.AddErr("to", err)
		if err == nil {
			f.To = day.AddDays(1).Time()
		}
	}
	if form.OK() && q.From != "" && q.To != "" && q.From > q.To {
		form.Add("to", "结束日期不能早于开始日期")
	}
	return f, form.Err()
}

// words says the query in one line, for the leaf of the search itself.
func (q query) words(person string) string {
	var out []string
	for _, p := range []struct{ label, value string }{
		{"操作人", q.Who}, {"患者", person}, {"操作", actions[q.Action]}, {"对象", objects[q.Object]},
		{"结果", map[string]string{audit.OK: "成功", audit.Refused: "拒绝"}[q.Outcome]}, {"自", q.From}, {"至", q.To},
	} {
		if p.value != "" {
			out = append(out, p.label+" "+p.value)
		}
	}
	if len(out) == 0 {
		return "全部记录"
	}
	return strings.Join(out, "，")
}

// link is the address of the list with the query, one name changed.
func (q query) link(name, value string) string {
	return web.Address("/audit", "who", q.Who, "patient", q.Patient, "action", q.Action, "object", q.Object, "outcome", q.Outcome,
		"from", q.From, "to", q.To, name, value)
}

// list is what the page shows.
type list struct {
	Query  query
	Err    error
	Leaves []audit.Leaf
	People map[string]patient.Brief
	Older  string // address of the next page, "" on the last
	State  audit.State
}

func (f *face) search(w http.ResponseWriter, r *http.Request) error {
	actor, err := allowed(r)
	if err != nil {
		return err
	}
	page := list{Query: parse(r.URL.Query())}
	filter, wrong := page.Query.filter()
	page.Err = wrong
	err = f.d.View(r.Context(), func(tx *db.Tx) (err error) {
		if page.State, err = audit.StateOf(r.Context(), tx); err != nil || wrong != nil {
			return err
		}
		return f.find(r.Context(), tx, actor, filter, &page)
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(wrong), searchPage(page))
}

// find searches, names the persons, and records that it was searched before
// anything is shown.
func (f *face) find(ctx context.Context, tx *db.Tx, actor access.Actor, filter audit.Filter, page *list) error {
	leaves, err := audit.Search(ctx, tx, filter)
	if err != nil {
		return err
	}
	if len(leaves) > pageSize {
		leaves = leaves[:pageSize]
		page.Older = page.Query.link("before", leaves[pageSize-1].ID)
	}
	page.Leaves = leaves
	if page.People, err = people(ctx, tx, page.Query.Patient, leaves); err != nil {
		return err
	}
	return f.log.Append(ctx, tx, audit.Leaf{
		Actor: actor, Action: "audit.search", Object: "audit", Patient: filter.Patient,
		Detail: page.Query.words(page.People[filter.Patient].Name),
	})
}

func people(ctx context.Context, tx *db.Tx, asked string, leaves []audit.Leaf) (map[string]patient.Brief, error) {
	ids, seen := []string{}, map[string]bool{"": true}
	for _, id := range append([]string{asked}, patientsOf(leaves)...) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return patient.Briefs(ctx, tx, ids)
}

func patientsOf(leaves []audit.Leaf) []string {
	ids := make([]string, len(leaves))
	for i, l := range leaves {
		ids[i] = l.Patient
	}
	return ids
}

// person turns an identity number into the search for its holder. It is posted,
// so that the number stands in no address and no log.
func (f *face) person(w http.ResponseWriter, r *http.Request) error {
	if _, err := allowed(r); err != nil {
		return err
	}
	var id string
	err := f.d.View(r.Context(), func(tx *db.Tx) (err error) {
		id, err = f.people.Identify(r.Context(), tx, strings.TrimSpace(r.PostFormValue("number")))
		return err
	})
	if err != nil {
		return err
	}
	return web.Redirect(w, r, query{}.link("patient", id))
}

func (f *face) leaf(w http.ResponseWriter, r *http.Request) error {
	actor, err := allowed(r)
	if err != nil {
		return err
	}
	var leaf audit.Leaf
	var who map[string]patient.Brief
	err = f.d.View(r.Context(), func(tx *db.Tx) (err error) {
		if leaf, err = audit.GetLeaf(r.Context(), tx, r.PathValue("id")); err != nil {
			return err
		}
		if who, err = people(r.Context(), tx, "", []audit.Leaf{leaf}); err != nil {
			return err
		}
		return f.log.Append(r.Context(), tx, audit.Leaf{
			Actor: actor, Action: "audit.read", Object: "audit", ObjectID: leaf.ID, Patient: leaf.Patient,
		})
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, leafSheet(leaf, who[leaf.Patient]))
}

func (f *face) verify(w http.ResponseWriter, r *http.Request) error {
	actor, err := allowed(r)
	if err != nil {
		return err
	}
	report, err := f.log.Verify(r.Context())
	if err != nil {
		return err
	}
	leaf := audit.Leaf{Actor: actor, Action: "audit.verify", Object: "audit", Detail: verdictText(report)}
	if err := f.log.AppendNow(r.Context(), leaf); err != nil {
		return err
	}
	tone := web.Good
	if report.Broken != "" {
		tone = web.Bad
	}
	if web.IsFragment(r) {
		return web.Render(w, r, http.StatusOK, verdictNote(tone, report))
	}
	web.Flash(w, r, tone, verdictText(report))
	return web.Redirect(w, r, "/audit")
}

// allowed returns the actor when he may search the log.
func allowed(r *http.Request) (access.Actor, error) {
	actor := access.ActorOf(r.Context())
	return actor, access.Require(actor, access.AuditSearch, access.Any)
}
