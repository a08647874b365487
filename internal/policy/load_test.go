package policy_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"yilian/internal/errs"
	"yilian/internal/policy"
)

const head = `[profile]
id = "a"
code = "A"
title = "甲"
issuer = "甲局"
valid_from = "2020-01-01"
jurisdiction = "4311"
`

// clause begins on line 9 of a profile that starts with head.
const clause = `
[[clauses]]
id = "A-1"
kind = "rule"
summary = "甲一"
`

func one(text string) fstest.MapFS {
	return fstest.MapFS{"a/profile.toml": &fstest.MapFile{Data: []byte(text)}}
}

func TestLoadNamesFileAndLine(t *testing.T) {
	rows := []struct{ name, text, want string }{
		{"unknown field", head + clause + "[[clauses.rules]]\nkey = \"k\"\nvaleu = true\nbool = true\n", `profiles/a/profile.toml 第 15 行：不认识的字段 "valeu"`},
		{"unknown field in a code", head + clause + "[[clauses.rules]]\nkey = \"k\"\ncodes = [{ code = \"x\", titel = \"y\" }]\n", `profiles/a/profile.toml 第 15 行：不认识的字段 "titel"`},
		{"unknown table", head + "[[clausess]]\nid = \"A-1\"\n", `第 8 行：不认识的字段 "clausess"`},
		{"broken syntax", head + "[[clauses\n", `profiles/a/profile.toml 第 8 行：`},
		{"wrong type", head + clause + "starter = \"yes\"\n", `第 13 行：字段 "starter" 的值类型不对`},
		{"bad kind", head + strings.Replace(clause, `"rule"`, `"rul"`, 1), `第 10 行：条款 A-1 的 kind "rul" 有误`},
		{"no summary", head + strings.Replace(clause, `"甲一"`, `""`, 1), `第 10 行：条款 A-1 缺少 summary`},
		{"foreign id", head + strings.Replace(clause, "A-1", "B-1", 1), `第 10 行：条款编号 "B-1" 应以 "A-" 开头`},
		{"twice the same clause", head + clause + clause, `条款 A-1 重复`},
		{"no value", head + clause + "[[clauses.rules]]\nkey = \"k\"\n", `第 14 行：k：没有值`},
		{"two values", head + clause + "[[clauses.rules]]\nkey = \"k\"\nint = 1\nbool = true\n", `第 14 行：k：只能有一个值`},
		{"bad deadline", head + clause + "[[clauses.rules]]\nkey = \"k\"\ndeadline = \"2 hours\"\n", `第 14 行：k：期限 "2 hours" 写法有误`},
		{"bad key", head + clause + "[[clauses.rules]]\nkey = \"K K\"\nint = 1\n", `第 14 行：条款 A-1 的键 "K K" 有误`},
		{"30 February", head + clause + "[[clauses.rules]]\nkey = \"k\"\nint = 1\nvalid_from = \"2021-02-30\"\n", `第 14 行：k 的 valid_from：“2021-02-30”不是有效日期`},
		{"ends before it begins", head + clause + "[[clauses.rules]]\nkey = \"k\"\nint = 1\nvalid_from = \"2021-02-03\"\nvalid_to = \"2021-02-02\"\n", `有效期止 2021-02-02 早于`},
		{"unknown kind of alliance", head + clause + "[[clauses.rules]]\nkey = \"k\"\nint = 1\nkinds = [\"group\"]\n", `第 14 行：不认识的医联体类型 "group"`},
		{"strictest of texts", head + clause + "[[clauses.rules]]\nkey = \"k\"\ntext = \"x\"\ncombine = \"strictest_min\"\n", `第 14 行：k：这种值没有大小`},
		{"union of numbers", head + clause + "[[clauses.rules]]\nkey = \"k\"\nint = 1\ncombine = \"union\"\n", `第 14 行：k：只有清单可以合并`},
		{"unknown combine", head + clause + "[[clauses.rules]]\nkey = \"k\"\nint = 1\ncombine = \"max\"\n", `combine "max" 有误`},
		{"same code twice", head + clause + "[[clauses.rules]]\nkey = \"k\"\ncodes = [{ code = \"x\", title = \"y\" }, { code = \"x\", title = \"z\" }]\n", `第 14 行：k：代码 "x" 重复`},
		{"contradiction", head + clause + "[[clauses.rules]]\nkey = \"k\"\nint = 1\nvalid_to = \"2020-06-30\"\n" + strings.Replace(clause, "A-1", "A-2", 1) + "[[clauses.rules]]\nkey = \"k\"\nint = 2\nvalid_from = \"2020-06-30\"\n", `第 23 行：k 重复：条款 A-1 与 A-2`},
		{"region outside", head + clause + "[[clauses.rules]]\nkey = \"k\"\nint = 1\nregion = \"410101\"\n", `第 14 行：k：地区 "410101" 不在本文件适用地区 "4311" 之内`},
		{"target without baseline", head + clause + "[[clauses.targets]]\nindicator = \"i\"\nop = \">=\"\nvalue = 1\nunit = \"percent\"\nmeasure = \"growth\"\n", `第 14 行：i：增长或变化要写明 baseline`},
		{"target with a strange sign", head + clause + "[[clauses.targets]]\nindicator = \"i\"\nop = \"=>\"\nvalue = 1\nunit = \"percent\"\n", `第 14 行：i：op "=>" 有误`},
		{"fact without institution", head + clause + "[[supports]]\nsupporter = \"x\"\nsupported = \"y\"\nclause = \"A-1\"\n", `第 15 行：没有机构 "x"`},
		{"fact without clause", head + clause + "[[institutions]]\nid = \"x\"\nname = \"某院\"\nclause = \"A-9\"\n", `第 15 行：某院 引用的条款 "A-9" 不在本文件里`},
		{"folder and id differ", strings.Replace(head, `"a"`, `"b"`, 1), `第 2 行：id "b" 与文件夹名 "a" 不一致`},
		{"no title", strings.Replace(head, `"甲"`, `""`, 1), `第 1 行：[profile] 缺少 title`},
		{"bad jurisdiction", strings.Replace(head, `"4311"`, `"永州"`, 1), `第 7 行：适用地区 "永州" 不是行政区划代码`},
		{"no head", clause, `profiles/a：缺少 [profile]`},
		{"adopts what is not there", head + clause + "adopts = \"JS-5.3\"\n", `第 10 行：条款 A-1 采用的条款 "JS-5.3" 不在已载入的其他文件里`},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			_, err := policy.Load(one(r.text))
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), r.want) {
				t.Errorf("got  %v\nwant %s", err, r.want)
			}
		})
	}
	if _, err := policy.Load(fstest.MapFS{}); !errs.Is(err, errs.Invalid) {
		t.Errorf("no profile at all: %v", err)
	}
}

