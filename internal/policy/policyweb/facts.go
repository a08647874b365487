package policyweb

import (
	"fmt"
	"strconv"
	"strings"

	"yilian/internal/policy"
	"yilian/internal/region"
	"yilian/internal/web"
)

// members says how many members an alliance has in the document.
func members(f policy.Facts, alliance string) string {
	n := 0
	for _, m := range f.Memberships {
		if m.Alliance == alliance && m.Role != "lead" {
			n++
		}
	}
	if n == 0 {
		return "文件没有列名"
	}
	return strconv.Itoa(n) + " 家"
}

// tied names the other side of a tie.
func tied(t policy.Tie) string {
	parts := make([]string, 0, len(t.Regions)+1)
	if t.With != "" {
		parts = append(parts, t.With)
	}
	for _, code := range t.Regions {
		parts = append(parts, region.NameOf(code))
	}
	return strings.Join(parts, "、")
}

// posts lists the posts of a body with who holds them.
func posts(b policy.Body) string {
	parts := make([]string, len(b.Posts))
	for i, p := range b.Posts {
		parts[i] = p.Title
		switch {
		case p.Min > 0 && p.Max > p.Min:
			parts[i] += fmt.Sprintf("（%d—%d 名）", p.Min, p.Max)
		case p.Min > 0 && p.Max == p.Min:
			parts[i] += fmt.Sprintf("（%d 名）", p.Min)
		}
		if p.HeldBy != "" {
			parts[i] += "：" + p.HeldBy
		}
	}
	return web.Dash(strings.Join(parts, "；"))
}
