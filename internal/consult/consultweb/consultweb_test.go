package consultweb

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/consult"
	"yilian/internal/consult/consulttest"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/web"
)

// fixture is the face on the world of the consultation tests.
type fixture struct {
	*testing.T
	w     *consulttest.World
	site  *web.Site
	actor access.Actor
}

func setup(t *testing.T, d *db.DB) *fixture {
	f := &fixture{T: t, w: consulttest.New(t, d)}
	f.site = web.New(web.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() time.Time { return f.w.Now }})
	f.site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a := f.actor
			frame := web.Frame{User: a.Name, Key: a.Account, Post: access.Role(a.Role).Title(), Org: a.OrgName, Menu: web.Groups(f.site.Items())}
			next.ServeHTTP(w, r.WithContext(web.WithFrame(access.WithActor(r.Context(), a), frame)))
		})
	})
	Routes(f.site, &Pages{Service: f.w.Consults})
	return f
}

func each(t *testing.T, fn func(f *fixture)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(setup(t, d)) })
}

func (f *fixture) as(a access.Actor) *fixture {
	f.actor = a
	return f
}

func (f *fixture) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, r)
	return w
}

func (f *fixture) get(status int, path string) string {
	f.Helper()
	w := f.send(httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != status {
		f.Fatalf("GET %s: %d, want %d: %s", path, w.Code, status, text(w.Body.String()))
	}
	return w.Body.String()
}

func (f *fixture) submit(path string, form url.Values, drawer bool) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if drawer {
		r.Header.Set("HX-Request", "true")
	}
	return f.send(r)
}

// do takes an action on a case in its present version, from the drawer.
func (f *fixture) do(status int, c flow.Case, action string, pairs ...string) string {
	f.Helper()
	w := f.submit("/consults/"+c.ID+"/"+action, f.form(c, pairs...), true)
	if w.Code != status {
		f.Fatalf("%s: %d, want %d: %s", action, w.Code, status, text(w.Body.String()))
	}
	return w.Body.String()
}

