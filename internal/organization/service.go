package organization

import (
	"context"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// Service is the set of use cases: each method is one transaction.
type Service struct {
	DB  *db.DB
	Log *audit.Log
}

// Save enters a new institution (ID "") or changes one. System administrators
// may change everything; the head of an institution everything but what makes
// up its identity: name, kind, level, ownership, parent, numbers, closure.
func (s *Service) Save(ctx context.Context, actor access.Actor, o Organization) (Organization, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		o, err = s.save(ctx, tx, actor, o)
		return err
	})
	return o, err
}

// save is Save inside a caller's transaction.
func (s *Service) save(ctx context.Context, tx *db.Tx, actor access.Actor, o Organization) (Organization, error) {
	o = tidy(o)
	action := "organization.create"
	if o.ID == "" {
		if err := access.Require(actor, access.OrganizationEdit, access.Any); err != nil {
			return o, err
		}
		if err := validate(ctx, tx, o); err != nil {
			return o, err
		}
		o.ID, o.Version = db.NewID(), 1
		if err := insertOrg(ctx, tx, o); err != nil {
			return o, err
		}
	} else {
		action = "organization.change"
		before, err := Get(ctx, tx, o.ID)
		if err != nil {
			return o, err
		}
		if err := mayEdit(actor, before); err != nil {
			return o, err
		}
		if !access.Allowed(access.Role(actor.Role), access.OrganizationEdit, access.Any) && actor.Role != audit.ProgramRole && !sameIdentity(before, o) {
			return o, errs.E(errs.Forbidden, "机构名称、类别、等级、所有制、所属机构、代码和停用由系统管理员维护；您可以修改简称、地址、行政区划和转诊电话")
		}
		if err := validate(ctx, tx, o); err != nil {
			return o, err
		}
		ok, err := updateOrg(ctx, tx, o)
		if err != nil {
			return o, err
		}
		if !ok {
			return o, stale("“" + before.Name + "”的资料")
		}
		o.Version++
	}
	return o, s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "organization", ObjectID: o.ID, Detail: o.Name})
}

// mayEdit lets a head edit his own institution and the village clinics that
// belong to it.
func mayEdit(actor access.Actor, o Organization) error {
	rel := access.Any
	if actor.Org != "" && (o.ID == actor.Org || o.Parent == actor.Org) {
		rel = access.Own
	}
	return access.Require(actor, access.OrganizationEdit, rel)
}

// MayEdit reports whether the actor may change the institution.
func MayEdit(actor access.Actor, o Organization) bool { return mayEdit(actor, o) == nil }

func sameIdentity(a, b Organization) bool {
	return a.Name == b.Name && a.Kind == b.Kind && a.Level == b.Level && a.Ownership == b.Ownership &&
		a.Parent == b.Parent && a.Active == b.Active && slices.Equal(a.Identifiers, b.Identifiers)
}

// tidy trims what was typed and sorts the numbers, so that an unchanged form
// compares equal.
func tidy(o Organization) Organization {
	o.Name, o.ShortName = strings.TrimSpace(o.Name), strings.TrimSpace(o.ShortName)
	o.Address, o.ReferralPhone = strings.TrimSpace(o.Address), strings.TrimSpace(o.ReferralPhone)
	ids := make([]Identifier, 0, len(o.Identifiers))
	for _, id := range o.Identifiers {
		if v := strings.ToUpper(strings.TrimSpace(id.Value)); v != "" {
			ids = append(ids, Identifier{id.System, v})
		}
	}
	slices.SortFunc(ids, func(a, b Identifier) int { return strings.Compare(a.System+a.Value, b.System+b.Value) })
	o.Identifiers = ids
	return o
}

// SaveDepartment enters a new department (ID "") or changes one. Closing it
// (Active false) takes its services out of the target search.
func (s *Service) SaveDepartment(ctx context.Context, actor access.Actor, d Department) (Department, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		d, err = s.saveDepartment(ctx, tx, actor, d)
		return err
	})
	return d, err
}

// saveDepartment is SaveDepartment inside a caller's transaction.
func (s *Service) saveDepartment(ctx context.Context, tx *db.Tx, actor access.Actor, d Department) (Department, error) {
	d.Name, d.Location, d.Phone = strings.TrimSpace(d.Name), strings.TrimSpace(d.Location), strings.TrimSpace(d.Phone)
	if d.ID != "" { // a department never moves to another institution
		before, err := GetDepartment(ctx, tx, d.ID)
		if err != nil {
			return d, err
		}
		d.Org = before.Org
	}
	org, err := Get(ctx, tx, d.Org)
	if err != nil {
		return d, err
	}
	if err := mayEdit(actor, org); err != nil {
		return d, err
	}
	siblings, err := AllDepartments(ctx, tx, d.Org)
	if err != nil {
		return d, err
	}
	if err := validateDepartment(d, siblings); err != nil {
		return d, err
	}
	action := "department.change"
	if d.ID == "" {
		action = "department.create"
		d.ID, d.Version, d.Active = db.NewID(), 1, true
		err = insertDepartment(ctx, tx, d)
	} else {
		var ok bool
		if ok, err = updateDepartment(ctx, tx, d); err == nil && !ok {
			err = stale("科室“" + d.Name + "”")
		}
		d.Version++
	}
	if err != nil {
		return d, err
	}
	return d, s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "department", ObjectID: d.ID, Detail: org.Name + " " + d.Name})
}

// SaveService enters a new service of a department (ID "") or changes one.
func (s *Service) SaveService(ctx context.Context, actor access.Actor, h HealthcareService) (HealthcareService, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		h, err = s.saveService(ctx, tx, actor, h)
		return err
	})
	return h, err
}

// saveService is SaveService inside a caller's transaction.
func (s *Service) saveService(ctx context.Context, tx *db.Tx, actor access.Actor, h HealthcareService) (HealthcareService, error) {
	h.Name = strings.TrimSpace(h.Name)
	if h.ID != "" {
		before, err := GetService(ctx, tx, h.ID)
		if err != nil {
			return h, err
		}
		h.Org = before.Org
	}
	org, err := Get(ctx, tx, h.Org)
	if err != nil {
		return h, err
	}
	if err := mayEdit(actor, org); err != nil {
		return h, err
	}
	department, err := GetDepartment(ctx, tx, h.Department)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return h, err
	}
	if err := validateService(h, department); err != nil {
		return h, err
	}
	action := "service.change"
	if h.ID == "" {
		action = "service.create"
		h.ID, h.Version, h.Active = db.NewID(), 1, true
		err = insertService(ctx, tx, h)
	} else {
		var ok bool
		if ok, err = updateService(ctx, tx, h); err == nil && !ok {
			err = stale("服务“" + h.Name + "”")
		}
		h.Version++
	}
	if err != nil {
		return h, err
	}
	return h, s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "service", ObjectID: h.ID, Detail: org.Name + " " + h.Name})
}