func TestLoadReportsAllFaultsAtOnce(t *testing.T) {
	f := one(head + strings.Replace(clause, `"rule"`, `"rul"`, 1) + "[[clauses.rules]]\nkey = \"k\"\n")
	_, err := policy.Load(f)
	if n := strings.Count(err.Error(), "\n") + 1; n != 2 {
		t.Errorf("%d faults: %v", n, err)
	}
}

func TestSharedKeysAgree(t *testing.T) {
	other := strings.NewReplacer(`"a"`, `"b"`, `"A"`, `"B"`, "A-1", "B-1", "4311", "43")
	load := func(x, y string) error {
		f := one(head + clause + "[[clauses.rules]]\nkey = \"k\"\n" + x)
		f["b/profile.toml"] = &fstest.MapFile{Data: []byte(other.Replace(head + clause + "[[clauses.rules]]\nkey = \"k\"\n" + y))}
		_, err := policy.Load(f)
		return err
	}
	if err := load("int = 1\n", "bool = true\n"); err == nil || !strings.Contains(err.Error(), "profiles/b/profile.toml 第 14 行：k 的值类型是 bool，而条款 A-1 里是 int") {
		t.Errorf("types: %v", err)
	}
	if err := load("int = 1\ncombine = \"strictest_min\"\n", "int = 2\ncombine = \"strictest_max\"\n"); err == nil || !strings.Contains(err.Error(), "combine") {
		t.Errorf("combine: %v", err)
	}
	if err := load("int = 1\ncombine = \"strictest_min\"\n", "int = 2\n"); err != nil {
		t.Errorf("left open: %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(head + clause)
	f.Add(head + clause + "[[clauses.rules]]\nkey = \"k\"\ncodes = [{ code = \"x\", title = \"y\" }]\n")
	f.Add(head + clause + "[[clauses.targets]]\nindicator = \"i\"\nop = \">=\"\nvalue = 1\nunit = \"percent\"\n")
	f.Add(head + "[[institutions]]\nid = \"x\"\n[[phases]]\nname = \"y\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := policy.Load(one(text))
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, p := range b.Profiles() {
			if p.Version == "" || p.ID != "a" {
				t.Fatalf("%+v", p)
			}
		}
	})
}
