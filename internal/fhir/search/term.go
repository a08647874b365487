package search

import (
	"math/big"
	"strconv"
	"strings"

	"yilian/internal/fhir/spec"
)

// terms reads the alternatives of a condition.
func (p *parser) terms(c Clause, pair Pair, target string) (Clause, bool) {
	values := splitEscaped(pair.Value, ',')
	if len(values) > maxTerms {
		p.wrong(pair, "一个参数的值不能超过 %d 个", maxTerms)
		return c, false
	}
	ok := true
	for _, value := range values {
		var t Term
		var fault string
		if value == "" {
			fault = "逗号之间缺少值"
		} else if c.Param.Type == spec.CompositeParam {
			t, fault = p.composite(c.Param, value)
		} else {
			t, fault = p.term(c.Param, c.Modifier, value, target)
		}
		if fault != "" {
			p.wrong(pair, "%s", fault)
			ok = false
			continue
		}
		c.Terms = append(c.Terms, t)
	}
	return c, ok
}

func (p *parser) composite(param *Param, value string) (Term, string) {
	parts := splitEscaped(value, '$')
	if len(parts) != len(param.Components) {
		return nil, "组合参数应当由 " + strconv.Itoa(len(param.Components)) + " 个值用 $ 连接"
	}
	var t CompositeTerm
	for i, part := range parts {
		if part == "" {
			return nil, "组合参数的每一部分都要有值"
		}
		term, fault := p.term(param.Components[i], Plain, part, "")
		if fault != "" {
			return nil, fault
		}
		t.Parts = append(t.Parts, term)
	}
	return t, ""
}

// term reads one alternative. fault says what is wrong with it.
func (p *parser) term(param *Param, modifier Modifier, value, target string) (t Term, fault string) {
	switch modifier {
	case TextOf:
		return textTerm(value)
	case In, NotIn:
		return SetTerm{unescape(value)}, ""
	case OfTypeModifier:
		return ofTypeTerm(value)
	case IdentifierOf:
		return tokenTerm(value)
	}
	switch param.Type {
	case spec.TokenParam:
		return tokenTerm(value)
	case spec.StringParam:
		return textTerm(value)
	case spec.ReferenceParam:
		return referenceTerm(param, value, target)
	case spec.DateParam:
		return p.dateTerm(unescape(value))
	case spec.NumberParam:
		return numberTerm(unescape(value))
	case spec.QuantityParam:
		return quantityTerm(value)
	case spec.URIParam:
		return URITerm{unescape(value)}, ""
	case spec.SpecialParam:
		return nearTerm(value)
	}
	return nil, "不支持这种参数"
}

