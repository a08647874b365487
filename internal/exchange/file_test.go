package exchange_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/exchange"
	"yilian/internal/exchange/table"
	"yilian/internal/idcard"
)

func (w *world) load(t *testing.T, kind, text string, dry bool) exchange.FileReport {
	t.Helper()
	r, err := w.s.Import(ctx, w.admin, kind, kind+".csv", strings.NewReader(text), dry)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func is(t *testing.T, what string, r exchange.FileReport, fresh, changed, same, bad int) {
	t.Helper()
	if r.New != fresh || r.Changed != changed || r.Same != same || len(r.Bad) != bad {
		t.Errorf("%s: new %d, changed %d, same %d, bad %v", what, r.New, r.Changed, r.Same, r.Bad)
	}
}

func TestFilesOfAnInstitution(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		people := "姓名,身份证号,院内号,电话,医保类型,备注\n李秀英," + card + ",P1,13900001111,城乡居民医保,x\n王大山,,P2,,,\n" +
			"赵四,431102195804090023,P3,,,\n钱五,,P5,,火星医保,\n"
		tried := w.load(t, "patients", people, true)
		is(t, "trial", tried, 1, 0, 0, 3)
		if n := count(t, d, `SELECT count(*) FROM patient WHERE name = '李秀英'`); n != 0 {
			t.Fatal("a trial stores")
		}
		for i, want := range []string{"出生日期", "校验", "火星医保"} {
			if p := tried.Bad[i]; p.Row != i+3 || !strings.Contains(p.Column+p.Text, want) {
				t.Errorf("problem %d: %+v, want %q", i, p, want)
			}
		}
		if len(tried.Ignored) != 1 || tried.Ignored[0] != "备注" {
			t.Errorf("ignored %v", tried.Ignored)
		}
		is(t, "for good", w.load(t, "patients", people, false), 1, 0, 0, 3)
		is(t, "again", w.load(t, "patients", people, false), 0, 0, 1, 3)
		rest := string(table.CSV(tried.Rest))
		rest = strings.Replace(rest, "P2,,,", "P2,13900002222,自费,", 1)
		if !strings.Contains(rest, "错误原因") || !strings.Contains(rest, "火星医保") {
			t.Errorf("the wrong rows are not given back: %s", rest)
		}

		visits := "就诊流水号,院内号,姓名,就诊类别,就诊时间,结束时间,离院方式,初诊标志,总费用,城乡居民基本医保统筹基金,个人负担\n" +
			"V1,P1,李秀英,住院,2026-02-20 09:00,2026/2/26,医嘱离院,否,5230.50,4000,1230.50\nV2,P1,李秀英,门诊,2026-02-03,,,是,30,,\n" +
			"V3,P1,李秀英,住院,2026-02-20,2026-02-10,,,,,\nV4,P1,李秀英,门诊,2026-02-03,,,,100,50,60\nV5,P1,别人,门诊,2026-02-03,,,,,,\nV6,P1,李秀英,串门,2026-02-03,,,,,,\n"
		r := w.load(t, "visits", visits, false)
		is(t, "visits", r, 2, 0, 0, 4)
		is(t, "visits again", w.load(t, "visits", visits, false), 0, 0, 2, 4)
		is(t, "a corrected visit", w.load(t, "visits", strings.Replace(visits, "医嘱离院", "死亡", 1), false), 0, 1, 1, 4)

		diagnoses := "就诊流水号,序号,临床版编码,医保版编码\nV1,1,I50.900x018,I50.900\nV1,2,I10,\nV9,1,I10,\nV2,3,I10,\n"
		is(t, "diagnoses", w.load(t, "diagnoses", diagnoses, false), 2, 0, 0, 2)
		is(t, "diagnoses again", w.load(t, "diagnoses", diagnoses, false), 0, 0, 2, 2)
		is(t, "visits after diagnoses", w.load(t, "visits", strings.Replace(visits, "医嘱离院", "死亡", 1), false), 0, 0, 2, 4)

		results := "报告编号,院内号,姓名,项目名称,结果,单位,报告时间\nR1,P1,李秀英,葡萄糖,7.10,mmol/L,2026-02-21 10:00\nR1,P1,李秀英,尿蛋白,阴性,,2026-02-21\n"
		is(t, "results", w.load(t, "results", results, false), 2, 0, 0, 0)
		is(t, "results again", w.load(t, "results", results, false), 0, 0, 2, 0)
		is(t, "a corrected result", w.load(t, "results", strings.Replace(results, "7.10", "6.10", 1), false), 0, 1, 1, 0)
	})
}

