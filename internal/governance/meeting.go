package governance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/policy"
)

// Meeting is one meeting of an organ with its decisions.
type Meeting struct {
	ID        string
	Organ     string
	Title     string
	HeldOn    calendar.Date
	Place     string
	Chair     string
	Agenda    []string
	Members   int // seats on that day
	Present   []string
	Minutes   string
	Quorum    int64 // percent that the rule asked for
	Clause    string
	By        string
	At        time.Time
	Decisions []Decision
}

// Decision is one vote. It stores what it changed.
type Decision struct {
	ID          string
	Text        string
	For         int
	Against     int
	Abstained   int
	Passed      bool
	EffectiveOn calendar.Date
	Changes     []string // changes of the alliance that it decided
}

// Hold records a meeting that was held. Without quorum it can decide nothing;
// a decision passes with more than the policy's share of those present.
func (s *Service) Hold(ctx context.Context, actor access.Actor, m Meeting) (Meeting, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		o, err := GetOrgan(ctx, tx, m.Organ)
		if err != nil {
			return err
		}
		a, r, err := s.work(ctx, tx, actor, o.Alliance, m.HeldOn)
		if err != nil {
			return err
		}
		if o.Seats, err = seatsOn(ctx, tx, o.ID, m.HeldOn); err != nil {
			return err
		}
		if err := checkMeeting(o, r, &m, calendar.DateOf(tx.Now)); err != nil {
			return err
		}
		if err := checkLinks(ctx, tx, a.ID, m.Decisions); err != nil {
			return err
		}
		m.ID, m.By, m.At = db.NewID(), actor.Name, tx.Now
		if err := insertMeeting(ctx, tx, m); err != nil {
			return err
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "governance.meeting", Object: "meeting", ObjectID: m.ID, Clause: m.Clause, Detail: o.Title + " " + m.Title})
	})
	return m, err
}

func checkMeeting(o Organ, r Rules, m *Meeting, today calendar.Date) error {
	var f errs.Form
	m.Title, m.Place, m.Chair, m.Minutes = strings.TrimSpace(m.Title), strings.TrimSpace(m.Place), strings.TrimSpace(m.Chair), strings.TrimSpace(m.Minutes)
	f.Require("title", m.Title, "会议名称")
	f.Require("chair", m.Chair, "主持人")
	f.Require("minutes", m.Minutes, "会议纪要")
	if len(m.Agenda) == 0 {
		f.Add("agenda", "请填写议程，一行一项")
	}
	if _, err := calendar.ParseDate(string(m.HeldOn)); err != nil {
		f.AddErr("held_on", err)
	} else if m.HeldOn.After(today) {
		f.Add("held_on", "会议还没有召开，请在召开后登记")
	}
	m.Members, m.Quorum, m.Clause = len(o.Seats), r.Quorum.N, r.Quorum.Clause
	if m.Members == 0 {
		f.Add("present", "%s在 %s 没有成员，请先登记组成人员", o.Title, m.HeldOn)
	}
	if len(m.Present) == 0 {
		f.Add("present", "请选择到会人员")
	}
	for _, name := range m.Present {
		if !slices.ContainsFunc(o.Seats, func(s Seat) bool { return s.Name == name }) {
			f.Add("present", "%s不是%s的成员", name, o.Title)
		}
	}
	quorate := int64(len(m.Present))*100 >= r.Quorum.N*int64(m.Members)
	for i := range m.Decisions {
		d := &m.Decisions[i]
		field := fmt.Sprintf("decision.%d", i)
		d.Text = strings.TrimSpace(d.Text)
		switch {
		case !quorate:
			f.Add(field, "到会 %d 人，不足成员 %d 人的 %d%%，不能作出决议（%s）", len(m.Present), m.Members, r.Quorum.N, policy.ClauseTitle(r.Quorum.Clause))
		case d.Text == "":
			f.Add(field, "请填写第 %d 项决议的内容", i+1)
		case d.For < 0 || d.Against < 0 || d.Abstained < 0 || d.For+d.Against+d.Abstained != len(m.Present):
			f.Add(field, "第 %d 项决议的票数合计 %d，应等于到会 %d 人", i+1, d.For+d.Against+d.Abstained, len(m.Present))
		}
		if d.EffectiveOn == "" {
			d.EffectiveOn = m.HeldOn
		}
		if _, err := calendar.ParseDate(string(d.EffectiveOn)); err != nil {
			f.AddErr(field, err)
		}
		d.Passed = int64(d.For)*100 > r.Majority.N*int64(len(m.Present))
	}
	return f.Err()
}

// checkLinks: a decision is linked to changes of its own alliance, and one that
// did not pass has changed nothing.
func checkLinks(ctx context.Context, tx *db.Tx, id string, decisions []Decision) error {
	var f errs.Form
	for i, d := range decisions {
		found, err := alliance.ChangesByID(ctx, tx, d.Changes)
		if err != nil {
			return err
		}
		if len(found) != len(d.Changes) || slices.ContainsFunc(found, func(c alliance.Change) bool { return c.Alliance != id }) {
			f.Add(fmt.Sprintf("decision.%d", i), "关联的变更不属于这个医联体，请重新选择")
		}
		if !d.Passed && len(d.Changes) > 0 {
			f.Add(fmt.Sprintf("decision.%d", i), "没有通过的决议不能关联变更")
		}
	}
	return f.Err()
}

// UnifiedState is how far one management is unified.
type UnifiedState string

