package fhirapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/encounter"
)

// visitBody is an Encounter of a person; edit replaces parts of it.
func visitBody(id, who string, edit ...string) string {
	body := fmt.Sprintf(`{"resourceType":"Encounter","id":"%s","identifier":[{"system":"urn:his","value":"MZ-%s"}],"status":"finished",`+
		`"class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"subject":{"reference":"Patient/%s"},`+
		`"period":{"start":"2026-03-02T08:00:00+08:00","end":"2026-03-02T08:40:00+08:00"},`+
		`"reasonCode":[{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"I10","display":"原发性高血压"},{"system":"urn:yilian:icd-10:insurance","code":"I10.x00"}]}]}`, id, id, who)
	return strings.NewReplacer(edit...).Replace(body)
}

func claimBody(id, about, who, total string) string {
	return fmt.Sprintf(`{"resourceType":"Claim","id":"%s","status":"active","type":{"text":"门诊"},"use":"claim","patient":{"reference":"Patient/%s"},"created":"2026-03-02",`+
		`"provider":{"display":"本院"},"priority":{"text":"normal"},"insurance":[{"sequence":1,"focal":true,"coverage":{"display":"医保"}}],`+
		`"item":[{"sequence":1,"productOrService":{"text":"诊察费"},"category":{"coding":[{"system":"urn:yilian:fee-class","code":"02"}]},"net":{"value":%s,"currency":"CNY"},"encounter":[{"reference":"Encounter/%s"}]}],`+
		`"total":{"value":%s,"currency":"CNY"}}`, id, who, total, about, total)
}

func benefitBody(id, about, who, fund, own string) string {
	total := func(system, code, value string) string {
		return fmt.Sprintf(`{"category":{"coding":[{"system":"%s","code":"%s"}]},"amount":{"value":%s,"currency":"CNY"}}`, system, code, value)
	}
	return fmt.Sprintf(`{"resourceType":"ExplanationOfBenefit","id":"%s","status":"active","type":{"text":"门诊"},"use":"claim","patient":{"reference":"Patient/%s"},"created":"2026-03-02",`+
		`"insurer":{"display":"医保中心"},"provider":{"display":"本院"},"outcome":"complete","insurance":[{"focal":true,"coverage":{"display":"医保"}}],`+
		`"item":[{"sequence":1,"productOrService":{"text":"诊察费"},"encounter":[{"reference":"Encounter/%s"}]}],"total":[%s,%s]}`,
		id, who, about, total("urn:yilian:fund-kind", "resident_pool", fund), total("urn:yilian:own-share", "own", own))
}

// rows are the standing rows that came through FHIR, as text.
func (a *alliance) visitRows() (out []string) {
	a.Helper()
	a.tx(func(tx *db.Tx) error {
		for _, p := range a.r.Patients {
			list, err := encounter.OfPatient(a.Context(), tx, p.ID, 100)
			if err != nil {
				return err
			}
			for _, e := range list {
				if !e.VoidedAt.IsZero() || !strings.HasPrefix(e.Source.System, "fhir/") {
					continue
				}
				var diagnoses []string
				for _, d := range e.Diagnoses {
					diagnoses = append(diagnoses, d.ClinicalCode+"/"+d.InsuranceCode)
				}
				out = append(out, fmt.Sprintf("%s %s %s %s %v own %s fund %s leave %s", e.Source.Key, e.Class, e.CountedOn(), e.Total, diagnoses, e.Own, e.Fund(), e.Leave))
			}
		}
		return nil
	})
	slices.Sort(out)
	return out
}

