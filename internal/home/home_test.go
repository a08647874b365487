package home

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
	"yilian/internal/web"
)

// An event stream ends once its session is locked or over, without waiting for
// the page to ask for anything.
func TestStreamEndsWithItsSession(t *testing.T) {
	d := dbtest.SQLite(t)
	var alive atomic.Bool
	var asked atomic.Int64
	alive.Store(true)
	pages := &Pages{DB: d, Flow: &flow.Engine{DB: d}, Heartbeat: 5 * time.Millisecond, Alive: func(context.Context) bool {
		asked.Add(1)
		return alive.Load()
	}}
	site := web.New(web.Options{Now: d.Now})
	site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(access.WithActor(r.Context(), access.Actor{Account: "a", Org: "o"})))
		})
	})
	pages.Routes(site)
	srv := httptest.NewServer(site)
	t.Cleanup(srv.Close)
	res, err := http.Get(srv.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), ": still here") {
	}
	if asked.Load() == 0 {
		t.Fatal("a heartbeat came without asking for the session")
	}
	alive.Store(false)
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatalf("the stream broke instead of ending: %v", err)
	}
}
