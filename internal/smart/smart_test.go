package smart_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"yilian/internal/smart"
)

func TestScopes(t *testing.T) {
	for _, x := range []struct{ in, want string }{
		{"system/Patient.rs", "system/Patient.rs"}, {"system/*.read system/Patient.write", "system/*.rs system/Patient.cud"},
		{"system/*.*", "system/*.cruds"}, {"", ""}, {"system/Patient.rs system/Patient.rs", "system/Patient.rs"},
		{"user/Patient.rs", "!"}, {"system/Patient.sr", "!"}, {"system/Patient.", "!"}, {"system/patient.rs", "!"},
		{"system/Patient.rs?code=1", "!"}, {"system/Patient.rr", "!"}, {"patient/*.read", "!"},
	} {
		s, err := smart.ParseScopes(x.in)
		if got := s.String(); x.want == "!" && err == nil || x.want != "!" && (err != nil || got != x.want) {
			t.Errorf("%q: %q %v, want %q", x.in, got, err, x.want)
		}
	}
	own, _ := smart.ParseScopes("system/*.rs system/Observation.cu")
	asked, _ := smart.ParseScopes("system/Observation.cruds system/Patient.cud")
	if got := own.Within(asked).String(); got != "system/Observation.rs system/Observation.cu" {
		t.Errorf("within: %s", got)
	}
	if own.Allow("Patient", smart.Create) || !own.Allow("Observation", smart.Create) || own.Allow("Observation", smart.Delete) {
		t.Error("the scopes allow something else")
	}
}

var b64 = base64.RawURLEncoding

func b64json(v any) string {
	raw, _ := json.Marshal(v)
	return b64.EncodeToString(raw)
}

// signer signs assertions and says its public key.
type signer struct {
	alg, jwk string
	sign     func(sum []byte) []byte
}

func signers(t *testing.T) []signer {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	rk, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return []signer{
		{"ES384", fmt.Sprintf(`{"kty":"EC","crv":"P-384","kid":"k","x":"%s","y":"%s"}`, b64.EncodeToString(point[1:49]), b64.EncodeToString(point[49:])), func(sum []byte) []byte {
			r, s, _ := ecdsa.Sign(rand.Reader, ec, sum)
			return append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
		}},
		{"RS384", fmt.Sprintf(`{"kty":"RSA","kid":"k","n":"%s","e":"%s"}`, b64.EncodeToString(rk.N.Bytes()), b64.EncodeToString(big.NewInt(int64(rk.E)).Bytes())), func(sum []byte) []byte {
			s, _ := rsa.SignPKCS1v15(nil, rk, crypto.SHA384, sum)
			return s
		}},
	}
}

func (s signer) assertion(header, claims map[string]any) string {
	signed := b64json(header) + "." + b64json(claims)
	sum := sha512.Sum384([]byte(signed))
	return signed + "." + b64.EncodeToString(s.sign(sum[:]))
}

// TestAssertions is one row for each way in which an assertion can be wrong.
func TestAssertions(t *testing.T) {
	now := time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC)
	const aud = "https://x/oauth/token"
	for _, s := range signers(t) {
		keys, err := smart.ParseKeySet(`{"keys":[` + s.jwk + `]}`)
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(h, c map[string]any){
			"good":        func(_, _ map[string]any) {},
			"aud in list": func(_, c map[string]any) { c["aud"] = []string{"y", aud} },
			"none":        func(h, _ map[string]any) { h["alg"] = "none" },
			"HS384":       func(h, _ map[string]any) { h["alg"] = "HS384" },
			"kid":         func(h, _ map[string]any) { h["kid"] = "other" },
			"crit":        func(h, _ map[string]any) { h["crit"] = []string{"x"} },
			"aud":         func(_, c map[string]any) { c["aud"] = "https://y/oauth/token" },
			"no aud":      func(_, c map[string]any) { delete(c, "aud") },
			"expired":     func(_, c map[string]any) { c["exp"] = now.Add(-2 * time.Minute).Unix() },
			"too long":    func(_, c map[string]any) { c["exp"] = now.Add(time.Hour).Unix() },
			"no exp":      func(_, c map[string]any) { delete(c, "exp") },
			"not yet":     func(_, c map[string]any) { c["nbf"] = now.Add(10 * time.Minute).Unix() },
			"sub":         func(_, c map[string]any) { c["sub"] = "other" },
			"no jti":      func(_, c map[string]any) { delete(c, "jti") },
		} {
			h := map[string]any{"alg": s.alg, "kid": "k", "typ": "JWT"}
			c := map[string]any{"iss": "his", "sub": "his", "aud": aud, "exp": now.Add(4 * time.Minute).Unix(), "jti": "1"}
			change(h, c)
			a, err := keys.Check(s.assertion(h, c), []string{aud}, now)
			if good := name == "good" || name == "aud in list"; good != (err == nil) || good && a.Client != "his" {
				t.Errorf("%s %s: %+v %v", s.alg, name, a, err)
			}
		}
		good := s.assertion(map[string]any{"alg": s.alg, "kid": "k"}, map[string]any{"iss": "his", "sub": "his", "aud": aud, "exp": now.Add(time.Minute).Unix(), "jti": "1"})
		for _, broken := range []string{good[:len(good)-8], "a.b.c", "", strings.Replace(good, ".", "", 1), good + "."} {
			if _, err := keys.Check(broken, []string{aud}, now); err == nil {
				t.Errorf("%s: %q was taken", s.alg, broken)
			}
		}
	}
}

func TestKeySetsThatAreRefused(t *testing.T) {
	for _, jwks := range []string{"", "{}", `{"keys":[]}`, `{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`,
		`{"keys":[{"kty":"oct","kid":"a","k":"c2VjcmV0"}]}`, `{"keys":[{"kty":"EC","crv":"P-384","kid":"a","x":"AA","y":"AA"}]}`,
		`{"keys":[{"kty":"EC","crv":"P-384","kid":"a","x":"AA","y":"AA","d":"AA"}]}`} {
		if _, err := smart.ParseKeySet(jwks); err == nil {
			t.Errorf("%s was taken", jwks)
		}
	}
}
