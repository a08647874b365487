package index

import (
	"context"
	"fmt"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/patient/match"
)

// Attach finds to whom a statement belongs and keeps it as an identity:
// messages, FHIR and files call it before anything hangs on a person. What is
// Unmatched waits in the queue with st.Object, and nothing is attached; Placed
// tells when a human has decided.
func (s *Service) Attach(ctx context.Context, tx *db.Tx, actor access.Actor, st Stated) (Attachment, error) {
	st = normal(st)
	d, err := s.Match(ctx, tx, st)
	if err != nil {
		return Attachment{}, err
	}
	a := Attachment{Outcome: d.Outcome, Patient: d.Patient, Identity: d.Identity, Reason: d.Reason}
	switch d.Outcome {
	case Unmatched:
		a.Patient, a.Identity = "", ""
		a.Waiting, err = s.wait(ctx, tx, actor, st, d)
		return a, err
	case Known:
	case Certain:
		a.Identity, err = s.hang(ctx, tx, actor, st, d.Patient, "card", firstParts(d))
	case Linked, InReview, Fresh:
		a.Patient, a.Identity, err = s.enterDecided(ctx, tx, actor, st, d)
	}
	if err != nil {
		return Attachment{}, err
	}
	if err := s.relate(ctx, tx, st, a.Patient); err != nil {
		return Attachment{}, err
	}
	return a, s.through(ctx, tx, a.Identity, st)
}

func firstParts(d Decision) []match.Part {
	if len(d.Candidates) == 0 {
		return nil
	}
	return d.Candidates[0].Parts
}

// relate gives the source the relation of an institution that has entered the
// person: it has the patient before it.
func (s *Service) relate(ctx context.Context, tx *db.Tx, st Stated, patientID string) error {
	if st.Source == "" {
		return nil
	}
	rel := access.CareRelation{Patient: patientID, Org: st.Source, Basis: access.BasisRegistration, Reference: patientID}
	return access.Relate(ctx, tx, rel)
}

// enterDecided gives a statement a patient of its own and links it or sets it
// beside others. A linked statement that says too little for a row hangs on
// whom it was linked to.
func (s *Service) enterDecided(ctx context.Context, tx *db.Tx, actor access.Actor, st Stated, d Decision) (id, ident string, err error) {
	if d.Outcome == Linked && !rowComplete(st) {
		ident, err = s.hang(ctx, tx, actor, st, d.Patient, string(ByModel), firstParts(d))
		return d.Patient, ident, err
	}
	if id, err = s.enter(ctx, tx, actor, st); err != nil {
		return "", "", err
	}
	switch d.Outcome {
	case Linked:
		parted, err := s.parted(ctx, tx, id, d.Patient)
		if err != nil || parted {
			return id, id, err
		}
		best := d.Candidates[0]
		err = s.decide(ctx, tx, actor, PairLink{A: id, B: best.Patient, Same: true, Basis: ByModel, Bits: best.Bits, Parts: best.Parts})
		return id, id, err
	case InReview:
		for _, c := range d.top() {
			if err := s.propose(ctx, tx, id, c, st.Source); err != nil {
				return "", "", err
			}
		}
	}
	return id, id, nil
}

func rowComplete(st Stated) bool {
	return !match.Unnamed(st.Name) && len(st.BirthDate) == 10 && (st.Sex == patient.Male || st.Sex == patient.Female)
}

// enter makes a patient of a statement. The identity it is entered with has the
// patient's id.
func (s *Service) enter(ctx context.Context, tx *db.Tx, actor access.Actor, st Stated) (string, error) {
	e := patient.Entry{Name: st.Name, Sex: st.Sex, BirthDate: calendar.Date(st.BirthDate), IDType: st.IDType, IDNumber: st.IDNumber,
		Phone: st.Phone, Address: st.Address, Region: st.Region, Ethnic: "01", InsuranceKind: patient.OtherCover, Org: st.Source}
	if st.IDNumber == "" {
		e.IDType = ""
	}
	if e.Sex == "" {
		e.Sex = patient.SexUnknown
	}
	if len(st.BirthDate) == 4 {
		e.BirthDate = calendar.Date(st.BirthDate + "-01-01") // estimated
	}
	if st.Mother != "" {
		if err := s.fillFromMother(ctx, tx, st, &e); err != nil {
			return "", err
		}
	}
	if e.Name == "" {
		e.Name = "无名氏"
	}
	id, err := s.Patients.EnterTx(ctx, tx, actor, e)
	if err != nil {
		return "", err
	}
	st.Name = e.Name
	sealed, err := s.Patients.SealStatement(id, st.Statement)
	if err != nil {
		return "", err
	}
	system, _ := st.value()
	_, err = tx.Exec(ctx, `
		UPDATE patient_identity SET kind = $2, source = $3, system = $4, value_index = $5, stated_sealed = $6, mother_id = $7 WHERE id = $1`,
		id, string(st.kind()), st.Source, system, s.valueIndex(st), sealed, db.Null(st.Mother))
	if err != nil {
		return "", fmt.Errorf("complete own identity: %w", err)
	}
	return id, s.leaf(ctx, tx, actor, "index.enter", id, st.kind().Title(), id)
}

