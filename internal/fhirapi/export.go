package fhirapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/bulk"
	"yilian/internal/errs"
	tape "yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
	"yilian/internal/record"
	"yilian/internal/smart"
)

// exportPath is where the exports of a client stand: /fhir/_export/[id], and
// their files below.
const exportPath = "_export"

const (
	ndjson     = "application/fhir+ndjson"
	exportWait = 5 // seconds between questions about an export
)

// startExport answers $export of the system, of Patient or of a Group: the
// export goes on by itself, the answer says where to ask for it.
func (s *Server) startExport(ctx context.Context, me who, q request) (response, error) {
	if !strings.Contains(q.prefer, "respond-async") {
		return response{}, refuse(http.StatusBadRequest, "invalid", "导出只能异步进行：请加上 Prefer: respond-async")
	}
	if q.query.Has("patient") {
		return response{}, refuse(http.StatusBadRequest, "invalid", "参数 patient 只能放在 POST 的 Parameters 里，不能写在网址中")
	}
	if err := q.fromParameters(); err != nil {
		return response{}, err
	}
	ask := bulk.Request{Level: bulk.System, URL: address(q.base+"/"+strings.Join(q.path, "/"), q.query), Scopes: me.scopes.String(), Client: me.client}
	switch len(q.path) {
	case 2:
		ask.Level = bulk.Patient
	case 3:
		ask.Level, ask.Group = bulk.Group, q.path[1]
		if _, err := s.once(ctx, me, request{method: http.MethodGet, path: q.path[:2], query: url.Values{}}); err != nil {
			return response{}, err // whoever may not read the group gets nothing of it
		}
	}
	notes, err := exportParams(q, me, &ask)
	if err != nil {
		return response{}, err
	}
	e, err := s.Bulk.Start(ctx, me.actor, ask)
	if errors.Is(err, bulk.ErrBusy) {
		return response{}, refuse(http.StatusTooManyRequests, "throttled", "%v", err)
	}
	if err != nil {
		return response{}, err
	}
	notes = append(notes, note("information", "informational", "导出已开始，请到 Content-Location 所指的地址询问进度"))
	return response{status: http.StatusAccepted, body: outcomeOf(notes...),
		headers: map[string]string{"Content-Location": q.base + "/" + exportPath + "/" + e.ID}}, nil
}

// fromParameters takes the parameters of a POST out of its body.
func (q *request) fromParameters() error {
	if q.method != http.MethodPost || len(q.body) == 0 {
		return nil
	}
	if err := q.jsonBody(); err != nil {
		return err
	}
	doc, err := tape.Parse(q.body)
	if err != nil {
		return err
	}
	defer doc.Release()
	if doc.Root().Get("resourceType").Text() != "Parameters" {
		return refuse(http.StatusBadRequest, "invalid", "用 POST 发起操作时，内容应是 Parameters")
	}
	q.query = cloned(q.query)
	for p := range doc.Root().Get("parameter").Items() {
		name, value := strings.Clone(p.Get("name").Text()), ""
		for member, n := range p.Fields() {
			switch {
			case member == "valueReference":
				value = strings.Clone(n.Get("reference").Text())
			case strings.HasPrefix(member, "value"):
				value = strings.Clone(n.Scalar())
			}
		}
		q.query.Add(name, value)
	}
	return nil
}

func exportParams(q request, me who, ask *bulk.Request) (notes []issue, err error) {
	for name, values := range q.query {
		switch name {
		case "_outputFormat":
			if f := values[len(values)-1]; !slices.Contains([]string{ndjson, "application/ndjson", "ndjson"}, f) {
				return nil, refuse(http.StatusBadRequest, "not-supported", "导出只提供 %s，不提供“%s”", ndjson, f)
			}
		case "_since":
			p, ok := search.ParseTime(values[len(values)-1])
			if !ok {
				return nil, refuse(http.StatusBadRequest, "invalid", "_since 应是一个时间，例如 2026-03-02T09:00:00+08:00")
			}
			ask.Since = time.UnixMilli(p.From)
		case "_type":
			for t := range strings.SplitSeq(strings.Join(values, ","), ",") {
				if !spec.IsResource(t) {
					return nil, refuse(http.StatusBadRequest, "invalid", "_type 中的“%s”不是 FHIR R4 的资源", t)
				}
				if err := me.may(t, smart.Read); err != nil {
					return nil, err
				}
				if !slices.Contains(ask.Types, t) {
					ask.Types = append(ask.Types, t)
				}
			}
		case "patient":
			if ask.Patients, err = exportPatients(q, ask.Level, values); err != nil {
				return nil, err
			}
		case "_format", "_pretty":
		default:
			if preference(q.prefer, "handling") != "lenient" {
				return nil, refuse(http.StatusBadRequest, "not-supported", "$export 不支持参数 %s", name)
			}
			notes = append(notes, note("warning", "not-supported", "参数 %s 没有起作用：$export 不支持它", name))
		}
	}
	if len(ask.Types) == 0 {
		for _, t := range spec.ResourceTypes() {
			if me.scopes.Allow(t, smart.Read) {
				ask.Types = append(ask.Types, t)
			}
		}
	}
	if len(ask.Types) == 0 {
		return nil, refuse(http.StatusForbidden, "forbidden", "令牌的范围（%s）不包括读取任何资源", me.scopes)
	}
	return notes, nil
}

