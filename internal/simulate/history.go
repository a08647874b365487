package simulate

import (
	"container/heap"
	"context"
	"time"

	"yilian/internal/errs"
	"yilian/internal/organization"
)

// step is something that happens at a time; it may plan further steps.
type step struct {
	at time.Time
	n  int // order of planning, for steps at the same instant
	do func(ctx context.Context) error
}

type agenda []step

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if !a[i].at.Equal(a[j].at) {
		return a[i].at.Before(a[j].at)
	}
	return a[i].n < a[j].n
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(step)) }
func (a *agenda) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}

// life is the course of all cases, step by step in the order of time.
type life struct {
	*simulation
	agenda agenda
	n      int
	offers map[string][]organization.HealthcareService // by institution
	broken map[string]bool                             // residents whose record was opened without a relation
}

func (l *life) plan(at time.Time, do func(ctx context.Context) error) {
	l.n++
	heap.Push(&l.agenda, step{at, l.n, do})
}

// drainEvery is how often the simulated past runs due jobs: reminders and
// messages then carry times near those of life.
const drainEvery = 12 * time.Hour

// run lets everything happen that is due before now; the rest stays undone, so
// that cases stand in every state when the demo begins.
func (l *life) run(ctx context.Context) error {
	drained := l.now.AddDate(-1, 0, 0)
	for len(l.agenda) > 0 {
		next := heap.Pop(&l.agenda).(step)
		if !next.at.Before(l.now) {
			continue
		}
		if next.at.Sub(drained) > drainEvery {
			l.at(next.at)
			if err := l.app.Queue.Drain(ctx); err != nil {
				return err
			}
			drained = next.at
		}
		l.at(next.at)
		if err := next.do(ctx); err != nil {
			if errs.KindOf(err) == errs.Conflict { // the same resident is on his way already
				continue
			}
			return err
		}
	}
	return nil
}
