package exchange

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"yilian/internal/exchange/hl7"
)

// document is a document with its content (MDM^T02), an edit of one (T08) or
// one that replaces another (T10).
func (t *task) document(ctx context.Context) error {
	if err := t.person(ctx); err != nil {
		return err
	}
	txa := t.m.Segment("TXA")
	if txa.Name == "" {
		return fault(Missing, hl7.SegmentOrder, "TXA", 0, "缺少 TXA 段，不知道是什么文书")
	}
	number := cmp.Or(txa.Str(12), txa.Rep(12).Comp(3))
	if number == "" {
		return missing("TXA", 12, "文书号")
	}
	at, err := timed(txa, 4)
	if err != nil {
		return err
	}
	content, err := t.content()
	if err != nil {
		return err
	}
	status := "current"
	if txa.Str(19) == "CA" || txa.Str(19) == "OB" {
		status = "superseded"
	}
	var relates []any
	if old := txa.Str(13); old != "" && old != number {
		if _, event := t.m.Type(); event == "T10" {
			relates = []any{object{"code": "replaces", "target": object{"reference": "DocumentReference/" + t.idOf("DocumentReference", old)}}}
		}
	}
	author := txa.Rep(9)
	return t.put(ctx, "DocumentReference", number, object{
		"status": status, "docStatus": docStatus(txa.Str(17)), "subject": t.subject(), "date": instant(at), "content": content,
		"type":        object{"text": documentTitle(txa.Str(2)), "coding": []any{object{"system": "http://terminology.hl7.org/CodeSystem/v2-0270", "code": txa.Str(2)}}},
		"author":      []any{object{"display": cmp.Or(personName(author.Sub(2, 1), author.Comp(3), ""), author.Comp(1))}},
		"custodian":   object{"display": t.src.peer.OrgName},
		"description": txa.Str(16), "relatesTo": relates,
	})
}

// content gathers OBX-5: running text becomes one text, encapsulated data an
// attachment each.
func (t *task) content() ([]any, error) {
	var text []string
	var out []any
	for _, x := range t.m.All("OBX") {
		if x.Str(2) == "ED" {
			if a, ok := attachment(x.Rep(5), x.Rep(3).Comp(2)); ok {
				out = append(out, object{"attachment": a})
			} else {
				t.warn("OBX", 5, hl7.DataType, "OBX-5 没有可用的文件内容，已略过")
			}
			continue
		}
		if s := strings.TrimSpace(strings.ReplaceAll(x.Text(5), "~", "\n")); s != "" {
			text = append(text, s)
		}
	}
	if len(text) > 0 {
		data := base64.StdEncoding.EncodeToString([]byte(strings.Join(text, "\n")))
		out = append([]any{object{"attachment": object{"contentType": "text/plain; charset=utf-8", "data": data}}}, out...)
	}
	if len(out) == 0 {
		return nil, missing("OBX", 5, "文书内容")
	}
	return out, nil
}

// docStatus reads table HL70271.
func docStatus(code string) string {
	switch code {
	case "AU", "LA", "DO":
		return "final"
	case "IN", "IP", "DI", "PA":
		return "preliminary"
	}
	return ""
}

// documentTitle names the types of table HL70270 that hospitals send.
func documentTitle(code string) string {
	title := map[string]string{"DS": "出院小结", "HP": "病史与体格检查", "OP": "手术记录", "CN": "会诊记录", "PN": "病程记录",
		"DI": "影像检查报告", "ED": "急诊病历", "SP": "病理报告", "TS": "转院记录", "CD": "心血管检查报告"}[code]
	return cmp.Or(title, fmt.Sprintf("文书（%s）", cmp.Or(code, "类型未注明")))
}
