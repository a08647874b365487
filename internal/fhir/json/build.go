package json

import (
	"encoding/json"
	"fmt"
)

// Made is a resource, or a part of one, under construction. Parts that are
// empty are left out when it is written.
type Made map[string]any

// Write returns the JSON of an object under construction, its members in the
// order of the alphabet. Empty texts, objects and lists, which FHIR does not
// allow, are left out.
func Write(o Made) ([]byte, error) {
	raw, err := json.Marshal(prune(o))
	if err != nil {
		return nil, fmt.Errorf("write resource: %w", err)
	}
	return raw, nil
}

func prune(v any) any {
	switch x := v.(type) {
	case Made:
		out := map[string]any{}
		for k, e := range x {
			if e = prune(e); e != nil {
				out[k] = e
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []Made:
		list := make([]any, len(x))
		for i, e := range x {
			list[i] = e
		}
		return prune(list)
	case []any:
		var out []any
		for _, e := range x {
			if e = prune(e); e != nil {
				out = append(out, e)
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case string:
		if x == "" {
			return nil
		}
	}
	return v
}
