package grid

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/grid/partition"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// Ask is a question to the optimiser.
type Ask struct {
	Leads   []LeadChoice
	Weights partition.Weights
	Rules   partition.Rules
	Seed    uint64
}

// LeadChoice is a hospital that may lead, with its capacity relative to the
// others.
type LeadChoice struct {
	Org   string
	Share float64
}

// Answer is what the optimiser says: the proposals that no other one beats in
// every respect.
type Answer struct {
	Unit      Unit
	Problem   partition.Problem
	Leads     []organization.Organization
	Proposals []partition.Proposal
	Reasons   [][]partition.Change // for each proposal, the areas that change hands
}

// Propose asks the optimiser. Nothing is written.
func (s *Service) Propose(ctx context.Context, actor access.Actor, unit string, ask Ask) (Answer, error) {
	var a Answer
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if err := mayEdit(ctx, tx, actor, unit); err != nil {
			return err
		}
		a, err = s.question(ctx, tx, unit, ask)
		return err
	})
	if err != nil {
		return a, err
	}
	if a.Proposals, err = partition.Front(a.Problem, ask.Seed); err != nil {
		return a, errs.E(errs.Invalid, "%s", err.Error())
	}
	for _, p := range a.Proposals {
		a.Reasons = append(a.Reasons, a.Problem.Explain(p.Owner))
	}
	return a, nil
}

// question makes a problem of the unit, the chosen hospitals and today's
// layout.
func (s *Service) question(ctx context.Context, tx *db.Tx, unit string, ask Ask) (a Answer, err error) {
	if a.Unit, err = Open(ctx, tx, unit); err != nil {
		return a, err
	}
	a.Problem = partition.Problem{Weights: ask.Weights, Rules: ask.Rules, Areas: a.Unit.areas()}
	for _, choice := range ask.Leads {
		org, err := organization.Get(ctx, tx, choice.Org)
		if err != nil {
			return a, err
		}
		if !org.Kind.Hospital() {
			return a, errs.E(errs.Invalid, "“%s”不是医院，不能牵头", org.Name)
		}
		a.Leads = append(a.Leads, org)
		a.Problem.Leads = append(a.Problem.Leads, a.Unit.lead(org, choice.Share))
	}
	today, err := On(ctx, tx, unit, calendar.DateOf(tx.Now), tx.Now)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return a, err
	}
	for i := range a.Problem.Areas {
		a.Problem.Areas[i].Today = leadOf(today, a.Leads, a.Unit.Towns[i].Code)
	}
	return a, nil
}

// areas are the towns as the optimiser sees them: in kilometres, or in steps of
// the schematic map.
func (u Unit) areas() []partition.Area {
	index := map[string]int{}
	for i, t := range u.Towns {
		index[t.Code] = i
	}
	out := make([]partition.Area, len(u.Towns))
	for i, t := range u.Towns {
		out[i] = partition.Area{
			Code: t.Code, Name: t.Name, People: t.People, X: float64(t.X) / Step, Y: float64(t.Y) / Step,
			Today: partition.None, Fixed: partition.None,
		}
		for _, n := range t.Neighbours {
			if k, ok := index[n]; ok {
				out[i].Neighbours = append(out[i].Neighbours, k)
			}
		}
	}
	return out
}

// lead is a hospital as the optimiser sees it. One outside the unit, or
// registered at the county, counts as in the middle of the unit and has no seat.
func (u Unit) lead(org organization.Organization, share float64) partition.Lead {
	l := partition.Lead{ID: org.ID, Name: org.Short(), Seat: partition.None, Share: share}
	for i, t := range u.Towns {
		l.X += float64(t.X) / Step / float64(len(u.Towns))
		l.Y += float64(t.Y) / Step / float64(len(u.Towns))
		if org.Region == t.Code || strings.HasPrefix(org.Region, t.Code) {
			l.Seat = i
		}
	}
	if l.Seat != partition.None {
		l.X, l.Y = float64(u.Towns[l.Seat].X)/Step, float64(u.Towns[l.Seat].Y)/Step
	}
	return l
}

// leadOf is the index of the hospital whose cell a town lies in, None when it
// lies in none or in that of another hospital.
func leadOf(l Layout, leads []organization.Organization, town string) int {
	for _, c := range l.Holder(town, "") {
		if i := slices.IndexFunc(leads, func(o organization.Organization) bool { return o.ID == c.Lead }); i >= 0 {
			return i
		}
	}
	return partition.None
}

// Keep makes a draft of a proposal: the same question gives the same answer, so
// only its place among the proposals is needed.
func (s *Service) Keep(ctx context.Context, actor access.Actor, unit, name string, ask Ask, choice int) (Layout, error) {
	a, err := s.Propose(ctx, actor, unit, ask)
	if err != nil {
		return Layout{}, err
	}
	if choice < 0 || choice >= len(a.Proposals) {
		return Layout{}, errs.E(errs.Conflict, "方案已有变化（人口、边界或现行布局刚被修改），请重新计算后再选")
	}
	l := Layout{ID: db.NewID(), Unit: unit, Name: strings.TrimSpace(name), State: Draft, Origin: ByProposal, CreatedBy: actor.Name}
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := mayEdit(ctx, tx, actor, unit); err != nil {
			return err
		}
		run, err := json.Marshal(runOf(ask, a.Proposals[choice], tx))
		if err != nil {
			return fmt.Errorf("write run: %w", err)
		}
		l.Run = string(run)
		for j, org := range a.Leads {
			c := Cell{ID: db.NewID(), Name: org.Short() + "片区", Lead: org.ID}
			if c.Alliance, err = s.tightOf(ctx, tx, org.ID, unit, calendar.DateOf(tx.Now)); err != nil {
				return err
			}
			for i, owner := range a.Proposals[choice].Owner {
				if owner == j {
					c.Areas = append(c.Areas, a.Problem.Areas[i].Code)
				}
			}
			l.Cells = append(l.Cells, c)
		}
		return s.insert(ctx, tx, actor, l)
	})
	return l, err
}

