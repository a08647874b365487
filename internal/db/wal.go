package db

import (
	"database/sql"
	"log/slog"
	"sync"
	"time"
)

// SQLite writes commits to a log first and carries its pages into the file by
// the way, each time that the log has grown by 1,000 pages: the commit that
// meets the mark waits for two more syncs of the disk, and while readers keep
// an older state of the log in use every commit after it tries in vain. Here a
// connection of its own does it, beside readers and writer, about once a
// second: pages that many commits have changed are carried once.

const (
	logEvery  = time.Second
	logPages  = "32768"                   // pages of the log at which a commit carries them itself after all
	logLong   = 16384                     // pages at which the log is begun anew
	logBusy   = `PRAGMA busy_timeout=200` // how long writers may wait for that
	logPassed = `PRAGMA wal_checkpoint(PASSIVE)`
	logAnew   = `PRAGMA wal_checkpoint(RESTART)`
)

// logKeeper carries the log into the file. The zero value, which PostgreSQL
// has, does nothing.
type logKeeper struct {
	pool *sql.DB

	mu     sync.Mutex
	last   time.Time // when it was last begun
	under  bool      // it is going on
	closed bool
	done   sync.WaitGroup
}

func (l *logKeeper) open(dsn string) {
	l.pool = openLite(dsn, `BEGIN`)
	l.pool.SetMaxOpenConns(1)
}

// grown is told of each commit.
func (l *logKeeper) grown() {
	if l.pool == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.under || l.closed || time.Since(l.last) < logEvery {
		return
	}
	l.under, l.last = true, time.Now()
	l.done.Go(l.carry)
}

func (l *logKeeper) carry() {
	var busy, pages, carried int64
	_, err := l.pool.Exec(logBusy)
	if err == nil {
		err = l.pool.QueryRow(logPassed).Scan(&busy, &pages, &carried)
	}
	if err == nil && pages > logLong {
		err = l.pool.QueryRow(logAnew).Scan(&busy, &pages, &carried)
	}
	if err != nil {
		slog.Warn("log of the database was not carried into the file", "error", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.under = false
}

// close waits for what is going on.
func (l *logKeeper) close() error {
	if l.pool == nil {
		return nil
	}
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.done.Wait()
	return l.pool.Close()
}
