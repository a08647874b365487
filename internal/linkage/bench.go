package linkage

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/patient/match"
	"yilian/internal/region"
)

// Report is the result of Bench.
type Report struct {
	Engine    string
	Febrl     [2]Score
	Chinese   Score // in memory
	Residents int64
	Loaded    int
	Load      time.Duration
	Database  Score // look-ups in the database
	P50, P95  time.Duration
	Max       time.Duration
}

// Budgets of issue 4, item 7.
const (
	loadBudget   = 5 * time.Minute // for a million
	lookupBudget = 20 * time.Millisecond
)

// benchSeed draws the register of Bench.
const benchSeed = 99

// Bench measures precision and recall on FEBRL 1 and 2 and on invented
// residents in memory, then loads n of them into the database with all keys of
// the index and times look-ups of statements among them.
func Bench(ctx context.Context, d *db.DB, keys *crypto.Keyring, n, queries int) (Report, error) {
	r := Report{Engine: string(d.Engine())}
	for i := range r.Febrl {
		var err error
		if r.Febrl[i], err = MeasureFebrl(i + 1); err != nil {
			return r, err
		}
	}
	weights, err := match.Shipped()
	if err != nil {
		return r, err
	}
	today := calendar.DateOf(d.Now())
	r.Chinese = Measure(weights, NewSet(2, 20000, 10000, today), nil)
	log := audit.New(d, keys)
	control := access.New(log)
	patients := &patient.Service{DB: d, Keys: keys, Access: control, Audit: log}
	s := &index.Service{DB: d, Patients: patients, Access: control, Audit: log, Weights: weights}
	set := NewSet(benchSeed, n, queries, today)
	if err := r.load(ctx, d, patients, set); err != nil {
		return r, err
	}
	return r, r.lookUp(ctx, d, s, set)
}

// id is the patient id of a resident of the bench.
func id(i int) string { return fmt.Sprintf("bench-%08d", i) }

func (r *Report) load(ctx context.Context, d *db.DB, patients *patient.Service, set Set) error {
	err := d.Tx(ctx, func(tx *db.Tx) (err error) {
		if err := region.Seed(ctx, tx); err != nil {
			return err
		}
		r.Residents, err = patient.Count(ctx, tx)
		return err
	})
	if err != nil || r.Residents == int64(len(set.Residents)) {
		return err
	}
	if r.Residents > 0 {
		return fmt.Errorf("the database holds %d persons already: give it an empty one, or ask for as many", r.Residents)
	}
	entries := func(yield func(patient.Entry) bool) {
		for i, p := range set.Residents {
			e := patient.Entry{ID: id(i), Name: p.Name, Sex: p.Sex, BirthDate: calendar.Date(p.Birth), IDNumber: p.ID, Phone: p.Phone,
				Address: p.Address, Region: p.Region, Ethnic: "01", InsuranceKind: patient.Resident}
			if p.ID != "" {
				e.IDType = patient.IDCard
			}
			if !yield(e) {
				return
			}
		}
	}
	started := time.Now()
	r.Loaded, err = patients.Import(ctx, audit.Program("bench"), iter.Seq[patient.Entry](entries))
	r.Load, r.Residents = time.Since(started), int64(r.Loaded)
	if err != nil {
		return err
	}
	return d.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `ANALYZE`)
		return err
	})
}

// lookUp matches statements against the database; nothing is written.
func (r *Report) lookUp(ctx context.Context, d *db.DB, s *index.Service, set Set) error {
	var times []time.Duration
	order := rand.New(rand.NewPCG(5, 5)).Perm(len(set.Stated))
	for _, i := range order {
		st := set.Stated[i]
		stated := index.Stated{Source: "bench", Statement: patient.Statement{Name: st.Name, Sex: st.Sex, BirthDate: st.Birth, IDNumber: st.ID,
			Phone: st.Phone, Address: st.Address, Region: st.Region}}
		var found index.Decision
		started := time.Now()
		err := d.View(ctx, func(tx *db.Tx) (err error) {
			found, err = s.Match(ctx, tx, stated)
			return err
		})
		if err != nil {
			return fmt.Errorf("look up a statement: %w", err)
		}
		times = append(times, time.Since(started))
		r.judge(st, found)
	}
	slices.Sort(times)
	if n := len(times); n > 0 {
		r.P50, r.P95, r.Max = times[n/2], times[min(n-1, n*95/100)], times[n-1]
	}
	return nil
}

func (r *Report) judge(st Statement, found index.Decision) {
	outcome := map[index.Outcome]match.Outcome{index.Certain: match.Certain, index.Linked: match.Link, index.InReview: match.Review,
		index.Fresh: match.Fresh, index.Unmatched: match.Conflict}[found.Outcome]
	of, best := st.Of, -1
	if of >= 0 && found.Patient == id(of) {
		best = of
	} else if found.Patient != "" {
		best = -2 // somebody else
	}
	r.Database.count(of, outcome, best)
}

// Print writes the report.
func (r Report) Print(w io.Writer) error {
	line := func(what string, s Score) {
		fmt.Fprintf(w, "%-28s 精确率 %.4f（目标 ≥ 0.995）  召回率 %.4f（目标 ≥ 0.97）  误合并 %d  转人工 %d（%.2f%%）  共 %d\n", what, s.Precision(), s.Recall(),
			s.Wrong, s.Review, 100*float64(s.Review)/float64(max(1, s.Stated)), s.Stated)
	}
	line("FEBRL 1（记录对）", r.Febrl[0])
	line("FEBRL 2（记录对）", r.Febrl[1])
	line("虚构居民 2 万，内存", r.Chinese)
	line(fmt.Sprintf("虚构居民 %d，%s", r.Residents, r.Engine), r.Database)
	if r.Loaded > 0 {
		fmt.Fprintf(w, "%s：建立 %d 人的索引用时 %s（预算：一百万人 %s）\n", r.Engine, r.Loaded, r.Load.Round(time.Second), loadBudget)
	}
	_, err := fmt.Fprintf(w, "%s：%d 人中查一份身份 p50 %.2f ms，p95 %.2f ms，最长 %.2f ms（预算 p95 ≤ %s）\n", r.Engine, r.Residents,
		float64(r.P50.Microseconds())/1000, float64(r.P95.Microseconds())/1000, float64(r.Max.Microseconds())/1000, lookupBudget)
	return err
}
