package fhirapi

import (
	"context"
	"net/http"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
	tape "yilian/internal/fhir/json"
	"yilian/internal/flow"
	"yilian/internal/practitioner"
	"yilian/internal/projection"
	"yilian/internal/record"
	"yilian/internal/referral"
)

// Referrals is the owner of ServiceRequest and Task as far as they are a
// referral: a ServiceRequest of the category "patient referral" opens a draft,
// a Task about it sends the draft, and a change of the Task's status is an act
// of the case. All of it goes through the use cases of the pages, with their
// refusals. Orders of other kinds pass as they are.
type Referrals struct {
	Service *referral.Service
	Store   *record.Store
}

// carried says that the resource stands already.
func carried(id string) record.Draft { return record.Draft{ID: id} }

// Write carries out what a client writes.
func (o Referrals) Write(ctx context.Context, tx *db.Tx, w Write) (record.Draft, error) {
	doc, err := tape.Parse(w.Draft.Body)
	if err != nil {
		return w.Draft, err
	}
	defer doc.Release()
	root := doc.Root()
	switch {
	case w.Old != nil && w.Old.Owner == referral.Kind && w.Key.Type == "Task":
		return o.move(ctx, tx, w, root)
	case w.Old != nil && w.Old.Owner == referral.Kind:
		return o.change(ctx, tx, w, root)
	case w.Old != nil && w.Old.Owner != "":
		return w.Draft, nil // the store refuses it
	case w.Key.Type == "Task":
		return o.send(ctx, tx, w, root)
	case projection.IsReferral(root) && w.Old == nil:
		return o.open(ctx, tx, w, root)
	}
	return w.Draft, nil
}

// Delete is refused: a referral ends by an act, with a reason.
func (o Referrals) Delete(_ context.Context, _ *db.Tx, _ access.Actor, old record.Resource) error {
	if old.Owner != referral.Kind {
		return nil
	}
	return refuse(http.StatusConflict, "business-rule", "%s 是转诊单，不能删除：不再需要时，请把 Task 的状态改为 cancelled 并写明原因", old.Key)
}

// caseOf is the referral that a resource stands for; the zero Case when it is
// none.
func (o Referrals) caseOf(ctx context.Context, tx *db.Tx, key record.Key) (flow.Case, error) {
	id, err := record.ThingOf(ctx, tx, referral.Kind, key)
	if err != nil {
		return flow.Case{}, err
	}
	if id == "" {
		h, err := o.Store.Head(ctx, tx, key)
		if err != nil && !errs.Is(err, errs.NotFound) || h.Owner != referral.Kind {
			return flow.Case{}, ignoreNotFound(err)
		}
		id = key.ID // our own instances have the id of the case
	}
	return flow.Get(ctx, tx, id)
}

