package patient

import (
	"strconv"
	"strings"
	"unicode"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/idcard"
	"yilian/internal/pinyin"
)

// query is what a typed line means.
type query struct {
	han     string        // characters of the name, from the left or of the given name
	letters string        // spelling or initials
	number  string        // a whole identity number
	phone   string        // a whole phone number
	tail    string        // last four of either
	year    int           // birth year
	born    calendar.Date // birth date
	sex     string
}

// parseQuery reads words in any order: 张桂兰 · zgl · zhangguilan · 王 1965 ·
// zgl 女 · 002X · 13800000000 · 19650312.
func parseQuery(text string, today calendar.Date) (query, error) {
	var q query
	for _, word := range split(text) {
		first := []rune(word)[0]
		switch {
		case first >= '0' && first <= '9':
			if err := q.digits(word, today); err != nil {
				return query{}, err
			}
		case (word == "男" || word == "女") && (q.han != "" || q.letters != ""):
			q.sex = map[string]string{"男": Male, "女": Female}[word]
		case first < 128 || unicode.Is(unicode.Latin, first):
			q.letters += pinyin.Fold(word)
		default:
			q.han += plainName(word)
		}
	}
	if tooShort(q) {
		return query{}, errs.E(errs.Invalid, "请至少输入两个汉字或两个字母，例如“张桂”“zgl”；也可以输入身份证号、手机号或它们的后四位")
	}
	return q, nil
}

func tooShort(q query) bool {
	if q.number != "" || q.phone != "" || q.tail != "" || q.born != "" {
		return false
	}
	if q.year != 0 {
		return q.han == "" && q.letters == ""
	}
	return len([]rune(q.han)) < 2 && len(q.letters) < 2
}

func (q *query) digits(word string, today calendar.Date) error {
	switch n := len(word); {
	case n == 15 || n == 18:
		id, err := idcard.ParseOn(word, string(today))
		if err != nil {
			return err
		}
		q.number = id.Number
	case n == 8 && digits(word):
		d, err := calendar.ParseDate(word[:4] + "-" + word[4:6] + "-" + word[6:])
		if err != nil {
			return err
		}
		q.born = d
	case mobile(word) || landline(word):
		q.phone = word
	case n == 4:
		q.tail = word
		if year, err := strconv.Atoi(word); err == nil && year >= 1900 && year <= today.Year() {
			q.year = year // with a name it may be either; see Service.Search
		}
	default:
		return errs.E(errs.Invalid, "数字“%s”有%d位：请输入身份证号18位、手机号11位、出生日期8位（如19650312），或证件号、手机号的后四位", word, n)
	}
	return nil
}

// split cuts a line where spaces are and where the kind of character changes
// (张gl, 王1965); an X after digits belongs to them.
func split(text string) []string {
	var out []string
	var word []rune
	last := 0
	for _, r := range narrow(text) {
		kind := kindOf(r)
		if kind == letter && last == digit && (r == 'x' || r == 'X') {
			kind, r = digit, 'X'
		}
		if kind != last && len(word) > 0 {
			out = append(out, string(word))
			word = word[:0]
		}
		if kind != space {
			word = append(word, r)
		}
		last = kind
	}
	if len(word) > 0 {
		out = append(out, string(word))
	}
	return out
}

const (
	space = iota + 1
	digit
	letter
	character
)

func kindOf(r rune) int {
	switch {
	case r >= '0' && r <= '9':
		return digit
	case unicode.Is(unicode.Han, r):
		return character
	case unicode.IsLetter(r) && (r < 128 || unicode.Is(unicode.Latin, r)), r == '\'':
		return letter
	case unicode.IsLetter(r), r == '·':
		return character
	}
	return space
}

// narrow turns full-width letters, digits and signs into ASCII.
func narrow(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '！' && r <= '～' {
			return r - '！' + '!'
		}
		return r
	}, s)
}
