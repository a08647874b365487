package smart

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"yilian/internal/errs"
)

// AssertionType is the client_assertion_type of a signed assertion (RFC 7523).
const AssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// maxLife is the longest life of an assertion: SMART backend services, 5.1.
const maxLife = 5 * time.Minute

// skew is how far the client's clock may be off.
const skew = time.Minute

// jwk is one public key of a key set (RFC 7517).
type jwk struct {
	Kty string   `json:"kty"`
	Kid string   `json:"kid"`
	Use string   `json:"use"`
	Alg string   `json:"alg"`
	Ops []string `json:"key_ops"`
	N   string   `json:"n"`
	E   string   `json:"e"`
	Crv string   `json:"crv"`
	X   string   `json:"x"`
	Y   string   `json:"y"`
	D   string   `json:"d"`
}

// KeySet is the public keys of a client.
type KeySet struct{ keys []publicKey }

type publicKey struct {
	kid string
	alg string // RS384 or ES384
	rsa *rsa.PublicKey
	ec  *ecdsa.PublicKey
}

// ParseKeySet reads a JWKS as text. Keys for RS384 (RSA, at least 2048 bits)
// and ES384 (P-384) are taken; each needs a kid. A private key is refused.
func ParseKeySet(text string) (KeySet, error) {
	var in struct {
		Keys []jwk `json:"keys"`
	}
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return KeySet{}, errs.Because(err, errs.Invalid, "公钥集不是正确的 JSON：应为 {\"keys\":[…]}（JWKS）")
	}
	var out KeySet
	for i, k := range in.Keys {
		p, err := k.public()
		if err != nil {
			return KeySet{}, errs.Because(err, errs.Invalid, "公钥集的第 %d 个密钥不能用：%v", i+1, err)
		}
		out.keys = append(out.keys, p)
	}
	if len(out.keys) == 0 {
		return KeySet{}, errs.E(errs.Invalid, "公钥集里没有密钥：至少要有一个 RS384（RSA）或 ES384（P-384）公钥")
	}
	return out, nil
}

func (k jwk) public() (publicKey, error) {
	switch {
	case k.D != "":
		return publicKey{}, fmt.Errorf("它含有私钥，请只提供公钥，并更换这个已经泄露的密钥")
	case k.Kid == "":
		return publicKey{}, fmt.Errorf("缺少编号 kid")
	case k.Kty == "RSA" && (k.Alg == "" || k.Alg == "RS384"):
		return k.rsa()
	case k.Kty == "EC" && k.Crv == "P-384" && (k.Alg == "" || k.Alg == "ES384"):
		return k.ec()
	}
	return publicKey{}, fmt.Errorf("只支持 RS384（kty RSA）和 ES384（kty EC，crv P-384）")
}

func (k jwk) rsa() (publicKey, error) {
	n, err1 := base64.RawURLEncoding.DecodeString(k.N)
	e, err2 := base64.RawURLEncoding.DecodeString(k.E)
	if err1 != nil || err2 != nil || len(e) == 0 || len(e) > 4 {
		return publicKey{}, fmt.Errorf("n 或 e 的写法不对")
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if key.N.BitLen() < 2048 || key.N.BitLen() > 8192 || key.E < 3 || key.E%2 == 0 {
		return publicKey{}, fmt.Errorf("RSA 密钥要 2048 至 8192 位")
	}
	return publicKey{kid: k.Kid, alg: "RS384", rsa: key}, nil
}

func (k jwk) ec() (publicKey, error) {
	x, err1 := base64.RawURLEncoding.DecodeString(k.X)
	y, err2 := base64.RawURLEncoding.DecodeString(k.Y)
	if err1 != nil || err2 != nil || len(x) != 48 || len(y) != 48 {
		return publicKey{}, fmt.Errorf("x 或 y 的写法不对")
	}
	point := append(append([]byte{4}, x...), y...)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), point)
	if err != nil {
		return publicKey{}, fmt.Errorf("点不在曲线 P-384 上")
	}
	return publicKey{kid: k.Kid, alg: "ES384", ec: key}, nil
}

// Assertion is what a signed assertion says.
type Assertion struct {
	Client string    // iss and sub
	ID     string    // jti
	Until  time.Time // exp
}

type header struct {
	Alg  string   `json:"alg"`
	Kid  string   `json:"kid"`
	Typ  string   `json:"typ"`
	Crit []string `json:"crit"`
}

