// Package fhirbench measures the FHIR interface as systems use it: over HTTP,
// with token, access decision and audit, on a loaded store, for one client and
// for several at once (docs/design.md, section 6).
package fhirbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/bulk"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/fhirapi"
	"yilian/internal/jobs"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/record"
	"yilian/profiles"
)

// Options of a run.
type Options struct {
	Resources int           // that the store is to hold
	Time      time.Duration // of each measurement
	Clients   []int         // how many at once
	Only      string        // a part of the names of the kinds to measure, "" all
	Progress  io.Writer     // told while the store is loaded
}

// Measure is one kind of request by some clients at once.
type Measure struct {
	Kind               string
	Clients            int
	N                  int     // requests
	Each               int     // resources of a request, for bundles
	Rate               float64 // of requests a second; of resources for bundles
	P50, P95, P99, Max time.Duration
	Want               float64       // rate that the design asks for, 0 none
	WantP95            time.Duration // 0 none
}

// Met reports whether the budget is kept.
func (m Measure) Met() bool {
	return m.Rate >= m.Want && (m.WantP95 == 0 || m.P95 <= m.WantP95)
}

// Report is what a run has found.
type Report struct {
	Engine    string
	Resources int64
	Loaded    int
	Load      time.Duration
	Measures  []Measure
}

// budget is what docs/design.md, section 6, asks for: a rate of 8 clients, and
// the time of an answer for one.
type budget struct {
	sqlite, postgres float64
	p95              time.Duration
}

// bench is a server and the clients around it.
type bench struct {
	d     *db.DB
	store *record.Store
	log   *audit.Log
	acc   *account.Service
	addr  string
	token string
	since time.Time // of the token
	set   set
	o     Options
}

// Bench loads the store when it holds fewer resources, then measures.
func Bench(ctx context.Context, d *db.DB, keys *crypto.Keyring, o Options) (Report, error) {
	b := &bench{d: d, log: audit.New(d, keys), o: o, set: set{patients: max(8, o.Resources/perPatient)}}
	book, err := policy.Load(profiles.FS)
	if err != nil {
		return Report{}, err
	}
	b.store = &record.Store{DB: d, Keys: keys, Book: book, BornAfter: patient.BornAfter}
	b.acc = &account.Service{DB: d, Keys: keys, Audit: b.log}
	r := Report{Engine: string(d.Engine())}
	if err := b.load(ctx, &r); err != nil {
		return r, err
	}
	end, err := b.serve(ctx, keys)
	if err != nil {
		return r, err
	}
	defer end()
	for _, k := range kinds() {
		if !strings.Contains(k.title, o.Only) {
			continue
		}
		for _, n := range o.Clients {
			m, err := b.measure(ctx, k, n)
			if err != nil {
				return r, err
			}
			if n == 8 {
				m.Want = k.budget.sqlite
				if d.Engine() == db.Postgres {
					m.Want = k.budget.postgres
				}
			}
			if n == 1 {
				m.WantP95 = k.budget.p95
			}
			r.Measures = append(r.Measures, m)
		}
	}
	return r, nil
}

// serve starts the interface on the loopback address, with the audit sealer
// beside it as in the program.
func (b *bench) serve(ctx context.Context, keys *crypto.Keyring) (end func(), err error) {
	s := &fhirapi.Server{DB: b.d, Store: b.store, Accounts: b.acc, Access: access.New(b.log), Audit: b.log, Queue: jobs.New(b.d)}
	s.Bulk = &bulk.Service{DB: b.d, Store: b.store, Keys: keys, Accounts: b.acc, Access: s.Access, Audit: b.log, Queue: s.Queue}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	background, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) }) // ends with Close below
	wg.Go(func() { _ = b.log.Run(background) })
	b.addr = l.Addr().String()
	return func() {
		_ = server.Close() // nothing is under way
		stop()
		wg.Wait()
	}, nil
}

const (
	clientID = "bench"
	org      = "bench"
)

// sign gets a token, and a fresh one before it ends.
func (b *bench) sign(ctx context.Context) error {
	if time.Since(b.since) < account.TokenLife/2 {
		return nil
	}
	me := audit.Program("bench")
	secret, err := b.acc.CreateClient(ctx, me, account.Client{ID: clientID, Name: "bench", Org: org, Scopes: "system/*.cruds"})
	if err != nil {
		if secret, err = b.acc.RotateClient(ctx, me, clientID); err != nil {
			return err
		}
		time.Sleep(3 * time.Second) // until the process has forgotten the old one
	}
	t, err := b.acc.SecretToken(ctx, clientID, secret, "")
	b.token, b.since = t.Text, time.Now()
	return err
}

// measure lets some clients ask for a time, after a little warming.
func (b *bench) measure(ctx context.Context, k kind, clients int) (Measure, error) {
	m := Measure{Kind: k.title, Clients: clients, Each: k.each}
	if err := b.sign(ctx); err != nil {
		return m, err
	}
	if _, _, err := b.run(ctx, k, clients, b.o.Time/10); err != nil {
		return m, err
	}
	times, took, err := b.run(ctx, k, clients, b.o.Time)
	if err != nil || len(times) == 0 {
		return m, errors.Join(err, ctx.Err())
	}
	slices.Sort(times)
	m.N = len(times)
	m.Rate = float64(m.N*k.each) / took.Seconds()
	at := func(percent int) time.Duration { return times[min(m.N-1, m.N*percent/100)] }
	m.P50, m.P95, m.P99, m.Max = at(50), at(95), at(99), times[m.N-1]
	return m, nil
}

func (b *bench) run(ctx context.Context, k kind, clients int, long time.Duration) (times []time.Duration, took time.Duration, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	began := time.Now()
	for c := range clients {
		wg.Go(func() {
			draw := newDraw(uint64(c), began.UnixNano())
			var mine []time.Duration
			conn, failed := dial(ctx, b.addr, b.token)
			if failed == nil {
				defer func() { _ = conn.Close() }() // everything is read
			}
			for failed == nil && time.Since(began) < long {
				method, path, body := k.make(b.set, draw)
				at := time.Now()
				failed = conn.request(method, path, body)
				mine = append(mine, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			times = append(times, mine...)
			err = errors.Join(err, failed)
		})
	}
	wg.Wait()
	return times, time.Since(began), err
}

// Print writes the report as a table.
func (r Report) Print(w io.Writer) error {
	if r.Loaded > 0 {
		fmt.Fprintf(w, "%s：装入 %d 个资源，用时 %s（每秒 %.0f 个）\n", r.Engine, r.Loaded, r.Load.Round(time.Second), float64(r.Loaded)/r.Load.Seconds())
	}
	fmt.Fprintf(w, "%s：库中 %d 个资源，经 HTTP，含令牌、访问判定和审计\n", r.Engine, r.Resources)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "客户端\t每秒\t预算\tp50\tp95\tp99\tmax\t次数\t\t  请求\t")
	for _, m := range r.Measures {
		want, verdict := "", ""
		if m.Want > 0 || m.WantP95 > 0 {
			want, verdict = fmt.Sprintf("%.0f", m.Want), "未达到"
			if m.WantP95 > 0 {
				want = fmt.Sprintf("p95 ≤ %s", m.WantP95)
			}
			if m.Met() {
				verdict = "达到"
			}
		}
		fmt.Fprintf(t, "%d\t%.0f\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t  %s\t\n", m.Clients, m.Rate, want, ms(m.P50), ms(m.P95), ms(m.P99), ms(m.Max), m.N, verdict, m.Kind)
	}
	return t.Flush()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }
