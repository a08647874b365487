package simulate

import (
	"context"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/disclosure"
)

// glass plans what the emergency department opens without a relation of care:
// one of some nights ago, which the privacy officer has reviewed, and one of a
// short while ago, which waits for him.
func (l *life) glass() {
	org, ok := l.staff.orgs[fourth]
	if !ok {
		return
	}
	doctors, officers := l.staff.with(org.ID, access.Emergency, ""), l.staff.with(org.ID, access.PrivacyOfficer, "")
	if len(doctors) == 0 || len(officers) == 0 {
		return
	}
	l.broken = map[string]bool{}
	doctor, officer := doctors[len(doctors)-1], officers[0]
	night := l.now.AddDate(0, 0, -4).Truncate(24 * time.Hour).Add(13*time.Hour + 24*time.Minute) // 21:24 in Shanghai
	l.plan(night, func(ctx context.Context) error {
		return l.breakGlass(ctx, doctor, "120 送来，意识不清，家属未到，需了解用药和过敏史")
	})
	l.plan(night.Add(12*time.Hour), func(ctx context.Context) error {
		list, err := l.app.Disclosures.List(ctx, officer)
		if err != nil || len(list) == 0 {
			return err
		}
		c := list[0].Case
		_, err = l.app.Disclosures.Act(ctx, officer, disclosure.Ref{ID: c.ID, Version: c.Version}, disclosure.ActJustify, "rescue", "")
		return err
	})
	l.plan(l.now.Add(-35*time.Minute), func(ctx context.Context) error {
		return l.breakGlass(ctx, doctor, "急诊抽搐待查，患者不能应答，需了解既往病史")
	})
}

// breakGlass opens the record of somebody with whom the institution has nothing
// to do, and reads it.
func (l *life) breakGlass(ctx context.Context, doctor access.Actor, reason string) error {
	var ids []string
	for _, e := range l.folk.byCentre[shuikou] {
		ids = append(ids, e.ID)
	}
	strange := ""
	err := l.app.DB.View(ctx, func(tx *db.Tx) error {
		known, err := access.Visible(ctx, tx, doctor, ids)
		for _, id := range ids {
			if !known[id] && !l.broken[id] {
				strange = id
				break
			}
		}
		return err
	})
	if err != nil || strange == "" {
		return err
	}
	l.broken[strange] = true
	if err := l.app.Patients.BreakGlass(ctx, doctor, strange, reason); err != nil {
		return err
	}
	return l.app.DB.View(ctx, func(tx *db.Tx) error {
		_, err := l.app.Access.Patient(ctx, tx, doctor, strange, access.Treat)
		return err
	})
}
