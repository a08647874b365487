package crash_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yilian/internal/account"
	"yilian/internal/app"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/exchange/hl7"
	"yilian/internal/organization"
	"yilian/internal/record"
	"yilian/test/harness"
)

// Systems that write: FHIR clients that create, clients that send transactions,
// and senders of HL7 messages. Each says again what was not answered.
const (
	creators = 4
	bundlers = 2
	senders  = 3
	strikes  = 12 // kills
)

// TestKilledWhileSystemsWriteNothingAcknowledgedIsLost: every create, bundle and
// message that was answered is there, once and whole; what was not answered is
// there as a whole or not at all; an export that was under way is finished.
func TestKilledWhileSystemsWriteNothingAcknowledgedIsLost(t *testing.T) {
	harness.EachEngine(t, func(t *testing.T, target string) {
		x := newExchange(t, target)
		from := *seed
		if from == 0 {
			from = rand.Uint64()
		}
		t.Logf("seed: -crash.seed=%d", from)
		rng := rand.New(rand.NewPCG(from, 7))
		x.site = open(t, x.w.config, 1)
		x.patient = x.enter()
		x.gather()
		export := x.export()
		for x.site.kills < strikes && !t.Failed() {
			want := x.acked.Load() + int64(rng.IntN(60))
			harness.Until(t, "systems get on", func() bool { return x.acked.Load() >= want || t.Failed() })
			time.Sleep(time.Duration(rng.IntN(20_000)) * time.Microsecond)
			x.site.kill(0)
			x.site.start(0)
		}
		x.exported(export)
		close(x.stop)
		x.wg.Wait()
		x.site.kill(0)
		x.verify()
	})
}

// exchangeWorld is a program with one client and one HL7 peer.
type exchangeWorld struct {
	*testing.T
	w       *world
	site    *site
	port    string
	secret  string
	patient string
	stop    chan struct{}
	wg      sync.WaitGroup
	acked   atomic.Int64

	mu    sync.Mutex
	token string
	done  map[string]string // what was acknowledged: its name → id given, "" for messages
	tried map[string]bool
}

func newExchange(t *testing.T, target string) *exchangeWorld {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	must(t, l.Close())
	x := &exchangeWorld{T: t, port: port, stop: make(chan struct{}), done: map[string]string{}, tried: map[string]bool{},
		w: &world{t: t, cfg: app.Config{Database: target, KeyFile: filepath.Join(dir, "yilian.keys")}}}
	x.w.config = harness.Config(t, dir, `address = "127.0.0.1:0"`, fmt.Sprintf("database = %q", target), fmt.Sprintf("key_file = %q", x.w.cfg.KeyFile),
		"[mllp]", fmt.Sprintf(`address = "127.0.0.1:%s"`, port),
		"[[mllp.peers]]", `name = "四医院HIS"`, fmt.Sprintf("institution = %q", hospitalName), `addresses = ["127.0.0.1"]`)
	a, err := app.Open(ctx, x.w.cfg)
	must(t, err)
	defer func() { must(t, a.Close()) }()
	var org organization.Organization
	must(t, a.DB.View(ctx, func(tx *db.Tx) (err error) { org, err = organization.ByName(ctx, tx, hospitalName); return err }))
	x.secret, err = a.Accounts.CreateClient(ctx, audit.Program("准备"), account.Client{ID: "his", Name: "医院信息系统", Org: org.ID, Scopes: "system/*.cruds"})
	must(t, err)
	return x
}

func (x *exchangeWorld) over() bool {
	select {
	case <-x.stop:
		return true
	default:
		return x.Failed()
	}
}

// ask sends a request to the program when it is up; ok is false when there was
// no answer.
func (x *exchangeWorld) ask(method, path, body string, headers ...string) (status int, header http.Header, answer []byte, ok bool) {
	base := x.site.url(rand.New(rand.NewPCG(1, 1)))
	if base == "" {
		time.Sleep(5 * time.Millisecond)
		return 0, nil, nil, false
	}
	x.mu.Lock()
	token := x.token
	x.mu.Unlock()
	r, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		x.Error(err)
		return 0, nil, nil, false
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/fhir+json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, nil, false
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, nil, false
	}
	if resp.StatusCode == http.StatusUnauthorized {
		x.renew(base)
		return 0, nil, nil, false
	}
	return resp.StatusCode, resp.Header, answer, true
}

