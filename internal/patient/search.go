package patient

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
)

// maxHits is how many persons a search shows; who does not see the right one
// types a letter more.
const maxHits = 20

// maxScan bounds the rows that are read to satisfy a second condition, so that
// a frequent name with a rare addition still answers in time.
const maxScan = 400

// Hit is one person found: masked identity, never a label, never clinical data.
type Hit struct {
	ID        string
	Name      string
	Sex       string
	BirthDate calendar.Date
	Age       int
	IDMasked  string
	Region    string // village code
	Place     string // town and village
	Near      bool   // of the actor's town
	Deceased  bool
}

// Result is what a search found.
type Result struct {
	Hits []Hit
	More bool // there are more than are shown
}

// Search finds persons by name, spelling, initials, identity number, phone or
// the last four of either; several words narrow each other (zgl 1965, 王 女).
// The actor's neighbours come first, then the order is by name.
func (s *Service) Search(ctx context.Context, actor access.Actor, text string) (Result, error) {
	if err := access.Require(actor, access.PatientSearch, access.Any); err != nil {
		return Result{}, err
	}
	var out Result
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		today := calendar.DateOf(tx.Now)
		town, err := actorTown(ctx, tx, actor)
		if err != nil {
			return err
		}
		ids, err := s.find(ctx, tx, text, town, today)
		if err != nil {
			return err
		}
		if out.More = len(ids) > maxHits; out.More {
			ids = ids[:maxHits]
		}
		out.Hits, err = s.hits(ctx, tx, ids, actor.Org, town, today)
		return err
	})
	return out, err
}

// find returns ids in the order of preference, up to one more than is shown.
func (s *Service) find(ctx context.Context, tx *db.Tx, text, town string, today calendar.Date) ([]string, error) {
	if paper := paperNumber(text); paper != "" {
		if id, err := s.byAnyPaper(ctx, tx, paper); err != nil || id != "" {
			return single(id), err
		}
	}
	q, err := parseQuery(text, today)
	switch {
	case err != nil:
		return nil, err
	case q.number != "":
		id, err := s.byPaper(ctx, tx, IDCard, q.number)
		return single(id), err
	case q.phone != "":
		query, args := db.Expand(`SELECT id, name, sex, region FROM patient WHERE phone_index IN ($list) LIMIT 400`,
			nil, s.Keys.Indexes(phoneDomain, q.phone))
		return narrowed(ctx, tx, q, town, query, args)
	case q.born != "":
		query, args := db.Expand(`SELECT id, name, sex, region FROM patient WHERE birth_date IN ($list) LIMIT 400`,
			nil, []string{string(q.born)})
		return narrowed(ctx, tx, q, town, query, args)
	case q.tail != "" && q.year == 0, q.tail != "" && q.han == "" && q.letters == "":
		return s.byTail(ctx, tx, q, town)
	case q.year != 0: // 1965 after a name: the birth year, or the last four
		byYear, err := s.byName(ctx, tx, q, town)
		if err != nil {
			return nil, err
		}
		byTail, err := s.byTail(ctx, tx, q, town)
		return unique(append(byYear, byTail...)), err
	}
	return s.byName(ctx, tx, q, town)
}

// candidate is a person that an index gave and that other words may refuse.
type candidate struct{ id, name, sex, region string }

func readCandidate(scan db.Scan) (c candidate, err error) {
	return c, scan(&c.id, &c.name, &c.sex, &c.region)
}

// byTail unites two single-index searches: with OR the planner would read the table.
func (s *Service) byTail(ctx context.Context, tx *db.Tx, q query, town string) ([]string, error) {
	query, args := db.Expand(`SELECT id, name, sex, region FROM patient WHERE id_tail IN ($list) LIMIT 400`,
		nil, s.Keys.Indexes(idTailDomain, q.tail))
	byID, err := narrowed(ctx, tx, q, town, query, args)
	if err != nil {
		return nil, err
	}
	query, args = db.Expand(`SELECT id, name, sex, region FROM patient WHERE phone_tail IN ($list) LIMIT 400`,
		nil, s.Keys.Indexes(phoneTailDomain, q.tail))
	byPhone, err := narrowed(ctx, tx, q, town, query, args)
	return unique(append(byID, byPhone...)), err
}

