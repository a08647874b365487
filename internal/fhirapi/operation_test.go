package fhirapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"yilian/internal/db"
)

func TestValidate(t *testing.T) {
	each(t, func(w *world) {
		good, bad := observation("", "p1", "1-1", "2026-01-02"), `{"resourceType":"Observation","status":"done","code":{"text":"x"},"value":1}`
		w.call("POST", "/fhir/Observation/$validate", good).is(200, "没有发现问题", `"severity":"information"`)
		w.call("POST", "/fhir/Observation/$validate", bad).is(200, "code-invalid", `"expression":["Observation.status"]`, "Observation.value")
		w.call("POST", "/fhir/Observation/$validate", `{"resourceType":"Observation","id":"x"}`).is(200, `"code":"required"`, "缺少必填元素 status")
		w.call("POST", "/fhir/Observation/$validate", `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":`+bad+`}]}`).is(200, "code-invalid")
		w.call("POST", "/fhir/Observation/$validate", `{"resourceType":"Observation"`).is(400)
		w.call("POST", "/fhir/Observation/$validate", `{"resourceType":"Patient"}`).is(400, "resourceType")
		w.call("POST", "/fhir/Observation/$validate", "").is(400, "缺少要检查的资源")
		w.call("POST", "/fhir/Observation/$validate?profile=urn:x", good).is(400, "urn:x")
		w.call("GET", "/fhir/Observation/$validate", "").is(405, "POST")
		w.call("POST", "/fhir/Nothing/$validate", good).is(404)
		w.call("POST", "/fhir/Observation/$nothing", good).is(404, "没有操作")
		// With a mode the write is tried and undone.
		before := w.count()
		w.call("POST", "/fhir/Observation/$validate?mode=create", good).is(200, "没有发现问题")
		w.call("POST", "/fhir/Observation/$validate?mode=create", observation("", "p9", "1-1", "2026-01-02")).is(200, "没有签约、转诊或就诊关系", `"severity":"error"`)
		w.call("POST", "/fhir/Patient/$validate?mode=create", `{"resourceType":"Patient","name":[{"text":"王五"}]}`).is(200, "身份信息不足")
		w.call("POST", "/fhir/Observation/$validate?mode=update", good).is(400, "写明是哪一个资源")
		w.call("POST", "/fhir/Observation/none/$validate?mode=update", observation("none", "p1", "1-1", "2026-01-02")).is(200, "not-found")
		w.call("PUT", "/fhir/Observation/o1", observation("o1", "p1", "1-1", "2026-01-02")).is(201)
		w.call("POST", "/fhir/Observation/o1/$validate?mode=update", observation("o1", "p1", "2-2", "2026-01-02")).is(200, "没有发现问题")
		w.call("POST", "/fhir/Observation/o1/$validate?mode=update", observation("o2", "p1", "2-2", "2026-01-02")).is(200, "地址中的是")
		w.call("POST", "/fhir/Observation/o1/$validate", `{"resourceType":"Parameters","parameter":[{"name":"mode","valueCode":"delete"}]}`).is(200, "没有发现问题")
		w.call("GET", "/fhir/Observation/o1", "").is(200, `"versionId":"1"`, `"code":"1-1"`)
		if n := w.count(); n != before+1 {
			t.Errorf("trials kept %d versions", n-before-1)
		}
		w.tx(func(tx *db.Tx) error {
			_, err := w.server.Store.Project(w.Context(), tx, "referral", []byte(observation("ours", "p1", "1-1", "2026-01-02")), "")
			return err
		})
		w.call("POST", "/fhir/Observation/ours/$validate?mode=delete", "").is(200, "由本平台自己维护", "business-rule")
		in := func(kind string, bodies ...string) string {
			for i, b := range bodies {
				bodies[i] = `{"resource":` + b + `,"request":{"method":"POST","url":"Observation/$validate"}}`
			}
			return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(bodies, ",") + `]}`
		}
		w.call("POST", "/fhir", in("batch", good, bad)).is(200, "没有发现问题", "code-invalid")
		w.call("POST", "/fhir", in("transaction", good)).is(400, "不能放在事务里")
		w.token = w.client("reader", "system/Observation.rs")
		w.call("POST", "/fhir/Observation/$validate", good).is(200)
		w.call("POST", "/fhir/Observation/$validate?mode=create", good).is(403, "范围")
		w.call("POST", "/fhir/Patient/$validate", `{"resourceType":"Patient","active":true}`).is(403, "范围")
	})
}

