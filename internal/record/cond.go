package record

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/db"
)

// setMax is how many resources a condition may name to be held in memory; what
// names more is dense enough to be met while walking the type.
const setMax = 5000

// form is how a condition is asked.
type form uint8

const (
	byText     form = iota // value is one of
	byPrefix               // value begins with
	byContains             // value contains
	byDate
	byNumber
	byID      // Resource.id
	byUpdated // meta.lastUpdated
	byOwn     // whole condition is the type itself
)

// anySystem matches a token of every system.
const anySystem = -2

// textMatch is one alternative on texts. system alone ("s|") has value "".
type textMatch struct {
	value  string
	sys    int64
	anyOne bool // any value: the system decides
}

// box is one alternative on ranges: where the low and the high end may lie.
type box[T int64 | float64] struct{ lowMin, lowMax, highMin, highMax T }

// numberMatch is a box with a unit; unit "" matches any.
type numberMatch struct {
	box[float64]
	unit string
	sys  int64 // anySystem
}

// cond is one condition of a search: any of its alternatives, or their
// contrary.
type cond struct {
	form    form
	params  []int32 // under which the values are stored; any of them
	texts   []textMatch
	dates   []box[int64]
	numbers []numberMatch
	ids     []string
	not     bool
	missing bool    // no value at all; with not: any value
	beside  []int32 // with missing: others whose values count too
	implied bool    // met by what is kept about the plan's patients
	// never is a condition that nothing meets (a chain that found nothing).
	never bool
}

// positive reports whether the condition can begin a search: it names what is
// there, not what is absent.
func (c *cond) positive() bool { return !c.not && !c.missing && c.form != byOwn }

// rank says which condition to try first: those that name few come before.
func (c *cond) rank() int {
	switch c.form {
	case byID:
		return 0
	case byText:
		if c.implied { // all of one patient: a code of one patient names fewer
			return 2
		}
		return 1
	case byPrefix:
		return 3
	case byDate, byUpdated:
		return 4
	}
	return 5
}

// placed reports whether the condition can be asked about one patient by the
// number that stands with every value.
func (c *cond) placed() bool {
	return c.form == byDate || c.form == byText && !slices.ContainsFunc(c.texts, func(m textMatch) bool { return m.anyOne })
}

type set map[int64]bool

func (s set) add(ns []int64) {
	for _, n := range ns {
		s[n] = true
	}
}

