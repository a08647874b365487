package command_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"yilian/test/harness"
)

// TestGracefulStop asks the program to end while an event stream is open and a
// form is half sent: the stream ends, the form is answered and stored.
func TestGracefulStop(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		password := s.admins(t)["system-admin"]
		p := s.serve(t)
		c := p.Client()
		firstSignIn(t, c, "system-admin", password)
		form := harness.Form(newAccount(t, s, "zhou0001")...).Encode()

		stream := openStream(t, p, c)
		post := halfPost(t, p, c, "/accounts", form)
		p.Signal(syscall.SIGTERM)
		if _, err := io.ReadAll(stream); err != nil {
			t.Errorf("the event stream did not end well: %v", err)
		}
		harness.Until(t, "nobody new is let in", func() bool {
			conn, err := net.Dial("tcp", p.Address())
			if err == nil {
				_ = conn.Close() // only the refusal counts
			}
			return err != nil
		})
		if p.Ended() {
			t.Fatal("the program ended before the request was answered")
		}
		if status := post.finish(t); status != http.StatusOK {
			t.Errorf("the request under way was answered with %d", status)
		}
		if code := p.Wait(); code != 0 || p.Stderr() != "" {
			t.Errorf("exit code %d: %s", code, p.Stderr())
		}
		allThere(t, s, []string{"zhou0001"})
		good(t, s.run(t, "audit", "verify"), "待封存 0 条")
	})
}

// openStream opens the event stream of a page and reads its beginning.
func openStream(t *testing.T, p *harness.Process, c *harness.Client) io.Reader {
	t.Helper()
	res, err := c.HTTP.Get(p.URL() + "/events")
	must(t, err)
	t.Cleanup(func() { _ = res.Body.Close() }) // read to its end already
	body := bufio.NewReader(res.Body)
	if line, err := body.ReadString('\n'); err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(line, "retry:") {
		t.Fatalf("event stream: %d %q %v", res.StatusCode, line, err)
	}
	return body
}

// half is a request of which the body is sent in two parts.
type half struct {
	conn   net.Conn
	answer *bufio.Reader
	rest   string
}

func halfPost(t *testing.T, p *harness.Process, c *harness.Client, path, form string) half {
	t.Helper()
	conn, err := net.Dial("tcp", p.Address())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // answered already
	u, err := url.Parse(p.URL())
	must(t, err)
	var cookies []string
	for _, cookie := range c.HTTP.Jar.Cookies(u) {
		cookies = append(cookies, cookie.Name+"="+cookie.Value)
	}
	cut := len(form) / 2
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		path, p.Address(), strings.Join(cookies, "; "), len(form))
	must(t, err)
	// The server has begun with the request when it asks for its body.
	must(t, conn.SetDeadline(time.Now().Add(harness.Patience)))
	answer := bufio.NewReader(conn)
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
		t.Fatalf("half a request: %q %v", line, err)
	}
	if _, err := answer.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(conn, form[:cut])
	must(t, err)
	return half{conn, answer, form[cut:]}
}

func (h half) finish(t *testing.T) int {
	t.Helper()
	_, err := io.WriteString(h.conn, h.rest)
	must(t, err)
	res, err := http.ReadResponse(h.answer, nil)
	must(t, err)
	defer res.Body.Close()
	return res.StatusCode
}
