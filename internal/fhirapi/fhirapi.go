// Package fhirapi is the FHIR R4 face of the program at /fhir: REST on the
// record, for system clients that hold a token. It parses a request, asks
// package access whether the client's institution may, and calls the store, or
// the use case of the module that owns what is written. What it says it can do
// (metadata) is made from the tables it works with.
package fhirapi

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/bulk"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/jobs"
	"yilian/internal/projection"
	"yilian/internal/record"
	"yilian/internal/smart"
)

// Limits of one request.
const (
	maxBody     = 50 << 20 // a bundle with scanned documents
	maxInFlight = 64       // requests of one client at a time
)

// Server answers /fhir. All fields but Public and Owners are required.
type Server struct {
	DB       *db.DB
	Store    *record.Store
	Accounts *account.Service
	Access   *access.Control
	Audit    *audit.Log
	Queue    *jobs.Queue
	Bulk     *bulk.Service
	// Public is the address that clients know the server by, without /fhir;
	// "" takes that of the request.
	Public string
	// Owners are the modules whose use cases stand behind some types.
	Owners map[string]Owner
	// Visits keeps the counted visits in step with what is written; nil: nobody
	// counts them.
	Visits *projection.Visits

	mu     sync.Mutex
	flight map[string]int // requests under way, by client
}

// Owner is the module behind a type of resource. It is called in the
// transaction that stores the resource, before it is stored, and refuses it
// with a sentence or carries out its use case.
type Owner interface {
	// Write is told of a new resource (old nil) or a new version. It returns the
	// draft to be stored, most often the one it was given; one without a body
	// says that the module has done everything and the resource of that id
	// stands.
	Write(ctx context.Context, tx *db.Tx, w Write) (record.Draft, error)
	// Delete is told that a resource is to be deleted.
	Delete(ctx context.Context, tx *db.Tx, actor access.Actor, old record.Resource) error
}

// Write is what a client wants to store.
type Write struct {
	Actor access.Actor
	Key   record.Key // id "" when the server gives it
	Old   *record.Resource
	Draft record.Draft
}

// who is the client of a request.
type who struct {
	actor  access.Actor
	client string
	scopes smart.Scopes
}

func (w who) source() record.Source { return record.Source{Org: w.actor.Org, Client: w.client} }

// may checks the scope of the token.
func (w who) may(resourceType string, what smart.Interaction) error {
	if w.scopes.Allow(resourceType, what) {
		return nil
	}
	return refuse(http.StatusForbidden, "forbidden", "令牌的范围（%s）不包括对 %s 的这项操作（%c）", w.scopes, resourceType, what)
}

// request is one interaction, whether it came by itself or in a bundle.
type request struct {
	method      string
	path        []string // segments after /fhir
	query       url.Values
	body        []byte
	contentType string
	ifMatch     string
	ifNoneMatch string
	ifModified  string
	ifNoneExist string
	prefer      string
	base        string // address of /fhir, for links
	id          string // for creates in transactions: the id given beforehand
}

// response is the answer to an interaction.
type response struct {
	status   int
	body     []byte // "" none
	etag     string
	location string
	modified time.Time
	notes    []issue // warnings, in the answer's outcome
	headers  map[string]string
	resource record.Resource
}

