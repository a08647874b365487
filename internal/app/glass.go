package app

import (
	"context"
	"fmt"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/db"
	"yilian/internal/message"
)

// glassBroken tells every privacy officer and auditor that somebody has opened
// a record without a relation of care, and why. The patient is named in the
// audit log only.
func glassBroken(ctx context.Context, tx *db.Tx, actor access.Actor, _, reason string) error {
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
