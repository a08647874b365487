package record

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/jobs"
)

// Projector says how one kind of thing of a module stands in the record. The
// module touches a thing (db.Tx.Touch) whenever it writes it; before that
// transaction commits, Render says what the thing looks like now and the store
// keeps it as a new version if it says something new. Nothing is told by the
// touch but the id, so that a projection cannot drift from what it projects:
// rendering everything anew gives the same (ADR 0052).
type Projector struct {
	Kind    string // as the module touches it; stored, never changes
	Version int    // raised when Render says something else of the same thing
	// Render returns the resources of a thing as it stands in tx; none when it
	// is not there, or not to be told.
	Render func(ctx context.Context, tx *db.Tx, id string) ([]Projection, error)
	// After lists the ids of things after one, ascending, for the back-fill.
	After func(ctx context.Context, tx *db.Tx, after string, limit int) ([]string, error)
}

// Projection is one resource that stands for a thing, or for a part of one. Its
// body has the id.
type Projection struct {
	Body    []byte
	Patient string // whose record it belongs to, "" nobody's
}

// projecting is which kinds are projected by now.
type projecting struct {
	mu    sync.RWMutex
	begun map[string]bool
}

// FillJob is the kind of job that projects what was there before.
const FillJob = "record.fill"

// fillStep is how many things one run of the back-fill projects: on SQLite it
// holds the one writer meanwhile.
const fillStep = 40

// fillArgs says how far the back-fill of a kind has come.
type fillArgs struct {
	Kind    string
	Version int
	After   string
}

// Follow registers the back-fill. Set DB.Touched to Settle beside it.
func (s *Store) Follow(q *jobs.Queue) {
	jobs.Handle(q, FillJob, func(ctx context.Context, tx *db.Tx, a fillArgs) error { return s.fill(ctx, tx, q, a) })
	q.Title(FillJob, "把已有登记写入居民健康档案（分批）")
}

