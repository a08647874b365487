package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
	tape "yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/jobs"
	"yilian/internal/record"
)

// Job is the kind of the job that exports, Sweep of the one that deletes what
// has expired.
const (
	Job   = "bulk.export"
	Sweep = "bulk.sweep"
)

// Service carries out exports. All fields are required.
type Service struct {
	DB       *db.DB
	Store    *record.Store
	Keys     *crypto.Keyring
	Accounts *account.Service
	Access   *access.Control
	Audit    *audit.Log
	Queue    *jobs.Queue
}

type jobArgs struct{ ID string }

// Init registers the jobs.
func (s *Service) Init() {
	jobs.HandleOutside(s.Queue, Job, func(ctx context.Context, a jobArgs) error { return s.run(ctx, a.ID) })
	s.Queue.Title(Job, "批量导出健康记录")
	s.Queue.Every(Sweep, time.Hour, s.sweep)
	s.Queue.Title(Sweep, "删除过期的批量导出")
}

// Start begins an export and returns it. A group's members are those of now.
func (s *Service) Start(ctx context.Context, actor access.Actor, q Request) (e Export, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		n, err := db.Count(ctx, tx, `SELECT count(*) FROM bulk_export WHERE client = $1 AND state = 'running'`, q.Client)
		if err != nil {
			return err
		}
		if n >= maxRunning {
			return ErrBusy
		}
		e = Export{ID: db.NewID(), Client: q.Client, Org: actor.Org, Scopes: q.Scopes, URL: q.URL, Level: q.Level, Types: q.Types,
			Since: q.Since, At: tx.Now, State: Running}
		if len(q.Patients) > 0 { // those named are its group
			e.Level = Group
		}
		if err := insert(ctx, tx, e); err != nil {
			return err
		}
		if e.Level == Group {
			if err := s.enter(ctx, tx, actor, e.ID, q); err != nil {
				return err
			}
		}
		detail := string(q.Level)
		if !q.Since.IsZero() {
			detail += "，自 " + record.FormatInstant(q.Since)
		}
		if err := s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "record.export", Object: "record", ObjectID: e.ID, Outcome: audit.OK, Detail: detail}); err != nil {
			return err
		}
		return s.Queue.Enqueue(ctx, tx, jobs.Job{Kind: Job, Args: jobArgs{e.ID}, Key: e.ID, RunAt: tx.Now.Add(settle)})
	})
	return e, err
}

// enter keeps whose records are exported: the members of a group whom the actor
// may see, or the persons named. Who is named and may not be seen, or is no
// member, is refused: the client would take his silence for an empty record.
func (s *Service) enter(ctx context.Context, tx *db.Tx, actor access.Actor, export string, q Request) error {
	var found map[string]bool
	if q.Level == Group {
		var err error
		if found, err = s.membersOf(ctx, tx, q.Group); err != nil {
			return err
		}
	}
	if len(q.Patients) > 0 {
		named := map[string]bool{}
		for _, id := range q.Patients {
			same, err := s.persons(ctx, tx, id)
			if err != nil {
				return err
			}
			may, err := access.Visible(ctx, tx, actor, same)
			if err != nil {
				return err
			}
			for _, p := range same {
				if found != nil && !found[p] {
					return errs.E(errs.Invalid, "参数 patient 中的 Patient/%s 不是这个组的成员", id)
				}
				if !may[p] {
					return errs.E(errs.Forbidden, "“%s”与 Patient/%s 没有签约、转诊或就诊关系，不能导出其资料", actor.OrgName, id)
				}
				named[p] = true
			}
		}
		found = named
	}
	var list []string
	for chunk := range slices.Chunk(keys(found), memberChunk) {
		may, err := access.Visible(ctx, tx, actor, chunk)
		if err != nil {
			return err
		}
		for _, p := range chunk {
			if may[p] {
				list = append(list, p)
			}
		}
	}
	return insertMembers(ctx, tx, export, list)
}

// membersOf are the patients of a group, under all their records.
func (s *Service) membersOf(ctx context.Context, tx *db.Tx, group string) (map[string]bool, error) {
	g, err := s.Store.Read(ctx, tx, record.Key{Type: "Group", ID: group})
	if err != nil {
		return nil, err
	}
	doc, err := tape.Parse(g.Body)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	found := map[string]bool{}
	for m := range doc.Root().Get("member").Items() {
		if m.Get("inactive").Bool() {
			continue
		}
		ref := search.ParseReference(m.Get("entity").Get("reference").Text())
		if ref.Type != "Patient" {
			continue
		}
		same, err := s.persons(ctx, tx, strings.Clone(ref.ID))
		if err != nil {
			return nil, err
		}
		for _, p := range same {
			found[p] = true
		}
	}
	return found, nil
}

