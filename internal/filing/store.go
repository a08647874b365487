package filing

import (
	"context"
	"fmt"
	"strings"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/flow"
)

var watcher = audit.Program("备案时限")

func read(scan db.Scan) (f Filing, err error) {
	var sent, filed db.Time
	var levels string
	err = scan(&f.ID, &f.Alliance, &f.Track, &f.Literal, &f.EventOn, &f.Charter, &sent, &f.Round, &levels, &f.Note, &f.Supersedes, &f.State, &filed, &f.Clause)
	f.SentAt, f.FiledAt, f.Levels = sent.Time, filed.Time, strings.Fields(levels)
	return f, err
}

// Get returns one filing.
func Get(ctx context.Context, tx *db.Tx, id string) (Filing, error) {
	return db.Get(ctx, tx, "这份备案", read, `
		SELECT id, alliance, track, literal, event_on, charter, sent_at, round, levels, note, supersedes, state, filed_at, clause FROM filing WHERE id = $1`, id)
}

// Of returns the filings of an alliance, the newest first.
func Of(ctx context.Context, tx *db.Tx, alliance string) ([]Filing, error) {
	return db.List(ctx, tx, read, `
		SELECT id, alliance, track, literal, event_on, charter, sent_at, round, levels, note, supersedes, state, filed_at, clause
		FROM filing WHERE alliance = $1 ORDER BY id DESC`, alliance)
}

func openFilings(ctx context.Context, tx *db.Tx, alliance string) ([]Filing, error) {
	return db.List(ctx, tx, read, `
		SELECT id, alliance, track, literal, event_on, charter, sent_at, round, levels, note, supersedes, state, filed_at, clause
		FROM filing WHERE alliance = $1 AND state = 'open' ORDER BY id DESC`, alliance)
}

func insert(ctx context.Context, tx *db.Tx, f Filing) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO filing (id, alliance, track, literal, event_on, charter, sent_at, round, levels, note, supersedes, state, filed_at, clause)
		VALUES ($1, $2, $3, $4, $5, '', NULL, 0, $6, $7, '', $8, NULL, $9)`,
		f.ID, f.Alliance, string(f.Track), f.Literal, string(f.EventOn), strings.Join(f.Levels, " "), f.Note, f.State, f.Clause)
	if err != nil {
		return fmt.Errorf("insert filing: %w", err)
	}
	return nil
}

func update(ctx context.Context, tx *db.Tx, f Filing) error {
	_, err := tx.Exec(ctx, `UPDATE filing SET charter = $2, sent_at = $3, round = $4, note = $5, supersedes = $6, state = $7, filed_at = $8 WHERE id = $1`,
		f.ID, f.Charter, db.At(f.SentAt), f.Round, f.Note, f.Supersedes, f.State, db.At(f.FiledAt))
	if err != nil {
		return fmt.Errorf("update filing: %w", err)
	}
	return nil
}

func addChange(ctx context.Context, tx *db.Tx, filing, change string) error {
	if _, err := tx.Exec(ctx, `INSERT INTO filing_change (filing, change) VALUES ($1, $2)`, filing, change); err != nil {
		return fmt.Errorf("insert filed change: %w", err)
	}
	return nil
}

func changesOf(ctx context.Context, tx *db.Tx, filing string) ([]alliance.Change, error) {
	ids, err := db.List(ctx, tx, db.Value[string], `SELECT change FROM filing_change WHERE filing = $1`, filing)
	if err != nil {
		return nil, err
	}
	return alliance.ChangesByID(ctx, tx, ids)
}

// Silent counts changes that have to be filed and are in no filing: the figure
// that must be 0.
func Silent(ctx context.Context, tx *db.Tx) (int64, error) {
	return db.Count(ctx, tx, `
		SELECT count(*) FROM alliance_change c LEFT JOIN filing_change f ON f.change = c.id WHERE c.track <> '' AND f.change IS NULL`)
}

func insertStamp(ctx context.Context, tx *db.Tx, filing string, x Stamp) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO filing_stamp (id, filing, round, level, org, org_name, name, at, number, passed, field, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		x.ID, filing, x.Round, x.Level, x.Org, x.OrgName, x.Name, db.At(x.At), x.Number, x.Passed, x.Field, x.Reason)
	if err != nil {
		return fmt.Errorf("insert stamp: %w", err)
	}
	return nil
}

func stamps(ctx context.Context, tx *db.Tx, filing string) ([]Stamp, error) {
	return db.List(ctx, tx, func(scan db.Scan) (x Stamp, err error) {
		var at db.Time
		err = scan(&x.ID, &x.Round, &x.Level, &x.Org, &x.OrgName, &x.Name, &at, &x.Number, &x.Passed, &x.Field, &x.Reason)
		x.At = at.Time
		return x, err
	}, `SELECT id, round, level, org, org_name, name, at, number, passed, field, reason FROM filing_stamp WHERE filing = $1 ORDER BY at, id`, filing)
}

// Row is one line of a worklist.
type Row struct {
	Filing
	Case     flow.Case
	Name     string // of the alliance
	Light    Light
	Mine     bool // it is my turn
	Pressing bool // overdue below me: escalated to my institution
}

// List returns the filings that an institution has to do with: its own as lead,
// or those that pass it as authority. Open ones first, the clock that breaks
// first on top.
func (s *Service) List(ctx context.Context, actor access.Actor) ([]Row, error) {
	if err := access.Require(actor, access.AllianceRead, access.Any); err != nil {
		return nil, err
	}
	var out []Row
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		all, err := db.List(ctx, tx, read, `
			SELECT f.id, f.alliance, f.track, f.literal, f.event_on, f.charter, f.sent_at, f.round, f.levels, f.note, f.supersedes, f.state, f.filed_at, f.clause
			FROM filing f JOIN flow_case c ON c.id = f.id
			WHERE c.from_org = $1 OR f.levels LIKE '%' || CAST($1 AS TEXT) || '%'
			ORDER BY CASE WHEN c.closed_at IS NULL THEN 0 ELSE 1 END, c.due_at NULLS LAST, c.closed_at DESC, c.id LIMIT 500`, actor.Org)
		if err != nil || actor.Org == "" {
			return err
		}
		for _, f := range all {
			r := Row{Filing: f}
			if r.Case, err = flow.Get(ctx, tx, f.ID); err != nil {
				return err
			}
			a, err := alliance.Get(ctx, tx, f.Alliance)
			if err != nil {
				return err
			}
			r.Name = a.Name
			r.Light = LightOf(r.Case, f.EventOn, s.amber(r.Case), s.Calendar, tx.Now)
			r.Mine = r.Case.Open() && r.Case.OwnerOrg == actor.Org
			if r.Light == Red {
				up, _, err := above(ctx, tx, f, r.Case)
				if err != nil {
					return err
				}
				r.Pressing = up.Org == actor.Org
			}
			out = append(out, r)
		}
		return nil
	})
	return out, err
}
