package fhirapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/db/dbtest"
)

// TestTokens: a secret by either way, a signed assertion once, and nothing for
// anybody else; tokens end with time and with the client.
func TestTokens(t *testing.T) {
	each(t, func(w *world) {
		t, ctx := w.TB, w.Context()
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		b64 := base64.RawURLEncoding.EncodeToString
		jwks := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-384","kid":"k","x":"%s","y":"%s"}]}`, b64(point[1:49]), b64(point[49:]))
		secret, err := w.accounts.CreateClient(ctx, audit.Program("test"), account.Client{ID: "lab", Name: "检验系统", Org: "hosp", Scopes: "system/Observation.cruds", KeySet: jwks})
		if err != nil {
			t.Fatal(err)
		}
		ask := func(form url.Values, user ...string) (status int, body map[string]any) {
			form.Set("grant_type", "client_credentials")
			r, err := http.NewRequest(http.MethodPost, w.http.URL+"/oauth/token", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			if len(user) == 2 {
				r.SetBasicAuth(user[0], user[1])
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			_ = json.NewDecoder(resp.Body).Decode(&body)
			return resp.StatusCode, body
		}
		if status, body := ask(url.Values{"scope": {"system/Observation.rs"}}, "lab", secret); status != 200 || body["scope"] != "system/Observation.rs" || body["token_type"] != "bearer" {
			t.Errorf("basic: %d %v", status, body)
		}
		status, body := ask(url.Values{"client_id": {"lab"}, "client_secret": {secret}})
		if status != 200 {
			t.Fatalf("post: %d %v", status, body)
		}
		w.token, _ = body["access_token"].(string)
		w.call("GET", "/fhir/Observation", "").is(200)
		if status, body := ask(url.Values{}, "lab", secret+"x"); status != 401 || body["error"] != "invalid_client" {
			t.Errorf("wrong secret: %d %v", status, body)
		}
		if status, body := ask(url.Values{"scope": {"system/Patient.rs"}}, "lab", secret); status != 400 || body["error"] != "invalid_scope" {
			t.Errorf("scope: %d %v", status, body)
		}
		head, _ := json.Marshal(map[string]string{"alg": "ES384", "kid": "k"})
		claims, _ := json.Marshal(map[string]any{"iss": "lab", "sub": "lab", "aud": w.http.URL + "/oauth/token", "jti": "1", "exp": dbtest.Clock.Add(2 * time.Minute).Unix()})
		signed := b64(head) + "." + b64(claims)
		sum := sha512.Sum384([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		assertion := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion": {signed + "." + b64(append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...))}}
		if status, body := ask(assertion); status != 200 {
			t.Errorf("assertion: %d %v", status, body)
		}
		if status, body := ask(assertion); status != 401 {
			t.Errorf("the same assertion again: %d %v", status, body)
		}
		if err := w.accounts.SetClientActive(ctx, audit.Program("test"), "lab", false); err != nil {
			t.Fatal(err)
		}
		dbtest.SetClock(w.db, dbtest.Clock.Add(3*time.Second))
		w.call("GET", "/fhir/Observation", "").is(401)
		w.token = w.client("other", "system/*.rs")
		dbtest.SetClock(w.db, dbtest.Clock.Add(6*time.Minute))
		w.call("GET", "/fhir/Observation", "").is(401, "过期")
	})
}
