package referral

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/message"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/reminder"
	"yilian/internal/rescue"
)

// Full is everything that the page of a case shows.
type Full struct {
	Case             flow.Case
	Record           Record
	Patient          patient.Patient // masked
	Direct           bool            // the actor gives direct care
	Questions        []Question
	Notes            []Note
	Timeline         []flow.Event
	Actions          []flow.Action // what the actor may do now, usable ones only
	HeldFrom, HeldTo time.Duration
	Messages         []message.Message
	Reminder         reminder.Receipt  // of the appointment that stands
	Consents         []consent.Consent // newest first
	Down             *Continuation     // the plan of a down-referral; nil for the others
	Titles           Titles
	Rescue           *Rescue // nil: an ordinary referral
	Now              time.Time
}

// Titles are the words for the codes of a record, as the policy has them.
type Titles struct {
	Purpose, Transport, Outcome string
	Indications                 []string
}

// View opens a case for an actor of one of its institutions, or for the
// patient; the look is decided and logged.
func (s *Service) View(ctx context.Context, actor access.Actor, id string) (Full, error) {
	var out Full
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		c, err := flow.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := visible(c, actor); err != nil {
			return err
		}
		g, err := s.Access.Patient(ctx, tx, actor, c.Patient, access.Look)
		if err != nil {
			return err
		}
		out = Full{Case: c, Direct: g.Direct, Now: tx.Now}
		if out.Record, err = s.load(ctx, tx, id); err != nil {
			return err
		}
		if actor.Org != c.To.Org && actor.Org != c.From.Org && actor.Patient != c.Patient {
			out.Record.Arrangement.Code = "" // for the patient, who may hear it from his doctor, and the desk
		}
		return s.fill(ctx, tx, actor, &out)
	})
	return out, err
}

// visible refuses who is neither of the case's institutions nor the patient;
// a draft is the referring institution's alone.
func visible(c flow.Case, actor access.Actor) error {
	hidden := errs.E(errs.NotFound, "没有找到这张转诊单")
	if c.Kind != Kind {
		return hidden
	}
	if access.Role(actor.Role) == access.Resident {
		if c.State == StateDraft || access.Require(actor, access.ReferralRead, access.Self) != nil {
			return hidden
		}
		return nil // whose patient it is, access decides
	}
	party := actor.Org != "" && (actor.Org == c.From.Org || actor.Org == c.OwnerOrg ||
		(actor.Org == c.To.Org && c.State != StateDraft && c.State != StateInReview && c.State != StateDiscarded))
	if !party {
		return hidden
	}
	return access.Require(actor, access.ReferralRead, access.Own)
}

func (s *Service) fill(ctx context.Context, tx *db.Tx, actor access.Actor, out *Full) (err error) {
	id := out.Case.ID
	if out.Patient, err = s.Patients.Get(ctx, tx, out.Case.Patient); err != nil {
		return err
	}
	if out.Questions, err = s.questions(ctx, tx, id); err != nil {
		return err
	}
	if out.Notes, err = s.notes(ctx, tx, id); err != nil {
		return err
	}
	if out.Timeline, err = s.Flow.Timeline(ctx, tx, id); err != nil {
		return err
	}
	if out.Consents, err = consent.For(ctx, tx, consent.Referral, id); err != nil {
		return err
	}
	if out.Messages, err = message.OfCase(ctx, tx, id); err != nil {
		return err
	}
	if out.Reminder, err = s.receipt(ctx, tx, out.Case); err != nil {
		return err
	}
	if out.Rescue, err = s.rescueOf(ctx, tx, out.Case, out.Record.Emergency); err != nil {
		return err
	}
	if out.Record.Direction == Down {
		if out.Down, err = s.continuation(ctx, tx, id); err != nil {
			return err
		}
	}
	out.HeldFrom, out.HeldTo = flow.Held(out.Timeline, out.Case, tx.Now)
	out.Actions = s.Actions(out.Case, out.Record, actor)
	out.Titles, err = s.titles(out.Case, out.Record)
	return err
}

