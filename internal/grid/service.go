package grid

import (
	"context"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// Service is the set of use cases: each method is one transaction.
type Service struct {
	DB     *db.DB
	Log    *audit.Log
	Policy *policy.Book

	// OnAdopt runs in the transaction that puts a layout in force; may be nil.
	OnAdopt func(ctx context.Context, tx *db.Tx, actor access.Actor, l Layout) error
}

// MayEdit reports whether the actor plans the unit: a bureau in whose
// jurisdiction it lies.
func MayEdit(ctx context.Context, tx *db.Tx, actor access.Actor, unit string) bool {
	return access.May(actor, access.GridEdit, access.Region) && inScope(ctx, tx, actor, unit) == nil
}

// mayEdit is MayEdit as an error.
func mayEdit(ctx context.Context, tx *db.Tx, actor access.Actor, unit string) error {
	if err := access.Require(actor, access.GridEdit, access.Region); err != nil {
		return err
	}
	return inScope(ctx, tx, actor, unit)
}

// inScope refuses units outside the actor's jurisdiction.
func inScope(ctx context.Context, tx *db.Tx, actor access.Actor, unit string) error {
	if actor.Role == audit.ProgramRole {
		return nil
	}
	chain, err := region.Chain(ctx, tx, unit)
	if err != nil {
		return err
	}
	if len(actor.Regions) == 0 || !slices.Contains(chain, actor.Regions[0]) {
		return errs.E(errs.Forbidden, "这个规划单元不在您的辖区内")
	}
	return nil
}

// Edit is what a form says about a draft: its name, and for each division the
// cell it lies in.
type Edit struct {
	Name  string
	Cells []Cell // ID "" for a new one
}

// Begin makes a draft: empty, or a copy of another layout of the unit.
func (s *Service) Begin(ctx context.Context, actor access.Actor, unit, name, copyOf string) (Layout, error) {
	l := Layout{ID: db.NewID(), Unit: unit, Name: strings.TrimSpace(name), State: Draft, Origin: ByHand, CreatedBy: actor.Name}
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := mayEdit(ctx, tx, actor, unit); err != nil {
			return err
		}
		if _, err := Open(ctx, tx, unit); err != nil {
			return err
		}
		if copyOf != "" {
			from, err := Get(ctx, tx, copyOf)
			if err != nil {
				return err
			}
			if from.Unit != unit {
				return errs.E(errs.Invalid, "“%s”是另一个规划单元的布局，不能复制", from.Name)
			}
			l.Origin, l.BasedOn = ByCopy, from.ID
			for _, c := range from.Cells {
				c.ID = db.NewID()
				l.Cells = append(l.Cells, c)
			}
		}
		return s.insert(ctx, tx, actor, l)
	})
	return l, err
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, actor access.Actor, l Layout) error {
	if err := checkName(l.Name); err != nil {
		return err
	}
	if err := insertLayout(ctx, tx, l); err != nil {
		return err
	}
	return s.log(ctx, tx, actor, "grid.draft", l, l.Name)
}

func (s *Service) log(ctx context.Context, tx *db.Tx, actor access.Actor, action string, l Layout, detail string) error {
	return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "grid_layout", ObjectID: l.ID, Detail: detail})
}

func checkName(name string) error {
	var f errs.Form
	if n := len([]rune(name)); n == 0 || n > 60 {
		f.Add("name", "请填写布局的名称（不超过 60 个字）")
	}
	return f.Err()
}

