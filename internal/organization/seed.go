package organization

import (
	"bytes"
	"context"
	"embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/region"
)

// seedFiles is the reference layout of Lingling: the institutions the LL
// document names, their departments as such hospitals have them. Telephone
// numbers, addresses and official numbers are invented.
//
//go:embed seed/*.csv
var seedFiles embed.FS

// Seed loads Lingling's institutions, departments and services, and a village
// clinic for about every second rural village, 120 in all. It needs
// region.Seed before it; what is already there is left as it is.
func Seed(ctx context.Context, tx *db.Tx) error {
	if err := seedInstitutions(ctx, tx); err != nil {
		return err
	}
	return seedVillageClinics(ctx, tx)
}

func seedInstitutions(ctx context.Context, tx *db.Tx) error {
	rows, err := seedRows("seed/organizations.csv")
	if err != nil {
		return err
	}
	for i, r := range rows {
		o := Organization{
			Name: r[0], ShortName: r[1], Kind: Kind(r[2]), Level: r[3], Ownership: Public,
			Region: r[4], ReferralPhone: r[5], Address: r[6], Active: true,
		}
		o.Identifiers = invented(o.Kind, region.Lingling, i)
		if err := seedOne(ctx, tx, o, o.Name); err != nil {
			return err
		}
	}
	return nil
}

// SeedAt enters institutions of another county with invented numbers, as Seed
// does for Lingling; what is there is left as it is. like names the institution
// of the reference layout whose departments each gets, by name; without one it
// has those of its kind.
func SeedAt(ctx context.Context, tx *db.Tx, county string, list []Organization, like map[string]string) error {
	for i, o := range list {
		if o.Kind != VillageClinic {
			o.Identifiers = invented(o.Kind, county, i)
		}
		if err := seedOne(ctx, tx, o, like[o.Name]); err != nil {
			return err
		}
	}
	return nil
}

// invented are well-formed official numbers.
func invented(kind Kind, county string, n int) []Identifier {
	out := []Identifier{{USCC, inventedUSCC(kind, county, n)}}
	if kind.Hospital() || kind.Primary() {
		out = append(out, Identifier{InsuranceOrg, fmt.Sprintf("H%s%05d", county, n)})
	}
	return out
}

// seedOne enters an institution with the departments of like unless one of that
// name exists.
func seedOne(ctx context.Context, tx *db.Tx, o Organization, like string) error {
	if _, err := ByName(ctx, tx, o.Name); err == nil || !errs.Is(err, errs.NotFound) {
		return err
	}
	if err := validate(ctx, tx, o); err != nil {
		return fmt.Errorf("seed %s: %w", o.Name, err)
	}
	o.ID = db.NewID()
	if err := insertOrg(ctx, tx, o); err != nil {
		return err
	}
	rows, err := seedRows("seed/departments.csv")
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r[0] != like && r[0] != "@"+string(o.Kind) {
			continue
		}
		if like != o.Name {
			r[4] = "" // another house has other telephones
		}
		if err := seedDepartment(ctx, tx, o, r); err != nil {
			return fmt.Errorf("seed %s %s: %w", o.Name, r[1], err)
		}
	}
	return nil
}

func seedDepartment(ctx context.Context, tx *db.Tx, o Organization, r []string) error {
	capacity, err := strconv.Atoi(r[5])
	if err != nil {
		return err
	}
	d := Department{
		ID: db.NewID(), Org: o.ID, Name: r[1], Specialty: r[2], Location: r[3], Phone: r[4],
		DailyCapacity: capacity, Active: true,
	}
	if d.Phone == "" {
		d.Phone = o.ReferralPhone
	}
	if err := validateDepartment(d, nil); err != nil {
		return err
	}
	if err := insertDepartment(ctx, tx, d); err != nil {
		return err
	}
	treats, err := ParseTreats(r[7])
	if err != nil {
		return err
	}
	minAge, err := strconv.Atoi(r[8])
	if err != nil {
		return err
	}
	maxAge, err := strconv.Atoi(r[9])
	if err != nil {
		return err
	}
	for _, kind := range strings.Fields(r[6]) {
		s := HealthcareService{
			ID: db.NewID(), Org: o.ID, Department: d.ID, Kind: ServiceKind(kind), Specialty: d.Specialty,
			Name: d.Name + ServiceKind(kind).Title(), Treats: treats, MinAge: minAge, MaxAge: maxAge, Sex: r[10], Active: true,
		}
		if err := validateService(s, d); err != nil {
			return err
		}
		if err := insertService(ctx, tx, s); err != nil {
			return err
		}
	}
	return nil
}

// seedVillageClinics gives 5 of every 11 villages of the ten rural towns a
// clinic under the town's centre: 120 of 264.
func seedVillageClinics(ctx context.Context, tx *db.Tx) error {
	centres, err := List(ctx, tx, Filter{Kind: TownshipCenter, Region: region.Lingling})
	if err != nil {
		return err
	}
	n := -1
	for _, centre := range centres {
		if len(centre.Region) != len("431102101") {
			continue // a centre entered by hand at another level
		}
		town, err := region.Get(ctx, tx, centre.Region)
		if err != nil {
			return err
		}
		villages, err := region.Children(ctx, tx, centre.Region)
		if err != nil {
			return err
		}
		for _, v := range villages {
			n++
			if i := n % 11; i%2 != 0 || i == 10 {
				continue
			}
			short := villageName(v.Name)
			if err := seedOne(ctx, tx, Organization{
				Name: town.Name + short + "卫生室", ShortName: short + "卫生室", Kind: VillageClinic, Level: Ungraded,
				Ownership: Public, Region: v.Code, Parent: centre.ID, ReferralPhone: centre.ReferralPhone,
				Address: "永州市零陵区" + town.Name + short, Active: true,
			}, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// villageName drops the committee from the official name: 老村里村委会 is the
// village 老村里村.
func villageName(name string) string {
	for _, suffix := range []string{"居民委员会", "村民委员会", "居委会", "委会"} {
		if s, ok := strings.CutSuffix(name, suffix); ok {
			return s
		}
	}
	return name
}

// inventedUSCC makes a well-formed code for the reference data: 11 for organs
// of state, 12 for public institutions, the region, a number, the check digit.
func inventedUSCC(kind Kind, county string, n int) string {
	class := "12"
	if kind == Bureau || kind == Insurer {
		class = "11"
	}
	body := fmt.Sprintf("%s%s%08dX", class, county, 90000+n)
	check, _ := usccCheck(body)
	return body + string(check)
}

func seedRows(name string) ([][]string, error) {
	raw, err := seedFiles.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("organization reference: %w", err)
	}
	r := csv.NewReader(bytes.NewReader(raw))
	if _, err := r.Read(); err != nil { // header
		return nil, fmt.Errorf("organization reference %s: %w", name, err)
	}
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("organization reference %s: %w", name, err)
	}
	return rows, nil
}