// fetch returns up to limit+1 resources of the type that meet the condition,
// for one patient (pt) or for all (pt < 0).
func (c *cond) fetch(ctx context.Context, tx *db.Tx, kind string, pt int64, limit int) (set, error) {
	out := set{}
	take := func(ns []int64, err error) error {
		out.add(ns)
		return err
	}
	limit++
	switch c.form {
	case byID:
		for part := range chunks(c.ids, listMax) {
			query, args := db.Expand(`SELECT n FROM record_resource WHERE type = $1 AND deleted = FALSE AND withdrawn_at IS NULL AND id IN ($list)`, []any{kind}, part)
			if err := take(db.List(ctx, tx, db.Value[int64], query, args...)); err != nil {
				return nil, err
			}
		}
	case byUpdated:
		for _, b := range c.dates {
			if err := take(db.List(ctx, tx, db.Value[int64], `
				SELECT n FROM record_resource WHERE type = $1 AND updated_at BETWEEN $2 AND $3 AND updated_at + 1 BETWEEN $4 AND $5
				AND deleted = FALSE AND withdrawn_at IS NULL LIMIT $6`, kind, b.lowMin, b.lowMax, b.highMin, b.highMax, limit)); err != nil {
				return nil, err
			}
		}
	default:
		for _, param := range c.params {
			if err := c.fetchValues(ctx, tx, param, pt, limit, take); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// fetchValues asks for the values stored under one number.
func (c *cond) fetchValues(ctx context.Context, tx *db.Tx, param int32, pt int64, limit int, take func([]int64, error) error) error {
	for _, m := range c.texts {
		if err := take(c.fetchText(ctx, tx, param, m, pt, limit)); err != nil {
			return err
		}
	}
	for _, b := range c.dates {
		if err := take(fetchDates(ctx, tx, param, b, pt, limit)); err != nil {
			return err
		}
	}
	for _, m := range c.numbers {
		if err := take(db.List(ctx, tx, db.Value[int64], `
			SELECT DISTINCT n FROM record_number WHERE param = $1 AND low BETWEEN $2 AND $3 AND high BETWEEN $4 AND $5
			AND (CAST($6 AS TEXT) = '' OR unit = $6) AND (CAST($7 AS BIGINT) = -2 OR sys = $7) LIMIT $8`,
			param, m.lowMin, m.lowMax, m.highMin, m.highMax, m.unit, m.sys, limit)); err != nil {
			return err
		}
	}
	return nil
}

const textWhere = ` FROM record_text WHERE param = $1 AND value = $2 AND (CAST($3 AS BIGINT) = -2 OR sys = $3)`

func (c *cond) fetchText(ctx context.Context, tx *db.Tx, param int32, m textMatch, pt int64, limit int) ([]int64, error) {
	switch {
	case m.anyOne:
		return db.List(ctx, tx, db.Value[int64], `SELECT DISTINCT n FROM record_text WHERE param = $1 AND sys = $2 LIMIT $3`, param, m.sys, limit)
	case c.form == byPrefix:
		return db.List(ctx, tx, db.Value[int64], `SELECT DISTINCT n FROM record_text WHERE param = $1 AND value >= $2 AND value < $3 LIMIT $4`,
			param, m.value, m.value+topRune, limit)
	case c.form == byContains:
		return db.List(ctx, tx, db.Value[int64], `SELECT DISTINCT n FROM record_text WHERE param = $1 AND value LIKE $2 ESCAPE '\' LIMIT $3`,
			param, "%"+likeText(m.value)+"%", limit)
	case pt >= 0:
		return db.List(ctx, tx, db.Value[int64], `SELECT n`+textWhere+` AND pt = $4 LIMIT $5`, param, m.value, m.sys, pt, limit)
	}
	return db.List(ctx, tx, db.Value[int64], `SELECT n`+textWhere+` LIMIT $4`, param, m.value, m.sys, limit)
}

// topRune sorts after every text that begins with the same letters.
const topRune = "\U0010FFFF"

func likeText(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

func fetchDates(ctx context.Context, tx *db.Tx, param int32, b box[int64], pt int64, limit int) ([]int64, error) {
	if pt >= 0 {
		return db.List(ctx, tx, db.Value[int64], `
			SELECT DISTINCT n FROM record_date WHERE param = $1 AND pt = $2 AND low BETWEEN $3 AND $4 AND high BETWEEN $5 AND $6 LIMIT $7`,
			param, pt, b.lowMin, b.lowMax, b.highMin, b.highMax, limit)
	}
	return db.List(ctx, tx, db.Value[int64], `
		SELECT DISTINCT n FROM record_date WHERE param = $1 AND low BETWEEN $2 AND $3 AND high BETWEEN $4 AND $5 LIMIT $6`,
		param, b.lowMin, b.lowMax, b.highMin, b.highMax, limit)
}

// filter returns those of ns that meet the condition. A plus before param keeps
// both engines from the index that begins with it: ns are the fewer.
func (c *cond) filter(ctx context.Context, tx *db.Tx, kind string, ns []int64) ([]int64, error) {
	hits := set{}
	for part := range chunks(ns, listMax) {
		if c.never {
			break
		}
		if err := c.hits(ctx, tx, kind, part, hits); err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
	}
	out := make([]int64, 0, len(ns))
	for _, n := range ns {
		if hits[n] != c.negative() {
			out = append(out, n)
		}
	}
	return out, nil
}

// negative reports whether the condition keeps what it does not hit: hits of
// missing are resources that have a value.
func (c *cond) negative() bool { return c.not != c.missing }

func (c *cond) hits(ctx context.Context, tx *db.Tx, kind string, ns []int64, out set) error {
	list := func(query string, args []any) error {
		found, err := db.List(ctx, tx, db.Value[int64], query, args...)
		out.add(found)
		return err
	}
	if c.missing {
		return c.present(ctx, tx, ns, out)
	}
	switch c.form {
	case byOwn:
		out.add(ns)
	case byID:
		wanted := map[string]bool{}
		for _, id := range c.ids {
			wanted[id] = true
		}
		heads, err := headsOf(ctx, tx, ns)
		for _, h := range heads {
			if wanted[h.ID] {
				out[h.n] = true
			}
		}
		return err
	case byUpdated:
		heads, err := headsOf(ctx, tx, ns)
		for _, h := range heads {
			at := h.At.UnixMilli()
			for _, b := range c.dates {
				if at >= b.lowMin && at <= b.lowMax && at+1 >= b.highMin && at+1 <= b.highMax {
					out[h.n] = true
				}
			}
		}
		return err
	default:
		for _, param := range c.params {
			if err := c.valuesAmong(param, ns, list); err != nil {
				return err
			}
		}
	}
	return nil
}

// valuesAmong asks which of ns have such values under one number.
func (c *cond) valuesAmong(param int32, ns []int64, list func(string, []any) error) error {
	for _, m := range c.texts {
		if err := list(c.textAmong(param, m, ns)); err != nil {
			return err
		}
	}
	for _, b := range c.dates {
		if err := list(db.Expand(`SELECT n FROM record_date WHERE +param = $1 AND low BETWEEN $2 AND $3 AND high BETWEEN $4 AND $5 AND n IN ($list)`,
			[]any{param, b.lowMin, b.lowMax, b.highMin, b.highMax}, ns)); err != nil {
			return err
		}
	}
	for _, m := range c.numbers {
		if err := list(db.Expand(`SELECT n FROM record_number WHERE +param = $1 AND low BETWEEN $2 AND $3 AND high BETWEEN $4 AND $5
			AND (CAST($6 AS TEXT) = '' OR unit = $6) AND (CAST($7 AS BIGINT) = -2 OR sys = $7) AND n IN ($list)`,
			[]any{param, m.lowMin, m.lowMax, m.highMin, m.highMax, m.unit, m.sys}, ns)); err != nil {
			return err
		}
	}
	return nil
}

func (c *cond) textAmong(param int32, m textMatch, ns []int64) (string, []any) {
	switch {
	case m.anyOne:
		return db.Expand(`SELECT n FROM record_text WHERE +param = $1 AND sys = $2 AND n IN ($list)`, []any{param, m.sys}, ns)
	case c.form == byPrefix:
		return db.Expand(`SELECT n FROM record_text WHERE +param = $1 AND value >= $2 AND value < $3 AND n IN ($list)`,
			[]any{param, m.value, m.value + topRune}, ns)
	case c.form == byContains:
		return db.Expand(`SELECT n FROM record_text WHERE +param = $1 AND value LIKE $2 ESCAPE '\' AND n IN ($list)`,
			[]any{param, "%" + likeText(m.value) + "%"}, ns)
	}
	return db.Expand(`SELECT n FROM record_text WHERE +param = $1 AND value = $2 AND (CAST($3 AS BIGINT) = -2 OR sys = $3) AND n IN ($list)`,
		[]any{param, m.value, m.sys}, ns)
}

// present adds those of ns that have any value of the parameter.
func (c *cond) present(ctx context.Context, tx *db.Tx, ns []int64, out set) error {
	add := func(query string, args []any) error {
		found, err := db.List(ctx, tx, db.Value[int64], query, args...)
		out.add(found)
		return err
	}
	for _, param := range c.beside {
		if err := add(db.Expand(`SELECT n FROM record_text WHERE +param = $1 AND n IN ($list)`, []any{param}, ns)); err != nil {
			return err
		}
	}
	for _, param := range c.params {
		args := []any{param}
		if err := add(db.Expand(`SELECT n FROM record_text WHERE +param = $1 AND n IN ($list)`, args, ns)); err != nil {
			return err
		}
		if err := add(db.Expand(`SELECT n FROM record_date WHERE +param = $1 AND n IN ($list)`, args, ns)); err != nil {
			return err
		}
		if err := add(db.Expand(`SELECT n FROM record_number WHERE +param = $1 AND n IN ($list)`, args, ns)); err != nil {
			return err
		}
	}
	return nil
}

// headsOf reads heads by number, deleted and withdrawn ones left out.
func headsOf(ctx context.Context, tx *db.Tx, ns []int64) ([]Resource, error) {
	var out []Resource
	for part := range chunks(ns, listMax) {
		query, args := db.Expand(`SELECT `+headColumns+` FROM record_resource r WHERE r.deleted = FALSE AND r.withdrawn_at IS NULL AND r.n IN ($list)`, nil, part)
		rows, err := db.List(ctx, tx, readHead, query, args...)
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}
