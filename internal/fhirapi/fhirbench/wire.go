package fhirbench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"yilian/internal/errs"
)

// wire is one client: a connection that is kept, without the pool and the
// goroutines of http.Client, which on the same two cores would be a tenth of
// what is measured.
type wire struct {
	net.Conn
	in   *bufio.Reader
	head string // of every request, from the version on
	out  []byte
}

func dial(ctx context.Context, addr, token string) (*wire, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	head := " HTTP/1.1\r\nHost: " + addr + "\r\nAuthorization: Bearer " + token + "\r\nContent-Type: application/fhir+json\r\nContent-Length: "
	return &wire{Conn: conn, in: bufio.NewReaderSize(conn, 64<<10), head: head}, nil
}

// request sends one request and reads the answer to its end.
func (w *wire) request(method, path, body string) error {
	out := append(w.out[:0], method+" /fhir"+path+w.head...)
	out = append(strconv.AppendInt(out, int64(len(body)), 10), "\r\n\r\n"...)
	w.out = append(out, body...)
	if _, err := w.Write(w.out); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return errs.E(errs.Internal, "%s %s: %d %s", method, path, resp.StatusCode, text)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
