package chart

import (
	"cmp"
	"encoding/base64"
	"strings"

	"yilian/internal/errs"
	"yilian/internal/fhir/json"
)

func decode(data string) ([]byte, error) {
	out, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(data), ""))
	if err != nil {
		return nil, errs.Because(err, errs.Invalid, "附件内容已损坏，不能打开；原始记录仍完整保存")
	}
	return out, nil
}

// binary reads a Binary resource.
func binary(body []byte, kind string) (string, []byte, error) {
	doc, err := json.Parse(body)
	if err != nil {
		return kind, nil, err
	}
	n := doc.Root()
	out, err := decode(n.Get("data").Text())
	return strings.ToLower(cmp.Or(n.Get("contentType").Text(), kind)), out, err
}

// Media types that a browser may show by itself.
var shown = map[string]string{"application/pdf": "PDF", "image/png": "图片", "image/jpeg": "图片", "text/plain": "文本"}

// Plain is the media type without parameters.
func (f File) Plain() string {
	kind, _, _ := strings.Cut(f.Type, ";")
	return strings.TrimSpace(kind)
}

// Word is what kind of file it is, in Chinese.
func (f File) Word() string {
	switch f.Plain() {
	case "application/xml", "text/xml", "application/hl7-cda+xml", "application/hl7-sda+xml":
		return "共享文档"
	}
	return cmp.Or(shown[f.Plain()], "文件")
}

// CDA reports whether a file may be a clinical document in XML.
func (f File) CDA() bool { return f.Word() == "共享文档" }

// Safe reports whether a browser may show the file instead of saving it.
func (f File) Safe() bool { return shown[f.Plain()] != "" }

// Picture reports whether the file can stand in a page.
func (f File) Picture() bool { return f.Word() == "图片" }

// Here reports whether the file came along and can be opened.
func (f File) Here() bool { return f.Data != "" || strings.HasPrefix(f.URL, "Binary/") }
