package app

import (
	"context"
	"fmt"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/db"
	"yilian/internal/message"
)

// glassBroken opens the review of the privacy officer and tells every privacy officer and auditor that somebody has opened
// a record without a relation of care, and why. The patient is named in the
// audit log only.
func (a *App) glassBroken(ctx context.Context, tx *db.Tx, actor access.Actor, patientID, reason string) error {
	if _, err := a.Disclosures.OpenTx(ctx, tx, actor, patientID, reason); err != nil {
		return err
	}
	text := fmt.Sprintf("紧急调阅：%s（%s）调阅了一份没有诊疗关系的患者档案，原因：%s", actor.Name, actor.OrgName, reason)
	for _, role := range []access.Role{access.PrivacyOfficer, access.Auditor} {
		watchers, err := account.WithRole(ctx, tx, role)
		if err != nil {
			return err
		}
		for _, id := range watchers {
			if err := message.Notify(ctx, tx, message.Notice{Account: id, Kind: "patient.break", Text: text, Link: "/audit?action=patient.break"}); err != nil {
				return err
			}
		}
	}
	return nil
}