// Actions returns the usable actions that the actor may take now.
func (s *Service) Actions(c flow.Case, r Record, actor access.Actor) []flow.Action {
	return slices.DeleteFunc(s.Flow.Actions(c, actor), func(a flow.Action) bool {
		return !Usable(a.Name) || !r.offers(a.Name) || !r.Emergency.offers(a.Name) || r.Cancel.refuses(a.Name) != nil
	})
}

// titles looks the words up as of the day the case was opened, so that a list
// that changes later leaves old papers readable.
func (s *Service) titles(c flow.Case, r Record) (t Titles, err error) {
	codes := func(key string) (list []policy.Code) {
		if err == nil {
			list, err = s.Flow.Codes(key, c.Place, c.OpenedAt)
		}
		return list
	}
	purposes, reasons := keyPurposes, keyIndications
	if r.Direction == Down {
		purposes, reasons = keyDownReasons, keyDownIndications
	}
	t.Purpose = codeTitle(codes(purposes), r.Purpose)
	t.Transport = codeTitle(codes(keyTransports), r.Request.Transport)
	t.Outcome = codeTitle(codes(keyOutcomes), c.Outcome)
	indications := codes(reasons)
	for _, i := range r.Indications {
		t.Indications = append(t.Indications, codeTitle(indications, i))
	}
	return t, err
}

func codeTitle(list []policy.Code, code string) string {
	i := slices.IndexFunc(list, func(c policy.Code) bool { return c.Code == code })
	if i < 0 {
		return code
	}
	return list[i].Title
}

// Query selects the cases of a worklist. Empty fields do not filter.
type Query struct {
	Side    flow.Side // on which side the reader's institution stands
	State   string
	Urgency string
	Text    string // beginning of the number, or part of the name
	Open    bool
	Limit   int // 0: 50
	Offset  int
}

// Item is one line of a worklist.
type Item struct {
	Case        flow.Case
	Direction   Direction
	Emergency   string // lane or reason of an emergency; shown where there is no diagnosis
	Diagnosis   string // name; empty for who has no right to open the case
	Contracted  bool
	Phoned      bool // telephoned in (电话代录)
	Hidden      bool // the patient bears a sensitive label; on lists Diagnosis is withheld from who gives no care
	Appointed   time.Time
	SubmittedAt time.Time
}

// Page is one page of a worklist.
type Page struct {
	Items  []Item
	Counts []flow.StateCount // all states of the worklist, whatever Query.State says
	More   bool
	Now    time.Time
}

// List returns the worklist of the actor's institution: open cases first, the
// higher triage level first, within a level contracted patients first
// (LL-4.4.1b), then the clock that breaks first.
func (s *Service) List(ctx context.Context, actor access.Actor, q Query) (Page, error) {
	if err := access.Require(actor, access.ReferralRead, access.Own); err != nil {
		return Page{}, err
	}
	if q.Limit <= 0 || q.Limit > 200 {
		q.Limit = 50
	}
	var out Page
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		out.Now = tx.Now
		ids, err := worklist(ctx, tx, actor.Org, q)
		if err != nil {
			return err
		}
		if out.More = len(ids) > q.Limit; out.More {
			ids = ids[:q.Limit]
		}
		if out.Items, err = items(ctx, tx, ids); err != nil {
			return err
		}
		discreet(out.Items, actor)
		if out.Counts, err = worklistCounts(ctx, tx, actor.Org, q); err != nil {
			return err
		}
		return Listed(ctx, tx, s.Audit, actor, "转诊工作列表", len(out.Items))
	})
	return out, err
}

// discreet withholds the diagnoses of patients with a sensitive label from roles
// that give no direct care.
func discreet(list []Item, actor access.Actor) {
	sees := access.Allowed(access.Role(actor.Role), access.PatientLabels, access.Care)
	for i := range list {
		if list[i].Hidden = list[i].Hidden && !sees; list[i].Hidden {
			list[i].Diagnosis, list[i].Emergency = "", ""
		}
	}
}