func ignoreNotFound(err error) error {
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// behalf is the program on behalf of the client's institution: what a system
// sends in the name of its doctors. That the client may was asked before.
func behalf(a access.Actor) access.Actor {
	p := audit.Program("接口 " + a.Name)
	p.Account, p.Org, p.OrgName, p.IP = a.Account, a.Org, a.OrgName, a.IP
	return p
}

// onceOf names the referral by the client's own number, so that the same one
// sent again is the same case.
func onceOf(actor access.Actor, root tape.Node) string {
	for i := range root.Get("identifier").Items() {
		if v := i.Get("value").Text(); v != "" {
			return "fhir/" + actor.Org + "/" + i.Get("system").Text() + "|" + v
		}
	}
	return ""
}

// Find finds the ServiceRequest of a referral that the client has sent before,
// so that what refers to it in a transaction refers to the same one.
func (o Referrals) Find(ctx context.Context, tx *db.Tx, actor access.Actor, root tape.Node) (string, error) {
	if root.Get("resourceType").Text() != "ServiceRequest" || !projection.IsReferral(root) {
		return "", nil
	}
	was, done, err := flow.Done(ctx, tx, onceOf(actor, root))
	if err != nil || !done {
		return "", err
	}
	origin, err := record.OriginsOf(ctx, tx, referral.Kind, was.ID)
	return orOwn(origin["ServiceRequest"], was.ID), err
}

// open makes a draft of a ServiceRequest.
func (o Referrals) open(ctx context.Context, tx *db.Tx, w Write, root tape.Node) (record.Draft, error) {
	d := w.Draft
	if err := access.Require(w.Actor, access.ReferralCreate, access.Own); err != nil {
		return d, err
	}
	form := projection.ReadRequest(d.Body)
	var err error
	if form.Patient, err = o.subject(ctx, tx, root); err != nil {
		return d, err
	}
	if _, err := o.Service.Access.Patient(ctx, tx, w.Actor, form.Patient, access.Refer); err != nil {
		return d, err
	}
	once := onceOf(w.Actor, root)
	if was, done, err := flow.Done(ctx, tx, once); err != nil || done {
		if err == nil && was.Patient != form.Patient {
			err = errs.E(errs.Conflict, "这个标识已用于另一位患者的转诊单 %s，请换用新的标识", was.Number)
		}
		if err != nil {
			return d, err
		}
		origin, err := record.OriginsOf(ctx, tx, referral.Kind, was.ID)
		return carried(orOwn(origin["ServiceRequest"], was.ID)), err
	}
	from, err := o.requester(ctx, tx, w.Actor, root)
	if err != nil {
		return d, err
	}
	c, err := o.Service.DeriveTx(ctx, tx, behalf(w.Actor), referral.Derived{Form: form, For: from, Once: once})
	if err != nil {
		return d, err
	}
	return o.keep(ctx, tx, d, c, "ServiceRequest")
}

// keep says that a draft of a resource stands for a case.
func (o Referrals) keep(ctx context.Context, tx *db.Tx, d record.Draft, c flow.Case, kind string) (record.Draft, error) {
	if d.ID == "" {
		d.ID = db.NewID()
	}
	d.Owner, d.Patient = referral.Kind, c.Patient
	return d, record.SetOrigin(ctx, tx, referral.Kind, c.ID, record.Key{Type: kind, ID: d.ID})
}

func orOwn(id, own string) string {
	if id != "" {
		return id
	}
	return own
}

// subject is the resident whom the Patient instance stands for.
func (o Referrals) subject(ctx context.Context, tx *db.Tx, root tape.Node) (string, error) {
	id, ok := projection.Local(root.Get("subject"), "Patient")
	if !ok {
		return "", refuse(http.StatusUnprocessableEntity, "required", "转诊缺少患者：subject 应引用 Patient")
	}
	p, err := o.Store.Read(ctx, tx, record.Key{Type: "Patient", ID: id})
	if errs.Is(err, errs.NotFound) {
		return "", refuse(http.StatusUnprocessableEntity, "not-found", "subject 引用的 Patient/%s 不存在，请先建立患者", id)
	}
	return p.Patient, err
}

// requester is the referring doctor of the client's institution, as far as one
// is named; the draft is his.
func (o Referrals) requester(ctx context.Context, tx *db.Tx, actor access.Actor, root tape.Node) (flow.Party, error) {
	from := flow.Party{Org: actor.Org, OrgName: actor.OrgName, PersonName: root.Get("requester").Get("display").Text()}
	id, ok := projection.Local(root.Get("requester"), "Practitioner")
	if !ok {
		return from, nil
	}
	p, err := practitioner.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) {
		return from, nil
	}
	if err != nil {
		return from, err
	}
	for _, w := range p.Postings {
		if w.Org == actor.Org {
			from.Person, from.PersonName, from.Department = p.ID, p.Name, w.Department
			return from, nil
		}
	}
	return from, refuse(http.StatusUnprocessableEntity, "business-rule", "申请医生 %s 不在“%s”任职，不能以其名义转诊", p.Name, actor.OrgName)
}

