package crypto

import (
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
	"pgregory.net/rapid"

	"yilian/internal/errs"
)

func eachSuite(t *testing.T, fn func(t *testing.T, k *Keyring)) {
	for _, suite := range []Suite{SM, Intl} {
		t.Run(string(suite), func(t *testing.T) { fn(t, Ephemeral(suite)) })
	}
}

// TestStandardVectors holds the algorithms to the examples of GB/T 32905 (SM3),
// GB/T 32907 (SM4) and RFC 8998 (SM4-GCM).
func TestStandardVectors(t *testing.T) {
	if got := fmt.Sprintf("%x", sm3.Sum([]byte("abc"))); got != "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0" {
		t.Errorf("SM3(abc) = %s", got)
	}
	if got := fmt.Sprintf("%x", sm3.Sum([]byte(strings.Repeat("abcd", 16)))); got != "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732" {
		t.Errorf("SM3(abcd x16) = %s", got)
	}
	key := unhex(t, "0123456789abcdeffedcba9876543210")
	block, err := sm4.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 16)
	block.Encrypt(out, key)
	if got := hex.EncodeToString(out); got != "681edf34d206965e86b3e94f536e4246" {
		t.Errorf("SM4 = %s", got)
	}
	aead, err := suites[SM].newAEAD(key)
	if err != nil {
		t.Fatal(err)
	}
	plain := unhex(t, "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa")
	box := aead.Seal(nil, unhex(t, "00001234567800000000abcd"), plain, unhex(t, "feedfacedeadbeeffeedfacedeadbeefabaddad2"))
	want := "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d" +
		"83de3541e4c2b58177e065a9bf7b62ec"
	if got := hex.EncodeToString(box); got != want {
		t.Errorf("SM4-GCM = %s", got)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealedValuesOpenUnderTheirContextOnly(t *testing.T) {
	eachSuite(t, func(t *testing.T, k *Keyring) {
		rapid.Check(t, func(t *rapid.T) {
			plain, context := rapid.String().Draw(t, "plain"), rapid.String().Draw(t, "context")
			sealed, err := k.Seal(plain, context)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := k.Open(sealed, context); err != nil || got != plain {
				t.Fatalf("opened %q, %v", got, err)
			}
			if !k.Current(sealed) {
				t.Fatal("fresh value is not current")
			}
			if other := rapid.String().Draw(t, "other"); other != context {
				if _, err := k.Open(sealed, other); err == nil {
					t.Fatal("opened under another context")
				}
			}
			i := rapid.IntRange(0, len(sealed)-1).Draw(t, "i")
			b := rapid.Byte().Draw(t, "b")
			if b != sealed[i] {
				forged := sealed[:i] + string([]byte{b}) + sealed[i+1:]
				if got, err := k.Open(forged, context); err == nil {
					t.Fatalf("forged %q opened as %q", forged, got)
				}
			}
		})
	})
}

func TestSealingTwiceDiffers(t *testing.T) {
	eachSuite(t, func(t *testing.T, k *Keyring) {
		a, _ := k.Seal("张三", "x")
		b, _ := k.Seal("张三", "x")
		if a == b {
			t.Error("equal values are recognisable")
		}
	})
}

func TestLabels(t *testing.T) {
	for suite, want := range map[Suite][4]string{
		SM:   {"sm4-gcm.1.", "hmac-sm3.1.", "sm3.", "sm2.1."},
		Intl: {"aes256-gcm.1.", "hmac-sha256.1.", "sha256.", "p256.1."},
	} {
		k := Ephemeral(suite)
		sealed, err := k.Seal("a", "b")
		if err != nil {
			t.Fatal(err)
		}
		sig, err := k.Sign([]byte("a"))
		if err != nil {
			t.Fatal(err)
		}
		for i, got := range []string{sealed, k.Index("d", "v"), k.Digest([]byte("x")), sig} {
			if !strings.HasPrefix(got, want[i]) {
				t.Errorf("%s: %q does not begin with %q", suite, got, want[i])
			}
		}
	}
}

func TestIndexIsStableAndSeparatesDomains(t *testing.T) {
	eachSuite(t, func(t *testing.T, k *Keyring) {
		first := k.Index("phone", "139")
		if again := k.Index("phone", "139"); again != first {
			t.Error("not stable")
		}
		for _, other := range []string{k.Index("idcard", "139"), k.Index("phone1", "39"), k.Index("phone", "138"), Ephemeral(SM).Index("phone", "139")} {
			if other == k.Index("phone", "139") {
				t.Error("two values share an index")
			}
		}
	})
}

func TestDigestKnowsWhereAPartEnds(t *testing.T) {
	eachSuite(t, func(t *testing.T, k *Keyring) {
		if k.Digest([]byte("ab"), []byte("c")) == k.Digest([]byte("a"), []byte("bc")) {
			t.Error("parts run together")
		}
		d := k.Digest([]byte("x"))
		algorithm, _, _ := strings.Cut(d, ".")
		if again, err := Ephemeral(SM).DigestAs(algorithm, []byte("x")); err != nil || again != d {
			t.Errorf("%s as %s: %s %v", d, algorithm, again, err)
		}
		if _, err := k.DigestAs("md5", nil); err == nil {
			t.Error("unknown algorithm accepted")
		}
	})
}

func TestSignatures(t *testing.T) {
	eachSuite(t, func(t *testing.T, k *Keyring) {
		sig, err := k.Sign([]byte("处方"))
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Verify([]byte("处方"), sig); err != nil {
			t.Error(err)
		}
		if err := k.Verify([]byte("处方2"), sig); !errs.Is(err, errs.Invalid) {
			t.Errorf("changed data: %v", err)
		}
		for _, bad := range []string{"", "sm2", "sm2.1", "sm2.1.", "p256.1.AAAA", "sm2.1.AAAA", sig[:len(sig)-4], "x" + sig} {
			if err := k.Verify([]byte("处方"), bad); !errs.Is(err, errs.Invalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if err := Ephemeral(k.set.Load().file.Keys[0].Suite).Verify([]byte("处方"), sig); err == nil {
			t.Error("another key accepted the signature")
		}
	})
}

func TestRotationKeepsOldValues(t *testing.T) {
	eachSuite(t, func(t *testing.T, k *Keyring) {
		old, _ := k.Seal("李四", "c")
		oldIndex, oldSig := k.Index("d", "v"), must(k.Sign([]byte("m")))
		if err := k.Rotate(); err != nil {
			t.Fatal(err)
		}
		if got, err := k.Open(old, "c"); err != nil || got != "李四" {
			t.Errorf("%q %v", got, err)
		}
		if k.Current(old) {
			t.Error("old value counts as current")
		}
		if fresh, _ := k.Seal("李四", "c"); !k.Current(fresh) {
			t.Error("new value is not current")
		}
		if err := k.Verify([]byte("m"), oldSig); err != nil {
			t.Error(err)
		}
		all := k.Indexes("d", "v")
		if len(all) != 2 || all[0] != k.Index("d", "v") || all[1] != oldIndex || all[0] == all[1] {
			t.Errorf("indexes %v, old %s", all, oldIndex)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestUnknownKeyIsNamed(t *testing.T) {
	k, later := Ephemeral(SM), Ephemeral(SM)
	if err := later.Rotate(); err != nil {
		t.Fatal(err)
	}
	sealed := must(later.Seal("a", "b"))
	_, err := k.Open(sealed, "b")
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "第 2 号密钥") {
		t.Errorf("%v", err)
	}
	if err := k.Verify([]byte("a"), must(later.Sign([]byte("a")))); !errs.Is(err, errs.Unavailable) {
		t.Errorf("%v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	k := must(Create(t.TempDir()+"/keys.json", SM))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 50 {
				sealed, err := k.Seal("v", "c")
				if err != nil {
					t.Error(err)
					return
				}
				if i == 25 {
					if err := k.Rotate(); err != nil {
						t.Error(err)
					}
				}
				if got, err := k.Open(sealed, "c"); err != nil || got != "v" {
					t.Errorf("%q %v", got, err)
				}
			}
		})
	}
	all.Wait()
	if n := len(k.Indexes("d", "v")); n != 9 {
		t.Errorf("%d keys after eight rotations", n)
	}
}

func FuzzOpen(f *testing.F) {
	k := Ephemeral(SM)
	sealed := must(k.Seal("王五", "c"))
	for _, s := range []string{"", ".", "..", "sm4-gcm.1.", "sm4-gcm.01.AA", "sm4-gcm.9.AA", "aes256-gcm.1.AAAA", sealed, sealed + "\n", sealed + "="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := k.Open(s, "c")
		if err == nil && (s != sealed || got != "王五") {
			t.Errorf("%q opened as %q", s, got)
		}
		if err != nil && errs.KindOf(err) == errs.Internal && err.Error() == "" {
			t.Error("an error without a sentence")
		}
		_ = k.Verify([]byte("x"), s) // must not panic
	})
}
