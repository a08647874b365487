package app

import (
	"context"
	"strings"

	"yilian/internal/alliance"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// reference writes what the installation's own document states: the divisions
// of its region, the institutions it names, their alliances and pairings.
// Lingling has a whole layout of institutions with departments besides.
func (a *App) reference(ctx context.Context, tx *db.Tx) error {
	p, err := a.serves(ctx, tx)
	if err != nil {
		return err
	}
	if err := region.Seed(ctx, tx, p.Jurisdiction); err != nil {
		return err
	}
	if p.Jurisdiction == region.Lingling {
		err = organization.Seed(ctx, tx)
	} else {
		err = organization.SeedNamed(ctx, tx, p)
	}
	if err != nil {
		return err
	}
	if err := alliance.Seed(ctx, tx, p); err != nil {
		return err
	}
	if a.Config.Name == "" {
		r, err := region.Get(ctx, tx, p.Jurisdiction)
		if err != nil {
			return err
		}
		a.Config.Name = r.Name
	}
	return nil
}

// servedRegion is the setting that keeps which profile's region a database was
// made for.
const servedRegion = "reference.region"

// serves is the profile of the installation. A database keeps the one it was
// made for: the institutions of two regions do not mix by a slip.
func (a *App) serves(ctx context.Context, tx *db.Tx) (policy.Profile, error) {
	p, ok := a.Book.Profile(a.Config.Region)
	if !ok || p.Jurisdiction == "" {
		var ids []string
		for _, p := range a.Book.Profiles() {
			if p.Jurisdiction != "" {
				ids = append(ids, p.ID)
			}
		}
		return p, errs.E(errs.Invalid, "没有名为 %s 的地区政策，可选：%s", a.Config.Region, strings.Join(ids, "、"))
	}
	made, err := db.List(ctx, tx, db.Value[string], `SELECT value FROM setting WHERE name = $1`, servedRegion)
	if err != nil {
		return p, err
	}
	if len(made) == 0 {
		institutions, err := db.Count(ctx, tx, `SELECT count(*) FROM organization`)
		if err != nil {
			return p, err
		}
		made = []string{p.ID}
		if institutions > 0 { // made before the region could be chosen
			made[0] = "lingling"
		}
		if _, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, servedRegion, made[0]); err != nil {
			return p, err
		}
	}
	if made[0] != p.ID {
		was, _ := a.Book.Profile(made[0])
		return p, errs.E(errs.Conflict, "这个数据库是为“%s”（%s）建立的，不能改为 %s：请改用原来的地区，或另用一个数据文件夹", was.Title, made[0], p.ID)
	}
	return p, nil
}