// splitEscaped splits at a separator that no backslash stands before. The parts
// keep their escapes.
func splitEscaped(s string, separator byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

var unescaper = strings.NewReplacer(`\\`, `\`, `\,`, `,`, `\|`, `|`, `\$`, `$`)

func unescape(s string) string { return unescaper.Replace(s) }

func tokenTerm(value string) (Term, string) {
	parts := splitEscaped(value, '|')
	switch {
	case len(parts) == 1:
		return TokenTerm{AnySystem: true, Code: unescape(value)}, ""
	case len(parts) > 2:
		return nil, "应当写作 编码、编码系统|编码、|编码 或 编码系统|"
	case parts[0] == "" && parts[1] == "":
		return nil, "编码系统和编码不能都为空"
	}
	return TokenTerm{System: unescape(parts[0]), Code: unescape(parts[1]), AnyCode: parts[1] == ""}, ""
}

func ofTypeTerm(value string) (Term, string) {
	parts := splitEscaped(value, '|')
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return nil, ":of-type 的值应当写作 类型的编码系统|类型编码|标识号"
	}
	return TokenTerm{System: unescape(parts[0]), Code: unescape(parts[1]) + "|" + unescape(parts[2])}, ""
}

func textTerm(value string) (Term, string) {
	t := Text{Exact: unescape(value)}
	if t.Norm = Normalise(t.Exact); t.Norm == "" {
		return nil, "没有可以检索的文字"
	}
	return TextTerm{t}, ""
}

func referenceTerm(param *Param, value, target string) (Term, string) {
	url, version, versioned := cutEscaped(value, '|')
	t := ReferenceTerm{Reference: ParseReference(unescape(url))}
	if versioned {
		t.Version = unescape(version)
	}
	switch {
	case t.Type != "" && target != "" && t.Type != target:
		return nil, "值 " + value + " 与修饰符 :" + target + " 不一致"
	case t.Type != "" || !validID(t.URL):
		return t, ""
	case target != "":
		t.Type, t.ID, t.URL = target, t.URL, ""
	case len(param.Targets) == 1:
		t.Type, t.ID, t.URL = param.Targets[0], t.URL, ""
	default:
		t.ID, t.Types = t.URL, param.Targets
	}
	return t, ""
}

func cutEscaped(s string, separator byte) (before, after string, found bool) {
	if parts := splitEscaped(s, separator); len(parts) > 1 {
		return parts[0], s[len(parts[0])+1:], true
	}
	return s, "", false
}

// prefix parts the comparison from a value.
func prefix(s string) (Prefix, string) {
	if len(s) > 2 {
		switch p := Prefix(s[:2]); p {
		case Equal, NotEqual, Greater, Less, GreaterEqual, LessEqual, StartsAfter, EndsBefore, Approximate:
			return p, s[2:]
		}
	}
	return Equal, s
}

func (p *parser) dateTerm(value string) (Term, string) {
	pre, text := prefix(value)
	period, ok := ParseTime(text)
	if !ok {
		return nil, "“" + clip(value) + "”不是有效的日期，应当写作 2026、2026-11、2026-11-27 或 2026-11-27T08:00:00+08:00，前面可以有 eq、ne、gt、lt、ge、le、sa、eb、ap"
	}
	if pre == Approximate {
		middle := period.From + (period.To-period.From)/2
		slack := max(middle-p.opt.Now, p.opt.Now-middle) / 10
		period.From -= slack
		period.To += slack
	}
	return DateTerm{pre, period}, ""
}

func numberTerm(value string) (Term, string) {
	pre, text := prefix(value)
	t := NumberTerm{Prefix: pre}
	half, ok := precision(text)
	exact, okExact := new(big.Rat).SetString(text)
	if !ok || !okExact {
		return nil, "“" + clip(value) + "”不是有效的数字，前面可以有 eq、ne、gt、lt、ge、le、sa、eb、ap"
	}
	if pre == Approximate {
		tenth := new(big.Rat).Abs(new(big.Rat).Quo(exact, big.NewRat(10, 1)))
		if half.Cmp(tenth) < 0 {
			half = tenth
		}
	}
	t.Value, _ = exact.Float64()
	t.Low, _ = new(big.Rat).Sub(exact, half).Float64()
	t.High, _ = new(big.Rat).Add(exact, half).Float64()
	return t, ""
}

// precision checks the form of a number and returns half a unit of the last
// digit written: 0.05 for 5.4, 50 for 1e2.
func precision(s string) (half *big.Rat, ok bool) {
	mantissa, exponent := strings.TrimPrefix(s, "-"), 0
	if i := strings.IndexAny(mantissa, "eE"); i >= 0 {
		n, err := strconv.Atoi(mantissa[i+1:])
		if err != nil || n < -300 || n > 300 {
			return nil, false
		}
		mantissa, exponent = mantissa[:i], n
	}
	whole, fraction, dotted := strings.Cut(mantissa, ".")
	if whole == "" || dotted && fraction == "" || len(s) > 60 || strings.Trim(whole+fraction, "0123456789") != "" {
		return nil, false
	}
	exponent -= len(fraction)
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent, -exponent))), nil)
	if exponent < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), ten.Mul(ten, big.NewInt(2))), true
	}
	return new(big.Rat).SetFrac(ten, big.NewInt(2)), true
}

func quantityTerm(value string) (Term, string) {
	parts := splitEscaped(value, '|')
	if len(parts) != 1 && len(parts) != 3 {
		return nil, "应当写作 数值 或 数值|单位系统|单位编码（单位系统可以为空）"
	}
	n, fault := numberTerm(unescape(parts[0]))
	if fault != "" {
		return nil, fault
	}
	t := QuantityTerm{NumberTerm: n.(NumberTerm)}
	if len(parts) == 3 {
		if parts[2] == "" {
			return nil, "缺少单位编码"
		}
		t.HasUnit = true
		t.Unit = Unit{System: unescape(parts[1]), Code: unescape(parts[2])}
	}
	return t, ""
}

// meters are the units of near.
var meters = map[string]float64{"": 1000, "km": 1000, "m": 1, "[mi_i]": 1609.344, "[mi_us]": 1609.347219}

func nearTerm(value string) (Term, string) {
	const form = "应当写作 纬度|经度|距离|单位，单位为 km、m 或 [mi_i]"
	parts := splitEscaped(value, '|')
	if len(parts) < 2 || len(parts) > 4 {
		return nil, form
	}
	parts = append(parts, "", "")
	if parts[2] == "" {
		parts[2] = "10" // the standard leaves the distance to the server
	}
	var n [3]float64
	for i := range n {
		f, err := strconv.ParseFloat(parts[i], 64)
		if _, ok := precision(parts[i]); err != nil || !ok {
			return nil, form
		}
		n[i] = f
	}
	factor := meters[parts[3]]
	if factor == 0 || n[0] < -90 || n[0] > 90 || n[1] < -180 || n[1] > 180 || n[2] < 0 {
		return nil, form
	}
	return NearTerm{Position{n[0], n[1]}, n[2] * factor}, ""
}
