// Package library keeps the versions of the policy profiles: what is shipped,
// what stands in the folder of the configuration, and what an administrator
// loads while the program runs. It says beforehand what a new version would
// change, records who put it in force and when, and keeps every version that
// a decision was ever made under.
package library

import (
	"cmp"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/flow"
	"yilian/internal/policy"
)

// Origin says where the text of a version came from.
type Origin string

// The origins.
const (
	Shipped  Origin = "shipped"  // part of the program
	Folder   Origin = "folder"   // folder of the configuration
	Uploaded Origin = "uploaded" // loaded by an administrator
)

// Title returns the Chinese name of the origin.
func (o Origin) Title() string {
	switch o {
	case Shipped:
		return "随程序提供"
	case Folder:
		return "配置文件夹"
	}
	return "管理员上传"
}

// Version is one content of a profile.
type Version struct {
	Profile string
	Version string // digest of the content
	Title   string
	Clauses int64
	Files   policy.Files
	Origin  Origin
	At      time.Time // first seen
	Name    string    // who brought it
}

// Action is what happened to a profile.
type Action string

// The actions.
const (
	Loaded    Action = "loaded"    // found at a start
	Activated Action = "activated" // put in force by an administrator
	Withdrawn Action = "withdrawn" // taken back; what was shipped counts again
)

// Title returns the Chinese name of the action.
func (a Action) Title() string {
	switch a {
	case Loaded:
		return "启动时载入"
	case Activated:
		return "启用"
	}
	return "撤回"
}

// Activation is one line of the record of what was in force.
type Activation struct {
	ID      string
	Profile string
	Version string
	Action  Action
	At      time.Time
	Account string
	Name    string
	Reason  string
}

// Trial says what a package would change before anything is changed.
type Trial struct {
	Profile policy.Profile
	Before  policy.Profile // what is in force now; zero when the profile is new
	Day     calendar.Date  // the day that was asked for
	Changes []policy.Change
	Clocks  []Clock
	Same    bool // the content is what is in force already
}

// Clock is a deadline that new cases would get, and the open cases that keep
// the one they have.
type Clock struct {
	flow.Clock
	After string // what new cases would get; empty: no document would set one
	By    string // clause of After
}

// Trying compares the book in force with one that holds the package. A profile
// whose first day is still to come is asked for that day.
func Trying(before, after *policy.Book, id string, today calendar.Date) Trial {
	p, _ := after.Profile(id)
	t := Trial{Profile: p, Day: max(today, p.ValidFrom)}
	if old, ok := before.Profile(id); ok {
		t.Before = old
		t.Same = old.Version == p.Version
	}
	t.Changes = policy.Compare(before, after, t.Day)
	return t
}

// clocks adds the deadlines of open cases that new cases would not get.
func (t *Trial) clocks(after *policy.Book, open []flow.Clock) {
	for _, c := range open {
		a, err := after.Resolve(c.Key, c.Place, t.Day)
		now := ""
		if err == nil {
			now = a.Value.Deadline.String()
		}
		if now != c.Rule {
			t.Clocks = append(t.Clocks, Clock{c, now, a.Clause})
		}
	}
}

// Split reads a package given as one text: parts begin with a line
// "=== facts.toml"; text before the first such line is profile.toml.
func Split(text string) policy.Files {
	files := policy.Files{}
	name := "profile.toml"
	var b strings.Builder
	put := func() {
		if strings.TrimSpace(b.String()) != "" {
			files[name] = b.String()
		}
		b.Reset()
	}
	for line := range strings.Lines(text) {
		if next, ok := strings.CutPrefix(strings.TrimSpace(line), "=== "); ok {
			put()
			name = next
			continue
		}
		b.WriteString(line)
	}
	put()
	return files
}

// Join writes files as one text that Split reads.
func Join(files policy.Files) string {
	var b strings.Builder
	b.WriteString(files["profile.toml"])
	for _, name := range sortedNames(files) {
		if name == "profile.toml" {
			continue
		}
		if s := b.String(); s != "" && !strings.HasSuffix(s, "\n") {
			b.WriteByte('\n')
		}
		b.WriteString("=== " + name + "\n" + files[name])
	}
	return b.String()
}

func byProfile(a, b Version) int { return cmp.Compare(a.Profile, b.Profile) }
