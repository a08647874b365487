// Package clients_test lets software that others have written use the running
// program: FHIR clients and an HL7 v2 sender from npm, at the versions that
// scripts/test.sh pins. Without Node or the packages it fails.
package clients_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yilian/internal/account"
	"yilian/internal/app"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/organization"
	"yilian/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const hospital = "永州市第四人民医院"

// site is a running program with one registered client.
type site struct {
	*harness.Process
	cfg    app.Config
	secret string
}

// serve prepares a database, registers the client his of the hospital, and
// starts the program on it. Further lines stand in its configuration.
func serve(t *testing.T, target string, lines ...string) site {
	t.Helper()
	dir := t.TempDir()
	s := site{cfg: app.Config{Database: target, KeyFile: filepath.Join(dir, "yilian.keys")}}
	a, err := app.Open(t.Context(), s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	var org organization.Organization
	err = a.DB.View(t.Context(), func(tx *db.Tx) (err error) { org, err = organization.ByName(t.Context(), tx, hospital); return err })
	if err == nil {
		s.secret, err = a.Accounts.CreateClient(t.Context(), audit.Program("准备"), account.Client{ID: "his", Name: "医院信息系统", Org: org.ID, Scopes: "system/*.cruds"})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	lines = append([]string{`address = "127.0.0.1:0"`, fmt.Sprintf("database = %q", target), fmt.Sprintf("key_file = %q", s.cfg.KeyFile)}, lines...)
	s.Process = harness.Start(t, "serve", "--config", harness.Config(t, dir, lines...))
	return s
}

// token asks for an access token as a simple client does.
func (s site) token(t *testing.T) string {
	t.Helper()
	resp, err := http.PostForm(s.URL()+"/oauth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"his"}, "client_secret": {s.secret}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("no token: %s %v", resp.Status, err)
	}
	return answer.Token
}

// node runs a script of this folder to its end and returns what it printed.
func node(t *testing.T, script string, args ...string) string {
	t.Helper()
	packages := os.Getenv("TEST_FHIR_PACKAGES")
	if packages == "" { // where scripts/test.sh puts them
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		packages = filepath.Join(cache, "yilian", "npm")
	}
	if _, err := os.Stat(filepath.Join(packages, "node_modules", "fhir-kit-client")); err != nil {
		t.Fatalf("the npm packages of scripts/test.sh are not in %s: run `make test` once, or name their folder by TEST_FHIR_PACKAGES", packages)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "node", append([]string{script, packages}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

func TestForeignFHIRClients(t *testing.T) {
	harness.EachEngine(t, func(t *testing.T, target string) {
		s := serve(t, target)
		out := node(t, "fhir.mjs", s.URL()+"/fhir", s.token(t))
		for _, want := range []string{"ok fhir-kit-client", "ok fhirclient", "ok medplum-core", "all clients are served"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	})
}

func TestForeignMLLPPeer(t *testing.T) {
	harness.EachEngine(t, func(t *testing.T, target string) {
		port := freePort(t)
		s := serve(t, target, "[mllp]", fmt.Sprintf("address = \"127.0.0.1:%s\"", port),
			"[[mllp.peers]]", `name = "四医院HIS"`, fmt.Sprintf("institution = %q", hospital), `addresses = ["127.0.0.1"]`)
		if out := node(t, "hl7.mjs", port); !strings.Contains(out, "all messages are answered") {
			t.Errorf("the peer says\n%s", out)
		}
		s.Stop()
		a, err := app.Open(t.Context(), s.cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		counts := map[string]int64{
			`SELECT count(*) FROM patient`:                                    1,
			`SELECT count(*) FROM encounter WHERE current`:                    1,
			`SELECT count(*) FROM record_resource WHERE type = 'Observation'`: 1,
			`SELECT count(*) FROM exchange_message WHERE state = 'placed'`:    53,
		}
		for query, want := range counts {
			var got int64
			err := a.DB.View(t.Context(), func(tx *db.Tx) (err error) { got, err = db.Count(t.Context(), tx, query); return err })
			if err != nil || got != want {
				t.Errorf("%s is %d, want %d: %v", query, got, want, err)
			}
		}
	})
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
