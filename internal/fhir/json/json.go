// Package json reads FHIR JSON without building a tree of its own: one strict
// pass leaves a flat list of nodes (a tape) that point into the bytes received.
// What was received can therefore be given back byte for byte, numbers keep the
// literal they were written with, and reading a resource allocates nothing.
//
// Strict means RFC 8259 with what RFC 7493 (I-JSON) adds: UTF-8 without byte
// order mark, no lone surrogates, no name twice in one object. The package knows
// JSON and the three members that a store sets (id, meta.versionId,
// meta.lastUpdated); what a resource may contain is package spec's business.
package json

import (
	"sync"
	"unsafe"
)

// Limits of what is read. They bound time and memory for hostile input; the
// largest official example has 3 MB, a synthetic life in one bundle 5 MB.
const (
	MaxSize  = 64 << 20 // bytes of one document
	MaxNodes = 4 << 20  // values in one document, 28 bytes of memory each
	MaxDepth = 200      // objects and arrays inside each other
)

// Kind is the JSON type of a node.
type Kind uint8

const (
	Missing Kind = iota // the node does not exist
	Null
	Bool
	Number
	String
	Array
	Object
)

// node is one value on the tape. Children follow their parent; next is the
// index after the last descendant, zero while the value is still being read.
type node struct {
	keyFrom, keyTo uint32 // name in the parent object, without quotes
	from, to       uint32 // the value's bytes
	next           uint32
	size           uint32 // items of an array, members of an object
	kind           Kind
	escaped        bool // the string contains escapes
	keyEscaped     bool
}

// Doc is one parsed document. It shares the memory of the bytes it was parsed
// from: they must not be changed while the Doc, its nodes or their texts are in
// use. A Doc may be read by several goroutines.
type Doc struct {
	src   []byte
	nodes []node
	seen  []uint32 // hash table for names of large objects
}

var pool = sync.Pool{New: func() any { return new(Doc) }}

// Parse reads one JSON value. The error is an *Error that says what is wrong
// and where.
func Parse(b []byte) (*Doc, error) {
	d := pool.Get().(*Doc)
	d.src, d.nodes = b, d.nodes[:0]
	if err := d.parse(); err != nil {
		d.Release()
		return nil, err
	}
	return d, nil
}

// Release gives the Doc's memory back for the next Parse. Neither the Doc nor
// its nodes may be used afterwards; texts and raw bytes taken from them stay
// valid. Not releasing is no leak, only slower.
func (d *Doc) Release() {
	const keep = 64 << 10 // nodes; a pool that holds giants holds memory for nothing
	if d == nil || cap(d.nodes) > keep || cap(d.seen) > keep {
		return
	}
	d.src = nil
	pool.Put(d)
}

// Root returns the document's outermost value.
func (d *Doc) Root() Node { return Node{d, 0} }

// Bytes returns the bytes that the document was parsed from.
func (d *Doc) Bytes() []byte { return d.src }

// At returns the node with an index that Node.Index gave.
func (d *Doc) At(index int) Node { return Node{d, uint32(index)} }

func (d *Doc) parse() error {
	if len(d.src) > MaxSize {
		return d.fail(TooLarge, 0)
	}
	if len(d.src) >= 3 && string(d.src[:3]) == "\xef\xbb\xbf" {
		return d.fail(ByteOrderMark, 0)
	}
	i := d.space(0)
	i, err := d.value(i, member{}, 0)
	if err != nil {
		return err
	}
	if i = d.space(i); i != len(d.src) {
		return d.fail(TrailingData, i)
	}
	return nil
}

// member is the name under which a value stands in its object.
type member struct {
	from, to uint32
	escaped  bool
}

func (d *Doc) value(i int, m member, depth int) (int, error) {
	self := len(d.nodes)
	if self >= MaxNodes {
		return 0, d.fail(TooLarge, i)
	}
	d.nodes = append(d.nodes, node{keyFrom: m.from, keyTo: m.to, keyEscaped: m.escaped, from: uint32(i)})
	if i >= len(d.src) {
		return 0, d.fail(UnexpectedEnd, i)
	}
	var kind Kind
	var err error
	switch c := d.src[i]; c {
	case '"':
		kind = String
		var escaped bool
		if i, escaped, err = d.text(i); err == nil {
			d.nodes[self].escaped = escaped
		}
	case '{', '[':
		if depth >= MaxDepth {
			return 0, d.fail(TooDeep, i)
		}
		if c == '{' {
			kind = Object
			i, err = d.object(i, self, depth+1)
		} else {
			kind = Array
			i, err = d.array(i, self, depth+1)
		}
	case 't':
		kind = Bool
		i, err = d.word(i, "true")
	case 'f':
		kind = Bool
		i, err = d.word(i, "false")
	case 'n':
		kind = Null
		i, err = d.word(i, "null")
	default:
		kind = Number
		i, err = d.number(i)
	}
	if err != nil {
		return 0, err
	}
	n := &d.nodes[self]
	n.kind, n.to, n.next = kind, uint32(i), uint32(len(d.nodes))
	return i, nil
}

