package pinyin_test

import (
	"slices"
	"strings"
	"testing"

	"yilian/internal/pinyin"
)

func TestSurnamesHaveAllTheirReadings(t *testing.T) {
	for _, c := range []struct {
		name string
		full []string
	}{
		{"单雄信", []string{"shanxiongxin", "danxiongxin"}},
		{"曾国藩", []string{"zengguofan", "cengguofan"}},
		{"解珍", []string{"xiezhen", "jiezhen"}},
		{"仇英", []string{"qiuying", "chouying"}},
		{"区志强", []string{"ouzhiqiang", "quzhiqiang"}},
		{"盖叫天", []string{"gejiaotian", "gaijiaotian"}},
		{"查良镛", []string{"zhaliangyong", "chaliangyong"}},
		{"任伟", []string{"renwei"}},
		{"朴正", []string{"piaozheng", "puzheng"}},
		{"尹志平", []string{"yinzhiping"}},
		{"覃丽", []string{"qinli", "tanli"}},
		{"翟志刚", []string{"zhaizhigang", "dizhigang"}},
		{"乐嘉", []string{"yuejia", "lejia"}},
		{"尉迟恭", []string{"yuchigong", "weichigong"}},
		{"万俟卨", []string{"moqixie", "wansixie"}},
		{"长孙无忌", []string{"zhangsunwuji"}},
		{"欧阳修", []string{"ouyangxiu"}},
		{"令狐冲", []string{"linghuchong"}},
		{"吕布", []string{"lubu"}},
		{"张桂兰", []string{"zhangguilan"}},
		{"阿依·古丽", []string{"eyiguli", "ayiguli"}},
		{"", nil},
	} {
		var got []string
		for _, s := range pinyin.Spellings(c.name) {
			got = append(got, s.Full)
		}
		if !slices.Equal(got, c.full) {
			t.Errorf("%s: %q, want %q", c.name, got, c.full)
		}
	}
}

func TestInitialsAndGivenName(t *testing.T) {
	for _, c := range []struct{ name, initials, given string }{
		{"张桂兰", "zgl", "guilan"}, {"欧阳娜", "oyn", "na"}, {"单丹", "sd", "dan"}, {"王", "w", ""},
	} {
		got := pinyin.Spellings(c.name)[0]
		if got.Initials != c.initials || got.Given != c.given {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	if all := pinyin.Spellings("单丹"); all[1].Initials != "dd" {
		t.Errorf("second reading: %+v", all)
	}
}

func TestFoldMakesLvAndLuMeet(t *testing.T) {
	for _, typed := range []string{"lv", "LU", "lü", "lyu", "l v"} {
		if got := pinyin.Fold(typed); got != "lu" {
			t.Errorf("%s: %s", typed, got)
		}
	}
	if got := pinyin.Fold("chenyu"); got != "chenyu" {
		t.Error(got)
	}
	if got := pinyin.Fold("xi'an"); got != "xian" {
		t.Error(got)
	}
}

func TestReadingsOfManyPolyphonesAreBounded(t *testing.T) {
	if n := len(pinyin.Spellings("单乐乐乐乐乐")); n > 8 {
		t.Errorf("%d spellings", n)
	}
}

func TestInitialsOfAnyText(t *testing.T) {
	if got := pinyin.Initials("2型糖尿病"); got != "2xtnb" {
		t.Error(got)
	}
	if got := pinyin.Full("零陵区"); got != "lingling"+"qu" {
		t.Error(got)
	}
}

func FuzzSpellings(f *testing.F) {
	f.Add("张桂兰")
	f.Add("\xff·A1")
	f.Fuzz(func(t *testing.T, name string) {
		for _, s := range pinyin.Spellings(name) {
			if len(s.Initials) > len(s.Full) || !strings.HasSuffix(s.Full, s.Given) {
				t.Fatalf("%q: %+v", name, s)
			}
		}
		pinyin.Initials(name)
		pinyin.Fold(name)
	})
}
