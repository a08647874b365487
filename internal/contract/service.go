package contract

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/pinyin"
	"yilian/internal/policy"
	"yilian/internal/practitioner"
)

// Service holds the use cases of the register of contracts.
type Service struct {
	DB       *db.DB
	Audit    *audit.Log
	Policy   *policy.Book
	Patients *patient.Service
}

// SaveTeam enters a team (without ID) or changes one at its version.
func (s *Service) SaveTeam(ctx context.Context, actor access.Actor, t Team) (Team, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		if err := access.Require(actor, access.ContractSign, access.Own); err != nil {
			return err
		}
		if t.ID == "" {
			t.Org = actor.Org
		} else {
			old, err := GetTeam(ctx, tx, t.ID)
			if err != nil {
				return err
			}
			t.Org = old.Org
		}
		if err := s.requireOwn(ctx, tx, actor, t.Org); err != nil {
			return err
		}
		if t, err = checkTeam(ctx, tx, t); err != nil {
			return err
		}
		action := "contract.team.update"
		if t.ID == "" {
			action, t.ID, t.Active, t.Version = "contract.team.create", db.NewID(), true, 1
			if err := insertTeam(ctx, tx, t, signature(actor)); db.IsUnique(err, "") {
				return errs.Because(err, errs.Conflict, "本机构已有名为“%s”的团队，请换一个名称", t.Name)
			} else if err != nil {
				return err
			}
		} else {
			ok, err := updateTeam(ctx, tx, t, signature(actor))
			if err != nil {
				return fmt.Errorf("update contract team: %w", err)
			}
			if !ok {
				return errs.E(errs.Conflict, "这个团队刚刚被别人修改，请刷新页面，核对后再保存")
			}
		}
		return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "contract_team", ObjectID: t.ID,
			Outcome: audit.OK, Detail: t.Name})
	})
	return t, err
}

func checkTeam(ctx context.Context, tx *db.Tx, t Team) (Team, error) {
	var f errs.Form
	t.Name, t.Phone = strings.TrimSpace(t.Name), patient.NormalizePhone(t.Phone)
	f.Require("name", t.Name, "团队名称")
	f.Require("leader", t.Leader, "团队负责人")
	staff, err := practitioner.At(ctx, tx, t.Org, "", calendar.DateOf(tx.Now))
	if err != nil {
		return t, err
	}
	works := func(id string) bool {
		return slices.ContainsFunc(staff, func(p practitioner.Practitioner) bool { return p.ID == id })
	}
	if t.Leader != "" && !works(t.Leader) {
		f.Add("leader", "团队负责人目前不在本机构工作，请从列表选择")
	}
	t.Members = slices.DeleteFunc(t.Members, func(m Member) bool { return m.Practitioner == "" || m.Practitioner == t.Leader })
	for i, m := range t.Members {
		if m.Role.Title() == "" {
			f.Add("members", "请选择第%d名成员的分工", i+1)
		}
		if _, err := practitioner.Get(ctx, tx, m.Practitioner); err != nil {
			return t, err
		}
	}
	return t, f.Err()
}

// Sign contracts a resident with a team and opens the record to the team's
// institution. One contract a resident: the conflict names the other team.
func (s *Service) Sign(ctx context.Context, actor access.Actor, n NewContract) (Contract, error) {
	var c Contract
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		c, err = s.SignTx(ctx, tx, actor, n)
		return err
	})
	return c, err
}

