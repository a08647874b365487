package calendar_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

// text2027 is an invented arrangement of 2027 with plausible days.
func text2027() string {
	var b strings.Builder
	b.WriteString("date,kind,name\n")
	days := func(first calendar.Date, n int, kind, name string) {
		for i := range n {
			fmt.Fprintf(&b, "%s,%s,%s\n", first.AddDays(i), kind, name)
		}
	}
	days("2027-01-01", 3, "off", "元旦")
	days("2027-02-05", 8, "off", "春节")
	days("2027-02-14", 1, "work", "春节")
	days("2027-04-03", 3, "off", "清明节")
	days("2027-05-01", 5, "off", "劳动节")
	days("2027-10-01", 7, "off", "国庆节")
	return b.String()
}

func TestParseNamesTheLine(t *testing.T) {
	good := text2027()
	with := func(line string) string { return good + line + "\n" } // becomes line 29
	rows := []struct{ name, text, want string }{
		{"impossible date", with("2027-02-30,off,春节"), "第 29 行：“2027-02-30”不是有效日期"},
		{"wrong year", with("2028-05-02,off,劳动节"), "第 29 行：2028-05-02 不属于 2027 年"},
		{"duplicate", with("2027-10-01,off,国庆节"), "第 29 行：2027-10-01 重复，第 22 行已有"},
		{"worked weekday", with("2027-06-09,work,端午节"), "第 29 行：2027-06-09 是星期三"},
		{"unknown word", with("2027-06-09,rest,端午节"), "第 29 行：第 2 列 \"rest\" 有误"},
		{"two columns", with("2027-06-09,off"), "第 29 行：应有 3 列"},
		{"no name", with("2027-06-09,off,"), "第 29 行：2027-06-09 缺少节日名称"},
		{"too few", "2027-01-01,off,元旦\n", "全年放假 1 天"},
		{"statutory day forgotten", strings.Replace(good, "2027-10-02,off,国庆节\n", "", 1), "2027-10-02 是法定节假日"},
		{"empty", " \n", "没有内容"},
		{"broken JSON", "{\"year\": 2027,\n \"days\": [,]}", "第 2 行：JSON 写法有误"},
		{"JSON year", `{"year": 2026, "days": []}`, "文件写的是 2026 年"},
		{"JSON day", "{\"days\": [\n{\"name\":\"元旦\",\"date\":\"2027-02-30\",\"isOffDay\":true},\n{\"name\":\"元旦\"}]}", "第 2 行：“2027-02-30”不是有效日期"},
		{"JSON day without kind", "{\"days\": [\n{\"name\":\"元旦\",\"date\":\"2027-01-01\",\"isOffDay\":true},\n{\"name\":\"元旦\"}]}", "第 3 行：每一天应有"},
		{"not UTF-8", "2027-01-01,off,\xd4\xaa\xb5\xa9\n", "不是 UTF-8"},
		{"too large", strings.Repeat("#", 300<<10), "文件太大"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			_, err := calendar.Parse(2027, []byte(r.text))
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), r.want) {
				t.Errorf("got %v\nwant %s", err, r.want)
			}
		})
	}
	days, err := calendar.Parse(2027, []byte("\ufeff"+strings.ReplaceAll(good, "\n", "\r\n")))
	if err != nil || len(days) != 27 {
		t.Errorf("with byte-order mark and CRLF: %d days, %v", len(days), err)
	}
}

func TestParseHolidayCN(t *testing.T) {
	raw, err := os.ReadFile("testdata/2019.json")
	if err != nil {
		t.Fatal(err)
	}
	days, err := calendar.Parse(2019, raw)
	if err != nil || len(days) != 31 || days[0].Date != "2018-12-29" || days[0].Off {
		t.Fatalf("%d days, first %+v, %v", len(days), days, err)
	}
}

func upload(s *calendar.Service, up calendar.Upload, record func(context.Context, *db.Tx, calendar.Year) error) (calendar.Year, error) {
	return s.UploadYear(context.Background(), calendar.By{Account: "a1", Name: "管理员"}, up, record)
}

