package fhirapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"yilian/internal/db"
	"yilian/internal/errs"
	tape "yilian/internal/fhir/json"
	"yilian/internal/fhir/valid"
	"yilian/internal/record"
	"yilian/internal/smart"
)

// The modes of $validate: what the content is to be used for.
const (
	modeCreate  = "create"
	modeUpdate  = "update"
	modeDelete  = "delete"
	modeProfile = "profile"
)

// question is what $validate was asked.
type question struct {
	mode    string
	profile string
	content []byte // nil: none was sent
}

// errUndo ends a trial: nothing of it is kept.
var errUndo = errors.New("a trial is undone")

// validate answers [type]/$validate and [type]/[id]/$validate: what is wrong
// with the content by the definitions of FHIR and, with a mode, whether the
// write would be accepted now. The write is tried in a transaction that is
// undone, so the answer is that of the write itself.
func (s *Server) validate(ctx context.Context, me who, q request) (response, error) {
	kind, id := q.path[0], ""
	if len(q.path) == 3 {
		id = q.path[1]
	}
	ask, err := q.question()
	if err != nil {
		return response{}, err
	}
	if err := ask.check(me, kind, id); err != nil {
		return response{}, err
	}
	var found []issue
	if ask.mode != modeDelete {
		if found, err = contentIssues(kind, ask.content); err != nil {
			return response{}, err
		}
	}
	if len(found) == 0 {
		if found, err = s.try(ctx, me, q, kind, id, ask); err != nil {
			return response{}, err
		}
	}
	if len(found) == 0 {
		found = []issue{note("information", "informational", "没有发现问题：结构、次数、类型和必选编码均符合 FHIR R4 的定义（未检查 FHIRPath 约束和规范）")}
	}
	return response{status: http.StatusOK, body: outcomeOf(found...)}, nil
}

// question reads the body, which is the resource itself or Parameters around
// it, and the query.
func (q *request) question() (question, error) {
	ask := question{mode: q.query.Get("mode"), profile: q.query.Get("profile")}
	if len(q.body) == 0 {
		return ask, nil
	}
	if err := q.jsonBody(); err != nil {
		return ask, err
	}
	doc, err := tape.Parse(q.body)
	if err != nil {
		return ask, err
	}
	defer doc.Release()
	if doc.Root().Get("resourceType").Text() != "Parameters" || q.path[0] == "Parameters" {
		ask.content = q.body
		return ask, nil
	}
	for p := range doc.Root().Get("parameter").Items() {
		switch name := p.Get("name").Text(); name {
		case "resource":
			ask.content = p.Get("resource").Raw()
		case "mode":
			ask.mode = strings.Clone(p.Get("valueCode").Text())
		case "profile":
			ask.profile = strings.Clone(p.Get("valueUri").Text() + p.Get("valueCanonical").Text())
		default:
			return ask, refuse(http.StatusBadRequest, "not-supported", "$validate 没有参数“%s”", name)
		}
	}
	return ask, nil
}

func (ask question) check(me who, kind, id string) error {
	var needs smart.Interaction
	switch ask.mode {
	case "", modeProfile:
		if !me.scopes.Allow(kind, smart.Read) && !me.scopes.Allow(kind, smart.Create) && !me.scopes.Allow(kind, smart.Update) {
			return me.may(kind, smart.Read)
		}
	case modeCreate:
		needs = smart.Create
	case modeUpdate:
		needs = smart.Update
	case modeDelete:
		needs = smart.Delete
	default:
		return refuse(http.StatusBadRequest, "invalid", "mode 只能是 create、update、delete 或 profile，不能是“%s”", ask.mode)
	}
	switch {
	case (ask.mode == modeUpdate || ask.mode == modeDelete) && id == "":
		return refuse(http.StatusBadRequest, "invalid", "mode=%s 要写明是哪一个资源：%s/[id]/$validate", ask.mode, kind)
	case ask.mode == modeCreate && id != "":
		return refuse(http.StatusBadRequest, "invalid", "mode=create 时还没有编号：请用 %s/$validate", kind)
	case ask.mode != modeDelete && ask.content == nil:
		return refuse(http.StatusBadRequest, "required", "缺少要检查的资源：请把它作为内容发送，或放在 Parameters 的 resource 参数里")
	case ask.profile != "" && ask.profile != "http://hl7.org/fhir/StructureDefinition/"+kind:
		return refuse(http.StatusBadRequest, "not-supported", "本接口按 FHIR R4 的定义检查，不按规范“%s”检查", ask.profile)
	case needs == 0:
		return nil
	}
	return me.may(kind, needs)
}

func contentIssues(kind string, content []byte) ([]issue, error) {
	if _, err := body(kind, "", content); err != nil {
		return nil, err
	}
	doc, err := tape.Parse(content)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	var out []issue
	for _, i := range valid.Validate(doc.Root()) {
		x := note("error", string(i.Code), "%s：%s", i.Path, i.Message)
		x.Expression = []string{i.Path}
		out = append(out, x)
	}
	return out, nil
}

// try does the write that the mode names and undoes it; what refuses it is
// returned as issues.
func (s *Server) try(ctx context.Context, me who, q request, kind, id string, ask question) ([]issue, error) {
	if ask.mode == "" || ask.mode == modeProfile {
		return nil, nil
	}
	write := request{path: []string{kind}, body: ask.content, base: q.base, query: q.query}
	switch ask.mode {
	case modeCreate:
		write.method = http.MethodPost
	case modeUpdate:
		write.method, write.path = http.MethodPut, []string{kind, id}
	case modeDelete:
		write.method, write.path = http.MethodDelete, []string{kind, id}
	}
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		if ask.mode != modeCreate {
			if _, err := s.Store.Read(ctx, tx, record.Key{Type: kind, ID: id}); err != nil {
				return err
			}
		}
		if _, err := s.do(ctx, tx, me, write); err != nil {
			return err
		}
		return errUndo
	})
	if err == nil || errors.Is(err, errUndo) {
		return nil, nil
	}
	if errs.KindOf(err) == errs.Internal {
		if _, known := errors.AsType[*fault](err); !known {
			return nil, err
		}
	}
	return faultOf(err).issues, nil
}
