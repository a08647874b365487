package referralweb

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/web"
)

func TestWorklist(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		f.as(w.Centre)
		f.has(f.get(200, "/referrals"), "现在没有转到我院的患者")
		w.Contract(1)
		a, b, c := w.To(0, referral.StateSubmitted), w.To(1, referral.StateSubmitted), w.To(2, referral.StateClosed)
		f.has(f.get(200, "/referrals"), "转入我院", "我院转出")
		body := f.get(200, "/referrals")
		f.has(body, a.Number, b.Number, "张桂兰", "唐国强", "签约", "心绞痛", "Ⅲ级 急症", "水口山镇中心卫生院", "心血管内科", "待领",
			`data-state="submitted"`, `data-live="referral"`, "剩余 2 小时", `hx-target="#drawer"`)
		f.lacks(body, c.Number, "13900001234")
		if strings.Index(body, b.Number) > strings.Index(body, a.Number) {
			t.Error("the contracted patient does not come first (LL-4.4.1b)")
		}
		f.has(f.get(200, "/referrals?all=1"), c.Number, "已结案")
		f.has(f.get(200, "/referrals?state=closed"), c.Number)
		only := f.get(200, "/referrals?q="+url.QueryEscape("张桂"))
		f.has(only, a.Number)
		f.lacks(only, b.Number)
		f.has(f.get(200, "/referrals?urgency=II"), "没有符合条件的转诊单")
		w.After(3 * time.Hour)
		f.has(f.get(200, "/referrals"), "due-over", "超时 1 小时")

		// The live part answers the inside of the list only.
		r := httptest.NewRequest(http.MethodGet, "/referrals?live=1&side=to", nil)
		r.Header.Set("HX-Request", "true")
		part := f.send(r).Body.String()
		f.has(part, a.Number)
		f.lacks(part, "<html", "转入我院")

		f.as(w.Doctor)
		f.has(f.get(200, "/referrals"), a.Number, "永州市第四人民医院", "发起转诊")
		f.as(w.Stranger)
		f.lacks(f.get(200, "/referrals"), a.Number)
		f.as(w.Bureau)
		f.get(403, "/referrals")
	})
}

func TestUrgentRowsStandOut(t *testing.T) {
	l := worklist{Page: referral.Page{Now: dbtest.Clock, Items: []referral.Item{
		{Case: flow.Case{ID: "1", State: referral.StateSubmitted, Urgency: "II", Subject: "甲 男 60岁", DueAt: dbtest.Clock.Add(10 * time.Minute), EnteredAt: dbtest.Clock, DueShort: true}, Direction: referral.Down},
		{Case: flow.Case{ID: "2", State: referral.StateClosed, Urgency: "II", Subject: "乙 女 61岁", ClosedAt: dbtest.Clock}},
	}}, Query: referral.Query{Side: flow.To}, Number: 1, Total: 120}
	body := render(t, listBody(l))
	if strings.Count(body, "row-urgent") != 1 {
		t.Error("the red edge is for open cases of level II")
	}
	f := &fixture{T: t}
	f.has(body, "due-soon", "日历缺失", "下转", "共 120 条", "page=2")
}

