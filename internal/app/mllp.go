package app

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/exchange"
)

// preparePeers finds the institutions of the configured systems, so that a
// wrong configuration is told at the start.
func (a *App) preparePeers(ctx context.Context) error {
	if a.Config.MLLP.Address == "" {
		return nil
	}
	return a.DB.View(ctx, func(tx *db.Tx) error {
		peers, err := exchange.Peers(ctx, tx, a.Config.MLLP.Peers)
		a.mllp = &exchange.Listener{Service: a.Exchange, Peers: peers}
		return err
	})
}

// listenMLLP opens the address for HL7 messages; without one it returns nil.
func (a *App) listenMLLP() (net.Listener, error) {
	c := a.Config.MLLP
	if a.mllp == nil {
		return nil, nil
	}
	var config *tls.Config
	if c.Certificate != "" {
		cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return nil, errs.Because(err, errs.Invalid, "MLLP 证书 %s 或私钥 %s 读不出来（%v）", c.Certificate, c.Key, err)
		}
		config = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	l, err := exchange.Listen(c.Address, config)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errs.Because(err, errs.Unavailable, "MLLP 地址 %s 的端口已被其他程序占用：请先停止那个程序，或换一个端口", c.Address)
	}
	if err != nil {
		return nil, errs.Because(err, errs.Unavailable, "无法在 MLLP 地址 %s 上监听，请检查地址和端口的写法（%v）", c.Address, err)
	}
	return l, nil
}

// serveMLLP takes messages until ctx ends, then lets those under way be
// answered; the returned function waits for that.
func (a *App) serveMLLP(ctx context.Context, l net.Listener) (wait func() error) {
	if l == nil {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() { done <- a.mllp.Serve(ctx, l) }()
	return func() error { return <-done }
}