// ServeHTTP answers one request under /fhir.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, err := s.read(w, r)
	if err == nil {
		err = s.serve(w, r, q)
	}
	if err == nil || errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return
	}
	s.fail(w, r, err)
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := faultOf(err)
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="fhir"`)
	}
	if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	s.write(w, r, f.status, outcomeOf(f.issues...))
}

// read takes a request apart.
func (s *Server) read(w http.ResponseWriter, r *http.Request) (request, error) {
	q := request{
		method: r.Method, contentType: r.Header.Get("Content-Type"), ifMatch: r.Header.Get("If-Match"),
		ifNoneMatch: r.Header.Get("If-None-Match"), ifModified: r.Header.Get("If-Modified-Since"),
		ifNoneExist: r.Header.Get("If-None-Exist"), prefer: strings.Join(r.Header.Values("Prefer"), ","), base: s.base(r),
	}
	if q.method == http.MethodHead {
		q.method = http.MethodGet
	}
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/fhir"), "/")
	if path != "" {
		q.path = strings.Split(path, "/")
	}
	var err error
	if q.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return q, refuse(http.StatusBadRequest, "invalid", "网址中的查询部分写法有误：%v", err)
	}
	if err := acceptable(r.Header.Get("Accept"), q.query); err != nil {
		return q, err
	}
	if r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if q.body, err = io.ReadAll(r.Body); err != nil {
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				return q, err
			}
			return q, errs.Because(err, errs.Invalid, "请求的内容没有收全，请重新发送")
		}
	}
	return q, nil
}

func (s *Server) base(r *http.Request) string {
	if s.Public != "" {
		return strings.TrimSuffix(s.Public, "/") + "/fhir"
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + "/fhir"
}

const jsonType = "application/fhir+json; charset=utf-8"

// acceptable refuses formats that this server does not write: JSON only.
func acceptable(accept string, query url.Values) error {
	format := query.Get("_format")
	if format == "" {
		if accept == "" {
			return nil
		}
		for part := range strings.SplitSeq(accept, ",") {
			kind, _, err := mime.ParseMediaType(part)
			if err != nil || strings.Contains(kind, "json") || kind == "*/*" || kind == "application/*" || kind == "text/html" || kind == "text/plain" {
				return nil
			}
		}
		format = accept
	} else if strings.Contains(format, "json") {
		return nil
	}
	return refuse(http.StatusNotAcceptable, "not-supported", "本接口只提供 JSON（application/fhir+json），不提供“%s”", format)
}

// jsonBody refuses bodies of another kind than JSON.
func (q *request) jsonBody(allowed ...string) error {
	kind, _, err := mime.ParseMediaType(q.contentType)
	if q.contentType != "" && err != nil {
		return refuse(http.StatusUnsupportedMediaType, "not-supported", "Content-Type 写法有误：%s", q.contentType)
	}
	for _, a := range append(allowed, "", "application/fhir+json", "application/json", "text/json") {
		if kind == a {
			return nil
		}
	}
	return refuse(http.StatusUnsupportedMediaType, "not-supported", "不接受 %s：请用 application/fhir+json", kind)
}

// serve authenticates and dispatches.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, q request) error {
	if len(q.path) == 1 && q.path[0] == "metadata" && q.method == http.MethodGet {
		return s.metadata(w, r, q)
	}
	me, err := s.authenticate(r)
	if err != nil {
		return err
	}
	if !s.enter(me.client) {
		return refuse(http.StatusTooManyRequests, "throttled", "同时进行的请求超过 %d 个，请稍后再试", maxInFlight)
	}
	defer s.leave(me.client)
	if done, err := s.special(w, r, me, q); done || err != nil {
		return err
	}
	resp, err := s.once(r.Context(), me, q)
	if err != nil {
		return err
	}
	return s.answer(w, r, q, resp)
}

func (s *Server) authenticate(r *http.Request) (who, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return who{}, refuse(http.StatusUnauthorized, "login", "请先在 /oauth/token 申请访问令牌，并放在 Authorization: Bearer 中")
	}
	a, err := s.Accounts.CheckToken(r.Context(), strings.TrimSpace(token))
	if errs.Is(err, errs.Forbidden) {
		return who{}, refuse(http.StatusUnauthorized, "expired", "%v", err)
	}
	if err != nil {
		return who{}, err
	}
	a.Actor.IP = ip(r)
	return who{actor: a.Actor, client: a.Client.ID, scopes: a.Scopes}, nil
}

func (s *Server) enter(client string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == nil {
		s.flight = map[string]int{}
	}
	if s.flight[client] >= maxInFlight {
		return false
	}
	s.flight[client]++
	return true
}

func (s *Server) leave(client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight[client]--; s.flight[client] == 0 {
		delete(s.flight, client)
	}
}

// once runs one interaction in a transaction of its own: reads in a snapshot,
// writes grouped with those of others.
func (s *Server) once(ctx context.Context, me who, q request) (resp response, err error) {
	if q.reads() {
		look := s.DB.View
		if q.one() { // a few rows: to watch for the client's leaving costs more than they
			ctx, look = context.WithoutCancel(ctx), s.DB.Glance
		}
		err = look(ctx, func(tx *db.Tx) (err error) {
			resp, err = s.do(ctx, tx, me, q)
			return err
		})
		return resp, err
	}
	err = s.DB.Group(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		resp, err = s.do(ctx, tx, me, q)
		return err
	})
	return resp, err
}

// one reports whether the interaction reads one resource by its id.
func (q *request) one() bool {
	return q.method == http.MethodGet && len(q.path) == 2 && !strings.HasPrefix(q.path[1], "$") && q.path[1] != "_history"
}

// reads reports whether the interaction changes nothing.
func (q *request) reads() bool {
	if q.method == http.MethodGet {
		return true
	}
	last := ""
	if len(q.path) > 0 {
		last = q.path[len(q.path)-1]
	}
	return q.method == http.MethodPost && (last == "_search" || strings.HasPrefix(last, "$"))
}

// answer writes a response.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, q request, resp response) error {
	h := w.Header()
	if resp.etag != "" {
		h.Set("ETag", resp.etag)
	}
	if !resp.modified.IsZero() {
		h.Set("Last-Modified", resp.modified.UTC().Format(http.TimeFormat))
	}
	if resp.location != "" {
		h.Set("Location", resp.location)
	}
	body := resp.body
	if q.isWrite() {
		switch preference(q.prefer, "return") {
		case "minimal":
			body = nil
		case "OperationOutcome":
			body = outcomeOf(append(resp.notes, note("information", "informational", "已保存"))...)
		}
	}
	s.write(w, r, resp.status, body)
	return nil
}

func (q *request) isWrite() bool {
	return !q.reads() && (q.method == http.MethodPost || q.method == http.MethodPut || q.method == http.MethodPatch) && len(q.path) > 0
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if len(body) == 0 {
		w.WriteHeader(status)
		return
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", jsonType)
	}
	if r.URL.Query().Get("_pretty") == "true" {
		body = pretty(body)
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client has gone; nobody to tell
	}
}

// preference reads one directive of the Prefer header.
func preference(header, name string) string {
	for part := range strings.FieldsFuncSeq(header, func(r rune) bool { return r == ',' || r == ';' }) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(part), name+"="); ok {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}
