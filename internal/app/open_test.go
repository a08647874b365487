package app

import (
	"path/filepath"
	"sync"
	"testing"
)

// TestFirstKeysAtOnce lets many processes' starts make the first key file at
// the same time: one makes it, all get the same keys.
func TestFirstKeysAtOnce(t *testing.T) {
	cfg := Config{KeyFile: filepath.Join(t.TempDir(), "k", "yilian.keys"), Suite: "sm"}
	var starts sync.WaitGroup
	var mu sync.Mutex
	marks, makers := map[string]int{}, 0
	for range 8 {
		starts.Go(func() {
			k, made, err := loadOrCreate(t.Context(), cfg, false)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			marks[keyMarkOf(k)[0]]++
			if made {
				makers++
			}
		})
	}
	starts.Wait()
	if len(marks) != 1 || makers != 1 {
		t.Errorf("keys %v, made %d times", marks, makers)
	}
}
