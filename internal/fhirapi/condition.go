package fhirapi

import (
	"context"
	"net/http"
	"net/url"

	"yilian/internal/db"
	"yilian/internal/fhir/search"
	"yilian/internal/record"
)

// parseQuery reads search parameters.
func parseQuery(kind string, values url.Values, o search.Options) (search.Query, error) {
	return parseText(kind, values.Encode(), o)
}

func parseText(kind, query string, o search.Options) (search.Query, error) {
	q, err := search.ParseQuery(kind, query, o)
	if err != nil {
		return search.Query{}, invalidQuery(err)
	}
	return *q, nil
}

func invalidQuery(err error) error {
	f := faultOf(err)
	if f.status == http.StatusUnprocessableEntity {
		f.status = http.StatusBadRequest
		for i := range f.issues {
			f.issues[i].Code = "invalid"
		}
	}
	return f
}

// conditionMax is how many matches of a condition are looked at.
const conditionMax = 20

// samePerson reduces the statements of one person to the one that the client
// means: its own, otherwise the one of the register. Statements of several
// persons stay as they are.
func samePerson(list []record.Resource, client string) []record.Resource {
	best := -1
	for i := range list {
		if list[i].Patient != list[0].Patient || list[i].Patient == "" {
			return list
		}
		if list[i].Source.Client == client || best < 0 && list[i].Owner != "" {
			best = i
		}
	}
	if best < 0 {
		return list
	}
	return list[best : best+1]
}

// conditional finds what PUT, PATCH or DELETE [type]?… is about. No match is an
// empty id, several are refused.
func (s *Server) conditional(ctx context.Context, tx *db.Tx, me who, q *request) (record.Key, error) {
	if len(q.query) == 0 {
		return record.Key{}, refuse(http.StatusBadRequest, "invalid", "%s %s 需要编号，或搜索条件", q.method, q.path[0])
	}
	return s.oneMatch(ctx, tx, me, q.path[0], q.query.Encode())
}

// oneMatch finds the one resource that a condition names. Parameters that have
// no effect are refused: a condition that is half understood would write over
// the wrong resource.
func (s *Server) oneMatch(ctx context.Context, tx *db.Tx, me who, kind, condition string) (record.Key, error) {
	none := record.Key{Type: kind}
	query, err := parseText(kind, condition, search.Options{Strict: true, Now: tx.Now.UnixMilli()})
	if err != nil {
		return none, err
	}
	if len(query.Where) == 0 {
		return none, refuse(http.StatusPreconditionFailed, "invalid", "条件“%s”里没有可用的搜索参数", condition)
	}
	query.Count = conditionMax
	page, err := s.Store.Search(ctx, tx, query, record.Options{Count: conditionMax, For: record.For(me.actor), IDs: true})
	if err != nil {
		return none, err
	}
	if kind == "Patient" {
		page.List = samePerson(page.List, me.client)
	}
	switch len(page.List) {
	case 0:
		return none, nil
	case 1:
		return page.List[0].Key, nil
	}
	return none, refuse(http.StatusPreconditionFailed, "multiple-matches", "条件“%s”符合不止一个 %s，没有改动任何资源", condition, kind)
}
