package fhirapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/referral"
)

// course is one referral that was sent on the page, moved by systems.
type course struct {
	*alliance
	path string
	id   string
}

func (a *alliance) course(i int) *course {
	c := a.r.To(i, referral.StateSubmitted)
	return &course{a, "/fhir/Task/" + c.ID, c.ID}
}

func (c *course) patch(token, status, more string, headers ...string) answer {
	c.Helper()
	return c.as(token, "PATCH", c.path, `[{"op":"add","path":"/status","value":"`+status+`"}`+more+`]`,
		append(headers, "Content-Type", "application/json-patch+json")...)
}

func (c *course) want(state, status string) flow.Case {
	c.Helper()
	var now flow.Case
	c.tx(func(tx *db.Tx) (err error) { now, err = flow.Get(c.Context(), tx, c.id); return err })
	if got := c.said(c.path, "status"); now.State != state || got != status {
		c.Fatalf("case %s, task %s, want %s and %s", now.State, got, state, status)
	}
	return now
}

func (c *course) sound() {
	c.Helper()
	body := string(c.call("GET", c.path, "").is(200).body)
	if said := string(c.call("POST", "/fhir/Task/$validate", body).is(200).body); strings.Contains(said, `"severity":"error"`) {
		c.Errorf("the server's own Task: %s\n%s", said, body)
	}
}

func why(list, code, text string) string {
	return fmt.Sprintf(`,{"op":"add","path":"/statusReason","value":{"coding":[{"system":"urn:yilian:code:referral.reason.%s","code":%q}],"text":%q}}`, list, code, text)
}

// The receiver's system asks, the referrer's answers, both read the talk in the
// Task; a status that is stale, sent twice or of the wrong side changes nothing.
func TestQuestionsThroughFHIR(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		c := a.course(0)
		question := why("ask", "exam_result", "请补充心电图")
		first := c.call("GET", c.path, "").is(200)
		c.patch(a.township, "on-hold", question).is(403)
		c.patch(a.hospital, "on-hold", why("ask", "nonsense", "请补充")).is(422).says("请选择原因")
		c.patch(a.hospital, "on-hold", "").is(422).says("要补充的内容")
		c.want(referral.StateSubmitted, "requested")
		etag := first.header.Get("ETag")
		c.patch(a.hospital, "on-hold", question, "If-Match", etag).is(200)
		c.want(referral.StateAwaitingInfo, "on-hold")
		c.patch(a.hospital, "on-hold", question).is(409)
		c.patch(a.township, "requested", `,{"op":"add","path":"/note/-","value":{"text":"已补"}}`, "If-Match", etag).is(412)
		c.sound()
		c.patch(a.township, "requested", "").is(422).says("补充的内容")
		answer := `,{"op":"add","path":"/note/-","value":{"text":"ST 段压低 0.1 mV"}}`
		c.patch(a.hospital, "requested", answer).is(403)
		c.patch(a.township, "requested", answer).is(200)
		c.want(referral.StateSubmitted, "requested")
		body := string(c.as(a.hospital, "GET", c.path, "").is(200).body)
		for _, text := range []string{"请补充：请补充心电图", "补充：ST 段压低 0.1 mV"} {
			if !strings.Contains(body, text) {
				t.Errorf("%q is missing in %s", text, body)
			}
		}
		c.sound()
		c.patch(a.township, "requested", answer).is(422)
	})
}

// A receiving system hands a case on as the page does: only to a service, with
// the word of who takes it.
func TestRedirectThroughFHIR(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		c := a.course(0)
		owner := func(ref string) string {
			return `,{"op":"add","path":"/owner","value":{"reference":"` + ref + `"}}`
		}
		agreed := `,{"op":"add","path":"/input","value":[{"type":{"coding":[{"code":"agreed-by"}]},"valueString":"彭护士"},{"type":{"coding":[{"code":"agreed-how"}]},"valueString":"phone"}]}`
		reason := why("redirect", "wrong_specialty", "")
		reason = strings.Replace(reason, `,"text":""`, "", 1)
		neuro := owner("HealthcareService/" + a.r.NeuroClinic.ID)
		c.patch(a.hospital, "requested", owner("Organization/"+a.r.Hospital.ID+"x")+reason+agreed).is(422).says("HealthcareService")
		c.patch(a.hospital, "accepted", neuro+reason+agreed).is(422).says("分两次")
		c.patch(a.hospital, "requested", neuro+reason).is(422).says("同意接收的人")
		c.patch(a.hospital, "requested", owner("HealthcareService/nowhere")+reason+agreed).is(422).says("已同意接收")
		c.patch(a.township, "requested", neuro+reason+agreed).is(403)
		c.patch(a.hospital, "requested", neuro+reason+agreed).is(200)
		if now := c.want(referral.StateSubmitted, "requested"); now.To.Department != a.r.Neurology.ID {
			t.Errorf("%+v", now.To)
		}
		c.patch(a.hospital, "requested", neuro+reason+agreed).is(422).says("已在该科室")
		c.sound()
	})
}

