package index

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/patient"
)

// Waiting is a statement that fits nobody safely.
type Waiting struct {
	ID         string
	Stated     patient.Statement // as the source said it; pages mask numbers
	System     string
	Source     string // institution id
	SourceName string
	Reason     Reason
	Candidates []Beside
	Object     Object // what waits with it
	FoundAt    time.Time
	Version    int64
	Decision   string // "" waiting, attached, registered, rejected
	Patient    string
	DecidedAt  time.Time
	DecidedBy  string
	Note       string

	sealed, candidates string
}

// Beside is a registered patient beside a statement.
type Beside struct {
	Candidate
	Side Side
}

// wait puts a statement into the queue. The same statement of the same object
// waits once.
func (s *Service) wait(ctx context.Context, tx *db.Tx, actor access.Actor, st Stated, d Decision) (string, error) {
	if st.Object != "" {
		ids, err := db.List(ctx, tx, db.Value[string], `
			SELECT id FROM patient_unmatched WHERE decision = '' AND object = $1 AND object_id = $2 AND source = $3`, st.Object, st.ObjectID, st.Source)
		if err != nil || len(ids) > 0 {
			return strings.Join(ids[:min(1, len(ids))], ""), err
		}
	}
	id := db.NewID()
	sealed, err := s.Patients.SealStatement(id, st.Statement)
	if err != nil {
		return "", err
	}
	candidates, err := encode(d.top())
	if err != nil {
		return "", err
	}
	system, _ := st.value()
	_, err = tx.Exec(ctx, `
		INSERT INTO patient_unmatched (id, source, system, value_index, stated_sealed, reason, candidates, object, object_id, found_at,
			version, decision, decided_by, note)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1, '', '', '')`,
		id, st.Source, system, s.valueIndex(st), sealed, string(d.Reason), candidates, st.Object, st.ObjectID, db.At(tx.Now))
	if err != nil {
		return "", fmt.Errorf("queue unmatched statement: %w", err)
	}
	var ids []string
	for _, c := range d.top() {
		ids = append(ids, c.Patient)
	}
	return id, s.leaf(ctx, tx, actor, "index.wait", id, d.Reason.Title(), append(ids, "")[:max(1, len(ids))]...)
}

const waitingColumns = `w.id, w.source, coalesce(o.name, ''), w.system, w.stated_sealed, w.reason, w.candidates, w.object, w.object_id, w.found_at,
	w.version, w.decision, w.patient_id, w.decided_at, w.decided_by, w.note`

func readWaiting(scan db.Scan) (w Waiting, err error) {
	var found, decided db.Time
	var holder db.Null
	err = scan(&w.ID, &w.Source, &w.SourceName, &w.System, &w.sealed, &w.Reason, &w.candidates, &w.Object.Kind, &w.Object.ID, &found,
		&w.Version, &w.Decision, &holder, &decided, &w.DecidedBy, &w.Note)
	w.FoundAt, w.DecidedAt, w.Patient = found.Time, decided.Time, string(holder)
	return w, err
}

