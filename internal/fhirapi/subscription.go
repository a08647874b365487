package fhirapi

import (
	"context"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/record"
	"yilian/internal/subscription"
)

// Subscriptions is the owner of Subscription: a request to be told of changes.
type Subscriptions struct{ Service *subscription.Service }

// Write takes the request in; what is stored shows its state and hides the
// secrets of its headers.
func (p Subscriptions) Write(ctx context.Context, tx *db.Tx, w Write) (record.Draft, error) {
	d := w.Draft
	if d.ID == "" {
		d.ID = db.NewID()
	}
	var err error
	d.Body, err = p.Service.Put(ctx, tx, w.Actor, d.Source.Client, d.ID, d.Body)
	return d, err
}

// Delete ends it.
func (p Subscriptions) Delete(ctx context.Context, tx *db.Tx, actor access.Actor, old record.Resource) error {
	return p.Service.Delete(ctx, tx, strings.TrimPrefix(actor.Account, "client:"), old.ID)
}
