package referral

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
)

// Handover is what goes with the patient in the car (转运交接单): the sender
// writes the departure, the receiver the arrival. It is sealed at rest.
type Handover struct {
	Version    int       `json:"version"`
	DepartedAt time.Time `json:"departed_at,omitzero"`
	ArrivedAt  time.Time `json:"arrived_at,omitzero"`
	Departure  Signs     `json:"departure,omitzero"`
	Arrival    Signs     `json:"arrival,omitzero"`
	Treatment  string    `json:"treatment"` // on the way
	Drugs      string    `json:"drugs"`     // given, with dose and time
	Lines      string    `json:"lines"`     // tubes, drips, oxygen
	Belongings string    `json:"belongings"`
	Vehicle    string    `json:"vehicle"`
	HandedBy   string    `json:"handed_by"`
	TakenBy    string    `json:"taken_by"`
	HandedAt   time.Time `json:"handed_at,omitzero"`
	Remarks    string    `json:"remarks"`
	WrittenBy  string    `json:"written_by"`
}

// Signs are vital signs as they stand on the form; empty is not measured.
type Signs struct {
	Temperature, Pulse, Respiration, Pressure, SpO2, Consciousness string
}

// RecordHandover keeps the transport hand-over form. Either side may write as
// long as the case is open; two who write at once do not overwrite each other.
func (s *Service) RecordHandover(ctx context.Context, actor access.Actor, id string, h Handover) (flow.Case, error) {
	var out flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		w, err := s.open(ctx, tx, actor, Ref{ID: id}, access.Treat)
		if err != nil {
			return err
		}
		e := w.r.Emergency
		if e == nil || !w.c.Open() {
			return errs.E(errs.Conflict, "转诊单 %s 不是办理中的急诊转诊，不能填写转运交接单", w.c.Number)
		}
		if err := mayHandOver(w.c, actor); err != nil {
			return err
		}
		if e.Handover.Version != h.Version {
			return errs.E(errs.Conflict, "交接单刚刚由%s改过，请打开最新的交接单，补上您的内容后再保存", e.Handover.WrittenBy)
		}
		if err := h.check(tx.Now); err != nil {
			return err
		}
		h.Version, h.WrittenBy = h.Version+1, actor.OrgName+actor.Name
		e.Handover, out = h, w.c
		if err := s.saveEmergency(ctx, tx, id, *e); err != nil {
			return err
		}
		return s.Flow.Note(ctx, tx, actor, w.c, "填写转运交接单", "")
	})
	return out, err
}

func mayHandOver(c flow.Case, actor access.Actor) error {
	switch actor.Org {
	case c.From.Org:
		return access.Require(actor, access.ReferralCreate, access.Own)
	case c.To.Org:
		if access.Allowed(access.Role(actor.Role), access.ReferralArrive, access.Own) {
			return nil
		}
		return access.Require(actor, access.ReferralEmergency, access.Own)
	}
	return errs.E(errs.NotFound, "没有找到这张转诊单")
}

func (h *Handover) check(now time.Time) error {
	var f errs.Form
	for _, x := range []struct {
		name, label string
		value       *string
	}{{"treatment", "途中处置", &h.Treatment}, {"drugs", "已用药物", &h.Drugs}, {"lines", "管路", &h.Lines}, {"belongings", "随身物品", &h.Belongings},
		{"vehicle", "车辆", &h.Vehicle}, {"handed_by", "交方", &h.HandedBy}, {"taken_by", "接方", &h.TakenBy}, {"remarks", "备注", &h.Remarks}} {
		*x.value = strings.TrimSpace(*x.value)
		if utf8.RuneCountInString(*x.value) > maxText {
			f.Add(x.name, "%s太长：最多 %d 个字", x.label, maxText)
		}
	}
	for _, x := range []struct {
		name, label string
		at          time.Time
	}{{"departed_at", "出发时间", h.DepartedAt}, {"arrived_at", "到达时间", h.ArrivedAt}, {"handed_at", "交接时间", h.HandedAt}} {
		if x.at.After(now.Add(time.Minute)) {
			f.Add(x.name, "%s %s 晚于现在，请核对", x.label, x.at.In(calendar.Shanghai).Format("15:04"))
		}
	}
	if !h.DepartedAt.IsZero() && !h.ArrivedAt.IsZero() && h.ArrivedAt.Before(h.DepartedAt) {
		f.Add("arrived_at", "到达时间早于出发时间，请核对")
	}
	return f.Err()
}
