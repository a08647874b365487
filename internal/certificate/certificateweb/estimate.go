package certificateweb

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/certificate"
	"yilian/internal/errs"
	"yilian/internal/insurance"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/web"
)

// estimation is the part of the new referral that compares the places.
type estimation struct {
	certificate.Shares
	Err error
}

// estimate answers the form of a new referral: what the patient pays himself in
// the places that he can go to.
func (p *Pages) estimate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return errs.Because(err, errs.Invalid, "提交的内容无法识别，请刷新页面后重试")
	}
	var v estimation
	cost, err := fen(r.PostFormValue("_cost"))
	need := referral.Need{Patient: r.PostFormValue("patient"), Diagnosis: r.PostFormValue("diagnosis"), Urgency: r.PostFormValue("urgency")}
	if err == nil && (need.Diagnosis == "" || need.Urgency == "") {
		err = errs.E(errs.Invalid, "请先选定初步诊断和紧急程度，再估算")
	}
	if err == nil {
		v.Shares, err = p.Service.Shares(r.Context(), access.ActorOf(r.Context()), need, cost)
	}
	if err != nil && !errs.Is(err, errs.Invalid) {
		return err
	}
	v.Err = err
	return web.Render(w, r, http.StatusOK, estimatePart(v))
}

const fenPerYuan = 100

// fen reads an amount in yuan; nothing typed is zero.
func fen(text string) (int64, error) {
	text = strings.NewReplacer(",", "", "，", "", " ", "").Replace(text)
	if text == "" {
		return 0, nil
	}
	yuan, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(yuan) || math.Abs(yuan) > math.MaxInt32 {
		return 0, errs.E(errs.Invalid, "预计费用请填数字，例如 6000")
	}
	return int64(math.Round(yuan * fenPerYuan)), nil
}

// yuan writes an amount of fen.
func yuan(amount int64) string {
	return fmt.Sprintf("%d.%02d", amount/fenPerYuan, amount%fenPerYuan)
}

// none says why nothing can be estimated.
func none(v estimation) string {
	switch v.Insurance {
	case patient.SelfPay:
		return "患者为自费，没有医保报销"
	case "":
		return "患者的医保类型还没有登记，不能估算。请先在患者资料中补全"
	}
	return "患者参保地没有报销比例表（" + patient.InsuranceTitle(v.Insurance) + "），平台不估算。请以当地医保部门的规定为准"
}

// shareText is the estimate as it stands on paper.
func shareText(s insurance.Share) string {
	cost := "预计总费用 " + yuan(s.CostFen) + " 元"
	if s.Typical {
		cost = "按当地次均费用 " + yuan(s.CostFen) + " 元"
	}
	return fmt.Sprintf("%s：%s，起付线 %s 元，报销比例 %d%%，患者自付约 %s 元（%s）。%s。",
		s.Level.Title(), cost, yuan(s.DeductibleFen), s.Percent, yuan(s.OwnFen), policy.ClauseTitle(s.Clause), insurance.Caveat)
}
