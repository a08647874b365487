package index

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/patient/match"
)

// normal brings a statement to the forms that are stored and compared. What
// cannot be read stays as it was written in what is kept of the statement.
func normal(st Stated) Stated {
	st.Name = strings.TrimSpace(st.Name)
	st.Number = strings.TrimSpace(st.Number)
	st.IDNumber = idcard.Normalize(st.IDNumber)
	if st.IDNumber != "" && st.IDType == "" {
		st.IDType = patient.IDCard
	}
	st.Phone = patient.NormalizePhone(st.Phone)
	digits := strings.NewReplacer("-", "", "/", "", ".", "").Replace(strings.TrimSpace(st.BirthDate))
	if len(digits) >= 8 {
		digits = digits[:4] + "-" + digits[4:6] + "-" + digits[6:8]
		if _, err := calendar.ParseDate(digits); err != nil {
			digits = ""
		}
	}
	st.BirthDate = digits
	if len(digits) != 10 && len(digits) != 4 {
		st.BirthDate = ""
	}
	if card, err := idcard.Parse(st.IDNumber); err == nil && st.IDType == patient.IDCard {
		st.IDNumber = card.Number // what the card says is better than what was typed beside it
		if st.BirthDate == "" {
			st.BirthDate = card.Birth
		}
		if st.Sex != patient.Male && st.Sex != patient.Female {
			st.Sex = card.Sex
		}
	}
	return st
}

// value is the number by which a source knows the person, with its namespace:
// its own number, the mother and the order of birth, or the paper it was shown.
func (st Stated) value() (system, number string) {
	switch {
	case st.Mother != "":
		return "newborn", st.Mother + "/" + st.BirthDate + "/" + strconv.Itoa(max(1, st.Order))
	case st.Number != "" && st.System != "":
		return st.System, st.Number
	case st.Number != "":
		return st.Source, st.Number
	case st.IDNumber != "":
		return st.Source + "/" + st.IDType, st.IDNumber
	}
	return "", ""
}

const valueDomain = "patient.identity"

func (s *Service) valueIndex(st Stated) db.Null {
	system, number := st.value()
	if number == "" {
		return ""
	}
	return db.Null(s.Patients.Keys.Index(valueDomain, system+"\x00"+number))
}

// identity is a stored identity.
type identity struct{ id, patient string }

func (s *Service) knownIdentity(ctx context.Context, tx *db.Tx, st Stated) (identity, error) {
	system, number := st.value()
	if number == "" {
		return identity{}, nil
	}
	query, args := db.Expand(`SELECT id, patient_id FROM patient_identity WHERE voided_at IS NULL AND value_index IN ($list)`,
		nil, s.Patients.Keys.Indexes(valueDomain, system+"\x00"+number))
	list, err := db.List(ctx, tx, func(scan db.Scan) (i identity, err error) { return i, scan(&i.id, &i.patient) }, query, args...)
	if err != nil || len(list) == 0 {
		return identity{}, err
	}
	return list[0], nil
}

// size is how large the register was a while ago: it says how frequent a name
// is, for which an old number does.
type size struct {
	n  int
	at time.Time
}

// sizeFor is how long a size is taken to be true: to count a million rows takes
// as long as some twenty look-ups.
const sizeFor = time.Hour

func (s *Service) registered(ctx context.Context, tx *db.Tx) (int, error) {
	if z := s.size.Load(); z != nil && !tx.Now.Before(z.at) && tx.Now.Sub(z.at) < sizeFor {
		return z.n, nil
	}
	n, err := patient.Rows(ctx, tx)
	if err != nil {
		return 0, err
	}
	s.size.Store(&size{int(n), tx.Now})
	return int(n), nil
}

// compared is the statement as the model compares it.
func (s *Service) compared(ctx context.Context, tx *db.Tx, st Stated) (match.Prepared, error) {
	p := match.Person{Name: st.Name, Sex: st.Sex, Birth: st.BirthDate, Phone: st.Phone, Address: st.Address, Region: st.Region}
	if st.IDType == patient.IDCard {
		p.ID = st.IDNumber
	}
	if st.Name != "" {
		among, err := s.registered(ctx, tx)
		if err != nil {
			return match.Prepared{}, err
		}
		if p.Bearers, err = patient.Bearers(ctx, tx, st.Name, among); err != nil {
			return match.Prepared{}, err
		}
	}
	return match.Prepare(p), nil
}

// Match says to whom a statement belongs, and writes nothing: by the source's
// own number, by a valid paper, otherwise by the model. Nothing belongs to
// anybody on one identifier alone.
func (s *Service) Match(ctx context.Context, tx *db.Tx, st Stated) (Decision, error) {
	st = normal(st)
	stated, err := s.compared(ctx, tx, st)
	if err != nil {
		return Decision{}, err
	}
	if known, err := s.knownIdentity(ctx, tx, st); err != nil {
		return Decision{}, err
	} else if known.id != "" && st.Mother != "" { // mother, day and order of birth are three identifiers
		return Decision{Outcome: Known, Patient: known.patient, Identity: known.id}, nil
	} else if known.id != "" {
		return s.checkKnown(ctx, tx, known, stated)
	}
	switch {
	case st.Mother != "":
		return s.matchNewborn(ctx, tx, st)
	case st.Unknown && match.Unnamed(st.Name) && st.IDNumber == "":
		return Decision{Outcome: Fresh}, nil
	case match.Stated(stated) < 2:
		return Decision{Outcome: Unmatched, Reason: TooFew}, nil
	}
	if st.IDType != "" && st.IDType != patient.IDCard && len(st.IDNumber) >= 4 {
		if d, err := s.matchPaper(ctx, tx, st, stated); err != nil || d.Outcome != "" {
			return d, err
		}
	}
	return s.matchModel(ctx, tx, st, stated)
}

