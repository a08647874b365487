package consult

import (
	"context"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/flow"
)

// Rate is a share with its parts. Without a denominator it is not computable,
// which is not zero.
type Rate struct{ Numerator, Denominator int64 }

// Percent returns the share; ok is false when it cannot be computed.
func (r Rate) Percent() (percent float64, ok bool) {
	if r.Denominator == 0 {
		return 0, false
	}
	return 100 * float64(r.Numerator) / float64(r.Denominator), true
}

// Counts are the figures of the consultations asked in a period.
type Counts struct {
	Asked     int64
	Answered  int64
	Declined  int64 // stands as declined, or ended so
	Withdrawn int64
	InTime    int64 // answered before the clock ran out
	Late      int64 // not answered yet although the clock has run out
	Converted int64 // turned into a referral
	Surveyed  int64 // closed with the asker's survey
	Avoided   int64 // a referral was avoided
	Prompted  int64 // a referral was prompted
	Helpful   int64 // sum of the marks, 1 to 5 each
}

// OnTime is answered in time ÷ (answered, and not answered though due).
func (c Counts) OnTime() Rate { return Rate{c.InTime, c.Answered + c.Late} }

// AvoidedRate is referrals avoided ÷ surveyed.
func (c Counts) AvoidedRate() Rate { return Rate{c.Avoided, c.Surveyed} }

// PromptedRate is referrals prompted ÷ surveyed.
func (c Counts) PromptedRate() Rate { return Rate{c.Prompted, c.Surveyed} }

// ConvertedRate is turned into a referral ÷ answered.
func (c Counts) ConvertedRate() Rate { return Rate{c.Converted, c.Answered} }

// Mark is the mean of the marks; ok is false when nobody has given one.
func (c Counts) Mark() (mark float64, ok bool) {
	if c.Surveyed == 0 {
		return 0, false
	}
	return float64(c.Helpful) / float64(c.Surveyed), true
}

// Scope says which consultations of the actor's institution are counted. From
// and To are business dates of asking, both inclusive; empty ones do not limit.
type Scope struct {
	Side     flow.Side // asked by us (From) or of us (To); Nobody: either
	From, To calendar.Date
}

// Count counts the consultations of the actor's institution from the rows.
func (s *Service) Count(ctx context.Context, actor access.Actor, scope Scope) (Counts, error) {
	if err := access.Require(actor, access.ConsultRead, access.Own); err != nil {
		return Counts{}, err
	}
	var out Counts
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		out, err = count(ctx, tx, actor.Org, scope)
		return err
	})
	return out, err
}

func count(ctx context.Context, tx *db.Tx, org string, scope Scope) (Counts, error) {
	return db.Get(ctx, tx, "咨询统计", func(scan db.Scan) (c Counts, err error) {
		return c, scan(&c.Asked, &c.Answered, &c.Declined, &c.Withdrawn, &c.InTime, &c.Late, &c.Converted, &c.Surveyed, &c.Avoided, &c.Prompted, &c.Helpful)
	}, `
		SELECT count(*),
			count(*) FILTER (WHERE r.answered_at IS NOT NULL),
			count(*) FILTER (WHERE c.state = 'declined' OR c.outcome = 'declined'),
			count(*) FILTER (WHERE c.state = 'withdrawn'),
			count(*) FILTER (WHERE r.in_time),
			count(*) FILTER (WHERE c.state = 'asked' AND c.due_at < $5),
			count(*) FILTER (WHERE r.referral <> ''),
			count(*) FILTER (WHERE r.surveyed_at IS NOT NULL),
			count(*) FILTER (WHERE r.avoided),
			count(*) FILTER (WHERE r.prompted),
			coalesce(sum(r.helpful), 0)
		FROM consult r JOIN flow_case c ON c.id = r.id
		WHERE ((c.from_org = $1 AND CAST($2 AS TEXT) <> 'to') OR (c.to_org = $1 AND CAST($2 AS TEXT) <> 'from'))
		  AND (CAST($3 AS TEXT) = '' OR r.asked_on >= $3) AND (CAST($4 AS TEXT) = '' OR r.asked_on <= $4)`,
		org, string(scope.Side), string(scope.From), string(scope.To), db.At(tx.Now))
}

// History is one consultation as its events tell it, with what was said in the
// survey, which no event repeats.
type History struct {
	Events []flow.Event // oldest first
	Survey Survey
}

// Recount computes the counts from the events alone. It must say the same as
// the counts from the rows; a test holds the two together.
func Recount(list []History, now time.Time) Counts {
	var out Counts
	for _, h := range list {
		h.add(&out, now)
	}
	return out
}

func (h History) add(out *Counts, now time.Time) {
	out.Asked++
	state, due := "", time.Time{}
	for _, e := range h.Events {
		switch e.Action {
		case ActReply:
			out.Answered++
			if !e.At.After(due) {
				out.InTime++
			}
		case ActConvert, ActConvertFor:
			out.Converted++
		case ActEnd:
			out.Declined++
		case ActClose:
			out.Surveyed++
			out.Helpful += int64(h.Survey.Helpful)
			out.Avoided += one(h.Survey.Avoided)
			out.Prompted += one(h.Survey.Prompted)
		}
		state, due = e.ToState, e.DueAt
	}
	out.Declined += one(state == StateDeclined)
	out.Withdrawn += one(state == StateWithdrawn)
	out.Late += one(state == StateAsked && due.Before(now))
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
