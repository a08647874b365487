package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/fhir/json"
	"yilian/internal/jobs"
)

// Of which sensitive class a resource is, is worked out when it is written
// (record_resource.class) and again by a job when the rules change, so that a
// reader without direct care is kept from it at the price of one column
// (ADR 0058). That everything about a child is sensitive follows from the day
// and is asked when such a reader comes.

// unclassed is the class of what no rule has looked at yet. It counts as
// sensitive.
const unclassed = "?"

// classer is the version of classOf: raised when it reads resources otherwise.
const classer = 1

// demographic are the types that say who somebody is and who is to be asked
// about him: no clinical content, also of a child.
var demographic = []string{"Patient", "Person", "RelatedPerson", "Group", "Coverage", "Consent", "Contract", "AuditEvent", "Provenance"}

// classOf is the sensitive class of what a resource says.
func classOf(rules *access.Sensitive, root json.Node) string {
	kind := root.Get("resourceType").Text()
	if rules == nil || kind == "Patient" || kind == "Person" || kind == "RelatedPerson" {
		return ""
	}
	var f access.Fact
	for s := range root.Get("meta").Get("security").Items() {
		f.Labels = append(f.Labels, s.Get("code").Text())
	}
	gather(root, &f)
	return rules.Class(f)
}

// telling are the members whose texts people wrote, or read.
var telling = map[string]bool{
	"display": true, "text": true, "title": true, "description": true, "conclusion": true, "comment": true, "valueString": true,
	"summary": true, "name": true, "div": true, "patientInstruction": true, "valueMarkdown": true, "content": true, "note": true,
}

// gather adds the codes and texts of a node and all below it.
func gather(n json.Node, f *access.Fact) {
	switch n.Kind() {
	case json.Array:
		for x := range n.Items() {
			gather(x, f)
		}
	case json.Object:
		system := n.Get("system").Text()
		if structural(system) {
			return
		}
		for name, x := range n.Fields() {
			switch {
			case name == "meta":
			case name == "code" && x.Kind() == json.String:
				if code := x.Text(); likeICD(code) {
					f.Codes = append(f.Codes, code)
				}
			case x.Kind() != json.String:
				gather(x, f)
			case telling[name]:
				f.Texts = append(f.Texts, x.Text())
			}
		}
	}
}

// structural reports whether a system holds codes of the standard itself, which
// name no disease: some begin like a diagnosis.
func structural(system string) bool {
	return strings.HasPrefix(system, "http://terminology.hl7.org/") && !strings.Contains(system, "icd") ||
		strings.HasPrefix(system, "http://hl7.org/fhir/") && !strings.HasPrefix(system, "http://hl7.org/fhir/sid/") ||
		system == "http://unitsofmeasure.org"
}

// likeICD reports whether a code has the shape of an ICD-10 category: a letter,
// a digit, a digit or letter.
func likeICD(code string) bool {
	if code = strings.TrimSpace(code); len(code) < 3 {
		return false
	}
	letter := func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	return letter(code[0]) && digit(code[1]) && (digit(code[2]) || letter(code[2]))
}

// held are the rules that new resources are classed by, as read a short while
// ago.
type held struct {
	rules *access.Sensitive
	day   calendar.Date
	at    time.Time
}

// heldFor is how long rules are taken to be those in force.
const heldFor = time.Minute

// rules are the classes in force; nil when the store has no policy.
func (s *Store) rules(now time.Time) (*access.Sensitive, error) {
	if s.Book == nil {
		return nil, nil
	}
	day := calendar.DateOf(now)
	if h := s.classes.Load(); h != nil && h.day == day && !now.Before(h.at) && now.Sub(h.at) < heldFor {
		return h.rules, nil
	}
	rules, err := access.SensitiveAnywhere(s.Book, day)
	if err != nil {
		return nil, fmt.Errorf("read sensitive classes: %w", err)
	}
	s.classes.Store(&held{&rules, day, now})
	return &rules, nil
}

// Reader is for whom something is looked up: whose records he sees, and of
// those that he sees without direct care not what is hidden by default, unless
// his institution has sent it. A nil Reader sees everything.
type Reader struct {
	Org    string
	Sights func(ctx context.Context, tx *db.Tx, patients []string) (map[string]access.Sight, error)
}