// SignTx is Sign in the caller's transaction.
func (s *Service) SignTx(ctx context.Context, tx *db.Tx, actor access.Actor, n NewContract) (Contract, error) {
	if err := access.Require(actor, access.ContractSign, access.Own); err != nil {
		return Contract{}, err
	}
	today := calendar.DateOf(tx.Now)
	if n.From == "" {
		n.From = today
	}
	var f errs.Form
	f.Require("patient", n.Patient, "签约居民")
	f.Require("team", n.Team, "家庭医生团队")
	if err := f.Err(); err != nil {
		return Contract{}, err
	}
	team, err := GetTeam(ctx, tx, n.Team)
	if err != nil {
		return Contract{}, err
	}
	if err := s.requireOwn(ctx, tx, actor, team.Org); err != nil {
		return Contract{}, err
	}
	if !team.Active {
		f.Add("team", "“%s”已撤销，请选择其他团队", team.Name)
	}
	c, err := s.draft(ctx, tx, &f, n, today)
	if err != nil {
		return Contract{}, err
	}
	if err := f.Err(); err != nil {
		return Contract{}, err
	}
	if err := refuseSecond(ctx, tx, c); err != nil {
		return Contract{}, err
	}
	c.Team, c.TeamName, c.Org, c.OrgName = team.ID, team.Name, team.Org, team.OrgName
	return s.store(ctx, tx, actor, c, "contract.sign")
}

// draft checks the resident and the form.
func (s *Service) draft(ctx context.Context, tx *db.Tx, f *errs.Form, n NewContract, today calendar.Date) (Contract, error) {
	p, err := s.Patients.Get(ctx, tx, n.Patient)
	if err != nil {
		return Contract{}, err
	}
	if p.DeceasedOn != "" {
		f.Add("patient", "该居民已登记死亡，不能签约")
	}
	if n.Kind.Title() == "" {
		f.Add("kind", "请选择服务包")
	}
	n.Signer = strings.TrimSpace(n.Signer)
	if n.Signer == "" && p.Age(today) < patient.GuardianAge {
		f.Add("signer", "居民未满14周岁，请填写代签的监护人")
	}
	if n.Signer == "" {
		n.Signer, n.SignerKind = p.Name, ""
	} else if n.Signer != p.Name && patient.RelationTitle(n.SignerKind) == "" {
		f.Add("signer_kind", "请选择代签人与居民的关系")
	}
	// A contract opens the record: the resident, with his card, must be there.
	ok, err := s.Patients.MatchesTail(ctx, tx, n.Patient, n.Tail)
	if err != nil {
		return Contract{}, err
	}
	if !ok {
		f.Add("tail", "与登记的身份证号或手机号后四位不符，请居民出示证件核对")
	}
	to := n.term(f, today)
	return Contract{ID: db.NewID(), Patient: p.ID, Name: p.Name, Kind: n.Kind, Signer: n.Signer, SignerKind: n.SignerKind, From: n.From, To: to}, nil
}

// refuseSecond names the team of a contract that covers any day of the new one.
func refuseSecond(ctx context.Context, tx *db.Tx, c Contract) error {
	all, err := Of(ctx, tx, c.Patient)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.EndedOn == "" && o.To >= c.From && o.From <= c.To {
			return errs.E(errs.Conflict, "该居民已与%s“%s”签约（%s 至 %s）。每位居民同一时间只能签约一个团队，请先由该团队解约，或到期后再签",
				o.OrgName, o.TeamName, o.From, o.To)
		}
	}
	return nil
}

// store closes what is over, inserts the term, relates and logs.
func (s *Service) store(ctx context.Context, tx *db.Tx, actor access.Actor, c Contract, action string) (Contract, error) {
	c.Latest, c.SignedAt, c.SignedBy = true, tx.Now, signature(actor)
	if _, err := tx.Exec(ctx, `
		UPDATE family_contract SET latest = FALSE WHERE patient_id = $1 AND latest AND (to_on < $2 OR ended_on <> '' OR id = $3)`,
		c.Patient, string(c.From), c.Renews); err != nil {
		return c, fmt.Errorf("close former contract: %w", err)
	}
	spelt := ""
	if sp := pinyin.Spellings(c.Name); len(sp) > 0 {
		spelt = sp[0].Initials
	}
	err := insertContract(ctx, tx, c, spelt)
	if db.IsUnique(err, "") {
		return c, errs.Because(err, errs.Conflict, "该居民刚刚签约了另一个团队，请刷新页面查看")
	}
	if err != nil {
		return c, fmt.Errorf("insert contract: %w", err)
	}
	err = access.Relate(ctx, tx, access.CareRelation{Patient: c.Patient, Org: c.Org, Basis: access.BasisContract, Reference: c.ID,
		From: c.From.Time(), To: calendar.EndOf(c.To)})
	if err != nil {
		return c, err
	}
	return c, s.leaf(ctx, tx, actor, action, c, c.TeamName+"，"+c.Kind.Title()+"，"+string(c.From)+" 至 "+string(c.To))
}

