// Package consent records what a patient agreed to or refused before his case
// leaves the institution, who signed and by what right. It decides whether a
// signature is good; what needs one is the business of the modules above.
package consent

import (
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/patient"
)

// Referral is the purpose of the consent to a referral.
const Referral = "referral"

// Form is how the consent was given.
type Form string

const (
	Written    Form = "written"
	Verbal     Form = "verbal"
	Electronic Form = "electronic"
	Telephone  Form = "phone"
)

// Forms returns the forms of a signer who is present. They and the signers are
// the only list of how consent is given: who may sign rests on statutes, which
// no profile changes.
func Forms() []Form { return []Form{Written, Verbal, Electronic} }

// Title is the form in Chinese.
func (f Form) Title() string {
	switch f {
	case Written:
		return "书面签字"
	case Verbal:
		return "口头同意（有见证人）"
	case Electronic:
		return "电子签名"
	case Telephone:
		return "电话同意（录音或第二人同听）"
	}
	return ""
}

// Signer is who signed.
type Signer string

const (
	Self       Signer = "self"
	Guardian   Signer = "guardian"
	Authorized Signer = "authorized"
	Head       Signer = "institution_head"
)

// Title is the kind of signer in Chinese.
func (s Signer) Title() string {
	switch s {
	case Self:
		return "患者本人"
	case Guardian:
		return "监护人"
	case Authorized:
		return "被授权人"
	case Head:
		return "医疗机构负责人（紧急情况）"
	}
	return ""
}

// Consent is one signature.
type Consent struct {
	ID, Patient        string
	Purpose, Reference string
	Form               Form
	SignedBy           Signer
	SignerName         string
	Relation           string // GB/T 4761: what the signer is to the patient
	Document           string // number of the signed paper or of the authorization
	Witness            string
	Choices            []string // alternatives that were offered
	Refused            bool
	Reason             string // code of the refusal
	Detail             string
	SignedAt           time.Time
	RecordedAt         time.Time
	RecordedBy         string
	VoidedAt           time.Time
	VoidReason         string
}

// Situation is what the rules look at besides the signature.
type Situation struct {
	Birth     calendar.Date
	Name      string // of the patient
	Emergency bool   // life or limb in danger and nobody to sign (Civil Code 1220)
	Now       time.Time
}

// Check says what is wrong with a signature, field by field: a child under
// fourteen cannot sign (PIPL 31); the head of the institution signs only in an
// emergency in which nobody else can (Civil Code 1220); an authorized person
// shows the authorization; a verbal consent has a witness, one by telephone a
// witness or a recording.
func Check(c Consent, s Situation) error {
	var f errs.Form
	if c.Form.Title() == "" {
		f.Add("form", "请选择同意方式")
	}
	// Somebody whose age is not known yet is no child.
	child := s.Birth != "" && patient.AgeOn(s.Birth, calendar.DateOf(s.Now)) < patient.GuardianAge
	switch c.SignedBy {
	case Self:
		if child {
			f.Add("signed_by", "患者未满14周岁，须由监护人签署（《个人信息保护法》第三十一条）")
		}
	case Guardian:
		f.Require("signer", c.SignerName, "监护人姓名")
		f.Require("relation", c.Relation, "监护人与患者的关系")
	case Authorized:
		if child {
			f.Add("signed_by", "患者未满14周岁，须由监护人签署（《个人信息保护法》第三十一条）")
		}
		f.Require("signer", c.SignerName, "被授权人姓名")
		f.Require("relation", c.Relation, "被授权人与患者的关系")
		f.Require("document", c.Document, "授权委托书编号")
	case Head:
		if !s.Emergency {
			f.Add("signed_by", "只有紧急抢救且无法取得患者或近亲属意见时，才能由医疗机构负责人签署（《民法典》第一千二百二十条）")
		}
		f.Require("signer", c.SignerName, "医疗机构负责人姓名")
		if c.Refused {
			f.Add("signed_by", "医疗机构负责人不能替患者拒绝转诊")
		}
	default:
		f.Add("signed_by", "请选择由谁签署")
	}
	if c.Form == Verbal {
		f.Require("witness", c.Witness, "见证人姓名（口头同意须有第二人在场）")
	}
	if c.Form == Telephone && strings.TrimSpace(c.Witness) == "" && strings.TrimSpace(c.Document) == "" {
		f.Add("witness", "电话同意须有录音编号或同听的第二人，请填写其一")
	}
	if c.Relation != "" && patient.RelationTitle(c.Relation) == "" {
		f.Add("relation", "请从列表选择与患者的关系")
	}
	if c.Refused {
		f.Require("reason", c.Reason, "拒绝的原因")
	}
	if c.SignedAt.After(s.Now) {
		f.Add("signed_at", "签署时间晚于现在，请核对")
	}
	return f.Err()
}

// complete fills what follows from the rest.
func (c Consent) complete(s Situation) Consent {
	c.SignerName = strings.TrimSpace(c.SignerName)
	if c.SignedBy == Self {
		c.SignerName, c.Relation = s.Name, ""
	}
	if c.SignedBy == Head {
		c.Relation = ""
	}
	if c.SignedAt.IsZero() {
		c.SignedAt = s.Now
	}
	if !c.Refused {
		c.Reason = ""
	}
	return c
}
