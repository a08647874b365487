package crypto

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yilian/internal/errs"
)

func TestKeyFileRoundTrip(t *testing.T) {
	for _, suite := range []Suite{SM, Intl} {
		path := filepath.Join(t.TempDir(), "new", "keys.json")
		k := must(Create(path, suite))
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v %v", info.Mode(), err)
		}
		sealed, sig, index := must(k.Seal("a", "b")), must(k.Sign([]byte("m"))), k.Index("d", "v")
		again := must(Load(path))
		if got, err := again.Open(sealed, "b"); err != nil || got != "a" {
			t.Errorf("%q %v", got, err)
		}
		if err := again.Verify([]byte("m"), sig); err != nil {
			t.Error(err)
		}
		if again.Index("d", "v") != index {
			t.Error("index changed")
		}
	}
}

func TestCreateNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	must(Create(path, SM))
	before := must(os.ReadFile(path))
	_, err := Create(path, SM)
	if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "已经存在") {
		t.Errorf("%v", err)
	}
	if !bytes.Equal(before, must(os.ReadFile(path))) {
		t.Error("the key file was overwritten")
	}
	if left := must(filepath.Glob(path + ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := Create(path+"2", "rot13"); !errs.Is(err, errs.Invalid) {
		t.Errorf("unknown suite: %v", err)
	}
}

func TestRotationReachesOtherProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	one := must(Create(path, Intl))
	two := must(Load(path))
	if err := one.Rotate(); err != nil {
		t.Fatal(err)
	}
	if got, err := two.Open(must(one.Seal("a", "b")), "b"); err != nil || got != "a" {
		t.Errorf("%q %v", got, err)
	}
	if err := two.Rotate(); err != nil { // adds to what the first has written
		t.Fatal(err)
	}
	if err := one.Rotate(); err != nil {
		t.Fatal(err)
	}
	if n := len(must(Load(path)).Indexes("d", "v")); n != 4 {
		t.Errorf("%d key sets", n)
	}
	if info := must(os.Stat(path)); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestInterruptedRotationIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	k := must(Create(path, SM))
	if err := os.WriteFile(path+".new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := must(os.ReadFile(path))
	err := k.Rotate()
	if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), path+".new") {
		t.Errorf("%v", err)
	}
	if !bytes.Equal(before, must(os.ReadFile(path))) {
		t.Error("the key file changed")
	}
}

func TestKeyFileFaultsAreNamed(t *testing.T) {
	dir := t.TempDir()
	good := string(must(os.ReadFile(func() string {
		must(Create(filepath.Join(dir, "good.json"), SM))
		return filepath.Join(dir, "good.json")
	}())))
	for name, text := range map[string]string{
		"empty":         "",
		"half":          good[:len(good)/2],
		"unknown field": strings.Replace(good, `"active"`, `"aktive"`, 1),
		"no active":     strings.Replace(good, `"active": 1`, `"active": 7`, 1),
		"other suite":   strings.Replace(good, `"sm"`, `"intl"`, 1),
		"other format":  strings.Replace(good, format, "keys-9", 1),
		"two objects":   good + good,
		"short index":   strings.Replace(good, `"index": "`, `"index": "", "x": "`, 1),
	} {
		path := filepath.Join(dir, "bad.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "损坏") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load(filepath.Join(dir, "none.json")); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "找不到密钥文件") {
		t.Errorf("missing: %v", err)
	}
	if _, err := Load(dir); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "无法读取") {
		t.Errorf("unreadable: %v", err)
	}
}

func TestWidePermissionsAreAWarning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	must(Create(path, SM))
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	if _, err := Load(path); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "0644") {
		t.Errorf("no warning: %q", log.String())
	}
}

func TestPasswords(t *testing.T) {
	hash := must(HashPassword("正确 horse"))
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%s", hash)
	}
	if ok, err := CheckPassword(hash, "正确 horse"); err != nil || !ok {
		t.Errorf("%v %v", ok, err)
	}
	if ok, err := CheckPassword(hash, "正确 Horse"); err != nil || ok {
		t.Errorf("%v %v", ok, err)
	}
	if hash == must(HashPassword("正确 horse")) {
		t.Error("no salt")
	}
	// The reference vector of the argon2 command: echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1
	const reference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, err := CheckPassword(reference, "password"); err != nil || !ok {
		t.Errorf("reference vector: %v %v", ok, err)
	}
	for _, bad := range []string{
		"", "x", "$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAA", "$argon2id$v=16$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=19456,t=2,p=0$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=19456,t=2,p=1$!!$AAAA", "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$AAAA",
	} {
		if ok, err := CheckPassword(bad, "password"); err == nil || ok {
			t.Errorf("%q: %v %v", bad, ok, err)
		}
	}
}
