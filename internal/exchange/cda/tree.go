package cda

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"

	"yilian/internal/errs"
)

// Limits of a document: a broken or malicious one must not fill the memory.
const (
	maxSize  = 20 << 20
	maxDepth = 200
	maxNodes = 300000
)

// node is an element, or text when it has no name.
type node struct {
	name     string
	attrs    map[string]string // by local name
	children []*node
	text     string
}

// parseTree reads XML into a tree. Entities of the document's own are not
// expanded, nothing is fetched.
func parseTree(raw []byte) (*node, error) {
	if len(raw) > maxSize {
		return nil, errs.E(errs.Invalid, "文档超过 20 MB，请检查是否选错了文件")
	}
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff"))))
	d.CharsetReader = charsetReader
	root, nodes := &node{}, 0
	stack := []*node{root}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errs.Because(err, errs.Invalid, "不是完好的 XML 文档：%v", err)
		}
		top := stack[len(stack)-1]
		switch t := token.(type) {
		case xml.StartElement:
			n := &node{name: t.Name.Local, attrs: map[string]string{}}
			for _, a := range t.Attr {
				n.attrs[a.Name.Local] = a.Value
			}
			top.children = append(top.children, n)
			if stack, nodes = append(stack, n), nodes+1; len(stack) > maxDepth || nodes > maxNodes {
				return nil, errs.E(errs.Invalid, "文档的层次或元素太多，不予读取")
			}
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			top.children = append(top.children, &node{text: string(t)})
		}
	}
	for _, c := range root.children {
		if c.name != "" {
			return c, nil
		}
	}
	return nil, errs.E(errs.Invalid, "文件里没有内容")
}

func charsetReader(name string, in io.Reader) (io.Reader, error) {
	switch strings.ToUpper(name) {
	case "GB18030", "GBK", "GB2312":
		return transform.NewReader(in, simplifiedchinese.GB18030.NewDecoder()), nil
	case "UTF-8", "UTF8", "US-ASCII", "ASCII":
		return in, nil
	}
	return nil, fmt.Errorf("编码 %s 不支持，应为 UTF-8 或 GB18030", name)
}

// child is the element down a path of names; a missing one is empty.
func (n *node) child(path ...string) *node {
	for _, name := range path {
		var next *node
		for _, c := range n.children {
			if c.name == name {
				next = c
				break
			}
		}
		if next == nil {
			return &node{}
		}
		n = next
	}
	return n
}

// all returns the children of a name.
func (n *node) all(name string) []*node {
	var out []*node
	for _, c := range n.children {
		if c.name == name {
			out = append(out, c)
		}
	}
	return out
}

func (n *node) attr(name string) string { return strings.TrimSpace(n.attrs[name]) }

// plain is the text of a node and all below it, blanks folded.
func (n *node) plain() string {
	var b strings.Builder
	n.write(&b)
	return strings.Join(strings.Fields(b.String()), " ")
}

func (n *node) write(b *strings.Builder) {
	b.WriteString(n.text)
	for _, c := range n.children {
		if c.name != "" {
			b.WriteByte(' ')
		}
		c.write(b)
	}
}
