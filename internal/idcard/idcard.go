// Package idcard reads the numbers of resident identity cards (GB 11643): it
// checks them, says in Chinese what is wrong, and derives birth date, sex and
// region, so that nobody types what the number already tells.
package idcard

import (
	"fmt"
	"strings"
	"time"

	"yilian/internal/errs"
)

// Sexes of GB/T 2261.1 as far as a card number can tell them.
const (
	Male   = "1"
	Female = "2"
)

// ID is a checked identity number and what follows from it.
type ID struct {
	Number string // 18 characters, upper-case X
	Birth  string // YYYY-MM-DD
	Sex    string // GB/T 2261.1: Male or Female
	Region string // GB/T 2260 code of the place of first registration
	Legacy bool   // typed with 15 digits and converted
}

var weights = [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}

const checkDigits = "10X98765432"

// provinces are the first two digits of GB/T 2260, with 81–83 for the residence
// permits of people from Hong Kong, Macao and Taiwan.
const provinces = " 11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83 "

// Parse checks a number of 18 characters or of 15 digits (issued until 1999).
// Spaces, hyphens and full-width digits are accepted, as is a lower-case x.
func Parse(s string) (ID, error) {
	number := Normalize(s)
	legacy := false
	switch n := len([]rune(number)); {
	case n == 0:
		return ID{}, invalid("请填写身份证号码")
	case n != 18 && n != 15:
		return ID{}, invalid("身份证号码应为18位，现在是%d位，请核对是否漏填或多填", n)
	case n == 15:
		legacy = true
	}
	if err := onlyDigits(number, legacy); err != nil {
		return ID{}, err
	}
	if legacy {
		number = number[:6] + "19" + number[6:]
		number += string(CheckDigit(number))
	}
	if !knownRegion(number) {
		return ID{}, invalid("身份证号码前两位“%s”不是有效的行政区划代码，请核对前6位", number[:2])
	}
	birth, err := birthDate(number[6:14])
	if err != nil {
		return ID{}, err
	}
	if want := CheckDigit(number[:17]); number[17] != want {
		return ID{}, invalid("身份证号码第18位校验码应为 %c，现在是 %c，请核对号码", want, number[17])
	}
	sex := Female
	if (number[16]-'0')%2 == 1 {
		sex = Male
	}
	return ID{Number: number, Birth: birth, Sex: sex, Region: number[:6], Legacy: legacy}, nil
}

// ParseOn is Parse that also refuses a birth date after today (YYYY-MM-DD).
func ParseOn(s, today string) (ID, error) {
	id, err := Parse(s)
	if err != nil {
		return ID{}, err
	}
	if id.Birth > today {
		return ID{}, invalid("身份证号码中的出生日期 %s 晚于今天（%s），请核对第7至14位", id.Birth, today)
	}
	return id, nil
}

// CheckDigit returns the 18th character that belongs to 17 digits.
func CheckDigit(first17 string) byte {
	sum := 0
	for i, w := range weights {
		sum += int(first17[i]-'0') * w
	}
	return checkDigits[sum%11]
}

// Make builds a number from a region of six digits, a birth date (YYYY-MM-DD)
// and a sequence of 0 to 999; odd sequences are male. It serves the generator
// of synthetic persons and tests.
func Make(region, birth string, sequence int) string {
	first := region + strings.ReplaceAll(birth, "-", "") + fmt.Sprintf("%03d", sequence%1000)
	return first + string(CheckDigit(first))
}

// Mask shows the first four and the last two characters of a number, which is
// what a screen may show before somebody asks for the whole.
func Mask(number string) string {
	if len(number) <= 6 {
		return strings.Repeat("*", len(number))
	}
	return number[:4] + strings.Repeat("*", len(number)-6) + number[len(number)-2:]
}

// Normalize removes spaces and hyphens, narrows full-width digits and raises x.
func Normalize(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == '-' || r == '\u3000' || r == '\u00a0':
			return -1
		case r >= '０' && r <= '９':
			return r - '０' + '0'
		case r == 'x' || r == 'ｘ' || r == 'Ｘ':
			return 'X'
		}
		return r
	}, s)
}

func onlyDigits(number string, legacy bool) error {
	for i, r := range []rune(number) {
		if r >= '0' && r <= '9' || !legacy && i == 17 && r == 'X' {
			continue
		}
		if r == 'X' && !legacy {
			return invalid("身份证号码第%d位是 X，X 只能出现在第18位", i+1)
		}
		return invalid("身份证号码第%d位“%c”不是数字，请核对", i+1, r)
	}
	return nil
}

// knownRegion accepts the provinces and, for permanent residence cards of
// foreigners, a leading 9 followed by the province of issue.
func knownRegion(number string) bool {
	province := number[:2]
	if number[0] == '9' {
		province = number[1:3]
	}
	return strings.Contains(provinces, " "+province+" ")
}

func birthDate(digits string) (string, error) {
	text := digits[:4] + "-" + digits[4:6] + "-" + digits[6:]
	if digits[:2] != "18" && digits[:2] != "19" && digits[:2] != "20" {
		return "", invalid("身份证号码中的出生年份 %s 不合理，请核对第7至10位", digits[:4])
	}
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return "", invalid("身份证号码中的出生日期 %s年%s月%s日 不存在，请核对第7至14位", digits[:4], digits[4:6], digits[6:])
	}
	return text, nil
}

func invalid(format string, args ...any) error { return errs.E(errs.Invalid, format, args...) }
