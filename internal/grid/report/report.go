// Package report carries an adopted layout upwards (JS-5.1: 报省备案): the bureau
// that adopted it sends it, each authority above stamps it or gives it back with
// a reason, the province puts it on record. The layout itself can no longer be
// edited by anybody; a change is a new layout with a report of its own.
//
//	state      whose turn               actions → next
//	preparing  bureau of the unit       send → city or province
//	city       bureau of the city       pass → province; return → returned
//	province   bureau of the province   file → filed; return → returned
//	returned   bureau of the unit       send → city or province
//	filed      nobody
package report

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/grid"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// Kind is the kind of flow case that a report is.
const Kind = "layout"

// The states of a report.
const (
	Preparing = "preparing"
	City      = "city"
	Province  = "province"
	Returned  = "returned"
	Filed     = "filed"
)

// The actions of a report.
const (
	Send   = "send"
	Pass   = "pass"
	File   = "file"
	Return = "return"
)

// Machine is the report as one table.
func Machine() flow.Machine {
	const from, to = flow.From, flow.To
	review := access.FilingReview
	return flow.Machine{
		Kind: Kind, Title: "网格布局报备", Prefix: "WG", Start: Preparing, Strict: true,
		States: []flow.State{
			{Name: Preparing, Title: "待报送", Turn: from, Role: access.BureauCounty, Clock: "grid.clock.send", Tone: "orange"},
			{Name: Returned, Title: "退回补正", Turn: from, Role: access.BureauCounty, Clock: "filing.clock.returned", Tone: "red"},
			{Name: City, Title: "市级审核", Turn: to, Role: access.BureauCity, Clock: "filing.clock.review", Tone: "blue"},
			{Name: Province, Title: "省级审核", Turn: to, Role: access.BureauProvince, Clock: "filing.clock.review", Tone: "blue"},
			{Name: Filed, Title: "已备案", Tone: "green"},
		},
		Actions: []flow.Action{
			{Name: Send, Title: "报送", From: []string{Preparing, Returned}, To: []string{City, Province}, Side: from, Right: access.GridEdit},
			{Name: Pass, Title: "同意并上报", From: []string{City}, To: []string{Province}, Side: to, Right: review},
			{Name: File, Title: "准予备案", From: []string{Province}, To: []string{Filed}, Side: to, Right: review, Tells: from},
			{Name: Return, Title: "退回补正", From: []string{City, Province}, To: []string{Returned}, Side: to, Right: review, Reasons: "filing.reason.return", Comment: true, Dangerous: true},
		},
	}
}

// Report is the report of one layout.
type Report struct {
	ID      string
	Layout  string
	FiledAt time.Time
	Clause  string
	Case    flow.Case
	Stamps  []Stamp
}

// Stamp is what a level did with a report.
type Stamp struct {
	Org, Title, Name string
	At               time.Time
	Passed           bool
	Text             string
}

// Ref is the case that a form acts on: its version and the token of the form.
type Ref struct {
	ID      string
	Version int
	Once    string
}

// Service is the set of use cases: each method is one transaction.
type Service struct {
	DB    *db.DB
	Flow  *flow.Engine
	Book  *policy.Book
	Grids *grid.Service
}

// Init declares the machine and listens for adopted layouts.
func (s *Service) Init() error {
	s.Grids.OnAdopt = s.adopted
	return s.Flow.Declare(Machine())
}