func (f *fixture) form(c flow.Case, pairs ...string) url.Values {
	v := url.Values{"version": {strconv.Itoa(f.now(c).Version)}, "_once": {f.w.Token()}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func (f *fixture) now(c flow.Case) flow.Case {
	f.Helper()
	c, err := db.Read(context.Background(), f.w.DB, flow.Get, c.ID)
	if err != nil {
		f.Fatal(err)
	}
	return c
}

func (f *fixture) has(body string, want ...string) {
	f.Helper()
	for _, w := range want {
		if !strings.Contains(body, w) {
			f.Errorf("%q is missing in %s", w, text(body))
		}
	}
}

func (f *fixture) lacks(body string, unwanted ...string) {
	f.Helper()
	for _, w := range unwanted {
		if strings.Contains(body, w) {
			f.Errorf("%q is shown in %s", w, text(body))
		}
	}
}

var tags = regexp.MustCompile(`(?s)<svg.*?</svg>|<[^>]*>|\s+`)

// text is what a reader sees of a page.
func text(body string) string { return strings.TrimSpace(tags.ReplaceAllString(body, " ")) }

// question is a filled-in form about patient i.
func (f *fixture) question(i int, pairs ...string) url.Values {
	v := url.Values{
		"patient": {f.w.Patients[i].ID}, "diagnosis": {"I20.900"}, "diagnosis_text": {"心绞痛"}, "chief": {"反复胸闷 3 天"}, "summary": {"活动后胸闷"},
		"treatment": {"无"}, "question": {"能否在卫生院调药？"}, "target": {f.w.Cardiology.ID}, "pace": {"today"},
		"signed_by": {"self"}, "form": {"written"}, "consent": {"on"}, "_once": {f.w.Token()},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// TestStory takes one question through the pages, each step by the post whose
// turn it is; every page says who is responsible.
func TestStory(t *testing.T) {
	each(t, func(f *fixture) {
		w, duty := f.w, "临床责任：水口山镇中心卫生院"
		f.as(w.Doctor)
		f.has(f.get(200, "/consults/new?patient="+w.Patients[0].ID), "张桂兰", "心血管内科", "王主任", "03-02 13:00 前答复", "允许专家直接转为转诊", "患者同意把上述资料")
		bad := f.submit("/consults", f.question(0, "consent", "", "chief", ""), false)
		f.has(bad.Body.String(), "须患者同意", "请填写主诉", "活动后胸闷", "能否在卫生院调药？")
		if bad.Code != 422 {
			t.Errorf("incomplete question: %d", bad.Code)
		}
		form := f.question(0)
		ok := f.submit("/consults", form, false)
		path := ok.Header().Get("Location")
		if ok.Code != 303 || !strings.HasPrefix(path, "/consults/") || f.submit("/consults", form, false).Header().Get("Location") != path {
			t.Fatalf("%d %s %s", ok.Code, path, text(ok.Body.String()))
		}
		c := flow.Case{ID: strings.TrimPrefix(path, "/consults/")}
		f.has(f.get(200, path), duty, "待答复", "现在轮到：永州市第四人民医院 心血管内科", "内办理", "/withdraw\"", "能否在卫生院调药？", "患者本人 张桂兰，书面签字")

		f.as(w.Specialist)
		body := f.get(200, path)
		f.has(body, duty, "/reply\"", "/ask_back\"", "/decline\"")
		f.lacks(body, "/withdraw\"", "/close\"", w.IDNumbers[0])
		f.has(f.get(200, path+"/reply"), `id="form-reply"`, "可在基层处理", "建议急诊立即转", "患者的临床责任仍由申请医生承担")
		f.lacks(f.get(200, path+"/reply"), "直接转为转诊")
		f.has(f.do(422, c, "ask_back", "reason", "exam"), "要补充的内容")
		f.has(f.do(200, c, "ask_back", "reason", "exam", "question", "请补充心电图"), "待补充", "等待补充", duty)
		f.as(w.Doctor)
		f.has(f.do(200, c, "supply", "answer", "ST 段压低"), "ST 段压低", "待答复")
		f.as(w.Specialist)
		f.has(f.do(422, c, "reply", "kind", "local", "opinion", "可以调药"), "基层处理方案", "可以调药")
		f.get(409, path+"/print")
		f.has(f.do(200, c, "reply", "kind", "local", "opinion", "可以调药", "plan", "加用美托洛尔"), "已答复", "加用美托洛尔", "（按时）", duty)

		f.as(w.Doctor)
		f.has(f.get(200, path+"/close"), "避免了转诊", "有没有帮助")
		f.has(f.do(422, c, "close", "effect", "avoided"), "请评价这次答复有没有帮助")
		f.has(f.do(200, c, "close", "effect", "avoided", "helpful", "5"), "本单已办结：已按答复处理", "避免了转诊", "5 分")
		paper := f.get(200, path+"/print")
		f.has(paper, "转诊前咨询答复单", "临床责任", "水口山镇中心卫生院", "加用美托洛尔", "责任签名", "ZX20260302")
		f.lacks(paper, "13900001234")
		leaves := 0
		err := w.DB.View(t.Context(), func(tx *db.Tx) error {
			list, err := audit.Search(t.Context(), tx, audit.Filter{Action: "consult.print", Limit: 10})
			leaves = len(list)
			return err
		})
		if err != nil || leaves != 1 {
			t.Errorf("%d prints logged, %v", leaves, err)
		}
	})
}

// TestConvert leads the asker into the filled-in draft, and shows the
// specialist what he is allowed.
func TestConvert(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		c := w.Ask(0, func(q *consult.Form) { q.MayConvert, q.AlsoRefer = true, true })
		f.as(w.Specialist)
		f.has(f.get(200, "/consults/"+c.ID+"/reply"), "申请医生已授权专家直接转为转诊", "生成转诊草稿", "直接提交转诊（患者已签署转诊同意）")
		f.has(f.do(200, c, "reply", "kind", "refer", "opinion", "需冠脉造影", "urgency", "III", "convert", "draft"), "已转为转诊单 ZZ", "草稿，待申请医生", "转诊单 ZZ")
		f.lacks(f.get(200, "/consults/"+c.ID), "打开转诊单", "/convert_for\"")
		f.as(w.Doctor)
		f.has(f.get(200, "/consults/"+c.ID), "打开转诊单", "尚未接收患者，责任没有转移", "发给患者的消息", "/close\"")
		f.has(f.get(200, "/consults?side=from"), "已转诊", "水口山镇中心卫生院")

		d := w.To(1, consult.StateAnswered)
		f.has(f.get(200, "/consults/"+d.ID), `id="do-convert"`)
		r := f.submit("/consults/"+d.ID+"/convert", f.form(d), true)
		to := r.Header().Get("HX-Redirect")
		if r.Code != 200 || !strings.HasPrefix(to, "/referrals/new?draft=") {
			t.Fatalf("%d %s %s", r.Code, to, text(r.Body.String()))
		}
		if k := f.now(flow.Case{ID: strings.TrimPrefix(to, "/referrals/new?draft=")}); k.State != referral.StateDraft || k.BasedOn != d.ID {
			t.Errorf("%+v", k)
		}
		f.has(f.do(409, d, "convert"), "已转为转诊")
	})
}

// TestButtonsAreTheActions holds each page to what the use cases accept.
func TestButtonsAreTheActions(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	w := f.w
	for i, state := range []string{consult.StateAsked, consult.StateMoreInfo, consult.StateAnswered, consult.StateDeclined, consult.StateClosed, consult.StateWithdrawn} {
		c := w.To(i, state)
		for _, a := range []access.Actor{w.Doctor, w.Colleague, w.Specialist, w.Specialist2} {
			full, err := w.Consults.View(t.Context(), a, c.ID)
			if err != nil {
				t.Fatal(err)
			}
			body := f.as(a).get(200, "/consults/"+c.ID)
			f.has(body, "临床责任：")
			for name, x := range actions {
				offered := false
				for _, k := range full.Actions {
					offered = offered || k.Name == name
				}
				shown := strings.Contains(body, `href="/consults/`+c.ID+`/`+name+`"`) || strings.Contains(body, `id="do-`+name+`"`)
				if shown != offered {
					t.Errorf("%s at %s for %s: shown %v, offered %v", name, state, a.Name, shown, offered)
				}
				if x.direct {
					continue
				}
				want := http.StatusConflict
				if offered {
					want = http.StatusOK
				}
				f.get(want, "/consults/"+c.ID+"/"+name)
			}
		}
	}
}

func TestSideways(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		c := w.Ask(0)
		f.as(w.Specialist)
		f.has(f.do(422, c, "decline", "reason", "needs_visit", "comment", "隔空看不准"), "必须写明下一步", "隔空看不准")
		f.has(f.do(200, c, "decline", "reason", "needs_visit", "whom", "神经内科"), "退回意见", "神经内科")
		f.as(w.Doctor)
		f.has(f.get(200, "/consults/"+c.ID+"/elsewhere"), "改请教谁", "区中医院")
		f.has(f.do(422, c, "elsewhere", "target", w.Cardiology.ID), "请另选科室")
		f.has(f.do(200, c, "elsewhere", "target", w.OtherDept.ID), "待答复", w.OtherDept.Name)
		f.has(f.do(200, c, "withdraw", "reason", "better"), "申请医生撤回")

		// Who was slower sees the fresh case.
		d := w.Ask(1)
		old := f.form(d, "reason", "better")
		if _, err := w.Consults.Reply(t.Context(), w.Specialist, w.Ref(d), w.Reply(consult.Exam)); err != nil {
			t.Fatal(err)
		}
		late := f.submit("/consults/"+d.ID+"/withdraw", old, true)
		if late.Code != 409 {
			t.Errorf("late: %d", late.Code)
		}
		f.has(late.Body.String(), "刚刚被王主任", "已答复", "运动平板试验")
		f.has(f.get(200, "/consults/"+d.ID+"/news?version=1"), "不是最新状态")
		f.lacks(f.get(200, "/consults/"+d.ID+"/news?version="+strconv.Itoa(f.now(d).Version)), "不是最新状态")
	})
}

