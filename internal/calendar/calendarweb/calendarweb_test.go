package calendarweb

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/web/facetest"
)

type fixture struct {
	*facetest.Face
	svc *calendar.Service
}

func setup(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	f := &fixture{
		Face: facetest.New(t, d, access.Actor{Account: "a-1", Name: "系统管理员甲", Role: string(access.SystemAdmin)}),
		svc:  &calendar.Service{DB: d, Calendar: calendar.New()},
	}
	Routes(f.Site, d, f.svc, audit.New(d, crypto.Ephemeral(crypto.SM)))
	return f
}

func text2027() string {
	var b strings.Builder
	for _, r := range []struct {
		first calendar.Date
		n     int
		name  string
	}{{"2027-01-01", 3, "元旦"}, {"2027-02-05", 8, "春节"}, {"2027-05-01", 5, "劳动节"}, {"2027-10-01", 7, "国庆节"}} {
		for i := range r.n {
			fmt.Fprintf(&b, "%s,off,%s\n", r.first.AddDays(i), r.name)
		}
	}
	return b.String()
}

func TestEverybodyMayLook(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	f.Actor.Role = string(access.VillageDoctor)
	f.See("/calendar", "2026 年", "国办发明电〔2025〕7号", "春节放假", "调休上班", "随程序提供", "12 月").Hides("检查并预览")
	f.See("/calendar?year=2027", "还没有载入")
	f.Get("/calendar?year=abc", http.StatusNotFound)
	f.Post("/calendar", url.Values{"year": {"2027"}}, http.StatusForbidden)
	f.Post("/calendar/preview", url.Values{"year": {"2027"}}, http.StatusForbidden)
}

func TestWarningInDecember(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	const warning = "2027 年的工作日历还没有载入。"
	for _, r := range []struct {
		day  calendar.Date
		want bool
	}{{"2026-11-30", false}, {"2026-12-01", true}, {"2027-01-05", true}} {
		dbtest.SetClock(f.DB, r.day.Time().Add(9*time.Hour))
		if got := strings.Contains(f.See("/calendar?year=2026").Body, warning); got != r.want {
			t.Errorf("%s: warned %v", r.day, got)
		}
	}
}

func TestUploadThroughThePages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		v := url.Values{"year": {"2027"}, "number": {"国办发明电〔2026〕1号"}, "text": {text2027()}}
		f.Post("/calendar/preview", v, http.StatusOK).Shows("请核对", "尚未保存", "2027-02-05", "放假 · 春节", "确认保存")
		if f.svc.Calendar.NextMissing() != 2027 {
			t.Fatal("the preview stored the year")
		}
		f.Post("/calendar", v, http.StatusSeeOther)
		f.See("/calendar?year=2027", "系统管理员甲", "第 1 版", "使用中", "国办发明电〔2026〕1号")
		err := d.View(t.Context(), func(tx *db.Tx) error {
			leaves, err := audit.Search(t.Context(), tx, audit.Filter{Action: "calendar.upload"})
			if err == nil && (len(leaves) != 1 || leaves[0].Actor.Account != "a-1" || leaves[0].ObjectID != "2027") {
				t.Errorf("audit: %+v", leaves)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		f.Post("/calendar", v, http.StatusUnprocessableEntity).Shows("请填写更正原因（该年已有安排）", "国办发明电〔2026〕1号", "2027-02-05,off,春节")
		v.Set("reason", "通知有更正")
		f.Post("/calendar", v, http.StatusSeeOther)
		f.See("/calendar?year=2027", "第 2 版", "已作废", "通知有更正")
	})
}

func TestWrongInputComesBack(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	v := url.Values{"year": {"2027"}, "number": {"甲"}, "text": {text2027() + "2027-02-30,off,春节\n"}}
	f.Post("/calendar/preview", v, http.StatusUnprocessableEntity).Shows("第 24 行：“2027-02-30”不是有效日期", "2027-02-30,off,春节")
	v.Set("year", "明年")
	f.Post("/calendar/preview", v, http.StatusUnprocessableEntity).Shows("年份“明年”不是数字")
	v.Set("year", "2031")
	f.Post("/calendar/preview", v, http.StatusUnprocessableEntity).Shows("年份 2031 不能上传")
}

func TestUploadOfAFile(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	var buf bytes.Buffer
	m := multipart.NewWriter(&buf)
	for _, kv := range [][2]string{{"year", "2027"}, {"number", "国办发明电〔2026〕1号"}, {"text", ""}} {
		if err := m.WriteField(kv[0], kv[1]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := m.CreateFormFile("file", "2027.csv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte(text2027())); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/calendar/preview", &buf)
	r.Header.Set("Content-Type", m.FormDataContentType())
	f.Send(r, http.StatusOK).Shows("请核对", "2027-10-07,off,国庆节")
}