// persons are the records of the person for whom a Patient instance stands.
func (s *Service) persons(ctx context.Context, tx *db.Tx, id string) ([]string, error) {
	h, err := s.Store.Head(ctx, tx, record.Key{Type: "Patient", ID: id})
	if err != nil && !errs.Is(err, errs.NotFound) {
		return nil, err
	}
	if err == nil && h.Patient != "" {
		id = h.Patient
	}
	return access.SamePerson(ctx, tx, id)
}

func keys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// Status returns an export of the client with its files, when it is done.
func (s *Service) Status(ctx context.Context, client, id string) (e Export, files []Part, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		if e, err = ofClient(ctx, tx, client, id); err != nil {
			return err
		}
		in, err := members(ctx, tx, id)
		if err != nil {
			return err
		}
		e.units = e.unitsOf(in)
		if e.State == Done {
			files, err = parts(ctx, tx, id)
		}
		return err
	})
	return e, files, err
}

// File returns one file of a finished export, and records that it was fetched.
func (s *Service) File(ctx context.Context, actor access.Actor, client, id string, no int64) (body []byte, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		e, err := ofClient(ctx, tx, client, id)
		if err != nil {
			return err
		}
		if e.State != Done {
			return errs.E(errs.NotFound, "导出还没有完成，现在没有文件")
		}
		box, err := db.Get(ctx, tx, "这个文件", db.Value[[]byte], `SELECT body FROM bulk_part WHERE export = $1 AND no = $2`, id, no)
		if err != nil {
			return err
		}
		if body, err = s.Keys.OpenBytes(box, sealContext(id, no)); err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "record.export.file", Object: "record", ObjectID: id, Outcome: audit.OK,
			Detail: fmt.Sprintf("第 %d 个文件", no)})
	})
	return body, err
}

func sealContext(export string, no int64) string { return fmt.Sprintf("bulk/%s/%d", export, no) }

// Cancel stops an export, or deletes the files of one that is done.
func (s *Service) Cancel(ctx context.Context, actor access.Actor, client, id string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if _, err := ofClient(ctx, tx, client, id); err != nil {
			return err
		}
		if err := empty(ctx, tx, id, Cancelled); err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "record.export.cancel", Object: "record", ObjectID: id, Outcome: audit.OK})
	})
}

func (s *Service) sweep(ctx context.Context, tx *db.Tx) error {
	old, err := db.List(ctx, tx, db.Value[string], `SELECT id FROM bulk_export WHERE expires_at <= $1 ORDER BY expires_at LIMIT 100`, db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("list expired exports: %w", err)
	}
	for _, id := range old {
		if err := empty(ctx, tx, id, Expired); err != nil {
			return err
		}
	}
	return nil
}

// unitsOf is how many units an export has: a type, or a type of some members.
func (e Export) unitsOf(members []string) int64 {
	chunks := 1
	if e.Level == Group {
		chunks = (len(members) + memberChunk - 1) / memberChunk
	}
	return int64(len(e.Types) * chunks)
}

// run writes file after file until the export is over. What it cannot do
// several times in a row ends the export, with the reason for the client.
func (s *Service) run(ctx context.Context, id string) error {
	for {
		over, err := s.step(ctx, id)
		if over {
			return nil
		}
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return err
		}
		ended, ferr := s.failed(ctx, id, err)
		if ferr == nil && ended {
			return nil
		}
		return errors.Join(err, ferr)
	}
}

