// Package charter keeps the charters and agreements of alliances: the parts
// that the policy asks for, what is missing, versions and their differences,
// and the benefit split, which is data that the text is written from.
package charter

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/policy"
)

// State says whether a version can still be written.
type State string

// The states of a version.
const (
	Draft      State = "draft"
	Adopted    State = "adopted"
	Superseded State = "superseded"
)

// Title is the state in Chinese.
func (s State) Title() string {
	return map[State]string{Draft: "草案", Adopted: "现行", Superseded: "已被新版接替"}[s]
}

// BenefitPart is the part that is written from the split.
const BenefitPart = "benefit"

// Pool is what is split.
type Pool string

// The pools: what is left of the year's budget, and what is missing of it.
const (
	Surplus Pool = "surplus"
	Deficit Pool = "deficit"
)

// Pools returns both.
func Pools() []Pool { return []Pool{Surplus, Deficit} }

// Title is the pool in Chinese.
func (p Pool) Title() string {
	if p == Surplus {
		return "结余"
	}
	return "超支"
}

// Share is what a party gets of a pool, in basis points (1/10,000).
type Share struct {
	Party  string // lead, township, village, reserve, or an institution's id
	Title  string
	Points int64
}

// Whole is the sum of the shares of a pool.
const Whole = 10_000

// Charter is one version.
type Charter struct {
	ID        string
	Alliance  string
	Number    int
	State     State
	AdoptedOn calendar.Date
	Basis     string
	Version   int64
	ChangedAt time.Time
	ChangedBy string
	Parts     map[string]string
	Split     map[Pool][]Share
}

// Text is what stands in a part: typed, and for the benefit part the paragraph
// written from the split before it, so that text and numbers cannot drift.
func (c Charter) Text(code string) string {
	body := strings.TrimSpace(c.Parts[code])
	if code != BenefitPart {
		return body
	}
	return strings.TrimSpace(Paragraph(c.Split) + "\n" + body)
}

// Paragraph writes a split in words.
func Paragraph(split map[Pool][]Share) string {
	var lines []string
	for _, p := range Pools() {
		if len(split[p]) == 0 {
			continue
		}
		verb := "按下列比例分配"
		if p == Deficit {
			verb = "按下列比例分担"
		}
		var parts []string
		for _, s := range split[p] {
			parts = append(parts, fmt.Sprintf("%s %s", s.Title, Percent(s.Points)))
		}
		lines = append(lines, "医保基金"+p.Title()+verb+"："+strings.Join(parts, "，")+"。")
	}
	return strings.Join(lines, "\n")
}

// Percent writes basis points: 3550 is 35.5%.
func Percent(points int64) string {
	s := fmt.Sprintf("%d.%02d", points/100, points%100)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "%"
}

// ParsePercent reads 35.5 or 35.5% as basis points.
func ParsePercent(s string) (int64, error) {
	s = strings.TrimSuffix(strings.TrimSpace(s), "%")
	whole, part, _ := strings.Cut(s, ".")
	bad := errs.E(errs.Invalid, "比例“%s”写法有误，请填写百分数，最多两位小数，例如 35.5", s)
	if len(part) > 2 || whole == "" || len(whole) > 3 {
		return 0, bad
	}
	var n int64
	for _, c := range whole + (part + "00")[:2] {
		if c < '0' || c > '9' {
			return 0, bad
		}
		n = n*10 + int64(c-'0')
	}
	if n > Whole {
		return 0, bad
	}
	return n, nil
}

// Divide splits an amount in fen by the shares: no fen is lost, what rounding
// leaves goes to the largest remainders, of equal ones to the first named.
func Divide(fen int64, shares []Share) []int64 {
	out := make([]int64, len(shares))
	sign := int64(1)
	if fen < 0 {
		sign, fen = -1, -fen
	}
	type rest struct {
		i int
		r int64
	}
	var rests []rest
	left := fen
	for i, s := range shares {
		// fen/Whole first: the product of a large amount would overflow.
		part, r := fen/Whole*s.Points, fen%Whole*s.Points
		out[i] = part + r/Whole
		left -= out[i]
		rests = append(rests, rest{i, r % Whole})
	}
	slices.SortStableFunc(rests, func(a, b rest) int { return int(b.r - a.r) })
	for _, x := range rests {
		if left <= 0 {
			break
		}
		out[x.i]++
		left--
	}
	for i := range out {
		out[i] *= sign
	}
	return out
}

// checkSplit holds a split against its sums.
func checkSplit(split map[Pool][]Share, f *errs.Form) {
	for _, p := range Pools() {
		var sum int64
		seen := map[string]bool{}
		for _, s := range split[p] {
			sum += s.Points
			if strings.TrimSpace(s.Title) == "" || s.Party == "" {
				f.Add(string(p), "%s的一方没有名称", p.Title())
			}
			if seen[s.Party] {
				f.Add(string(p), "%s中“%s”写了两次", p.Title(), s.Title)
			}
			seen[s.Party] = true
			if s.Points < 0 {
				f.Add(string(p), "%s中“%s”的比例不能是负数", p.Title(), s.Title)
			}
		}
		if len(split[p]) > 0 && sum != Whole {
			f.Add(string(p), "%s的各方比例合计 %s，应为 100%%", p.Title(), Percent(sum))
		}
	}
}

// Missing is a part that a charter still lacks.
type Missing struct{ Code, Title, Clause, Why string }

// Completeness lists what a charter lacks of the parts that the policy asks
// for. The benefit part needs a split that adds up.
func Completeness(parts []policy.Code, c Charter) []Missing {
	var out []Missing
	for _, p := range parts {
		m := Missing{Code: p.Code, Title: p.Title, Clause: p.Clause}
		switch {
		case p.Code == BenefitPart:
			var f errs.Form
			checkSplit(c.Split, &f)
			if len(c.Split[Surplus]) == 0 {
				m.Why = "没有写结余怎样分配"
			} else if len(c.Split[Deficit]) == 0 {
				m.Why = "没有写超支怎样分担"
			} else if err := f.Err(); err != nil {
				m.Why = err.Error()
			}
		case strings.TrimSpace(c.Parts[p.Code]) == "":
			m.Why = "没有内容"
		}
		if m.Why != "" {
			out = append(out, m)
		}
	}
	return out
}

// Run is a piece of text that two versions share, or that one of them has.
type Run struct {
	Text string
	Op   byte // '=' same, '-' only before, '+' only after
}

// Diff compares two texts sentence by sentence.
func Diff(before, after string) []Run {
	a, b := sentences(before), sentences(after)
	n := make([][]int, len(a)+1) // longest common tail
	for i := range n {
		n[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				n[i][j] = n[i+1][j+1] + 1
			} else {
				n[i][j] = max(n[i+1][j], n[i][j+1])
			}
		}
	}
	var out []Run
	add := func(op byte, text string) {
		if k := len(out) - 1; k >= 0 && out[k].Op == op {
			out[k].Text += text
			return
		}
		out = append(out, Run{text, op})
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			add('=', a[i])
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || n[i+1][j] >= n[i][j+1]):
			add('-', a[i])
			i++
		default:
			add('+', b[j])
			j++
		}
	}
	return out
}

// sentences parts a text after 。；，and line ends.
func sentences(s string) []string {
	var out []string
	at := 0
	for i, c := range s {
		if strings.ContainsRune("。；，\n", c) {
			end := i + len(string(c))
			out = append(out, s[at:end])
			at = end
		}
	}
	if at < len(s) {
		out = append(out, s[at:])
	}
	return out
}