func (d *Doc) object(i, self, depth int) (int, error) {
	d.nodes[self].kind = Object // an error inside wants to know
	i = d.space(i + 1)
	if i < len(d.src) && d.src[i] == '}' {
		return i + 1, nil
	}
	size := uint32(0)
	escaped := false
	for {
		if i >= len(d.src) {
			return 0, d.fail(UnexpectedEnd, i)
		}
		if d.src[i] != '"' {
			return 0, d.fail(NameExpected, i)
		}
		end, esc, err := d.text(i)
		if err != nil {
			return 0, err
		}
		m := member{uint32(i + 1), uint32(end - 1), esc}
		escaped = escaped || esc
		if i = d.space(end); i >= len(d.src) {
			return 0, d.fail(UnexpectedEnd, i)
		}
		if d.src[i] != ':' {
			return 0, d.fail(ColonExpected, i)
		}
		if i, err = d.value(d.space(i+1), m, depth); err != nil {
			return 0, err
		}
		size++
		if i = d.space(i); i >= len(d.src) {
			return 0, d.fail(UnexpectedEnd, i)
		}
		switch d.src[i] {
		case ',':
			i = d.space(i + 1)
			continue
		case '}':
			d.nodes[self].size = size
			return i + 1, d.unique(self, int(size), escaped)
		}
		return 0, d.fail(CommaExpected, i)
	}
}

func (d *Doc) array(i, self, depth int) (int, error) {
	d.nodes[self].kind = Array
	i = d.space(i + 1)
	if i < len(d.src) && d.src[i] == ']' {
		return i + 1, nil
	}
	size := uint32(0)
	for {
		var err error
		if i, err = d.value(i, member{}, depth); err != nil {
			return 0, err
		}
		size++
		if i = d.space(i); i >= len(d.src) {
			return 0, d.fail(UnexpectedEnd, i)
		}
		switch d.src[i] {
		case ',':
			i = d.space(i + 1)
			continue
		case ']':
			d.nodes[self].size = size
			return i + 1, nil
		}
		return 0, d.fail(CommaExpected, i)
	}
}

// unique refuses a name that stands twice in the object that has just ended.
func (d *Doc) unique(self, size int, escaped bool) error {
	const few = 12 // up to here comparing each with each is quicker than hashing
	if size > few {
		return d.uniqueHashed(self, size)
	}
	end := uint32(len(d.nodes))
	for a := uint32(self) + 1; a < end; a = d.nodes[a].next {
		na := &d.nodes[a]
		for b := uint32(self) + 1; b < a; b = d.nodes[b].next {
			nb := &d.nodes[b]
			if escaped && (na.keyEscaped || nb.keyEscaped) {
				if d.key(a) == d.key(b) {
					return d.duplicate(a)
				}
				continue
			}
			if na.keyTo-na.keyFrom == nb.keyTo-nb.keyFrom &&
				string(d.src[na.keyFrom:na.keyTo]) == string(d.src[nb.keyFrom:nb.keyTo]) {
				return d.duplicate(a)
			}
		}
	}
	return nil
}

func (d *Doc) uniqueHashed(self, size int) error {
	slots := 32
	for slots < 2*size {
		slots *= 2
	}
	if cap(d.seen) < slots {
		d.seen = make([]uint32, slots)
	}
	d.seen = d.seen[:slots]
	clear(d.seen)
	end := uint32(len(d.nodes))
	for c := uint32(self) + 1; c < end; c = d.nodes[c].next {
		key := d.key(c)
		h := hash(key)
		for ; ; h++ {
			slot := &d.seen[h&uint64(slots-1)]
			if *slot == 0 {
				*slot = c
				break
			}
			if d.key(*slot) == key {
				return d.duplicate(c)
			}
		}
	}
	return nil
}

func (d *Doc) duplicate(n uint32) error {
	return d.failName(DuplicateName, int(d.nodes[n].keyFrom)-1, d.key(n))
}

// key returns the name of a member, unescaped.
func (d *Doc) key(n uint32) string {
	x := &d.nodes[n]
	if x.keyEscaped {
		return unescape(d.src[x.keyFrom:x.keyTo])
	}
	return share(d.src[x.keyFrom:x.keyTo])
}

// share makes a string of bytes without copying them. The bytes of a document
// do not change while it is in use; that is Parse's contract.
func share(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