// Queue returns what waits for the actor, the oldest first.
func (s *Service) Queue(ctx context.Context, actor access.Actor) (list []Waiting, err error) {
	if err := access.Require(actor, access.PatientIndex, access.Own); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		list, err = db.List(ctx, tx, readWaiting, `SELECT `+waitingColumns+`
			FROM patient_unmatched w LEFT JOIN organization o ON o.id = w.source
			WHERE w.decision = '' AND (CAST($1 AS BOOLEAN) OR w.source = $2) ORDER BY w.found_at, w.id LIMIT 100`,
			regionWide(actor), actor.Org)
		if err != nil {
			return err
		}
		for i := range list {
			if err := s.openWaiting(ctx, tx, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// openWaiting opens the statement and reads the patients beside it.
func (s *Service) openWaiting(ctx context.Context, tx *db.Tx, w *Waiting) (err error) {
	if w.Stated, err = s.Patients.OpenStatement(w.ID, w.sealed); err != nil {
		return err
	}
	var found []Candidate
	if err := json.Unmarshal([]byte(w.candidates), &found); err != nil {
		return fmt.Errorf("decode candidates: %w", err)
	}
	ids := make([]string, 0, len(found))
	for _, c := range found {
		ids = append(ids, c.Patient)
	}
	sides, err := s.sides(ctx, tx, ids)
	for _, c := range found {
		w.Candidates = append(w.Candidates, Beside{c, sides[c.Patient]})
	}
	return err
}

// See returns one waiting statement, and logs that the persons beside it were
// looked at.
func (s *Service) See(ctx context.Context, actor access.Actor, id string) (w Waiting, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		if w, err = s.waiting(ctx, tx, actor, id); err != nil {
			return err
		}
		ids := []string{""}
		for _, c := range w.Candidates {
			ids = append(ids, c.Patient)
		}
		return s.leaf(ctx, tx, actor, "index.compare", id, "核对待归人信息", ids...)
	})
	return w, err
}

func (s *Service) waiting(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (Waiting, error) {
	if err := access.Require(actor, access.PatientIndex, access.Own); err != nil {
		return Waiting{}, err
	}
	w, err := db.Get(ctx, tx, "这条待归人信息，请回到列表", readWaiting, `SELECT `+waitingColumns+`
		FROM patient_unmatched w LEFT JOIN organization o ON o.id = w.source WHERE w.id = $1`, id)
	if err != nil {
		return Waiting{}, err
	}
	if !regionWide(actor) && w.Source != actor.Org {
		return Waiting{}, errs.E(errs.Forbidden, "这条信息不是您所在机构送来的，由来源机构或牵头医院医务科处理")
	}
	return w, s.openWaiting(ctx, tx, &w)
}

// Place is the human's decision on a waiting statement: "attached" to a
// patient, "registered" as a new one, or "rejected" with a reason. sex and
// birth complete a new one.
type Place struct {
	Decision string
	Patient  string
	Sex      string
	Birth    string
	Note     string
}

// The decisions of Place.
const (
	Attached   = "attached"
	Registered = "registered"
	Rejected   = "rejected"
)

// Settle carries out the decision and tells the module whose object waited.
func (s *Service) Settle(ctx context.Context, actor access.Actor, id string, version int64, p Place) (patientID string, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		w, err := s.waiting(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		if w.Decision != "" || w.Version != version {
			return errs.E(errs.Conflict, "这条信息已由%s处理，请回到列表", orSomebody(w.DecidedBy))
		}
		st := Stated{Statement: w.Stated, Source: w.Source, Object: w.Object.Kind, ObjectID: w.Object.ID}
		if w.Stated.Number != "" && w.System != w.Source {
			st.System = w.System
		}
		ident, err := s.settle(ctx, tx, actor, normal(st), &p)
		if err != nil {
			return err
		}
		patientID = p.Patient
		_, err = tx.Exec(ctx, `
			UPDATE patient_unmatched SET decision = $2, patient_id = $3, decided_at = $4, decided_by = $5, note = $6, version = version + 1 WHERE id = $1`,
			id, p.Decision, db.Null(p.Patient), db.At(tx.Now), signature(actor), strings.TrimSpace(p.Note))
		if err != nil {
			return fmt.Errorf("settle unmatched statement: %w", err)
		}
		placed := Placed{Waiting: id, Patient: p.Patient, Identity: ident, Object: w.Object, Rejected: p.Decision == Rejected, Note: p.Note}
		for _, tell := range s.Placed {
			if err := tell(ctx, tx, placed); err != nil {
				return err
			}
		}
		return s.leaf(ctx, tx, actor, "index.place", id, "待归人信息："+placeWords[p.Decision]+noteOf(p.Note), p.Patient)
	})
	return patientID, err
}

var placeWords = map[string]string{Attached: "归入已有居民", Registered: "新建居民", Rejected: "退回来源"}

func noteOf(note string) string {
	if note = strings.TrimSpace(note); note == "" {
		return ""
	}
	return "，" + note
}

// settle does what the human decided and returns the identity.
func (s *Service) settle(ctx context.Context, tx *db.Tx, actor access.Actor, st Stated, p *Place) (ident string, err error) {
	switch p.Decision {
	case Attached:
		if p.Patient == "" {
			return "", errs.E(errs.Invalid, "请选择要归入的居民")
		}
		if err := s.freeNumber(ctx, tx, actor, st); err != nil {
			return "", err
		}
		if ident, err = s.hang(ctx, tx, actor, st, p.Patient, string(ByHuman), nil); err != nil {
			return "", err
		}
	case Registered:
		if ident, err = s.registerWaiting(ctx, tx, actor, st, p); err != nil {
			return "", err
		}
	case Rejected:
		var f errs.Form
		f.Require("note", p.Note, "退回的原因，来源机构会看到")
		p.Patient = ""
		return "", f.Err()
	default:
		return "", errs.E(errs.Invalid, "请选择归入、新建或退回")
	}
	if err := s.relate(ctx, tx, st, p.Patient); err != nil {
		return "", err
	}
	return ident, s.through(ctx, tx, ident, st)
}

func (s *Service) registerWaiting(ctx context.Context, tx *db.Tx, actor access.Actor, st Stated, p *Place) (string, error) {
	if p.Sex != "" {
		st.Sex = p.Sex
	}
	if p.Birth != "" {
		st.BirthDate = p.Birth
	}
	st = normal(st)
	var f errs.Form
	f.Require("name", st.Name, "姓名")
	if st.Sex != patient.Male && st.Sex != patient.Female {
		f.Add("sex", "来源没有写明性别，请选择")
	}
	if len(st.BirthDate) != 10 || calendar.Date(st.BirthDate) > calendar.DateOf(tx.Now) {
		f.Add("birth", "来源没有写明可用的出生日期，请填写")
	}
	if err := f.Err(); err != nil {
		return "", err
	}
	st = s.withoutDoubt(ctx, tx, st)
	if err := s.freeNumber(ctx, tx, actor, st); err != nil {
		return "", err
	}
	id, err := s.enter(ctx, tx, actor, st)
	p.Patient = id
	return id, err
}

// withoutDoubt leaves out a card number that cannot be right or that somebody
// else holds: the statement keeps it, the new patient is found without it.
func (s *Service) withoutDoubt(ctx context.Context, tx *db.Tx, st Stated) Stated {
	stated, err := s.compared(ctx, tx, st)
	holder := ""
	if err == nil && st.IDNumber != "" {
		holder, err = s.Patients.HolderOf(ctx, tx, st.IDType, st.IDNumber)
	}
	if err != nil || holder != "" || st.IDType == patient.IDCard && !stated.Valid() {
		st.IDNumber, st.IDType = "", ""
	}
	return st
}

// freeNumber ends the identity that bears the statement's number, when a human
// has decided that the number belongs to somebody else now.
func (s *Service) freeNumber(ctx context.Context, tx *db.Tx, actor access.Actor, st Stated) error {
	known, err := s.knownIdentity(ctx, tx, st)
	if err != nil || known.id == "" {
		return err
	}
	if known.id == known.patient { // the patient's own identity stays, without the number
		_, err = tx.Exec(ctx, `UPDATE patient_identity SET value_index = NULL WHERE id = $1`, known.id)
	} else {
		_, err = tx.Exec(ctx, `UPDATE patient_identity SET voided_at = $2, voided_by = $3, void_reason = $4 WHERE id = $1`,
			known.id, db.At(tx.Now), signature(actor), "号码改归其他居民")
	}
	if err != nil {
		return fmt.Errorf("free number of identity: %w", err)
	}
	return nil
}

// Counts are how many wait for the actor, for the menu and the tabs.
type Counts struct{ Reviews, Waiting, Unknown int64 }

// CountsOf counts what waits for the actor.
func (s *Service) CountsOf(ctx context.Context, tx *db.Tx, actor access.Actor) (c Counts, err error) {
	if c.Reviews, err = db.Count(ctx, tx, `
		SELECT count(*) FROM patient_review WHERE decision = '' AND later_at <= $1 AND (CAST($2 AS BOOLEAN) OR org_a = $3 OR org_b = $3)`,
		db.At(tx.Now), regionWide(actor), actor.Org); err != nil {
		return c, err
	}
	if c.Waiting, err = db.Count(ctx, tx, `
		SELECT count(*) FROM patient_unmatched WHERE decision = '' AND (CAST($1 AS BOOLEAN) OR source = $2)`, regionWide(actor), actor.Org); err != nil {
		return c, err
	}
	c.Unknown, err = db.Count(ctx, tx, countUnresolved, regionWide(actor), actor.Org)
	return c, err
}