// send sends the draft that a Task is about.
func (o Referrals) send(ctx context.Context, tx *db.Tx, w Write, root tape.Node) (record.Draft, error) {
	d := w.Draft
	focus, ok := projection.Local(root.Get("focus"), "ServiceRequest")
	if !ok {
		return d, nil
	}
	c, err := o.caseOf(ctx, tx, record.Key{Type: "ServiceRequest", ID: focus})
	if err != nil || c.ID == "" {
		return d, err
	}
	if _, err := o.Service.Access.Patient(ctx, tx, w.Actor, c.Patient, access.Refer); err != nil {
		return d, err
	}
	if err := access.Require(w.Actor, access.ReferralCreate, access.Own); err != nil {
		return d, err
	}
	if c.From.Org != w.Actor.Org {
		return d, errs.E(errs.Forbidden, "转诊单 %s 不是“%s”开的，不能代为提交", c.Number, w.Actor.OrgName)
	}
	origin, err := record.OriginsOf(ctx, tx, referral.Kind, c.ID)
	if err != nil {
		return d, err
	}
	if c.State != referral.StateDraft || origin["Task"] != "" {
		return o.sentAlready(ctx, tx, w, root, c, orOwn(origin["Task"], c.ID))
	}
	if status := root.Get("status").Text(); status != "requested" {
		return d, refuse(http.StatusUnprocessableEntity, "business-rule", "提交转诊单 %s 时 Task.status 应为 requested，不能是“%s”", c.Number, status)
	}
	r, err := o.Service.RecordOf(ctx, tx, c.ID)
	if err != nil {
		return d, err
	}
	body, err := o.Store.FirstBody(ctx, tx, record.Key{Type: "ServiceRequest", ID: focus})
	if err != nil {
		return d, err
	}
	form := projection.ReadRequest(body)
	form = referral.Form{Patient: c.Patient, Visit: r.Visit, Urgency: c.Urgency, Purpose: r.Purpose, Indications: r.Indications,
		Diagnosis: r.Diagnosis, TargetService: r.TargetService, Request: r.Request, Consent: form.Consent}
	if c, err = o.Service.SendForTx(ctx, tx, c, form, behalf(w.Actor)); err != nil {
		return d, err
	}
	return o.keep(ctx, tx, d, c, "Task")
}

// sentAlready answers a Task for a referral that has one: the same one again is
// the one that stands.
func (o Referrals) sentAlready(ctx context.Context, tx *db.Tx, w Write, root tape.Node, c flow.Case, task string) (record.Draft, error) {
	body, err := o.Store.FirstBody(ctx, tx, record.Key{Type: "Task", ID: task})
	if err != nil {
		return w.Draft, err
	}
	if once := onceOf(w.Actor, root); body != nil && once != "" {
		doc, err := tape.Parse(body)
		if err != nil {
			return w.Draft, err
		}
		defer doc.Release()
		if onceOf(w.Actor, doc.Root()) == once {
			return carried(task), nil
		}
	}
	return w.Draft, errs.E(errs.Conflict, "转诊单 %s 已经提交，办理情况见 Task/%s，不要重复提交", c.Number, task)
}

// change is an update of the ServiceRequest: a draft takes over what it says;
// one that has been sent can only be revoked.
func (o Referrals) change(ctx context.Context, tx *db.Tx, w Write, root tape.Node) (record.Draft, error) {
	c, err := o.caseOf(ctx, tx, w.Key)
	if err != nil {
		return w.Draft, err
	}
	if root.Get("status").Text() == "revoked" {
		_, err := o.take(ctx, tx, w.Actor, c, said{want: "cancelled", root: root, old: root})
		return carried(w.Key.ID), err
	}
	if c.State != referral.StateDraft || c.From.Org != w.Actor.Org {
		return w.Draft, refuse(http.StatusConflict, "business-rule",
			"转诊单 %s 已经发出，内容不能从接口改动；可以把状态改为 revoked 撤回，或在平台的转诊单上办理", c.Number)
	}
	if err := access.Require(w.Actor, access.ReferralCreate, access.Own); err != nil {
		return w.Draft, err
	}
	form := projection.ReadRequest(w.Draft.Body)
	form.Patient = c.Patient
	_, err = o.Service.SaveByMessageTx(ctx, tx, behalf(w.Actor), c, form)
	return carried(w.Key.ID), err
}

// move is an update of the Task: the new status is an act of the case.
func (o Referrals) move(ctx context.Context, tx *db.Tx, w Write, root tape.Node) (record.Draft, error) {
	c, err := o.caseOf(ctx, tx, w.Key)
	if err != nil {
		return w.Draft, err
	}
	old, err := tape.Parse(w.Old.Body)
	if err != nil {
		return w.Draft, err
	}
	defer old.Release()
	_, err = o.take(ctx, tx, w.Actor, c, said{want: strings.Clone(root.Get("status").Text()), root: root, old: old.Root()})
	return carried(w.Key.ID), err
}
