package projection

import (
	"context"
	"fmt"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/record"
	"yilian/internal/referral"
)

// Visits keeps the rows that are counted and paid in step with the Encounters,
// Claims and ExplanationsOfBenefit that systems send. A row is made anew from
// what the record says at the moment, so that it does not matter in which order
// the three come, change or go.
type Visits struct {
	Store      *record.Store
	Encounters *encounter.Service
}

// visitKind is the kind of thing that an Encounter stands for.
const visitKind = "encounter"

// Sender is the client that has written.
type Sender struct {
	Actor  access.Actor
	Client string
}

func (s Sender) system() string { return encounter.SourceFHIR + "/" + s.Client }

// Follow brings the rows up to what was written: old is the version before, nil
// none; now is nil after a deletion. It says what keeps a visit from being
// counted, if anything does. Wrong content is Invalid.
func (v *Visits) Follow(ctx context.Context, tx *db.Tx, by Sender, old, now *record.Resource) (why []string, err error) {
	ids, err := aboutVisits(old, now)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		lacks, err := v.follow(ctx, tx, by, id)
		if err != nil {
			return nil, err
		}
		if lacks != "" {
			why = append(why, lacks)
		}
	}
	return why, nil
}

// follow settles one Encounter and notes what it lacks. A number that it gives
// up goes to the next visit that has come under it.
func (v *Visits) follow(ctx context.Context, tx *db.Tx, by Sender, id string) (lacks string, err error) {
	before, err := v.rowOf(ctx, tx, record.Key{Type: "Encounter", ID: id})
	if err != nil {
		return "", err
	}
	if lacks, err = v.settle(ctx, tx, by, id); err != nil {
		return "", err
	}
	if err := v.note(ctx, tx, by, id, lacks); err != nil {
		return "", err
	}
	if before.ID == "" || !before.VoidedAt.IsZero() || before.Org != by.Actor.Org {
		return lacks, nil
	}
	after, err := encounter.Get(ctx, tx, before.ID)
	if err != nil || after.VoidedAt.IsZero() {
		return lacks, err
	}
	waiting, err := encounter.WaitingFor(ctx, tx, before.Org, before.Source.Key)
	if err != nil {
		return "", err
	}
	for _, next := range waiting {
		if next == id {
			continue
		}
		still, err := v.settle(ctx, tx, by, next)
		if err != nil {
			return "", err
		}
		if err := v.note(ctx, tx, by, next, still); err != nil {
			return "", err
		}
	}
	return lacks, nil
}

// note keeps what keeps a visit of the sender's institution from being counted
// where its people see it, until it is counted or gone.
func (v *Visits) note(ctx context.Context, tx *db.Tx, by Sender, id, lacks string) error {
	u := encounter.Uncounted{ID: id, Org: by.Actor.Org, Client: by.Client, Reason: lacks}
	if lacks != "" {
		r, err := v.Store.Read(ctx, tx, record.Key{Type: "Encounter", ID: id})
		if errs.Is(err, errs.NotFound) || err == nil && r.Source.Org != by.Actor.Org {
			return nil // another institution's, of which nothing is told here
		}
		if err != nil {
			return err
		}
		doc, err := json.Parse(r.Body)
		if err != nil {
			return err
		}
		defer doc.Release()
		u.Patient, u.Number = r.Patient, numberSaid(doc.Root())
		u.Started = strings.Clone(doc.Root().Get("period").Get("start").Text())
	}
	return encounter.NoteUncounted(ctx, tx, u)
}

// aboutVisits lists the Encounters whose rows a write may change.
func aboutVisits(versions ...*record.Resource) (ids []string, err error) {
	seen := map[string]bool{}
	add := func(list ...string) {
		for _, id := range list {
			if !seen[id] {
				seen[id], ids = true, append(ids, id)
			}
		}
	}
	for _, r := range versions {
		switch {
		case r == nil:
		case r.Type == "Encounter":
			add(r.ID)
		default:
			doc, err := json.Parse(r.Body)
			if err != nil {
				return nil, err
			}
			add(encountersOf(doc.Root())...)
			doc.Release()
		}
	}
	return ids, nil
}

// settle makes the row of one Encounter what the record says.
func (v *Visits) settle(ctx context.Context, tx *db.Tx, by Sender, id string) (lacks string, err error) {
	key := record.Key{Type: "Encounter", ID: id}
	row, err := v.rowOf(ctx, tx, key)
	if err != nil {
		return "", err
	}
	if row.ID != "" && row.Org != by.Actor.Org {
		return "这条就诊由另一机构登记，没有改动", nil
	}
	r, err := v.Store.Read(ctx, tx, key)
	if errs.Is(err, errs.NotFound) || err == nil && (r.Deleted || r.Withdrawn) {
		return "", v.void(ctx, tx, by, row, "来源系统删除了这条就诊")
	}
	if err != nil {
		return "", err
	}
	if r.Owner != "" {
		return "", v.billed(ctx, tx, by, r)
	}
	if r.Source.Org != by.Actor.Org { // another institution's, of which nothing is told
		return "", nil
	}
	if r.Source.Client != "" && r.Source.Client != by.Client { // a bill of another system
		by.Client = r.Source.Client
	}
	said, err := v.read(ctx, tx, by, r)
	if err != nil {
		return "", err
	}
	switch {
	case said.state == never:
		return "", v.void(ctx, tx, by, row, "来源系统取消了这条就诊")
	case said.state != counted || said.lacks != "":
		return said.lacks, v.void(ctx, tx, by, row, "来源系统改动后不再计入")
	}
	return v.keep(ctx, tx, by, key, row, said)
}

// billed adds bills to a visit that came by another road and stands in the
// record as our own Encounter.
func (v *Visits) billed(ctx context.Context, tx *db.Tx, by Sender, r record.Resource) error {
	row, err := encounter.Get(ctx, tx, r.ID)
	if errs.Is(err, errs.NotFound) || err == nil && (!row.VoidedAt.IsZero() || row.Org != by.Actor.Org) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := v.bills(ctx, tx, r.ID, &row); err != nil {
		return err
	}
	_, _, err = v.Encounters.RecordTx(ctx, tx, by.Actor, row)
	return err
}

// rowOf is the row that an Encounter stands for; zero when there is none.
func (v *Visits) rowOf(ctx context.Context, tx *db.Tx, key record.Key) (encounter.Encounter, error) {
	id, err := record.ThingOf(ctx, tx, visitKind, key)
	if err != nil || id == "" {
		return encounter.Encounter{}, err
	}
	return encounter.Get(ctx, tx, id)
}

func (v *Visits) void(ctx context.Context, tx *db.Tx, by Sender, row encounter.Encounter, reason string) error {
	if row.ID == "" || !row.VoidedAt.IsZero() {
		return nil
	}
	return v.Encounters.VoidTx(ctx, tx, by.Actor, row.ID, reason)
}

// keep records a counted visit, unless another road has brought it already.
func (v *Visits) keep(ctx context.Context, tx *db.Tx, by Sender, key record.Key, row encounter.Encounter, said visitSaid) (lacks string, err error) {
	e := said.row
	e.Source = encounter.Source{System: by.system(), Key: said.number, Ref: key.String()}
	if e.Source.Key == "" {
		e.Source.Key = key.String()
	}
	standing := row.ID != "" && row.VoidedAt.IsZero()
	if standing && (row.Source.System != e.Source.System || row.Source.Key != e.Source.Key) {
		if err := v.void(ctx, tx, by, row, "来源系统改动了就诊流水号"); err != nil {
			return "", err
		}
		standing = false
	}
	if !standing {
		_, twice, err := encounter.BySource(ctx, tx, e.Source.System, e.Source.Key)
		if err == nil && !twice {
			_, twice, err = encounter.ByOtherRoad(ctx, tx, e.Org, e.Source.Key, encounter.SourceFHIR)
		}
		if err != nil {
			return "", err
		}
		if twice {
			return "同一流水号的就诊已经登记过（" + e.Source.Key + "），没有重复计数", nil
		}
	}
	e, _, err = v.Encounters.RecordTx(ctx, tx, by.Actor, e)
	if err != nil || e.ID == row.ID {
		return "", err
	}
	return "", record.MoveOrigin(ctx, tx, visitKind, e.ID, key)
}

// read gathers what the record says of a visit: the Encounter, the Conditions
// it names, and the bills about it.
func (v *Visits) read(ctx context.Context, tx *db.Tx, by Sender, r record.Resource) (said visitSaid, err error) {
	doc, err := json.Parse(r.Body)
	if err != nil {
		return said, err
	}
	defer doc.Release()
	if said, err = readVisit(doc.Root()); err != nil || said.state != counted || said.lacks != "" {
		return said, err
	}
	e := &said.row
	e.Patient, e.Org = r.Patient, by.Actor.Org
	if r.Source.Org != "" {
		e.Org = r.Source.Org
	}
	known, err := patient.Briefs(ctx, tx, []string{e.Patient})
	if err != nil {
		return said, err
	}
	if _, ok := known[e.Patient]; !ok {
		said.lacks = "subject 不是本平台的居民：请先发送 Patient"
		return said, nil
	}
	if said.lacks, err = v.placed(ctx, tx, e.Org, said.provider); err != nil || said.lacks != "" {
		return said, err
	}
	if e.Referral, err = v.caseOf(ctx, tx, said.request, e.Patient); err != nil {
		return said, err
	}
	if err := v.diagnoses(ctx, tx, &said); err != nil {
		return said, err
	}
	return said, v.bills(ctx, tx, r.ID, e)
}

