package chart

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/contract"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/record"
)

// Service reads charts.
type Service struct {
	DB       *db.DB
	Book     *policy.Book
	Record   *record.Store
	Access   *access.Control
	Patients *patient.Service
	// CaseKinds are the kinds of cases that belong in a chart, with the address
	// under which they open.
	CaseKinds map[string]CaseKind
	// MayOpenCase reports whether a reader may see a case at all; nil: all.
	MayOpenCase func(c flow.Case, actor access.Actor) bool
}

// CaseKind is a kind of case as a chart shows it.
type CaseKind struct{ Title, Path string }

// mostResources and mostRows bound one chart: what is beyond is said, not
// silently left out.
const (
	mostResources = 4000
	mostRows      = 500
)

// Open decides, logs, and reads the chart of a person.
func (s *Service) Open(ctx context.Context, actor access.Actor, id string) (patient.Patient, Chart, error) {
	var p patient.Patient
	var c Chart
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p, err = s.Patients.Get(ctx, tx, id); err != nil {
			return err
		}
		g, err := s.Access.Patient(ctx, tx, actor, id, access.Look)
		if err != nil {
			return err
		}
		c, err = s.ReadTx(ctx, tx, actor, p, g)
		return err
	})
	return p, c, err
}

// ReadTx reads the chart in the transaction of a caller that has made the
// access decision.
func (s *Service) ReadTx(ctx context.Context, tx *db.Tx, actor access.Actor, p patient.Patient, g access.Grant) (Chart, error) {
	c, err := s.frame(tx, actor, p, g)
	if err != nil {
		return c, err
	}
	if err := s.resources(ctx, tx, &c); err != nil {
		return c, err
	}
	if err := s.encounters(ctx, tx, &c); err != nil {
		return c, err
	}
	if err := s.cases(ctx, tx, actor, &c); err != nil {
		return c, err
	}
	if err := s.contracts(ctx, tx, &c); err != nil {
		return c, err
	}
	if err := nameOrgs(ctx, tx, c.Facts); err != nil {
		return c, err
	}
	for i := range c.Facts {
		c.hide(&c.Facts[i], g)
	}
	slices.SortStableFunc(c.Facts, func(a, b Fact) int { return b.At.Compare(a.At) })
	return c, nil
}

// frame is a chart without facts: what the views need to know.
func (s *Service) frame(tx *db.Tx, actor access.Actor, p patient.Patient, g access.Grant) (Chart, error) {
	c := Chart{Patient: p.ID, Today: calendar.DateOf(tx.Now), Opened: g.Opened}
	place := policy.Place{Regions: actor.Regions}
	var err error
	if c.Rules, err = rulesAt(s.Book, place, c.Today); err != nil {
		return c, err
	}
	c.Minor = c.Rules.Sensitive.Minor(p.Age(c.Today)) && len(p.BirthDate) == 10
	c.MayOpen = access.May(actor, access.PatientSensitive, access.Care)
	return c, nil
}

func rulesAt(book *policy.Book, at policy.Place, day calendar.Date) (Rules, error) {
	var r Rules
	a, err := book.Resolve("chart.problem.chronic", at, day)
	if err != nil {
		return r, err
	}
	codes, err := a.Codes()
	if err != nil {
		return r, err
	}
	r.Chronic = func(icd string) bool {
		return slices.ContainsFunc(codes, func(c policy.Code) bool { return c.Covers(icd) })
	}
	for _, n := range []struct {
		key  string
		into *int
	}{{"chart.problem.recent_days", &r.RecentDays}, {"chart.medicine.stale_days", &r.StaleDays}, {"chart.trend.percent", &r.TrendPercent}} {
		if a, err = book.Resolve(n.key, at, day); err != nil {
			return r, err
		}
		x, err := a.Int()
		if err != nil {
			return r, err
		}
		*n.into = int(x)
	}
	r.Sensitive, err = access.SensitiveAt(book, at, day)
	return r, err
}

// classify says which sensitive class a fact is of.
func (c Chart) classify(f Fact) string {
	if c.Minor && f.Kind != Contract {
		return access.MinorClass
	}
	x := access.Fact{Labels: f.labels, Texts: []string{f.Title, f.Text, f.By}}
	for _, k := range f.Codes {
		x.Codes, x.Texts = append(x.Codes, k.Code), append(x.Texts, k.Display)
	}
	return c.Rules.Sensitive.Class(x)
}

// hide takes everything but the time from a sensitive fact that the reader may
// not see.
func (c *Chart) hide(f *Fact, g access.Grant) {
	if f.Class = c.classify(*f); f.Class == "" || g.SeesSensitive() {
		return
	}
	*f = Fact{Kind: f.Kind, Key: "", At: f.At, DayOnly: f.DayOnly, Hidden: true, Title: "已隐藏", State: f.State}
	c.Hidden++
}

