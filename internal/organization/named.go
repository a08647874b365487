package organization

import (
	"context"

	"yilian/internal/db"
	"yilian/internal/policy"
)

// SeedNamed enters the institutions that a policy document names, with invented
// official numbers; what is there is left as it is. It needs the divisions of
// the document's region.
func SeedNamed(ctx context.Context, tx *db.Tx, p policy.Profile) error {
	var list []Organization
	for _, i := range p.Facts().Institutions {
		kind, ok := named(i)
		if !ok {
			continue
		}
		o := Organization{Name: i.Name, Kind: kind, Level: i.Grade, Ownership: Public, Region: i.Region, Active: true}
		if o.Level == "" {
			o.Level = Ungraded // the document does not say
		}
		list = append(list, o)
	}
	return SeedAt(ctx, tx, (p.Jurisdiction + "0000")[:6], list, nil)
}

// named is the register's kind of an institution in a document.
func named(i policy.Institution) (Kind, bool) {
	if i.Kind == "general_hospital" {
		k, ok := map[string]Kind{"province": ProvinceHospital, "city": CityHospital, "county": CountyHospital}[i.Level]
		return k, ok
	}
	k, ok := map[string]Kind{
		"specialty_hospital": SpecialHospital, "maternal_child": MaternalHospital, "tcm_hospital": TCMHospital,
		"health_bureau": Bureau, "township_centre": TownshipCenter, "community_centre": CommunityCenter,
	}[i.Kind]
	return k, ok
}
