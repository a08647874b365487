package filing

import (
	"time"

	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/charter"
	"yilian/internal/flow"
	"yilian/internal/governance"
)

// Track is what a filing is about.
type Track string

// The tracks.
const (
	Formation Track = "formation"
	Major     Track = "change"
	End       Track = "end"
)

// Literal is what a filing of a major change means (X8): the document says that
// the filing is cancelled although the alliance goes on; other places file the
// change.
const (
	LiteralChange = "change"
	LiteralCancel = "cancel"
)

// Standing of a filing.
const (
	open       = "open"
	Filed      = "filed"
	Superseded = "superseded"
	Cancelled  = "cancelled"
)

// Filing is one filing.
type Filing struct {
	ID         string
	Alliance   string
	Track      Track
	Literal    string
	EventOn    calendar.Date
	Charter    string
	SentAt     time.Time
	Round      int
	Levels     []string // authorities, from the one that the lead belongs to
	Note       string
	Supersedes string
	State      string
	FiledAt    time.Time
	Clause     string
}

// Title is what the paper is called.
func (f Filing) Title() string {
	switch {
	case f.Track == Formation:
		return "医联体组建备案"
	case f.Track == End:
		return "医联体终止取消备案"
	case f.Literal == LiteralCancel:
		return "医联体重大变化取消备案"
	}
	return "医联体变更备案"
}

// Standing is the filing's state in words.
func (f Filing) Standing() string {
	switch f.State {
	case Filed:
		if f.Track == End || f.Track == Major && f.Literal == LiteralCancel {
			return "已取消备案"
		}
		return "有效"
	case Superseded:
		return "已由后一次备案接替"
	case Cancelled:
		return "已取消"
	}
	return "办理中"
}

// Stamp is what a level did with a filing.
type Stamp struct {
	ID      string
	Round   int
	Level   string
	Org     string
	OrgName string
	Name    string
	At      time.Time
	Number  string
	Passed  bool
	Field   string
	Reason  string
}

// Fields are the parts of a filing that may be wrong.
func Fields() []string {
	return []string{"章程", "成员单位名单", "治理机构", "制度文件", "其他"}
}

// Problem is why a filing cannot be sent yet.
type Problem struct{ Field, Text, Clause string }

// Light is the colour of a filing's clock.
type Light int

// The lights: amber from the policy's day on (D+3), red when it is over.
const (
	Green Light = iota
	Amber
	Red
)

// LightOf is the light of a case: amber once working days have passed since it
// began to run.
func LightOf(c flow.Case, eventOn calendar.Date, amber int, cal *calendar.Calendar, now time.Time) Light {
	if !c.Open() {
		return Green
	}
	if now.After(c.DueAt) {
		return Red
	}
	from := calendar.DateOf(c.EnteredAt)
	if c.State == StatePreparing {
		from = eventOn
	}
	if n, _ := cal.WorkingDaysBetween(from, calendar.DateOf(now)); n >= amber {
		return Amber
	}
	return Green
}

// Full is a filing with everything its page and its paper show.
type Full struct {
	Filing
	Case      flow.Case
	Alliance  alliance.Alliance
	Changes   []alliance.Change
	Liable    []alliance.Liable // named by an order to dissolve
	Stamps    []Stamp
	Members   []alliance.Membership
	MembersOn calendar.Date
	Charter   charter.Charter
	HasText   bool // there is a charter
	Organs    []governance.Organ
	Rules     governance.Rules
	Names     map[string]string // of the authorities
	Problems  []Problem
	Light     Light
	Timeline  []flow.Event
	Actions   []flow.Action
}

// Ref names a case as the page showed it.
type Ref struct {
	ID      string
	Version int
	Once    string
}