// projected are the types that care modules project into the record: their own
// facts are read from them and not twice.
func projected(r record.Resource) bool {
	switch r.Owner {
	case "", "exchange", "visit":
		return r.Type == "Encounter" && r.Owner != ""
	}
	switch r.Type {
	case "ServiceRequest", "Task", "Appointment", "Communication", "Encounter", "Patient", "CarePlan":
		return true
	}
	return false
}

func (s *Service) resources(ctx context.Context, tx *db.Tx, c *Chart) error {
	rc := readContext{today: c.Today, stale: c.Rules.StaleDays}
	types := Types()
	for after, n := "", 0; ; {
		page, err := s.Record.Everything(ctx, tx, nil, c.Patient, types, 0, after, 1000)
		if err != nil {
			return err
		}
		for _, r := range page.List {
			if projected(r) {
				continue
			}
			if f, ok := factOf(r, rc); ok {
				c.Facts = append(c.Facts, f)
			}
		}
		if n += 1000; page.Next == "" || n >= mostResources {
			c.Cut = c.Cut || page.Next != ""
			return nil
		}
		after = page.Next
	}
}

func (s *Service) encounters(ctx context.Context, tx *db.Tx, c *Chart) error {
	list, err := encounter.OfPatient(ctx, tx, c.Patient, mostRows)
	if err != nil {
		return err
	}
	c.Cut = c.Cut || len(list) == mostRows
	for _, e := range list {
		f := factOfVisit(e)
		c.Facts = slices.DeleteFunc(c.Facts, func(x Fact) bool { // the resource behind the row
			return x.Kind == Visit && strings.HasPrefix(x.Key, "Encounter/") && x.Org == f.Org && x.Day() == f.Day()
		})
		c.Facts = append(c.Facts, f)
	}
	return nil
}

// factOfVisit is an encounter as a fact.
func factOfVisit(e encounter.Encounter) Fact {
	f := Fact{Kind: Visit, Key: "encounter/" + e.ID, At: e.Start, Until: e.End, Title: e.Class.Title(), Text: stayText(e), Org: e.Org,
		OrgName: e.Outside.Name, By: e.Doctor, Recorded: e.RecordedAt, Version: e.Version, State: Now}
	var note []string
	if e.Department != "" {
		note = append(note, e.Department)
	}
	if e.Class == encounter.Inpatient {
		if e.End.IsZero() {
			note = append(note, "住院中或未结算")
		} else {
			note = append(note, "至 "+string(calendar.DateOf(e.End)))
		}
	}
	if e.Leave != "" {
		note = append(note, encounter.LeaveTitle(e.Leave))
	}
	if !e.Clinical {
		note = append(note, "只有结算信息，没有病历")
	}
	f.Note = strings.Join(note, " · ")
	if !e.VoidedAt.IsZero() {
		f.State = Mistaken
	}
	for _, d := range e.Diagnoses {
		f.Codes = append(f.Codes, Coding{System: "http://hl7.org/fhir/sid/icd-10", Code: cmp.Or(d.InsuranceCode, d.ClinicalCode), Display: diagnosisName(d)})
	}
	f.Codes = append(f.Codes, Coding{Display: e.Department}) // a department may tell as much as a diagnosis
	return f
}

func (s *Service) cases(ctx context.Context, tx *db.Tx, actor access.Actor, c *Chart) error {
	list, err := flow.ByPatient(ctx, tx, c.Patient, 200)
	if err != nil {
		return err
	}
	for _, x := range list {
		kind, ok := s.CaseKinds[x.Kind]
		if !ok || s.MayOpenCase != nil && !s.MayOpenCase(x, actor) {
			continue
		}
		f := Fact{Kind: Case, Key: "case/" + x.ID, At: x.OpenedAt, Until: x.ClosedAt, Title: kind.Title + " " + x.Number, Text: x.From.OrgName + " → " + x.To.Display(),
			Org: x.From.Org, OrgName: x.From.OrgName, By: x.From.PersonName, Recorded: x.OpenedAt, State: Over, Codes: []Coding{{Display: x.To.DepartmentName}}}
		if x.Side(actor.Org) != flow.Nobody || x.OwnerOrg == actor.Org {
			f.Path = kind.Path + "/" + x.ID
		}
		if x.Open() {
			f.State, f.Note = Now, "办理中，现由"+cmp.Or(x.OwnerName, x.OwnerRole.Title())+"处理"
		} else {
			f.Note = "已结束"
		}
		c.Facts = append(c.Facts, f)
		c.Cases = append(c.Cases, x)
	}
	return nil
}

