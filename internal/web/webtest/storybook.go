package webtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"yilian/internal/errs"
	"yilian/internal/web"
)

// Story is a site that shows every component with invented persons, and
// remembers what was posted to it.
type Story struct {
	*web.Site
	mu     sync.Mutex
	posts  []http.Header // of form values: name → values
	events chan string
}

// Posts returns the values of the forms that were posted.
func (s *Story) Posts() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posts
}

// Announce sends topics down the event stream.
func (s *Story) Announce(topics string) { s.events <- topics }

// StoryNow is the instant of all stories.
var StoryNow = time.Date(2026, 11, 21, 6, 32, 0, 0, time.UTC)

type storyRow struct {
	ID, No, Name, Sex, Age, Diagnosis, From, To, Dept, State string
	Tone                                                     web.Tone
	Up, Urgent                                               bool
	At, Due                                                  time.Time
}

func storyRows(n int) []storyRow {
	names := []string{"张桂兰", "李建国", "王秀英", "刘志强", "陈玉珍", "杨德明", "赵春梅", "欧阳永福"}
	from := []string{"石山脚街道卫生院", "富家桥镇中心卫生院", "水口山镇卫生院", "徐家井社区卫生服务中心"}
	what := []string{"急性ST段抬高型心肌梗死", "脑梗死（急性期）", "2型糖尿病伴周围神经病变", "慢性阻塞性肺疾病急性加重", "股骨颈骨折", "高血压3级（很高危）"}
	dept := []string{"心血管内科", "神经内科", "内分泌科", "呼吸与危重症医学科", "骨科", "心血管内科"}
	states := []string{"待接诊", "待接诊", "已接诊", "住院中", "待下转", "已办结", "已退回"}
	tones := []web.Tone{web.Warn, web.Warn, web.Info, web.Indigo, web.Teal, web.Good, web.Bad}
	rows := make([]storyRow, n)
	for i := range rows {
		at := StoryNow.Add(-time.Duration(i*23+7) * time.Minute)
		rows[i] = storyRow{ID: strconv.Itoa(i + 1), No: fmt.Sprintf("ZZ20261121%04d", 318-i), Name: names[i%8], Sex: []string{"女", "男"}[i%2],
			Age: strconv.Itoa(38+i*13%47) + "岁", Diagnosis: what[i%6], From: from[i%4], To: "零陵区人民医院", Dept: dept[i%6], Up: i%5 != 4,
			State: states[i%7], Tone: tones[i%7], Urgent: i%6 == 0, At: at, Due: StoryNow.Add(time.Duration(96-i*11) * time.Minute)}
		if i%7 > 4 {
			rows[i].Due = time.Time{}
		}
		if !rows[i].Up {
			rows[i].From, rows[i].To, rows[i].Dept = rows[i].To, rows[i].From, "全科"
		}
	}
	return rows
}

func storyFrame() web.Frame {
	items := []web.Item{
		{Title: "工作台", Icon: "home", Path: "/", Order: 1},
		{Group: "业务协同", Title: "双向转诊", Icon: "arrows-exchange", Path: "/referrals", Order: 2},
		{Group: "业务协同", Title: "号源与床位", Icon: "bed", Path: "/slots", Order: 3},
		{Group: "业务协同", Title: "家医签约", Icon: "users", Path: "/contracts", Order: 4},
		{Group: "业务协同", Title: "知情同意", Icon: "signature", Path: "/consents", Order: 5},
		{Group: "资源", Title: "患者主索引", Icon: "address-book", Path: "/patients", Order: 6},
		{Group: "资源", Title: "机构与科室", Icon: "building-hospital", Path: "/organizations", Order: 7},
		{Group: "资源", Title: "医务人员", Icon: "stethoscope", Path: "/practitioners", Order: 8},
		{Group: "监管", Title: "运行监测", Icon: "chart-bar", Path: "/indicators", Order: 9},
		{Group: "监管", Title: "访问记录", Icon: "history", Path: "/audit", Order: 10},
		{Group: "监管", Title: "政策与时限", Icon: "gavel", Path: "/policy", Order: 11},
	}
	return web.Frame{User: "李护士", Key: "a1:p1", Post: "转诊中心", Org: "永州市零陵区人民医院", Region: "零陵区县域医共体", Menu: web.Groups(items),
		Badges: map[string]int{"/": 23, "/referrals": 12, "/slots": 3, "/contracts": 128}, Notices: 5, Idle: 30 * time.Minute, Posts: 2, Live: true}
}

// Storybook makes the site of the stories.
func Storybook() *Story {
	s := &Story{events: make(chan string, 8)}
	s.Site = web.New(web.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() time.Time { return StoryNow }})
	s.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f := storyFrame()
			if r.FormValue("idle") != "" {
				f.Idle = time.Minute
			}
			next.ServeHTTP(w, r.WithContext(web.WithFrame(r.Context(), f)))
		})
	})
	s.pages()
	s.parts()
	s.Handle("GET /events", s.stream)
	return s
}