// For is the reader that an actor is.
func For(actor access.Actor) *Reader {
	return &Reader{actor.Org, func(ctx context.Context, tx *db.Tx, patients []string) (map[string]access.Sight, error) {
		return access.Sights(ctx, tx, actor, patients)
	}}
}

// own reports whether the institution has sent the resource itself.
func (r Resource) own(org string) bool { return org != "" && r.Source.Org == org }

// hiddenFrom reports whether what the resource says, or ever said, is of a
// class that an institution without direct care does not see.
func (r Resource) hiddenFrom(org string, ever bool) bool {
	class := r.class
	if ever && r.ever != "" {
		class = r.ever
	}
	return class != "" && !r.own(org)
}

// child reports whether the resource is hidden when its patient is a child.
func (r Resource) child(org string) bool { return !r.own(org) && !slices.Contains(demographic, r.Type) }

// Hidden reports whether a resource is hidden by default from an institution
// without direct care; versions asks about everything it ever said.
func (s *Store) Hidden(ctx context.Context, tx *db.Tx, r Resource, org string, versions bool) (bool, error) {
	if r.hiddenFrom(org, versions) {
		return true, nil
	}
	if r.Patient == "" || !r.child(org) {
		return false, nil
	}
	minors, err := s.minors(ctx, tx, []string{r.Patient})
	return minors[r.Patient], err
}

// minors are those of the patients about whom everything is sensitive today.
func (s *Store) minors(ctx context.Context, tx *db.Tx, patients []string) (map[string]bool, error) {
	rules, err := s.rules(tx.Now)
	if err != nil || rules == nil || s.BornAfter == nil || len(patients) == 0 {
		return nil, err
	}
	day := calendar.DateOf(tx.Now)
	birthday := fmt.Sprintf("%04d%s", day.Year()-rules.MinorAge(), string(day)[4:]) // of who comes of age today
	return s.BornAfter(ctx, tx, patients, calendar.Date(birthday))
}

// seen keeps the heads that the reader sees, in their order. ever says of which
// all versions count.
func (s *Store) seen(ctx context.Context, tx *db.Tx, r *Reader, heads []Resource, ever func(h *Resource) bool) ([]Resource, error) {
	if r == nil {
		return heads, nil
	}
	var patients []string
	known := map[string]bool{"": true}
	for i := range heads {
		if p := heads[i].Patient; !known[p] {
			known[p] = true
			patients = append(patients, p)
		}
	}
	var sights map[string]access.Sight
	var err error
	if len(patients) > 0 {
		if sights, err = r.Sights(ctx, tx, patients); err != nil {
			return nil, err
		}
	}
	minors, err := s.minors(ctx, tx, slices.DeleteFunc(patients, func(p string) bool { return sights[p] != access.SeesOpen }))
	if err != nil {
		return nil, err
	}
	kept := heads[:0:0]
	for i := range heads {
		h := &heads[i]
		sight := sights[h.Patient]
		hidden := sight == access.SeesOpen && (h.hiddenFrom(r.Org, ever != nil && ever(h)) || minors[h.Patient] && h.child(r.Org))
		if h.Patient == "" && h.shown(r.Org) || h.Patient != "" && sight > access.SeesNothing && !hidden {
			kept = append(kept, *h)
		}
	}
	return kept, nil
}

// The jobs that keep classes true: one looks whether the rules have changed,
// one classes what is kept anew.
const (
	ClassCheckJob = "record.class.check"
	ClassJob      = "record.class"
)

// classStep is how many resources one run classes.
const classStep = 100

type classArgs struct {
	Rules string
	After int64
}

// Class registers the jobs that class what is kept anew when the rules change.
func (s *Store) Class(q *jobs.Queue) {
	q.Every(ClassCheckJob, 10*time.Minute, func(ctx context.Context, tx *db.Tx) error { return s.checkClasses(ctx, tx, q) })
	jobs.Handle(q, ClassJob, func(ctx context.Context, tx *db.Tx, a classArgs) error { return s.classNext(ctx, tx, q, a) })
	q.Title(ClassCheckJob, "核对敏感信息分类规则是否变动")
	q.Title(ClassJob, "按现行规则重新识别敏感信息（分批）")
}

