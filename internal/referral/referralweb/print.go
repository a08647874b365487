package referralweb

import (
	"context"
	"net/http"
	"slices"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/referral"
	"yilian/internal/web"
)

// paper is one of the printed documents.
type paper struct{ code, title string }

var papers = []paper{
	{"form", "双向转诊（转出）单"}, {"reply", "双向转诊（回转）单"}, {"consent", "转诊知情同意书"}, {"refusal", "拒绝转诊告知书"}, {"handover", "转运交接单"},
}

// papersOf are the papers that a case has in its present state.
func papersOf(v *view) []paper {
	refused := v.Case.Outcome == referral.OutcomeRefused && v.Record.SubmittedAt.IsZero()
	return slices.DeleteFunc(slices.Clone(papers), func(p paper) bool {
		switch p.code {
		case "reply":
			return v.Record.CompletedAt.IsZero()
		case "refusal":
			return !refused
		case "handover":
			return v.Rescue == nil || refused
		}
		return refused
	})
}

// print shows a paper; every print leaves a trace.
func (p *Pages) print(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	i := slices.IndexFunc(papers, func(k paper) bool { return k.code == r.PathValue("paper") })
	if i < 0 {
		return errs.E(errs.NotFound, "没有这种单据，请从转诊单页面选择打印")
	}
	v, err := p.read(ctx, actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	if !slices.Contains(papersOf(v), papers[i]) {
		return errs.E(errs.Conflict, "转诊单 %s 现在是“%s”，还不能打印%s", v.Case.Number, machine.StateTitle(v.Case.State), papers[i].title)
	}
	secret, err := p.printed(ctx, actor, v, papers[i], "referral.print")
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, paperPage(v, papers[i], secret, p.Address))
}

// printed logs the print or download and returns the numbers that stand on
// paper in full for who may see them.
func (p *Pages) printed(ctx context.Context, actor access.Actor, v *view, k paper, action string) (patient.Secret, error) {
	var out patient.Secret
	err := p.Service.DB.Tx(ctx, func(tx *db.Tx) error {
		if access.Allowed(access.Role(actor.Role), access.PatientReveal, access.Care) {
			var err error
			if out, err = p.Service.Patients.RevealTx(ctx, tx, actor, v.Case.Patient, access.Print); err != nil {
				return err
			}
		}
		return p.Service.Audit.Append(ctx, tx, audit.Leaf{
			Actor: actor, Action: action, Object: referral.Kind, ObjectID: v.Case.ID, Patient: v.Case.Patient,
			Outcome: audit.OK, Detail: k.title + " " + v.Case.Number,
		})
	})
	return out, err
}

// paperOptions are head and foot of a paper.
func paperOptions(v *view, k paper, address string) web.PaperOptions {
	o := web.PaperOptions{
		Title: k.title, Number: v.Case.Number, Status: machine.StateTitle(v.Case.State), Watermark: machine.StateTitle(v.Case.State), QR: address + "/referrals/" + v.Case.ID,
		Institution: v.Case.From.OrgName, PrintedBy: v.Actor.Name, PrintedAt: v.Now,
	}
	switch k.code {
	case "form":
		o.Signatures, o.Seals = []string{"转诊医生"}, []string{"转出机构（盖章）"}
		o.Note = "模板 2026-1。依据《国家基本公共卫生服务规范》双向转诊（转出）单；存根由转出机构留存，正联交接收机构。"
		if v.Down != nil {
			o.Title, o.Signatures = "双向转诊（下转）单", []string{"原主治医生"}
			o.Note = "模板 2026-1。继续治疗计划随患者交接收机构，原主治医生下转后继续指导。"
		}
	case "reply":
		o.Institution = v.Case.To.OrgName
		o.Signatures, o.Seals = []string{"接诊医生"}, []string{"接收机构（盖章）"}
		o.Note = "模板 2026-1。依据《国家基本公共卫生服务规范》双向转诊（回转）单；存根由接收机构留存，正联交转出机构。"
	case "handover":
		o.Signatures = []string{"交方医护", "接方医护", "家属"}
		o.Note = "模板 2026-1。随车携带，到院交接时双方签字；转出机构、接收机构各留一份。"
	case "consent":
		o.Signatures = []string{"患者（或监护人、被授权人）", "与患者关系", "经治医生", "见证人"}
		o.Seals = []string{"医疗机构（盖章）"}
		o.Note = "模板 2026-1。一式两份，患者和医疗机构各执一份。"
	case "refusal":
		o.Status, o.Watermark = "患者拒绝转诊", ""
		o.Signatures = []string{"患者（或监护人、被授权人）", "与患者关系", "经治医生", "见证人"}
		o.Seals = []string{"医疗机构（盖章）"}
		o.Note = "模板 2026-1。一式两份，患者和医疗机构各执一份。患者改变意愿时，可随时再次申请转诊。"
	}
	return o
}

// signer is the newest signature, or an empty one for a paper to be signed.
func signer(v *view) consent.Consent {
	if len(v.Consents) == 0 {
		return consent.Consent{}
	}
	return v.Consents[0]
}
