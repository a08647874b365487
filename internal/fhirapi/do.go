package fhirapi

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
	tape "yilian/internal/fhir/json"
	"yilian/internal/fhir/spec"
	"yilian/internal/projection"
	"yilian/internal/record"
	"yilian/internal/smart"
)

// do carries out one interaction in tx.
func (s *Server) do(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	p := q.path
	if o, err := operationOf(q); err != nil {
		return response{}, err
	} else if o != nil {
		if o.do == nil {
			where := "Bundle"
			if o.batch {
				where = "事务"
			}
			return response{}, refuse(http.StatusBadRequest, "not-supported", "操作 $%s 自成事务，不能放在%s里", o.name, where)
		}
		return o.do(s, ctx, tx, me, q)
	}
	if len(p) > 0 && p[0] != "_history" && p[0] != "_search" && !spec.IsResource(p[0]) {
		return response{}, refuse(http.StatusNotFound, "not-supported", "没有“%s”这种资源（FHIR R4）", p[0])
	}
	switch q.method {
	case http.MethodGet:
		return s.doGet(ctx, tx, me, q)
	case http.MethodPost:
		return s.doPost(ctx, tx, me, q)
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		return s.doChange(ctx, tx, me, q)
	}
	return response{}, refuse(http.StatusMethodNotAllowed, "not-supported", "不支持 %s", q.method)
}

func (s *Server) doGet(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	p := q.path
	switch {
	case len(p) == 1 && p[0] == "_history", len(p) == 2 && p[1] == "_history", len(p) == 3 && p[2] == "_history":
		return s.history(ctx, tx, me, q)
	case len(p) == 4 && p[2] == "_history":
		return s.vread(ctx, tx, me, q)
	case len(p) == 3:
		return s.searchCompartment(ctx, tx, me, q)
	case len(p) == 2:
		return s.readOne(ctx, tx, me, q)
	case len(p) == 1, len(p) == 0:
		return s.search(ctx, tx, me, q)
	}
	return response{}, unknownPath(q)
}

func unknownPath(q request) error {
	return refuse(http.StatusNotFound, "not-found", "没有这个地址：%s %s", q.method, strings.Join(q.path, "/"))
}

func (s *Server) doPost(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	p := q.path
	switch {
	case len(p) >= 1 && p[len(p)-1] == "_search":
		return s.postSearch(ctx, tx, me, q)
	case len(p) == 1 && p[0] != "_history":
		return s.create(ctx, tx, me, q)
	}
	return response{}, unknownPath(q)
}

func (s *Server) doChange(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	if len(q.path) == 1 {
		key, err := s.conditional(ctx, tx, me, &q)
		if err != nil {
			return response{}, err
		}
		if key.ID == "" {
			switch q.method {
			case http.MethodPut:
				return s.upsert(ctx, tx, me, q)
			case http.MethodDelete:
				return response{status: http.StatusNoContent}, nil
			}
			return response{}, refuse(http.StatusNotFound, "not-found", "没有符合条件的 %s", key.Type)
		}
		q.path = []string{key.Type, key.ID}
	}
	if len(q.path) != 2 {
		return response{}, unknownPath(q)
	}
	switch q.method {
	case http.MethodPut:
		return s.update(ctx, tx, me, q)
	case http.MethodPatch:
		return s.patch(ctx, tx, me, q)
	}
	return s.remove(ctx, tx, me, q)
}

// readOne answers GET [type]/[id].
func (s *Server) readOne(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	key := record.Key{Type: q.path[0], ID: q.path[1]}
	if err := me.may(key.Type, smart.Read); err != nil {
		return response{}, err
	}
	r, err := s.Store.Read(ctx, tx, key)
	if leafMayBe(key, err) {
		r, err = s.readLeaf(ctx, tx, me, key)
	}
	if err != nil {
		return response{}, err
	}
	if err := s.seen(ctx, tx, me, r, false, "record.read", ""); err != nil {
		return response{}, err
	}
	if q.ifNoneMatch != "" && matches(q.ifNoneMatch, r) || q.ifNoneMatch == "" && notSince(q.ifModified, r) {
		return response{status: http.StatusNotModified, etag: r.ETag(), modified: r.At}, nil
	}
	view, err := viewOf(q)
	if err != nil {
		return response{}, err
	}
	body, err := view.of(r.Body)
	if err != nil {
		return response{}, err
	}
	return response{status: http.StatusOK, body: body, etag: r.ETag(), modified: r.At, resource: r}, nil
}

