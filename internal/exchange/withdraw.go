package exchange

import (
	"context"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	fhir "yilian/internal/fhir/json"
	"yilian/internal/patient/index"
	"yilian/internal/record"
)

// MayWithdraw reports whether an actor may take what an institution has sent off
// the chart it does not belong to.
func MayWithdraw(actor access.Actor, org string) bool {
	return access.May(actor, access.PatientIndex, access.Any) || org != "" && org == actor.Org && access.May(actor, access.PatientIndex, access.Own)
}

// WithdrawOne takes one resource that a system has sent off the chart it does
// not belong to, with the results of a report and the content of a document:
// it is read and found no more, and everybody who has read it there is told. It
// returns whose chart that was and how many were told.
func (s *Service) WithdrawOne(ctx context.Context, actor access.Actor, key record.Key, reason string) (patient string, told int, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		r, err := s.Record.Read(ctx, tx, key)
		if err != nil {
			return err
		}
		switch {
		case !MayWithdraw(actor, r.Source.Org):
			return errs.E(errs.Forbidden, "只有送来这份资料的机构负责身份核对的人员，或医务科，可以把它撤出档案")
		case r.Owner != "" && r.Owner != owner:
			return errs.E(errs.Conflict, "这份资料由本平台登记，请在登记它的页面更正或作废")
		case r.Patient == "":
			return errs.E(errs.Conflict, "这份资料不在任何居民的档案中，不需要撤出")
		case r.Type == "Encounter" || r.Type == "Claim" || r.Type == "ExplanationOfBenefit" || r.Type == "Patient":
			return errs.E(errs.Conflict, "就诊、费用和身份资料计入统计或主索引，请由来源系统更正，或在主索引中拆分")
		}
		patient = r.Patient
		parts, err := s.partsOf(ctx, tx, r)
		if err != nil {
			return err
		}
		for _, x := range append([]record.Resource{r}, parts...) {
			n, err := s.withdrawOne(ctx, tx, actor, x, reason)
			if err != nil {
				return err
			}
			told = max(told, n)
		}
		return nil
	})
	return patient, told, err
}

func (s *Service) withdrawOne(ctx context.Context, tx *db.Tx, actor access.Actor, r record.Resource, reason string) (told int, err error) {
	if r.Type != "Binary" { // nobody reads the content but through its document
		first, err := s.Record.VRead(ctx, tx, r.Key, 1)
		if err != nil {
			return 0, err
		}
		w, err := s.Index.WithdrawTx(ctx, tx, actor, index.Withdrawal{Object: index.Object{Kind: r.Type, ID: r.ID},
			Title: titleOf(r.Type, first.At), Patient: r.Patient, AttachedAt: first.At, Reason: reason})
		if err != nil {
			return 0, err
		}
		told = w.Readers
	}
	_, err = s.Record.Withdraw(ctx, tx, r.Key, r.Source) // a second time does nothing
	return told, ignoreMissing(err)
}

// partsOf are the results of a report and the content of a document, as far as
// they came from the same institution to the same chart.
func (s *Service) partsOf(ctx context.Context, tx *db.Tx, r record.Resource) ([]record.Resource, error) {
	doc, err := fhir.Parse(r.Body)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	var names []string
	for n := range doc.Root().Get("result").Items() {
		names = append(names, n.Get("reference").Text())
	}
	for n := range doc.Root().Get("content").Items() {
		names = append(names, n.Get("attachment").Get("url").Text())
	}
	var out []record.Resource
	for _, name := range names {
		kind, id, ok := strings.Cut(name, "/")
		if !ok || kind != "Observation" && kind != "Binary" || !record.ValidID(id) {
			continue
		}
		x, err := s.Record.Read(ctx, tx, record.Key{Type: kind, ID: strings.Clone(id)})
		if errs.Is(err, errs.NotFound) || err == nil && (x.Patient != r.Patient || x.Source.Org != r.Source.Org) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}