// narrowed lists candidates and keeps those that the other words allow, the
// actor's town first.
func narrowed(ctx context.Context, tx *db.Tx, q query, town, query string, args []any) ([]string, error) {
	found, err := db.List(ctx, tx, readCandidate, query, args...)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(c candidate) bool { return !q.allows(c) })
	slices.SortStableFunc(found, func(a, b candidate) int {
		return cmp.Compare(far(town, a.region), far(town, b.region))
	})
	return idsOf(found), nil
}

func far(town, region string) int {
	if town != "" && townOf(region) == town {
		return 0
	}
	return 1
}

// allows applies the words that did not drive the search.
func (q query) allows(c candidate) bool {
	if q.sex != "" && c.sex != q.sex {
		return false
	}
	if q.han == "" && q.letters == "" {
		return true
	}
	list := tokens(c.name)
	has := func(prefix string) bool {
		return prefix == "" || slices.ContainsFunc(list, func(t string) bool { return strings.HasPrefix(t, prefix) })
	}
	return has(q.han) && has(q.letters)
}

// byName scans the tokens that begin with the longer word: the actor's town
// first, then everywhere. Both scans stop at their limit; exact names come
// before longer ones because tokens are read in order.
func (s *Service) byName(ctx context.Context, tx *db.Tx, q query, town string) ([]string, error) {
	driver, limit := q.han, 3*(maxHits+1) // a person may stand there with several spellings
	if len([]rune(driver)) < 2 && len(q.letters) >= 2 || driver == "" {
		driver = q.letters
	}
	filtered := q.sex != "" || q.han != "" && q.letters != ""
	if filtered {
		limit = maxScan
	}
	var ids []string
	if town != "" {
		near, err := db.List(ctx, tx, db.Value[string], `
			SELECT patient_id FROM patient_token
			WHERE town = $1 AND token >= $2 AND token < $3 AND (CAST($4 AS BIGINT) = 0 OR born = $4)
			ORDER BY town, token, born, patient_id LIMIT $5`, town, driver, driver+"\U0010FFFF", q.year, limit)
		if err != nil {
			return nil, err
		}
		if ids, err = s.filter(ctx, tx, q, filtered, unique(near)); err != nil || len(ids) > maxHits {
			return ids, err
		}
	}
	all, err := anywhere(ctx, tx, q, driver, limit)
	if err != nil {
		return nil, err
	}
	all, err = s.filter(ctx, tx, q, filtered, unique(all))
	return unique(append(ids, all...)), err
}

// anywhere scans without a town. A surname of one character begins tens of
// thousands of tokens; with a birth year the index of birth dates is shorter.
func anywhere(ctx context.Context, tx *db.Tx, q query, driver string, limit int) ([]string, error) {
	if q.year != 0 && len([]rune(driver)) == 1 && driver == q.han {
		return db.List(ctx, tx, db.Value[string], `
			SELECT id FROM patient WHERE birth_date >= $1 AND birth_date < $2 AND name >= $3 AND name < $4
			ORDER BY birth_date, name LIMIT $5`,
			strconv.Itoa(q.year), strconv.Itoa(q.year+1), driver, driver+"\U0010FFFF", limit)
	}
	return db.List(ctx, tx, db.Value[string], `
		SELECT patient_id FROM patient_token
		WHERE token >= $1 AND token < $2 AND (CAST($3 AS BIGINT) = 0 OR born = $3)
		ORDER BY token, born, patient_id LIMIT $4`, driver, driver+"\U0010FFFF", q.year, limit)
}