// freshRules reads the rules as they are now, and their name.
func (s *Store) freshRules(now time.Time) (*access.Sensitive, string, error) {
	s.classes.Store(nil)
	rules, err := s.rules(now)
	if err != nil || rules == nil {
		return nil, "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", classer, rules.Digest()))
	return rules, hex.EncodeToString(sum[:16]), nil
}

func (s *Store) checkClasses(ctx context.Context, tx *db.Tx, q *jobs.Queue) error {
	_, name, err := s.freshRules(tx.Now)
	if err != nil || name == "" {
		return err
	}
	was, err := db.List(ctx, tx, db.Value[string], `SELECT rules FROM record_class`)
	if err != nil {
		return fmt.Errorf("read rules of classes: %w", err)
	}
	if len(was) > 0 && was[0] == name {
		return nil
	}
	done := db.Time{}
	if len(was) == 0 { // a new installation has classed all it has
		old, err := db.List(ctx, tx, db.Value[int64], `SELECT n FROM record_resource WHERE class = '?' LIMIT 1`)
		if err != nil {
			return fmt.Errorf("look for resources without class: %w", err)
		}
		if len(old) == 0 {
			done = db.At(tx.Now)
		}
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO record_class (id, rules, after_n, done_at) VALUES (1, $1, 0, $2)
		ON CONFLICT (id) DO UPDATE SET rules = excluded.rules, after_n = 0, done_at = excluded.done_at`, name, done)
	if err != nil {
		return fmt.Errorf("note rules of classes: %w", err)
	}
	if !done.IsZero() {
		return nil
	}
	return q.Enqueue(ctx, tx, jobs.Job{Kind: ClassJob, Args: classArgs{Rules: name}})
}

// classNext classes the next resources and enqueues what is left.
func (s *Store) classNext(ctx context.Context, tx *db.Tx, q *jobs.Queue, a classArgs) error {
	rules, name, err := s.freshRules(tx.Now)
	if err != nil {
		return err
	}
	if name != a.Rules { // changed once more: the check begins anew
		return nil
	}
	heads, err := db.List(ctx, tx, readHead, `SELECT `+headColumns+` FROM record_resource r WHERE r.n > $1 ORDER BY r.n LIMIT $2`, a.After, classStep)
	if err != nil {
		return fmt.Errorf("list resources to class: %w", err)
	}
	for i := range heads {
		if err := s.classAnew(ctx, tx, rules, &heads[i]); err != nil {
			return err
		}
	}
	done := db.Time{}
	if len(heads) < classStep {
		done = db.At(tx.Now)
	} else {
		a.After = heads[len(heads)-1].n
	}
	n, err := tx.Exec(ctx, `UPDATE record_class SET after_n = $2, done_at = $3 WHERE rules = $1`, a.Rules, a.After, done)
	if err != nil {
		return fmt.Errorf("note progress of classes: %w", err)
	}
	if n == 0 || !done.IsZero() {
		return nil
	}
	return q.Enqueue(ctx, tx, jobs.Job{Kind: ClassJob, Args: a})
}

// classAnew classes all versions of one resource.
func (s *Store) classAnew(ctx context.Context, tx *db.Tx, rules *access.Sensitive, h *Resource) error {
	list, err := db.List(ctx, tx, readVersion, selectVersion+`WHERE v.n = $1 ORDER BY v.version`, h.n)
	if err != nil {
		return fmt.Errorf("read versions of %s: %w", h.Key, err)
	}
	class, ever := "", ""
	for _, v := range list {
		r, err := s.open(v)
		if err != nil && errs.Is(err, errs.Internal) {
			class, ever = unclassed, unclassed // nobody can read it either
			continue
		}
		if err != nil {
			return err
		}
		if r.Body == nil {
			continue
		}
		doc, err := json.Parse(r.Body)
		if err != nil {
			return fmt.Errorf("class %s: %w", h.Key, err)
		}
		class = classOf(rules, doc.Root())
		doc.Release()
		if class != "" {
			ever = class
		}
	}
	if class == h.class && ever == h.ever {
		return nil
	}
	if _, err := tx.Exec(ctx, `UPDATE record_resource SET class = $2, ever = $3 WHERE n = $1`, h.n, class, ever); err != nil {
		return fmt.Errorf("class %s: %w", h.Key, err)
	}
	return nil
}
