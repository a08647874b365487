package rescue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
)

// Service holds the use cases of the lists.
type Service struct {
	DB    *db.DB
	Audit *audit.Log
}

// alertable are the roles that a list may name.
var alertable = []access.Role{access.OnCall, access.Emergency, access.ReferralCenter}

// Roles returns the roles that a list may name.
func Roles() []access.Role { return slices.Clone(alertable) }

// Save replaces the list of a lane of the actor's institution. version is the
// one that the page was opened with.
func (s *Service) Save(ctx context.Context, actor access.Actor, l List) (List, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		rel := access.Any
		if actor.Org == l.Org && l.Org != "" {
			rel = access.Own
		}
		if err := access.Require(actor, access.OrganizationEdit, rel); err != nil {
			return err
		}
		if l.Lane != General && Get(l.Lane).Code != l.Lane {
			return errs.E(errs.Invalid, "没有“%s”这条救治通道，请从列表选择", l.Lane)
		}
		if err := check(ctx, tx, &l); err != nil {
			return err
		}
		l.ChangedAt, l.ChangedBy = tx.Now, actor.Name
		if err := store(ctx, tx, &l); err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "rescue.list", Object: "organization", ObjectID: l.Org,
			Outcome: audit.OK, Detail: fmt.Sprintf("%s 通道呼叫名单，%d 项", Get(l.Lane).Title, len(l.Entries))})
	})
	return l, err
}

const mostEntries = 20

func check(ctx context.Context, tx *db.Tx, l *List) error {
	var f errs.Form
	if len(l.Entries) > mostEntries {
		f.Add("entries", "呼叫名单最多 %d 项", mostEntries)
	}
	for i := range l.Entries {
		e := &l.Entries[i]
		e.Phone = strings.TrimSpace(e.Phone)
		f.AddErr("entries", organization.CheckPhone(e.Phone))
		switch {
		case e.Practitioner != "" && e.Department == "" && e.Role == "":
			if _, err := practitioner.Get(ctx, tx, e.Practitioner); errs.Is(err, errs.NotFound) {
				f.Add("entries", "第 %d 项的人员不存在，请重新选择", i+1)
			} else if err != nil {
				return err
			}
		case e.Department != "" && e.Practitioner == "" && e.Role == "":
			d, err := organization.GetDepartment(ctx, tx, e.Department)
			if errs.Is(err, errs.NotFound) || (err == nil && d.Org != l.Org) {
				f.Add("entries", "第 %d 项的科室不属于本院，请重新选择", i+1)
			} else if err != nil {
				return err
			}
		case e.Role != "" && e.Practitioner == "" && e.Department == "" && slices.Contains(alertable, e.Role):
		default:
			f.Add("entries", "第 %d 项请选择一位人员、一个科室的值班或一个岗位", i+1)
		}
	}
	return f.Err()
}

func store(ctx context.Context, tx *db.Tx, l *List) error {
	text, err := json.Marshal(l.Entries)
	if err != nil {
		return fmt.Errorf("write rescue list: %w", err)
	}
	n, err := tx.Exec(ctx, `
		INSERT INTO rescue_list (org, lane, version, entries, changed_at, changed_by) VALUES ($1, $2, 1, $4, $5, $6)
		ON CONFLICT (org, lane) DO UPDATE SET version = rescue_list.version + 1, entries = excluded.entries,
			changed_at = excluded.changed_at, changed_by = excluded.changed_by WHERE rescue_list.version = $3`,
		l.Org, l.Lane, l.Version, string(text), db.At(l.ChangedAt), l.ChangedBy)
	if err != nil {
		return fmt.Errorf("save rescue list: %w", err)
	}
	if n == 0 {
		return errs.E(errs.Conflict, "这份呼叫名单刚刚被别人改过，请刷新页面，核对后再保存")
	}
	l.Version++
	return nil
}

