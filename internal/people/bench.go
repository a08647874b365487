package people

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/patient"
	"yilian/internal/pinyin"
	"yilian/internal/region"
)

// Report is the result of Bench.
type Report struct {
	Engine  string
	Persons int64
	Loaded  int           // loaded by this run, 0 when the persons were there
	Load    time.Duration // of the load
	Kinds   []Measure
	All     Measure
	Budget  time.Duration // p95 that the design asks for
}

// Measure holds the times of one kind of search.
type Measure struct {
	Kind          string
	N             int
	Empty         int // found nobody
	P50, P95, Max time.Duration
}

// searchBudget is the p95 of a patient search among 600,000 (docs/design.md, section 6).
const searchBudget = 20 * time.Millisecond

// Bench loads n persons when there are fewer, then measures a mix of searches.
// The data of one run is found again only with the same keys.
func Bench(ctx context.Context, d *db.DB, keys *crypto.Keyring, n, queries int) (Report, error) {
	log := audit.New(d, keys)
	s := &patient.Service{DB: d, Keys: keys, Access: access.New(log), Audit: log}
	r := Report{Engine: string(d.Engine()), Budget: searchBudget}
	if err := r.load(ctx, d, s, n); err != nil {
		return r, err
	}
	sample, err := samplePersons(n, calendar.DateOf(d.Now()))
	if err != nil {
		return r, err
	}
	rng := rand.New(rand.NewPCG(7, 7))
	actor := audit.Program("bench")
	var all []time.Duration
	for _, k := range kinds() {
		var times []time.Duration
		m := Measure{Kind: k.title}
		for range queries {
			p := sample[rng.IntN(len(sample))]
			text := k.text(p)
			if text == "" {
				continue
			}
			actor.Regions = []string{p.Region[:9], region.Lingling} // a doctor of some town
			started := time.Now()
			found, err := s.Search(ctx, actor, text)
			if err != nil {
				return r, fmt.Errorf("search %q: %w", text, err)
			}
			times = append(times, time.Since(started))
			if len(found.Hits) == 0 {
				m.Empty++
			}
		}
		m.fill(times)
		r.Kinds = append(r.Kinds, m)
		all = append(all, times...)
	}
	r.All.Kind = "全部"
	r.All.fill(all)
	return r, nil
}

func (r *Report) load(ctx context.Context, d *db.DB, s *patient.Service, n int) error {
	err := d.Tx(ctx, func(tx *db.Tx) (err error) {
		if err := region.Seed(ctx, tx); err != nil {
			return err
		}
		r.Persons, err = patient.Count(ctx, tx)
		return err
	})
	if err != nil || r.Persons >= int64(n) {
		return err
	}
	if r.Persons > 0 {
		return fmt.Errorf("the database holds %d persons already: give it an empty one, or ask for at most as many", r.Persons)
	}
	started := time.Now()
	r.Loaded, err = s.Import(ctx, audit.Program("bench"), Entries(Generate(benchSeed, n, calendar.DateOf(d.Now())), nil))
	r.Load, r.Persons = time.Since(started), int64(r.Loaded)
	if err != nil {
		return err
	}
	return d.Tx(ctx, func(tx *db.Tx) error { // both planners choose by statistics
		_, err := tx.Exec(ctx, `ANALYZE`)
		return err
	})
}

const benchSeed = 431102

func samplePersons(n int, today calendar.Date) ([]Person, error) {
	var out []Person
	for p := range Generate(benchSeed, min(n, 20000), today) {
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("bench needs at least one person")
	}
	return out, nil
}

type kind struct {
	title string
	text  func(Person) string
}

func kinds() []kind {
	first := func(s string, n int) string { return s[:min(n, len(s))] }
	han := func(s string, n int) string { r := []rune(s); return string(r[:min(n, len(r))]) }
	spelt := func(p Person) pinyin.Spelling { return pinyin.Spellings(p.Name)[0] }
	last4 := func(s string) string { return s[max(0, len(s)-4):] }
	return []kind{
		{"两个字母", func(p Person) string { return first(spelt(p).Full, 2) }},
		{"首字母", func(p Person) string {
			if in := spelt(p).Initials; len(in) >= 2 {
				return in
			}
			return ""
		}},
		{"全拼", func(p Person) string { return spelt(p).Full }},
		{"姓的全拼", func(p Person) string { return pinyin.Full(surnamePart(p.Name)) + "g" }},
		{"两个汉字", func(p Person) string { return han(p.Name, 2) }},
		{"姓名", func(p Person) string { return p.Name }},
		{"首字母和出生年", func(p Person) string { return spelt(p).Initials + " " + string(p.Birth[:4]) }},
		{"姓和出生年", func(p Person) string { return surnamePart(p.Name) + " " + string(p.Birth[:4]) }},
		{"姓和性别", func(p Person) string {
			return pinyin.Full(surnamePart(p.Name)) + "a " + patient.SexTitle(p.Sex)
		}},
		{"证件后四位", func(p Person) string { return last4(p.IDNumber) }},
		{"手机后四位", func(p Person) string { return last4(p.Phone) }},
		{"身份证号", func(p Person) string { return p.IDNumber }},
		{"手机号", func(p Person) string { return p.Phone }},
		{"出生日期", func(p Person) string { return string(p.Birth[:4] + p.Birth[5:7] + p.Birth[8:]) }},
	}
}

func (m *Measure) fill(times []time.Duration) {
	m.N = len(times)
	if m.N == 0 {
		return
	}
	slices.Sort(times)
	m.P50, m.P95, m.Max = times[m.N/2], times[min(m.N-1, m.N*95/100)], times[m.N-1]
}

// Print writes the report as a table.
func (r Report) Print(w io.Writer) error {
	if r.Loaded > 0 {
		fmt.Fprintf(w, "%s：装入 %d 人，用时 %s（每秒 %.0f 人）\n", r.Engine, r.Loaded, r.Load.Round(time.Second),
			float64(r.Loaded)/r.Load.Seconds())
	}
	fmt.Fprintf(w, "%s：%d 人中检索，预算 p95 ≤ %s\n", r.Engine, r.Persons, r.Budget)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "p50\tp95\tmax\t次数\t无结果\t  检索方式\t")
	for _, m := range append(slices.Clone(r.Kinds), r.All) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t  %s\t\n", round(m.P50), round(m.P95), round(m.Max), m.N, m.Empty, m.Kind)
	}
	return t.Flush()
}

func round(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }
