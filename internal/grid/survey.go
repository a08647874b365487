package grid

import (
	"context"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// SetPeople enters the population of divisions of a unit for a year.
func (s *Service) SetPeople(ctx context.Context, actor access.Actor, unit string, list []People) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := mayEdit(ctx, tx, actor, unit); err != nil {
			return err
		}
		u, err := Open(ctx, tx, unit)
		if err != nil {
			return err
		}
		var f errs.Form
		for _, p := range list {
			a, ok := u.Area(p.Code)
			switch {
			case !ok:
				f.Add(p.Code, "区划 %s 不属于%s", p.Code, u.Name)
			case p.People < 0 || p.People > 5_000_000:
				f.Add(p.Code, "“%s”的人口应在 0 至 5000000 之间", a.Name)
			case p.Year < 1950 || p.Year > tx.Now.Year():
				f.Add("year", "年份 %d 不对", p.Year)
			case strings.TrimSpace(p.Source) == "":
				f.Add("source", "请写明数据来源，例如“2023 年公安户籍人口”")
			}
		}
		if err := f.Err(); err != nil {
			return err
		}
		for _, p := range list {
			p.Source = strings.TrimSpace(p.Source)
			if err := setPeople(ctx, tx, p, actor.Name); err != nil {
				return err
			}
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "grid.people", Object: "region", ObjectID: unit, Detail: u.Name})
	})
}

// SetPlaces puts towns on the tiles of the schematic map, by column and row.
func (s *Service) SetPlaces(ctx context.Context, actor access.Actor, unit string, at map[string]Point) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := mayEdit(ctx, tx, actor, unit); err != nil {
			return err
		}
		u, err := Open(ctx, tx, unit)
		if err != nil {
			return err
		}
		var f errs.Form
		seen := map[Point]string{}
		for _, t := range u.Towns {
			p, ok := at[t.Code]
			if !ok {
				f.Add(t.Code, "请填写“%s”的列和行", t.Name)
				continue
			}
			if p[0] < -50 || p[0] > 50 || p[1] < -50 || p[1] > 50 {
				f.Add(t.Code, "“%s”的列和行应在 -50 至 50 之间", t.Name)
			}
			if other, used := seen[p]; used {
				f.Add(t.Code, "“%s”与“%s”在同一格", t.Name, other)
			}
			seen[p] = t.Name
		}
		if err := f.Err(); err != nil {
			return err
		}
		for _, t := range u.Towns {
			p := at[t.Code]
			if err := setPlace(ctx, tx, unit, t.Code, p[0]*Step, p[1]*Step, nil, actor.Name); err != nil {
				return err
			}
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "grid.places", Object: "region", ObjectID: unit, Detail: u.Name})
	})
}

// Upload takes the boundaries of all towns of a unit from a GeoJSON file: it
// replaces the schematic map, and who borders on whom.
func (s *Service) Upload(ctx context.Context, actor access.Actor, unit string, file []byte) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := mayEdit(ctx, tx, actor, unit); err != nil {
			return err
		}
		u, err := Open(ctx, tx, unit)
		if err != nil {
			return err
		}
		shapes, borders, err := ReadShapes(u, file)
		if err != nil {
			return err
		}
		for _, t := range u.Towns {
			at := centre(shapes[t.Code])
			if err := setPlace(ctx, tx, unit, t.Code, at[0], at[1], shapes[t.Code], actor.Name); err != nil {
				return err
			}
		}
		if err := setBorders(ctx, tx, unit, borders); err != nil {
			return err
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "grid.upload", Object: "region", ObjectID: unit, Detail: u.Name})
	})
}
