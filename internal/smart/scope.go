// Package smart holds the pure rules of SMART App Launch 2.2 for backend
// services: scopes, key sets and signed client assertions. It keeps nothing
// and knows no module.
package smart

import (
	"slices"
	"strings"

	"yilian/internal/errs"
)

// Interaction is one letter of a SMART v2 scope.
type Interaction byte

// The interactions that a scope names.
const (
	Create Interaction = 'c'
	Read   Interaction = 'r' // read, vread, history of an instance
	Update Interaction = 'u' // update and patch
	Delete Interaction = 'd'
	Search Interaction = 's' // search, history of a type or of all
)

const allLetters = "cruds"

// Scope is one granted scope: a resource type, or * for all, and interactions
// in the order c, r, u, d, s.
type Scope struct {
	Type    string
	Letters string
}

func (s Scope) String() string { return "system/" + s.Type + "." + s.Letters }

// Scopes is what a client may do.
type Scopes []Scope

func (s Scopes) String() string {
	out := make([]string, len(s))
	for i, x := range s {
		out[i] = x.String()
	}
	return strings.Join(out, " ")
}

// ParseScopes reads scopes separated by spaces. The v1 forms are read as
// system/X.read = rs, system/X.write = cud, system/X.* = cruds. Scopes of the
// user or patient context, and scopes with search parameters, are refused: this
// server gives access to systems, and narrows it by relations of care.
func ParseScopes(text string) (Scopes, error) {
	var out Scopes
	for _, f := range strings.Fields(text) {
		s, err := parseScope(f)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

func parseScope(text string) (Scope, error) {
	rest, ok := strings.CutPrefix(text, "system/")
	if !ok {
		return Scope{}, errs.E(errs.Invalid, "范围“%s”不能用：系统客户端的范围以 system/ 开头，例如 system/Patient.rs", text)
	}
	kind, letters, ok := strings.Cut(rest, ".")
	if !ok || !typeName(kind) {
		return Scope{}, errs.E(errs.Invalid, "范围“%s”写法不对：应为 system/资源类型.权限，例如 system/Observation.rs 或 system/*.rs", text)
	}
	switch letters {
	case "read":
		letters = "rs"
	case "write":
		letters = "cud"
	case "*":
		letters = allLetters
	}
	if letters == "" || !ordered(letters) {
		return Scope{}, errs.E(errs.Invalid, "范围“%s”的权限不对：应从 c、r、u、d、s 中按此顺序选用，或写 read、write、*", text)
	}
	return Scope{kind, letters}, nil
}

func typeName(s string) bool {
	if s == "*" {
		return true
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'A' || c > 'Z') && (i == 0 || c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}

// ordered reports whether letters are some of cruds, each once, in that order.
func ordered(letters string) bool {
	at := -1
	for i := range len(letters) {
		next := strings.IndexByte(allLetters, letters[i])
		if next <= at {
			return false
		}
		at = next
	}
	return true
}

// Allow reports whether the scopes cover an interaction with a resource type.
func (s Scopes) Allow(resourceType string, what Interaction) bool {
	return slices.ContainsFunc(s, func(x Scope) bool {
		return (x.Type == "*" || x.Type == resourceType) && strings.IndexByte(x.Letters, byte(what)) >= 0
	})
}

// Within cuts what is asked for down to what s allows, as RFC 6749 (3.3)
// permits; asking for nothing gets everything.
func (s Scopes) Within(asked Scopes) Scopes {
	if len(asked) == 0 {
		return s
	}
	var out Scopes
	for _, a := range asked {
		for _, own := range s {
			x := Scope{Type: a.Type, Letters: common(a.Letters, own.Letters)}
			switch {
			case own.Type == "*" || own.Type == a.Type:
			case a.Type == "*":
				x.Type = own.Type
			default:
				continue
			}
			if x.Letters != "" && !slices.Contains(out, x) {
				out = append(out, x)
			}
		}
	}
	return out
}

func common(a, b string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(b, r) {
			return r
		}
		return -1
	}, a)
}
