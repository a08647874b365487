package reminder

import (
	"context"
	"time"

	"yilian/internal/db"
)

// Figures count reminders by what became of them.
type Figures struct {
	Sent, Confirmed, WillNotCome, Unreachable int64
}

// Open is how many have not been answered.
func (f Figures) Open() int64 { return f.Sent - f.Confirmed - f.WillNotCome - f.Unreachable }

// Count counts the reminders of appointments at an institution since a time, by
// the newest answer.
func Count(ctx context.Context, tx *db.Tx, org string, since time.Time) (Figures, error) {
	return db.Get(ctx, tx, "就诊提醒", func(scan db.Scan) (f Figures, err error) {
		return f, scan(&f.Sent, &f.Confirmed, &f.WillNotCome, &f.Unreachable)
	}, `
		SELECT count(*), count(*) FILTER (WHERE answer = 'confirmed'), count(*) FILTER (WHERE answer = 'will_not_come'),
			count(*) FILTER (WHERE answer = 'unreachable')
		FROM (
			SELECT (SELECT a.answer FROM reminder_answer a WHERE a.referral = m.referral AND a.appointed_at = m.appointed_at
				ORDER BY a.at DESC, a.id DESC LIMIT 1) AS answer
			FROM reminder m JOIN flow_case c ON c.id = m.referral
			WHERE c.to_org = $1 AND m.sent_at >= $2) t`, org, db.At(since))
}
