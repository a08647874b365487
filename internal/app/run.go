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
	"syscall"
	"time"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// shutdownGrace is how long open requests may take to finish.
const shutdownGrace = 15 * time.Second

// Serve listens, runs the background work, and returns when ctx ends and open
// requests are answered. ready is called with the address once it listens.
//
// The end has an order: event streams are told, requests under way are
// answered with everything they need still running, and only then the
// background work stops.
func (a *App) Serve(ctx context.Context, ready func(addr string)) error {
	if err := a.Record.Begin(ctx, a.Queue); err != nil {
		return err
	}
	listener, err := a.listen()
	if err != nil {
		return err
	}
	messages, err := a.listenMLLP()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	background, endBackground := context.WithCancel(context.WithoutCancel(ctx))
	wait := a.Background(background)
	defer func() { endBackground(); wait() }()
	streams, endStreams := context.WithCancel(background)
	defer endStreams()
	server := &http.Server{
		Handler:           untilEnd(a.Site, streams),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       3 * time.Minute,
	}
	server.RegisterOnShutdown(endStreams)
	waitMessages := a.serveMLLP(ctx, messages)
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		stopped <- errors.Join(waitMessages(), shutdown(server))
	}()
	ready(listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return <-stopped
}

// shutdown drains the server; what takes longer than the grace is cut off.
func shutdown(server *http.Server) error {
	grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errs.Because(errors.Join(err, server.Close()), errs.Unavailable,
			"停止时还有请求在 %v 内没有完成，已中断；没有答复成功的操作都没有保存", shutdownGrace)
	}
	return nil
}

// streamPath is the only request that does not end by itself.
const streamPath = "/events"

// untilEnd ends the event streams with streams. Other requests keep their
// context until they are answered.
func untilEnd(next http.Handler, streams context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == streamPath {
			ctx, end := context.WithCancel(r.Context())
			defer end()
			defer context.AfterFunc(streams, end)()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// listen opens the address, with TLS when a certificate is configured.
func (a *App) listen() (net.Listener, error) {
	cert, secure, err := a.certificate()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", a.Config.Address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errs.Because(err, errs.Unavailable, "地址 %s 的端口已被其他程序占用：请先停止那个程序，或换一个端口", a.Config.Address)
	}
	if err != nil {
		return nil, errs.Because(err, errs.Unavailable, "无法在地址 %s 上监听，请检查地址和端口的写法（%v）", a.Config.Address, err)
	}
	if secure {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
	}
	return listener, nil
}

func (a *App) certificate() (cert tls.Certificate, secure bool, err error) {
	files := a.Config.TLS
	if files.Certificate == "" {
		return cert, false, nil
	}
	if cert, err = tls.LoadX509KeyPair(files.Certificate, files.Key); err != nil {
		return cert, false, errs.Because(err, errs.Invalid, "TLS 证书 %s 或私钥 %s 读不出来（%v）", files.Certificate, files.Key, err)
	}
	return cert, true, nil
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
		"policy": a.Library.Follow,
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