// Renew adds a term that begins the day after the last one, or today when that
// is past.
func (s *Service) Renew(ctx context.Context, actor access.Actor, id string, kind Kind, years int) (Contract, error) {
	var c Contract
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		old, err := s.own(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		today := calendar.DateOf(tx.Now)
		if !old.Latest || old.EndedOn != "" {
			return errs.E(errs.Conflict, "这份签约已续签或已解约，请刷新页面")
		}
		if old.To >= today.AddDays(ExpiringDays) {
			return errs.E(errs.Invalid, "签约到 %s 才到期，到期前%d天内可以续签", old.To, ExpiringDays)
		}
		n := NewContract{From: max(old.To.AddDays(1), today), Years: years}
		var f errs.Form
		if kind.Title() == "" {
			f.Add("kind", "请选择服务包")
		}
		to := n.term(&f, today)
		if err := f.Err(); err != nil {
			return err
		}
		c = Contract{ID: db.NewID(), Patient: old.Patient, Name: old.Name, Team: old.Team, TeamName: old.TeamName, Org: old.Org,
			OrgName: old.OrgName, Kind: kind, Signer: old.Signer, SignerKind: old.SignerKind, From: n.From, To: to, Renews: old.ID}
		c, err = s.store(ctx, tx, actor, c, "contract.renew")
		return err
	})
	return c, err
}

// End ends a contract from today on, with a reason.
func (s *Service) End(ctx context.Context, actor access.Actor, id string, reason EndReason, note string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		c, err := s.own(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		var f errs.Form
		if reason.Title() == "" {
			f.Add("reason", "请选择解约原因")
		}
		if reason == Other {
			f.Require("comment", note, "解约原因的说明")
		}
		if err := f.Err(); err != nil {
			return err
		}
		if !c.Latest || c.EndedOn != "" || !c.VoidedAt.IsZero() {
			return errs.E(errs.Conflict, "这份签约已续签或已解约，请刷新页面")
		}
		if err := endTerms(ctx, tx, c, reason, note); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "contract.end", c, reason.Title())
	})
}

// endTerms ends the contract and, when it is a renewal that has not begun, the
// term that still runs before it.
func endTerms(ctx context.Context, tx *db.Tx, c Contract, reason EndReason, note string) error {
	today := calendar.DateOf(tx.Now)
	all, err := Of(ctx, tx, c.Patient)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.EndedOn != "" || o.To < today || o.Team != c.Team {
			continue
		}
		if _, err := tx.Exec(ctx, `
			UPDATE family_contract SET ended_on = $2, end_reason = $3, end_note = $4, latest = FALSE WHERE id = $1`,
			o.ID, string(today), string(reason), strings.TrimSpace(note)); err != nil {
			return fmt.Errorf("end contract: %w", err)
		}
		if err := access.Unrelate(ctx, tx, access.BasisContract, o.ID); err != nil {
			return err
		}
	}
	return nil
}