// seen decides whether the client may see a resource, and records it; versions
// asks for what it ever said. What is hidden by default is refused to who has
// no direct care, unless it is his own.
func (s *Server) seen(ctx context.Context, tx *db.Tx, me who, r record.Resource, versions bool, action, detail string) error {
	if r.Nobodys() && r.Source.Org != me.actor.Org {
		return s.seenThrough(ctx, tx, me, r, action)
	}
	if r.Patient == "" {
		return nil
	}
	_, err := s.Access.Record(ctx, tx, me.actor, access.Entry{
		Patient: r.Patient, Action: action, Object: r.Type, ObjectID: r.ID, Detail: detail,
		Hidden: func(ctx context.Context, tx *db.Tx) (bool, error) {
			return s.Store.Hidden(ctx, tx, r, me.actor.Org, versions)
		},
	})
	return err
}

// seenThrough decides about what another institution has sent without saying
// whose it is: only a Binary is read, by who may see a document of its sender
// that it is the content of. A document of anybody else proves nothing: whoever
// writes one could open with it what he is refused.
func (s *Server) seenThrough(ctx context.Context, tx *db.Tx, me who, r record.Resource, action string) error {
	if r.Type == "Binary" && action == "record.read" {
		list, err := s.Store.Pointing(ctx, tx, r.ID)
		if err != nil {
			return err
		}
		for _, doc := range list {
			if doc.Source.Org != r.Source.Org {
				continue
			}
			visible, err := s.Store.Resources(ctx, tx, []record.Key{doc.Key}, record.For(me.actor))
			if err != nil {
				return err
			}
			if len(visible) > 0 {
				return s.seen(ctx, tx, me, visible[0], false, action, "内容 "+r.Key.String())
			}
		}
	}
	refused := leaf(me, action, r)
	refused.Outcome = audit.Refused
	s.Audit.AfterEnd(ctx, tx, refused)
	return refuse(http.StatusForbidden, "forbidden", "%s 由“%s”以外的机构送来，又没有写明是哪位患者的资料，只有送来的机构可以读写", r.Key, me.actor.OrgName)
}

func matches(header string, r record.Resource) bool {
	if header == "*" {
		return true
	}
	for part := range strings.SplitSeq(header, ",") {
		if v, ok := versionOf(part); ok && v == r.Version {
			return true
		}
	}
	return false
}

// versionOf reads an entity tag: W/"3", "3", or 3 as some clients write it.
func versionOf(tag string) (int64, bool) {
	tag = strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
	v, err := strconv.ParseInt(tag, 10, 64)
	return v, err == nil && v > 0
}

func notSince(header string, r record.Resource) bool {
	t, err := http.ParseTime(header)
	return err == nil && !r.At.Truncate(time.Second).After(t)
}

func (s *Server) vread(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	key := record.Key{Type: q.path[0], ID: q.path[1]}
	if err := me.may(key.Type, smart.Read); err != nil {
		return response{}, err
	}
	version, err := strconv.ParseInt(q.path[3], 10, 64)
	if err != nil {
		return response{}, refuse(http.StatusNotFound, "not-found", "%s 没有版本“%s”", key, q.path[3])
	}
	r, err := s.Store.VRead(ctx, tx, key, version)
	if leafMayBe(key, err) && version == 1 {
		r, err = s.readLeaf(ctx, tx, me, key)
	}
	if err != nil {
		return response{}, err
	}
	if err := s.seen(ctx, tx, me, r, true, "record.vread", "第 "+q.path[3]+" 版"); err != nil {
		return response{}, err
	}
	return response{status: http.StatusOK, body: r.Body, etag: r.ETag(), modified: r.At, resource: r}, nil
}

// create answers POST [type], also when it depends on If-None-Exist.
func (s *Server) create(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	kind := q.path[0]
	if err := me.may(kind, smart.Create); err != nil {
		return response{}, err
	}
	if err := q.jsonBody(); err != nil {
		return response{}, err
	}
	if q.ifNoneExist != "" {
		found, err := s.oneMatch(ctx, tx, me, kind, q.ifNoneExist)
		if err != nil {
			return response{}, err
		}
		if found.ID != "" {
			r, err := s.Store.Read(ctx, tx, found)
			if err != nil {
				return response{}, err
			}
			return s.written(q, r, http.StatusOK), s.seen(ctx, tx, me, r, false, "record.read", "已存在，没有新建")
		}
	}
	if _, err := body(kind, "", q.body); err != nil {
		return response{}, err
	}
	d := record.Draft{Body: q.body, ID: q.id, Source: me.source(), New: true, Fresh: q.id != ""}
	w := Write{Actor: me.actor, Key: record.Key{Type: kind, ID: q.id}, Draft: d}
	return s.store(ctx, tx, me, q, w, "record.create")
}