func TestListsAndFigures(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		f.as(w.Doctor)
		f.has(f.get(200, "/consults"), "现在没有您提出的咨询", "我提出的", "请我答复的")
		f.has(f.get(200, "/consults/figures"), "无法计算", "分母为 0")
		c := w.Ask(0, func(q *consult.Form) { q.Pace = consult.Today })
		w.To(1, consult.StateClosed)
		f.has(f.get(200, "/consults"), c.Number, "张桂兰", "心绞痛", "今日", "待答复", "row-urgent", `hx-get="/consults/`+c.ID, "唐医生")
		f.lacks(f.get(200, "/consults"), "唐国强")
		f.has(f.get(200, "/consults?all=1"), "唐国强", "可在基层处理")
		f.has(f.get(200, "/consults?state=closed"), "唐国强")
		f.lacks(f.as(w.Colleague).get(200, "/consults"), c.Number)
		f.has(f.as(w.Colleague).get(200, "/consults?org=1"), c.Number)
		f.has(f.as(w.Specialist).get(200, "/consults"), c.Number, "水口山镇中心卫生院")
		f.has(f.get(200, "/consults/figures?side=to"), "100.0", "1 / 1", "5.0", "1 次评价")
		f.get(422, "/consults/figures?from=yesterday")
		f.get(200, "/consults?page=-3&side=up&state=%27&q=%25_%27")
		f.get(200, "/consults?page=99999999999999999999")
		live := httptest.NewRequest(http.MethodGet, "/consults?live=1&side=to", nil)
		live.Header.Set("HX-Request", "true")
		if body := f.send(live).Body.String(); !strings.Contains(body, c.Number) || strings.Contains(body, "<html") {
			t.Errorf("the live part: %s", text(body))
		}
		f.as(w.Desk).get(403, "/consults")
	})
}

