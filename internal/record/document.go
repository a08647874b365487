package record

import (
	"strconv"
	"time"

	"yilian/internal/errs"
	"yilian/internal/fhir/json"
)

// document is a resource that was parsed and whose type is known.
type document struct {
	*json.Doc
	kind string
	id   string
}

func parse(body []byte) (document, error) {
	doc, err := json.Parse(body)
	if err != nil {
		return document{}, err
	}
	root := doc.Root()
	d := document{doc, root.Get("resourceType").Text(), root.Get("id").Text()}
	switch {
	case root.Kind() != json.Object:
		return document{}, errs.E(errs.Invalid, "内容不是一个 FHIR 资源：应为 JSON 对象")
	case d.kind == "":
		return document{}, errs.E(errs.Invalid, "资源缺少 resourceType")
	}
	return d, nil
}

// stamped is the body with id and meta set; every other byte is as received.
func (d document) stamped(id string, version int64, at time.Time) ([]byte, error) {
	return json.Splice(d.Root(), json.Stamp{ID: id, VersionID: strconv.FormatInt(version, 10), LastUpdated: FormatInstant(at)})
}

// FormatInstant writes an instant as FHIR does, in UTC with milliseconds.
func FormatInstant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