func TestDesk(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		c, late := w.To(0, referral.StateArranged), w.To(1, referral.StateArranged)
		code := w.Code(c)
		f.as(w.Desk)
		f.has(f.get(200, "/desk"), "今天没有待到诊的转诊患者")
		w.After(20 * time.Hour)
		f.has(f.get(200, "/desk"), "今日应到 2 人", c.Number, late.Number)

		find := func(status int, text string) string { return f.post(status, "/desk/find", url.Values{"text": {text}}) }
		body := find(200, code)
		f.has(body, "张*兰", `value="`+code+`"`, "请患者自报姓名", "登记到诊")
		f.lacks(body, `name="id_number"`)
		f.has(find(200, c.Number), "张*兰", `name="code"`, `name="id_number"`)
		f.has(find(200, w.IDNumbers[1]), late.Number, "唐*强")
		f.has(find(422, "  "), "请输入 6 位到诊码")
		f.has(find(404, "999999"), "没有找到待到诊的转诊单")
		f.has(find(404, strings.Repeat("9", 500)), "没有找到")

		arrive := func(status int, c flow.Case, pairs ...string) string {
			return f.post(status, "/desk/"+c.ID, f.form(c, append(pairs, "text", code)...))
		}
		f.has(arrive(422, c, "code", code), "请再核对一项", `value="`+code+`"`)
		f.has(arrive(422, c, "code", code, "name", "张三"), "姓名与转诊单不符")
		again := f.form(c, "code", code, "name", "张桂兰", "text", code)
		f.has(f.post(200, "/desk/"+c.ID, again), "今日应到 1 人", "已到诊")
		f.state(c, referral.StateArrived)
		f.post(200, "/desk/"+c.ID, again) // the same form twice
		f.post(422, "/desk/"+c.ID, url.Values{"version": {"x"}})

		f.as(w.Doctor)
		f.get(403, "/desk")
		f.post(403, "/desk/find", url.Values{"text": {code}})
		f.as(w.OtherDesk)
		f.has(find(404, late.Number), "没有找到")
		f.lacks(f.get(200, "/desk"), late.Number)
	})
}

func TestPapersAreLogged(t *testing.T) {
	each(t, func(f *fixture) {
		c := f.w.To(0, referral.StateClosed)
		f.as(f.w.Doctor)
		form := f.get(200, "/referrals/"+c.ID+"/print/form")
		f.has(form, "双向转诊（转出）单", "存　根", "正　联", c.Number, "已结案", "watermark", "qr", "初步印象", "主要现病史（转出原因）", "主要既往史", "治疗经过",
			"转诊医生", "转出机构（盖章）", f.w.IDNumbers[0], "13900001234", "心绞痛（I20.900）")
		reply := f.get(200, "/referrals/"+c.ID+"/print/reply")
		f.has(reply, "双向转诊（回转）单", "诊断结果", "住院病案号", "主要检查结果", "下一步治疗方案及康复建议", "Z20260001", "接收机构（盖章）")
		consent := f.get(200, "/referrals/"+c.ID+"/print/consent")
		f.has(consent, "转诊知情同意书", "先行抢救", "自愿同意转诊", "与患者关系", "见证人")
		f.get(409, "/referrals/"+c.ID+"/print/refusal")
		var leaves []audit.Leaf
		err := f.w.DB.View(t.Context(), func(tx *db.Tx) (err error) {
			leaves, err = audit.Search(t.Context(), tx, audit.Filter{Action: "referral.print", ObjectID: c.ID, Limit: 10})
			return err
		})
		if err != nil || len(leaves) != 3 {
			t.Errorf("%d leaves, %v", len(leaves), err)
		}
		draft := f.w.Draft(1)
		f.has(f.get(200, "/referrals/"+draft.ID+"/print/form"), "草稿")
	})
}

func TestOverview(t *testing.T) {
	each(t, func(f *fixture) {
		f.as(f.w.Bureau)
		empty := f.get(200, "/overview")
		f.has(empty, "无责任人或无时限的单子：0", "不可计算", "分母为 0", "所选期间没有已受理的转诊", "所选期间没有转诊")
		c := f.w.To(0, referral.StateClosed)
		f.w.To(1, referral.StateSubmitted)
		f.w.To(2, referral.StateDeclined)
		body := f.get(200, "/overview")
		f.has(body, "50.0", "1 ÷ 2", "水口山镇中心卫生院", "2026-03", "title=", "90% 分位", "n = 1")
		f.lacks(body, "张桂兰", c.Number, `stage=`)
		for _, q := range []string{"period=month", "period=year", "period=quarter", "period=custom&from=2026-03-01&to=2026-03-31", "period=custom&from=2026-03-01", "side=to&period=x"} {
			f.has(f.get(200, "/overview?"+q), "转诊总览")
		}
		f.get(422, "/overview?period=custom&from=2026-02-30")
		f.get(422, "/overview?period=custom&from=2026-03-02&to=2026-03-01")
		f.as(f.w.Centre)
		f.has(f.get(200, "/overview?side=to"), `href="/ledger?`, "from=2026-03-01&amp;other="+f.w.Township.ID+"&amp;side=to&amp;stage=arrived", "/ledger/refusals?")
		f.as(access.Actor{Name: "居民", Role: string(access.Resident)})
		f.get(403, "/overview")
	})
}