// body checks the outside of what was sent: JSON of the right type and id.
func body(kind, id string, raw []byte) (string, error) {
	doc, err := tape.Parse(raw)
	if err != nil {
		return "", err
	}
	defer doc.Release()
	root := doc.Root()
	got := root.Get("resourceType").Text()
	switch {
	case got != kind:
		return "", refuse(http.StatusBadRequest, "invalid", "内容的 resourceType 是“%s”，地址是 %s", got, kind)
	case id != "" && root.Get("id").Text() != id:
		return "", refuse(http.StatusBadRequest, "invalid", "内容的 id 是“%s”，地址中的是 %s", root.Get("id").Text(), id)
	}
	return strings.Clone(root.Get("id").Text()), nil
}

// upsert answers a conditional update that matches nothing: a create, under the
// id that the content brings if it brings one.
func (s *Server) upsert(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	id, err := body(q.path[0], "", q.body)
	if err != nil {
		return response{}, err
	}
	if id == "" {
		q.ifNoneExist = ""
		return s.create(ctx, tx, me, q)
	}
	q.path = []string{q.path[0], id}
	return s.update(ctx, tx, me, q)
}

func (s *Server) update(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	key := record.Key{Type: q.path[0], ID: q.path[1]}
	if err := me.may(key.Type, smart.Update); err != nil {
		return response{}, err
	}
	if err := q.jsonBody(); err != nil {
		return response{}, err
	}
	if !record.ValidID(key.ID) {
		return response{}, refuse(http.StatusBadRequest, "value", "资源编号“%s”不合规：只能用字母、数字、“-”和“.”，1 至 64 个字符", key.ID)
	}
	if _, err := body(key.Type, key.ID, q.body); err != nil {
		return response{}, err
	}
	return s.replace(ctx, tx, me, q, key, record.Updated)
}

// replace stores q.body as the next version of key.
func (s *Server) replace(ctx context.Context, tx *db.Tx, me who, q request, key record.Key, method string) (response, error) {
	w := Write{Actor: me.actor, Key: key, Draft: record.Draft{Body: q.body, ID: key.ID, Source: me.source(), Method: method}}
	old, err := s.Store.Read(ctx, tx, key)
	switch {
	case err == nil:
		w.Old = &old
		if err := s.seen(ctx, tx, me, old, false, "record.update", ""); err != nil {
			return response{}, err
		}
	case errs.Is(err, errs.NotFound):
		if err := s.notOfTheLog(ctx, tx, me, key, true); err != nil {
			return response{}, err
		}
		// A client names its own resources: update as create (FHIR R4, 3.1.0.4.1).
	default:
		return response{}, err
	}
	if err := precondition(q, w.Old, key); err != nil {
		return response{}, err
	}
	if w.Old != nil && q.ifMatch != "" {
		w.Draft.If = w.Old.Version
	}
	return s.store(ctx, tx, me, q, w, "record.update")
}

// precondition holds If-Match and If-None-Match against what is there.
func precondition(q request, old *record.Resource, key record.Key) error {
	if q.ifMatch != "" {
		v, ok := versionOf(q.ifMatch)
		if !ok && q.ifMatch != "*" {
			return refuse(http.StatusBadRequest, "invalid", "If-Match 写法有误：%s，应如 W/\"3\"", q.ifMatch)
		}
		if old == nil || ok && old.Version != v {
			now := "不存在"
			if old != nil {
				now = "是第 " + strconv.FormatInt(old.Version, 10) + " 版"
			}
			return refuse(http.StatusPreconditionFailed, "conflict", "%s 现在%s，与 If-Match %s 不符：请重新读取后再写", key, now, q.ifMatch)
		}
	}
	if q.ifNoneMatch != "" && old != nil && matches(q.ifNoneMatch, *old) {
		return refuse(http.StatusPreconditionFailed, "duplicate", "%s 已经存在（第 %d 版），与 If-None-Match 不符", key, old.Version)
	}
	return nil
}

