package fhirapi

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	tape "yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
	"yilian/internal/record"
)

// maxEntries bounds a bundle.
const maxEntries = 5000

// entry is one entry of a batch or transaction.
type entry struct {
	at       int
	fullURL  string
	method   string
	url      string
	resource tape.Node
	q        request
}

// bundle answers POST / with a batch or a transaction.
func (s *Server) bundle(ctx context.Context, me who, q request) (response, error) {
	if err := q.jsonBody(); err != nil {
		return response{}, err
	}
	doc, err := tape.Parse(q.body)
	if err != nil {
		return response{}, err
	}
	defer doc.Release()
	root := doc.Root()
	kind := root.Get("type").Text()
	if root.Get("resourceType").Text() != "Bundle" || kind != "batch" && kind != "transaction" {
		return response{}, refuse(http.StatusBadRequest, "invalid", "这个地址只接受类型为 batch 或 transaction 的 Bundle")
	}
	list, err := entriesOf(root, q)
	if err != nil {
		return response{}, err
	}
	if kind == "batch" {
		return s.batch(ctx, me, list)
	}
	var out []response
	err = s.DB.Group(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = s.transaction(ctx, tx, me, list)
		return err
	})
	if err != nil {
		return response{}, err
	}
	return response{status: http.StatusOK, body: answers("transaction-response", list, out, preference(q.prefer, "return"))}, nil
}