// placed says why a visit is not one of the client's institution.
func (v *Visits) placed(ctx context.Context, tx *db.Tx, org, provider string) (string, error) {
	here, err := organization.Get(ctx, tx, org)
	if errs.Is(err, errs.NotFound) {
		return "接口所属的机构没有在平台登记", nil
	}
	if err != nil || provider == "" || provider == org {
		return "", err
	}
	other, err := organization.Get(ctx, tx, provider)
	if errs.Is(err, errs.NotFound) { // the sender's own name for itself
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("就诊机构（serviceProvider）是%s，接口属于%s：就诊由就诊机构自己的接口登记", other.Name, here.Name), nil
}

// caseOf is the referral of the patient that a ServiceRequest stands for, ""
// none.
func (v *Visits) caseOf(ctx context.Context, tx *db.Tx, request, who string) (string, error) {
	if request == "" {
		return "", nil
	}
	id, err := record.ThingOf(ctx, tx, referral.Kind, record.Key{Type: "ServiceRequest", ID: request})
	if err != nil {
		return "", err
	}
	if id == "" {
		id = request
	}
	c, err := flow.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) || err == nil && c.Kind != referral.Kind {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	same, err := access.IsSame(ctx, tx, c.Patient, who)
	if err != nil || !same {
		return "", err
	}
	return c.ID, nil
}

// diagnoses puts those of the named Conditions before the reasons.
func (v *Visits) diagnoses(ctx context.Context, tx *db.Tx, said *visitSaid) error {
	var list []encounter.Diagnosis
	for _, id := range said.conditions {
		r, err := v.Store.Read(ctx, tx, record.Key{Type: "Condition", ID: id})
		if errs.Is(err, errs.NotFound) || err == nil && r.Patient != said.row.Patient {
			continue
		}
		if err != nil {
			return err
		}
		doc, err := json.Parse(r.Body)
		if err != nil {
			return err
		}
		list = addDiagnosis(list, doc.Root().Get("code"))
		doc.Release()
	}
	for _, d := range said.row.Diagnoses {
		if len(list) == 0 || list[len(list)-1] != d {
			list = append(list, d)
		}
	}
	said.row.Diagnoses = list
	return nil
}

// maxBills bounds the bills of one visit that are looked at.
const maxBills = 50

// bills adds what the Claims, and over them the ExplanationsOfBenefit, of the
// visit's own institution say.
func (v *Visits) bills(ctx context.Context, tx *db.Tx, id string, e *encounter.Encounter) error {
	for _, kind := range []string{"Claim", "ExplanationOfBenefit"} {
		q, err := search.ParseQuery(kind, "encounter=Encounter/"+id, search.Options{Strict: true, Now: tx.Now.UnixMilli()})
		if err != nil {
			return err
		}
		page, err := v.Store.Search(ctx, tx, *q, record.Options{Count: maxBills})
		if err != nil {
			return err
		}
		for i := range page.List {
			r := &page.List[i]
			if r.Patient != e.Patient || r.Source.Org != e.Org {
				continue
			}
			if err := v.bill(ctx, tx, r, id, e); err != nil {
				return fmt.Errorf("%s: %w", r.Key, err)
			}
		}
	}
	return nil
}

func (v *Visits) bill(ctx context.Context, tx *db.Tx, r *record.Resource, id string, e *encounter.Encounter) error {
	doc, err := json.Parse(r.Body)
	if err != nil {
		return err
	}
	defer doc.Release()
	b, ok, err := readBill(doc.Root(), id)
	if err != nil || !ok {
		return err
	}
	if b.insurance == "" && b.coverage != "" {
		cover, err := v.Store.Read(ctx, tx, record.Key{Type: "Coverage", ID: b.coverage})
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		if err == nil && cover.Patient == e.Patient {
			c, err := json.Parse(cover.Body)
			if err != nil {
				return err
			}
			b.insurance = insuranceSaid(c.Root())
			c.Release()
		}
	}
	b.over(e)
	return nil
}
