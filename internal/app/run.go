package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// shutdownGrace is how long open requests may take to finish.
const shutdownGrace = 15 * time.Second

// Serve listens, runs the background work, and returns when ctx ends and open
// requests are answered. ready is called with the address once it listens.
func (a *App) Serve(ctx context.Context, ready func(addr string)) error {
	listener, err := net.Listen("tcp", a.Config.Address)
	if err != nil {
		return errs.Because(err, errs.Unavailable, "无法在 %s 上监听：%v。可能已有程序占用该端口", a.Config.Address, err)
	}
	if a.Config.TLS.Certificate != "" {
		cert, err := tls.LoadX509KeyPair(a.Config.TLS.Certificate, a.Config.TLS.Key)
		if err != nil {
			return errs.Because(err, errs.Invalid, "TLS 证书或私钥读不出来：%v", err)
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
	}
	// The event streams end when streams does; ordinary requests are drained.
	streams, endStreams := context.WithCancel(ctx)
	defer endStreams()
	server := &http.Server{
		Handler:           a.Site,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       3 * time.Minute,
		BaseContext:       func(net.Listener) context.Context { return streams },
	}
	server.RegisterOnShutdown(endStreams)
	wait := a.Background(ctx)
	defer wait()
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
		defer cancel()
		stopped <- server.Shutdown(grace)
	}()
	ready(listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return <-stopped
}

// calendarEvery is how soon a process sees a calendar year that another loaded.
const calendarEvery = time.Minute

// Background starts what runs beside the requests: jobs, the audit sealer, the
// event follower, the calendar. It returns a function that waits for their end
// after ctx is over.
func (a *App) Background(ctx context.Context) (wait func()) {
	var group sync.WaitGroup
	for name, run := range map[string]func(context.Context) error{
		"jobs": a.Queue.Run, "audit": a.Audit.Run, "flow": a.Flow.Follow, "calendar": a.followCalendar,
	} {
		group.Go(func() {
			if err := run(ctx); err != nil && !errors.Is(err, context.Canceled) {
				slog.Error("background work stopped", "part", name, "error", err)
			}
		})
	}
	return group.Wait
}

func (a *App) followCalendar(ctx context.Context) error {
	tick := time.NewTicker(calendarEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := a.DB.View(ctx, func(tx *db.Tx) error { return a.Calendar.Refresh(ctx, tx) })
		if err != nil && ctx.Err() == nil {
			slog.Warn("calendar was not refreshed", "error", err)
		}
	}
}
