package exchange

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/exchange/hl7"
)

// Listener takes messages over MLLP. Set its fields, then call Serve.
type Listener struct {
	Service *Service
	Peers   []Peer
	Log     *slog.Logger // nil: the default one

	// MaxMessage is the longest message in bytes; 0: 8 MB, enough for a report
	// with a scanned page.
	MaxMessage int
	// MaxConns is how many connections may be open at once; 0: 64.
	MaxConns int
	// Idle is how long a connection may say nothing; 0: 10 minutes.
	Idle time.Duration
}

const (
	defaultMax   = 8 << 20
	defaultConns = 64
	defaultIdle  = 10 * time.Minute
	// writeWithin bounds how long an answer may take to be read.
	writeWithin = 30 * time.Second
	// receiveWithin bounds how long one message may take to be placed.
	receiveWithin = time.Minute
)

// Serve accepts connections on l until ctx ends. It then takes no new messages,
// lets those under way be committed and answered, and returns.
func (x *Listener) Serve(ctx context.Context, l net.Listener) error {
	slots := make(chan struct{}, or(x.MaxConns, defaultConns))
	var group sync.WaitGroup
	defer group.Wait()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })() // ends Accept; the listener is of no more use
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		if err != nil {
			<-slots
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			x.log().Warn("mllp: connection was not accepted", "error", err)
			time.Sleep(100 * time.Millisecond) // out of file handles: others must end first
			continue
		}
		group.Go(func() {
			defer func() { <-slots }()
			x.talk(ctx, conn)
		})
	}
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

func (x *Listener) log() *slog.Logger { return or(x.Log, slog.Default()) }

// talk answers the messages of one connection, one after the other.
func (x *Listener) talk(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }() // the peer is gone either way
	// The end is told to the reader by its deadline: a message that is being
	// placed is still answered.
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })() // best effort: the next read ends
	from := addressOfConn(conn)
	here := allowed(x.Peers, from)
	if len(here) == 0 {
		x.log().Warn("mllp: refused an address that no peer has", "address", from.String())
		return
	}
	r := bufio.NewReaderSize(conn, 32<<10)
	for ctx.Err() == nil {
		if err := conn.SetReadDeadline(time.Now().Add(or(x.Idle, defaultIdle))); err != nil || ctx.Err() != nil {
			return
		}
		raw, err := hl7.ReadFrame(r, or(x.MaxMessage, defaultMax))
		if err != nil {
			x.ended(from, err)
			return
		}
		answer, err := x.answer(context.WithoutCancel(ctx), here, raw)
		if err != nil {
			x.log().Error("mllp: message was not taken in", "address", from.String(), "error", err)
		}
		if err := conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
			return
		}
		if err := hl7.WriteFrame(conn, answer); err != nil {
			return // the sender will send again and get the same answer
		}
	}
}

func (x *Listener) ended(from netip.Addr, err error) {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, io.EOF) {
		return
	}
	if errors.Is(err, hl7.ErrTooLong) {
		x.log().Warn("mllp: message beyond the limit, connection closed", "address", from.String())
	}
}

// answer takes a message in. A fault of the program is answered too: the sender
// keeps the message and sends it again.
func (x *Listener) answer(ctx context.Context, here []Peer, raw []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, receiveWithin)
	defer cancel()
	m, _ := hl7.Parse(raw) // an unreadable one is answered by Receive
	application := ""
	if m != nil {
		application = m.Segment("MSH").Str(3)
	}
	now := func() time.Time { return x.Service.DB.Now().In(calendar.Shanghai) }
	peer, ok := speaking(here, application)
	if !ok {
		return hl7.Acknowledge(m, hl7.Answer{Code: hl7.Reject, ID: "0", At: now(), Problems: []hl7.Problem{{
			Segment: "MSH", Field: 3, Condition: hl7.ValueNotFound, Text: "MSH-3 发送系统“" + application + "”没有登记，请联系平台管理员"}}}), nil
	}
	answer, err := x.Service.Receive(ctx, peer, raw)
	if err != nil {
		return hl7.Acknowledge(m, hl7.Answer{Code: hl7.Error, ID: "0", At: now(), Problems: []hl7.Problem{{
			Condition: hl7.Internal, Text: "平台内部错误，消息没有保存，请稍后重发"}}}), err
	}
	return answer, nil
}

func addressOfConn(conn net.Conn) netip.Addr {
	a, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}

// Listen opens the address, with TLS when config has a certificate.
func Listen(address string, config *tls.Config) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil || config == nil {
		return l, err
	}
	return tls.NewListener(l, config), nil
}
