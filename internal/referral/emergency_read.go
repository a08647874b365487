package referral

import (
	"context"
	"fmt"
	"slices"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/rescue"
)

// Emergent is one line of the emergency board: nothing sealed stands on it.
type Emergent struct {
	Case     flow.Case
	Incoming bool // the actor's institution receives
	Lane     rescue.Lane
	Reason   string // title of the coded reason
	SentAt   time.Time
	NextAt   time.Time // when the next rung of the alarm is called; zero: no more
	Step     int
	AckAt    time.Time
	AckName  string
	AckHow   string
	Waited   time.Duration // from sending to the first confirmation
	Called   []Alert       // of the present round
	Mine     bool          // the actor is among those called
	MayAck   bool
}

// Board is the page of the emergencies of an institution.
type Board struct {
	Incoming, Outgoing []Emergent
	Now                time.Time
}

// openEmergencies are those on their way, and those that have just arrived and
// that nobody treats yet. Back-entries ring nothing and stand on no board.
const openEmergencies = `
	SELECT e.referral, e.lane, e.reason, e.sent_at, e.step, e.round, e.alerted_at, e.acknowledged_at, e.acknowledged_name, e.acknowledged_how, COALESCE(e.waited_ms, 0)
	FROM referral_emergency e JOIN flow_case c ON c.id = e.referral
	WHERE (c.to_org = $1 OR c.from_org = $1) AND c.closed_at IS NULL AND c.state IN ('transferring', 'arrived') AND NOT e.back_entry
	ORDER BY CASE WHEN e.acknowledged_at IS NULL THEN 0 ELSE 1 END, e.sent_at DESC, e.referral LIMIT 100`

// Emergencies returns the board.
func (s *Service) Emergencies(ctx context.Context, actor access.Actor) (Board, error) {
	if err := access.Require(actor, access.ReferralRead, access.Own); err != nil {
		return Board{}, err
	}
	var out Board
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		out.Now = tx.Now
		list, err := s.emergent(ctx, tx, actor)
		for _, e := range list {
			if e.Incoming {
				out.Incoming = append(out.Incoming, e)
			} else {
				out.Outgoing = append(out.Outgoing, e)
			}
		}
		return err
	})
	return out, err
}

// Alarm returns the emergencies that ring for the actor now: nobody has
// confirmed, and he, or his role, has been called. It reads no patient data.
func (s *Service) Alarm(ctx context.Context, actor access.Actor) ([]Emergent, error) {
	if !access.Allowed(access.Role(actor.Role), access.ReferralEmergency, access.Own) {
		return nil, nil
	}
	var out []Emergent
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		list, err := s.emergent(ctx, tx, actor)
		out = slices.DeleteFunc(list, func(e Emergent) bool {
			return !e.Mine || !e.AckAt.IsZero() || e.Case.State != StateTransferring
		})
		return err
	})
	return out, err
}

func (s *Service) emergent(ctx context.Context, tx *db.Tx, actor access.Actor) ([]Emergent, error) {
	type row struct {
		id, lane, reason string
		round            int
		alerted          time.Time
		Emergent
	}
	rows, err := db.List(ctx, tx, func(scan db.Scan) (r row, err error) {
		var sent, alerted, acked db.Time
		var waited int64
		err = scan(&r.id, &r.lane, &r.reason, &sent, &r.Step, &r.round, &alerted, &acked, &r.AckName, &r.AckHow, &waited)
		r.SentAt, r.alerted, r.AckAt, r.Waited = sent.Time, alerted.Time, acked.Time, time.Duration(waited)*time.Millisecond
		return r, err
	}, openEmergencies, actor.Org)
	if err != nil {
		return nil, err
	}
	var out []Emergent
	for _, r := range rows {
		e := r.Emergent
		if e.Case, err = flow.Get(ctx, tx, r.id); err != nil {
			return nil, err
		}
		e.Incoming, e.Lane = e.Case.To.Org == actor.Org, rescue.Get(r.lane)
		e.Reason = s.emergencyTitle(e.Case, r.reason)
		if e.Called, err = alerts(ctx, tx, r.id, r.round); err != nil {
			return nil, err
		}
		e.Mine = e.Incoming && slices.ContainsFunc(e.Called, func(a Alert) bool { return a.rings(actor) })
		if e.AckAt.IsZero() && e.Case.State == StateTransferring {
			e.NextAt = s.nextRung(e.Case, e.Step, r.alerted)
			e.MayAck = e.Incoming && access.Allowed(access.Role(actor.Role), access.ReferralEmergency, access.Own)
		}
		out = append(out, e)
	}
	return out, nil
}

func (a Alert) rings(actor access.Actor) bool {
	return a.Org == actor.Org && (a.Person != "" && (a.Person == actor.Person || a.Person == actor.Account) || a.Role != "" && string(a.Role) == actor.Role)
}

// nextRung is when more people are called.
func (s *Service) nextRung(c flow.Case, step int, alerted time.Time) time.Time {
	switch step {
	case stepFirst:
		return alerted.Add(s.wait(c, "referral.clock.transferring", time.Minute, alerted))
	case stepNext:
		// The rungs are counted from sending, whatever the second one's delay.
		return c.EnteredAt.Add(s.wait(c, "referral.clock.transferring.next", 3*time.Minute, alerted))
	}
	return time.Time{}
}

func (s *Service) emergencyTitle(c flow.Case, code string) string {
	list, err := s.Flow.Codes(keyEmergencies, c.Place, c.OpenedAt)
	if err != nil {
		return code
	}
	return codeTitle(list, code)
}

