package consent_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/consent"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/patient"
)

func TestCheckRules(t *testing.T) {
	adult := consent.Situation{Birth: "1965-03-12", Name: "张桂兰", Now: dbtest.Clock}
	child := consent.Situation{Birth: "2012-03-03", Name: "张小宝", Now: dbtest.Clock} // 14 tomorrow
	teen := consent.Situation{Birth: "2012-03-02", Name: "张小宝", Now: dbtest.Clock}  // 14 today
	emergency := adult
	emergency.Emergency = true
	good := consent.Consent{Form: consent.Written, SignedBy: consent.Self}
	with := func(change func(*consent.Consent)) consent.Consent { c := good; change(&c); return c }
	for _, c := range []struct {
		name  string
		c     consent.Consent
		s     consent.Situation
		field string // "" accepted
		want  string
	}{
		{"adult signs", good, adult, "", ""},
		{"PIPL 31: child of 13", good, child, "signed_by", "须由监护人签署"},
		{"fourteenth birthday", good, teen, "", ""},
		{"guardian of a child", with(func(c *consent.Consent) { c.SignedBy, c.SignerName, c.Relation = consent.Guardian, "李秀英", "52" }), child, "", ""},
		{"guardian without name", with(func(c *consent.Consent) { c.SignedBy, c.Relation = consent.Guardian, "52" }), child, "signer", "监护人姓名"},
		{"guardian without relation", with(func(c *consent.Consent) { c.SignedBy, c.SignerName = consent.Guardian, "李秀英" }), child, "relation", "关系"},
		{"unknown relation", with(func(c *consent.Consent) { c.SignedBy, c.SignerName, c.Relation = consent.Guardian, "李秀英", "00" }), child, "relation", "从列表选择"},
		{"authorized for a child", with(func(c *consent.Consent) {
			c.SignedBy, c.SignerName, c.Relation, c.Document = consent.Authorized, "张伟", "97", "1"
		}), child, "signed_by", "须由监护人签署"},
		{"authorized without document", with(func(c *consent.Consent) { c.SignedBy, c.SignerName, c.Relation = consent.Authorized, "张伟", "20" }), adult, "document", "授权委托书"},
		{"head in no emergency", with(func(c *consent.Consent) { c.SignedBy, c.SignerName = consent.Head, "陈院长" }), adult, "signed_by", "只有紧急抢救"},
		{"head in an emergency", with(func(c *consent.Consent) { c.SignedBy, c.SignerName = consent.Head, "陈院长" }), emergency, "", ""},
		{"head refuses", with(func(c *consent.Consent) {
			c.SignedBy, c.SignerName, c.Refused, c.Reason = consent.Head, "陈院长", true, "other"
		}), emergency, "signed_by", "不能替患者拒绝"},
		{"verbal without witness", with(func(c *consent.Consent) { c.Form = consent.Verbal }), adult, "witness", "见证人"},
		{"telephone without witness or recording", with(func(c *consent.Consent) { c.Form = consent.Telephone }), adult, "witness", "录音编号"},
		{"telephone with a second listener", with(func(c *consent.Consent) { c.Form, c.Witness = consent.Telephone, "刘护士" }), adult, "", ""},
		{"telephone with a recording", with(func(c *consent.Consent) { c.Form, c.Document = consent.Telephone, "录音 20260302-11" }), adult, "", ""},
		{"verbal with witness", with(func(c *consent.Consent) { c.Form, c.Witness = consent.Verbal, "刘护士" }), adult, "", ""},
		{"refusal without reason", with(func(c *consent.Consent) { c.Refused = true }), adult, "reason", "拒绝的原因"},
		{"no form", with(func(c *consent.Consent) { c.Form = "" }), adult, "form", "同意方式"},
		{"nobody signed", with(func(c *consent.Consent) { c.SignedBy = "" }), adult, "signed_by", "由谁签署"},
		{"signed tomorrow", with(func(c *consent.Consent) { c.SignedAt = dbtest.Clock.Add(time.Hour) }), adult, "signed_at", "晚于现在"},
	} {
		err := consent.Check(c.c, c.s)
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		e, ok := errors.AsType[*errs.Error](err)
		if !ok || !slices.ContainsFunc(e.Fields, func(f errs.Field) bool { return f.Name == c.field && strings.Contains(f.Message, c.want) }) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestRecordRefuseVoid(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		log := audit.New(d, crypto.Ephemeral(crypto.SM))
		people := &patient.Service{DB: d, Keys: crypto.Ephemeral(crypto.SM), Access: access.New(log), Audit: log}
		actor := access.Actor{Account: "a", Name: "赵医生", OrgName: "卫生院", Org: "o", Role: string(access.TownshipDoctor)}
		p, err := people.Register(ctx, actor, patient.Registration{Name: "张桂兰", Sex: "2", BirthDate: "1965-03-12",
			Phone: "13900001234", InsuranceKind: patient.Resident})
		if err != nil {
			t.Fatal(err)
		}
		c := consent.Consent{Patient: p.ID, Purpose: consent.Referral, Reference: "r1", Form: consent.Written,
			SignedBy: consent.Self, Choices: []string{"市中心医院", "留在卫生院治疗"}}
		given := func() (ok bool) {
			_ = d.View(ctx, func(tx *db.Tx) (err error) { ok, err = consent.Given(ctx, tx, consent.Referral, "r1"); return err })
			return ok
		}
		if given() {
			t.Error("given before it was")
		}
		var got consent.Consent
		if err := d.Tx(ctx, func(tx *db.Tx) (err error) { got, err = consent.Record(ctx, tx, log, actor, c, false); return err }); err != nil {
			t.Fatal(err)
		}
		if !given() || got.SignerName != "张桂兰" || !got.SignedAt.Equal(dbtest.Clock) {
			t.Errorf("%+v", got)
		}
		d.Now = func() time.Time { return dbtest.Clock.Add(time.Minute) }
		c.Reason = "cost"
		var refusal consent.Consent
		if err := d.Tx(ctx, func(tx *db.Tx) (err error) { refusal, err = consent.Refuse(ctx, tx, log, actor, c); return err }); err != nil {
			t.Fatal(err)
		}
		if given() {
			t.Error("the later refusal counts")
		}
		if err := d.Tx(ctx, func(tx *db.Tx) error { return consent.Void(ctx, tx, log, actor, refusal.ID, "误录") }); err != nil {
			t.Fatal(err)
		}
		_ = d.View(ctx, func(tx *db.Tx) error {
			all, err := consent.For(ctx, tx, consent.Referral, "r1")
			if err != nil || len(all) != 1 || !slices.Equal(all[0].Choices, c.Choices) {
				t.Errorf("%+v %v", all, err)
			}
			return nil
		})
		err = d.Tx(ctx, func(tx *db.Tx) error { return consent.Void(ctx, tx, log, actor, refusal.ID, "误录") })
		if !errs.Is(err, errs.Conflict) {
			t.Errorf("voided twice: %v", err)
		}
	})
}