// Listed logs that a list with diagnoses was opened: one leaf that says how many
// cases it showed, not one for each patient.
func Listed(ctx context.Context, tx *db.Tx, log *audit.Log, actor access.Actor, title string, n int) error {
	if n == 0 {
		return nil
	}
	return log.Append(ctx, tx, audit.Leaf{
		Actor: actor, Action: "referral.list", Object: "referral.list", ObjectID: actor.Org, Basis: string(access.BasisReferral),
		Outcome: audit.OK, Detail: fmt.Sprintf("%s，%d 例", title, n),
	})
}

// worklistWhere are the cases of an institution's worklist: as sender or
// reviewer from the draft on, as receiver from submission on.
const worklistWhere = `
	((c.from_org = $1 AND CAST($2 AS TEXT) <> 'to') OR (c.owner_org = $1 AND CAST($2 AS TEXT) <> 'to')
		OR (c.to_org = $1 AND CAST($2 AS TEXT) <> 'from' AND r.submitted_at IS NOT NULL))
	AND (CAST($3 AS TEXT) = '' OR c.state = $3)
	AND (CAST($4 AS TEXT) = '' OR c.urgency = $4)
	AND (CAST($5 AS TEXT) = '' OR c.number LIKE CAST($5 AS TEXT) || '%' OR c.subject LIKE '%' || CAST($5 AS TEXT) || '%')
	AND (NOT CAST($6 AS BOOLEAN) OR c.closed_at IS NULL)`

func (q Query) args(org string) []any {
	return []any{org, string(q.Side), q.State, q.Urgency, strings.TrimSpace(q.Text), q.Open}
}

func worklist(ctx context.Context, tx *db.Tx, org string, q Query) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `
		SELECT c.id FROM flow_case c JOIN referral r ON r.id = c.id WHERE `+worklistWhere+`
		ORDER BY CASE WHEN c.closed_at IS NULL THEN 0 ELSE 1 END,
			CASE WHEN c.closed_at IS NULL THEN CASE c.urgency WHEN 'I' THEN 1 WHEN 'II' THEN 2 WHEN 'III' THEN 3 ELSE 4 END ELSE 0 END,
			CASE WHEN c.closed_at IS NULL AND r.contracted THEN 0 ELSE 1 END,
			c.due_at NULLS LAST, c.closed_at DESC, c.id
		LIMIT $7 OFFSET $8`,
		append(q.args(org), q.Limit+1, q.Offset)...)
}

func worklistCounts(ctx context.Context, tx *db.Tx, org string, q Query) ([]flow.StateCount, error) {
	q.State = ""
	return db.List(ctx, tx, func(scan db.Scan) (s flow.StateCount, err error) {
		s.Kind = Kind
		return s, scan(&s.State, &s.N)
	}, `SELECT c.state, count(*) FROM flow_case c JOIN referral r ON r.id = c.id WHERE `+worklistWhere+` GROUP BY c.state ORDER BY c.state`,
		q.args(org)...)
}

// items reads the lines of cases in the order of ids.
func items(ctx context.Context, tx *db.Tx, ids []string) ([]Item, error) {
	cases, err := flow.ByIDs(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	query, args := db.Expand(`
		SELECT r.id, r.direction, r.diagnosis_name, r.contracted, r.appointed_at, r.submitted_at, e.referral IS NOT NULL, COALESCE(e.lane, ''),
			EXISTS (SELECT 1 FROM referral_phoned p WHERE p.referral = r.id),
			EXISTS (SELECT 1 FROM patient_label p WHERE p.patient_id IN (SELECT r.patient UNION ALL SELECT other FROM same_person WHERE patient = r.patient) AND p.voided_at IS NULL)
		FROM referral r LEFT JOIN referral_emergency e ON e.referral = r.id WHERE r.id IN ($list)`, nil, ids)
	type line struct {
		id string
		Item
	}
	lines, err := db.List(ctx, tx, func(scan db.Scan) (l line, err error) {
		var appointed, submitted db.Time
		var emergency bool
		var lane string
		err = scan(&l.id, &l.Direction, &l.Diagnosis, &l.Contracted, &appointed, &submitted, &emergency, &lane, &l.Phoned, &l.Hidden)
		if emergency {
			l.Emergency = "急诊 · " + rescue.Get(lane).Title
		}
		l.Appointed, l.SubmittedAt = appointed.Time, submitted.Time
		return l, err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]Item, len(lines))
	for _, l := range lines {
		byID[l.id] = l.Item
	}
	out := make([]Item, 0, len(cases))
	for _, c := range cases {
		if i, ok := byID[c.ID]; ok {
			i.Case = c
			out = append(out, i)
		}
	}
	return out, nil
}

// ByPatient returns a patient's referrals, the newest first, for the patient's
// page; those that the actor may not open come without diagnosis, and drafts
// of other institutions not at all.
func (s *Service) ByPatient(ctx context.Context, actor access.Actor, patientID string) ([]Item, error) {
	var out []Item
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		if _, err := s.Access.Patient(ctx, tx, actor, patientID, access.Look); err != nil {
			return err
		}
		all, err := flow.ByPatient(ctx, tx, patientID, 100)
		if err != nil {
			return err
		}
		var ids []string
		for _, c := range all {
			unsent := c.State == StateDraft || c.State == StateInReview || c.State == StateDiscarded
			if c.Kind == Kind && (!unsent || visible(c, actor) == nil) {
				ids = append(ids, c.ID)
			}
		}
		if out, err = items(ctx, tx, ids); err != nil {
			return err
		}
		for i := range out {
			if visible(out[i].Case, actor) != nil {
				out[i].Diagnosis = ""
			}
		}
		return nil
	})
	return out, err
}

// Load is how much of a department's daily capacity for referred patients is
// taken.
type Load struct{ Taken, Capacity int }

// DailyLoad returns the load of a department on a day: appointments that stand
// or were kept.
func DailyLoad(ctx context.Context, tx *db.Tx, department string, day calendar.Date) (Load, error) {
	d, err := organization.GetDepartment(ctx, tx, department)
	if err != nil {
		return Load{}, err
	}
	n, err := db.Count(ctx, tx, `
		SELECT count(*) FROM referral r JOIN flow_case c ON c.id = r.id
		WHERE r.department = $1 AND r.appointed_on = $2
		  AND (c.state IN ('arranged', 'arrived', 'in_care', 'completed') OR (c.state = 'closed' AND r.arrived_at IS NOT NULL))`,
		department, string(day))
	return Load{Taken: int(n), Capacity: d.DailyCapacity}, err
}

// Need is what a place is looked for.
type Need struct{ Patient, Diagnosis, Urgency string }

// Target is a place that takes the need.
type Target struct {
	organization.Candidate
	Today, Tomorrow Load
	Direction       Direction
	Problem         string // why it cannot be chosen now, with the clause
}

// Targets returns the places that take a patient's need, own alliance first,
// with today's and tomorrow's load of the department.
func (s *Service) Targets(ctx context.Context, actor access.Actor, need Need) ([]Target, error) {
	if err := access.Require(actor, access.ReferralCreate, access.Own); err != nil {
		return nil, err
	}
	var out []Target
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		p, err := s.Patients.Get(ctx, tx, need.Patient)
		if err != nil {
			return err
		}
		if _, err := s.Access.Patient(ctx, tx, actor, p.ID, access.Refer); err != nil {
			return err
		}
		today := calendar.DateOf(tx.Now)
		allies, err := alliance.Allies(ctx, tx, actor.Org, today)
		if err != nil {
			return err
		}
		if need.Urgency == "I" {
			need.Urgency = "II"
		}
		found, err := organization.FindServices(ctx, tx, organization.Need{
			Code: need.Diagnosis, Age: p.Age(today), Sex: p.Sex, Urgency: need.Urgency, From: actor.Org, Allies: allies,
		})
		if err != nil {
			return err
		}
		out, err = s.describe(ctx, tx, actor, found)
		return err
	})
	return out, err
}