// The states.
const (
	NotUnified UnifiedState = "none"
	Partly     UnifiedState = "part"
	Wholly     UnifiedState = "whole"
)

// Title is the state in Chinese.
func (u UnifiedState) Title() string {
	return map[UnifiedState]string{NotUnified: "未统一", Partly: "部分统一", Wholly: "已统一"}[u]
}

// Unified is where one management stands.
type Unified struct {
	ID, Alliance, Code string
	State              UnifiedState
	Since              calendar.Date
	Evidence           string
	By                 string
	At                 time.Time
}

// Unify records how far a management is unified, with evidence and date.
func (s *Service) Unify(ctx context.Context, actor access.Actor, u Unified) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, r, err := s.work(ctx, tx, actor, u.Alliance, u.Since)
		if err != nil {
			return err
		}
		u.Evidence = strings.TrimSpace(u.Evidence)
		var f errs.Form
		if u.State.Title() == "" {
			f.Add("state", "请选择统一的程度")
		}
		if _, err := calendar.ParseDate(string(u.Since)); err != nil {
			f.AddErr("since", err)
		}
		if u.State != NotUnified {
			f.Require("evidence", u.Evidence, "依据（文件、账套、系统）")
		}
		i := slices.IndexFunc(r.Unified, func(c policy.Code) bool { return c.Code == u.Code })
		if i < 0 {
			f.Add("code", "本地政策没有要求统一这一项")
		}
		if err := f.Err(); err != nil {
			return err
		}
		u.ID, u.By, u.At = db.NewID(), actor.Name, tx.Now
		if err := insertUnified(ctx, tx, u); err != nil {
			return err
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "governance.unify", Object: "alliance", ObjectID: a.ID, Clause: r.Unified[i].Clause, Detail: r.Unified[i].Title + u.State.Title()})
	})
}

// Score is how many managements are unified, in half points over twice the
// number asked for: 部分 counts half. It is computed from the rows each time.
func Score(asked []policy.Code, rows []Unified) (halves, of int) {
	for _, c := range asked {
		of += 2
		for _, u := range rows {
			if u.Code != c.Code {
				continue
			}
			switch u.State {
			case Wholly:
				halves += 2
			case Partly:
				halves++
			}
		}
	}
	return halves, of
}

// Milestone is where one phase of a document stands for an alliance.
type Milestone struct {
	policy.Phase
	State    string // "", running, done
	Evidence string
	OnDay    calendar.Date
	By       string
}

// States of a milestone.
const (
	Running = "running"
	Done    = "done"
)

// Word is the state in Chinese on a day: a date that has passed shows as 期满.
func (m Milestone) Word(day calendar.Date) string {
	switch {
	case m.State == Done:
		return "已完成"
	case m.To != "" && day.After(calendar.Date(m.To)):
		return "期满未登记完成"
	case m.From != "" && day.Before(calendar.Date(m.From)):
		return "未开始"
	}
	return "进行中"
}

// Reach records where a phase stands.
func (s *Service) Reach(ctx context.Context, actor access.Actor, id, clause, name, state, evidence string, on calendar.Date) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, _, err := s.work(ctx, tx, actor, id, on)
		if err != nil {
			return err
		}
		var f errs.Form
		if state != Running && state != Done {
			f.Add("state", "请选择进行中或已完成")
		}
		f.Require("evidence", evidence, "完成情况和依据")
		if _, err := calendar.ParseDate(string(on)); err != nil {
			f.AddErr("on", err)
		}
		phases, err := s.phases(ctx, tx, a)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(phases, func(p policy.Phase) bool { return p.Clause == clause && p.Name == name }) {
			f.Add("name", "没有这个阶段，请刷新后重新选择")
		}
		if err := f.Err(); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO milestone (id, alliance, clause, name, state, evidence, on_day, by_name, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			db.NewID(), a.ID, clause, name, state, strings.TrimSpace(evidence), string(on), actor.Name, db.At(tx.Now))
		if err != nil {
			return fmt.Errorf("insert milestone: %w", err)
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "governance.milestone", Object: "alliance", ObjectID: a.ID, Clause: clause, Detail: name})
	})
}

// phases are the phases of every document that binds where the alliance is.
func (s *Service) phases(ctx context.Context, tx *db.Tx, a alliance.Alliance) ([]policy.Phase, error) {
	at, err := alliance.Place(ctx, tx, a)
	if err != nil {
		return nil, err
	}
	var out []policy.Phase
	for _, p := range s.Book.Profiles() {
		for _, x := range p.Facts().Phases {
			if slices.Contains(at.Regions, x.Region) || x.Region == "" && slices.Contains(at.Regions, p.Jurisdiction) {
				out = append(out, x)
			}
		}
	}
	return out, nil
}

// Milestones returns the phases with where they stand.
func (s *Service) Milestones(ctx context.Context, tx *db.Tx, a alliance.Alliance) ([]Milestone, error) {
	phases, err := s.phases(ctx, tx, a)
	if err != nil {
		return nil, err
	}
	rows, err := milestones(ctx, tx, a.ID)
	out := make([]Milestone, len(phases))
	for i, p := range phases {
		out[i].Phase = p
		for _, r := range rows { // oldest first: the newest wins
			if r.Clause == p.Clause && r.Name == p.Name {
				out[i].State, out[i].Evidence, out[i].OnDay, out[i].By = r.State, r.Evidence, r.OnDay, r.By
			}
		}
	}
	return out, err
}
