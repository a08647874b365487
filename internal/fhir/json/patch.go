package json

import (
	"fmt"
	"strconv"
	"strings"

	"yilian/internal/errs"
)

// Limits of a JSON Patch: operations, and bytes read over all operations.
const (
	maxOperations = 1000
	maxPatchWork  = 512 << 20
)

// PatchError says which operation of a JSON Patch could not be carried out.
type PatchError struct {
	Operation int    // from 0, -1 when the patch as a whole is wrong
	Op        string // add, remove, replace, move, copy, test
	Path      string // JSON Pointer
	Test      bool   // the operation was a test, and what it looked for is not there
	Message   string // Chinese
}

func (e *PatchError) Error() string {
	if e.Operation < 0 {
		return "JSON Patch 有误：" + e.Message
	}
	return fmt.Sprintf("JSON Patch 第 %d 个操作（%s %s）不能执行：%s", e.Operation+1, e.Op, e.Path, e.Message)
}

// Unwrap makes the error the sender's to mend.
func (e *PatchError) Unwrap() error { return errs.E(errs.Invalid, "%s", e.Error()) }

// Patch applies a JSON Patch (RFC 6902) to a document and returns the new
// document. What no operation touches keeps its bytes. The operations take
// effect all or not at all.
func Patch(doc, patch []byte) ([]byte, error) {
	ops, err := Parse(patch)
	if err != nil {
		return nil, err
	}
	defer ops.Release()
	if ops.Root().Kind() != Array {
		return nil, &PatchError{Operation: -1, Message: "补丁必须是由操作组成的数组"}
	}
	if ops.Root().Len() > maxOperations {
		return nil, &PatchError{Operation: -1, Message: fmt.Sprintf("操作超过 %d 个", maxOperations)}
	}
	if ops.Root().Len() == 0 { // otherwise the first operation reads the document
		d, err := Parse(doc)
		if err != nil {
			return nil, err
		}
		d.Release()
	}
	i, work := 0, 0
	for op := range ops.Root().Items() {
		var fault string
		if work += len(doc); work > maxPatchWork {
			return nil, &PatchError{Operation: -1, Message: "对这样大的文档，操作过多"}
		}
		if doc, fault, err = step(doc, op); err != nil {
			return nil, err
		}
		if fault == "" && len(doc) > MaxSize {
			fault = sentences[TooLarge]
		}
		if fault != "" {
			name := op.Get("op").Text()
			return nil, &PatchError{Operation: i, Op: name, Path: op.Get("path").Text(), Test: fault == testFailed, Message: fault}
		}
		i++
	}
	return doc, nil
}

const testFailed = "当前的值与 test 给出的值不相同"

// step carries out one operation. fault is what the sender did wrong.
func step(doc []byte, op Node) (out []byte, fault string, err error) {
	path, fault := pointer(op, "path")
	if fault != "" {
		return nil, fault, nil
	}
	d, err := Parse(doc)
	if err != nil {
		return nil, "", err
	}
	defer d.Release()
	at := d.find(path)
	value := op.Get("value")
	name := op.Get("op").Text()
	switch name {
	case "add", "replace", "test":
		if !value.Exists() {
			return nil, "缺少 value", nil
		}
	case "move", "copy":
		from, fault := pointer(op, "from")
		if fault != "" {
			return nil, fault, nil
		}
		source := d.find(from)
		if !source.node.Exists() {
			return nil, "from 所指的位置不存在", nil
		}
		return transfer(d, op.Get("op").Text(), source, path)
	case "remove":
	default:
		return nil, "op 只能是 add、remove、replace、move、copy、test", nil
	}
	if name == "add" {
		out, fault = add(d, at, value.Raw())
		return out, fault, nil
	}
	if !at.node.Exists() {
		return nil, "path 所指的位置不存在", nil
	}
	switch {
	case name == "replace":
		return Apply(nil, doc, Replace(at.node, value.Raw())), "", nil
	case name == "test" && !same(at.node, value):
		return nil, testFailed, nil
	case name == "test":
		return doc, "", nil
	case !at.parent.Exists():
		return nil, "不能删除整个文档", nil
	}
	return Apply(nil, doc, drop(at.parent, at.node)), "", nil
}

