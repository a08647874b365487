package referral_test

import (
	"testing"
	"time"

	"yilian/internal/db"
	"yilian/internal/idcard"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

// behind says for each guard of the table what it holds up. A guard without a
// line here fails the test, so that a new one joins the proof.
var behind = map[string]func(t *testing.T, w *referraltest.World, f *referral.Form){
	"patient": func(t *testing.T, w *referraltest.World, f *referral.Form) {
		_, err := w.Persons.MarkDeceased(ctx, w.Doctor, f.Patient, "2026-03-01", "误登")
		must(t, err)
	},
	"complete": func(_ *testing.T, _ *referraltest.World, f *referral.Form) {
		f.Request.Chief, f.Request.Illness = "", ""
	},
	"sound": func(_ *testing.T, _ *referraltest.World, f *referral.Form) { f.Request.Vitals.Pulse = new(int) },
	"place": func(_ *testing.T, _ *referraltest.World, f *referral.Form) { f.TargetService = "none" },
	"tier": func(t *testing.T, w *referraltest.World, f *referral.Form) {
		must(t, w.DB.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE organization SET kind = $2 WHERE id = $1`, w.Hospital.ID, string(organization.VillageClinic))
			return err
		}))
	},
	"phone": func(t *testing.T, w *referraltest.World, _ *referral.Form) {
		must(t, w.DB.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE organization SET referral_phone = '' WHERE id = $1`, w.Hospital.ID)
			return err
		}))
	},
	"takes": func(_ *testing.T, w *referraltest.World, f *referral.Form) { f.TargetService = w.NeuroClinic.ID },
	"first_visit": func(t *testing.T, w *referraltest.World, f *referral.Form) {
		inSanmenxia(w)
		*f = cold(t, w)
	},
	"beyond": func(t *testing.T, w *referraltest.World, _ *referral.Form) {
		inSanmenxia(w)
		away(t, w, w.Hospital)
	},
	"consent": func(_ *testing.T, _ *referraltest.World, f *referral.Form) { f.Consent = nil },
	"duplicate": func(t *testing.T, w *referraltest.World, f *referral.Form) {
		c, err := w.Service.Draft(ctx, w.Doctor, *f, w.Token())
		must(t, err)
		_, err = w.Service.Submit(ctx, w.Doctor, w.Ref(c), f)
		must(t, err)
	},
	"review": nil, // a village's referral waits for its centre: see below
}

// Issue 3, item 1: nothing can block an emergency. Each guard of the table holds
// an ordinary referral up, and it alone; the same patient goes to the same place
// as an emergency.
func TestNoGuardStopsAnEmergency(t *testing.T) {
	for _, name := range referral.GuardNames() {
		set, known := behind[name]
		if !known {
			t.Errorf("guard %s: nobody has proved that an emergency passes it", name)
			continue
		}
		if set == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
				f := w.Form(0)
				set(t, w, &f)
				service := f.TargetService
				if name == "place" {
					service = r.Service.ID
				}
				if c, err := send(w, f); err == nil {
					t.Fatalf("the guard holds nothing up: %s", c.State)
				}
				if name != "place" { // without it there is no place to go on to
					referral.WithoutGuard(name, func() {
						if c, err := send(w, f); err != nil || c.State != referral.StateSubmitted {
							t.Errorf("something else holds it up too: %s, %v", c.State, err)
						}
					})
				}
				c, err := w.Service.SendEmergency(ctx, w.Doctor, referral.EmergencyForm{Patient: f.Patient, Service: service}, w.Token())
				if err != nil || c.State != referral.StateTransferring {
					t.Errorf("the emergency: %s, %v", c.State, err)
				}
			})
		})
	}
}

// A village's referral waits for its centre's review; its emergency does not,
// and neither a changed draft nor one that a colleague holds keeps a patient.
func TestNeitherReviewNorDraftStopsAnEmergency(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		p, err := w.Persons.Register(ctx, w.VillageDoctor, patient.Registration{Name: "易冬生", IDType: patient.IDCard,
			IDNumber: idcard.Make("431102", "19560606", 89), Phone: "13900001234", InsuranceKind: patient.Resident})
		must(t, err)
		f := w.Form(0)
		f.Patient = p.ID
		c, err := w.Service.Draft(ctx, w.VillageDoctor, f, w.Token())
		must(t, err)
		c, err = w.Service.Submit(ctx, w.VillageDoctor, w.Ref(c), &f)
		must(t, err)
		state(t, c, referral.StateInReview)
		c, err = w.Service.SendEmergency(ctx, w.VillageDoctor, referral.EmergencyForm{Patient: p.ID, Service: r.Service.ID}, w.Token())
		must(t, err)
		state(t, c, referral.StateTransferring)

		draft := w.Draft(1)
		old := w.Ref(draft)
		_, err = w.Service.Save(ctx, w.Doctor, w.Ref(draft), w.Form(1))
		must(t, err)
		e := w.Emergency(r, 1)
		e.Patient = ""
		for who, ref := range map[string]referral.Ref{"changed meanwhile": old, "held by a colleague": {ID: draft.ID, Version: draft.Version + 1}} {
			actor := w.Doctor
			if who == "held by a colleague" {
				actor = w.Colleague
			}
			e.Draft = ref
			sent, err := w.Service.SendEmergency(ctx, actor, e, w.Token())
			if err != nil || sent.State != referral.StateTransferring || sent.ID == draft.ID || sent.Patient != draft.Patient {
				t.Errorf("%s: %+v, %v", who, sent, err)
			}
			full := view(t, w, w.Doctor, sent)
			if full.Record.Request.Illness != w.Form(1).Request.Illness {
				t.Errorf("%s: what the draft said is lost: %+v", who, full.Record.Request)
			}
		}
		w.After(time.Minute)
		e.Draft = referral.Ref{ID: draft.ID, Version: draft.Version + 1}
		sent, err := w.Service.SendEmergency(ctx, w.Doctor, e, w.Token())
		must(t, err)
		if sent.ID != draft.ID {
			t.Error("the draft itself can still go")
		}
	})
}
