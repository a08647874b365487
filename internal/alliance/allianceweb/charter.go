package allianceweb

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/charter"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/governance"
	"yilian/internal/web"
)

// shareRows is how many parties the form of a split has room for.
const shareRows = 6

// draft is the page of the charter builder.
type draft struct {
	page2
	Charter charter.Charter
	Missing []charter.Missing
	Values  url.Values // typed, when the form comes back
	Err     error
}

// part is what stands in a part's field.
func (d draft) part(code string) string {
	if d.Values != nil {
		return d.Values.Get("part." + code)
	}
	return d.Charter.Parts[code]
}

// row is party and percent of one line of a split.
func (d draft) row(p charter.Pool, i int) (party, percent string) {
	if d.Values != nil {
		return d.Values.Get(fmt.Sprintf("%s.%d.party", p, i)), d.Values.Get(fmt.Sprintf("%s.%d.points", p, i))
	}
	if i < len(d.Charter.Split[p]) {
		s := d.Charter.Split[p][i]
		percent = charter.Percent(s.Points)
		return s.Party, percent[:len(percent)-1]
	}
	return "", ""
}

// parties are who may share: classes of members, and each member by name.
func (d draft) parties() []web.Option {
	out := []web.Option{{Value: "lead", Text: "牵头单位"}, {Value: "township", Text: "乡镇卫生院和社区中心"}, {Value: "village", Text: "村卫生室"}, {Value: "reserve", Text: "医联体发展基金"}}
	for _, m := range d.Roster {
		if m.Role == alliance.Member {
			out = append(out, web.Option{Value: m.Org, Text: m.OrgName})
		}
	}
	return out
}

func (p *Pages) builder(w http.ResponseWriter, r *http.Request) error {
	return p.renderBuilder(w, r, nil, nil)
}

func (p *Pages) renderBuilder(w http.ResponseWriter, r *http.Request, values url.Values, failed error) error {
	v, err := p.load(r)
	if err != nil {
		return err
	}
	if !v.Rights[access.CharterEdit] {
		return access.Require(v.Actor, access.CharterEdit, access.Care) // says in words what is lacking
	}
	d := draft{page2: v, Values: values, Err: failed}
	if d.Charter, err = p.Charters.Begin(r.Context(), v.Actor, v.ID); err != nil {
		return err
	}
	d.Missing = charter.Completeness(v.Rules.Parts, d.Charter)
	return web.Render(w, r, web.Status(failed), builderView(d))
}

// parse reads the parts and the split of the form.
func (d draft) parse(form url.Values) (map[string]string, map[charter.Pool][]charter.Share, error) {
	parts, split := map[string]string{}, map[charter.Pool][]charter.Share{}
	for _, c := range d.Rules.Parts {
		parts[c.Code] = form.Get("part." + c.Code)
	}
	titles := map[string]string{}
	for _, o := range d.parties() {
		titles[o.Value] = o.Text
	}
	var f errs.Form
	for _, pool := range charter.Pools() {
		for i := range shareRows {
			party := form.Get(fmt.Sprintf("%s.%d.party", pool, i))
			if party == "" {
				continue
			}
			points, err := charter.ParsePercent(form.Get(fmt.Sprintf("%s.%d.points", pool, i)))
			f.AddErr(string(pool), err)
			split[pool] = append(split[pool], charter.Share{Party: party, Title: titles[party], Points: points})
		}
	}
	return parts, split, f.Err()
}

