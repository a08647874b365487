package projection

import (
	"context"

	"yilian/internal/alliance"
	"yilian/internal/db"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
	"yilian/internal/record"
)

func institution(ctx context.Context, tx *db.Tx, id string) ([]record.Projection, error) {
	o, err := organization.Get(ctx, tx, id)
	if err != nil {
		return none(err)
	}
	var numbers list
	for _, n := range o.Identifiers {
		numbers = append(numbers, identifier(OrgSystem+n.System, n.Value))
	}
	var alias list
	if o.ShortName != o.Name {
		alias = list{o.ShortName}
	}
	return made("", object{
		"resourceType": "Organization", "id": o.ID, "active": o.Active, "name": o.Name, "alias": alias, "identifier": numbers,
		"type":   list{concept(orgTypeSystem, string(o.Kind), o.Kind.Title())},
		"partOf": ref("Organization", o.Parent), "telecom": list{phone(o.ReferralPhone, "work")},
		"address": list{object{"text": o.Address, "country": "CN"}},
	})
}

func department(ctx context.Context, tx *db.Tx, id string) ([]record.Projection, error) {
	d, err := organization.GetDepartment(ctx, tx, id)
	if err != nil {
		return none(err)
	}
	return made("", object{
		"resourceType": "Location", "id": d.ID, "status": activity(d.Active), "mode": "instance", "name": d.Name, "description": d.Location,
		"type":    list{concept("urn:yilian:specialty", d.Specialty, organization.SpecialtyName(d.Specialty))},
		"telecom": list{phone(d.Phone, "work")}, "managingOrganization": ref("Organization", d.Org),
	})
}

func activity(active bool) string {
	if active {
		return "active"
	}
	return "inactive"
}

func service(ctx context.Context, tx *db.Tx, id string) ([]record.Projection, error) {
	h, err := organization.GetService(ctx, tx, id)
	if err != nil {
		return none(err)
	}
	return made("", object{
		"resourceType": "HealthcareService", "id": h.ID, "active": h.Active, "name": h.Name,
		"providedBy": ref("Organization", h.Org), "location": list{ref("Location", h.Department)},
		"type":      list{concept("urn:yilian:service-kind", string(h.Kind), h.Kind.Title())},
		"specialty": list{concept("urn:yilian:specialty", h.Specialty, organization.SpecialtyName(h.Specialty))},
	})
}

// allianceOf is an alliance as an organization of organizations; its members
// are affiliations.
func allianceOf(ctx context.Context, tx *db.Tx, id string) ([]record.Projection, error) {
	a, err := alliance.Get(ctx, tx, id)
	if err != nil {
		return none(err)
	}
	return made("", object{
		"resourceType": "Organization", "id": a.ID, "active": true, "name": a.Name,
		"type": list{concept(orgTypeSystem, string(a.Kind), a.Kind.Title())},
	})
}

func membership(ctx context.Context, tx *db.Tx, id string) ([]record.Projection, error) {
	m, err := alliance.GetMembership(ctx, tx, id)
	if err != nil {
		return none(err)
	}
	return made("", object{
		"resourceType": "OrganizationAffiliation", "id": m.ID,
		"active":       m.KnownTo.IsZero(), // false: corrected by a later entry
		"organization": ref("Organization", m.Alliance), "participatingOrganization": shown("Organization", m.Org, m.OrgName),
		"period": period(m.ValidFrom, m.ValidTo), "code": list{concept("urn:yilian:alliance-role", string(m.Role), m.Role.Title())},
	})
}

// person is somebody of the staff, with a role for each posting.
func person(ctx context.Context, tx *db.Tx, id string) ([]record.Projection, error) {
	p, err := practitioner.Get(ctx, tx, id)
	if err != nil {
		return none(err)
	}
	all := []object{{
		"resourceType": "Practitioner", "id": p.ID, "active": p.Active, "name": list{object{"text": p.Name}}, "gender": gender(p.Sex),
		"telecom":       list{phone(p.Phone, "work")},
		"qualification": list{object{"code": concept("urn:yilian:practitioner-category", string(p.Category), p.Category.Title())}},
	}}
	for _, w := range p.Postings {
		all = append(all, object{
			"resourceType": "PractitionerRole", "id": w.ID, "active": p.Active, "period": period(w.From, w.To),
			"practitioner": shown("Practitioner", p.ID, p.Name), "organization": ref("Organization", w.Org),
			"location": list{ref("Location", w.Department)},
			"code":     list{concept("urn:yilian:posting-kind", string(w.Kind), w.Kind.Title()), title(p.Title), head(w)},
		})
	}
	return made("", all...)
}

func title(text string) object {
	if text == "" || text == "无" {
		return nil
	}
	return object{"text": text}
}

func head(w practitioner.Posting) object {
	if !w.Head {
		return nil
	}
	return concept("urn:yilian:posting-kind", "head", "负责人")
}
