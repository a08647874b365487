// Package cda reads clinical documents (CDA release 2): Chinese shared documents
// after WS/T 500 and WS/T 483, and C-CDA. It takes out who, when, what and the
// sections as plain texts, lists, tables and facts. Nothing of the sender's
// markup goes on: what is shown is written anew.
package cda

import (
	"cmp"
	"strings"

	"yilian/internal/errs"
)

// CardRoot is the object identifier of the identity card number.
const CardRoot = "2.16.156.10011.1.3"

// ID is an instance identifier.
type ID struct{ Root, Extension string }

// String is the identifier in one text.
func (id ID) String() string { return strings.Trim(id.Root+"^"+id.Extension, "^") }

// Document is what a person wants to know of a document.
type Document struct {
	ID         ID
	Code       string // C0007, or LOINC
	Title      string
	Time       string // as stated: YYYYMMDDHHMMSS
	Patient    Patient
	Author     string
	Custodian  string
	Sections   []Section
	Attachment Attachment // of a document that is not structured
}

// Patient is whom the document is about.
type Patient struct {
	IDs              []ID
	Name, Sex, Birth string // sex GB/T 2261.1, birth YYYY-MM-DD
	Phone, Address   string
}

// Attachment is the body of an unstructured document.
type Attachment struct{ MediaType, Data string } // Data in base64, or text

// Section is one section; those below it follow it with a deeper Level.
type Section struct {
	Title  string
	Level  int
	Blocks []Block
}

// Block is a piece of a section: a paragraph, a list, a table, or a fact with a
// label.
type Block struct {
	Text  string
	Items []string
	Head  []string
	Rows  [][]string
	Label string
	Value string
}

// Parse reads a document. A fragment, which names no patient and no author, is
// refused: it cannot be attached to anybody.
func Parse(raw []byte) (*Document, error) {
	root, err := parseTree(raw)
	if err != nil {
		return nil, err
	}
	if root.name != "ClinicalDocument" {
		return nil, errs.E(errs.Invalid, "不是完整的 CDA 文档：根元素是 %s，应为 ClinicalDocument；片段没有患者和作者，不能入库", root.name)
	}
	d := &Document{ID: idOf(root.child("id")), Code: root.child("code").attr("code"), Time: root.child("effectiveTime").attr("value")}
	d.Title = cmp.Or(root.child("title").plain(), root.child("code").attr("displayName"), root.child("code").attr("code"))
	d.Patient = patientOf(root.child("recordTarget", "patientRole"))
	author := root.child("author", "assignedAuthor")
	d.Author = cmp.Or(nameOf(author.child("assignedPerson", "name")), author.child("assignedAuthoringDevice", "softwareName").plain())
	d.Custodian = root.child("custodian", "assignedCustodian", "representedCustodianOrganization", "name").plain()
	body := root.child("component", "structuredBody")
	for _, c := range body.all("component") {
		for _, s := range c.all("section") {
			d.addSection(s, 1)
		}
	}
	if t := root.child("component", "nonXMLBody", "text"); t.name != "" {
		d.Attachment = Attachment{MediaType: t.attr("mediaType"), Data: strings.TrimSpace(t.plain())}
		if r := t.child("reference").attr("value"); r != "" && d.Attachment.Data == "" {
			d.Attachment.Data = "（内容在来源处：" + r + "，没有随文档发来）"
		}
	}
	return d, nil
}

func idOf(n *node) ID { return ID{n.attr("root"), n.attr("extension")} }

func patientOf(role *node) Patient {
	p := Patient{}
	person := role.child("patient")
	for _, n := range append(role.all("id"), person.all("id")...) {
		if id := idOf(n); id.Extension != "" {
			p.IDs = append(p.IDs, id)
		}
	}
	p.Name = nameOf(person.child("name"))
	switch code := person.child("administrativeGenderCode").attr("code"); strings.ToUpper(code) {
	case "1", "M":
		p.Sex = "1"
	case "2", "F":
		p.Sex = "2"
	case "9":
		p.Sex = "9"
	default:
		p.Sex = "0"
	}
	if b := person.child("birthTime").attr("value"); len(b) >= 8 {
		p.Birth = b[:4] + "-" + b[4:6] + "-" + b[6:8]
	}
	p.Phone = strings.TrimPrefix(role.child("telecom").attr("value"), "tel:")
	p.Address = addressOf(role.child("addr"))
	return p
}

// nameOf writes a name: as one text, or of its parts, the given ones first
// unless they are Chinese.
func nameOf(n *node) string {
	family, given := n.child("family").plain(), ""
	for _, g := range n.all("given") {
		given = strings.TrimSpace(given + " " + g.plain())
	}
	switch {
	case family == "" && given == "":
		return n.plain()
	case strings.IndexFunc(family+given, func(c rune) bool { return c > 0x2e80 }) >= 0:
		return family + strings.ReplaceAll(given, " ", "")
	}
	return strings.TrimSpace(given + " " + family)
}

func addressOf(n *node) string {
	var b strings.Builder
	for _, part := range []string{"state", "city", "county", "township", "streetName", "streetAddressLine", "houseNumber"} {
		b.WriteString(n.child(part).plain())
	}
	return b.String()
}

func (d *Document) addSection(s *node, level int) {
	code := s.child("code")
	out := Section{Level: level, Title: cmp.Or(s.child("title").plain(), code.attr("displayName"), code.attr("code"), "（无标题）")}
	out.Blocks = narrative(s.child("text"))
	if len(out.Blocks) == 0 { // Chinese documents often leave the text empty
		for _, e := range s.all("entry") {
			facts(e, &out.Blocks)
		}
	}
	d.Sections = append(d.Sections, out)
	for _, c := range s.all("component") {
		for _, below := range c.all("section") {
			d.addSection(below, level+1)
		}
	}
}

// FormatTime writes a time of a document the way people read it.
func FormatTime(s string) string {
	digits := s
	if i := strings.IndexAny(s, "+-."); i >= 0 {
		digits = s[:i]
	}
	switch {
	case len(digits) >= 12:
		return digits[:4] + "-" + digits[4:6] + "-" + digits[6:8] + " " + digits[8:10] + ":" + digits[10:12]
	case len(digits) >= 8:
		return digits[:4] + "-" + digits[4:6] + "-" + digits[6:8]
	}
	return s
}