// filter keeps the order of ids.
func (s *Service) filter(ctx context.Context, tx *db.Tx, q query, filtered bool, ids []string) ([]string, error) {
	if !filtered || len(ids) == 0 {
		return ids, nil
	}
	query, args := db.Expand(`SELECT id, name, sex, region FROM patient WHERE id IN ($list)`, nil, ids)
	found, err := db.List(ctx, tx, readCandidate, query, args...)
	if err != nil {
		return nil, err
	}
	keep := map[string]bool{}
	for _, c := range found {
		keep[c.id] = q.allows(c)
	}
	return slices.DeleteFunc(ids, func(id string) bool { return !keep[id] }), nil
}

func (s *Service) hits(ctx context.Context, tx *db.Tx, ids []string, org, town string, today calendar.Date) ([]Hit, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ids, err := faces(ctx, tx, ids, org)
	if err != nil {
		return nil, err
	}
	rows, err := listRows(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	codes := make([]string, 0, 2*len(rows))
	for _, r := range rows {
		codes = append(codes, r.Region, r.Town())
	}
	places, err := placeNames(ctx, tx, codes)
	if err != nil {
		return nil, err
	}
	hits := make([]Hit, 0, len(rows))
	for _, r := range rows {
		p, _, err := open(s.Keys, r)
		if err != nil {
			return nil, err
		}
		hits = append(hits, Hit{
			ID: p.ID, Name: p.Name, Sex: p.Sex, BirthDate: p.BirthDate, Age: p.Age(today), IDMasked: p.IDMasked,
			Region: p.Region, Place: places[p.Town()] + places[p.Region], Near: far(town, p.Region) == 0, Deceased: p.DeceasedOn != "",
		})
	}
	keys := map[string]string{}
	for _, h := range hits {
		keys[h.ID] = sortKey(h.Name) + string(h.BirthDate)
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(cmp.Compare(far(town, a.Region), far(town, b.Region)), cmp.Compare(keys[a.ID], keys[b.ID]))
	})
	return hits, nil
}

// placeNames returns the names of regions; a town and its village stand side by side.
func placeNames(ctx context.Context, tx *db.Tx, codes []string) (map[string]string, error) {
	slices.Sort(codes)
	query, args := db.Expand(`SELECT code, name FROM region WHERE code IN ($list)`, nil, slices.Compact(codes))
	type named struct{ code, name string }
	list, err := db.List(ctx, tx, func(scan db.Scan) (n named, err error) { return n, scan(&n.code, &n.name) }, query, args...)
	if err != nil {
		return nil, fmt.Errorf("place names: %w", err)
	}
	out := map[string]string{}
	for _, n := range list {
		out[n.code] = n.name
	}
	return out, nil
}

// actorTown is the town of the actor's institution, "" for county institutions
// and for the program.
func actorTown(ctx context.Context, tx *db.Tx, actor access.Actor) (string, error) {
	for _, code := range actor.Regions { // specific first
		if t := townOf(code); t != "" {
			return t, nil
		}
	}
	if actor.Org == "" {
		return "", nil
	}
	chain, err := organization.Chain(ctx, tx, actor.Org)
	if errs.Is(err, errs.NotFound) {
		return "", nil
	}
	for _, code := range chain {
		if len(code) == 9 {
			return code, nil
		}
	}
	return "", err
}

// paperNumber recognizes papers whose numbers hold letters (passports).
func paperNumber(text string) string {
	t := strings.ToUpper(narrow(strings.TrimSpace(text)))
	if len(t) < 6 || len(t) > 30 || t[0] < 'A' || t[0] > 'Z' || !digits(strings.TrimLeft(t, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
		return ""
	}
	return t
}

func (s *Service) byAnyPaper(ctx context.Context, tx *db.Tx, number string) (string, error) {
	var all []string
	for _, t := range IDTypes() {
		all = append(all, s.Keys.Indexes(idDomain, t.Code+":"+number)...)
	}
	return byIndexes(ctx, tx, all)
}

func single(id string) []string {
	if id == "" {
		return nil
	}
	return []string{id}
}

func idsOf(list []candidate) []string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = c.id
	}
	return out
}

// unique keeps the first of equal ids.
func unique(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}
