package referralweb

import (
	"strings"
	"testing"

	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/referral"
)

// D21: the complete file as one document on paper and as one download, both of
// them logged, with who has looked at it.
func TestReferralFile(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		c := w.To(0, referral.StateClosed)
		parts := []string{"转诊档案", c.Number, "张桂兰", w.IDNumbers[0], "反复胸闷 3 天", "书面签字", "患者本人", "五、接诊安排", "王主任", "Z20260001",
			"冠脉 CT", "办理经过和双方用时", "水口山镇中心卫生院 用时", "回转", "发给患者的消息", "谁看过本单", "李护士", "唐医生"}
		f.as(w.Centre)
		f.get(200, "/referrals/"+c.ID)
		f.as(w.Doctor)
		f.has(f.get(200, "/referrals/"+c.ID), "print/file", "下载转诊档案")
		f.has(f.get(200, "/referrals/"+c.ID+"/print/file"), append(parts, "/assets/paper", "qr")...)
		saved := f.submitGet("/referrals/" + c.ID + "/file")
		f.has(saved.Body.String(), append(parts, "打印单据")...)
		f.lacks(saved.Body.String(), "/assets/", "<script", "<link")
		if d := saved.Header().Get("Content-Disposition"); !strings.HasPrefix(d, `attachment; filename="`+c.Number+`.html"`) {
			t.Errorf("disposition %q", d)
		}
		for action, want := range map[string]int{"referral.print": 1, "referral.file": 1} {
			var leaves []audit.Leaf
			err := w.DB.View(t.Context(), func(tx *db.Tx) (err error) {
				leaves, err = audit.Search(t.Context(), tx, audit.Filter{Action: action, ObjectID: c.ID})
				return err
			})
			if err != nil || len(leaves) != want || leaves[0].Detail != "转诊档案 "+c.Number {
				t.Errorf("%s: %v %v", action, leaves, err)
			}
		}
		f.as(w.Stranger)
		f.get(404, "/referrals/"+c.ID+"/file")
		f.get(404, "/referrals/"+c.ID+"/print/file")
		f.as(w.Bureau)
		f.get(404, "/referrals/"+c.ID+"/file")
	})
}

// A file of a case that has hardly begun says what there is not.
func TestReferralFileOfADraft(t *testing.T) {
	each(t, func(f *fixture) {
		f.as(f.w.Doctor)
		c := f.w.To(2, referral.StateAwaitingInfo)
		f.has(f.get(200, "/referrals/"+c.ID+"/print/file"), "接收方尚未送出回转单", "请补充心电图结果", "四、补充问答")
		d := f.w.Draft(3)
		f.has(f.get(200, "/referrals/"+d.ID+"/print/file"), "没有知情同意记录", "没有发送消息", "草稿")
	})
}