// Rescue is what the page of an emergency shows besides the referral.
type Rescue struct {
	Emergency
	Lane   rescue.Lane
	Reason string
	Alerts []Alert
	Calls  []Call
	Phones []rescue.Contact // whom the sender calls when nobody confirms
	Dial   bool             // everybody has been called: the telephone is left
	Task   flow.Case        // the consent that is owed; zero: none
}

// rescueOf fills in the emergency side of a case.
func (s *Service) rescueOf(ctx context.Context, tx *db.Tx, c flow.Case, e *Emergency) (*Rescue, error) {
	if e == nil {
		return nil, nil
	}
	out := &Rescue{Emergency: *e, Lane: rescue.Get(e.Lane), Reason: s.emergencyTitle(c, e.Reason)}
	out.Dial = c.State == StateTransferring && !e.Acknowledged() && e.Step >= stepEverybody
	var err error
	if out.Alerts, err = alerts(ctx, tx, c.ID, 0); err != nil {
		return nil, err
	}
	if out.Calls, err = calls(ctx, tx, c.ID); err != nil {
		return nil, err
	}
	if c.State == StateTransferring {
		if out.Phones, err = rescue.Contacts(ctx, tx, c.To.Org, e.Lane, tx.Now); err != nil {
			return nil, err
		}
		out.Phones = slices.DeleteFunc(out.Phones, func(x rescue.Contact) bool { return x.Phone == "" })
	}
	if e.ConsentCase != "" {
		out.Task, err = flow.Get(ctx, tx, e.ConsentCase)
	}
	return out, err
}

// Destination is a hospital that an emergency may be sent to.
type Destination struct {
	organization.Candidate
	Centre    bool // keeps a list of people for the lane
	Direction Direction
}

// Destinations returns the emergency services of other institutions: those
// with people for the lane first, then those whose service treats it, then the
// own alliance, then the higher tier. Nothing on the list is closed.
func (s *Service) Destinations(ctx context.Context, actor access.Actor, lane string) ([]Destination, error) {
	if err := access.Require(actor, access.ReferralRead, access.Own); err != nil {
		return nil, err
	}
	var out []Destination
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		out, err = destinations(ctx, tx, actor, rescue.Get(lane))
		return err
	})
	return out, err
}

func destinations(ctx context.Context, tx *db.Tx, actor access.Actor, lane rescue.Lane) ([]Destination, error) {
	from, err := organization.Get(ctx, tx, actor.Org)
	if err != nil {
		return nil, err
	}
	allies, err := alliance.Allies(ctx, tx, actor.Org, calendar.DateOf(tx.Now))
	if err != nil {
		return nil, err
	}
	centres, err := rescue.Centres(ctx, tx, lane.Code)
	if err != nil {
		return nil, err
	}
	need := organization.Need{Age: -1, From: actor.Org, Allies: allies, Kinds: []organization.ServiceKind{organization.Emergency}}
	all, err := organization.FindServices(ctx, tx, need)
	if err != nil {
		return nil, err
	}
	need.Code = lane.Probe
	treats := map[string]int{}
	if need.Code != "" {
		fit, err := organization.FindServices(ctx, tx, need)
		if err != nil {
			return nil, err
		}
		for _, c := range fit {
			treats[c.Service.ID] = c.Specificity
		}
	}
	var out []Destination
	for _, c := range all {
		if _, ok := treats[c.Service.ID]; need.Code != "" && !ok {
			continue // an obstetric emergency room takes no stroke
		}
		c.Specificity = treats[c.Service.ID]
		if need.Code == "" && !anything(c.Service) {
			c.Specificity = -1 // without a lane, the general emergency rooms first
		}
		out = append(out, Destination{Candidate: c, Centre: slices.Contains(centres, c.Org.ID), Direction: directionOf(from.Kind, c.Org.Kind, c.Ally)})
	}
	slices.SortStableFunc(out, nearer)
	return out, nil
}

func anything(h organization.HealthcareService) bool { return len(h.Treats) == 0 }

func nearer(a, b Destination) int {
	rank := func(d Destination) string {
		key := func(yes bool) int {
			if yes {
				return 0
			}
			return 1
		}
		return fmt.Sprintf("%d%02d%d%d", key(d.Centre), 50-d.Specificity, key(d.Ally), 9-tier(d.Org.Kind))
	}
	if x, y := rank(a), rank(b); x != y {
		if x < y {
			return -1
		}
		return 1
	}
	return 0
}

// EmergencyPatient is who the one-screen form is about: masked, and read
// through the door of access.
func (s *Service) EmergencyPatient(ctx context.Context, actor access.Actor, id string) (patient.Patient, error) {
	var out patient.Patient
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if _, err = s.Access.Patient(ctx, tx, actor, id, access.Refer); err != nil {
			return err
		}
		out, err = s.Patients.Get(ctx, tx, id)
		return err
	})
	return out, err
}

// LaneBasis says what the rescue lanes rest on where the actor works: the
// document's clause where one binds, else the product's default.
func (s *Service) LaneBasis(ctx context.Context, tx *db.Tx, actor access.Actor) (string, error) {
	place, err := s.place(ctx, tx, actor)
	if err != nil {
		return "", err
	}
	a, err := s.Book.Resolve("referral.lane", place, calendar.DateOf(tx.Now))
	if err != nil {
		return "", err
	}
	basis := policy.ClauseTitle(a.Clause)
	if list, err := a.Codes(); err == nil && basis != a.Clause && len(list) > 0 && list[0].Note != "" {
		basis += "，参照 " + list[0].Note // a default names the document that it follows
	}
	return basis, nil
}
