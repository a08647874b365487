package exchange

import (
	"context"
	"slices"
	"sync"

	"yilian/internal/exchange/hl7"
)

// turns lets messages about one person wait for each other. Two at once would
// write the same rows; one of them would be refused by the engine and begin
// again, and of many senders one could be refused until its attempts are used
// up. A row locked in the transaction does not help: under snapshots whoever
// has waited for it is refused all the same. They wait in this process; what
// another process takes in at the same time is left to the attempts of db.Tx.
type turns struct {
	mu   sync.Mutex
	keys map[string]*turn
}

type turn struct {
	free  chan struct{} // holds one value while nobody has the turn
	users int           // who has it and who waits
}

// take waits until nobody else has any of the keys, and returns what gives them
// back.
func (t *turns) take(ctx context.Context, keys []string) (release func(), err error) {
	slices.Sort(keys) // all take them in one order, so that nobody waits in a circle
	keys = slices.Compact(keys)
	had := 0
	release = func() {
		for i, key := range keys {
			t.leave(key, i < had)
		}
	}
	entered := t.enter(keys)
	for _, e := range entered {
		select {
		case <-e.free:
			had++
		case <-ctx.Done():
			release()
			return nil, ctx.Err()
		}
	}
	return release, nil
}

func (t *turns) enter(keys []string) []*turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys == nil {
		t.keys = map[string]*turn{}
	}
	out := make([]*turn, len(keys))
	for i, key := range keys {
		e := t.keys[key]
		if e == nil {
			e = &turn{free: make(chan struct{}, 1)}
			e.free <- struct{}{}
			t.keys[key] = e
		}
		e.users++
		out[i] = e
	}
	return out
}

func (t *turns) leave(key string, had bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.keys[key]
	if had {
		e.free <- struct{}{}
	}
	if e.users--; e.users == 0 {
		delete(t.keys, key)
	}
}

// turnsOf are the keys of the persons that a message is about: the numbers of
// its institution, the identity card, the name. Namesakes wait for each other,
// which does no harm.
func turnsOf(peer Peer, m *hl7.Message) []string {
	if m == nil {
		return nil
	}
	var out []string
	for _, pid := range m.All("PID") {
		p, err := personOf(pid)
		if err != nil {
			continue
		}
		for _, n := range p.numbers {
			out = append(out, "number/"+peer.Org+"/"+n.value)
		}
		if p.card != "" {
			out = append(out, "card/"+p.card)
		}
		if p.name != "" {
			out = append(out, "name/"+p.name)
		}
	}
	for _, mrg := range m.All("MRG") {
		for _, r := range mrg.Reps(1) {
			out = append(out, "number/"+peer.Org+"/"+r.Comp(1))
		}
	}
	return out
}