// checkKnown asks a second identifier of a number that is known.
func (s *Service) checkKnown(ctx context.Context, tx *db.Tx, known identity, stated match.Prepared) (Decision, error) {
	ids, err := access.SamePerson(ctx, tx, known.patient)
	if err != nil {
		return Decision{}, err
	}
	records, err := s.Patients.Records(ctx, tx, ids)
	if err != nil {
		return Decision{}, err
	}
	d := Decision{Outcome: Unmatched, Patient: known.patient, Identity: known.id, Reason: NumberName}
	if match.Stated(stated) == 0 {
		d.Reason = TooFew
		return d, nil
	}
	for _, r := range records {
		p := match.Compare(stated, r.Compared)
		d.Candidates = append(d.Candidates, Candidate{r.ID, s.Weights.Model.Weigh(p).Bits, s.Weights.Model.Weigh(p).Parts})
		if match.Apart(stated, r.Compared) {
			d.Outcome, d.Reason = Unmatched, NumberCard
			return d, nil
		}
		if match.Confirms(p) {
			d.Outcome, d.Reason = Known, ""
		}
	}
	return d, nil
}

func (s *Service) matchNewborn(ctx context.Context, tx *db.Tx, st Stated) (Decision, error) {
	mother, err := s.Patients.Records(ctx, tx, []string{st.Mother})
	switch {
	case err != nil:
		return Decision{}, err
	case len(mother) == 0:
		return Decision{Outcome: Unmatched, Reason: MotherUnknown}, nil
	case len(st.BirthDate) != 10:
		return Decision{Outcome: Unmatched, Reason: Incomplete}, nil
	}
	return Decision{Outcome: Fresh}, nil
}

// matchPaper finds the holder of a passport or another paper; no outcome when
// nobody holds it.
func (s *Service) matchPaper(ctx context.Context, tx *db.Tx, st Stated, stated match.Prepared) (Decision, error) {
	holder, err := s.Patients.HolderOf(ctx, tx, st.IDType, st.IDNumber)
	if err != nil || holder == "" {
		return Decision{}, err
	}
	records, err := s.Patients.Records(ctx, tx, []string{holder})
	if err != nil {
		return Decision{}, err
	}
	p := match.Compare(stated, records[0].Compared)
	d := Decision{Outcome: Certain, Patient: holder, Candidates: []Candidate{{holder, s.Weights.Model.Weigh(p).Bits, s.Weights.Model.Weigh(p).Parts}}}
	if !match.Confirms(p) {
		d.Outcome, d.Reason = Unmatched, CardName
	}
	return d, nil
}

func (s *Service) matchModel(ctx context.Context, tx *db.Tx, st Stated, stated match.Prepared) (Decision, error) {
	ids, err := s.Patients.Candidates(ctx, tx, st.IDType, stated.Person)
	if err != nil {
		return Decision{}, err
	}
	records, err := s.Patients.Records(ctx, tx, ids)
	if err != nil {
		return Decision{}, err
	}
	list := make([]match.Prepared, len(records))
	for i, r := range records {
		list[i] = r.Compared
	}
	head := func(i int) string {
		if records[i].Resident != "" {
			return records[i].Resident
		}
		return records[i].ID
	}
	outcome, found := match.Decide(s.Weights, stated, list, func(i, j int) bool { return head(i) == head(j) })
	d := Decision{Outcome: Fresh}
	for _, c := range found {
		d.Candidates = append(d.Candidates, Candidate{records[c.At].ID, c.Weight.Bits, c.Weight.Parts})
	}
	if len(found) > 0 {
		d.Patient = d.Candidates[0].Patient
	}
	switch outcome {
	case match.Certain:
		d.Outcome = Certain
	case match.Conflict:
		d.Outcome, d.Reason = Unmatched, CardName
	case match.Link:
		d.Outcome = Linked
	case match.Review:
		d.Outcome = InReview
	case match.Fresh:
		d.Patient = ""
	}
	if d.Outcome != Certain && d.Outcome != Unmatched {
		d.refuse(st, stated)
	}
	return d, nil
}

// refuse sends to the queue what would become a person of its own but cannot:
// a row needs name, sex and birth date, and a number that cannot be right needs
// somebody who asks again, unless the model knows whose it is.
func (d *Decision) refuse(st Stated, stated match.Prepared) {
	complete := !match.Unnamed(st.Name) && len(st.BirthDate) == 10 && (st.Sex == patient.Male || st.Sex == patient.Female)
	switch {
	case stated.ID != "" && !stated.Valid() && d.Outcome != Linked:
		d.Outcome, d.Reason = Unmatched, CardInvalid
	case !complete && d.Outcome != Linked && !st.Unknown:
		d.Outcome, d.Reason = Unmatched, Incomplete
	}
}

// top are the candidates worth a human's look.
func (d Decision) top() []Candidate { return slices.Clone(d.Candidates[:min(3, len(d.Candidates))]) }
