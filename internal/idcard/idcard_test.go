package idcard_test

import (
	"strings"
	"testing"

	"yilian/internal/idcard"
)

// Vectors of GB 11643 and of the handbook, sections 9.1 and 15.
func TestParseAcceptsValidNumbers(t *testing.T) {
	for _, c := range []struct{ in, number, birth, sex, region string }{
		{"11010519491231002X", "11010519491231002X", "1949-12-31", idcard.Female, "110105"},
		{"11010519491231002x", "11010519491231002X", "1949-12-31", idcard.Female, "110105"},
		{"440524188001010014", "440524188001010014", "1880-01-01", idcard.Male, "440524"},
		{" 110105 19491231 002ｘ ", "11010519491231002X", "1949-12-31", idcard.Female, "110105"},
		{"１１０１０５19491231002X", "11010519491231002X", "1949-12-31", idcard.Female, "110105"},
		{"110105491231002", "11010519491231002X", "1949-12-31", idcard.Female, "110105"},
		{idcard.Make("431102", "2000-02-29", 17), "", "2000-02-29", idcard.Male, "431102"},
		{idcard.Make("810000", "1990-05-06", 8), "", "1990-05-06", idcard.Female, "810000"},
		{idcard.Make("911840", "1990-05-06", 8), "", "1990-05-06", idcard.Female, "911840"},
	} {
		id, err := idcard.ParseOn(c.in, "2026-03-02")
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if c.number != "" && id.Number != c.number || id.Birth != c.birth || id.Sex != c.sex || id.Region != c.region {
			t.Errorf("%s: %+v", c.in, id)
		}
	}
}

func TestParseNamesTheDefect(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "请填写身份证号码"},
		{"1101051949123100", "现在是16位"},
		{"11010519491231002", "现在是17位"},
		{"1101051949123100211", "现在是19位"},
		{"110105194912310021", "第18位校验码应为 X，现在是 1"},
		{"11010519491231002A", "第18位“A”不是数字"},
		{"1101051949123X002X", "第14位是 X"},
		{"11010549123100X", "第15位“X”不是数字"},
		{"990105194912310021", "“99”不是有效的行政区划代码"},
		{"110105199902300021", "1999年02月30日 不存在"},
		{"110105190002290021", "1900年02月29日 不存在"},
		{"110105199913010021", "1999年13月01日 不存在"},
		{"110105130001010021", "出生年份 1300 不合理"},
		{idcard.Make("431102", "2026-03-03", 1), "晚于今天"},
	} {
		_, err := idcard.ParseOn(c.in, "2026-03-02")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want …%s…", c.in, err, c.want)
		}
	}
	if _, err := idcard.ParseOn(idcard.Make("431102", "2026-03-02", 1), "2026-03-02"); err != nil {
		t.Errorf("born today: %v", err)
	}
}

func TestMaskHidesTheBirthDate(t *testing.T) {
	if got := idcard.Mask("11010519491231002X"); got != "1101************2X" {
		t.Error(got)
	}
	if got := idcard.Mask("123"); got != "***" {
		t.Error(got)
	}
}

func TestEverySingleWrongDigitIsFound(t *testing.T) {
	const good = "11010519491231002X"
	for i := range 17 {
		for d := byte('0'); d <= '9'; d++ {
			bad := good[:i] + string(d) + good[i+1:]
			if _, err := idcard.Parse(bad); (err == nil) != (bad == good) {
				t.Errorf("%s: %v", bad, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"11010519491231002X", "110105491231002", "", "x", "１１０１０５", "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := idcard.Parse(s)
		if err != nil {
			return
		}
		again, err := idcard.Parse(id.Number)
		again.Legacy = id.Legacy
		if err != nil || again != id || len(id.Number) != 18 || len(id.Birth) != 10 {
			t.Fatalf("%q: %+v, again %+v, %v", s, id, again, err)
		}
	})
}