// TestMetadataPromisesWhatIsThere asks for everything that the
// CapabilityStatement names, of every type: nothing may be unknown.
func TestMetadataPromisesWhatIsThere(t *testing.T) {
	w := one(t)
	meta := w.call("GET", "/fhir/metadata", "").is(200)
	rest, _ := meta.get("rest", 0, "resource").([]any)
	if len(rest) < 140 {
		t.Fatalf("%d types", len(rest))
	}
	unknown := func(a answer) bool {
		return a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotFound && (strings.Contains(string(a.body), "没有操作") || strings.Contains(string(a.body), "没有这个地址") || strings.Contains(string(a.body), "没有“"))
	}
	ask := map[string]func(kind string) answer{
		"read":   func(k string) answer { return w.call("GET", "/fhir/"+k+"/x", "") },
		"vread":  func(k string) answer { return w.call("GET", "/fhir/"+k+"/x/_history/1", "") },
		"update": func(k string) answer { return w.call("PUT", "/fhir/"+k+"/x", "{}") },
		"patch": func(k string) answer {
			return w.call("PATCH", "/fhir/"+k+"/x", "[]", "Content-Type", "application/json-patch+json")
		},
		"delete":           func(k string) answer { return w.call("DELETE", "/fhir/"+k+"/x", "") },
		"history-instance": func(k string) answer { return w.call("GET", "/fhir/"+k+"/x/_history", "") },
		"history-type":     func(k string) answer { return w.call("GET", "/fhir/"+k+"/_history", "") },
		"create":           func(k string) answer { return w.call("POST", "/fhir/"+k, "{}") },
		"search-type":      func(k string) answer { return w.call("GET", "/fhir/"+k, "") },
	}
	for _, r := range rest {
		r, _ := r.(map[string]any)
		kind := fmt.Sprint(r["type"])
		for _, i := range r["interaction"].([]any) {
			name := fmt.Sprint(i.(map[string]any)["code"])
			if ask[name] == nil {
				t.Errorf("%s: %s is promised, and not asked for here", kind, name)
			} else if a := ask[name](kind); unknown(a) {
				t.Errorf("%s: %s is promised: %d %s", kind, name, a.status, a.body)
			}
		}
		ops, _ := r["operation"].([]any)
		for _, o := range ops {
			name := fmt.Sprint(o.(map[string]any)["name"])
			found := false
			for _, at := range []string{"/", "/x/"} {
				for _, method := range []string{"GET", "POST"} {
					found = found || !unknown(w.call(method, "/fhir/"+kind+at+"$"+name, ""))
				}
			}
			if !found {
				t.Errorf("%s: $%s is promised", kind, name)
			}
		}
		// Search parameters: one of each type of resource, unknown ones are errors in strict handling.
		params, _ := r["searchParam"].([]any)
		for _, p := range params[:min(len(params), 3)] {
			p, _ := p.(map[string]any)
			a := w.call("GET", fmt.Sprint("/fhir/", kind, "?", p["name"], ":missing=true"), "", "Prefer", "handling=strict")
			if a.status != 200 && !strings.Contains(string(a.body), ":missing") {
				t.Errorf("%s?%v: %d %s", kind, p["name"], a.status, a.body)
			}
		}
	}
	for _, i := range meta.get("rest", 0, "interaction").([]any) {
		switch name := fmt.Sprint(i.(map[string]any)["code"]); name {
		case "transaction", "batch":
			w.call("POST", "/fhir", `{"resourceType":"Bundle","type":"`+name+`"}`).is(200)
		case "search-system":
			w.call("GET", "/fhir?_type=Observation", "").is(200)
		case "history-system":
			w.call("GET", "/fhir/_history", "").is(200)
		default:
			t.Errorf("%s is promised", name)
		}
	}
}