// exportPatients are the patients that an export is narrowed to. The parameter
// comes by POST only (Bulk Data Access 2.0): addresses stand in logs.
func exportPatients(q request, level bulk.Level, values []string) ([]string, error) {
	if level == bulk.System || q.method != http.MethodPost {
		return nil, refuse(http.StatusBadRequest, "invalid", "参数 patient 只能用 POST 发给 Patient/$export 或 Group/[id]/$export")
	}
	var out []string
	for _, v := range values {
		ref := search.ParseReference(v)
		if ref.Type != "Patient" || !record.ValidID(ref.ID) {
			return nil, refuse(http.StatusBadRequest, "value", "参数 patient 应是 Patient/[id]，不能是“%s”", v)
		}
		out = append(out, ref.ID)
	}
	return out, nil
}

// exports answers what stands under /fhir/_export.
func (s *Server) exports(r *http.Request, me who, q request) (response, error) {
	switch {
	case len(q.path) == 2 && q.method == http.MethodGet:
		return s.exportStatus(r, me, q)
	case len(q.path) == 2 && q.method == http.MethodDelete:
		return response{status: http.StatusAccepted}, s.Bulk.Cancel(r.Context(), me.actor, me.client, q.path[1])
	case len(q.path) == 3 && q.method == http.MethodGet:
		no, err := strconv.ParseInt(q.path[2], 10, 64)
		if err != nil {
			return response{}, unknownPath(q)
		}
		body, err := s.Bulk.File(r.Context(), me.actor, me.client, q.path[1], no)
		return response{status: http.StatusOK, body: body, headers: map[string]string{"Content-Type": ndjson}}, err
	}
	return response{}, unknownPath(q)
}

// manifest is the answer about a finished export (Bulk Data Access 2.0).
type manifest struct {
	Time    string `json:"transactionTime"`
	Request string `json:"request"`
	Token   bool   `json:"requiresAccessToken"`
	Output  []file `json:"output"`
	Deleted []file `json:"deleted"`
	Error   []file `json:"error"`
}

type file struct {
	Type  string `json:"type"`
	URL   string `json:"url"`
	Count int64  `json:"count"`
}

func (s *Server) exportStatus(r *http.Request, me who, q request) (response, error) {
	e, parts, err := s.Bulk.Status(r.Context(), me.client, q.path[1])
	if err != nil {
		return response{}, err
	}
	switch e.State {
	case bulk.Running:
		return response{status: http.StatusAccepted, headers: map[string]string{
			"X-Progress": strconv.FormatInt(e.Progress(), 10) + "%", "Retry-After": strconv.Itoa(exportWait)}}, nil
	case bulk.Failed:
		return response{}, &fault{status: http.StatusInternalServerError, issues: []issue{note("error", "exception", "%s", e.Reason)}, cause: errs.E(errs.Unavailable, "%s", e.Reason)}
	}
	m := manifest{Time: record.FormatInstant(e.At), Request: e.URL, Token: true, Output: []file{}, Deleted: []file{}, Error: []file{}}
	for _, p := range parts {
		f := file{p.Type, q.base + "/" + exportPath + "/" + e.ID + "/" + strconv.FormatInt(p.No, 10), p.Count}
		if p.Deleted {
			f.Type = "Bundle"
			m.Deleted = append(m.Deleted, f)
		} else {
			m.Output = append(m.Output, f)
		}
	}
	raw, err := json.Marshal(m)
	return response{status: http.StatusOK, body: raw, headers: map[string]string{
		"Content-Type": "application/json", "Expires": e.ExpiresAt.UTC().Format(http.TimeFormat)}}, err
}
