package json

import (
	"iter"
	"strconv"
	"strings"
)

// Node is one value of a document. The zero Node does not exist; asking it for
// anything answers with nothing, so that paths can be followed without checks.
type Node struct {
	d *Doc
	i uint32
}

// Exists reports whether there is such a value. JSON null exists.
func (n Node) Exists() bool { return n.d != nil }

// Kind returns the JSON type, Missing for a node that does not exist.
func (n Node) Kind() Kind {
	if n.d == nil {
		return Missing
	}
	return n.d.nodes[n.i].kind
}

// Doc returns the document that the node belongs to.
func (n Node) Doc() *Doc { return n.d }

// Index returns the node's place on the tape, for Doc.At. Descendants of a node
// have larger indexes, up to but excluding End.
func (n Node) Index() int { return int(n.i) }

// End returns the index after the node's last descendant.
func (n Node) End() int {
	if n.d == nil {
		return 0
	}
	return int(n.d.nodes[n.i].next)
}

// Get returns an object's member by name.
func (n Node) Get(name string) Node {
	if n.Kind() != Object {
		return Node{}
	}
	nodes, src := n.d.nodes, n.d.src
	end := nodes[n.i].next
	for c := n.i + 1; c < end; c = nodes[c].next {
		m := &nodes[c]
		if m.keyEscaped {
			if n.d.key(c) == name {
				return Node{n.d, c}
			}
			continue
		}
		if int(m.keyTo-m.keyFrom) == len(name) && string(src[m.keyFrom:m.keyTo]) == name {
			return Node{n.d, c}
		}
	}
	return Node{}
}

// At returns an array's item by position.
func (n Node) At(pos int) Node {
	if n.Kind() != Array || pos < 0 || pos >= n.Len() {
		return Node{}
	}
	c := n.i + 1
	for ; pos > 0; pos-- {
		c = n.d.nodes[c].next
	}
	return Node{n.d, c}
}

// Len returns the number of an array's items or an object's members, zero for
// anything else.
func (n Node) Len() int {
	if n.d == nil {
		return 0
	}
	return int(n.d.nodes[n.i].size)
}

// Items yields the items of an array, and nothing for anything else.
func (n Node) Items() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.Kind() != Array {
			return
		}
		nodes := n.d.nodes
		for c := n.i + 1; c < nodes[n.i].next; c = nodes[c].next {
			if !yield(Node{n.d, c}) {
				return
			}
		}
	}
}

// Fields yields the members of an object in the order they were written, and
// nothing for anything else.
func (n Node) Fields() iter.Seq2[string, Node] {
	return func(yield func(string, Node) bool) {
		if n.Kind() != Object {
			return
		}
		nodes := n.d.nodes
		for c := n.i + 1; c < nodes[n.i].next; c = nodes[c].next {
			if !yield(n.d.key(c), Node{n.d, c}) {
				return
			}
		}
	}
}

// Name returns the name under which the node stands in its object, empty for
// items and the root.
func (n Node) Name() string {
	if n.d == nil {
		return ""
	}
	return n.d.key(n.i)
}

// Text returns the text of a string, unescaped, and "" for anything else. It
// shares the document's memory unless there was something to unescape.
func (n Node) Text() string {
	if n.Kind() != String {
		return ""
	}
	x := &n.d.nodes[n.i]
	b := n.d.src[x.from+1 : x.to-1]
	if x.escaped {
		return unescape(b)
	}
	return share(b)
}

// Bool returns the value of true or false; false for anything else.
func (n Node) Bool() bool {
	return n.Kind() == Bool && n.d.src[n.d.nodes[n.i].from] == 't'
}

// Number returns the literal of a number as it was written, "" for anything
// else.
func (n Node) Number() string {
	if n.Kind() != Number {
		return ""
	}
	return share(n.Raw())
}

// Scalar returns what a primitive says in letters: the text of a string, the
// literal of a number, true or false; "" for anything else.
func (n Node) Scalar() string {
	switch n.Kind() {
	case String:
		return n.Text()
	case Number, Bool:
		return share(n.Raw())
	}
	return ""
}

// Raw returns the bytes of the value as they were written.
func (n Node) Raw() []byte {
	if n.d == nil {
		return nil
	}
	x := &n.d.nodes[n.i]
	return n.d.src[x.from:x.to:x.to]
}

// Span returns where in Doc.Bytes the value stands.
func (n Node) Span() (from, to int) {
	if n.d == nil {
		return 0, 0
	}
	x := &n.d.nodes[n.i]
	return int(x.from), int(x.to)
}

// Path says where the node stands, in the form of OperationOutcome.expression:
// Patient.name[0].given[1]. It is worked out from the root each time and meant
// for messages.
func (n Node) Path() string {
	if n.d == nil {
		return ""
	}
	return n.d.path(func(c, next uint32) bool { return c <= n.i && n.i < next })
}

// clip keeps a name that is quoted in a message short.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && s[end]&0xc0 == 0x80 { // not inside a character
		end--
	}
	return s[:end] + "…"
}

// path follows from the root the children that contain what is looked for.
func (d *Doc) path(within func(from, next uint32) bool) string {
	var s strings.Builder
	if d.nodes[0].kind == Object {
		for c := uint32(1); c < uint32(len(d.nodes)) && d.nodes[c].next != 0; c = d.nodes[c].next {
			if d.nodes[c].kind == String && d.key(c) == "resourceType" {
				s.WriteString(clip(Node{d, c}.Text()))
				break
			}
		}
	}
	for at := uint32(0); ; {
		child, pos := at+1, 0
		for child < uint32(len(d.nodes)) && !within(child, d.nodes[child].next) {
			next := d.nodes[child].next
			if next <= child || at != 0 && d.nodes[at].next != 0 && next >= d.nodes[at].next {
				return s.String()
			}
			child, pos = next, pos+1
		}
		if child >= uint32(len(d.nodes)) || d.nodes[at].kind != Object && d.nodes[at].kind != Array {
			return s.String()
		}
		if d.nodes[at].kind == Array {
			s.WriteString("[" + strconv.Itoa(pos) + "]")
		} else {
			if s.Len() > 0 {
				s.WriteByte('.')
			}
			s.WriteString(clip(d.key(child)))
		}
		at = child
	}
}
