// Package policytest gives tests the shipped profiles.
package policytest

import (
	"sync"
	"testing"

	"yilian/internal/policy"
	"yilian/profiles"
)

var shipped = sync.OnceValues(func() (*policy.Book, error) { return policy.Load(profiles.FS) })

// Shipped returns a book of the shipped profiles, which are read once a
// process. The book is the test's own: it may replace what it holds.
func Shipped(t testing.TB) *policy.Book {
	t.Helper()
	all, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	book := &policy.Book{}
	book.Replace(all)
	return book
}