func (x *exchangeWorld) renew(base string) {
	resp, err := http.PostForm(base+"/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"his"}, "client_secret": {x.secret}})
	if err != nil {
		return
	}
	defer resp.Body.Close()
	var got struct {
		Token string `json:"access_token"`
	}
	if json.NewDecoder(resp.Body).Decode(&got) == nil && got.Token != "" {
		x.mu.Lock()
		x.token = got.Token
		x.mu.Unlock()
	}
}

// enter makes the patient about whom all is written.
func (x *exchangeWorld) enter() string {
	x.Helper()
	const body = `{"resourceType":"Patient","identifier":[{"system":"urn:oid:2.16.156.10011.1.3","value":"431102195803120025"}],"name":[{"text":"唐桂兰"}],"gender":"female","birthDate":"1958-03-12"}`
	for range 100 {
		if status, _, answer, ok := x.ask("POST", "/fhir/Patient", body); ok {
			var r struct{ ID string }
			if status != 201 || json.Unmarshal(answer, &r) != nil {
				x.Fatalf("%d %s", status, answer)
			}
			return r.ID
		}
	}
	x.Fatal("no answer")
	return ""
}

func (x *exchangeWorld) gather() {
	for i := range creators {
		x.wg.Go(func() { x.repeat(fmt.Sprintf("c%d-", i), x.create) })
	}
	for i := range bundlers {
		x.wg.Go(func() { x.repeat(fmt.Sprintf("b%d-", i), x.bundle) })
	}
	for i := range senders {
		x.wg.Go(func() { x.send(fmt.Sprintf("M%d-", i)) })
	}
}

// repeat does one thing after the other, each until it is answered.
func (x *exchangeWorld) repeat(prefix string, do func(name string) (id string, ok bool)) {
	for n := 0; !x.over(); n++ {
		name := fmt.Sprint(prefix, n)
		x.try(name)
		for end := time.Now().Add(harness.Patience); !x.Failed(); {
			if id, ok := do(name); ok {
				x.acknowledge(name, id)
				break
			}
			if x.over() {
				return
			}
			if time.Now().After(end) {
				x.Errorf("nobody answers %s", name)
			}
		}
	}
}

func (x *exchangeWorld) try(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tried[name] = true
}

func (x *exchangeWorld) acknowledge(name, id string) {
	x.mu.Lock()
	x.done[name] = id
	x.mu.Unlock()
	x.acked.Add(1)
}

func (x *exchangeWorld) observation(name string) string {
	return `{"resourceType":"Observation","identifier":[{"system":"urn:test","value":"` + name + `"}],"status":"final","code":{"text":"` + name + `"},"subject":{"reference":"Patient/` + x.patient + `"}}`
}

// create is a conditional create, so that saying it again makes no second one.
func (x *exchangeWorld) create(name string) (string, bool) {
	status, _, answer, ok := x.ask("POST", "/fhir/Observation", x.observation(name), "If-None-Exist", "identifier=urn:test|"+name)
	if !ok {
		return "", false
	}
	var r struct{ ID string }
	if err := json.Unmarshal(answer, &r); err != nil || status != 200 && status != 201 {
		x.Errorf("%s: %d %s", name, status, answer)
	}
	return r.ID, true
}

// bundle is a transaction of three.
func (x *exchangeWorld) bundle(name string) (string, bool) {
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for i := range 3 {
		if i > 0 {
			b.WriteByte(',')
		}
		part := fmt.Sprintf("%s-%d", name, i)
		fmt.Fprintf(&b, `{"resource":%s,"request":{"method":"POST","url":"Observation","ifNoneExist":"identifier=urn:test|%s"}}`, x.observation(part), part)
	}
	b.WriteString(`]}`)
	status, _, answer, ok := x.ask("POST", "/fhir", b.String())
	if ok && status != 200 {
		x.Errorf("%s: %d %s", name, status, answer)
	}
	return "", ok
}

// send sends messages over one connection until it breaks, and then over the
// next: the one without an answer again, under its number.
func (x *exchangeWorld) send(prefix string) {
	var conn net.Conn
	var r *bufio.Reader
	x.repeat(prefix, func(name string) (string, bool) {
		if conn == nil {
			c, err := net.DialTimeout("tcp", "127.0.0.1:"+x.port, time.Second)
			if err != nil {
				time.Sleep(5 * time.Millisecond)
				return "", false
			}
			conn, r = c, bufio.NewReader(c)
		}
		raw := strings.Join([]string{
			`MSH|^~\&|HIS|H|YILIAN|A|20260301080000||ADT^A04|` + name + `|P|2.4|||||CHN|UNICODE UTF-8`,
			`PID|1||M0001^^^HIS^MR~431102195803120025^^^^ID||唐^桂兰||19580312|F`,
			`PV1|1|O|内科^01^02||||||||||||||||V` + name + `|||||||||||||||||||||||||20260301073000`, ""}, "\r")
		_ = conn.SetDeadline(time.Now().Add(harness.Patience))
		answer, err := []byte(nil), hl7.WriteFrame(conn, []byte(raw))
		if err == nil {
			answer, err = hl7.ReadFrame(r, 1<<16)
		}
		if err != nil {
			_ = conn.Close()
			conn = nil
			return "", false
		}
		m, err := hl7.Parse(answer)
		if bytes.Contains(answer, []byte("^^207&")) { // application internal error: not kept, the sender is to send again
			return "", false
		}
		if err != nil || m.Segment("MSA").Str(1) != "AA" {
			x.Errorf("%s: %q %v", name, answer, err)
		}
		return "", true
	})
	if conn != nil {
		_ = conn.Close()
	}
}

// export begins an export and returns where it stands.
func (x *exchangeWorld) export() string {
	x.Helper()
	for range 1000 {
		status, header, answer, ok := x.ask("GET", "/fhir/$export?_type=Patient,Observation", "", "Prefer", "respond-async")
		if !ok {
			continue
		}
		if status != 202 {
			x.Fatalf("%d %s", status, answer)
		}
		u, err := url.Parse(header.Get("Content-Location"))
		must(x.T, err)
		return u.Path
	}
	x.Fatal("the export does not begin")
	return ""
}

// exported waits for the end of the export, which has the patient in it.
func (x *exchangeWorld) exported(at string) {
	x.Helper()
	harness.Until(x.T, "the export ends", func() bool {
		status, _, answer, ok := x.ask("GET", at, "")
		if ok && status != 200 && status != 202 {
			x.Fatalf("%d %s", status, answer)
		}
		return ok && status == 200 && bytes.Contains(answer, []byte(`"type":"Patient"`))
	})
}

// verify holds what was acknowledged against what is there.
func (x *exchangeWorld) verify() {
	x.Helper()
	var p problems
	a, err := app.Open(ctx, x.w.cfg)
	must(x.T, err)
	there, visits, messages := map[string][]string{}, map[string]int{}, map[string]string{}
	must(x.T, a.DB.View(ctx, func(tx *db.Tx) error {
		ids, err := db.List(ctx, tx, db.Value[string], `SELECT id FROM record_resource WHERE type = 'Observation'`)
		if err != nil {
			return err
		}
		for _, id := range ids {
			r, err := a.Record.Read(ctx, tx, record.Key{Type: "Observation", ID: id})
			if err != nil {
				return err
			}
			var o struct{ Code struct{ Text string } }
			if err := json.Unmarshal(r.Body, &o); err != nil {
				return err
			}
			there[o.Code.Text] = append(there[o.Code.Text], id)
		}
		rows, err := db.List(ctx, tx, readCount, `SELECT source_key, count(*) FROM encounter GROUP BY source_key`)
		for _, c := range rows {
			visits[strings.TrimPrefix(c.name, "V")] += c.n
		}
		if err != nil {
			return err
		}
		states, err := db.List(ctx, tx, func(scan db.Scan) (s [2]string, err error) { return s, scan(&s[0], &s[1]) }, `SELECT control_id, state FROM exchange_message`)
		for _, s := range states {
			messages[s[0]] = s[1]
		}
		return err
	}))
	_, err = a.Audit.Seal(ctx) // the sealer's lease had gone down with a process
	must(x.T, err)
	must(x.T, a.Close())
	for name := range x.tried {
		id, acked := x.done[name]
		switch name[0] {
		case 'c':
			if got := there[name]; len(got) > 1 || acked && (len(got) != 1 || got[0] != id) {
				p.add("%s: acknowledged %v as %s, there is %v", name, acked, id, got)
			}
		case 'b':
			n := 0
			for i := range 3 {
				got := there[fmt.Sprintf("%s-%d", name, i)]
				n += len(got)
			}
			if n != 3 && (n != 0 || acked) {
				p.add("%s: acknowledged %v, %d of 3 are there", name, acked, n)
			}
		case 'M':
			n := 0
			for key, count := range visits {
				if strings.HasSuffix(key, name) {
					n += count
				}
			}
			if n > 1 || acked && (n != 1 || messages[name] != "placed") {
				p.add("%s: acknowledged %v, %d visits, message %q", name, acked, n, messages[name])
			}
		}
	}
	if len(x.done) < strikes {
		p.add("only %d acts", len(x.done))
	}
	chain(x.T, x.w, &p)
	p.report(x.T)
	x.Logf("%d acts, %d acknowledged, %d kills", len(x.tried), len(x.done), x.site.kills)
}