// Begin starts projecting: from now on what is touched is projected in the same
// transaction, and what was there before by jobs, once for each version of a
// projector over all processes. Before it nothing is projected, so that filling
// a new installation costs nothing for it.
func (s *Store) Begin(ctx context.Context, q *jobs.Queue) error {
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		for _, p := range s.Projectors {
			n, err := tx.Exec(ctx, `
				INSERT INTO record_projector (kind, version, last_id, begun_at) VALUES ($1, $2, '', $3)
				ON CONFLICT (kind) DO UPDATE SET version = excluded.version, last_id = '', begun_at = excluded.begun_at, done_at = NULL
				WHERE record_projector.version < excluded.version`, p.Kind, p.Version, db.At(tx.Now))
			if err != nil {
				return fmt.Errorf("begin projecting %s: %w", p.Kind, err)
			}
			if n == 0 {
				continue
			}
			if err := q.Enqueue(ctx, tx, jobs.Job{Kind: FillJob, Args: fillArgs{Kind: p.Kind, Version: p.Version}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.projecting.mu.Lock()
	defer s.projecting.mu.Unlock()
	s.projecting.begun = map[string]bool{}
	for _, p := range s.Projectors {
		s.projecting.begun[p.Kind] = true
	}
	return nil
}

func (s *Store) projector(kind string) (Projector, bool) {
	i := slices.IndexFunc(s.Projectors, func(p Projector) bool { return p.Kind == kind })
	if i < 0 {
		return Projector{}, false
	}
	return s.Projectors[i], true
}

// Settle projects the things that a transaction has touched; it is DB.Touched.
func (s *Store) Settle(ctx context.Context, tx *db.Tx, things []db.Thing) error {
	s.projecting.mu.RLock()
	begun := s.projecting.begun
	s.projecting.mu.RUnlock()
	if len(begun) == 0 {
		return nil
	}
	seen := map[db.Thing]bool{}
	for _, t := range things {
		if !begun[t.Kind] || seen[t] {
			continue
		}
		seen[t] = true
		p, _ := s.projector(t.Kind)
		if err := s.projectThing(ctx, tx, p, t.ID); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) projectThing(ctx context.Context, tx *db.Tx, p Projector, id string) error {
	list, err := p.Render(ctx, tx, id)
	if err != nil {
		return fmt.Errorf("render %s %s: %w", p.Kind, id, err)
	}
	for _, r := range list {
		if _, err := s.Project(ctx, tx, p.Kind, r.Body, r.Patient); err != nil {
			return fmt.Errorf("project %s %s: %w", p.Kind, id, err)
		}
	}
	return nil
}

// fill projects the next things of a kind and enqueues what is left.
func (s *Store) fill(ctx context.Context, tx *db.Tx, q *jobs.Queue, a fillArgs) error {
	p, ok := s.projector(a.Kind)
	if !ok {
		return nil
	}
	version, err := db.Get(ctx, tx, "投影进度", db.Value[int], `SELECT version FROM record_projector WHERE kind = $1`, a.Kind)
	if err != nil {
		return err
	}
	if version != a.Version || p.Version != a.Version { // begun anew meanwhile, or by a newer program
		return nil
	}
	ids, err := p.After(ctx, tx, a.After, fillStep)
	if err != nil {
		return fmt.Errorf("list %s: %w", a.Kind, err)
	}
	for _, id := range ids {
		if err := s.projectThing(ctx, tx, p, id); err != nil {
			return err
		}
	}
	done := db.Time{}
	if len(ids) < fillStep {
		done = db.At(tx.Now)
	}
	if len(ids) > 0 {
		a.After = ids[len(ids)-1]
	}
	if _, err := tx.Exec(ctx, `UPDATE record_projector SET last_id = $2, done_at = $3 WHERE kind = $1`, a.Kind, a.After, done); err != nil {
		return fmt.Errorf("note progress of %s: %w", a.Kind, err)
	}
	if !done.IsZero() {
		return nil
	}
	return q.Enqueue(ctx, tx, jobs.Job{Kind: FillJob, Args: a})
}

// Progress is how far a kind has been projected.
type Progress struct {
	Kind, Last string
	Done       bool
}

// Filled returns how far the back-fill of each kind has come.
func Filled(ctx context.Context, tx *db.Tx) ([]Progress, error) {
	return db.List(ctx, tx, func(scan db.Scan) (p Progress, err error) {
		var done db.Time
		err = scan(&p.Kind, &p.Last, &done)
		p.Done = !done.IsZero()
		return p, err
	}, `SELECT kind, last_id, done_at FROM record_projector ORDER BY kind`)
}

// Rendered is what a thing should look like in the record now, rendered from
// scratch, for whoever checks that the record says so.
func (s *Store) Rendered(ctx context.Context, tx *db.Tx, kind, id string) ([]Projection, error) {
	p, ok := s.projector(kind)
	if !ok {
		return nil, errs.E(errs.Internal, "no projector for %s", kind)
	}
	return p.Render(ctx, tx, id)
}

// SetOrigin says that a resource which a system writes stands for a thing of a
// module. The system's first version keeps its bytes; it is stored with the
// module as owner, who follows it up.
func SetOrigin(ctx context.Context, tx *db.Tx, kind, thing string, key Key) error {
	_, err := tx.Exec(ctx, `INSERT INTO record_origin (kind, thing, type, id) VALUES ($1, $2, $3, $4)`, kind, thing, key.Type, key.ID)
	if err != nil {
		return fmt.Errorf("insert origin: %w", err)
	}
	return nil
}

// MoveOrigin says that a resource stands for another thing from now on.
func MoveOrigin(ctx context.Context, tx *db.Tx, kind, thing string, key Key) error {
	if _, err := tx.Exec(ctx, `DELETE FROM record_origin WHERE kind = $1 AND type = $2 AND id = $3`, kind, key.Type, key.ID); err != nil {
		return fmt.Errorf("move origin: %w", err)
	}
	return SetOrigin(ctx, tx, kind, thing, key)
}

// OriginsOf returns the resources by which systems have written a thing, by
// type.
func OriginsOf(ctx context.Context, tx *db.Tx, kind, thing string) (map[string]string, error) {
	list, err := db.List(ctx, tx, func(scan db.Scan) (k Key, err error) { return k, scan(&k.Type, &k.ID) },
		`SELECT type, id FROM record_origin WHERE kind = $1 AND thing = $2`, kind, thing)
	out := map[string]string{}
	for _, k := range list {
		out[k.Type] = k.ID
	}
	return out, err
}

// ThingOf returns the thing that a resource stands for by origin, "" none.
func ThingOf(ctx context.Context, tx *db.Tx, kind string, key Key) (string, error) {
	list, err := db.List(ctx, tx, db.Value[string], `SELECT thing FROM record_origin WHERE kind = $1 AND type = $2 AND id = $3`, kind, key.Type, key.ID)
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0], nil
}

// FirstBody is what a resource said when it was first written, nil when there
// is none yet.
func (s *Store) FirstBody(ctx context.Context, tx *db.Tx, key Key) ([]byte, error) {
	h, err := headOf(ctx, tx, key)
	if notFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := s.version(ctx, tx, h, 1)
	return r.Body, err
}
