package participation

import (
	"context"
	"slices"
	"strings"

	"yilian/internal/alliance"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// Of answers a question from the registers, as they are known now.
func Of(ctx context.Context, tx *db.Tx, book *policy.Book, q Question) (Result, error) {
	r := Result{Question: q}
	var err error
	if q.Scope.OfRegions() {
		r.Rows, err = regions(ctx, tx, q)
	} else {
		err = r.institutions(ctx, tx, book)
	}
	if err != nil {
		return r, err
	}
	slices.SortStableFunc(r.Rows, func(a, b Row) int {
		switch {
		case a.In() == b.In():
			return 0
		case b.In():
			return -1
		}
		return 1
	})
	r.judge(book)
	return r, nil
}

// institutions lists those that the rules count, with their alliances.
func (r *Result) institutions(ctx context.Context, tx *db.Tx, book *policy.Book) error {
	at := policy.Place{Regions: policy.Chain(r.Region)}
	kinds, err := book.Resolve("participation.kinds."+string(r.Scope), at, r.Day)
	if errs.Is(err, errs.NotFound) {
		return errs.E(errs.NotFound, "没有这一组机构的统计口径：%s", r.Scope.Title())
	}
	if err != nil {
		return err
	}
	r.Rule = kinds
	level, err := book.Resolve("participation.level."+string(r.Scope), at, r.Day)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	list, err := organization.List(ctx, tx, organization.Filter{Region: r.Region})
	if err != nil {
		return err
	}
	in, err := memberships(ctx, tx, r.Question)
	if err != nil {
		return err
	}
	names := make(map[string]string, len(list))
	for _, o := range list {
		names[o.ID] = o.Name
	}
	for _, o := range list {
		if _, counted := kinds.Code(string(o.Kind)); !counted || o.Ownership != organization.Public || !strings.HasPrefix(o.Level, level.Value.Text) {
			continue
		}
		row := Row{Org: o, Alliances: in[o.ID]}
		if !row.In() && o.Parent != "" && len(in[o.Parent]) > 0 {
			row.Alliances, row.Through = in[o.Parent], names[o.Parent]
		}
		r.Rows = append(r.Rows, row)
	}
	return nil
}

// memberships returns the names of the alliances of every institution; who is
// only linked from outside is not in.
func memberships(ctx context.Context, tx *db.Tx, q Question) (map[string][]string, error) {
	names, list, err := alliances(ctx, tx)
	if err != nil {
		return nil, err
	}
	counts := map[string]bool{}
	for _, a := range list {
		counts[a.ID] = q.Scope != Network || a.Kind == alliance.TelemedicineNetwork
	}
	all, err := alliance.AllOn(ctx, tx, q.Day, tx.Now)
	if err != nil {
		return nil, err
	}
	in := map[string][]string{}
	for _, m := range all {
		if m.Role != alliance.Link && counts[m.Alliance] {
			in[m.Org] = append(in[m.Org], names[m.Alliance])
		}
	}
	return in, nil
}

func alliances(ctx context.Context, tx *db.Tx) (map[string]string, []alliance.Alliance, error) {
	list, err := alliance.List(ctx, tx)
	names := make(map[string]string, len(list))
	for _, a := range list {
		names[a.ID] = a.Name
	}
	return names, list, err
}

// regions lists the counties, or the cities, with the tight alliances that
// have a lead there on the day. Districts of cities are no counties: which of
// them are rural (涉农区) no register says.
func regions(ctx context.Context, tx *db.Tx, q Question) ([]Row, error) {
	level, kind := region.City, alliance.MedicalGroup
	if q.Scope == Counties {
		level, kind = region.County, alliance.CountyCommunity
	}
	places, err := region.AtLevel(ctx, tx, level, q.Region)
	if err != nil {
		return nil, err
	}
	_, list, err := alliances(ctx, tx)
	if err != nil {
		return nil, err
	}
	all, err := alliance.AllOn(ctx, tx, q.Day, tx.Now)
	if err != nil {
		return nil, err
	}
	led := map[string]bool{}
	for _, m := range all {
		led[m.Alliance] = led[m.Alliance] || m.Role == alliance.Lead
	}
	var rows []Row
	for _, p := range places {
		if q.Scope == Counties && !strings.HasSuffix(p.Name, "县") && !strings.HasSuffix(p.Name, "市") {
			continue
		}
		row := Row{Region: p}
		for _, a := range list {
			if a.Kind == kind && led[a.ID] && strings.HasPrefix(a.Region, p.Code) {
				row.Alliances = append(row.Alliances, a.Name)
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Specialty counts the specialty alliances that serve a region as a whole and
// have a lead on the day (JS-3b: the first 19 of the province).
func Specialty(ctx context.Context, tx *db.Tx, q Question) (policy.Figure, error) {
	_, list, err := alliances(ctx, tx)
	if err != nil {
		return policy.Figure{}, err
	}
	all, err := alliance.AllOn(ctx, tx, q.Day, tx.Now)
	if err != nil {
		return policy.Figure{}, err
	}
	var n int64
	for _, a := range list {
		led := slices.ContainsFunc(all, func(m alliance.Membership) bool { return m.Alliance == a.ID && m.Role == alliance.Lead })
		if a.Kind == alliance.SpecialtyAlliance && a.Region == q.Region && led {
			n++
		}
	}
	return policy.Figure{Value: float64(n), Num: n, AsOf: q.Day, Page: "/alliance"}, nil
}