func (p *Pages) saveCharter(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	v, err := p.load(r)
	if err != nil {
		return err
	}
	ctx, id := r.Context(), r.FormValue("charter")
	version, err := strconv.ParseInt(r.FormValue("version"), 10, 64)
	if err != nil {
		version = -1 // no version: stale
	}
	parts, split, err := draft{page2: v}.parse(r.PostForm)
	var c charter.Charter
	if err == nil {
		c, err = p.Charters.Save(ctx, v.Actor, id, version, parts, split)
	}
	done := "章程草案已保存"
	if err == nil && r.FormValue("adopt") != "" {
		_, err = p.Charters.Adopt(ctx, v.Actor, id, c.Version, calendar.Date(web.Typed(r, "on")), web.Typed(r, "basis"))
		done = "章程已通过，变更已列入备案"
	}
	if errs.Correctable(err) {
		return p.renderBuilder(w, r, r.PostForm, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, done)
	if r.FormValue("adopt") != "" {
		return web.Redirect(w, r, "/alliances/"+v.ID+"?tab=charter")
	}
	return web.Redirect(w, r, "/alliances/"+v.ID+"/charter")
}

// comparison is the page of two versions side by side.
type comparison struct {
	page2
	Before, After charter.Charter
	Parts         []partDiff
}

type partDiff struct {
	Title string
	Runs  []charter.Run
}

func (p *Pages) compare(w http.ResponseWriter, r *http.Request) error {
	v, err := p.load(r)
	if err != nil {
		return err
	}
	c := comparison{page2: v}
	find := func(name string) charter.Charter {
		for _, x := range v.Versions {
			if x.ID == r.URL.Query().Get(name) {
				return x
			}
		}
		return charter.Charter{}
	}
	c.Before, c.After = find("before"), find("after")
	if c.Before.ID == "" || c.After.ID == "" {
		return errs.E(errs.NotFound, "请选择这个医联体的两版章程进行比较")
	}
	for _, part := range v.Rules.Parts {
		c.Parts = append(c.Parts, partDiff{part.Title, charter.Diff(c.Before.Text(part.Code), c.After.Text(part.Code))})
	}
	return web.Render(w, r, http.StatusOK, compareView(c))
}

// printed is a charter or a meeting on paper.
type printed struct {
	Actor    access.Actor
	Alliance alliance.Alliance
	Lead     string
	Rules    governance.Rules
	Charter  charter.Charter
	Organ    governance.Organ
	Meeting  governance.Meeting
	Changes  map[string]alliance.Change
	Now      time.Time
}

func (p *Pages) printCharter(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	x := printed{Actor: access.ActorOf(ctx)}
	err := p.paper(r, &x, func(tx *db.Tx) (id string, err error) {
		x.Charter, err = charter.Get(ctx, tx, r.PathValue("id"))
		return x.Charter.Alliance, err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, charterPaper(x))
}

func (p *Pages) printMeeting(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	x := printed{Actor: access.ActorOf(ctx), Changes: map[string]alliance.Change{}}
	err := p.paper(r, &x, func(tx *db.Tx) (id string, err error) {
		if x.Meeting, err = governance.GetMeeting(ctx, tx, r.PathValue("id")); err != nil {
			return "", err
		}
		if x.Organ, err = governance.GetOrgan(ctx, tx, x.Meeting.Organ); err != nil {
			return "", err
		}
		all, err := alliance.Changes(ctx, tx, x.Organ.Alliance)
		for _, c := range all {
			x.Changes[c.ID] = c
		}
		return x.Organ.Alliance, err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, meetingPaper(x))
}

func (p *Pages) paper(r *http.Request, x *printed, read func(tx *db.Tx) (string, error)) error {
	ctx := r.Context()
	if err := access.Require(x.Actor, access.AllianceRead, access.Any); err != nil {
		return err
	}
	return p.Alliances.DB.View(ctx, func(tx *db.Tx) error {
		x.Now = tx.Now
		id, err := read(tx)
		if err != nil {
			return err
		}
		if x.Alliance, err = alliance.Get(ctx, tx, id); err != nil {
			return err
		}
		at, err := alliance.Place(ctx, tx, x.Alliance)
		if err != nil {
			return err
		}
		x.Rules = governance.RulesAt(p.Alliances.Book, at, calendar.DateOf(tx.Now))
		lead, err := alliance.LeadOn(ctx, tx, id, calendar.DateOf(tx.Now))
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		x.Lead = lead.Name
		return err
	})
}
