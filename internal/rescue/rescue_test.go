package rescue_test

import (
	"context"
	"slices"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/policy/policytest"
	"yilian/internal/practitioner"
	"yilian/internal/region"
	"yilian/internal/rescue"
)

var ctx = context.Background()

// The lanes of the code and those of the policy are the same, in the same order
// and words, and their reasons are codes of the policy.
func TestLanesAreThoseOfThePolicy(t *testing.T) {
	book := policytest.Shipped(t)
	at := policy.Place{Regions: []string{"431102", "4311", "43", "CN"}}
	codes := func(key string) []policy.Code {
		a, err := book.Resolve(key, at, "2026-03-02")
		if err != nil {
			t.Fatal(err)
		}
		list, err := a.Codes()
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	lanes, reasons := codes("referral.lane"), codes("referral.reason.emergency")
	for i, l := range rescue.Lanes() {
		if i >= len(lanes) || lanes[i].Code != l.Code || lanes[i].Title != l.Title {
			t.Errorf("%s is not in the policy at its place: %+v", l.Code, lanes)
		}
		if !slices.ContainsFunc(reasons, func(c policy.Code) bool { return c.Code == l.Reason }) || len(l.Fields) < 5 {
			t.Errorf("%s: reason %s, %d fields", l.Code, l.Reason, len(l.Fields))
		}
	}
}

func TestCleanLosesNothing(t *testing.T) {
	l := rescue.Get(rescue.ChestPain)
	kept, unread := l.Clean(map[string]string{"onset": " 08:20 ", "ecg": "done", "ecg_at": "早上", "st_elevation": "maybe", "none": "x", "antiplatelet": ""})
	if len(kept) != 2 || kept["onset"] != "08:20" || !slices.Equal(unread, []string{"心电图时间 早上", "ST 段抬高 maybe"}) {
		t.Errorf("%v %v", kept, unread)
	}
	if got := l.Says(kept); !slices.Equal(got, []string{"发病时间 08:20", "心电图 已做"}) {
		t.Error(got)
	}
	newborn := rescue.Get(rescue.Newborn)
	if kept, unread := newborn.Clean(map[string]string{"weight": "-1", "weeks": "31.5"}); len(kept) != 1 || len(unread) != 1 || newborn.Says(kept)[0] != "胎龄 31.5 周" {
		t.Errorf("%v %v", kept, unread)
	}
	if rescue.Get("none").Code != rescue.General {
		t.Error("an unknown lane is an emergency all the same")
	}
}

func TestListsAndContacts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		log := audit.New(d, crypto.Ephemeral("intl"))
		s, staff := &rescue.Service{DB: d, Audit: log}, &practitioner.Service{DB: d, Log: log}
		var org organization.Organization
		var dept organization.Department
		err := d.Tx(ctx, func(tx *db.Tx) error {
			if err := region.Seed(ctx, tx); err != nil {
				return err
			}
			if err := organization.Seed(ctx, tx); err != nil {
				return err
			}
			var err error
			if org, err = organization.ByName(ctx, tx, "永州市第四人民医院"); err != nil {
				return err
			}
			all, err := organization.Departments(ctx, tx, org.ID)
			dept = all[0]
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		hire := func(name string) practitioner.Practitioner {
			p, err := staff.Save(ctx, audit.Program("test"), practitioner.Practitioner{
				Name: name, Sex: "1", Phone: "13900000001", Title: "医师", Category: practitioner.Clinician, Scope: "内科", EmployedBy: org.ID})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		one, duty := hire("甲"), hire("乙")
		now := d.Now()
		if _, err := staff.AddShift(ctx, audit.Program("test"), practitioner.Shift{Org: org.ID, Department: dept.ID, Duty: practitioner.OnCallDuty,
			Practitioner: duty.ID, From: now.Add(-1e9), To: now.Add(3600e9)}); err != nil {
			t.Fatal(err)
		}
		affairs := access.Actor{Account: "a", Name: "医务科", Role: string(access.MedicalAffairs), Org: org.ID}
		list := rescue.List{Org: org.ID, Lane: rescue.Stroke, Entries: []rescue.Entry{{Practitioner: one.ID, Phone: "13900000009"}, {Department: dept.ID}, {Role: access.Emergency}}}
		saved, err := s.Save(ctx, affairs, list)
		if err != nil || saved.Version != 1 {
			t.Fatal(saved, err)
		}
		refuse := func(want errs.Kind, actor access.Actor, change func(*rescue.List)) {
			t.Helper()
			l := saved
			l.Entries = slices.Clone(saved.Entries)
			change(&l)
			if _, err := s.Save(ctx, actor, l); !errs.Is(err, want) {
				t.Errorf("want %v: %v", want, err)
			}
		}
		other := affairs
		other.Org = "elsewhere"
		nurse := affairs
		nurse.Role = string(access.ReferralCenter)
		refuse(errs.Forbidden, other, func(*rescue.List) {})
		refuse(errs.Forbidden, nurse, func(*rescue.List) {})
		refuse(errs.Conflict, affairs, func(l *rescue.List) { l.Version = 0 })
		refuse(errs.Invalid, affairs, func(l *rescue.List) { l.Lane = "none" })
		refuse(errs.Invalid, affairs, func(l *rescue.List) { l.Entries[0].Practitioner = "none" })
		refuse(errs.Invalid, affairs, func(l *rescue.List) { l.Entries[1].Department = "none" })
		refuse(errs.Invalid, affairs, func(l *rescue.List) { l.Entries[2].Role = access.Resident })
		refuse(errs.Invalid, affairs, func(l *rescue.List) { l.Entries[2].Practitioner = one.ID })
		refuse(errs.Invalid, affairs, func(l *rescue.List) { l.Entries[0].Phone = "1" })
		names := func(lane string) (out []string) {
			err := d.View(ctx, func(tx *db.Tx) error {
				list, err := rescue.Contacts(ctx, tx, org.ID, lane, now)
				for _, c := range list {
					if c.Reachable() {
						out = append(out, c.Name)
					}
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		if got := names(rescue.Stroke); !slices.Equal(got, []string{"甲 医师", "乙 医师", "急诊", "总值班", "转诊中心"}) {
			t.Errorf("stroke: %v", got)
		}
		if got := names(rescue.Trauma); !slices.Equal(got, []string{"总值班", "急诊", "转诊中心"}) {
			t.Errorf("a lane without a list: %v", got)
		}
	})
}