// Lists returns the lists of an institution by lane.
func Lists(ctx context.Context, tx *db.Tx, org string) (map[string]List, error) {
	found, err := db.List(ctx, tx, scanList, `
		SELECT org, lane, version, entries, changed_at, changed_by FROM rescue_list WHERE org = $1`, org)
	out := map[string]List{}
	for _, l := range found {
		out[l.Lane] = l
	}
	return out, err
}

// Centres returns the institutions that keep a list for a lane.
func Centres(ctx context.Context, tx *db.Tx, lane string) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT org FROM rescue_list WHERE lane = $1 AND entries <> '[]' AND entries <> 'null' ORDER BY org`, lane)
}

func scanList(scan db.Scan) (l List, err error) {
	var entries string
	var changed db.Time
	if err = scan(&l.Org, &l.Lane, &l.Version, &entries, &changed, &l.ChangedBy); err != nil {
		return l, err
	}
	l.ChangedAt = changed.Time
	if err := json.Unmarshal([]byte(entries), &l.Entries); err != nil {
		return l, fmt.Errorf("read rescue list %s %s: %w", l.Org, l.Lane, err)
	}
	return l, nil
}

// Contacts returns whom to call at an instant, in order: the lane's list, else
// the general one; then the on-call persons of the institution; then the roles
// that are always there. Each person and role stands once.
func Contacts(ctx context.Context, tx *db.Tx, org, lane string, now time.Time) ([]Contact, error) {
	lists, err := Lists(ctx, tx, org)
	if err != nil {
		return nil, err
	}
	entries := lists[lane].Entries
	if len(entries) == 0 {
		entries = lists[General].Entries
	}
	o, err := organization.Get(ctx, tx, org)
	if err != nil {
		return nil, err
	}
	var out []Contact
	for _, e := range entries {
		found, err := expand(ctx, tx, o, e, now)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	duty, err := onCall(ctx, tx, o, organization.Department{}, "", now)
	if err != nil {
		return nil, err
	}
	out = append(out, duty...)
	for _, r := range alertable {
		out = append(out, Contact{Role: r, Name: r.Title(), Phone: o.ReferralPhone})
	}
	return once(out), nil
}

func expand(ctx context.Context, tx *db.Tx, o organization.Organization, e Entry, now time.Time) ([]Contact, error) {
	switch {
	case e.Practitioner != "":
		p, err := practitioner.Get(ctx, tx, e.Practitioner)
		if errs.Is(err, errs.NotFound) || (err == nil && !p.Active) {
			return nil, nil // has left: the next one answers
		}
		return []Contact{{Person: p.ID, Name: p.Name + " " + p.Title, Phone: either(e.Phone, p.Phone)}}, err
	case e.Department != "":
		d, err := organization.GetDepartment(ctx, tx, e.Department)
		if errs.Is(err, errs.NotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		found, err := onCall(ctx, tx, o, d, e.Phone, now)
		return append(found, Contact{Name: d.Name + "值班电话", Phone: either(e.Phone, d.Phone), Department: d.Name}), err
	}
	return []Contact{{Role: e.Role, Name: e.Role.Title(), Phone: either(e.Phone, o.ReferralPhone)}}, nil
}

// onCall returns who is on call in a department, or in the institution.
func onCall(ctx context.Context, tx *db.Tx, o organization.Organization, d organization.Department, phone string, now time.Time) ([]Contact, error) {
	duty, err := practitioner.OnCall(ctx, tx, o.ID, d.ID, practitioner.OnCallDuty, now)
	var out []Contact
	for _, x := range duty {
		if d.ID == "" || x.Shift.Department == d.ID {
			out = append(out, Contact{Person: x.Person.ID, Name: x.Person.Name + " " + x.Person.Title, Phone: either(phone, x.Person.Phone), Department: d.Name})
		}
	}
	return out, err
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// once drops repetitions: a person who is on the list and on duty is called
// once, where he stands first.
func once(list []Contact) []Contact {
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(c Contact) bool {
		key := c.Person + "/" + string(c.Role)
		if !c.Reachable() {
			key = "phone/" + c.Phone
		}
		if !c.Reachable() && c.Phone == "" || seen[key] {
			return true
		}
		seen[key] = true
		return false
	})
}
