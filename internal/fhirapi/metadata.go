package fhirapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
	"yilian/internal/fhirapi/auditevent"
	"yilian/internal/record"
)

// The CapabilityStatement is made from the tables that requests are served
// with, so that it cannot promise what is not there.

type capability struct {
	ResourceType   string            `json:"resourceType"`
	ID             string            `json:"id"`
	Status         string            `json:"status"`
	Date           string            `json:"date"`
	Publisher      string            `json:"publisher"`
	Kind           string            `json:"kind"`
	Instantiates   []string          `json:"instantiates"`
	Software       map[string]string `json:"software"`
	Implementation map[string]string `json:"implementation"`
	FHIRVersion    string            `json:"fhirVersion"`
	Format         []string          `json:"format"`
	PatchFormat    []string          `json:"patchFormat"`
	Rest           []restPart        `json:"rest"`
}

type restPart struct {
	Mode          string          `json:"mode"`
	Documentation string          `json:"documentation"`
	Security      any             `json:"security"`
	Resource      []resourcePart  `json:"resource"`
	Interaction   []code          `json:"interaction"`
	Operation     []operationPart `json:"operation,omitempty"`
	Compartment   []string        `json:"compartment"`
}

type code struct {
	Code string `json:"code"`
}

type operationPart struct {
	Name       string `json:"name"`
	Definition string `json:"definition"`
}

type resourcePart struct {
	Type              string          `json:"type"`
	Profile           string          `json:"profile"`
	Documentation     string          `json:"documentation,omitempty"`
	Interaction       []code          `json:"interaction"`
	Versioning        string          `json:"versioning"`
	ReadHistory       bool            `json:"readHistory"`
	UpdateCreate      bool            `json:"updateCreate"`
	ConditionalCreate bool            `json:"conditionalCreate"`
	ConditionalRead   string          `json:"conditionalRead"`
	ConditionalUpdate bool            `json:"conditionalUpdate"`
	ConditionalDelete string          `json:"conditionalDelete"`
	ReferencePolicy   []string        `json:"referencePolicy"`
	SearchInclude     []string        `json:"searchInclude,omitempty"`
	SearchRevInclude  []string        `json:"searchRevInclude,omitempty"`
	SearchParam       []parameter     `json:"searchParam"`
	Operation         []operationPart `json:"operation,omitempty"`
}

type parameter struct {
	Name       string `json:"name"`
	Definition string `json:"definition"`
	Type       string `json:"type"`
	Note       string `json:"documentation,omitempty"`
}

var interactions = []code{{"read"}, {"vread"}, {"update"}, {"patch"}, {"delete"}, {"history-instance"}, {"history-type"}, {"create"}, {"search-type"}}

// resourceParts is the same for every address and every request.
var resourceParts = sync.OnceValue(func() []resourcePart {
	pointing := map[string][]string{} // type → what may point at it
	var out []resourcePart
	for _, kind := range spec.ResourceTypes() {
		part := resourcePart{
			Type: kind, Profile: "http://hl7.org/fhir/StructureDefinition/" + kind, Interaction: interactions,
			Versioning: "versioned-update", ReadHistory: true, UpdateCreate: true, ConditionalCreate: true, ConditionalRead: "full-support",
			ConditionalUpdate: true, ConditionalDelete: "single", ReferencePolicy: []string{"literal", "logical", "local"},
		}
		if kind == auditevent.Type {
			part.Documentation = logWords
		}
		for _, p := range search.Params(kind) {
			one := parameter{Name: p.Code, Definition: p.URL(), Type: string(p.Type)}
			if kind == auditevent.Type && !auditevent.Answers(p.Code) {
				one.Note = "只检索各系统送来的 AuditEvent，不检索审计日志"
			}
			part.SearchParam = append(part.SearchParam, one)
			if p.Type != spec.ReferenceParam {
				continue
			}
			include := kind + ":" + p.Code
			part.SearchInclude = append(part.SearchInclude, include)
			for _, target := range p.Targets {
				pointing[target] = append(pointing[target], include)
			}
		}
		part.Operation = operationParts(kind, onType, onInstance)
		out = append(out, part)
	}
	for i := range out {
		out[i].SearchRevInclude = pointing[out[i].Type]
	}
	return out
})

func (s *Server) metadata(w http.ResponseWriter, r *http.Request, q request) error {
	raw, err := json.Marshal(s.capability(q.base))
	if err != nil {
		return err
	}
	s.write(w, r, http.StatusOK, raw)
	return nil
}

func (s *Server) capability(base string) capability {
	root := base[:len(base)-len("/fhir")]
	security := map[string]any{
		"cors":        false,
		"service":     []any{map[string]any{"coding": []any{map[string]string{"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}}}},
		"description": "SMART backend services：private_key_jwt（RS384、ES384）或客户端密钥；范围之外，还须与患者有诊疗关系",
		"extension": []any{map[string]any{
			"url":       "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
			"extension": []any{map[string]string{"url": "token", "valueUri": root + "/oauth/token"}},
		}},
	}
	return capability{
		ResourceType: "CapabilityStatement", ID: "yilian", Status: "active", Date: record.FormatInstant(s.DB.Now()),
		Publisher: "医联", Kind: "instance", Instantiates: []string{"http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"}, Software: map[string]string{"name": "医联"},
		Implementation: map[string]string{"description": "医疗联合体工作平台的 FHIR 接口", "url": base},
		FHIRVersion:    spec.Version, Format: []string{"application/fhir+json", "json"}, PatchFormat: []string{"application/json-patch+json"},
		Rest: []restPart{{
			Mode: "server", Security: security, Resource: resourceParts(),
			Documentation: "内容按收到的原样保存和返回；每个实例只由建立它的一方改写。未起作用的参数会在结果中指出，Prefer: handling=strict 时报错。",
			Interaction:   []code{{"transaction"}, {"batch"}, {"search-system"}, {"history-system"}},
			Operation:     operationParts("", onSystem),
			Compartment:   compartments(),
		}},
	}
}

// operationParts are the operations that are offered of a type at some level.
func operationParts(kind string, levels ...level) []operationPart {
	var out []operationPart
	for _, o := range operations() {
		if slices.ContainsFunc(levels, func(at level) bool { return o.offers(kind, at) }) {
			out = append(out, operationPart{o.name, o.definition})
		}
	}
	return out
}

func compartments() []string {
	var out []string
	for _, kind := range []string{"Patient", "Practitioner", "RelatedPerson", "Device", "Encounter"} {
		if spec.CompartmentOf(kind) != nil {
			out = append(out, "http://hl7.org/fhir/CompartmentDefinition/"+lower(kind))
		}
	}
	return out
}