// adopted opens the report of a layout where a document asks for it.
func (s *Service) adopted(ctx context.Context, tx *db.Tx, actor access.Actor, l grid.Layout) error {
	chain, err := region.Chain(ctx, tx, l.Unit)
	if err != nil {
		return err
	}
	at := policy.Place{Regions: chain}
	asked, err := s.Book.Resolve("grid.file.required", at, calendar.DateOf(tx.Now))
	if err != nil || !asked.Value.Bool {
		return nil // no document of the place asks for a report
	}
	own, err := organization.BureauOf(ctx, tx, l.Unit)
	if err != nil {
		return err
	}
	up, err := above(ctx, tx, l.Unit)
	if err != nil {
		return err
	}
	u, err := region.Get(ctx, tx, l.Unit)
	if err != nil {
		return err
	}
	o := flow.Opening{
		Kind: Kind, Subject: u.Name + " " + l.Name, Place: at,
		From: flow.Party{Org: own.ID, OrgName: own.Name}, To: flow.Party{Org: up.ID, OrgName: up.Name},
	}
	if u.Level == region.City {
		o.Roles = map[flow.Side]access.Role{flow.From: access.BureauCity}
	}
	c, err := s.Flow.Open(ctx, tx, actor, o)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO grid_report (id, layout, filed_at, clause) VALUES ($1, $2, NULL, $3)`, c.ID, l.ID, asked.Clause)
	if err != nil {
		return fmt.Errorf("insert layout report: %w", err)
	}
	return nil
}

// above is the health authority next above a region: that of the city, for a
// city that of the province.
func above(ctx context.Context, tx *db.Tx, code string) (organization.Organization, error) {
	line, err := region.Line(ctx, tx, code)
	if err != nil {
		return organization.Organization{}, err
	}
	for _, r := range line[1:] {
		if r.Level == region.City || r.Level == region.Province {
			return organization.BureauOf(ctx, tx, r.Code)
		}
	}
	return organization.Organization{}, errs.E(errs.Invalid, "“%s”没有上级卫生健康行政部门，无法报备", line[0].Name)
}

// holding is the state in which an authority holds a report.
func holding(ctx context.Context, tx *db.Tx, o organization.Organization) (string, error) {
	r, err := region.Get(ctx, tx, o.Region)
	if r.Level == region.City {
		return City, err
	}
	return Province, err
}

// Send reports a layout to the authority above.
func (s *Service) Send(ctx context.Context, actor access.Actor, ref Ref) error {
	return s.step(ctx, actor, ref, Send, func(tx *db.Tx, r Report) (flow.Move, error) {
		l, err := grid.Get(ctx, tx, r.Layout)
		if err != nil {
			return flow.Move{}, err
		}
		return s.lift(ctx, tx, l.Unit)
	})
}

// lift moves a report to the authority above a region.
func (s *Service) lift(ctx context.Context, tx *db.Tx, code string) (flow.Move, error) {
	up, err := above(ctx, tx, code)
	if err != nil {
		return flow.Move{}, err
	}
	state, err := holding(ctx, tx, up)
	return flow.Move{To: state, ToParty: &flow.Party{Org: up.ID, OrgName: up.Name}}, err
}

// Pass stamps a report and sends it to the province.
func (s *Service) Pass(ctx context.Context, actor access.Actor, ref Ref) error {
	return s.step(ctx, actor, ref, Pass, func(tx *db.Tx, r Report) (flow.Move, error) {
		o, err := organization.Get(ctx, tx, r.Case.To.Org)
		if err != nil {
			return flow.Move{}, err
		}
		if err := stamp(ctx, tx, actor, r, true, ""); err != nil {
			return flow.Move{}, err
		}
		return s.lift(ctx, tx, o.Region)
	})
}

// File is the province's stamp: the layout is on record.
func (s *Service) File(ctx context.Context, actor access.Actor, ref Ref) error {
	return s.step(ctx, actor, ref, File, func(tx *db.Tx, r Report) (flow.Move, error) {
		if err := stamp(ctx, tx, actor, r, true, ""); err != nil {
			return flow.Move{}, err
		}
		_, err := tx.Exec(ctx, `UPDATE grid_report SET filed_at = $2 WHERE id = $1`, r.ID, db.At(tx.Now))
		return flow.Move{}, err
	})
}

// Return gives a report back with a reason and what is wrong.
func (s *Service) Return(ctx context.Context, actor access.Actor, ref Ref, reason, text string) error {
	return s.step(ctx, actor, ref, Return, func(tx *db.Tx, r Report) (flow.Move, error) {
		text = strings.TrimSpace(text)
		return flow.Move{Reason: reason, Comment: text}, stamp(ctx, tx, actor, r, false, text)
	})
}

// step runs one action on a report.
func (s *Service) step(ctx context.Context, actor access.Actor, ref Ref, action string, fn func(*db.Tx, Report) (flow.Move, error)) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if _, done, err := flow.Done(ctx, tx, ref.Once); err != nil || done {
			return err
		}
		if _, err := s.Flow.Check(ctx, tx, actor, ref.ID, ref.Version, action); err != nil {
			return err
		}
		r, err := Get(ctx, tx, ref.ID)
		if err != nil {
			return err
		}
		mv, err := fn(tx, r)
		if err != nil {
			return err
		}
		mv.Once = ref.Once
		_, err = s.Flow.Act(ctx, tx, actor, ref.ID, ref.Version, action, mv)
		return err
	})
}

func stamp(ctx context.Context, tx *db.Tx, actor access.Actor, r Report, passed bool, text string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO grid_report_stamp (id, report, org, title, name, at, passed, text) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		db.NewID(), r.ID, r.Case.To.Org, r.Case.To.OrgName, actor.Name, db.At(tx.Now), passed, text)
	if err != nil {
		return fmt.Errorf("insert stamp: %w", err)
	}
	return nil
}

func readReport(scan db.Scan) (r Report, err error) {
	var filed db.Time
	err = scan(&r.ID, &r.Layout, &filed, &r.Clause)
	r.FiledAt = filed.Time
	return r, err
}

// Get returns one report with its case and stamps.
func Get(ctx context.Context, tx *db.Tx, id string) (Report, error) {
	r, err := db.Get(ctx, tx, "这份报备", readReport, `SELECT id, layout, filed_at, clause FROM grid_report WHERE id = $1`, id)
	if err != nil {
		return r, err
	}
	return r, r.load(ctx, tx)
}

// Of returns the report of a layout; ok is false when none is asked for.
func Of(ctx context.Context, tx *db.Tx, layout string) (r Report, ok bool, err error) {
	r, err = db.Get(ctx, tx, "这份报备", readReport, `SELECT id, layout, filed_at, clause FROM grid_report WHERE layout = $1`, layout)
	if errs.Is(err, errs.NotFound) {
		return Report{}, false, nil
	}
	if err != nil {
		return r, false, err
	}
	return r, true, r.load(ctx, tx)
}

func (r *Report) load(ctx context.Context, tx *db.Tx) (err error) {
	if r.Case, err = flow.Get(ctx, tx, r.ID); err != nil {
		return err
	}
	r.Stamps, err = db.List(ctx, tx, func(scan db.Scan) (x Stamp, err error) {
		var at db.Time
		err = scan(&x.Org, &x.Title, &x.Name, &at, &x.Passed, &x.Text)
		x.At = at.Time
		return x, err
	}, `SELECT org, title, name, at, passed, text FROM grid_report_stamp WHERE report = $1 ORDER BY at, id`, r.ID)
	return err
}