// TestEncountersOfSystemsAreCounted follows one visit through its life.
func TestEncountersOfSystemsAreCounted(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		who := a.r.Patients[0].ID
		want := func(rows ...string) {
			t.Helper()
			if got := a.visitRows(); !slices.Equal(got, rows) {
				t.Fatalf("rows %q, want %q", got, rows)
			}
		}
		a.call("PUT", "/fhir/Encounter/v1", visitBody("v1", who)).is(http.StatusCreated)
		want("MZ-v1 outpatient 2026-03-02 未提供 [I10/I10.x00] own 未提供 fund 未提供 leave ")
		a.call("PUT", "/fhir/Claim/c1", claimBody("c1", "v1", who, "58.50")).is(http.StatusCreated)
		want("MZ-v1 outpatient 2026-03-02 58.50 [I10/I10.x00] own 未提供 fund 未提供 leave ")
		a.call("PUT", "/fhir/ExplanationOfBenefit/b1", benefitBody("b1", "v1", who, "40.00", "18.50")).is(http.StatusCreated)
		want("MZ-v1 outpatient 2026-03-02 58.50 [I10/I10.x00] own 18.50 fund 40.00 leave ")
		// What does not add up is refused, and nothing is half-written.
		a.call("PUT", "/fhir/ExplanationOfBenefit/b1", benefitBody("b1", "v1", who, "41.00", "18.50")).is(http.StatusUnprocessableEntity, "与总费用 58.50 元不符")
		a.call("PUT", "/fhir/Claim/c1", claimBody("c1", "v1", who, "58.505")).is(http.StatusUnprocessableEntity, "58.505")
		a.call("PUT", "/fhir/Encounter/v1", visitBody("v1", who, "T08:40", "T07:40")).is(http.StatusUnprocessableEntity, "早于")
		want("MZ-v1 outpatient 2026-03-02 58.50 [I10/I10.x00] own 18.50 fund 40.00 leave ")
		// The same visit again, under another id or by another road, is one visit.
		a.call("PUT", "/fhir/Encounter/v1b", visitBody("v1b", who, "MZ-v1b", "MZ-v1"), "Prefer", "return=OperationOutcome").is(http.StatusCreated, "没有重复计数")
		want("MZ-v1 outpatient 2026-03-02 58.50 [I10/I10.x00] own 18.50 fund 40.00 leave ")
		// A visit that came by a file is not counted again, and takes a bill.
		var filed encounter.Encounter
		a.tx(func(tx *db.Tx) (err error) {
			filed, _, err = a.server.Visits.Encounters.RecordTx(a.Context(), tx, program, encounter.Encounter{Patient: who, Org: a.r.Township.ID, Class: encounter.Outpatient,
				Start: tx.Now, End: tx.Now, Clinical: true, Source: encounter.Source{System: "file/" + a.r.Township.ID, Key: "MZ-f1", Ref: "f.csv"}})
			return err
		})
		a.call("PUT", "/fhir/Encounter/f1", visitBody("f1", who), "Prefer", "return=OperationOutcome").is(http.StatusCreated, "没有重复计数")
		a.call("PUT", "/fhir/Claim/cf", claimBody("cf", filed.ID, who, "12.00")).is(http.StatusCreated)
		a.tx(func(tx *db.Tx) error {
			e, err := encounter.Get(a.Context(), tx, filed.ID)
			if e.Total.String() != "12.00" {
				t.Errorf("the bill of a filed visit says %s", e.Total)
			}
			return err
		})
		// A stay, with our class of leaving.
		stay := visitBody("v2", who, `"AMB"`, `"IMP"`, `"end":"2026-03-02T08:40:00+08:00"`, `"end":"2026-03-02T18:40:00+08:00"`,
			`"period"`, `"hospitalization":{"dischargeDisposition":{"coding":[{"system":"urn:yilian:leave-way","code":"3"}]}},"period"`)
		a.call("PUT", "/fhir/Encounter/v2", stay).is(http.StatusCreated)
		a.call("PUT", "/fhir/Encounter/v3", visitBody("v3", who, `"AMB"}`, `"AMB"},"type":[{"coding":[{"system":"urn:yilian:encounter-class","code":"exam"}]}]`)).is(http.StatusCreated)
		want("MZ-v1 outpatient 2026-03-02 58.50 [I10/I10.x00] own 18.50 fund 40.00 leave ", "MZ-v2 inpatient 2026-03-02 未提供 [I10/I10.x00] own 未提供 fund 未提供 leave 3",
			"MZ-v3 exam 2026-03-02 未提供 [I10/I10.x00] own 未提供 fund 未提供 leave ")
		a.call("PUT", "/fhir/Encounter/v3", visitBody("v3", who, "finished", "cancelled")).is(http.StatusOK)
		a.call("DELETE", "/fhir/Encounter/v2", "").is(http.StatusNoContent)
		want("MZ-v1 outpatient 2026-03-02 58.50 [I10/I10.x00] own 18.50 fund 40.00 leave ")
		a.call("DELETE", "/fhir/Claim/c1", "").is(http.StatusNoContent)
		want("MZ-v1 outpatient 2026-03-02 未提供 [I10/I10.x00] own 18.50 fund 40.00 leave ")
	})
}

