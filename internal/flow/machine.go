package flow

import (
	"fmt"
	"slices"

	"yilian/internal/access"
)

// State is one state of a machine.
type State struct {
	Name, Title string
	Turn        Side        // whose turn; Nobody makes it terminal
	Role        access.Role // whose turn inside the institution
	Personal    bool        // it is the turn of the person whom the case names on that side
	ByDept      bool        // it is the turn of the role in the department that the case names
	Clock       string      // policy key of the deadline; may end in .* for a variant by urgency or track
	Pauses      string      // the state whose clock stands still meanwhile
	Tone        string      // colour of the badge: blue, orange, green, red, gray
}

// Terminal reports whether nobody has to do anything any more.
func (s State) Terminal() bool { return s.Turn == Nobody }

// Action is one thing that somebody may do in some states.
type Action struct {
	Name, Title string
	From        []string     // states in which it is offered
	To          []string     // states it may lead to; the first is the usual one
	Side        Side         // whose staff may do it
	Right       access.Right // what the role must be allowed, as own institution
	Or          access.Right // another right that will do as well, for institutions without the usual post; may be empty
	Reasons     string       // policy key of the reason codes; empty: none asked
	Comment     bool         // free text is mandatory
	Promise     bool         // the new deadline is a time that the user names
	Dangerous   bool         // shown in red, asked twice
	Quiet       bool         // no notice to the new owner
	Tells       Side         // side that is told although it does not get the turn
	Stay        bool         // when it leaves the case in its state, owner and clock go on as they were
}

// Machine declares a kind of case. It is a Go table on purpose: the compiler,
// Declare and the tests check it.
type Machine struct {
	Kind, Title string
	Prefix      string // of the case number, two letters
	Start       string
	States      []State
	Actions     []Action
	Outcomes    string // policy key of the coded outcomes that a closed case must carry
	Strict      bool   // refuse a deadline past the last known calendar year (filings)
}

// State returns a state by name.
func (m *Machine) State(name string) (State, bool) {
	i := slices.IndexFunc(m.States, func(s State) bool { return s.Name == name })
	if i < 0 {
		return State{}, false
	}
	return m.States[i], true
}

// StateTitle is what a state is called in Chinese; the name itself when the
// machine has no such state.
func (m *Machine) StateTitle(name string) string {
	if s, ok := m.State(name); ok {
		return s.Title
	}
	return name
}

// Action returns an action by name.
func (m *Machine) Action(name string) (Action, bool) {
	i := slices.IndexFunc(m.Actions, func(a Action) bool { return a.Name == name })
	if i < 0 {
		return Action{}, false
	}
	return m.Actions[i], true
}

// The engine's own actions, the same for every kind of case.
const (
	actionOpen     = "open"
	ActionClaim    = "claim"   // take over what belongs to a role or a colleague
	actionOverdue  = "overdue" // the clock ran out
	actionReclock  = "reclock" // the calendar of a missing year was loaded
	ActionRecord   = "record"  // a note that moves nothing
	claimTitle     = "接手"
	escalationsMax = 3
)

// check refuses a machine that could strand a case.
func (m *Machine) check() error {
	if m.Kind == "" || m.Title == "" || m.Prefix == "" {
		return fmt.Errorf("machine %q: kind, title and prefix are required", m.Kind)
	}
	names := map[string]bool{}
	for _, s := range m.States {
		if names[s.Name] {
			return fmt.Errorf("machine %s: state %s twice", m.Kind, s.Name)
		}
		names[s.Name] = true
		if s.Title == "" {
			return fmt.Errorf("machine %s: state %s has no title", m.Kind, s.Name)
		}
		if !s.Terminal() && (s.Clock == "" || !s.Role.Valid()) {
			return fmt.Errorf("machine %s: open state %s needs a clock and a role", m.Kind, s.Name)
		}
	}
	if !names[m.Start] {
		return fmt.Errorf("machine %s: unknown start state %s", m.Kind, m.Start)
	}
	if err := m.checkActions(names); err != nil {
		return err
	}
	return m.checkExits()
}

func (m *Machine) checkActions(states map[string]bool) error {
	seen := map[string]bool{actionOpen: true, ActionClaim: true, actionOverdue: true, actionReclock: true, ActionRecord: true}
	for _, a := range m.Actions {
		if seen[a.Name] || a.Title == "" || a.Side == Nobody || a.Right == "" || len(a.To) == 0 {
			return fmt.Errorf("machine %s: action %s is a duplicate or lacks title, side, right or target", m.Kind, a.Name)
		}
		seen[a.Name] = true
		for _, s := range slices.Concat(a.From, a.To) {
			if !states[s] {
				return fmt.Errorf("machine %s: action %s names unknown state %s", m.Kind, a.Name, s)
			}
		}
	}
	return nil
}

// checkExits demands that every open state can reach a terminal one and that
// the side whose turn it is has something to do there.
func (m *Machine) checkExits() error {
	good := map[string]bool{}
	for _, s := range m.States {
		good[s.Name] = s.Terminal()
	}
	for range m.States {
		for _, a := range m.Actions {
			if slices.ContainsFunc(a.To, func(t string) bool { return good[t] }) {
				for _, f := range a.From {
					good[f] = true
				}
			}
		}
	}
	for _, s := range m.States {
		if !good[s.Name] {
			return fmt.Errorf("machine %s: no way out of state %s", m.Kind, s.Name)
		}
		if s.Terminal() {
			continue
		}
		act := slices.ContainsFunc(m.Actions, func(a Action) bool {
			return a.Side == s.Turn && slices.Contains(a.From, s.Name) && access.Allowed(s.Role, a.Right, access.Own)
		})
		if !act {
			return fmt.Errorf("machine %s: in state %s it is the turn of %s, who can do nothing", m.Kind, s.Name, s.Role)
		}
	}
	return nil
}