// draft reads a layout that the actor may change.
func (s *Service) draft(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (Layout, error) {
	l, err := Get(ctx, tx, id)
	if err != nil {
		return l, err
	}
	if err := mayEdit(ctx, tx, actor, l.Unit); err != nil {
		return l, err
	}
	if l.State != Draft {
		return l, errs.E(errs.Conflict, "“%s”%s，不能再改；需要调整时请复制为新的草案", l.Name, l.State.Title())
	}
	return l, nil
}

// AddCell adds an empty cell to a draft, for a hospital of the unit's region.
func (s *Service) AddCell(ctx context.Context, actor access.Actor, id string, version int64, name, lead string) (Layout, error) {
	return s.change(ctx, actor, id, version, "grid.cell", func(tx *db.Tx, l *Layout) error {
		c := Cell{ID: db.NewID(), Name: strings.TrimSpace(name), Lead: lead}
		if err := s.answerable(ctx, tx, *l, &c); err != nil {
			return err
		}
		l.Cells = append(l.Cells, c)
		return nil
	})
}

// SetCell renames a cell and says which hospital is to answer for it.
func (s *Service) SetCell(ctx context.Context, actor access.Actor, id string, version int64, c Cell) (Layout, error) {
	return s.change(ctx, actor, id, version, "grid.cell", func(tx *db.Tx, l *Layout) error {
		i := slices.IndexFunc(l.Cells, func(x Cell) bool { return x.ID == c.ID })
		if i < 0 {
			return errs.E(errs.NotFound, "没有找到这个网格，可能刚被删除")
		}
		c.Areas, c.Name = l.Cells[i].Areas, strings.TrimSpace(c.Name)
		if err := s.answerable(ctx, tx, *l, &c); err != nil {
			return err
		}
		l.Cells[i] = c
		return nil
	})
}

// answerable checks a cell's name and lead, and finds the lead's tight alliance.
func (s *Service) answerable(ctx context.Context, tx *db.Tx, l Layout, c *Cell) error {
	var f errs.Form
	if n := len([]rune(c.Name)); n == 0 || n > 40 {
		f.Add("name", "请填写网格的名称（不超过 40 个字）")
	}
	for _, x := range l.Cells {
		if x.Name == c.Name && x.ID != c.ID {
			f.Add("name", "已有名为“%s”的网格", c.Name)
		}
	}
	org, err := organization.Get(ctx, tx, c.Lead)
	switch {
	case errs.Is(err, errs.NotFound) || err == nil && !org.Kind.Hospital():
		f.Add("lead", "请选择负责的牵头医院")
	case err != nil:
		return err
	}
	if err := f.Err(); err != nil {
		return err
	}
	c.Alliance, err = s.tightOf(ctx, tx, c.Lead, l.Unit, calendar.DateOf(tx.Now))
	return err
}

// tightOf is the tight alliance that a hospital leads on a day, "" for none.
func (s *Service) tightOf(ctx context.Context, tx *db.Tx, org, unit string, day calendar.Date) (string, error) {
	of, err := alliance.AlliancesOf(ctx, tx, org, day, tx.Now)
	if err != nil {
		return "", err
	}
	for _, m := range of {
		if m.Role != alliance.Lead {
			continue
		}
		a, err := alliance.Get(ctx, tx, m.Alliance)
		if err != nil {
			return "", err
		}
		if tight, _, err := s.tight(ctx, tx, unit, a.Kind, day); err != nil || tight {
			return a.ID, err
		}
	}
	return "", nil
}

// tight asks the documents whether alliances of a kind answer for an area.
func (s *Service) tight(ctx context.Context, tx *db.Tx, unit string, kind alliance.Kind, day calendar.Date) (bool, string, error) {
	chain, err := region.Chain(ctx, tx, unit)
	if err != nil {
		return false, "", err
	}
	a, err := s.Policy.Resolve("alliance.tight", policy.Place{Regions: chain, Kind: string(kind)}, day)
	return a.Value.Bool, a.Clause, err
}

// DropCell removes a cell of a draft; its divisions are in no cell afterwards.
func (s *Service) DropCell(ctx context.Context, actor access.Actor, id string, version int64, cell string) (Layout, error) {
	return s.change(ctx, actor, id, version, "grid.cell", func(_ *db.Tx, l *Layout) error {
		l.Cells = slices.DeleteFunc(l.Cells, func(c Cell) bool { return c.ID == cell })
		return nil
	})
}

// Assign puts divisions into a cell of a draft, and takes them out of the
// others; cell "" takes them out of all. A village that is put into another
// cell than its town splits the town: its other villages stay where it was.
func (s *Service) Assign(ctx context.Context, actor access.Actor, id string, version int64, codes []string, cell string) (Layout, error) {
	return s.change(ctx, actor, id, version, "grid.assign", func(tx *db.Tx, l *Layout) error {
		u, err := Open(ctx, tx, l.Unit)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(l.Cells, func(c Cell) bool { return c.ID == cell })
		if cell != "" && at < 0 {
			return errs.E(errs.NotFound, "没有找到这个网格，可能刚被删除")
		}
		for _, code := range codes {
			a, ok := u.Area(code)
			if !ok {
				return errs.E(errs.Invalid, "区划 %s 不属于%s", code, u.Name)
			}
			l.place(u, a, at)
		}
		return nil
	})
}

// place puts a division into the cell at an index, -1 for none.
func (l *Layout) place(u Unit, a Area, at int) {
	town := a.Code
	if a.Level == region.Village {
		town = a.Parent
	}
	for i := range l.Cells {
		c := &l.Cells[i]
		whole := slices.Contains(c.Areas, town)
		c.Areas = slices.DeleteFunc(c.Areas, func(code string) bool {
			v, ok := u.Area(code)
			return code == a.Code || ok && a.Level == region.Town && v.Parent == a.Code
		})
		if a.Level == region.Village && whole && i != at { // split the town
			c.Areas = slices.DeleteFunc(c.Areas, func(code string) bool { return code == town })
			for _, v := range u.Villages[town] {
				if v.Code != a.Code {
					c.Areas = append(c.Areas, v.Code)
				}
			}
		}
	}
	if at < 0 {
		return
	}
	c := &l.Cells[at]
	if a.Level == region.Village && slices.Contains(c.Areas, town) {
		return // its whole town is here already
	}
	c.Areas = append(c.Areas, a.Code)
	l.join(u, at, town)
}

// join writes a town whose villages all lie in one cell as the town.
func (l *Layout) join(u Unit, at int, town string) {
	c := &l.Cells[at]
	list := u.Villages[town]
	for _, v := range list {
		if !slices.Contains(c.Areas, v.Code) {
			slices.Sort(c.Areas)
			return
		}
	}
	if len(list) > 0 {
		c.Areas = slices.DeleteFunc(c.Areas, func(code string) bool {
			v, ok := u.Area(code)
			return ok && v.Parent == town
		})
		c.Areas = append(c.Areas, town)
	}
	slices.Sort(c.Areas)
}

// change applies one edit to a draft of a known version.
func (s *Service) change(ctx context.Context, actor access.Actor, id string, version int64, action string, edit func(*db.Tx, *Layout) error) (Layout, error) {
	var l Layout
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		if l, err = s.draft(ctx, tx, actor, id); err != nil {
			return err
		}
		if err := edit(tx, &l); err != nil {
			return err
		}
		if err := rewrite(ctx, tx, l, version, actor.Name); err != nil {
			return err
		}
		l.Version = version + 1
		return s.log(ctx, tx, actor, action, l, l.Name)
	})
	return l, err
}

// Drop gives a draft up.
func (s *Service) Drop(ctx context.Context, actor access.Actor, id string, version int64) error {
	_, err := s.change(ctx, actor, id, version, "grid.drop", func(_ *db.Tx, l *Layout) error {
		l.State = Dropped
		return nil
	})
	return err
}
