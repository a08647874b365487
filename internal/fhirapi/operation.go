package fhirapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"yilian/internal/db"
	"yilian/internal/fhir/spec"
)

// level is what an operation is asked of.
type level int

const (
	onSystem level = iota
	onType
	onInstance
)

// operation is an operation of FHIR that this server carries out. Requests are
// dispatched by this table, and the CapabilityStatement is made from it.
type operation struct {
	name       string
	definition string
	types      []string // nil: all types
	levels     []level
	methods    []string
	// do answers in the transaction of a read; it may stand in a batch.
	do func(s *Server, ctx context.Context, tx *db.Tx, me who, q request) (response, error)
	// alone answers a request that makes its own transactions; batch says that it
	// may stand in a batch all the same.
	alone func(s *Server, ctx context.Context, me who, q request) (response, error)
	batch bool
}

const bulkDefinition = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"

// operations are all that there are. It is a function because those who answer
// look into it.
func operations() []operation {
	both := []string{http.MethodGet, http.MethodPost}
	return []operation{
		{name: "everything", definition: "http://hl7.org/fhir/OperationDefinition/Patient-everything",
			types: []string{"Patient"}, levels: []level{onInstance}, methods: both, do: (*Server).everything},
		{name: "validate", definition: "http://hl7.org/fhir/OperationDefinition/Resource-validate",
			levels: []level{onType, onInstance}, methods: []string{http.MethodPost}, alone: (*Server).validate, batch: true},
		{name: "export", definition: bulkDefinition + "export", levels: []level{onSystem}, methods: both, alone: (*Server).startExport},
		{name: "export", definition: bulkDefinition + "patient-export", types: []string{"Patient"}, levels: []level{onType}, methods: both, alone: (*Server).startExport},
		{name: "export", definition: bulkDefinition + "group-export", types: []string{"Group"}, levels: []level{onInstance}, methods: both, alone: (*Server).startExport},
	}
}

// offers reports whether the operation is asked of a type and level.
func (o operation) offers(kind string, at level) bool {
	return slices.Contains(o.levels, at) && (at == onSystem || o.types == nil || slices.Contains(o.types, kind))
}

// called is the operation that a request names; ok is false when it names none.
func (q *request) called() (name, kind string, at level, ok bool) {
	n := len(q.path)
	if n == 0 || n > 3 || !strings.HasPrefix(q.path[n-1], "$") {
		return "", "", 0, false
	}
	if n > 1 {
		kind = q.path[0]
	}
	return q.path[n-1][1:], kind, level(n - 1), true
}

// operationOf finds the operation of a request; nil when it names none.
func operationOf(q request) (*operation, error) {
	name, kind, at, ok := q.called()
	if !ok {
		return nil, nil
	}
	if kind != "" && !spec.IsResource(kind) {
		return nil, refuse(http.StatusNotFound, "not-supported", "没有“%s”这种资源（FHIR R4）", kind)
	}
	for _, o := range operations() {
		if o.name != name || !o.offers(kind, at) {
			continue
		}
		if !slices.Contains(o.methods, q.method) {
			return nil, refuse(http.StatusMethodNotAllowed, "not-supported", "操作 $%s 要用 %s", name, strings.Join(o.methods, " 或 "))
		}
		return &o, nil
	}
	return nil, refuse(http.StatusNotFound, "not-supported", "没有操作 %s %s", q.method, strings.Join(q.path, "/"))
}
