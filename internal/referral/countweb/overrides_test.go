package countweb

import (
	"net/http"
	"slices"
	"testing"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/firstvisit"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

// SMX-4.4.3b: the report says how often a listed disease went up, by institution
// and doctor and by reason, opened to its cases.
func TestListedDiseasesThatWentUp(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		f.See("/counts/firstvisit", "这里没有首诊病种清单", "没有要求首诊病种清单") // Lingling
		sanmenxia := []string{"411224", "4112", "41", "CN"}
		f.Actor, f.Actor.Regions = w.Bureau, sanmenxia[1:]
		f.See("/counts/firstvisit", "所选期间没有首诊病种上转", "乡级首诊病种清单", "SMX-4.4.3b")
		w.To(1, referral.StateSubmitted) // passes no list by
		w.Doctor.Regions = sanmenxia
		c := coldSentUp(t, w)
		number := c.Number

		f.See("/counts/firstvisit", "首诊病种上转", w.Township.Name, w.Doctor.Name, "规范治疗后效果不好", number, "100.0%").Hides("感冒", w.Patients[0].Name, "/referrals/"+c.ID)
		f.See("/counts/firstvisit?reason=ineffective", number)
		f.See("/counts/firstvisit?reason=other", "没有这样的转诊").Hides(number)
		f.See("/counts/firstvisit?org="+w.Hospital.ID, "没有这样的转诊").Hides(number)
		f.See("/counts/firstvisit?period=custom&from=2020-01-01&to=2020-02-01", "所选期间没有首诊病种上转").Hides(number)
		f.Actor = w.Centre
		f.See("/counts/firstvisit", "/referrals/"+c.ID, number, "50.0%")
		f.Actor = w.OtherCentre
		f.See("/counts/firstvisit").Hides(number)
		f.Actor = access.Actor{Account: "r", Role: string(access.Resident)}
		f.Get("/counts/firstvisit", http.StatusForbidden)
	})
}

func coldSentUp(t *testing.T, w *referraltest.World) flow.Case {
	t.Helper()
	form := w.Form(0)
	form.Diagnosis, form.Indications = "J00.x00", []string{"general_ineffective"}
	form.Request.FirstVisit = &firstvisit.Override{Reason: "ineffective"}
	targets, err := w.Service.Targets(t.Context(), w.Doctor, referral.Need{Patient: form.Patient, Diagnosis: form.Diagnosis, Urgency: form.Urgency})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(targets, func(x referral.Target) bool { return x.Org.ID == w.Hospital.ID && x.Problem == "" })
	form.TargetService = targets[i].Service.ID
	c, err := w.Service.Draft(t.Context(), w.Doctor, form, w.Token())
	if err != nil {
		t.Fatal(err)
	}
	if c, err = w.Service.Submit(t.Context(), w.Doctor, w.Ref(c), &form); err != nil {
		t.Fatal(err)
	}
	return c
}