func transfer(d *Doc, name string, source target, path []string) (out []byte, fault string, err error) {
	raw := append([]byte(nil), source.node.Raw()...)
	if name == "copy" {
		out, fault = add(d, d.find(path), raw)
		return out, fault, nil
	}
	if len(path) >= len(source.path) && strings.Join(path[:len(source.path)], "\x00") == strings.Join(source.path, "\x00") {
		if len(path) == len(source.path) {
			return d.src, "", nil
		}
		return nil, "不能把一个值移到它自己里面", nil
	}
	if !source.parent.Exists() {
		return nil, "不能移走整个文档", nil
	}
	without, err := Parse(Apply(nil, d.src, drop(source.parent, source.node)))
	if err != nil {
		return nil, "", err
	}
	defer without.Release()
	out, fault = add(without, without.find(path), raw)
	return out, fault, nil
}

// pointer reads a JSON Pointer (RFC 6901) from an operation.
func pointer(op Node, member string) (path []string, fault string) {
	n := op.Get(member)
	s := n.Text()
	switch {
	case n.Kind() != String:
		return nil, "缺少 " + member
	case s == "":
		return nil, ""
	case s[0] != '/':
		return nil, member + " 不是有效的 JSON Pointer，应当以 / 开头"
	}
	path = strings.Split(s[1:], "/")
	for i, p := range path {
		for j := 0; j < len(p); j++ {
			if p[j] == '~' && (j+1 == len(p) || p[j+1] != '0' && p[j+1] != '1') {
				return nil, member + " 中的 ~ 只能写作 ~0 或 ~1"
			}
		}
		path[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	return path, ""
}

// target is the place that a pointer names: the value if there is one, its
// parent, and the name or position in it.
type target struct {
	parent, node Node
	name         string
	pos          int // in an array, Len when behind the last
	path         []string
	ok           bool // the parent exists and can hold such a child
}

func (d *Doc) find(path []string) target {
	t := target{node: d.Root(), path: path, ok: true}
	for _, name := range path {
		t.parent, t.name, t.ok = t.node, name, true
		switch t.parent.Kind() {
		case Object:
			t.node = t.parent.Get(name)
		case Array:
			t.pos, t.ok = position(name, t.parent.Len())
			t.node = t.parent.At(t.pos)
			if !t.ok {
				t.node = Node{}
			}
		default:
			t.node, t.ok = Node{}, false
		}
	}
	return t
}

func position(name string, size int) (int, bool) {
	if name == "-" {
		return size, true
	}
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 || n > size || strconv.Itoa(n) != name {
		return 0, false
	}
	return n, true
}

func add(d *Doc, t target, raw []byte) (out []byte, fault string) {
	switch {
	case !t.parent.Exists() && len(t.path) == 0:
		return append([]byte(nil), raw...), ""
	case !t.ok:
		return nil, "path 所指的位置不存在"
	case t.parent.Kind() == Object && t.node.Exists():
		return Apply(nil, d.src, Replace(t.node, raw)), ""
	case t.parent.Kind() == Object:
		g := place(t.parent, "")
		if n := t.parent.last(); n.Exists() {
			_, g.at = n.Span()
			g.first = false
		}
		return Apply(nil, d.src, g.insert(t.name, raw)), ""
	case t.node.Exists():
		from, _ := t.node.Span()
		return Apply(nil, d.src, Edit{from, from, append(append([]byte(nil), raw...), ',')}), ""
	}
	if n := t.parent.last(); n.Exists() {
		_, to := n.Span()
		return Apply(nil, d.src, Edit{to, to, append([]byte{','}, raw...)}), ""
	}
	from, _ := t.parent.Span()
	return Apply(nil, d.src, Edit{from + 1, from + 1, raw}), ""
}

// last returns the last member or item.
func (n Node) last() Node {
	c, last := n.i+1, Node{}
	for range n.Len() {
		last = Node{n.d, c}
		c = n.d.nodes[c].next
	}
	return last
}