func (s *Service) contracts(ctx context.Context, tx *db.Tx, c *Chart) error {
	list, err := contract.Of(ctx, tx, c.Patient)
	if err != nil {
		return err
	}
	for _, x := range list {
		c.Facts = append(c.Facts, Fact{Kind: Contract, Key: "contract/" + x.ID, At: x.From.Time(), DayOnly: true, Title: "家庭医生签约",
			Text: x.TeamName + "，" + string(x.From) + " 至 " + string(x.To), Org: x.Org, OrgName: x.OrgName, Path: "/contracts/" + x.ID, State: Now})
	}
	return nil
}

// nameOrgs writes the names of the institutions of a list of facts.
func nameOrgs(ctx context.Context, tx *db.Tx, facts []Fact) error {
	var ids []string
	for _, f := range facts {
		if f.Org != "" && !slices.Contains(ids, f.Org) {
			ids = append(ids, f.Org)
		}
	}
	names, err := organization.FullNames(ctx, tx, ids)
	for i, f := range facts {
		facts[i].OrgName = cmp.Or(f.OrgName, names[f.Org], "来源未注明机构")
	}
	return err
}

// Detail is one fact with all its versions, the newest first.
type Detail struct {
	Patient  patient.Patient
	Fact     Fact
	Versions []Version
	Results  []Fact // of a report
	Class    string // title of its sensitive class, "" none
	Visit    encounter.Encounter
}

// Version is one version of a fact.
type Version struct {
	Fact
	Method string // how it came to be
	Reason string
	By     string
}

// Read decides, logs the fact that is read, and returns it with what it was.
func (s *Service) Read(ctx context.Context, actor access.Actor, patientID, key string) (Detail, error) {
	var d Detail
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		kind, id, ok := strings.Cut(key, "/")
		if !ok || kind != "encounter" && readers[kind] == nil {
			return errs.E(errs.NotFound, "没有这条记录")
		}
		if d.Patient, err = s.Patients.Get(ctx, tx, patientID); err != nil {
			return err
		}
		g, err := s.Access.Record(ctx, tx, actor, access.Entry{Patient: patientID, Action: "record.read", Object: kind, ObjectID: id})
		if err != nil {
			return err
		}
		c, err := s.frame(tx, actor, d.Patient, g)
		if err != nil {
			return err
		}
		if kind == "encounter" {
			err = s.readVisit(ctx, tx, &d, id)
		} else {
			err = s.readResource(ctx, tx, c, &d, record.Key{Type: kind, ID: id})
		}
		if err != nil {
			return err
		}
		return c.disclose(&d, g)
	})
	return d, err
}

// disclose refuses a fact of which any version is sensitive to who may not see it.
func (c Chart) disclose(d *Detail, g access.Grant) error {
	for _, v := range d.Versions {
		if class := c.classify(v.Fact); class != "" {
			d.Class = c.Rules.Sensitive.Title(class)
			if !g.SeesSensitive() {
				return errs.E(errs.Forbidden, "这条记录属于敏感信息，已隐藏。需要查看时，请在患者页点“打开已隐藏内容”并填写原因")
			}
		}
	}
	d.Results = slices.DeleteFunc(d.Results, func(f Fact) bool { return c.classify(f) != "" && !g.SeesSensitive() })
	return nil
}

func (s *Service) readVisit(ctx context.Context, tx *db.Tx, d *Detail, id string) error {
	list, err := encounter.History(ctx, tx, id)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errs.E(errs.NotFound, "没有这条就诊记录")
	}
	d.Visit = list[len(list)-1]
	if err := samePerson(ctx, tx, d.Visit.Patient, d.Patient.ID); err != nil {
		return err
	}
	for _, e := range slices.Backward(list) {
		f := factOfVisit(e)
		reason := e.ChangeReason
		if !e.VoidedAt.IsZero() {
			reason = "作废：" + e.VoidReason
		}
		d.Versions = append(d.Versions, Version{Fact: f, Reason: reason, By: e.RecordedBy})
	}
	return d.name(ctx, tx)
}

// name completes the facts of a detail.
func (d *Detail) name(ctx context.Context, tx *db.Tx) error {
	facts := make([]Fact, 0, len(d.Versions)+len(d.Results))
	for _, v := range d.Versions {
		facts = append(facts, v.Fact)
	}
	facts = append(facts, d.Results...)
	if err := nameOrgs(ctx, tx, facts); err != nil {
		return err
	}
	for i := range d.Versions {
		d.Versions[i].Fact = facts[i]
	}
	copy(d.Results, facts[len(d.Versions):])
	d.Fact = d.Versions[0].Fact
	return nil
}