func TestUploadAndCorrect(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		var recorded, loaded []int
		s := &calendar.Service{DB: d, Calendar: calendar.New()}
		s.OnLoaded = func(_ context.Context, _ *db.Tx, year int) error {
			if _, known := s.Calendar.Working("2027-01-04"); !known {
				t.Error("the hook runs before the calendar knows the year")
			}
			loaded = append(loaded, year)
			return nil
		}
		record := func(_ context.Context, _ *db.Tx, y calendar.Year) error {
			recorded = append(recorded, y.Version)
			return nil
		}
		up := calendar.Upload{Year: 2027, Number: "国办发明电〔2026〕1号", Text: []byte(text2027())}
		y, err := upload(s, up, record)
		if err != nil || y.Version != 1 || y.Builtin() {
			t.Fatalf("%+v %v", y, err)
		}
		if day, complete := s.Calendar.AddWorkingDays("2026-12-31", 1); day != "2027-01-04" || !complete {
			t.Errorf("first working day of 2027: %s %v", day, complete)
		}
		if _, err := upload(s, up, record); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "更正原因") {
			t.Errorf("correcting without a reason: %v", err)
		}
		up.Reason, up.Text = "国务院调整春节安排", []byte(text2027()+"2027-02-20,work,春节\n")
		if _, err := upload(s, up, record); err != nil {
			t.Fatal(err)
		}
		other := calendar.New() // another process
		if err := d.View(ctx, func(tx *db.Tx) error {
			versions, err := calendar.Versions(ctx, tx, 2027)
			if err != nil || len(versions) != 2 || !versions[0].VoidedAt.IsZero() || versions[1].VoidReason != up.Reason {
				t.Errorf("%+v %v", versions, err)
			}
			return other.Refresh(ctx, tx)
		}); err != nil {
			t.Fatal(err)
		}
		if working, _ := other.Working("2027-02-20"); !working {
			t.Error("the other process does not see the correction")
		}
		if fmt.Sprint(recorded, loaded) != "[1 2] [2027 2027]" {
			t.Errorf("recorded %v loaded %v", recorded, loaded)
		}
	})
}

func TestUploadThatFailsLeavesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &calendar.Service{DB: d, Calendar: calendar.New()}
		boom := errors.New("boom")
		up := calendar.Upload{Year: 2027, Number: "国办发明电〔2026〕1号", Text: []byte(text2027())}
		_, err := upload(s, up, func(context.Context, *db.Tx, calendar.Year) error { return boom })
		if !errors.Is(err, boom) || s.Calendar.NextMissing() != 2027 {
			t.Errorf("%v, next missing %d", err, s.Calendar.NextMissing())
		}
		up.Year = 2029
		if _, err := upload(s, up, nil); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "2027 年") {
			t.Errorf("a year beyond a gap: %v", err)
		}
		up.Year, up.Number = 2027, ""
		if _, err := upload(s, up, nil); !strings.Contains(fmt.Sprint(err), "请填写通知文号") {
			t.Errorf("without a number: %v", err)
		}
	})
}

func TestPreviewShowsWhatChanges(t *testing.T) {
	s := &calendar.Service{Calendar: calendar.New()}
	days, changes, err := s.Preview(calendar.Upload{Year: 2027, Number: "x", Text: []byte(text2027())})
	if err != nil || len(days) != 27 || len(changes) != 365 {
		t.Fatalf("%d days, %d changes, %v", len(days), len(changes), err)
	}
	if changes[0].Before != "未知" || changes[0].After != "放假 · 元旦" {
		t.Errorf("%+v", changes[0])
	}
	if got := s.Calendar.NextMissing(); got != 2027 {
		t.Errorf("a preview loaded %d", got-1)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(2027, text2027())
	f.Add(2027, `{"year":2027,"days":[{"name":"元旦","date":"2027-01-01","isOffDay":true}]}`)
	f.Add(2019, "2018-12-29,work,元旦\n,,\n\"")
	f.Fuzz(func(t *testing.T, year int, text string) {
		days, err := calendar.Parse(year, []byte(text))
		if err != nil && !errs.Is(err, errs.Invalid) {
			t.Fatalf("%v", err)
		}
		if err == nil && len(days) < 10 {
			t.Fatalf("accepted %d days", len(days))
		}
	})
}
