package account

import (
	"crypto/rand"
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"yilian/internal/crypto"
	"yilian/internal/errs"
)

//go:embed common.txt
var commonText string

// common holds passwords that everybody tries first, lower case, sorted out of
// public lists and the habits of clinics.
var common = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for _, line := range strings.Fields(commonText) {
		m[line] = true
	}
	return m
})

const (
	minPassword = 10
	maxPassword = 128
	history     = 5 // the last passwords that may not be used again
)

// checkPassword applies the rules for a new password, all that are broken at
// once (GB/T 22239-2019 8.1.4.1: complexity). The last five are checked by the
// caller, who has the hashes.
func checkPassword(f *errs.Form, login, name, password string) {
	const field = "password"
	n := utf8.RuneCountInString(password)
	lower := strings.ToLower(password)
	switch {
	case password == "":
		f.Add(field, "请填写新密码")
		return
	case n < minPassword:
		f.Add(field, "新密码太短：只有 %d 位，至少 %d 位。可以用一句容易记的话，再加上数字", n, minPassword)
		return
	case n > maxPassword:
		f.Add(field, "新密码太长：最多 %d 位", maxPassword)
		return
	}
	if strings.TrimSpace(password) != password {
		f.Add(field, "新密码的开头和结尾不能是空格")
	}
	if login != "" && (lower == login || len(login) >= 4 && strings.Contains(lower, login)) {
		f.Add(field, "新密码不能是登录名，也不能包含登录名")
	}
	if utf8.RuneCountInString(name) >= 2 && strings.Contains(password, name) {
		f.Add(field, "新密码不能包含本人姓名")
	}
	if common()[lower] || common()[strings.TrimRight(lower, "!.@#")] || monotone(lower) {
		f.Add(field, "这个密码太常见，容易被猜中，请换一个")
	} else if kinds(password) < 2 {
		f.Add(field, "新密码要含有字母、数字、符号（或汉字）中的至少两类")
	}
}

// kinds counts the kinds of characters: letters, digits, the rest.
func kinds(s string) int {
	var letter, digit, other int
	for _, r := range s {
		switch {
		case unicode.IsDigit(r):
			digit = 1
		case r < utf8.RuneSelf && unicode.IsLetter(r):
			letter = 1
		default:
			other = 1
		}
	}
	return letter + digit + other
}

// monotone reports whether s is one character over and over, a short piece
// repeated, or a run such as abcdefghij.
func monotone(s string) bool {
	r := []rune(s)
	for size := 1; size <= 3; size++ {
		if repeats(r, size) {
			return true
		}
	}
	step := r[1] - r[0]
	if step != 1 && step != -1 {
		return false
	}
	for i := 1; i < len(r); i++ {
		if r[i]-r[i-1] != step {
			return false
		}
	}
	return true
}

func repeats(r []rune, size int) bool {
	for i := size; i < len(r); i++ {
		if r[i] != r[i-size] {
			return false
		}
	}
	return true
}

// usedBefore reports whether the password is one of the hashes.
func usedBefore(password string, hashes []string) (bool, error) {
	for _, h := range hashes {
		same, err := crypto.CheckPassword(h, password)
		if err != nil || same {
			return same, err
		}
	}
	return false, nil
}

// readable are characters that cannot be mistaken for one another on paper.
const readable = "23456789abcdefghjkmnpqrstuvwxyz"

// randomText returns groups of four readable characters joined by hyphens:
// about 20 bits a group.
func randomText(groups int) string {
	b := make([]byte, 0, groups*5)
	buf := make([]byte, 1)
	for len(b) < groups*5-1 {
		if len(b)%5 == 4 {
			b = append(b, '-')
			continue
		}
		_, _ = rand.Read(buf) // crypto/rand.Read never fails
		// Values past the last full round would favour the first characters.
		if limit := 256 - 256%len(readable); int(buf[0]) < limit {
			b = append(b, readable[int(buf[0])%len(readable)])
		}
	}
	return string(b)
}

// initialPassword returns a random password that satisfies checkPassword.
func initialPassword() string {
	for {
		p := randomText(3)
		letter := strings.ContainsFunc(p, unicode.IsLetter)
		digit := slices.ContainsFunc([]byte(p), func(c byte) bool { return c >= '0' && c <= '9' })
		if letter && digit {
			return p
		}
	}
}

// decoy is a hash that no password matches. Checking against it makes an
// unknown login name take as long as a wrong password.
type decoy struct {
	once sync.Once
	hash string
	err  error
}

func (d *decoy) get() (string, error) {
	d.once.Do(func() { d.hash, d.err = crypto.HashPassword(randomText(8)) })
	return d.hash, d.err
}
