package record

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"yilian/internal/db"
)

// read appends the key's value to each of the list, "" when there is none:
// ascending the smallest of several values, descending the greatest. Numbers
// are written so that they compare as text.
func (k sortKey) read(ctx context.Context, tx *db.Tx, list []keyed) error {
	values := make(map[int64]string, len(list))
	ns := make([]int64, len(list))
	for i := range list {
		ns[i] = list[i].n
	}
	for part := range chunks(ns, listMax) {
		if err := k.readSome(ctx, tx, part, values); err != nil {
			return err
		}
	}
	for i := range list {
		list[i].keys = append(list[i].keys, values[list[i].n])
	}
	return nil
}

func (k sortKey) readSome(ctx context.Context, tx *db.Tx, ns []int64, out map[int64]string) error {
	switch k.form {
	case byID, byUpdated:
		heads, err := headsOf(ctx, tx, ns)
		for _, h := range heads {
			if out[h.n] = h.ID; k.form == byUpdated {
				out[h.n] = padNumber(h.At.UnixMilli())
			}
		}
		return err
	}
	for _, param := range k.params {
		if err := k.readValues(ctx, tx, param, ns, out); err != nil {
			return err
		}
	}
	return nil
}

// take keeps the value that comes first in the key's order.
func (k sortKey) take(out map[int64]string, n int64, low, high string) {
	was, there := out[n]
	switch {
	case !there:
		if out[n] = low; k.desc {
			out[n] = high
		}
	case k.desc:
		out[n] = max(was, high)
	default:
		out[n] = min(was, low)
	}
}

// readValues reads what is stored under one number.
func (k sortKey) readValues(ctx context.Context, tx *db.Tx, param int32, ns []int64, out map[int64]string) error {
	switch k.form {
	case byDate:
		type pair struct{ n, low, high int64 }
		query, args := db.Expand(`SELECT n, min(low), max(high) FROM record_date WHERE +param = $1 AND n IN ($list) GROUP BY n`, []any{param}, ns)
		rows, err := db.List(ctx, tx, func(scan db.Scan) (p pair, err error) { return p, scan(&p.n, &p.low, &p.high) }, query, args...)
		for _, r := range rows {
			k.take(out, r.n, padNumber(r.low), padNumber(r.high))
		}
		return err
	case byNumber:
		type pair struct {
			n         int64
			low, high float64
		}
		query, args := db.Expand(`SELECT n, min(low), max(high) FROM record_number WHERE +param = $1 AND n IN ($list) GROUP BY n`, []any{param}, ns)
		rows, err := db.List(ctx, tx, func(scan db.Scan) (p pair, err error) { return p, scan(&p.n, &p.low, &p.high) }, query, args...)
		for _, r := range rows {
			k.take(out, r.n, padFloat(r.low), padFloat(r.high))
		}
		return err
	}
	type pair struct {
		n         int64
		low, high string
	}
	query, args := db.Expand(`SELECT n, min(value), max(value) FROM record_text WHERE +param = $1 AND sys <> -1 AND n IN ($list) GROUP BY n`, []any{param}, ns)
	rows, err := db.List(ctx, tx, func(scan db.Scan) (p pair, err error) { return p, scan(&p.n, &p.low, &p.high) }, query, args...)
	for _, r := range rows {
		k.take(out, r.n, r.low, r.high)
	}
	return err
}

// padNumber writes a number so that text order is number order.
func padNumber(n int64) string { return fmt.Sprintf("%020d", uint64(n)^(1<<63)) }

func unpadNumber(s string) int64 {
	u, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return int64(u ^ (1 << 63))
}

func padFloat(f float64) string {
	u := math.Float64bits(f)
	if u>>63 == 1 {
		u = ^u
	} else {
		u |= 1 << 63
	}
	return fmt.Sprintf("%020d", u)
}