func runOf(ask Ask, p partition.Proposal, tx *db.Tx) Run {
	return Run{
		Seed: ask.Seed, Contiguous: ask.Rules.Contiguous, Seats: ask.Rules.Seats, Title: p.Title, At: tx.Now,
		Weights: map[string]float64{"balance": p.Weights.Balance, "travel": p.Weights.Travel, "continuity": p.Weights.Continuity},
		Balance: p.Cost.Balance, Travel: p.Cost.Travel, Continuity: p.Cost.Continuity, Gap: p.Gap(),
	}
}

// WhatIf is what moving a town to another cell of a layout would do.
type WhatIf struct {
	Town     Area
	From, To Cell
	partition.Change
	Problem partition.Problem
}

// Try says what putting a town into another cell would do; nothing is written.
// Towns that lie in no cell, in several or in pieces are left out of the sums.
func (s *Service) Try(ctx context.Context, tx *db.Tx, l Layout, code, cell string) (w WhatIf, err error) {
	u, err := Open(ctx, tx, l.Unit)
	if err != nil {
		return w, err
	}
	town, ok := u.Area(code)
	if !ok || town.Level != region.Town {
		return w, errs.E(errs.Invalid, "请选择一个乡镇或街道")
	}
	w.Town = town
	to := slices.IndexFunc(l.Cells, func(c Cell) bool { return c.ID == cell })
	if to < 0 {
		return w, errs.E(errs.NotFound, "没有找到这个网格，可能刚被删除")
	}
	w.To = l.Cells[to]
	p, owner, kept, err := s.standing(ctx, tx, u, l)
	if err != nil {
		return w, err
	}
	w.Problem = p
	at := slices.Index(kept, code)
	if at < 0 {
		return w, errs.E(errs.Invalid, "“%s”目前不在任何一个网格，或跨几个网格，可以直接划入“%s”", town.Name, w.To.Name)
	}
	w.From = l.Cells[owner[at]]
	w.Change = p.Move(owner, at, to)
	return w, nil
}

// Standing is what a layout costs as it is, over the towns that lie in exactly
// one cell; ok is false when there is nothing to count.
func (s *Service) Standing(ctx context.Context, tx *db.Tx, u Unit, l Layout) (c partition.Cost, ok bool, err error) {
	p, owner, _, err := s.standing(ctx, tx, u, l)
	if err != nil || len(owner) == 0 {
		return c, false, err
	}
	return p.Evaluate(owner), true, nil
}

// standing is a layout as a problem with its plan: the cells are the leads.
// kept are the codes of the towns that take part.
func (s *Service) standing(ctx context.Context, tx *db.Tx, u Unit, l Layout) (p partition.Problem, owner []int, kept []string, err error) {
	p = partition.Problem{
		Weights: partition.Weights{Balance: 1, Travel: 1, Continuity: 1},
		Rules:   partition.Rules{Contiguous: true, Seats: true},
	}
	today, err := On(ctx, tx, u.Code, calendar.DateOf(tx.Now), tx.Now)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return p, nil, nil, err
	}
	var orgs []organization.Organization
	for _, c := range l.Cells {
		org, err := organization.Get(ctx, tx, c.Lead)
		if err != nil {
			return p, nil, nil, err
		}
		orgs = append(orgs, org)
	}
	all, index := u.areas(), map[int]int{}
	for i, t := range u.Towns {
		cells := l.Holder(t.Code, "")
		if len(cells) != 1 {
			continue
		}
		index[i] = len(kept)
		kept = append(kept, t.Code)
		owner = append(owner, slices.IndexFunc(l.Cells, func(c Cell) bool { return c.ID == cells[0].ID }))
		a := all[i]
		a.Today = leadOf(today, orgs, t.Code)
		p.Areas = append(p.Areas, a)
	}
	for i := range p.Areas {
		var near []int
		for _, n := range p.Areas[i].Neighbours {
			if k, ok := index[n]; ok {
				near = append(near, k)
			}
		}
		p.Areas[i].Neighbours = near
	}
	for _, org := range orgs {
		lead := u.lead(org, 1)
		if lead.Seat != partition.None {
			if k, ok := index[lead.Seat]; ok {
				lead.Seat = k
			} else {
				lead.Seat = partition.None
			}
		}
		p.Leads = append(p.Leads, lead)
	}
	return p, owner, kept, nil
}

// Weights are the weights to begin with, as shares of 1.
func (s *Service) Weights(ctx context.Context, tx *db.Tx, unit string) (w partition.Weights, err error) {
	chain, err := region.Chain(ctx, tx, unit)
	if err != nil {
		return w, err
	}
	for key, to := range map[string]*float64{
		"grid.weight.balance": &w.Balance, "grid.weight.travel": &w.Travel, "grid.weight.continuity": &w.Continuity,
	} {
		a, err := s.Policy.Resolve(key, policy.Place{Regions: chain}, calendar.DateOf(tx.Now))
		if err != nil {
			return w, err
		}
		*to = float64(a.Value.Int) / 100
	}
	return w, nil
}
