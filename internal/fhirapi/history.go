package fhirapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	tape "yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/record"
	"yilian/internal/smart"
)

// history answers _history of one resource, a type, or everything.
func (s *Server) history(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	h := record.HistoryQuery{Count: pageSize, After: q.query.Get(cursorParam), For: record.For(me.actor)}
	if len(q.path) > 1 {
		h.Type = q.path[0]
	}
	what, kind := smart.Search, h.Type
	if len(q.path) == 3 {
		h.ID, what, h.For = q.path[1], smart.Read, nil
	}
	if kind == "" {
		kind = "*"
	}
	if err := me.may(kind, what); err != nil {
		return response{}, err
	}
	notes, err := historyParams(q, &h)
	if err != nil {
		return response{}, err
	}
	if h.ID != "" {
		key := record.Key{Type: h.Type, ID: h.ID}
		err := s.seenHead(ctx, tx, me, key)
		if leafMayBe(key, err) {
			return s.leafHistory(ctx, tx, me, q, h)
		}
		if err != nil {
			return response{}, err
		}
	}
	v, err := s.Store.History(ctx, tx, h)
	if err != nil {
		return response{}, err
	}
	b := newBundle("history")
	for i := range v.List {
		b.version(&v.List[i], q.base)
	}
	if len(notes) > 0 {
		b.outcome(outcomeOf(notes...))
	}
	historyLinks(b, q, v.Next)
	if h.ID == "" {
		for _, patient := range b.patients {
			if _, err := s.Access.Record(ctx, tx, me.actor, access.Entry{Patient: patient, Action: "record.history", Object: h.Type}); err != nil {
				return response{}, err
			}
		}
	}
	return response{status: http.StatusOK, body: b.bytes()}, nil
}

func historyParams(q request, h *record.HistoryQuery) (notes []issue, err error) {
	for name, values := range q.query {
		value := values[len(values)-1]
		switch name {
		case "_count":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 {
				return nil, refuse(http.StatusBadRequest, "invalid", "_count 应是大于 0 的整数")
			}
			h.Count = min(n, pageMax)
		case "_since", "_at":
			p, ok := search.ParseTime(value)
			if !ok {
				return nil, refuse(http.StatusBadRequest, "invalid", "%s 应是一个时间，例如 2026-03-02T09:00:00+08:00", name)
			}
			if name == "_since" {
				h.Since = time.UnixMilli(p.From)
			} else {
				h.At = time.UnixMilli(p.To - 1)
			}
		case cursorParam, "_format", "_pretty":
		default:
			if preference(q.prefer, "handling") == "strict" {
				return nil, refuse(http.StatusBadRequest, "not-supported", "历史不支持参数 %s", name)
			}
			notes = append(notes, note("warning", "not-supported", "参数 %s 没有起作用：历史不支持它", name))
		}
	}
	return notes, nil
}

// seenHead decides about a resource that may be deleted by now.
func (s *Server) seenHead(ctx context.Context, tx *db.Tx, me who, key record.Key) error {
	r, err := s.Store.Head(ctx, tx, key)
	if err != nil {
		return err
	}
	return s.seen(ctx, tx, me, r, true, "record.history", "")
}

func historyLinks(b *bundle, q request, next string) {
	at := q.base
	for _, p := range q.path {
		at += "/" + p
	}
	v := url.Values{}
	for name, values := range q.query {
		v[name] = values
	}
	b.link("self", address(at, v))
	if next != "" {
		v.Set(cursorParam, next)
		b.link("next", address(at, v))
	}
}

func address(at string, v url.Values) string {
	if len(v) == 0 {
		return at
	}
	return at + "?" + v.Encode()
}

// version adds one entry of a history.
func (b *bundle) version(r *record.Resource, base string) {
	b.begin()
	w := &b.entries
	w.WriteString(`{"fullUrl":`)
	w.Write(tape.Quote(base + "/" + r.Key.String()))
	if r.Body != nil {
		w.WriteString(`,"resource":`)
		w.Write(r.Body)
	}
	url := r.Key.String()
	method := r.Method
	if method == record.Created {
		url = r.Type
	}
	status := "200"
	if r.Version == 1 {
		status = "201"
	} else if r.Deleted {
		status = "204"
	}
	w.WriteString(`,"request":{"method":"` + method + `","url":"` + url + `"},"response":{"status":"` + status +
		`","etag":"W/\"` + strconv.FormatInt(r.Version, 10) + `\"","lastModified":"` + record.FormatInstant(r.At) + `"}}`)
	b.show(r.Patient)
}

// leaf is the leaf of an act on a resource that is in nobody's record.
func leaf(me who, action string, r record.Resource) audit.Leaf {
	return audit.Leaf{Actor: me.actor, Action: action, Object: r.Type, ObjectID: r.ID, Outcome: audit.OK,
		Detail: "第 " + strconv.FormatInt(r.Version, 10) + " 版"}
}
