package library

import (
	"fmt"
	"io"

	"yilian/internal/policy"
)

// Words names keys, kinds of alliance and coded values in Chinese.
type Words struct{ Key, Kind, Value, Region func(string) string }

// Write prints a trial for a terminal.
func (t Trial) Write(w io.Writer, words Words) {
	p := t.Profile
	fmt.Fprintf(w, "%s，条款 %d 条，核对码 %s\n", p.Document(), len(p.Clauses()), p.Version)
	switch {
	case t.Same:
		fmt.Fprintln(w, "内容与使用中的完全相同")
		return
	case t.Before.ID != "":
		fmt.Fprintf(w, "代替使用中的版本 %s\n", t.Before.Version)
	default:
		fmt.Fprintln(w, "新的文件")
	}
	fmt.Fprintf(w, "按 %s 计算，%d 处答案会改变：\n", t.Day, len(t.Changes))
	for _, c := range t.Changes {
		name := words.Key(c.Key)
		if c.Kind != "" {
			name += "（" + words.Kind(c.Kind) + "）"
		}
		fmt.Fprintf(w, "  %-8s %s：%s → %s\n", words.Region(c.Region), name, words.Said(c.Before), words.Said(c.After))
	}
}

// Said is an answer with its clause.
func (w Words) Said(a *policy.Answer) string {
	if a == nil {
		return "没有规定"
	}
	return w.Value(a.Text()) + "（" + policy.ClauseTitle(a.Clause) + "）"
}
