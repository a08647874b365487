// Package steering keeps the groups by which a health bureau carries a policy
// document out (LL-6): the leading group, its office, the joint conference.
// Which groups there are and what posts they have stands in the profile; the
// bureau records who holds the posts, and the meetings that were held.
package steering

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/policy"
)

// kinds are the bodies of a profile that belong to a bureau, not to an alliance.
var kinds = []string{"leading_group", "leading_group_office", "joint_conference"}

// participant is the post in a body whose posts the document does not name.
const participant = "成员"

// Post is one kind of seat: how many the document lists; Max 0 says that it
// names no number.
type Post struct {
	Title    string
	HeldBy   []string
	Min, Max int
}

// Posts returns the posts of a body; those of one title count together.
func Posts(b policy.Body) []Post {
	var out []Post
	for _, p := range b.Posts {
		i := slices.IndexFunc(out, func(o Post) bool { return o.Title == p.Title })
		if i < 0 {
			out, i = append(out, Post{Title: p.Title}), len(out)
		}
		out[i].Min += p.Min
		out[i].Max += p.Max
		if p.HeldBy != "" {
			out[i].HeldBy = append(out[i].HeldBy, p.HeldBy)
		}
	}
	if len(out) == 0 {
		return []Post{{Title: participant}}
	}
	return out
}

// Seat is one person in a group for a time.
type Seat struct {
	ID       string
	Group    string
	Post     string
	Name     string
	Position string // institution and post
	From     calendar.Date
	To       calendar.Date
	Basis    string
}

// Meeting is one meeting that was held.
type Meeting struct {
	ID      string
	Group   string
	Title   string
	HeldOn  calendar.Date
	Chair   string
	Present string
	Minutes string
	By      string
	At      time.Time
}

// Group is a body of a document with what its bureau recorded; ID is "" until
// the bureau recorded that it was set up.
type Group struct {
	policy.Body
	ID            string
	Org           string
	OrgName       string
	EstablishedOn calendar.Date
	Basis         string
	Seats         []Seat // on the day asked for
	Meetings      []Meeting
}

// Holders returns who holds a post.
func (g Group) Holders(post string) []Seat {
	return slices.DeleteFunc(slices.Clone(g.Seats), func(s Seat) bool { return s.Post != post })
}

// LastMeeting is the day of the newest meeting, "" when none was recorded.
// The document says 定期 and names no period, so nothing is ever overdue.
func (g Group) LastMeeting() calendar.Date {
	if len(g.Meetings) == 0 {
		return ""
	}
	return g.Meetings[0].HeldOn
}

// Gaps says which posts have fewer holders than the document lists.
func (g Group) Gaps() []string {
	if g.ID == "" {
		return []string{"还没有登记成立"}
	}
	var out []string
	for _, p := range Posts(g.Body) {
		if n := len(g.Holders(p.Title)); n < p.Min {
			out = append(out, fmt.Sprintf("%s登记 %d 名，文件列 %d 名（%s）", p.Title, n, p.Min, strings.Join(p.HeldBy, "；")))
		}
	}
	return out
}
