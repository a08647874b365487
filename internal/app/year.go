package app

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/message"
)

// calendarDue is the month in which next year's notice is out: it appears in
// November.
const calendarDue = time.December

// missingYear tells the system administrators, once a day, that the working
// days of next year have to be loaded: in December, or as soon as deadlines
// run into that year (日历缺失).
func (a *App) missingYear(ctx context.Context, tx *db.Tx) error {
	today := calendar.DateOf(tx.Now)
	year := a.Calendar.NextMissing()
	short, err := flow.CountShort(ctx, tx)
	if err != nil {
		return err
	}
	late := year <= today.Year() || (year == today.Year()+1 && today.Time().Month() >= calendarDue)
	if !late && short == 0 {
		return nil
	}
	text := fmt.Sprintf("%d 年的工作日历尚未导入，请在“工作日历”中导入国务院办公厅的放假通知", year)
	if short > 0 {
		text += fmt.Sprintf("；已有 %d 张单子的期限标记为“日历缺失”，导入后自动重新计算", short)
	}
	admins, err := account.WithRole(ctx, tx, access.SystemAdmin)
	if err != nil {
		return err
	}
	for _, id := range admins {
		n := message.Notice{ID: fmt.Sprintf("calendar-%d-%s-%s", year, today, id), Account: id, Kind: "calendar.missing", Text: text, Link: "/calendar"}
		if err := message.Notify(ctx, tx, n); err != nil {
			return err
		}
	}
	return nil
}
