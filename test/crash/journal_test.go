package crash_test

import (
	"fmt"
	"sync"
	"testing"
)

// act is one thing that somebody tried: what was posted, and what he was told.
type act struct {
	login, account string
	caseID, action string
	version        int    // that the case has after it, as far as he can know
	once           string // token of the form
	acked          bool   // an answer of success was received
	refused        bool   // an answer that it was not done was received
}

// journal is what the people outside know: every act and its answer. It lives
// in the test and survives every kill.
type journal struct {
	mu     sync.Mutex
	acts   []act
	acked  int
	wrong  []string
	counts map[string]int // what else happened, for the log
}

func (j *journal) add(a ...act) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, x := range a {
		j.acts = append(j.acts, x)
		if x.acked {
			j.acked++
		}
	}
}

// count notes that something happened.
func (j *journal) count(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.counts == nil {
		j.counts = map[string]int{}
	}
	j.counts[what]++
}

// bad notes something that must not happen.
func (j *journal) bad(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.wrong) < 20 {
		j.wrong = append(j.wrong, fmt.Sprintf(format, args...))
	}
}

func (j *journal) acknowledged() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.acked
}

// stopped reports whether something has gone so wrong that going on is no use.
func (j *journal) stopped() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.wrong) >= 20
}

// failed reports what was wrong to the test.
func (j *journal) failed(t *testing.T) bool {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.wrong {
		t.Error(s)
	}
	return len(j.wrong) > 0
}