// TestStrangersSeeNothing asks as everybody who is not a party.
func TestStrangersSeeNothing(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		c := w.Ask(0)
		for _, a := range []access.Actor{w.Stranger, w.OtherDoctor, w.Bureau, w.Desk, {Account: "x", Role: string(access.SystemAdmin)}} {
			f.as(a)
			for _, path := range []string{"", "/reply", "/print", "/news?version=1"} {
				r := f.send(httptest.NewRequest(http.MethodGet, "/consults/"+c.ID+path, nil))
				if r.Code != 404 && r.Code != 403 || strings.Contains(r.Body.String(), "张桂兰") {
					t.Errorf("%s GET %s: %d", a.Role, path, r.Code)
				}
			}
			if r := f.submit("/consults/"+c.ID+"/reply", f.form(c, "kind", "exam", "exams", "x", "opinion", "x"), true); r.Code != 404 && r.Code != 403 {
				t.Errorf("%s answers: %d", a.Role, r.Code)
			}
		}
		f.as(w.Specialist).get(403, "/consults/new?patient="+w.Patients[0].ID)
		f.as(w.Stranger).get(403, "/consults/new?patient="+w.Patients[0].ID)
		if r := f.submit("/consults", f.question(0), false); r.Code != 403 {
			t.Errorf("a stranger asks: %d", r.Code)
		}
	})
}

// TestAbsurdInput is answered with a sentence, never with a fault.
func TestAbsurdInput(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	c := f.w.Ask(0)
	f.as(f.w.Specialist)
	f.get(404, "/consults/none")
	f.get(404, "/consults/"+c.ID+"/fly")
	f.get(409, "/consults/"+c.ID+"/close")
	for _, v := range []string{"", "x", "99999999999999999999"} {
		if r := f.submit("/consults/"+c.ID+"/claim", url.Values{"version": {v}}, true); r.Code != 422 {
			t.Errorf("version %q: %d", v, r.Code)
		}
	}
	long := strings.Repeat("心", 20000)
	f.has(f.do(422, c, "reply", "kind", long, "opinion", long), "太长")
	r := f.w.World.To(1, referral.StateSubmitted)
	f.as(f.w.Doctor).get(404, "/consults/"+r.ID)
	f.get(303, "/consults/new")
	f.has(f.get(200, "/consults/diagnoses?q=xjt"), "心绞痛")
	v := f.question(0, "target", "a/b/c", "pace", "never", "diagnosis", "", "diagnosis_text", "不知道")
	if w := f.submit("/consults", v, false); w.Code != 422 {
		t.Errorf("%d", w.Code)
	}
	targets := f.submit("/consults/new/targets", f.question(2), true)
	f.has(targets.Body.String(), "科室，对症", "王主任")
}

// TestPatientSection lists the institution's own consultations only.
func TestPatientSection(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	c := f.w.Ask(0)
	p := &Pages{Service: f.w.Consults}
	see := func(a access.Actor) (out string) {
		err := f.w.DB.View(t.Context(), func(tx *db.Tx) error {
			part, err := p.PatientSection(t.Context(), tx, a, c.Patient)
			if err != nil {
				return err
			}
			var b strings.Builder
			err = part.Render(t.Context(), &b)
			out = b.String()
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	f.has(see(f.w.Doctor), c.Number, "/consults/new?patient="+c.Patient)
	f.lacks(see(f.w.Doctor), "心绞痛")
	f.has(see(f.w.Stranger), "还没有咨询")
	if got := see(f.w.OtherDoctor); got != "" {
		t.Errorf("%s", got)
	}
}

// Icons of every action exist.
func TestIcons(t *testing.T) {
	for name, a := range actions {
		if !web.HasIcon(a.icon) {
			t.Errorf("%s: no icon %s", name, a.icon)
		}
	}
}