func (s *Story) pages() {
	s.Handle("GET /{$}", func(w http.ResponseWriter, r *http.Request) error { return web.Render(w, r, 200, storyParts()) })
	s.Handle("GET /referrals", func(w http.ResponseWriter, r *http.Request) error {
		rows := storyRows(16)
		if q := r.FormValue("q"); q != "" {
			kept := rows[:0]
			for _, x := range rows {
				if strings.Contains(x.Name+x.Diagnosis, q) {
					kept = append(kept, x)
				}
			}
			rows = kept
		}
		if web.IsFragment(r) {
			return web.Render(w, r, 200, storyList(rows))
		}
		return web.Render(w, r, 200, storyWorklist(rows, r.FormValue("q")))
	})
	s.Handle("GET /referrals/{id}", func(w http.ResponseWriter, r *http.Request) error {
		n, err := strconv.Atoi(r.PathValue("id"))
		if err != nil || n < 1 || n > 16 {
			return errs.E(errs.NotFound, "没有找到转诊单 %s。", r.PathValue("id"))
		}
		return web.Render(w, r, 200, storySheet(storyRows(16)[n-1], false))
	})
	s.Handle("GET /new", func(w http.ResponseWriter, r *http.Request) error {
		return web.Render(w, r, 200, storyForm(nil, http.Header{}))
	})
	s.Handle("GET /paper", func(w http.ResponseWriter, r *http.Request) error { return web.Render(w, r, 200, storyPaper()) })
	s.Handle("GET /panic", func(http.ResponseWriter, *http.Request) error { panic("story") })
	s.Handle("GET /internal", func(http.ResponseWriter, *http.Request) error { return errors.New("secret cause") })
	s.Handle("GET /slow", func(w http.ResponseWriter, r *http.Request) error {
		time.Sleep(900 * time.Millisecond)
		return web.Render(w, r, 200, web.Revealed("慢"))
	})
	s.Public("GET /login", func(w http.ResponseWriter, r *http.Request) error { return web.Render(w, r, 200, storyLogin()) })
}

func (s *Story) parts() {
	s.Handle("POST /referrals/{id}/accept", func(w http.ResponseWriter, r *http.Request) error {
		s.remember(r)
		n, err := strconv.Atoi(r.PathValue("id"))
		if err != nil {
			return err
		}
		web.Flash(w, r, web.Good, "已接诊，转出机构已收到通知")
		web.Changed(w, "referral")
		return web.Render(w, r, 200, storySheet(storyRows(16)[n-1], true))
	})
	s.Handle("POST /referrals/{id}/return", func(w http.ResponseWriter, r *http.Request) error {
		s.remember(r)
		return errs.Refused(errs.Conflict, "LL-4.3.4c", "这张转诊单已由王主任在 14:31 接诊，不能再退回。")
	})
	s.Handle("POST /new", func(w http.ResponseWriter, r *http.Request) error {
		s.remember(r)
		var f errs.Form
		f.Require("summary", r.PostFormValue("summary"), "病情摘要")
		if r.PostFormValue("diagnosis") == "" {
			f.Add("diagnosis", "请从列表中选择初步诊断")
		}
		if err := f.Err(); err != nil {
			return web.Render(w, r, web.Status(err), storyForm(err, http.Header(r.PostForm)))
		}
		web.Flash(w, r, web.Good, "转诊申请已提交")
		return web.Redirect(w, r, "/referrals")
	})
	s.Handle("GET /suggest", func(w http.ResponseWriter, r *http.Request) error {
		var list []web.Suggestion
		for _, x := range []web.Suggestion{{Code: "I21.900", Text: "急性心肌梗死", Note: "I21.900"}, {Code: "I21.300", Text: "急性ST段抬高型心肌梗死", Note: "I21.300"},
			{Code: "I63.900", Text: "脑梗死", Note: "I63.900"}, {Code: "E11.900", Text: "2型糖尿病", Note: "E11.900"}} {
			if strings.Contains(x.Text+x.Code, r.FormValue("q")) {
				list = append(list, x)
			}
		}
		return web.Render(w, r, 200, web.Suggestions(list))
	})
	s.Handle("GET /reveal", func(w http.ResponseWriter, r *http.Request) error {
		return web.Render(w, r, 200, web.Revealed("431102198804121029"))
	})
	s.Handle("GET /notices/bell", func(w http.ResponseWriter, r *http.Request) error { return web.Render(w, r, 200, web.Bell(6)) })
	s.Handle("POST /touch", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(http.StatusNoContent); return nil })
	s.Handle("POST /lock", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(http.StatusNoContent); return nil })
	s.Handle("POST /unlock", func(w http.ResponseWriter, r *http.Request) error {
		if r.PostFormValue("password") != "right" {
			return errs.E(errs.Invalid, "密码不对，请重新输入。")
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

func (s *Story) remember(r *http.Request) {
	_ = r.ParseForm() // a broken form has no values, and the story sees that
	s.mu.Lock()
	defer s.mu.Unlock()
	s.posts = append(s.posts, http.Header(r.PostForm))
}

func (s *Story) stream(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	_, _ = io.WriteString(w, ": hello\n\n") // the browser may have gone already
	if err := out.Flush(); err != nil {
		return err
	}
	return s.pump(r.Context(), w, out)
}

func (s *Story) pump(ctx context.Context, w io.Writer, out *http.ResponseController) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case topics := <-s.events:
			if _, err := fmt.Fprintf(w, "event: changed\ndata: %s\n\n", topics); err != nil {
				return nil // the browser has gone
			}
			_ = out.Flush() // the next event or the context tells
		}
	}
}