func entriesOf(root tape.Node, outer request) ([]entry, error) {
	entries := root.Get("entry")
	if entries.Len() > maxEntries {
		return nil, refuse(http.StatusRequestEntityTooLarge, "too-costly", "一个 Bundle 最多 %d 条，这个有 %d 条：请分批发送", maxEntries, entries.Len())
	}
	list := make([]entry, 0, entries.Len())
	for n := range entries.Items() {
		r := n.Get("request")
		e := entry{at: len(list), fullURL: n.Get("fullUrl").Text(), method: r.Get("method").Text(), url: r.Get("url").Text(), resource: n.Get("resource")}
		e.q = request{
			method: e.method, ifMatch: r.Get("ifMatch").Text(), ifNoneMatch: r.Get("ifNoneMatch").Text(),
			ifModified: r.Get("ifModifiedSince").Text(), ifNoneExist: r.Get("ifNoneExist").Text(),
			prefer: outer.prefer, base: outer.base,
		}
		if err := e.address(outer.base); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

func (e *entry) address(base string) error {
	bad := func(format string, args ...any) error {
		return refuse(http.StatusBadRequest, "invalid", "第 %d 条："+format, append([]any{e.at + 1}, args...)...)
	}
	switch e.method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	case "":
		return bad("缺少 request.method")
	default:
		return bad("request.method 不能是 %s", e.method)
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(e.url, base), "/")
	path, query, _ := strings.Cut(rest, "?")
	var err error
	if e.q.query, err = url.ParseQuery(query); err != nil {
		return bad("request.url 的查询部分写法有误：%s", e.url)
	}
	if path = strings.Trim(path, "/"); path != "" {
		e.q.path = strings.Split(path, "/")
	}
	if e.method != http.MethodGet && len(e.q.path) == 0 {
		return bad("缺少 request.url")
	}
	if (e.method == http.MethodPost || e.method == http.MethodPut) && e.resource.Kind() != tape.Object && !slices.Contains(e.q.path, "_search") {
		return bad("%s %s 缺少 resource", e.method, e.url)
	}
	e.q.body = e.resource.Raw()
	if e.method == http.MethodPatch {
		return e.readPatch(bad)
	}
	return nil
}

// readPatch takes a JSON Patch out of the Binary that carries it.
func (e *entry) readPatch(bad func(string, ...any) error) error {
	if e.resource.Get("resourceType").Text() != "Binary" || e.resource.Get("contentType").Text() != "application/json-patch+json" {
		return bad("PATCH 的内容应是装有 application/json-patch+json 的 Binary")
	}
	raw, err := decodeBase64(e.resource.Get("data").Text())
	if err != nil {
		return bad("Binary.data 不是 base64")
	}
	e.q.body, e.q.contentType = raw, "application/json-patch+json"
	return nil
}

// batch does each entry by itself; what fails says so in its own answer.
func (s *Server) batch(ctx context.Context, me who, list []entry) (response, error) {
	out := make([]response, len(list))
	for i := range list {
		resp, err := s.single(ctx, me, list[i].q)
		if err != nil {
			if ctx.Err() != nil {
				return response{}, ctx.Err()
			}
			f := faultOf(err)
			resp = response{status: f.status, body: outcomeOf(f.issues...), notes: f.issues}
		}
		out[i] = resp
	}
	return response{status: http.StatusOK, body: answers("batch-response", list, out, "")}, nil
}

// single does one entry of a batch.
func (s *Server) single(ctx context.Context, me who, q request) (response, error) {
	if o, err := operationOf(q); err == nil && o != nil && o.batch {
		return o.alone(s, ctx, me, q)
	}
	return s.once(ctx, me, q)
}

// order is the order in which a transaction is done: DELETE, POST, PUT and
// PATCH, GET (FHIR R4, 3.1.0.11.2).
func order(e *entry) int {
	switch e.method {
	case http.MethodDelete:
		return 0
	case http.MethodPost:
		return 1
	case http.MethodPut, http.MethodPatch:
		return 2
	}
	return 3
}

// transaction does all entries or none.
func (s *Server) transaction(ctx context.Context, tx *db.Tx, me who, list []entry) ([]response, error) {
	names, err := s.names(ctx, tx, me, list)
	if err != nil {
		return nil, err
	}
	todo := make([]*entry, len(list))
	for i := range list {
		todo[i] = &list[i]
	}
	slices.SortStableFunc(todo, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(first(a), first(b)))
	})
	out := make([]response, len(list))
	for _, e := range todo {
		q := e.q
		if e.method != http.MethodGet && e.method != http.MethodDelete && e.resource.Exists() && e.method != http.MethodPatch {
			if q.body, err = s.rewritten(ctx, tx, me, e.resource, names); err != nil {
				return nil, at(e, err)
			}
		}
		if r, ok := names[e.fullURL]; ok && e.method == http.MethodPost {
			if r.there { // If-None-Exist found it
				q.ifNoneExist = ""
				if out[e.at], err = s.existing(ctx, tx, me, q, r.key); err != nil {
					return nil, at(e, err)
				}
				continue
			}
			q.id, q.ifNoneExist = r.key.ID, ""
		}
		if out[e.at], err = s.do(ctx, tx, me, q); err != nil {
			return nil, at(e, err)
		}
	}
	return out, nil
}

// first puts what others refer to before them: organizations, people, patients,
// encounters.
func first(e *entry) int {
	if len(e.q.path) == 0 {
		return 9
	}
	i := slices.Index([]string{"Organization", "Location", "Practitioner", "PractitionerRole", "Patient", "Encounter", "ServiceRequest"}, e.q.path[0])
	if i < 0 {
		return 8
	}
	return i
}

// at says which entry failed.
func at(e *entry, err error) error {
	f := *faultOf(err)
	f.issues = slices.Clone(f.issues)
	for i := range f.issues {
		f.issues[i].Details.Text = fmt.Sprintf("第 %d 条（%s %s）：%s", e.at+1, e.method, e.url, f.issues[i].Details.Text)
		f.issues[i].Expression = []string{"Bundle.entry[" + strconv.Itoa(e.at) + "]"}
	}
	return &f
}

// named is what a fullUrl stands for after the transaction.
type named struct {
	key   record.Key
	there bool // exists already
}

