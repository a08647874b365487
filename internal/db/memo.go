package db

import "strings"

// memo is what a transaction has found out about something, by key.
type memo struct {
	topics []string
	values map[any]any
}

// Memo returns what get returns, and asks it once for each key. topics are the
// tables that the answer rests on, or parts of their names: a statement of this
// transaction that writes and names one of them has it asked again, and so does
// Forget. Answers are kept by the slice of topics, which is a variable of the
// caller and not empty.
func Memo[K comparable, V any](tx *Tx, topics []string, key K, get func() (V, error)) (V, error) {
	m := tx.memoOf(topics)
	if v, ok := m.values[key]; ok {
		return v.(V), nil
	}
	v, err := get()
	if err == nil {
		m.values[key] = v
	}
	return v, err
}

func (tx *Tx) memoOf(topics []string) *memo {
	for _, m := range tx.memos {
		if &m.topics[0] == &topics[0] {
			return m
		}
	}
	m := &memo{topics: topics, values: map[any]any{}}
	tx.memos = append(tx.memos, m)
	return m
}

// Forget has everything asked again that rests on what text names.
func (tx *Tx) Forget(text string) {
	for _, m := range tx.memos {
		for _, t := range m.topics {
			if len(m.values) > 0 && strings.Contains(text, t) {
				clear(m.values)
			}
		}
	}
}