func TestTheInsurersMonthlyFile(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.admin = access.Actor{Account: "i", Name: "经办", Role: string(access.Insurer), Org: w.Hospital.ID}
		stranger := idcard.Make("431102", "1970-01-01", 33)
		text := "结算编号,身份证号,姓名,参保地,医保类型,机构编码,机构名称,就医地,就诊类别,就诊时间,结束时间,主要诊断编码,人次,总费用,城乡居民基本医保统筹基金,大病保险,个人负担\n" +
			"S1," + w.IDNumbers[0] + "," + w.Patients[0].Name + ",431102,城乡居民医保,H43010000012,湘雅医院,430100,住院,2026-02-01,2026-02-10,C34.900,,30000,15000,2000,13000\n" +
			"S2," + stranger + ",无人,431102,城乡居民医保,,长沙诊所,430100,门诊,2026-02-03,,,,100,,,\n" +
			"S3,,,431102,城乡居民医保,,桂林药房门诊,450300,门诊,2026-02-05,,,25,5000,2000,,3000\n" +
			"S4," + w.IDNumbers[0] + ",别人,431102,城乡居民医保,,湘雅医院,430100,门诊,2026-02-03,,,,100,,,\n"
		is(t, "monthly file", w.load(t, "insurer", text, false), 3, 0, 0, 1)
		is(t, "again", w.load(t, "insurer", text, false), 0, 0, 3, 1)
		e := dbtest.View(t, d, func(tx *db.Tx) (encounter.Encounter, error) {
			e, _, err := encounter.BySource(ctx, tx, encounter.SourceInsurer, "S1")
			return e, err
		})
		if e.Patient != w.Patients[0].ID || e.Clinical || e.Outside.Name != "湘雅医院" || e.Fund() != encounter.FenOf(1700000) || !e.Main().Known {
			t.Errorf("%+v", e)
		}
		days := dbtest.View(t, d, func(tx *db.Tx) ([]encounter.Total, error) {
			return encounter.Totals(ctx, tx, encounter.Filter{From: "2026-02-05", To: "2026-02-05"})
		})
		if len(days) != 1 || days[0].Visits != 25 || days[0].Org != "" {
			t.Errorf("a row of counts: %+v", days)
		}
	})
}

func TestFilesOfEveryMake(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	text := "姓名,身份证号\n李秀英," + card + "\n"
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	book, err := table.Workbook([]table.Sheet{{Name: "患者", Rows: [][]string{{"姓名*", "身份证号"}, {"李秀英", card}}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{"UTF-8": text, "with a mark": "\ufeff" + text, "GB18030": gb, "tabs": strings.ReplaceAll(text, ",", "\t"), "Excel": string(book)} {
		r, err := w.s.Import(ctx, w.admin, "patients", name, strings.NewReader(raw), true)
		if err != nil || r.New != 1 {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
	for name, raw := range map[string]string{"empty": "", "another table": "a,b\n1,2\n", "old Excel": "\xd0\xcf\x11\xe0xxxx", "a picture": "PK\x03\x04xxxx",
		"twice": "姓名,姓名\n", "header only of blanks": " \n"} {
		if _, err := w.s.Import(ctx, w.admin, "patients", name, strings.NewReader(raw), true); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, f := range exchange.Files() {
		csv, workbook, err := f.Template()
		if err != nil || len(csv) < 10 || !bytes.HasPrefix(workbook, []byte("PK")) {
			t.Errorf("template of %s: %v", f.Kind, err)
		}
	}
	if _, err := w.s.Import(ctx, w.Doctor, "patients", "x", strings.NewReader(text), true); !errs.Is(err, errs.Forbidden) {
		t.Errorf("a doctor imports: %v", err)
	}
	if _, err := w.s.Import(ctx, w.admin, "insurer", "x", strings.NewReader(text), true); !errs.Is(err, errs.Forbidden) {
		t.Errorf("a hospital imports the insurer's file: %v", err)
	}
}

// TestALongFileIsTakenInParts imports more rows than one transaction holds.
func TestALongFileIsTakenInParts(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	var b strings.Builder
	b.WriteString("姓名,身份证号\n")
	for i := range 450 {
		fmt.Fprintf(&b, "赵%c,%s\n", '一'+rune(i), idcard.Make("431102", fmt.Sprintf("19%02d-01-01", 30+i/30), 2*(i%30)+1))
	}
	is(t, "long", w.load(t, "patients", b.String(), false), 450, 0, 0, 0)
	is(t, "again", w.load(t, "patients", b.String(), false), 0, 0, 450, 0)
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("姓名,身份证号\n\"a\"b,c\n"))
	f.Add([]byte("\xd0\xd5\xc3\xfb,x\n"))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		_ = table.Read(bytes.NewReader(raw), func(table.Row) error { return nil }) // must only not panic
	})
}
