package referral

import (
	"context"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/flow"
)

// SaveByMessageTx takes into a draft what the system of the referring
// institution has sent anew, in the caller's transaction.
func (s *Service) SaveByMessageTx(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, form Form) (flow.Case, error) {
	w, err := s.open(ctx, tx, actor, Ref{ID: c.ID, Version: c.Version}, access.Refer)
	if err != nil {
		return c, err
	}
	p, err := s.Patients.Get(ctx, tx, w.c.Patient)
	if err != nil {
		return c, err
	}
	if form.Request.Chief == "" { // what only people have written stays
		form.Request.Chief = w.r.Request.Chief
	}
	if err := w.write(ctx, form, p, false); err != nil {
		return c, err
	}
	err = w.act(ctx, ActSave, w.addressed())
	return w.c, err
}

// CancelByMessageTx ends a referral that the system of the referring
// institution cancels: a draft is discarded, one that nobody has accepted is
// withdrawn. false: it has moved on, people have to speak.
func (s *Service) CancelByMessageTx(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, comment string) (bool, error) {
	action := map[string]string{StateDraft: ActDiscard, StateSubmitted: ActWithdraw}[c.State]
	if action == "" {
		return false, nil
	}
	w, err := s.open(ctx, tx, actor, Ref{ID: c.ID, Version: c.Version}, access.Refer)
	if err != nil {
		return false, err
	}
	return true, w.act(ctx, action, flow.Move{Reason: "other", Comment: comment, Outcome: OutcomeOther})
}
