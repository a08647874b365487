package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

// algorithms is one suite: the names that are stored with values, and the
// functions behind them.
type algorithms struct {
	seal, mac, digest, signature string

	keySize   int // bytes of the data key
	block     func(key []byte) (cipher.Block, error)
	hash      func() hash.Hash
	newSigner func() (any, error)
	isSigner  func(private any) bool
	sign      func(private any, data []byte) ([]byte, error)
	verify    func(private any, data, signature []byte) bool
}

// suites is the switch between the two; the commercial-cryptography review of
// a system asks for SM.
var suites = map[Suite]*algorithms{
	SM: {
		seal: "sm4-gcm", mac: "hmac-sm3", digest: "sm3", signature: "sm2",
		keySize: 16, block: sm4.NewCipher, hash: sm3.New,
		newSigner: func() (any, error) { return sm2.GenerateKey(rand.Reader) },
		isSigner:  func(private any) bool { _, ok := private.(*sm2.PrivateKey); return ok },
		sign: func(private any, data []byte) ([]byte, error) {
			return private.(*sm2.PrivateKey).SignWithSM2(rand.Reader, nil, data)
		},
		verify: func(private any, data, signature []byte) bool {
			return sm2.VerifyASN1WithSM2(&private.(*sm2.PrivateKey).PublicKey, nil, data, signature)
		},
	},
	Intl: {
		seal: "aes256-gcm", mac: "hmac-sha256", digest: "sha256", signature: "p256",
		keySize: 32, block: aes.NewCipher, hash: sha256.New,
		newSigner: func() (any, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		isSigner: func(private any) bool {
			k, ok := private.(*ecdsa.PrivateKey)
			return ok && k.Curve == elliptic.P256()
		},
		sign: func(private any, data []byte) ([]byte, error) {
			sum := sha256.Sum256(data)
			return ecdsa.SignASN1(rand.Reader, private.(*ecdsa.PrivateKey), sum[:])
		},
		verify: func(private any, data, signature []byte) bool {
			sum := sha256.Sum256(data)
			return ecdsa.VerifyASN1(&private.(*ecdsa.PrivateKey).PublicKey, sum[:], signature)
		},
	},
}

func (a *algorithms) digestOf(parts [][]byte) string {
	h := a.hash()
	writeParts(h, parts...)
	return a.digest + "." + hex.EncodeToString(h.Sum(nil))
}

// writeParts writes each part after its length.
func writeParts(h hash.Hash, parts ...[]byte) {
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
}

func (a *algorithms) newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != a.keySize {
		return nil, fmt.Errorf("data key of %d bytes, want %d", len(key), a.keySize)
	}
	block, err := a.block(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
