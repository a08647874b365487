package record

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// HistoryQuery asks for versions, the newest first.
type HistoryQuery struct {
	Type  string    // "" all types
	ID    string    // with Type: one resource
	Since time.Time // versions at or after
	At    time.Time // versions current at that time
	Count int       // at most 1000
	After string    // cursor of the page before
	For   *Reader   // of histories of many
}

// Versions is a page of a history.
type Versions struct {
	List []Resource
	Next string // cursor, "" at the end
}

// place is where a page of a history ended.
type place struct{ at, n, version int64 }

func (p place) text() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d.%d", p.at, p.n, p.version))
}

func parsePlace(text string) (place, error) {
	p := place{1 << 62, 1 << 62, 1 << 62}
	if text == "" {
		return p, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(raw), ".")
	if err == nil && len(parts) == 3 {
		for i, to := range []*int64{&p.at, &p.n, &p.version} {
			if *to, err = strconv.ParseInt(parts[i], 10, 64); err != nil {
				break
			}
		}
	}
	if err != nil || len(parts) != 3 {
		return p, errs.Because(err, errs.Invalid, "翻页标记（_cursor）无效：请使用上一页给出的链接")
	}
	return p, nil
}

// History returns versions of one resource, of a type or of everything, the
// newest first. Versions of withdrawn resources are left out.
func (s *Store) History(ctx context.Context, tx *db.Tx, q HistoryQuery) (Versions, error) {
	from, err := parsePlace(q.After)
	if err != nil {
		return Versions{}, err
	}
	if q.ID != "" {
		return s.instanceHistory(ctx, tx, q, from)
	}
	var out Versions
	for {
		rows, err := versionsAfter(ctx, tx, q, from)
		if err != nil {
			return Versions{}, fmt.Errorf("read history: %w", err)
		}
		kept, err := s.visible(ctx, tx, q, rows)
		if err != nil {
			return Versions{}, err
		}
		for _, r := range kept {
			if len(out.List) == q.Count {
				last := out.List[q.Count-1]
				out.Next = place{last.At.UnixMilli(), last.n, last.Version}.text()
				return out, nil
			}
			opened, err := s.open(r)
			if err != nil {
				return Versions{}, err
			}
			out.List = append(out.List, opened)
		}
		if len(rows) < walkStep {
			return out, nil
		}
		last := rows[len(rows)-1]
		from = place{last.At.UnixMilli(), last.n, last.Version}
	}
}

func versionsAfter(ctx context.Context, tx *db.Tx, q HistoryQuery, from place) ([]sealed, error) {
	since := int64(0)
	if !q.Since.IsZero() {
		since = q.Since.UnixMilli()
	}
	if !q.At.IsZero() {
		from.at = min(from.at, q.At.UnixMilli()+1)
	}
	if q.Type == "" {
		return db.List(ctx, tx, readVersion, selectVersion+`
			WHERE (v.at, v.n, v.version) < ($1, $2, $3) AND v.at >= $4 ORDER BY v.at DESC, v.n DESC, v.version DESC LIMIT $5`,
			from.at, from.n, from.version, since, walkStep)
	}
	return db.List(ctx, tx, readVersion, selectVersion+`
		WHERE v.type = $5 AND (v.at, v.n, v.version) < ($1, $2, $3) AND v.at >= $4 ORDER BY v.at DESC, v.n DESC, v.version DESC LIMIT $6`,
		from.at, from.n, from.version, since, q.Type, walkStep)
}

// visible drops versions of withdrawn resources and of patients whom the reader
// may not see.
func (s *Store) visible(ctx context.Context, tx *db.Tx, q HistoryQuery, rows []sealed) ([]sealed, error) {
	heads := map[int64]Resource{}
	ns := make([]int64, 0, len(rows))
	for _, r := range rows {
		if _, ok := heads[r.n]; !ok {
			heads[r.n] = Resource{}
			ns = append(ns, r.n)
		}
	}
	var list []Resource
	for part := range chunks(ns, listMax) {
		query, args := db.Expand(`SELECT `+headColumns+` FROM record_resource r WHERE r.withdrawn_at IS NULL AND r.n IN ($list)`, nil, part)
		found, err := db.List(ctx, tx, readHead, query, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	list, err := s.seen(ctx, tx, q.For, list, func(*Resource) bool { return true })
	if err != nil {
		return nil, err
	}
	for _, h := range list {
		heads[h.n] = h
	}
	kept := rows[:0:0]
	for _, r := range rows {
		if h := heads[r.n]; h.n != 0 {
			r.Patient = h.Patient
			kept = append(kept, r)
		}
	}
	return kept, nil
}

func (s *Store) instanceHistory(ctx context.Context, tx *db.Tx, q HistoryQuery, from place) (Versions, error) {
	h, err := headOf(ctx, tx, Key{q.Type, q.ID})
	if err != nil {
		return Versions{}, err
	}
	if h.Withdrawn {
		return Versions{}, gone(h)
	}
	since := int64(0)
	if !q.Since.IsZero() {
		since = q.Since.UnixMilli()
	}
	until := int64(1 << 62)
	if !q.At.IsZero() {
		until = q.At.UnixMilli()
	}
	rows, err := db.List(ctx, tx, readVersion, selectVersion+`
		WHERE v.n = $1 AND v.version < $2 AND v.at >= $3 AND v.at <= $4 ORDER BY v.version DESC LIMIT $5`,
		h.n, from.version, since, until, q.Count+1)
	if err != nil {
		return Versions{}, fmt.Errorf("read history of %s: %w", h.Key, err)
	}
	var out Versions
	for i, row := range rows {
		if i == q.Count {
			if i > 0 {
				last := rows[i-1]
				out.Next = place{last.At.UnixMilli(), last.n, last.Version}.text()
			}
			break
		}
		row.Patient = h.Patient
		r, err := s.open(row)
		if err != nil {
			return Versions{}, err
		}
		out.List = append(out.List, r)
	}
	return out, nil
}
