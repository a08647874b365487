package exchange

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/exchange/cda"
	"yilian/internal/exchange/hl7"
	"yilian/internal/idcard"
	"yilian/internal/record"
)

// TakeDocument keeps a clinical document whole (Binary) and says in the record
// whose it is, from whom and about what (DocumentReference). The same document
// again changes nothing; other content under its number is the next version.
func (s *Service) TakeDocument(ctx context.Context, actor access.Actor, raw []byte) (id string, err error) {
	if err := access.Require(actor, access.ExchangeManage, access.Own); err != nil {
		return "", err
	}
	d, err := cda.Parse(raw)
	if err != nil {
		return "", err
	}
	if d.ID.Root == "" || d.Patient.Name == "" {
		return "", errs.E(errs.Invalid, "文档缺少编号或患者姓名，不能入库")
	}
	src := source{peer: Peer{Name: "文书导入", Org: actor.Org, OrgName: actor.OrgName}, ref: d.ID.String(), by: signature(actor)}
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		who, err := s.identify(ctx, tx, src, saidIn(d))
		if st := stop(err); st != nil {
			return errs.Because(err, errs.Invalid, "%s：%s。%s", st.reason.Title(), st.text, "请先在平台上核对或建档，再导入这份文书")
		}
		if err != nil {
			return err
		}
		if id, err = s.keepDocument(ctx, tx, src, who, d, raw); err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "exchange.document", Object: "document", ObjectID: id, Patient: who,
			Outcome: audit.OK, Detail: "导入文书：" + d.Title})
	})
	return id, err
}

// saidIn is what a document says about its patient. Its numbers bear the root
// under which they were given.
func saidIn(d *cda.Document) said {
	p := said{name: d.Patient.Name, sex: d.Patient.Sex, birth: d.Patient.Birth, phone: d.Patient.Phone, address: d.Patient.Address, at: "文档"}
	for _, id := range d.Patient.IDs {
		if _, err := idcard.ParseOn(id.Extension, "9999-12-31"); id.Root == cda.CardRoot || err == nil && len(id.Extension) == 18 {
			p.card = id.Extension
		} else {
			p.numbers = append(p.numbers, number{id.Root, id.Extension})
		}
	}
	return p
}

func (s *Service) keepDocument(ctx context.Context, tx *db.Tx, src source, who string, d *cda.Document, raw []byte) (string, error) {
	binary := resourceID(src.peer, "Binary", d.ID.String())
	body, err := json.Marshal(map[string]any{"resourceType": "Binary", "id": binary, "contentType": "application/xml",
		"data": base64.StdEncoding.EncodeToString(raw)})
	if err != nil {
		return "", err
	}
	if _, _, err := s.Record.Update(ctx, tx, record.Draft{Body: body, ID: binary, Patient: who, Owner: owner,
		Source: record.Source{Org: src.peer.Org, Client: src.peer.Name}}); err != nil {
		return "", fmt.Errorf("keep document: %w", err)
	}
	date := ""
	if at, precision, err := hl7.ParseTime(d.Time, calendar.Shanghai); err == nil && precision >= 8 {
		date = at.Format(time.RFC3339)
	}
	o := object{"status": "current", "subject": object{"reference": "Patient/" + who}, "date": date, "description": d.Title,
		"type":      object{"text": d.Title, "coding": []any{object{"code": d.Code}}},
		"author":    []any{object{"display": d.Author}},
		"custodian": object{"display": d.Custodian},
		"content":   []any{object{"attachment": object{"contentType": "application/xml", "url": "Binary/" + binary, "title": d.Title}}}}
	return resourceID(src.peer, "DocumentReference", d.ID.String()), s.put(ctx, tx, src, who, "DocumentReference", d.ID.String(), o)
}

// DocumentOf returns whose a kept document is.
func (s *Service) DocumentOf(ctx context.Context, id string) (patient string, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		ref, err := s.Record.Head(ctx, tx, record.Key{Type: "DocumentReference", ID: id})
		patient = ref.Patient
		return err
	})
	return patient, err
}