// Void takes a wrongly entered contract back, with a reason; the row stays.
func (s *Service) Void(ctx context.Context, actor access.Actor, id, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		c, err := s.own(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		var f errs.Form
		f.Require("comment", reason, "作废的原因")
		if err := f.Err(); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `
			UPDATE family_contract SET voided_at = $2, voided_by = $3, void_reason = $4, latest = FALSE
			WHERE id = $1 AND voided_at IS NULL`, id, db.At(tx.Now), signature(actor), strings.TrimSpace(reason))
		if err != nil {
			return fmt.Errorf("void contract: %w", err)
		}
		if n == 0 {
			return errs.E(errs.Conflict, "这份签约已经作废，请刷新页面")
		}
		if _, err := tx.Exec(ctx, `
			UPDATE family_contract SET latest = TRUE WHERE id = $1 AND to_on >= $2 AND ended_on = '' AND voided_at IS NULL`,
			c.Renews, string(calendar.DateOf(tx.Now))); err != nil {
			return fmt.Errorf("void contract: %w", err)
		}
		if err := access.Unrelate(ctx, tx, access.BasisContract, id); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "contract.void", c, strings.TrimSpace(reason))
	})
}

// own returns a contract that the actor's institution may change.
func (s *Service) own(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (Contract, error) {
	if err := access.Require(actor, access.ContractSign, access.Own); err != nil {
		return Contract{}, err
	}
	c, err := Get(ctx, tx, id)
	if err != nil {
		return c, err
	}
	return c, s.requireOwn(ctx, tx, actor, c.Org)
}

// requireOwn lets an institution act for itself, and a village clinic for the
// centre it belongs to.
func (s *Service) requireOwn(ctx context.Context, tx *db.Tx, actor access.Actor, org string) error {
	if actor.Role == audit.ProgramRole {
		return nil
	}
	centre, err := Centre(ctx, tx, actor)
	if err != nil {
		return err
	}
	if org != centre && org != actor.Org {
		return errs.E(errs.Forbidden, "只能办理本机构团队的签约，这个团队属于其他机构")
	}
	return nil
}

// Centre is the institution whose teams the actor works with: for a village
// clinic its centre, otherwise the own one.
func Centre(ctx context.Context, tx *db.Tx, actor access.Actor) (string, error) {
	if actor.Org == "" {
		return "", nil
	}
	o, err := organization.Get(ctx, tx, actor.Org)
	if err != nil {
		return "", err
	}
	if o.Kind == organization.VillageClinic && o.Parent != "" {
		return o.Parent, nil
	}
	return o.ID, nil
}

// TeamGap says how many teams an institution should have and has.
type TeamGap struct {
	Have, Want int64
	Answer     policy.Answer // the clause that asks for them
}

// Gap compares the teams of an institution with what its policy asks for
// (LL-4.1c: five in each community). False when no policy says a number.
func (s *Service) Gap(ctx context.Context, tx *db.Tx, org string) (TeamGap, bool, error) {
	regions, err := organization.Chain(ctx, tx, org)
	if err != nil {
		return TeamGap{}, false, err
	}
	answer, err := s.Policy.Resolve("contract.teams_per_community", policy.Place{Regions: regions}, calendar.DateOf(tx.Now))
	if errs.Is(err, errs.NotFound) {
		return TeamGap{}, false, nil
	}
	if err != nil {
		return TeamGap{}, false, err
	}
	want, err := answer.Int()
	if err != nil {
		return TeamGap{}, false, err
	}
	have, err := db.Count(ctx, tx, `SELECT count(*) FROM contract_team WHERE org = $1 AND active`, org)
	return TeamGap{Have: have, Want: want, Answer: answer}, err == nil, err
}

func (s *Service) leaf(ctx context.Context, tx *db.Tx, actor access.Actor, action string, c Contract, detail string) error {
	return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "contract", ObjectID: c.ID, Patient: c.Patient,
		Basis: string(access.BasisContract), Outcome: audit.OK, Detail: detail})
}

func signature(a access.Actor) string {
	if a.Name == "" {
		return "系统"
	}
	return a.OrgName + a.Name
}