// TestWhatCannotBeCountedSaysSo: it is kept, makes no row, and the sender and
// the auditor are told.
func TestWhatCannotBeCountedSaysSo(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		who := a.r.Patients[0].ID
		for i, x := range []struct{ why, text string }{
			{"不认识", visitBody("x0", who, `"AMB"`, `"PRENC"`)},
			{"period.start", visitBody("x1", who, `"start":"2026-03-02T08:00:00+08:00",`, ``)},
			{"period.end", visitBody("x2", who, `"AMB"`, `"IMP"`, `,"end":"2026-03-02T08:40:00+08:00"`, ``)},
			{"由就诊机构自己的接口登记", visitBody("x3", who, `"period"`, `"serviceProvider":{"reference":"Organization/`+a.r.Hospital.ID+`"},"period"`)},
		} {
			a.call("PUT", fmt.Sprintf("/fhir/Encounter/x%d", i), x.text, "Prefer", "return=OperationOutcome").is(http.StatusCreated, "没有计入就诊统计", x.why)
		}
		a.call("PUT", "/fhir/Encounter/x4", visitBody("x4", who, "finished", "planned")).is(http.StatusCreated)
		if got := a.visitRows(); len(got) > 0 {
			t.Fatalf("rows %q", got)
		}
		var n int64
		a.tx(func(tx *db.Tx) (err error) {
			n, err = db.Count(a.Context(), tx, `SELECT count(*) FROM audit_leaf WHERE action = 'encounter.skip'`)
			return err
		})
		if n != 4 {
			t.Errorf("%d leaves, want 4", n)
		}
		if got := a.uncounted(); got != "x0 x1 x2 x3" {
			t.Errorf("its people see %q", got)
		}
		a.call("PUT", "/fhir/Encounter/x1", visitBody("x1", who)).is(http.StatusOK) // mended
		a.call("DELETE", "/fhir/Encounter/x2", "").is(http.StatusNoContent)
		if got := a.uncounted(); got != "x0 x3" {
			t.Errorf("mended and gone, its people see %q", got)
		}
		a.call("DELETE", "/fhir/Encounter/x1", "").is(http.StatusNoContent)
		// Another institution's system has no relation to the patient: refused,
		// and no row gives it one.
		a.token = a.hospital
		a.call("PUT", "/fhir/Encounter/y", visitBody("y", who)).is(http.StatusForbidden)
		if got := a.visitRows(); len(got) > 0 {
			t.Fatalf("rows %q", got)
		}
	})
}

// uncounted are the visits of the centre that are kept and not counted.
func (a *alliance) uncounted() string {
	a.Helper()
	var ids []string
	a.tx(func(tx *db.Tx) error {
		list, n, err := encounter.ListUncounted(a.Context(), tx, a.r.Township.ID, 1)
		if int(n) != len(list) {
			a.Errorf("%d listed of %d", len(list), n)
		}
		for _, u := range list {
			ids = append(ids, u.ID)
		}
		return err
	})
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// TestANumberGivenUpIsTakenOver: of two visits under one number the second is
// counted once the first is gone, or has another number.
func TestANumberGivenUpIsTakenOver(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		who := a.r.Patients[0].ID
		same := func(id string) string { return visitBody(id, who, `MZ-`+id, `N1`) }
		for _, id := range []string{"t1", "t2", "t3"} {
			body := same(id)
			if id != "t1" { // a number out of use stands before the one that counts
				body = strings.Replace(body, `"identifier":[`, `"identifier":[{"use":"old","value":"OLD-`+id+`"},`, 1)
			}
			a.call("PUT", "/fhir/Encounter/"+id, body).is(http.StatusCreated)
		}
		if got := a.uncounted(); got != "t2 t3" || len(a.visitRows()) != 1 {
			t.Fatalf("uncounted %q, rows %q", got, a.visitRows())
		}
		a.call("DELETE", "/fhir/Encounter/t1", "").is(http.StatusNoContent)
		if got := a.uncounted(); got != "t3" || len(a.visitRows()) != 1 {
			t.Fatalf("after the first is gone: uncounted %q, rows %q", got, a.visitRows())
		}
		a.call("PUT", "/fhir/Encounter/t2", visitBody("t2", who)).is(http.StatusOK)
		if got := a.uncounted(); got != "" || len(a.visitRows()) != 2 {
			t.Fatalf("after the second has another number: uncounted %q, rows %q", got, a.visitRows())
		}
	})
}

