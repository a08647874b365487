package crypto

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of argon2id: 19 MiB, two passes (OWASP's first choice).
const (
	passMemory  = 19 * 1024 // KiB
	passTime    = 2
	passThreads = 1
	passSalt    = 16
	passHash    = 32
)

// passSlots bounds how many hashes are computed at once: a wave of sign-ins
// then waits instead of filling the memory of a county server. It belongs to
// the process, whose memory it bounds, not to a caller.
var passSlots = make(chan struct{}, 2)

// HashPassword returns the argon2id hash of password as a PHC string.
func HashPassword(password string) (string, error) {
	salt := make([]byte, passSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	sum := derive(password, salt, passTime, passMemory, passThreads, passHash)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, passMemory, passTime, passThreads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum)), nil
}

// CheckPassword reports whether hash is the hash of password. An error means
// that hash itself cannot be read.
func CheckPassword(hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return false, fmt.Errorf("check password: not an argon2id hash")
	}
	var version int
	var memory, passes uint32
	var threads uint8
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, fmt.Errorf("check password: version %q", parts[2])
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads); err != nil {
		return false, fmt.Errorf("check password: cost %q", parts[3])
	}
	// A forged hash must not be able to exhaust the machine.
	if memory < 8 || memory > 256*1024 || passes < 1 || passes > 10 || threads < 1 || threads > 8 {
		return false, fmt.Errorf("check password: cost %q is out of bounds", parts[3])
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("check password: salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) < 16 || len(want) > 64 {
		return false, fmt.Errorf("check password: sum of %d bytes", len(want))
	}
	got := derive(password, salt, passes, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

func derive(password string, salt []byte, passes, memory uint32, threads uint8, size uint32) []byte {
	passSlots <- struct{}{}
	defer func() { <-passSlots }()
	return argon2.IDKey([]byte(password), salt, passes, memory, threads, size)
}