// names gives every entry its key before anything is written, so that entries
// may refer to each other in any direction.
func (s *Server) names(ctx context.Context, tx *db.Tx, me who, list []entry) (map[string]named, error) {
	out := map[string]named{}
	targets := map[record.Key]int{}
	for i := range list {
		e := &list[i]
		if len(e.q.path) == 0 || e.method == http.MethodGet {
			continue
		}
		n := named{key: record.Key{Type: e.q.path[0]}}
		var err error
		switch {
		case e.method == http.MethodPost && len(e.q.path) == 1:
			if e.q.ifNoneExist != "" {
				if n.key, err = s.oneMatch(ctx, tx, me, n.key.Type, e.q.ifNoneExist); err != nil {
					return nil, at(e, err)
				}
			}
			if n.key.ID == "" {
				if n.key.ID, err = s.foundBy(ctx, tx, me, e); err != nil {
					return nil, at(e, err)
				}
			}
			if n.there = n.key.ID != ""; !n.there {
				n.key.ID = db.NewID()
			}
		case len(e.q.path) == 2:
			n.key.ID = e.q.path[1]
		case len(e.q.path) == 1:
			if n.key, err = s.conditional(ctx, tx, me, &e.q); err != nil {
				return nil, at(e, err)
			}
			if n.key.ID == "" && e.method == http.MethodPut {
				if n.key.ID = e.resource.Get("id").Text(); n.key.ID == "" {
					n.key.ID = db.NewID()
					e.method, e.q.method = http.MethodPost, http.MethodPost
				} else {
					e.q.path = []string{n.key.Type, n.key.ID}
				}
			} else if n.key.ID != "" {
				e.q.path = []string{n.key.Type, n.key.ID}
			}
		}
		if was, twice := targets[n.key]; twice && !n.there && n.key.ID != "" {
			return nil, at(e, refuse(http.StatusBadRequest, "invalid", "%s 在第 %d 条已经写过一次：一个事务里每个资源只能写一次", n.key, was+1))
		}
		targets[n.key] = i
		if e.fullURL == "" {
			e.fullURL = "#" + strconv.Itoa(i) // a name that nobody can refer to
		}
		if _, twice := out[e.fullURL]; twice {
			return nil, at(e, refuse(http.StatusBadRequest, "invalid", "fullUrl %s 出现了不止一次", e.fullURL))
		}
		out[e.fullURL] = n
		if r := search.ParseReference(e.fullURL); r.Type != "" { // http://server/fhir/Patient/1 is also Patient/1
			if _, taken := out[r.Type+"/"+r.ID]; !taken {
				out[r.Type+"/"+r.ID] = n
			}
		}
	}
	return out, nil
}

// finder is an Owner that knows what a client writes again by its number.
type finder interface {
	Find(ctx context.Context, tx *db.Tx, actor access.Actor, resource tape.Node) (id string, err error)
}

// foundBy asks the module behind a type whether what a POST brings is there.
func (s *Server) foundBy(ctx context.Context, tx *db.Tx, me who, e *entry) (string, error) {
	f, ok := s.Owners[e.q.path[0]].(finder)
	if !ok {
		return "", nil
	}
	return f.Find(ctx, tx, me.actor, e.resource)
}

// rewritten is a resource whose references to other entries name what those
// become. Only strings that are references change; everything else keeps its
// bytes.
func (s *Server) rewritten(ctx context.Context, tx *db.Tx, me who, resource tape.Node, names map[string]named) ([]byte, error) {
	from, _ := resource.Span()
	doc := resource.Doc()
	var edits []tape.Edit
	for i := resource.Index() + 1; i < resource.End(); i++ {
		n := doc.At(i)
		if n.Kind() != tape.String {
			continue
		}
		text := n.Text()
		name := n.Name()
		if name == "div" {
			edits = append(edits, narrative(n, names, from)...)
			continue
		}
		to, err := s.newName(ctx, tx, me, name, text, names)
		if err != nil {
			return nil, err
		}
		if to != "" && to != text {
			e := tape.Replace(n, tape.Quote(to))
			e.From, e.To = e.From-from, e.To-from
			edits = append(edits, e)
		}
	}
	if len(edits) == 0 {
		return resource.Raw(), nil
	}
	return tape.Apply(nil, resource.Raw(), edits...), nil
}