// TestAVisitIsItsInstitutions: a system of another institution that has care of
// the patient changes nothing of a counted visit, neither by a bill nor by the
// Encounter itself.
func TestAVisitIsItsInstitutions(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		who := a.r.Patients[0].ID
		a.call("PUT", "/fhir/Encounter/v1", visitBody("v1", who)).is(http.StatusCreated)
		before := a.visitRows()
		a.tx(func(tx *db.Tx) error {
			return access.Relate(a.Context(), tx, access.CareRelation{Patient: who, Org: a.r.Hospital.ID, Basis: access.BasisReferral, Reference: "r"})
		})
		a.token = a.hospital
		a.call("PUT", "/fhir/Claim/c1", claimBody("c1", "v1", who, "99.00")).is(http.StatusCreated)
		a.call("PUT", "/fhir/Encounter/v1", visitBody("v1", who, "finished", "cancelled"), "Prefer", "return=OperationOutcome").is(http.StatusOK, "由另一机构登记")
		a.call("DELETE", "/fhir/Encounter/v1", "").is(http.StatusNoContent)
		if got := a.visitRows(); len(before) != 1 || !slices.Equal(got, before) {
			t.Errorf("rows %q, before %q", got, before)
		}
	})
}

// TestRowsFollowAnyOrder: whatever comes, changes and goes in whatever order,
// the rows are those of the resources that stand at the end, sent in order.
func TestRowsFollowAnyOrder(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		who, rounds, limit := a.r.Patients[0].ID, 0, 12
		rapid.Check(t, func(rt *rapid.T) {
			if rounds++; rounds > limit {
				return
			}
			kinds := []string{"Claim", "Encounter", "ExplanationOfBenefit"}
			bodies := map[string]string{}
			name := func(kind string) string { return fmt.Sprintf("%s%d", strings.ToLower(kind[:1]), rounds) }
			body := func(kind string) string {
				total := rapid.SampledFrom([]string{"50.00", "80.00"}).Draw(rt, "total")
				switch kind {
				case "Claim":
					return claimBody(name(kind), name("Encounter"), who, total)
				case "ExplanationOfBenefit":
					return benefitBody(name(kind), name("Encounter"), who, "30.00", "20.00")
				}
				status := rapid.SampledFrom([]string{"finished", "finished", "in-progress", "planned", "cancelled"}).Draw(rt, "status")
				return visitBody(name(kind), who, "finished", status, "T08:40", rapid.SampledFrom([]string{"T08:40", "T09:10"}).Draw(rt, "end"))
			}
			for range rapid.IntRange(3, 9).Draw(rt, "steps") {
				kind := rapid.SampledFrom(kinds).Draw(rt, "kind")
				if rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
					a.call("DELETE", "/fhir/"+kind+"/"+name(kind), "").is(http.StatusNoContent)
					delete(bodies, kind)
					continue
				}
				text := body(kind)
				if got := a.call("PUT", "/fhir/"+kind+"/"+name(kind), text); got.status < 300 {
					bodies[kind] = text
				} else if got.status != http.StatusUnprocessableEntity {
					rt.Fatalf("%s: %d %s", kind, got.status, got.body)
				}
			}
			row := func(id string) (out string) {
				for _, r := range a.visitRows() {
					if strings.HasPrefix(r, "MZ-"+id+" ") {
						out += strings.TrimPrefix(r, "MZ-"+id)
					}
				}
				return out
			}
			got := row(name("Encounter"))
			fresh := name("Encounter") + "f"
			for _, kind := range []string{"Encounter", "Claim", "ExplanationOfBenefit"} {
				if text := bodies[kind]; text != "" {
					text = strings.NewReplacer(`"id":"`+name(kind)+`"`, `"id":"`+name(kind)+`f"`, "MZ-"+name("Encounter"), "MZ-"+fresh, "Encounter/"+name("Encounter"), "Encounter/"+fresh).Replace(text)
					a.call("PUT", "/fhir/"+kind+"/"+name(kind)+"f", text).is(http.StatusCreated)
				}
			}
			if want := row(fresh); got != want {
				rt.Fatalf("row %q, from scratch %q", got, want)
			}
		})
	})
}
