package alliance

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/region"
)

// What names a thing that happens to an alliance.
type What string

// The changes. Those of a track have to be filed (JS-5.3).
const (
	WasFormed          What = "formed"
	HasJoined          What = "joined"
	HasLeft            What = "left"
	HasCorrected       What = "corrected"
	NewLead            What = "lead"
	NewRepresentative  What = "representative"
	NewCharter         What = "charter"
	WasSplit           What = "split"
	WasMerged          What = "merged"
	NewArea            What = "area"
	WasEnded           What = "ended"
	NewOrgan           What = "organ"
	NewPlate           What = "plate"
	formationTrack          = "formation"
	changeTrack             = "change"
	endTrack                = "end"
	noTrack                 = ""
	causeAdjustment         = "年度考核调整"
	adjustmentSentence      = "%d 年度考核：%s"
)

// Title is the change in Chinese.
func (w What) Title() string {
	return map[What]string{
		WasFormed: "组建", HasJoined: "成员加入", HasLeft: "成员退出", HasCorrected: "成员登记更正", NewLead: "牵头单位变更",
		NewRepresentative: "法定代表人变更", NewCharter: "章程变更", WasSplit: "医联体拆分", WasMerged: "机构合并或拆分",
		NewArea: "负责片区变更", WasEnded: "终止", NewOrgan: "治理机构变更", NewPlate: "加挂牌子变更",
	}[w]
}

// track is how a change has to be filed.
func (w What) track() string {
	switch w {
	case WasFormed:
		return formationTrack
	case WasEnded:
		return endTrack
	case NewOrgan, NewPlate:
		return noTrack
	}
	return changeTrack
}

// Change is one thing that happened to an alliance. It is written in the
// transaction that made it true and never touched again.
type Change struct {
	ID          string
	Alliance    string
	What        What
	Track       string // formation, change, end; "" when it need not be filed
	Org         string
	Text        string
	EffectiveOn calendar.Date
	Cause       string
	Clause      string
	At          time.Time
	By          string
}

func readChange(scan db.Scan) (c Change, err error) {
	var at db.Time
	err = scan(&c.ID, &c.Alliance, &c.What, &c.Track, &c.Org, &c.Text, &c.EffectiveOn, &c.Cause, &c.Clause, &at, &c.By)
	c.At = at.Time
	return c, err
}

// Changes returns what happened to an alliance, the newest first.
func Changes(ctx context.Context, tx *db.Tx, alliance string) ([]Change, error) {
	return db.List(ctx, tx, readChange, `
		SELECT id, alliance, what, track, org, text, effective_on, cause, clause, at, by_name
		FROM alliance_change WHERE alliance = $1 ORDER BY at DESC, id DESC`, alliance)
}

// ChangesByID returns changes by id, in the order in which they happened.
func ChangesByID(ctx context.Context, tx *db.Tx, ids []string) ([]Change, error) {
	query, args := db.Expand(`SELECT id, alliance, what, track, org, text, effective_on, cause, clause, at, by_name
		FROM alliance_change WHERE id IN ($list) ORDER BY at, id`, nil, ids)
	return db.List(ctx, tx, readChange, query, args...)
}

// RecordChange writes a change and hands it to who keeps the filings, in the
// caller's transaction: that is why no change can be silent. Higher modules
// call it for what they keep themselves (the charter, the organs).
func (s *Service) RecordChange(ctx context.Context, tx *db.Tx, actor access.Actor, c Change) (Change, error) {
	c.ID, c.Track, c.At, c.By = db.NewID(), c.What.track(), tx.Now, actor.Name
	_, err := tx.Exec(ctx, `
		INSERT INTO alliance_change (id, alliance, what, track, org, text, effective_on, cause, clause, at, by_name)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		c.ID, c.Alliance, string(c.What), c.Track, c.Org, c.Text, string(c.EffectiveOn), c.Cause, c.Clause, db.At(c.At), c.By)
	if err != nil {
		return c, fmt.Errorf("insert change: %w", err)
	}
	err = s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "alliance." + string(c.What), Object: "alliance", ObjectID: c.Alliance,
		Clause: c.Clause, Detail: c.Text})
	if err != nil || s.OnChange == nil {
		return c, err
	}
	return c, s.OnChange(ctx, tx, actor, c)
}

// LeadOn returns the lead of an alliance on a day, as known now; an ended
// alliance has the lead of its last day.
func LeadOn(ctx context.Context, tx *db.Tx, id string, day calendar.Date) (organization.Organization, error) {
	for _, d := range []calendar.Date{day, ""} {
		if d == "" {
			end, err := EndedOn(ctx, tx, id, tx.Now)
			if err != nil {
				return organization.Organization{}, err
			}
			if end == "" {
				break
			}
			d = end.AddDays(-1)
		}
		members, err := MembersOn(ctx, tx, id, d, tx.Now)
		if err != nil {
			return organization.Organization{}, err
		}
		if len(members) > 0 && members[0].Role == Lead {
			return organization.Get(ctx, tx, members[0].Org)
		}
	}
	return organization.Organization{}, errs.E(errs.NotFound, "这个医联体在 %s 没有牵头单位", day)
}

// Standing is how an actor stands to an alliance: its lead's staff, a bureau in
// whose region it lies, or neither.
func Standing(ctx context.Context, tx *db.Tx, actor access.Actor, a Alliance) (access.Relation, error) {
	lead, err := LeadOn(ctx, tx, a.ID, calendar.DateOf(tx.Now))
	if err != nil && !errs.Is(err, errs.NotFound) {
		return access.Any, err
	}
	if err == nil && actor.Org != "" && lead.ID == actor.Org {
		return access.Own, nil
	}
	in, err := inJurisdiction(ctx, tx, actor, a.Region)
	if err != nil || !in {
		return access.Any, err
	}
	return access.Region, nil
}

// inJurisdiction reports whether the actor is at a bureau whose region holds
// the region.
func inJurisdiction(ctx context.Context, tx *db.Tx, actor access.Actor, code string) (bool, error) {
	if actor.Org == "" {
		return false, nil
	}
	o, err := organization.Get(ctx, tx, actor.Org)
	if errs.Is(err, errs.NotFound) || err == nil && o.Kind != organization.Bureau {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	chain, err := region.Chain(ctx, tx, code)
	for _, c := range chain {
		if c == o.Region {
			return true, err
		}
	}
	return false, err
}

// May reports why the actor may not take the right on an alliance, or nil.
func May(ctx context.Context, tx *db.Tx, actor access.Actor, right access.Right, a Alliance) error {
	rel, err := Standing(ctx, tx, actor, a)
	if err != nil {
		return err
	}
	return access.Require(actor, right, rel)
}