// describe adds load and obstacles to the places found, and leaves out those
// below the referring institution.
func (s *Service) describe(ctx context.Context, tx *db.Tx, actor access.Actor, found []organization.Candidate) ([]Target, error) {
	from, err := organization.Get(ctx, tx, actor.Org)
	if err != nil {
		return nil, err
	}
	place, err := s.place(ctx, tx, actor)
	if err != nil {
		return nil, err
	}
	w := &work{s: s, tx: tx, c: flow.Case{Place: place}}
	day := calendar.DateOf(tx.Now)
	var out []Target
	for _, c := range found {
		if tier(c.Org.Kind) < tier(from.Kind) {
			continue
		}
		t := Target{Candidate: c, Direction: directionOf(from.Kind, c.Org.Kind, c.Ally)}
		if err := w.published(c.Org); err != nil {
			if !errs.Is(err, errs.Invalid) {
				return nil, err
			}
			t.Problem = err.Error()
		}
		if t.Today, err = DailyLoad(ctx, tx, c.Department.ID, day); err != nil {
			return nil, err
		}
		if t.Tomorrow, err = DailyLoad(ctx, tx, c.Department.ID, day.AddDays(1)); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// FindArrival finds the arranged cases of the actor's institution by arrival
// code, referral number or identity card number, for the registration desk.
func (s *Service) FindArrival(ctx context.Context, actor access.Actor, text string) ([]Item, error) {
	if err := access.Require(actor, access.ReferralArrive, access.Own); err != nil {
		return nil, err
	}
	text = strings.ToUpper(strings.TrimSpace(text))
	if text == "" {
		return nil, fieldErr("text", "请输入 6 位到诊码、转诊单编号或身份证号码")
	}
	var out []Item
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		holder := ""
		if len(text) == 18 || len(text) == 15 {
			id, err := s.Patients.Identify(ctx, tx, text)
			if err != nil && !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.Invalid) {
				return err
			}
			holder = id
		}
		ids, err := db.List(ctx, tx, db.Value[string], `
			SELECT c.id FROM flow_case c JOIN referral r ON r.id = c.id
			WHERE c.to_org = $1 AND c.state = 'arranged'
			  AND (r.code = $2 OR c.number = $2 OR (CAST($3 AS TEXT) <> '' AND c.patient IN (SELECT CAST($3 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $3)))
			ORDER BY r.appointed_at, c.id LIMIT 20`, actor.Org, text, holder)
		if err != nil {
			return err
		}
		out, err = items(ctx, tx, ids)
		return err
	})
	if err == nil && len(out) == 0 {
		return nil, errs.E(errs.NotFound, "没有找到待到诊的转诊单。请核对到诊码或身份证号码；没有转诊单的患者请按普通就诊办理")
	}
	return out, err
}

// Options are the coded lists of the forms, as the policy has them today at
// the actor's institution.
type Options struct {
	Emergencies                                 []policy.Code // why a patient is sent off at once
	Purposes, Indications, Transports, Outcomes []policy.Code
	Reasons                                     map[string][]policy.Code // by action
}

// Options reads the lists.
func (s *Service) Options(ctx context.Context, actor access.Actor) (Options, error) {
	out := Options{Reasons: map[string][]policy.Code{}}
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		place, err := s.place(ctx, tx, actor)
		if err != nil {
			return err
		}
		for _, x := range []struct {
			key  string
			into *[]policy.Code
		}{{keyPurposes, &out.Purposes}, {keyIndications, &out.Indications}, {keyTransports, &out.Transports}, {keyOutcomes, &out.Outcomes}, {keyEmergencies, &out.Emergencies}} {
			if *x.into, err = s.Flow.Codes(x.key, place, tx.Now); err != nil {
				return err
			}
		}
		for _, a := range Machine().Actions {
			if a.Reasons == "" || !Usable(a.Name) {
				continue
			}
			if out.Reasons[a.Name], err = s.Flow.Codes(a.Reasons, place, tx.Now); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}