func TestPatientSection(t *testing.T) {
	each(t, func(f *fixture) {
		c := f.w.To(0, referral.StateSubmitted)
		d := f.w.Draft(1)
		section := func(a access.Actor, i int) string {
			var out string
			err := f.w.DB.View(t.Context(), func(tx *db.Tx) error {
				part, err := f.pages.PatientSection(t.Context(), tx, a, f.w.Patients[i].ID)
				if err == nil {
					out = render(t, part)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		f.has(section(f.w.Doctor, 0), c.Number, "待受理", "/referrals/"+c.ID)
		f.lacks(section(f.w.Stranger, 0), "hx-get", "心绞痛")
		f.has(section(f.w.Doctor, 1), d.Number)
		f.lacks(section(f.w.Centre, 1), d.Number)
		f.has(section(f.w.Doctor, 2), "还没有转诊记录", "/referrals/new?patient=")
	})
}

func TestMenuAndWords(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	var titles []string
	for _, it := range f.site.Items() {
		titles = append(titles, it.Title+it.Path+strings.Join(it.Rights, ","))
		if !web.HasIcon(it.Icon) {
			t.Errorf("no icon %s", it.Icon)
		}
	}
	f.has(strings.Join(titles, " "), "双向转诊/referralsreferral.read", "到诊登记/deskreferral.arrive", "总览/overviewreferral.count")
	for name, a := range actions {
		if !web.HasIcon(a.icon) {
			t.Errorf("%s: no icon %s", name, a.icon)
		}
	}
	for _, c := range []struct {
		n    int
		d    time.Duration
		want string
	}{{0, 0, "不可计算"}, {1, time.Second, "＜1分钟"}, {1, 35 * time.Minute, "35分钟"}, {1, 90 * time.Minute, "1.5小时"}, {1, 60 * time.Hour, "2.5天"}} {
		if got := waitText(c.n, c.d); got != c.want {
			t.Errorf("%v: %s", c, got)
		}
	}
}

// The desk sees who has been reminded and writes down what they answer.
func TestDeskRecordsAnswersToReminders(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		c := w.To(0, referral.StateAccepted)
		a := w.Arrangement()
		a.At = w.Now.AddDate(0, 0, 4)
		c, err := w.Service.Arrange(t.Context(), w.Centre, w.Ref(c), a)
		if err != nil {
			t.Fatal(err)
		}
		f.as(w.Desk)
		f.has(f.get(200, "/desk"), "近 30 天没有发出就诊提醒", "今天以后就诊 0 人")
		w.Now = w.Now.AddDate(0, 0, 3)
		if err := w.Queue.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.has(f.get(200, "/desk"), "今天以后就诊 1 人", c.Number, "近 30 天提醒 1 人", "未答复 1")
		path := "/desk/" + c.ID + "/reminder"
		f.has(f.post(422, path, url.Values{"answer": {"will_not_come"}, "how": {"phone"}}), "请选择患者不来的原因")
		f.post(200, path, url.Values{"answer": {"confirmed"}, "how": {"phone"}, "note": {"家属接的"}})
		f.has(f.get(200, "/desk"), "患者确认会来", "家属接的", "确认会来 1", "未答复 0")
		f.has(f.get(200, "/referrals/"+c.ID), "就诊提醒", "患者确认会来")
		f.as(w.Doctor).post(403, path, url.Values{"answer": {"confirmed"}, "how": {"phone"}})
	})
}