type claims struct {
	Iss string          `json:"iss"`
	Sub string          `json:"sub"`
	Aud json.RawMessage `json:"aud"`
	Exp float64         `json:"exp"`
	Nbf float64         `json:"nbf"`
	Jti string          `json:"jti"`
}

// ClientOf reads whose assertion it claims to be, without believing it: the
// keys to check it with are found by it.
func ClientOf(token string) (string, error) {
	_, c, _, _, err := split(token)
	return c.Iss, err
}

func split(token string) (h header, c claims, signed string, signature []byte, err error) {
	parts := strings.Split(token, ".")
	if len(token) > 16<<10 || len(parts) != 3 {
		return h, c, "", nil, errs.E(errs.Invalid, "client_assertion 不是签名的 JWT")
	}
	for i, to := range []any{&h, &c} {
		raw, derr := base64.RawURLEncoding.DecodeString(parts[i])
		if derr == nil {
			derr = json.Unmarshal(raw, to)
		}
		if derr != nil {
			return h, c, "", nil, errs.Because(derr, errs.Invalid, "client_assertion 的内容读不出来")
		}
	}
	if signature, err = base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return h, c, "", nil, errs.Because(err, errs.Invalid, "client_assertion 的签名读不出来")
	}
	return h, c, parts[0] + "." + parts[1], signature, nil
}

// Check verifies a signed assertion for one of the audiences (the address of
// the token endpoint). That its id is new is for the caller, who keeps ids.
func (s KeySet) Check(token string, audiences []string, now time.Time) (Assertion, error) {
	h, c, signed, signature, err := split(token)
	if err != nil {
		return Assertion{}, err
	}
	if len(h.Crit) > 0 || !s.signed(h, signed, signature) {
		return Assertion{}, errs.E(errs.Forbidden, "client_assertion 的签名不成立：须用已登记的公钥（kid %q）以 RS384 或 ES384 签名", h.Kid)
	}
	until := time.Unix(int64(c.Exp), 0)
	switch {
	case c.Iss == "" || c.Iss != c.Sub:
		return Assertion{}, errs.E(errs.Forbidden, "client_assertion 的 iss 和 sub 都应是客户端标识")
	case !audience(c.Aud, audiences):
		return Assertion{}, errs.E(errs.Forbidden, "client_assertion 的 aud 应是本平台的令牌地址 %s", audiences[0])
	case c.Exp <= 0 || !until.Add(skew).After(now):
		return Assertion{}, errs.E(errs.Forbidden, "client_assertion 已过期，请核对对方系统的时钟")
	case until.After(now.Add(maxLife + skew)):
		return Assertion{}, errs.E(errs.Forbidden, "client_assertion 的有效期不能超过 5 分钟")
	case c.Nbf > 0 && time.Unix(int64(c.Nbf), 0).After(now.Add(skew)):
		return Assertion{}, errs.E(errs.Forbidden, "client_assertion 还未生效，请核对对方系统的时钟")
	case c.Jti == "" || len(c.Jti) > 255:
		return Assertion{}, errs.E(errs.Forbidden, "client_assertion 缺少编号 jti")
	}
	return Assertion{Client: c.Iss, ID: c.Jti, Until: until.Add(skew)}, nil
}

func audience(raw json.RawMessage, allowed []string) bool {
	var list []string
	var one string
	if json.Unmarshal(raw, &one) == nil {
		list = []string{one}
	} else if json.Unmarshal(raw, &list) != nil {
		return false
	}
	for _, a := range list {
		for _, b := range allowed {
			if a == b {
				return true
			}
		}
	}
	return false
}

func (s KeySet) signed(h header, signed string, signature []byte) bool {
	sum := sha512.Sum384([]byte(signed))
	for _, k := range s.keys {
		if k.kid != h.Kid || k.alg != h.Alg {
			continue
		}
		if k.rsa != nil && rsa.VerifyPKCS1v15(k.rsa, crypto.SHA384, sum[:], signature) == nil {
			return true
		}
		if k.ec != nil && len(signature) == 96 &&
			ecdsa.Verify(k.ec, sum[:], new(big.Int).SetBytes(signature[:48]), new(big.Int).SetBytes(signature[48:])) {
			return true
		}
	}
	return false
}
