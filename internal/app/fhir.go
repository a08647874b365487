package app

import (
	"yilian/internal/bulk"
	"yilian/internal/fhirapi"
	"yilian/internal/projection"
	"yilian/internal/subscription"
)

// fhir builds the interface for other systems, with what stands behind it.
func (a *App) fhir() {
	exports := &bulk.Service{DB: a.DB, Store: a.Record, Keys: a.Keys, Accounts: a.Accounts, Access: a.Access, Audit: a.Audit, Queue: a.Queue}
	exports.Init()
	hooks := &subscription.Service{
		DB: a.DB, Store: a.Record, Keys: a.Keys, Accounts: a.Accounts, Access: a.Access, Audit: a.Audit, Queue: a.Queue, Hosts: a.Config.FHIR.Hooks,
	}
	hooks.Init()
	a.FHIR = &fhirapi.Server{
		Public: a.Config.Public, Bulk: exports,
		DB: a.DB, Store: a.Record, Accounts: a.Accounts, Access: a.Access, Audit: a.Audit, Queue: a.Queue,
	}
	a.FHIR.Visits = &projection.Visits{Store: a.Record, Encounters: a.Encounters}
	referrals := fhirapi.Referrals{Service: a.Referrals, Store: a.Record}
	a.FHIR.Owners = map[string]fhirapi.Owner{
		"Patient": fhirapi.Patients{Index: a.Index}, "ServiceRequest": referrals, "Task": referrals, "Subscription": fhirapi.Subscriptions{Service: hooks},
	}
}
