package exchange

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// TestTurnsAreTakenTogether: whoever shares a key is never there at once,
// whatever the order of keys, and nothing is left behind.
func TestTurnsAreTakenTogether(t *testing.T) {
	var all turns
	var group sync.WaitGroup
	in := map[string]*int{"a": new(int), "b": new(int), "c": new(int)} // written by whoever has the key
	for i := range 60 {
		keys := [][]string{{"a", "b"}, {"b", "a", "a"}, {"c", "b"}, {"a", "c"}}[i%4]
		group.Go(func() {
			release, err := all.take(t.Context(), append([]string(nil), keys...))
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			seen := map[string]bool{}
			for _, k := range keys {
				if !seen[k] {
					seen[k] = true
					if *in[k]++; *in[k] != 1 {
						t.Errorf("%d have %s", *in[k], k)
					}
				}
			}
			for k := range seen {
				*in[k]--
			}
		})
	}
	group.Wait()
	if len(all.keys) != 0 {
		t.Errorf("%d keys are left", len(all.keys))
	}

	release, err := all.take(t.Context(), []string{"b"})
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all.take(over, []string{"a", "b"}); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting after the end: %v", err)
	}
	release()
	if len(all.keys) != 0 {
		t.Errorf("%d keys are left", len(all.keys))
	}
}

// TestReceiveWaitsItsTurn: a message about a person of whom another is being
// taken in does not begin before that has ended.
func TestReceiveWaitsItsTurn(t *testing.T) {
	s := &Service{}
	peer := Peer{Org: "o"}
	for _, other := range []string{"number/o/M1", "number/o/M2", "name/赵一"} {
		release, err := s.turns.take(t.Context(), []string{other})
		if err != nil {
			t.Fatal(err)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		raw := "MSH|^~\\&|HIS|H|YL|YL|20260302||ADT^A40|1|P|2.5\rPID|1||M1^^^H^PI||赵^一\rMRG|M2^^^H^PI\r"
		if _, err := s.Receive(over, peer, []byte(raw)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", other, err)
		}
		release()
	}
}
