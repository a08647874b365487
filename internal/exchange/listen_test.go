package exchange_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/exchange"
	"yilian/internal/exchange/hl7"
)

// listen starts a listener for one peer of the loopback address and returns
// where it listens and a function that ends it.
func (w *world) listen(t *testing.T, config ...exchange.PeerConfig) (address string, end func()) {
	t.Helper()
	peers := dbtest.View(t, w.DB, func(tx *db.Tx) ([]exchange.Peer, error) { return exchange.Peers(ctx, tx, config) })
	l, err := exchange.Listen("127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	life, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	x := &exchange.Listener{Service: w.s, Peers: peers, MaxMessage: 1 << 16}
	go func() { done <- x.Serve(life, l) }()
	return l.Addr().String(), func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the listener ended with %v", err)
		}
	}
}

func (w *world) config() exchange.PeerConfig {
	return exchange.PeerConfig{Name: w.peer.Name, Institution: w.Hospital.Name, Addresses: []string{"127.0.0.0/8"}}
}

// exchangeOne sends one message over a connection and returns the code.
func exchangeOne(conn net.Conn, r *bufio.Reader, raw string) (string, error) {
	if err := hl7.WriteFrame(conn, []byte(raw)); err != nil {
		return "", err
	}
	answer, err := hl7.ReadFrame(r, 1<<16)
	if err != nil {
		return "", err
	}
	m, err := hl7.Parse(answer)
	if err != nil {
		return "", err
	}
	return m.Segment("MSA").Str(1), nil
}

func dial(t *testing.T, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn, bufio.NewReader(conn)
}

func TestManyConnectionsAreServedAndTheEndWaits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		address, end := w.listen(t, w.config())
		raws := make([]string, 24)
		for i := range raws {
			raws[i] = w.adt("A04", pid("", fmt.Sprintf("M%d", i), fmt.Sprintf("赵^%c", '一'+rune(i)), "19700101", "M"), clinic(fmt.Sprintf("L%d", i)))
		}
		var group sync.WaitGroup
		for c := range 4 {
			group.Go(func() {
				conn, r := dial(t, address)
				for i := c; i < len(raws); i += 4 {
					if code, err := exchangeOne(conn, r, raws[i]); err != nil || code != "AA" {
						t.Errorf("message %d: %s %v", i, code, err)
					}
				}
			})
		}
		group.Wait()
		idle, r := dial(t, address)
		end()
		if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("an idle connection after the end: %v", err)
		}
		_ = idle
		if n := count(t, d, `SELECT count(*) FROM encounter`); n != len(raws) {
			t.Errorf("%d encounters of %d messages", n, len(raws))
		}
	})
}

func TestOnlyPeersAreHeard(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	c := w.config()
	c.Application = "HIS"
	address, end := w.listen(t, c)
	defer end()
	conn, r := dial(t, address)
	raw := w.adt("A04", pid("", "M1", "赵^一", "19700101", "M"), clinic("L1"))
	if code, err := exchangeOne(conn, r, strings.Replace(raw, "|HIS|", "|OTHER|", 1)); err != nil || code != "AR" {
		t.Errorf("an application that is not registered: %s %v", code, err)
	}
	if code, err := exchangeOne(conn, r, raw); err != nil || code != "AA" {
		t.Errorf("the registered one: %s %v", code, err)
	}
	if _, err := exchangeOne(conn, r, strings.Repeat("x", 1<<17)); err == nil {
		t.Error("a message beyond the limit is answered")
	}

	far := w.config()
	far.Addresses = []string{"10.9.9.9"}
	address, endFar := w.listen(t, far)
	defer endFar()
	conn, r = dial(t, address)
	if _, err := exchangeOne(conn, r, raw); err == nil {
		t.Error("an address that no peer has is answered")
	}
}

func TestPeersAreChecked(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	err := d.View(ctx, func(tx *db.Tx) error {
		_, err := exchange.Peers(ctx, tx, []exchange.PeerConfig{
			{Name: "", Institution: w.Hospital.Name, Addresses: []string{"10.1.1.1"}},
			{Name: "A", Institution: "没有的医院", Addresses: []string{"x"}}, {Name: "A", Institution: w.Hospital.Name}})
		return err
	})
	for _, want := range []string{"第 1 项：name", "没有的医院", `地址 "x"`, "第 3 项：name", "至少写一个地址"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// TestWhatIsNotCommittedIsNotAcknowledged closes the database under the
// listener: the answer is an error, or none, but never AA.
func TestWhatIsNotCommittedIsNotAcknowledged(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	address, end := w.listen(t, w.config())
	conn, r := dial(t, address)
	if code, err := exchangeOne(conn, r, w.adt("A04", pid("", "M1", "赵^一", "19700101", "M"), clinic("L1"))); err != nil || code != "AA" {
		t.Fatalf("%s %v", code, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	code, err := exchangeOne(conn, r, w.adt("A04", pid("", "M2", "赵^二", "19700102", "M"), clinic("L2")))
	if err == nil && code != "AE" {
		t.Errorf("acknowledged with %s although nothing was kept", code)
	}
	end()
}

// TestSendersAboutOnePersonQueue: eight senders that write about one person at
// once are all answered AA, and everything they said is there.
func TestSendersAboutOnePersonQueue(t *testing.T) {
	const senders, each = 8, 12
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		address, end := w.listen(t, w.config())
		defer end()
		raws := make([]string, senders*each)
		for i := range raws {
			raws[i] = w.adt("A04", pid(card, "M1", "李^秀英", "19580409", "F"), clinic(fmt.Sprintf("L%d", i)))
		}
		var group sync.WaitGroup
		for c := range senders {
			conn, r := dial(t, address)
			group.Go(func() {
				for i := c; i < len(raws); i += senders {
					if code, err := exchangeOne(conn, r, raws[i]); err != nil || code != "AA" {
						t.Errorf("message %d: %s %v", i, code, err)
					}
				}
			})
		}
		group.Wait()
		if n := count(t, d, `SELECT count(*) FROM encounter`); n != len(raws) {
			t.Errorf("%d encounters of %d messages", n, len(raws))
		}
		if n := count(t, d, `SELECT count(DISTINCT patient) FROM encounter`); n != 1 {
			t.Errorf("%d persons", n)
		}
	})
}
