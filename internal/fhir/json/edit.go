package json

import (
	"bytes"
	"slices"

	"yilian/internal/errs"
)

// Edit replaces the bytes [From, To) of a document. From = To inserts.
type Edit struct {
	From, To int
	With     []byte
}

// Replace returns the edit that puts other JSON in the place of a value.
func Replace(n Node, with []byte) Edit {
	from, to := n.Span()
	return Edit{from, to, with}
}

// Apply appends src to dst with the edits made; everything else stays byte for
// byte. Edits must not overlap; their order does not matter, but insertions at
// the same place keep theirs.
func Apply(dst, src []byte, edits ...Edit) []byte {
	slices.SortStableFunc(edits, func(a, b Edit) int { return a.From - b.From })
	at := 0
	for _, e := range edits {
		dst = append(dst, src[at:e.From]...)
		dst = append(dst, e.With...)
		at = e.To
	}
	return append(dst, src[at:]...)
}

// Stamp is what a store sets in a resource that it takes in.
type Stamp struct {
	ID          string
	VersionID   string
	LastUpdated string // instant, for example 2026-11-27T19:00:17.123+08:00
}

// Splice returns the resource's bytes with id, meta.versionId and
// meta.lastUpdated set, and everything else as it was written. The resource may
// be a whole document or a part of one (an entry of a Bundle).
func Splice(resource Node, s Stamp) ([]byte, error) {
	if resource.Kind() != Object {
		return nil, errs.E(errs.Invalid, "资源必须是一个 JSON 对象")
	}
	var edits []Edit
	after := place(resource, "resourceType")
	if id := resource.Get("id"); id.Exists() {
		edits = append(edits, Replace(id, Quote(s.ID)))
		after = place(resource, "id")
	} else {
		edits = append(edits, after.insert("id", Quote(s.ID)))
	}
	meta := resource.Get("meta")
	switch meta.Kind() {
	case Missing:
		b := append([]byte(`{"versionId":`), Quote(s.VersionID)...)
		b = append(append(b, `,"lastUpdated":`...), Quote(s.LastUpdated)...)
		edits = append(edits, after.insert("meta", append(b, '}')))
	case Object:
		start := place(meta, "")
		edits = append(edits, start.set(meta, "versionId", s.VersionID), start.set(meta, "lastUpdated", s.LastUpdated))
	default:
		return nil, errs.E(errs.Invalid, "%s 必须是一个对象", meta.Path())
	}
	from, to := resource.Span()
	src := resource.d.src[from:to]
	for i := range edits {
		edits[i].From -= from
		edits[i].To -= from
	}
	return Apply(make([]byte, 0, len(src)+160), src, edits...), nil
}

func (g *gap) set(object Node, name, text string) Edit {
	if n := object.Get(name); n.Exists() {
		return Replace(n, Quote(text))
	}
	return g.insert(name, Quote(text))
}

// gap is a place between the members of an object.
type gap struct {
	at    int
	first bool   // nothing stands before
	last  bool   // nothing stands after
	space []byte // what the writer puts before a name
}

// place returns the gap after the member called name, the one at the start of
// the object when there is no such member.
func place(object Node, name string) gap {
	from, _ := object.Span()
	g := gap{at: from + 1, first: true, last: object.Len() == 0}
	if object.Len() > 0 {
		head := int(object.d.nodes[object.i+1].keyFrom) - 1
		g.space = object.d.src[from+1 : head]
	}
	if n := object.Get(name); n.Exists() {
		_, g.at = n.Span()
		g.first = false
	}
	return g
}

// insert returns the edit that writes a member into the gap. A second one comes
// to stand behind the first.
func (g *gap) insert(name string, value []byte) Edit {
	b := make([]byte, 0, len(name)+len(value)+len(g.space)+4)
	if !g.first {
		b = append(b, ',')
	}
	b = append(b, g.space...)
	b = AppendQuoted(b, name)
	b = append(b, ':')
	b = append(b, value...)
	switch {
	case g.first && g.last:
		g.first = false
	case g.first:
		b = append(b, ',')
	}
	return Edit{g.at, g.at, b}
}

// drop returns the edit that takes a member or item out of its parent, together
// with the comma that parts it from its neighbour.
func drop(parent, child Node) Edit {
	src := child.d.src
	from, to := child.Span()
	if parent.Kind() == Object {
		from = int(child.d.nodes[child.i].keyFrom) - 1
	}
	if c := child.d.space(to); src[c] == ',' {
		return Edit{from, child.d.space(c + 1), nil}
	}
	open, _ := parent.Span()
	before := bytes.TrimRight(src[:from], " \t\r\n")
	if len(before)-1 > open { // a comma: the child is the last of several
		return Edit{len(before) - 1, to, nil}
	}
	return Edit{from, to, nil}
}
