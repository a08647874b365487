package gridweb

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/grid"
	"yilian/internal/grid/partition"
	"yilian/internal/organization"
	"yilian/internal/web"
)

// proposePage is a question to the optimiser with its answer.
type proposePage struct {
	Unit    grid.Unit
	Leads   []organization.Organization
	Chosen  map[string]string // hospital → share, as typed
	Balance string            // weights in percent, as typed
	Travel  string
	Keep    string
	Pieces  bool // parts need not hang together
	Free    bool // the lead's own area may go elsewhere
	Seed    string
	Asked   bool
	Answer  grid.Answer
	Query   url.Values
	Name    string
	Err     error
}

func (f *face) propose(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	return f.renderPropose(w, r, nil)
}

func (f *face) renderPropose(w http.ResponseWriter, r *http.Request, failed error) error {
	ctx, actor, unit := r.Context(), access.ActorOf(r.Context()), r.PathValue("unit")
	p := proposePage{Name: web.Typed(r, "name"), Query: r.Form}
	var weights partition.Weights
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if err := mayRead(ctx, tx, actor, unit); err != nil {
			return err
		}
		if p.Unit, err = grid.Open(ctx, tx, unit); err != nil {
			return err
		}
		if weights, err = f.svc.Weights(ctx, tx, unit); err != nil {
			return err
		}
		p.Leads, err = hospitals(ctx, tx, p.Unit)
		return err
	})
	if err != nil {
		return err
	}
	p.read(r, weights)
	if p.Err = failed; p.Err == nil && p.Asked {
		ask, err := p.ask()
		if p.Err = err; err == nil {
			p.Answer, p.Err = f.svc.Propose(ctx, actor, unit, ask)
		}
		if p.Err != nil && !errs.Is(p.Err, errs.Invalid) {
			return p.Err
		}
	}
	return web.Render(w, r, web.Status(p.Err), proposeView(p))
}

// read takes the question from the request, with the starter weights where
// nothing is said.
func (p *proposePage) read(r *http.Request, w partition.Weights) {
	p.Asked = r.FormValue("seed") != ""
	or := func(name, value string) string {
		if text := web.Typed(r, name); text != "" {
			return text
		}
		return value
	}
	percent := func(f float64) string { return strconv.FormatFloat(100*f, 'f', 0, 64) }
	p.Balance, p.Travel, p.Keep = or("balance", percent(w.Balance)), or("travel", percent(w.Travel)), or("continuity", percent(w.Continuity))
	p.Seed = or("seed", "1")
	p.Pieces, p.Free = r.FormValue("pieces") != "", r.FormValue("free") != ""
	p.Chosen = map[string]string{}
	for _, o := range p.Leads {
		if share := web.Typed(r, "share-"+o.ID); share != "" {
			p.Chosen[o.ID] = share
		}
	}
}

func (p *proposePage) ask() (grid.Ask, error) {
	var form errs.Form
	a := grid.Ask{Rules: partition.Rules{Contiguous: !p.Pieces, Seats: !p.Free}}
	for _, x := range []struct {
		name, title, text string
		to                *float64
	}{{"balance", "人口均衡", p.Balance, &a.Weights.Balance}, {"travel", "就医路程", p.Travel, &a.Weights.Travel}, {"continuity", "沿用现有合作", p.Keep, &a.Weights.Continuity}} {
		n, err := strconv.ParseFloat(x.text, 64)
		if err != nil || n < 0 || n > 1000 {
			form.Add(x.name, "%s的权重应是 0 至 1000 的数", x.title)
		}
		*x.to = n / 100
	}
	seed, err := strconv.ParseUint(p.Seed, 10, 32)
	if err != nil {
		form.Add("seed", "随机种子应是不太大的正整数")
	}
	a.Seed = seed
	for _, o := range p.Leads {
		text, ok := p.Chosen[o.ID]
		if !ok {
			continue
		}
		share, err := strconv.ParseFloat(text, 64)
		if err != nil || share <= 0 || share > 1000 {
			form.Add("share-"+o.ID, "“%s”的服务能力应是大于 0 的数", o.Short())
			continue
		}
		a.Leads = append(a.Leads, grid.LeadChoice{Org: o.ID, Share: share})
	}
	if form.OK() && len(a.Leads) == 0 {
		form.Add("", "请至少给一家医院填写服务能力，它才参加划分")
	}
	return a, form.Err()
}

// keep makes a draft of one of the proposals.
func (f *face) keep(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	ctx, actor, unit := r.Context(), access.ActorOf(r.Context()), r.PathValue("unit")
	var p proposePage
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p.Unit, err = grid.Open(ctx, tx, unit); err != nil {
			return err
		}
		p.Leads, err = hospitals(ctx, tx, p.Unit)
		return err
	})
	if err != nil {
		return err
	}
	p.read(r, partition.Weights{})
	ask, err := p.ask()
	if err != nil {
		return f.renderPropose(w, r, err)
	}
	choice, err := strconv.Atoi(r.FormValue("choice"))
	if err != nil {
		return errs.E(errs.Invalid, "请选择一个方案")
	}
	l, err := f.svc.Keep(ctx, actor, unit, web.Typed(r, "name"), ask, choice)
	if errs.Is(err, errs.Invalid) {
		return f.renderPropose(w, r, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已存为草案，可以继续调整")
	return web.Redirect(w, r, at(l))
}

// as is a proposal as a layout, for the map.
func as(a grid.Answer, i int) grid.Layout {
	l := grid.Layout{Unit: a.Unit.Code}
	for j, o := range a.Leads {
		c := grid.Cell{ID: strconv.Itoa(j), Name: o.Short(), Lead: o.ID}
		for k, owner := range a.Proposals[i].Owner {
			if owner == j {
				c.Areas = append(c.Areas, a.Problem.Areas[k].Code)
			}
		}
		l.Cells = append(l.Cells, c)
	}
	return l
}

func percent(f float64) string { return fmt.Sprintf("%.1f%%", 100*f) }

// signed is a difference of shares, in percentage points.
func signed(f float64) string { return fmt.Sprintf("%+.1f", 100*f) }
