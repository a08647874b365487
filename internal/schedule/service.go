package schedule

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/jobs"
	"yilian/internal/organization"
	"yilian/internal/policy"
)

// Service holds the use cases. Hold, Book, Move, Release, Use and Discharge
// join the transaction of the case that books; the others are one transaction
// each. Set the fields, then call Init.
type Service struct {
	DB       *db.DB
	Policy   *policy.Book
	Calendar *calendar.Calendar
	Audit    *audit.Log
	Queue    *jobs.Queue
}

// Kinds of the periodic jobs.
const (
	extendJob = "schedule.extend"
	expireJob = "schedule.expire"
)

// Init registers what runs from time to time.
func (s *Service) Init() {
	s.Queue.Title(extendJob, "放出号源")
	s.Queue.Title(expireJob, "清理过期的暂留和未到诊预约")
	s.Queue.Every(extendJob, time.Hour, s.Extend)
	s.Queue.Every(expireJob, time.Minute, s.Expire)
}

// terms are the policy values of an institution.
type terms struct {
	horizon  int // days
	release  time.Duration
	hold     time.Duration
	missed   time.Duration
	bedDays  int
	bedKeep  int // days
	alliance int64
	contract int64
	opens    policy.Deadline // release as it is written
	reach    policy.Deadline // horizon as it is written
}

// terms reads the policy values that bind an institution today.
func (s *Service) terms(ctx context.Context, tx *db.Tx, org string) (t terms, err error) {
	regions, err := organization.Chain(ctx, tx, org)
	if err != nil {
		return t, err
	}
	at, today := policy.Place{Regions: regions}, calendar.DateOf(tx.Now)
	span := func(key string) (d policy.Deadline) {
		a, e := s.Policy.Resolve(key, at, today)
		if e == nil {
			d, e = a.Deadline()
		}
		if e != nil && err == nil {
			err = fmt.Errorf("resolve %s: %w", key, e)
		}
		return d
	}
	number := func(key string) (n int64) {
		a, e := s.Policy.Resolve(key, at, today)
		if e == nil {
			n, e = a.Int()
		}
		if e != nil && err == nil {
			err = fmt.Errorf("resolve %s: %w", key, e)
		}
		return n
	}
	t = terms{
		horizon: days(span("schedule.horizon")), release: length(span("schedule.release.hours")),
		hold: length(span("schedule.hold")), missed: length(span("schedule.missed")),
		bedDays: days(span("schedule.bed.days")), bedKeep: days(span("schedule.bed.keep")),
		alliance: number("schedule.share.alliance"), contract: number("schedule.share.contract"),
		opens: span("schedule.release.hours"), reach: span("schedule.horizon"),
	}
	return t, err
}

// length is a deadline as clock time; days are of 24 hours.
func length(d policy.Deadline) time.Duration {
	switch d.Unit {
	case policy.Minutes:
		return time.Duration(d.N) * time.Minute
	case policy.Hours:
		return time.Duration(d.N) * time.Hour
	}
	return time.Duration(d.N) * 24 * time.Hour
}

// days is a deadline in whole days, at least one.
func days(d policy.Deadline) int { return max(1, int(length(d)/(24*time.Hour))) }

// Suggested returns how many places of a session the policy suggests to keep
// for members and for contracted residents.
func (s *Service) Suggested(ctx context.Context, tx *db.Tx, org string, places int) (alliance, contract int, err error) {
	t, err := s.terms(ctx, tx, org)
	alliance = min(places, (places*int(t.alliance)+50)/100)
	contract = min(places-alliance, (places*int(t.contract)+50)/100)
	return alliance, contract, err
}

// Hints are the policy values that pages explain to people.
type Hints struct {
	Release            string // how long before its time a reserved place opens to all: 24 小时
	Horizon            string // how far ahead slots are laid out: 28 天
	Alliance, Contract int    // suggested shares, percent
}

// Hints returns the policy values of an institution in words.
func (s *Service) Hints(ctx context.Context, tx *db.Tx, org string) (Hints, error) {
	t, err := s.terms(ctx, tx, org)
	return Hints{Release: t.opens.Title(), Horizon: t.reach.Title(), Alliance: int(t.alliance), Contract: int(t.contract)}, err
}

// MayEdit reports whether the actor may change the sessions of a department: a
// head only those of his own.
func MayEdit(actor access.Actor, org, department string) error {
	rel := access.Any
	if actor.Org != "" && actor.Org == org {
		rel = access.Own
	}
	if err := access.Require(actor, access.ScheduleEdit, rel); err != nil {
		return err
	}
	if actor.Role == string(access.DepartmentHead) && actor.Department != "" && actor.Department != department {
		return errs.E(errs.Forbidden, "科主任只能维护本科室的出诊安排，其他科室请联系医务科或转诊中心")
	}
	return nil
}

// MayEditBeds reports whether the actor may change the beds of an institution.
func MayEditBeds(actor access.Actor, org string) error {
	rel := access.Any
	if actor.Org != "" && actor.Org == org {
		rel = access.Own
	}
	return access.Require(actor, access.BedEdit, rel)
}

func signature(a access.Actor) string {
	if a.Name != "" {
		return a.Name
	}
	return a.Account
}

func stale(what string) error {
	return errs.E(errs.Conflict, "%s刚刚被别人改过，您看到的不是最新内容。请刷新页面，核对后再操作", what)
}