func samePerson(ctx context.Context, tx *db.Tx, a, b string) error {
	same, err := access.IsSame(ctx, tx, a, b)
	if err == nil && !same {
		err = errs.E(errs.NotFound, "这位患者没有这条记录")
	}
	return err
}

func (s *Service) readResource(ctx context.Context, tx *db.Tx, c Chart, d *Detail, key record.Key) error {
	h, err := s.Record.Read(ctx, tx, key)
	if err != nil {
		return err
	}
	if err := samePerson(ctx, tx, h.Patient, d.Patient.ID); err != nil {
		return err
	}
	rc := readContext{today: c.Today, stale: c.Rules.StaleDays}
	history, err := s.Record.History(ctx, tx, record.HistoryQuery{Type: key.Type, ID: key.ID, Count: 50})
	if err != nil {
		return err
	}
	for _, r := range history.List {
		f, ok := factOf(r, rc)
		if !ok { // deleted between two versions
			f = Fact{Key: key.String(), Title: "已删除", Org: r.Source.Org, Recorded: r.At, Version: r.Version, State: Mistaken}
		}
		d.Versions = append(d.Versions, Version{Fact: f, Method: r.Method, By: f.By})
	}
	if len(d.Versions) == 0 {
		return errs.E(errs.NotFound, "没有这条记录")
	}
	for _, part := range d.Versions[0].Parts {
		kind, id, _ := strings.Cut(part, "/")
		r, err := s.Record.Read(ctx, tx, record.Key{Type: kind, ID: id})
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if f, ok := factOf(r, rc); ok && r.Patient == h.Patient {
			d.Results = append(d.Results, f)
		}
	}
	return d.name(ctx, tx)
}

// Attachment is a file of a fact, opened.
type Attachment struct {
	File
	Bytes []byte
}

// errElsewhere says that a file is not kept here.
var errElsewhere = errors.New("file is kept elsewhere")

// OpenFile decides, logs and reads the n-th file of a fact.
func (s *Service) OpenFile(ctx context.Context, actor access.Actor, patientID, key string, n int) (Detail, Attachment, error) {
	var a Attachment
	d, err := s.Read(ctx, actor, patientID, key)
	if err != nil {
		return d, a, err
	}
	if n < 0 || n >= len(d.Fact.Files) {
		return d, a, errs.E(errs.NotFound, "没有这个附件")
	}
	a.File = d.Fact.Files[n]
	a.Bytes, err = s.content(ctx, &a.File, patientID)
	if errors.Is(err, errElsewhere) {
		err = errs.E(errs.NotFound, "这份文件保存在来源系统，没有随记录送来")
	}
	return d, a, err
}

// Content reads the n-th file of a fact that has just been read (Read has
// decided and logged).
func (s *Service) Content(ctx context.Context, d Detail, n int) ([]byte, error) {
	f := d.Fact.Files[n]
	return s.content(ctx, &f, d.Patient.ID)
}

func (s *Service) content(ctx context.Context, f *File, patientID string) ([]byte, error) {
	if f.Data != "" {
		return decode(f.Data)
	}
	id, ok := strings.CutPrefix(f.URL, "Binary/")
	if !ok {
		return nil, errElsewhere
	}
	var out []byte
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		r, err := s.Record.Read(ctx, tx, record.Key{Type: "Binary", ID: id})
		if err != nil {
			return err
		}
		if r.Patient != "" {
			if err := samePerson(ctx, tx, r.Patient, patientID); err != nil {
				return err
			}
		}
		f.Type, out, err = binary(r.Body, f.Type)
		return err
	})
	return out, err
}

// Looks returns who looked at or changed the record of the signed-in resident.
func (s *Service) Looks(ctx context.Context, log *audit.Log, actor access.Actor, patientID string, limit int) ([]audit.Leaf, error) {
	var out []audit.Leaf
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		g, err := s.Access.Patient(ctx, tx, actor, patientID, access.Look)
		if err != nil {
			return err
		}
		if g.Basis != access.BasisSelf && g.Basis != access.BasisGuardian {
			return access.Require(actor, access.PatientAccesses, access.Self)
		}
		out, err = log.AccessesOf(ctx, tx, patientID, limit)
		return err
	})
	return out, err
}

// OpenSensitive opens what is hidden by default to the actor, with a reason.
func (s *Service) OpenSensitive(ctx context.Context, actor access.Actor, patientID, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		rules, err := access.SensitiveAt(s.Book, policy.Place{Regions: actor.Regions}, calendar.DateOf(tx.Now))
		if err != nil {
			return err
		}
		return s.Access.OpenSensitive(ctx, tx, actor, patientID, reason, rules.OpenFor())
	})
}