// store hands a write to the module behind its type, stores it, and records who
// wrote what about whom.
func (s *Server) store(ctx context.Context, tx *db.Tx, me who, q request, w Write, action string) (response, error) {
	d := w.Draft
	if owner := s.Owners[w.Key.Type]; owner != nil {
		var err error
		if d, err = owner.Write(ctx, tx, w); err != nil {
			return response{}, err
		}
		d.Fresh = d.Fresh && d.ID == w.Draft.ID
		if d.Body == nil {
			return s.carriedOut(ctx, tx, me, q, record.Key{Type: w.Key.Type, ID: d.ID}, action)
		}
	}
	var r record.Resource
	created := true
	var err error
	if d.New {
		r, err = s.Store.Create(ctx, tx, d)
	} else {
		r, created, err = s.Store.Update(ctx, tx, d)
	}
	if err != nil {
		return response{}, err
	}
	if err := s.wrote(ctx, tx, me, r, action); err != nil {
		return response{}, err
	}
	notes, err := s.counted(ctx, tx, me, w.Old, &r)
	if err != nil {
		return response{}, err
	}
	if r.Owner != "" { // the answer is what has become of it
		if r, err = s.settled(ctx, tx, r.Key); err != nil {
			return response{}, err
		}
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	resp := s.written(q, r, status)
	resp.notes = notes
	return resp, nil
}

// counted keeps the visits that are counted in step with a write. What keeps a
// visit from being counted stands in the answer and in the audit log.
func (s *Server) counted(ctx context.Context, tx *db.Tx, me who, old, now *record.Resource) ([]issue, error) {
	r := cmp.Or(now, old)
	if s.Visits == nil || r.Type != "Encounter" && r.Type != "Claim" && r.Type != "ExplanationOfBenefit" {
		return nil, nil
	}
	why, err := s.Visits.Follow(ctx, tx, projection.Sender{Actor: me.actor, Client: me.client}, old, now)
	if err != nil {
		return nil, err
	}
	var notes []issue
	for _, text := range why {
		notes = append(notes, note("warning", "business-rule", "没有计入就诊统计：%s", text))
		l := leaf(me, "encounter.skip", *r)
		l.Patient, l.Detail = r.Patient, text
		if err := s.Audit.Append(ctx, tx, l); err != nil {
			return nil, err
		}
	}
	return notes, nil
}

// carriedOut answers a write that a module has carried out itself.
func (s *Server) carriedOut(ctx context.Context, tx *db.Tx, me who, q request, key record.Key, action string) (response, error) {
	r, err := s.settled(ctx, tx, key)
	if err != nil {
		return response{}, err
	}
	return s.written(q, r, http.StatusOK), s.wrote(ctx, tx, me, r, action)
}

// settled is a resource once the modules' changes of this transaction stand in
// the record.
func (s *Server) settled(ctx context.Context, tx *db.Tx, key record.Key) (record.Resource, error) {
	if err := tx.Settle(ctx); err != nil {
		return record.Resource{}, err
	}
	return s.Store.Read(ctx, tx, key)
}

// wrote decides whether the client may write into the record that the resource
// belongs to: the write is undone with the refusal.
func (s *Server) wrote(ctx context.Context, tx *db.Tx, me who, r record.Resource, action string) error {
	if r.Patient == "" {
		if err := s.seen(ctx, tx, me, r, false, action, ""); err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, leaf(me, action, r))
	}
	return s.seen(ctx, tx, me, r, false, action, "第 "+strconv.FormatInt(r.Version, 10)+" 版")
}

func (s *Server) written(q request, r record.Resource, status int) response {
	return response{
		status: status, body: r.Body, etag: r.ETag(), modified: r.At, resource: r,
		location: q.base + "/" + r.Key.String() + "/_history/" + strconv.FormatInt(r.Version, 10),
	}
}

func (s *Server) patch(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	key := record.Key{Type: q.path[0], ID: q.path[1]}
	if err := me.may(key.Type, smart.Update); err != nil {
		return response{}, err
	}
	if err := q.jsonBody("application/json-patch+json"); err != nil {
		return response{}, err
	}
	old, err := s.Store.Read(ctx, tx, key)
	if err := s.notOfTheLog(ctx, tx, me, key, false); err != nil {
		return response{}, err
	}
	if err != nil {
		return response{}, err
	}
	// A test of the patch would tell what the resource says.
	if err := s.seen(ctx, tx, me, old, false, "record.read", ""); err != nil {
		return response{}, err
	}
	if q.body, err = tape.Patch(old.Body, q.body); err != nil {
		return response{}, err
	}
	if _, err := body(key.Type, key.ID, q.body); err != nil {
		return response{}, err
	}
	return s.replace(ctx, tx, me, q, key, record.Patched)
}

func (s *Server) remove(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	key := record.Key{Type: q.path[0], ID: q.path[1]}
	if err := me.may(key.Type, smart.Delete); err != nil {
		return response{}, err
	}
	old, err := s.Store.Read(ctx, tx, key)
	if errs.Is(err, errs.NotFound) {
		return response{status: http.StatusNoContent}, s.notOfTheLog(ctx, tx, me, key, false) // gone already
	}
	if err != nil {
		return response{}, err
	}
	if err := precondition(q, &old, key); err != nil {
		return response{}, err
	}
	if owner := s.Owners[key.Type]; owner != nil {
		if err := owner.Delete(ctx, tx, me.actor, old); err != nil {
			return response{}, err
		}
	}
	if err := s.wrote(ctx, tx, me, old, "record.delete"); err != nil {
		return response{}, err
	}
	r, err := s.Store.Delete(ctx, tx, key, me.source(), "", 0)
	if err != nil {
		return response{}, err
	}
	if _, err := s.counted(ctx, tx, me, &old, nil); err != nil {
		return response{}, err
	}
	return response{status: http.StatusNoContent, etag: r.ETag(), modified: r.At}, nil
}
