package command_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"yilian/test/harness"
)

// TestAuditVerify finds a whole chain whole and names the leaf that was changed.
func TestAuditVerify(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		passwords := s.admins(t)
		p := s.serve(t)
		firstSignIn(t, p.Client(), "auditor", passwords["auditor"])
		p.Stop()
		good(t, s.run(t, "audit", "verify"), "审计链完整", "待封存 0 条", "签名检查点 1 个")

		leaf := s.text(t, `SELECT leaf_id FROM audit_link WHERE seq = 3`)
		was := s.text(t, `SELECT name FROM audit_leaf WHERE id = $1`, leaf)
		s.exec(t, `UPDATE audit_leaf SET name = '别人' WHERE id = '`+leaf+`'`)
		refused(t, s.run(t, "audit", "verify"), 1, "审计链在 "+leaf+" 处断开", "第 3 号审计记录的内容被改动过")
		s.exec(t, `UPDATE audit_leaf SET name = '`+was+`' WHERE id = '`+leaf+`'`)
		good(t, s.run(t, "audit", "verify"), "审计链完整")

		s.exec(t, `DELETE FROM audit_link WHERE seq = 4`)
		refused(t, s.run(t, "audit", "verify"), 1, "断开", "第 4 号链接缺失")
	})
}

// TestVerifyWithoutDatabase says what is not there, and makes nothing.
func TestVerifyWithoutDatabase(t *testing.T) {
	dir := t.TempDir()
	refused(t, harness.Run(t, "audit", "verify", "--data", dir), 2, "没有找到数据库文件", filepath.Join(dir, "yilian.db"))
	absent(t, filepath.Join(dir, "yilian.db"))
	eachSite(t, func(t *testing.T, s site) {
		if strings.HasPrefix(s.target, "postgres") {
			sqliteSiteWithKeys(t, s.keys)
			refused(t, s.run(t, "audit", "verify"), 2, "不是本系统的数据库")
		}
	})
}

// keyFile is what the tests know of a key file.
type keyFile struct {
	Active int
	Keys   []json.RawMessage
}

func (s site) keyFile(t *testing.T) (k keyFile) {
	t.Helper()
	must(t, json.Unmarshal(read(t, s.keys), &k))
	return k
}

// TestKeysRotate seals the demo's numbers under a new key: they are still
// found and revealed, old keys stay in the file, signatures still hold.
func TestKeysRotate(t *testing.T) {
	s := demoSite(t)
	before := s.keyFile(t)
	p := s.serve(t)
	patient, number := revealed(t, doctor(t, p))
	p.Stop()
	good(t, s.run(t, "keys", "rotate"), "位患者的号码已用新密钥重新加密", s.keys)
	after := s.keyFile(t)
	if after.Active != before.Active+1 || len(after.Keys) != len(before.Keys)+1 || !bytes.Equal(after.Keys[0], before.Keys[0]) {
		t.Errorf("keys %d of %d, before %d of %d", after.Active, len(after.Keys), before.Active, len(before.Keys))
	}
	label := fmt.Sprintf(".%d.", after.Active)
	if n := s.count(t, `SELECT count(*) FROM patient WHERE id_sealed <> '' AND id_sealed NOT LIKE '%' || $1 || '%'`, label); n != 0 {
		t.Errorf("%d numbers are still sealed under the old key", n)
	}
	good(t, s.run(t, "audit", "verify"), "审计链完整")
	p = s.serve(t)
	c := doctor(t, p)
	if page := c.Get("/patients?q=" + number); !strings.Contains(page.Body, "/patients/"+patient) {
		t.Errorf("%s is not found by its number: %d %s", patient, page.Status, page.Text())
	}
	if page := c.Get("/patients?q=" + number[14:]); !strings.Contains(page.Body, "/patients/"+patient) {
		t.Errorf("%s is not found by the last four: %d", patient, page.Status)
	}
	if page := c.Get("/patients/" + patient + "/reveal/id"); page.Text() != number {
		t.Errorf("revealed %q, want %q", page.Text(), number)
	}
	p.Stop()
	good(t, s.run(t, "audit", "verify"), "审计链完整")
}

var idNumber = regexp.MustCompile(`\d{17}[\dX]`)

// revealed finds a patient whose number the doctor may see.
func revealed(t *testing.T, c *harness.Client) (patient, number string) {
	t.Helper()
	for _, link := range c.Get("/patients?q=li").Links("/patients/0") {
		if page := c.Get(link + "/reveal/id"); page.Status == 200 {
			return strings.TrimPrefix(link, "/patients/"), idNumber.FindString(page.Text())
		}
	}
	t.Fatal("no patient of this doctor was found")
	return "", ""
}

// TestBench prints its table on both engines.
func TestBench(t *testing.T) {
	harness.EachEngine(t, func(t *testing.T, target string) {
		r := harness.Run(t, "bench", "patient", "--n", "3000", "--queries", "20", "--db", target)
		good(t, r, "装入 3000 人", "p95", "身份证号", "全拼", "全部")
		again := harness.Run(t, "bench", "patient", "--n", "3000", "--queries", "20", "--db", target)
		good(t, again, "3000 人中检索", "全部")
		if strings.Contains(again.Stdout, "装入") {
			t.Errorf("the persons were loaded twice:\n%s", again.Stdout)
		}
	})
}