// kind says by what the source knows the person.
func (st Stated) kind() patient.IdentityKind {
	switch {
	case st.Mother != "":
		return patient.Newborn
	case st.Unknown && st.IDNumber == "":
		return patient.Unidentified
	case st.Number != "":
		return patient.ByNumber
	case st.IDType == patient.IDCard:
		return patient.ByCard
	case st.IDNumber != "":
		return patient.ByPaper
	}
	return patient.NoPaper
}

// fillFromMother completes a newborn: place and phone are the mother's, and she
// answers for it.
func (s *Service) fillFromMother(ctx context.Context, tx *db.Tx, st Stated, e *patient.Entry) error {
	records, err := s.Patients.Records(ctx, tx, []string{st.Mother})
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return errs.E(errs.NotFound, "没有找到新生儿的母亲，请先为母亲建档")
	}
	m := records[0]
	if e.Name == "" {
		e.Name = m.Name + map[string]string{patient.Male: "之子", patient.Female: "之女"}[e.Sex]
		if e.Name == m.Name {
			e.Name += "之婴"
		}
		if st.Order > 1 {
			e.Name += map[int]string{2: "乙", 3: "丙", 4: "丁"}[min(st.Order, 4)]
		}
	}
	if e.Address == "" && e.Region == "" {
		e.Address, e.Region = m.Address, m.Region
	}
	e.InsuranceKind = patient.Resident
	e.Relations = []patient.EntryRelation{{From: e.BirthDate, NewRelation: patient.NewRelation{
		Kind: "52", OtherID: m.ID, Name: m.Name, Phone: m.Compared.Phone, Guardian: true, Household: true}}}
	return nil
}

// hang keeps a statement as a further identity of a patient.
func (s *Service) hang(ctx context.Context, tx *db.Tx, actor access.Actor, st Stated, to, basis string, parts []match.Part) (string, error) {
	id := db.NewID()
	sealed, err := s.Patients.SealStatement(id, st.Statement)
	if err != nil {
		return "", err
	}
	evidence, err := encode(parts)
	if err != nil {
		return "", err
	}
	system, _ := st.value()
	_, err = tx.Exec(ctx, `
		INSERT INTO patient_identity (id, patient_id, kind, source, system, value_index, stated_sealed, basis, evidence, mother_id,
			stated_at, stated_by, voided_by, void_reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', '')`,
		id, to, string(st.kind()), st.Source, system, s.valueIndex(st), sealed, basis, evidence, db.Null(""), db.At(tx.Now), signature(actor))
	if err != nil {
		return "", fmt.Errorf("insert identity: %w", err)
	}
	return id, s.leaf(ctx, tx, actor, "index.attach", id, "归入身份："+st.kind().Title(), to)
}

// through notes what came in through an identity, so that it can go with it.
func (s *Service) through(ctx context.Context, tx *db.Tx, ident string, st Stated) error {
	if st.Object == "" || st.ObjectID == "" || ident == "" {
		return nil
	}
	return Through(ctx, tx, ident, Object{st.Object, st.ObjectID})
}

// Through notes that an object came in through an identity; noting it again
// changes it. Modules call it for every row that they make of a statement.
func Through(ctx context.Context, tx *db.Tx, ident string, o Object) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO patient_through (identity_id, object, object_id, at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (object, object_id) DO UPDATE SET identity_id = excluded.identity_id`,
		ident, o.Kind, o.ID, db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("note what came through an identity: %w", err)
	}
	return nil
}
