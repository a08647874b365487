// Package crypto seals, indexes, digests and signs values with the keys of one
// key file, which lies outside the database. Two suites stand behind one
// switch: the commercial cryptography of China (SM2, SM3, SM4) and the
// international one. Every result carries its algorithm and key number, so
// that keys and suites can change while old values stay readable.
package crypto

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"yilian/internal/errs"
)

// Suite names a set of algorithms.
type Suite string

const (
	SM   Suite = "sm"   // SM4-GCM, HMAC-SM3, SM3, SM2
	Intl Suite = "intl" // AES-256-GCM, HMAC-SHA-256, SHA-256, ECDSA P-256
)

// Keyring is the content of one key file. It is safe for concurrent use.
type Keyring struct {
	path string // "" for an ephemeral keyring

	mu  sync.Mutex // held while the file is read again or rotated
	set atomic.Pointer[keyset]
}

// encoding is strict, so that one sealed value has exactly one spelling.
var encoding = base64.RawStdEncoding.Strict()

// Seal encrypts plain under the active data key. The context (for example
// "patient.name/<id>") is bound to the value: it opens only under the same one,
// so that a value moved to another row or column is refused.
func (k *Keyring) Seal(plain, context string) (string, error) {
	key := k.set.Load().active
	head := key.label(key.alg.seal)
	nonce := make([]byte, key.aead.NonceSize(), key.aead.NonceSize()+len(plain)+key.aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	box := key.aead.Seal(nonce, nonce, []byte(plain), []byte(head+context))
	return head + encoding.EncodeToString(box), nil
}

// Open decrypts what Seal made, under any key of the file.
func (k *Keyring) Open(sealed, context string) (string, error) {
	algorithm, number, body, ok := split(sealed)
	if !ok {
		return "", damaged(fmt.Errorf("not a sealed value (%d bytes)", len(sealed)))
	}
	key, err := k.find(number)
	if err != nil {
		return "", err
	}
	if key.alg.seal != algorithm {
		return "", damaged(fmt.Errorf("algorithm %q, but key %d is for %q", algorithm, number, key.alg.seal))
	}
	if strings.ContainsAny(body, "\r\n") { // the decoder would skip them
		return "", damaged(fmt.Errorf("line break in a sealed value"))
	}
	box, err := encoding.DecodeString(body)
	if err != nil {
		return "", damaged(err)
	}
	n := key.aead.NonceSize()
	if len(box) < n+key.aead.Overhead() {
		return "", damaged(fmt.Errorf("only %d bytes", len(box)))
	}
	plain, err := key.aead.Open(nil, box[:n], box[n:], []byte(key.label(algorithm)+context))
	if err != nil {
		return "", damaged(err)
	}
	return string(plain), nil
}

// SealBytes is Seal for bodies that are stored as bytes: a third shorter and
// without a copy as text. The value begins with its label like any other.
func (k *Keyring) SealBytes(plain []byte, context string) ([]byte, error) {
	key := k.set.Load().active
	head := key.label(key.alg.seal)
	n := key.aead.NonceSize()
	out := make([]byte, len(head)+n, len(head)+n+len(plain)+key.aead.Overhead())
	copy(out, head)
	nonce := out[len(head):]
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return key.aead.Seal(out, nonce, plain, []byte(head+context)), nil
}

// OpenBytes decrypts what SealBytes made, under any key of the file.
func (k *Keyring) OpenBytes(sealed []byte, context string) ([]byte, error) {
	algorithm, rest, ok1 := bytes.Cut(sealed, []byte("."))
	digits, box, ok2 := bytes.Cut(rest, []byte("."))
	number, err := strconv.Atoi(string(digits))
	if !ok1 || !ok2 || err != nil || strconv.Itoa(number) != string(digits) {
		return nil, damaged(fmt.Errorf("not a sealed value (%d bytes)", len(sealed)))
	}
	key, err := k.find(number)
	if err != nil {
		return nil, err
	}
	if key.alg.seal != string(algorithm) {
		return nil, damaged(fmt.Errorf("algorithm %q, but key %d is for %q", algorithm, number, key.alg.seal))
	}
	n := key.aead.NonceSize()
	if len(box) < n+key.aead.Overhead() {
		return nil, damaged(fmt.Errorf("only %d bytes", len(box)))
	}
	head := len(sealed) - len(box)
	bound := append(append(make([]byte, 0, head+len(context)), sealed[:head]...), context...)
	plain, err := key.aead.Open(nil, box[:n], box[n:], bound)
	if err != nil {
		return nil, damaged(err)
	}
	return plain, nil
}

// Current reports whether sealed was made under the active key; when not, it
// should be sealed again.
func (k *Keyring) Current(sealed string) bool {
	key := k.set.Load().active
	return strings.HasPrefix(sealed, key.label(key.alg.seal))
}

// CurrentBytes is Current for what SealBytes made.
func (k *Keyring) CurrentBytes(sealed []byte) bool {
	key := k.set.Load().active
	return bytes.HasPrefix(sealed, []byte(key.label(key.alg.seal)))
}

// Index returns the keyed hash of value under the active index key, for equal
// look-ups of values that are stored sealed. Equal values of two domains (for
// example "idcard" and "phone") have different hashes.
func (k *Keyring) Index(domain, value string) string {
	return k.set.Load().active.index(domain, value)
}

// Indexes returns the hash under every index key of the file, the active one
// first: during a rotation rows of both kinds are found.
func (k *Keyring) Indexes(domain, value string) []string {
	set := k.set.Load()
	out := make([]string, 0, len(set.keys))
	out = append(out, set.active.index(domain, value))
	for i := len(set.keys) - 1; i >= 0; i-- {
		if key := set.keys[i]; key != set.active {
			out = append(out, key.index(domain, value))
		}
	}
	return out
}

func (key *key) index(domain, value string) string {
	mac := hmac.New(key.alg.hash, key.indexKey)
	writeParts(mac, []byte(domain), []byte(value))
	return key.label(key.alg.mac) + hex.EncodeToString(mac.Sum(nil))
}

// Digest returns the unkeyed hash of parts in the algorithm of the active
// suite. Each part is preceded by its length: ("ab","c") and ("a","bc") differ.
func (k *Keyring) Digest(parts ...[]byte) string {
	return k.set.Load().active.alg.digestOf(parts)
}

// DigestAs returns the hash of parts in a named algorithm, "sm3" or "sha256",
// to check a digest that was made before the suite changed.
func (k *Keyring) DigestAs(algorithm string, parts ...[]byte) (string, error) {
	for _, alg := range suites {
		if alg.digest == algorithm {
			return alg.digestOf(parts), nil
		}
	}
	return "", errs.E(errs.Internal, "不认识的摘要算法“%s”：请升级程序后重试", algorithm)
}

// Sign signs data with the active signing key.
func (k *Keyring) Sign(data []byte) (string, error) {
	key := k.set.Load().active
	sig, err := key.alg.sign(key.signKey, data)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return key.label(key.alg.signature) + encoding.EncodeToString(sig), nil
}

// Verify checks what Sign made, under any key of the file.
func (k *Keyring) Verify(data []byte, signature string) error {
	algorithm, number, body, ok := split(signature)
	if !ok {
		return badSignature(fmt.Errorf("not a signature (%d bytes)", len(signature)))
	}
	key, err := k.find(number)
	if err != nil {
		return err
	}
	sig, err := encoding.DecodeString(body)
	if err != nil {
		return badSignature(err)
	}
	if key.alg.signature != algorithm || !key.alg.verify(key.signKey, data, sig) {
		return badSignature(fmt.Errorf("does not match key %d", number))
	}
	return nil
}

// split takes "algorithm.number.body" apart.
func split(s string) (algorithm string, number int, body string, ok bool) {
	algorithm, rest, ok1 := strings.Cut(s, ".")
	digits, body, ok2 := strings.Cut(rest, ".")
	number, err := strconv.Atoi(digits)
	if !ok1 || !ok2 || err != nil || strconv.Itoa(number) != digits {
		return "", 0, "", false
	}
	return algorithm, number, body, true
}

// damaged is an internal fault: the user cannot mend it, the log must have it.
func damaged(cause error) error {
	return errs.Because(cause, errs.Internal, "加密数据无法还原：数据已损坏、被改动，或不属于这个位置。请通知系统管理员核对备份")
}

func badSignature(cause error) error {
	return errs.Because(cause, errs.Invalid, "签名不成立：内容或签名被改动过")
}