// failed counts a failure; ended says that the export is given up.
func (s *Service) failed(ctx context.Context, id string, cause error) (ended bool, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		e, err := get(ctx, tx, id)
		if err != nil {
			return err
		}
		final := errs.Is(cause, errs.Forbidden) || e.failures+1 >= maxFailures
		if ended = final || e.State != Running; !ended {
			_, err = tx.Exec(ctx, `UPDATE bulk_export SET failures = failures + 1 WHERE id = $1`, id)
			return err
		}
		if e.State != Running {
			return nil
		}
		reason := "导出多次失败，已停止，请稍后重新发起"
		if errs.Is(cause, errs.Forbidden) {
			reason = cause.Error()
		}
		if err := empty(ctx, tx, id, Failed); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE bulk_export SET reason = $2, expires_at = $3 WHERE id = $1`, id, reason, db.At(tx.Now.Add(life)))
		return err
	})
	return ended, err
}

// batch is what one step writes.
type batch struct {
	kind        string
	list, gone  bytes.Buffer
	count, left int64
	patients    map[string]bool
	unit, after int64 // where the next step begins
}

// step reads resources of one type and writes them as a file. Reading holds no
// writer up; the file, the log and the place are written together, once.
func (s *Service) step(ctx context.Context, id string) (over bool, err error) {
	e, in, err := s.load(ctx, id)
	if err != nil || e.State != Running {
		return err == nil, err
	}
	a, err := s.Accounts.AsClient(ctx, e.Client, e.Scopes)
	if err != nil {
		return false, err
	}
	b := &batch{unit: e.unit, after: e.after, patients: map[string]bool{}}
	if err := s.DB.View(ctx, func(tx *db.Tx) error { return s.gather(ctx, tx, a, e, in, b) }); err != nil {
		return false, err
	}
	state := Running
	if b.unit >= e.units {
		state = Done
	}
	boxes, err := s.seal(e, b)
	if err != nil {
		return false, err
	}
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		ok, err := advance(ctx, tx, e, b.unit, b.after, state)
		if err != nil || !ok {
			over = err == nil
			return err
		}
		for _, x := range boxes {
			if err := insertPart(ctx, tx, id, x.Part, x.body); err != nil {
				return err
			}
		}
		return s.log(ctx, tx, a.Actor, id, keys(b.patients))
	})
	return over || err == nil && state == Done, err
}

func (s *Service) load(ctx context.Context, id string) (e Export, in []string, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		if e, err = get(ctx, tx, id); err == nil && e.Level == Group {
			in, err = members(ctx, tx, id)
		}
		return err
	})
	e.units = e.unitsOf(in)
	return e, in, err
}

// gather reads pages until a file is full or the type changes.
func (s *Service) gather(ctx context.Context, tx *db.Tx, a account.Access, e Export, in []string, b *batch) error {
	chunks := int64(1)
	if e.Level == Group && len(in) > 0 {
		chunks = e.units / int64(len(e.Types))
	}
	for b.unit < e.units && b.count < partCount && b.list.Len() < partBytes {
		kind := e.Types[b.unit/chunks]
		if b.kind != "" && b.kind != kind && b.count+b.left > 0 {
			return nil
		}
		b.kind = kind
		q := record.SnapshotQuery{Type: kind, Bound: e.Level != System, Since: e.Since, At: e.At, After: b.after, Count: pageCount,
			For: record.For(a.Actor)}
		if e.Level == Group {
			from := int(b.unit%chunks) * memberChunk
			q.Patients = in[from:min(from+memberChunk, len(in))]
		}
		page, err := s.Store.Snapshot(ctx, tx, q)
		if err != nil {
			return err
		}
		b.take(page)
		if b.after = page.Next; page.Next == 0 {
			b.unit++
		}
	}
	return nil
}

func (b *batch) take(page record.SnapshotPage) {
	for i := range page.List {
		r := &page.List[i]
		line(&b.list, r.Body)
		b.count++
		b.patients[r.Patient] = true
	}
	for i := range page.Gone {
		r := &page.Gone[i]
		b.gone.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"` + r.Key.String() + `"}}]}` + "\n")
		b.left++
	}
	delete(b.patients, "")
}

// line writes a resource on one line: outside of strings, line ends mean
// nothing in JSON, and inside they do not occur.
func line(w *bytes.Buffer, body []byte) {
	for _, c := range body {
		if c == '\n' || c == '\r' {
			c = ' '
		}
		w.WriteByte(c)
	}
	w.WriteByte('\n')
}

type sealedPart struct {
	Part
	body []byte
}

// seal makes the files of a step: each step has two numbers of its own.
func (s *Service) seal(e Export, b *batch) ([]sealedPart, error) {
	var out []sealedPart
	for i, x := range []struct {
		body  []byte
		count int64
	}{{b.list.Bytes(), b.count}, {b.gone.Bytes(), b.left}} {
		if x.count == 0 {
			continue
		}
		p := Part{No: 2*e.step + int64(i), Type: b.kind, Deleted: i == 1, Count: x.count}
		box, err := s.Keys.SealBytes(x.body, sealContext(e.ID, p.No))
		if err != nil {
			return nil, err
		}
		out = append(out, sealedPart{p, box})
	}
	return out, nil
}

// log decides about each patient whose data is handed over and records it, once
// an export.
func (s *Service) log(ctx context.Context, tx *db.Tx, actor access.Actor, id string, patients []string) error {
	fresh, err := unlogged(ctx, tx, id, patients)
	if err != nil {
		return err
	}
	for _, p := range fresh {
		if _, err := s.Access.Record(ctx, tx, actor, access.Entry{Patient: p, Action: "record.export", Object: "record", ObjectID: id, Detail: "批量导出"}); err != nil {
			return err
		}
		if err := markLogged(ctx, tx, id, p); err != nil {
			return fmt.Errorf("mark patient of export: %w", err)
		}
	}
	return nil
}
