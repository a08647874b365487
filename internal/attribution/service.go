package attribution

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/jobs"
	"yilian/internal/organization"
)

// Kinds of the jobs that keep the attribution.
const (
	DailyJob = "attribution.daily"
	PageJob  = "attribution.page"
)

// pageSize is how many residents one transaction looks at: some milliseconds of
// the single writer of SQLite.
const pageSize = 5000

// page is the argument of PageJob: residents after this one.
type page struct {
	After string `json:"after"`
}

// Service keeps the attribution of all residents.
type Service struct {
	DB    *db.DB
	Queue *jobs.Queue
}

// Daily begins the pass over all residents, unless nothing has changed of what
// attribution follows from. A change is dated with the day on which the pass
// finds it.
func (s *Service) Daily(ctx context.Context, tx *db.Tx) error {
	today := calendar.DateOf(tx.Now)
	g, err := readGround(ctx, tx, today)
	if err != nil {
		return err
	}
	b, err := readBasis(ctx, tx, today)
	if err != nil {
		return err
	}
	month := today[:7] // once a month everybody is looked at, whatever the numbers say
	state, err := json.Marshal([]any{month, g.centres, g.alliances, b})
	if err != nil {
		return err
	}
	digest := sha256.Sum256(state)
	if same, err := seen(ctx, tx, hex.EncodeToString(digest[:])); err != nil || same {
		return err
	}
	return s.Queue.Enqueue(ctx, tx, jobs.Job{Kind: PageJob, Args: page{}, Key: string(calendar.DateOf(tx.Now))})
}

// Page looks at one page of residents and plans the next.
func (s *Service) Page(ctx context.Context, tx *db.Tx, p page) error {
	last, err := s.pass(ctx, tx, p.After)
	if err != nil || last == "" {
		return err
	}
	return s.Queue.Enqueue(ctx, tx, jobs.Job{Kind: PageJob, Args: page{After: last}, Key: string(calendar.DateOf(tx.Now)) + "/" + last})
}

// Init registers the jobs.
func (s *Service) Init() {
	jobs.Handle(s.Queue, PageJob, s.Page)
}

// All looks at every resident now.
func (s *Service) All(ctx context.Context) error {
	for after, done := "", false; !done; {
		err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
			after, err = s.pass(ctx, tx, after)
			return err
		})
		if err != nil {
			return err
		}
		done = after == ""
	}
	return nil
}

// pass attributes the residents after one id and returns the last of them, ""
// when none is left.
func (s *Service) pass(ctx context.Context, tx *db.Tx, after string) (last string, err error) {
	today := calendar.DateOf(tx.Now)
	g, err := readGround(ctx, tx, today)
	if err != nil {
		return "", err
	}
	residents, err := residentsAfter(ctx, tx, after, today, pageSize)
	if err != nil || len(residents) == 0 {
		return "", err
	}
	last = residents[len(residents)-1].patient
	open, err := openRows(ctx, tx, after, last)
	if err != nil {
		return "", err
	}
	var rows []any
	for _, f := range residents {
		now := g.derive(f)
		was, has := open[f.patient]
		if has && same(was, now) {
			continue
		}
		if has && was.From == today { // changed twice on one day: the later word counts
			err = rewrite(ctx, tx, now, today)
		} else {
			if has {
				err = closeRow(ctx, tx, f.patient, today.AddDays(-1))
			}
			rows = append(rows, now.Patient, string(today), "", now.Cell, now.Centre, now.Team, now.Alliance, string(now.Basis), db.At(tx.Now))
		}
		if err != nil {
			return "", err
		}
	}
	if err := tx.InsertAll(ctx, insertRow, rows); err != nil {
		return "", fmt.Errorf("insert attributions: %w", err)
	}
	return last, nil
}

// readGround reads which institution serves which town, and which alliance
// answers for its residents on a day. A village clinic stands with its centre.
func readGround(ctx context.Context, tx *db.Tx, day calendar.Date) (ground, error) {
	g := ground{centres: map[string]string{}, alliances: map[string]string{}}
	for _, kind := range []organization.Kind{organization.TownshipCenter, organization.CommunityCenter} {
		list, err := organization.List(ctx, tx, organization.Filter{Kind: kind})
		if err != nil {
			return g, err
		}
		for _, o := range list {
			if _, taken := g.centres[o.Region]; !taken {
				g.centres[o.Region] = o.ID
			}
		}
	}
	all, err := alliance.List(ctx, tx)
	if err != nil {
		return g, err
	}
	all = slices.DeleteFunc(all, func(a alliance.Alliance) bool { return !slices.Contains(answering, a.Kind) })
	slices.SortStableFunc(all, func(a, b alliance.Alliance) int {
		return slices.Index(answering, a.Kind) - slices.Index(answering, b.Kind)
	})
	for _, a := range all {
		members, err := alliance.MembersOn(ctx, tx, a.ID, day, tx.Now)
		if err != nil {
			return g, err
		}
		for _, m := range members {
			if _, taken := g.alliances[m.Org]; !taken && m.Role != alliance.Link {
				g.alliances[m.Org] = a.ID
			}
		}
	}
	clinics, err := organization.List(ctx, tx, organization.Filter{Kind: organization.VillageClinic})
	for _, o := range clinics {
		if a := g.alliances[o.Parent]; a != "" && g.alliances[o.ID] == "" {
			g.alliances[o.ID] = a
		}
	}
	return g, err
}