// Waiting list, appointment, new time, no-show and a second try, all by systems.
func TestVisitsThroughFHIR(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		c := a.course(0)
		start := func(hours int) string {
			return `,{"op":"add","path":"/executionPeriod","value":{"start":"` + a.r.Now.Add(time.Duration(hours)*time.Hour).Format(time.RFC3339) + `"}}`
		}
		c.patch(a.hospital, "accepted", "").is(200)
		c.patch(a.hospital, "on-hold", why("defer", "no_bed", "等床")).is(422).says("承诺")
		promised := `,{"op":"add","path":"/input","value":[{"type":{"coding":[{"code":"promised-on"}]},"valueDate":"` + a.r.Now.AddDate(0, 0, 3).Format("2006-01-02") + `"}]}`
		c.patch(a.hospital, "on-hold", why("defer", "no_bed", "等床")+promised).is(200)
		c.want(referral.StateDeferred, "accepted")
		c.patch(a.hospital, "accepted", start(24)).is(200)
		c.patch(a.hospital, "accepted", start(26)).is(422) // why is missing
		c.patch(a.hospital, "accepted", start(26)+why("reschedule", "other", "医生停诊")).is(200)
		c.want(referral.StateArranged, "accepted")
		c.patch(a.hospital, "failed", "").is(409).says("还没有到")
		a.r.After(27 * time.Hour)
		a.hospital, a.township = a.system("hosp-his-2", a.r.Hospital.ID), a.system("town-his-2", a.r.Township.ID)
		a.token = a.township
		c.patch(a.township, "failed", "").is(403)
		c.patch(a.hospital, "failed", why("no_show", "nonsense", "x")).is(422).says("原因清单")
		c.patch(a.hospital, "failed", why("no_show", "unreachable", "电话三次未接")).is(200)
		c.want(referral.StateNoShow, "on-hold")
		c.patch(a.hospital, "failed", "").is(409)
		full, err := a.r.Service.View(t.Context(), a.r.Doctor, c.id)
		if last := full.Timeline[len(full.Timeline)-1]; err != nil || last.Comment != "联系不上：电话三次未接" {
			t.Errorf("%+v %v", last, err)
		}
		c.patch(a.township, "accepted", why("no_show", "forgot", "记错时间")).is(200)
		c.want(referral.StateAccepted, "accepted")
		c.patch(a.hospital, "entered-in-error", "").is(422).says("其余在平台办理")
		c.sound()
	})
}

// The talk joins the notes of a Task that a system has written itself.
func TestTalkJoinsTheNotesOfASystem(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		mine := strings.Replace(task(newRequest, "T1"), `"intent":"order"`, `"intent":"order","note":[{"text":"请  尽快"}]`, 1)
		_, id := a.call("POST", "/fhir", bundleOf(a.request(0, "Z1", signed), mine)).is(200).written()
		c := &course{a, "/fhir/Task/" + id, a.cases()[0].ID}
		c.patch(a.hospital, "on-hold", why("ask", "exam_result", "请补充心电图")).is(200)
		c.patch(a.township, "requested", `,{"op":"add","path":"/note/-","value":{"text":"已做"}}`).is(200)
		body := string(c.call("GET", c.path, "").is(200).body)
		for text, n := range map[string]int{"请  尽快": 1, "请补充：请补充心电图": 1, "补充：已做": 1} {
			if strings.Count(body, text) != n {
				t.Errorf("%q stands %d times in %s", text, strings.Count(body, text), body)
			}
		}
		c.sound()
		if same := sameAsRendered(t, a.server.Store, c.id); same != 2 {
			t.Errorf("%d resources of the case", same)
		}
	})
}

// The desk registers the arrival before a doctor begins, and care is told on.
func TestArrivalAndProgressThroughFHIR(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		c := a.course(0)
		c.patch(a.hospital, "ready", "").is(409)
		at := `,{"op":"add","path":"/executionPeriod","value":{"start":"` + a.r.Now.Add(time.Hour).Format(time.RFC3339) + `"}}`
		c.patch(a.hospital, "accepted", at).is(200)
		who := fmt.Sprintf(`,{"op":"add","path":"/input","value":[{"type":{"coding":[{"code":"id-number"}]},"valueString":%q},{"type":{"coding":[{"code":"name"}]},"valueString":%q}]}`,
			a.r.IDNumbers[0], a.r.Patients[0].Name)
		c.patch(a.hospital, "ready", "").is(422).says("到诊码")
		c.patch(a.hospital, "ready", strings.Replace(who, a.r.Patients[0].Name, "别人", 1)).is(422).says("姓名")
		c.patch(a.township, "ready", who).is(403)
		c.patch(a.hospital, "ready", who).is(200)
		c.want(referral.StateArrived, "accepted")
		c.patch(a.hospital, "ready", who).is(409)
		c.patch(a.hospital, "in-progress", "").is(200)
		c.patch(a.hospital, "in-progress", "").is(422).says("诊疗进展")
		note := `,{"op":"add","path":"/note","value":[{"text":"已行造影"}]}`
		c.patch(a.township, "in-progress", note).is(403)
		c.patch(a.hospital, "in-progress", note).is(200)
		now := c.want(referral.StateInCare, "in-progress")
		full, err := a.r.Service.View(t.Context(), a.r.Doctor, now.ID)
		if err != nil || len(full.Notes) != 1 || full.Notes[0].Text != "已行造影" {
			t.Errorf("%+v %v", full.Notes, err)
		}
		c.sound()
	})
}