// newName is what a reference becomes, "" when it stays.
func (s *Server) newName(ctx context.Context, tx *db.Tx, me who, member, text string, names map[string]named) (string, error) {
	if member == "value" || member == "system" { // identifiers keep what they say
		return "", nil
	}
	base, fragment, _ := strings.Cut(text, "#")
	if n, ok := names[base]; ok && base != "" && (member == "reference" || strings.HasPrefix(base, "urn:")) {
		if fragment != "" {
			return n.key.String() + "#" + fragment, nil
		}
		return n.key.String(), nil
	}
	kind, condition, ok := strings.Cut(text, "?")
	if member != "reference" || !ok || !spec.IsResource(kind) {
		return "", nil
	}
	key, err := s.oneMatch(ctx, tx, me, kind, condition)
	if err != nil {
		return "", err
	}
	if key.ID == "" {
		return "", refuse(http.StatusPreconditionFailed, "not-found", "引用“%s”没有找到符合条件的资源", text)
	}
	return key.String(), nil
}

// narrative rewrites links inside a narrative.
func narrative(n tape.Node, names map[string]named, from int) []tape.Edit {
	text := n.Text()
	changed := text
	for full, to := range names {
		if strings.HasPrefix(full, "urn:") && strings.Contains(changed, full) {
			changed = strings.ReplaceAll(changed, full, to.key.String())
		}
	}
	if changed == text {
		return nil
	}
	e := tape.Replace(n, tape.Quote(changed))
	e.From, e.To = e.From-from, e.To-from
	return []tape.Edit{e}
}

func (s *Server) existing(ctx context.Context, tx *db.Tx, me who, q request, key record.Key) (response, error) {
	r, err := s.Store.Read(ctx, tx, key)
	if err != nil {
		return response{}, err
	}
	return s.written(q, r, http.StatusOK), s.seen(ctx, tx, me, r, false, "record.read", "已存在，没有新建")
}

// answers writes the response bundle, in the order of the request.
func answers(kind string, list []entry, out []response, prefer string) []byte {
	var w bytes.Buffer
	w.WriteString(`{"resourceType":"Bundle","id":"` + db.NewID() + `","type":"` + kind + `","entry":[`)
	for i := range out {
		if i > 0 {
			w.WriteByte(',')
		}
		answerEntry(&w, &list[i], &out[i], prefer)
	}
	w.WriteString(`]}`)
	return w.Bytes()
}

func answerEntry(w *bytes.Buffer, e *entry, r *response, prefer string) {
	w.WriteByte('{')
	failed := r.status >= 400
	if len(r.body) > 0 && !failed && (prefer != "minimal" || e.method == http.MethodGet) {
		if r.resource.ID != "" {
			w.WriteString(`"fullUrl":`)
			w.Write(tape.Quote(e.q.base + "/" + r.resource.Key.String()))
			w.WriteByte(',')
		}
		w.WriteString(`"resource":`)
		w.Write(r.body)
		w.WriteByte(',')
	}
	w.WriteString(`"response":{"status":"` + strconv.Itoa(r.status) + " " + http.StatusText(r.status) + `"`)
	if r.location != "" {
		w.WriteString(`,"location":`)
		w.Write(tape.Quote(strings.TrimPrefix(r.location, e.q.base+"/")))
	}
	if r.etag != "" {
		w.WriteString(`,"etag":`)
		w.Write(tape.Quote(r.etag))
	}
	if !r.modified.IsZero() {
		w.WriteString(`,"lastModified":"` + record.FormatInstant(r.modified) + `"`)
	}
	if failed {
		w.WriteString(`,"outcome":`)
		w.Write(r.body)
	}
	w.WriteString(`}}`)
}
