package crash_test

import (
	"bufio"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"yilian/test/harness"
)

// site is one or more processes of the program on one database.
type site struct {
	t      *testing.T
	config string
	kills  int
	starts int

	mu    sync.Mutex
	procs []*harness.Process
	urls  []string // "" while down
}

// open starts n processes.
func open(t *testing.T, config string, n int) *site {
	t.Helper()
	s := &site{t: t, config: config, procs: make([]*harness.Process, n), urls: make([]string, n)}
	for i := range n {
		s.start(i)
	}
	return s
}

// url is the address of a process that is up, chosen at random; "" when all
// are down.
func (s *site) url(rng *rand.Rand) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var up []string
	for _, u := range s.urls {
		if u != "" {
			up = append(up, u)
		}
	}
	if len(up) == 0 {
		return ""
	}
	return up[rng.IntN(len(up))]
}

func (s *site) set(i int, url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls[i] = url
}

// start runs process i and lets people at it once it listens.
func (s *site) start(i int) {
	s.t.Helper()
	s.starts++
	s.procs[i] = harness.Start(s.t, "serve", "--config", s.config)
	s.set(i, s.procs[i].URL())
}

// stillborn starts process i and kills it after a while, ready or not.
func (s *site) stillborn(i int, after time.Duration) {
	s.t.Helper()
	s.starts++
	s.procs[i] = harness.Launch(s.t, "serve", "--config", s.config)
	time.Sleep(after)
	s.kill(i)
}

// kill ends process i with SIGKILL, under the hands of who is being served.
func (s *site) kill(i int) {
	s.t.Helper()
	s.kills++
	s.procs[i].Kill()
	s.set(i, "")
	lines := bufio.NewScanner(strings.NewReader(s.procs[i].Stderr()))
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan() && n < 5; {
		if text := lines.Text(); strings.Contains(text, "panic") || strings.Contains(text, " ERROR ") {
			s.t.Errorf("the program logged: %s", text)
			n++
		}
	}
}
