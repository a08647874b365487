package patient

import (
	"context"
	"encoding/json"
	"fmt"

	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/patient/match"
)

// IdentityKind is by what a source knows a person.
type IdentityKind string

// The kinds of identities.
const (
	ByCard       IdentityKind = "card"    // resident identity card
	ByPaper      IdentityKind = "paper"   // another paper
	ByNumber     IdentityKind = "number"  // an institution's own number of the person
	Newborn      IdentityKind = "newborn" // through the mother
	Unidentified IdentityKind = "unknown" // nobody could say who it is
	NoPaper      IdentityKind = "none"    // said by the person, without a paper
)

// Title is the kind in Chinese.
func (k IdentityKind) Title() string {
	return map[IdentityKind]string{ByCard: "身份证登记", ByPaper: "其他证件登记", ByNumber: "机构就诊号", Newborn: "新生儿（随母）",
		Unidentified: "身份不明", NoPaper: "无证件登记"}[k]
}

const insertIdentity = `
	INSERT INTO patient_identity (id, patient_id, kind, source, system, value_index, stated_sealed, basis, evidence, mother_id,
		stated_at, stated_by, voided_by, void_reason)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`

// ownIdentity is the identity that a person was entered with; it bears the id
// of the patient. What it stated stands in the row itself until that is first
// corrected (freeze).
func ownIdentity(p Patient, source string) []any {
	kind := NoPaper
	switch {
	case p.IDType == IDCard:
		kind = ByCard
	case p.IDType != "":
		kind = ByPaper
	case match.Unnamed(p.Name):
		kind = Unidentified
	}
	return []any{p.ID, p.ID, string(kind), source, "", db.Null(""), "", "registered", "", db.Null(""),
		db.At(p.CreatedAt), p.ChangedBy, "", ""}
}

// Statement is what a source said about a person, kept sealed as it was said.
type Statement struct {
	Name      string `json:"name,omitempty"`
	Sex       string `json:"sex,omitempty"`
	BirthDate string `json:"birth,omitempty"` // also a year only
	IDType    string `json:"id_type,omitempty"`
	IDNumber  string `json:"id,omitempty"` // as written, even when it cannot be right
	Phone     string `json:"phone,omitempty"`
	Address   string `json:"address,omitempty"`
	Region    string `json:"region,omitempty"` // village code
	Number    string `json:"number,omitempty"` // the source's own number
}

// SealStatement seals what was said for storage under an id.
func (s *Service) SealStatement(id string, st Statement) (string, error) {
	text, err := json.Marshal(st)
	if err != nil {
		return "", fmt.Errorf("encode statement: %w", err)
	}
	return s.Keys.Seal(string(text), "patient.stated/"+id)
}

// OpenStatement opens what SealStatement sealed.
func (s *Service) OpenStatement(id, sealed string) (st Statement, err error) {
	text, err := s.Keys.Open(sealed, "patient.stated/"+id)
	if err != nil {
		return st, fmt.Errorf("open statement %s: %w", id, err)
	}
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		return st, fmt.Errorf("decode statement %s: %w", id, err)
	}
	return st, nil
}

// freeze keeps what a person was entered with before the row is first
// corrected.
func (s *Service) freeze(ctx context.Context, tx *db.Tx, old row) error {
	st, err := s.statementOf(old)
	if err != nil {
		return err
	}
	sealed, err := s.SealStatement(old.ID, st)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE patient_identity SET stated_sealed = $2 WHERE id = $1 AND stated_sealed = ''`, old.ID, sealed)
	return err
}

func (s *Service) statementOf(r row) (Statement, error) {
	_, secret, err := open(s.Keys, r)
	return Statement{Name: r.Name, Sex: r.Sex, BirthDate: string(r.BirthDate), IDType: r.IDType, IDNumber: secret.IDNumber,
		Phone: secret.Phone, Address: r.Address, Region: r.Region}, err
}

// Record is a person as the master index compares and shows it. It never
// leaves for a page whole: see Patient for what is masked.
type Record struct {
	Patient
	Compared match.Prepared
}

// Records returns persons for comparison; the master index asks for them and
// shows no more than a search does.
func (s *Service) Records(ctx context.Context, tx *db.Tx, ids []string) ([]Record, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := listRows(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Record, 0, len(rows))
	for _, r := range rows {
		p, secret, err := open(s.Keys, r)
		if err != nil {
			return nil, err
		}
		c := match.Person{Name: p.Name, Sex: p.Sex, Birth: string(p.BirthDate), Phone: secret.Phone, Address: p.Address, Region: p.Region}
		if p.IDType == IDCard {
			c.ID = secret.IDNumber
		}
		if match.Unnamed(p.Name) && len(c.Birth) == 10 && c.Birth[4:] == "-01-01" { // an estimated age
			c.Birth = c.Birth[:4]
		}
		out = append(out, Record{Patient: p, Compared: match.Prepare(c)})
	}
	return out, nil
}

// blockLimit bounds how many candidates one key may bring; a key that brings
// more tells nobody apart.
const blockLimit = 400

// Candidates returns the patients who share a blocking key with p: the number
// of a paper, a phone, the birth date, the last four of an identity card, the
// sound of the name with the birth year or with the town. Each is one look-up
// in an index; papers and phones are found by keyed hashes.
func (s *Service) Candidates(ctx context.Context, tx *db.Tx, idType string, p match.Person) ([]string, error) {
	var out []string
	add := func(ids []string, err error) error {
		out = append(out, ids...)
		return err
	}
	listIDs := func(query string, args []any) ([]string, error) {
		return db.List(ctx, tx, db.Value[string], query, args...)
	}
	if p.ID != "" {
		id, err := s.byPaper(ctx, tx, idType, p.ID)
		if err := add(single(id), err); err != nil {
			return nil, err
		}
		if idType == IDCard && len(p.ID) == 18 {
			if err := add(listIDs(db.Expand(`SELECT id FROM patient WHERE id_tail IN ($list) LIMIT 400`, nil, s.Keys.Indexes(idTailDomain, tail(p.ID))))); err != nil {
				return nil, err
			}
		}
	}
	if p.Phone != "" {
		if err := add(listIDs(db.Expand(`SELECT id FROM patient WHERE phone_index IN ($list) LIMIT 400`, nil, s.Keys.Indexes(phoneDomain, p.Phone)))); err != nil {
			return nil, err
		}
	}
	if len(p.Birth) == 10 {
		if err := add(db.List(ctx, tx, db.Value[string], `SELECT id FROM patient WHERE birth_date = $1 LIMIT $2`, p.Birth, blockLimit)); err != nil {
			return nil, err
		}
	}
	if err := add(bySound(ctx, tx, p)); err != nil {
		return nil, err
	}
	return unique(out), nil
}

func bySound(ctx context.Context, tx *db.Tx, p match.Person) ([]string, error) {
	sound := soundToken(p.Name)
	if sound == "" {
		return nil, nil
	}
	var out []string
	if len(p.Birth) >= 4 {
		ids, err := db.List(ctx, tx, db.Value[string], `SELECT patient_id FROM patient_token WHERE token = $1 AND born = $2 LIMIT $3`,
			sound, calendar.Date(p.Birth[:4]+"-01-01").Year(), blockLimit)
		if err != nil {
			return nil, err
		}
		out = ids
	}
	if town := townOf(p.Region); town != "" {
		ids, err := db.List(ctx, tx, db.Value[string], `SELECT patient_id FROM patient_token WHERE town = $1 AND token = $2 LIMIT $3`,
			town, sound, blockLimit)
		if err != nil {
			return nil, err
		}
		out = append(out, ids...)
	}
	return out, nil
}

// Bearers returns how many of the registered persons, who are among in all,
// have the name, as far as it matters.
func Bearers(ctx context.Context, tx *db.Tx, name string, among int) (match.Bearers, error) {
	b := match.Bearers{Among: among}
	n, err := db.Count(ctx, tx, `
		SELECT count(*) FROM (SELECT 1 FROM patient_token WHERE token = $1 LIMIT $2) AS bearers`, plainName(name), b.Counted())
	b.N = int(n)
	return b, err
}

// Rows returns how many patients are entered, linked ones included.
func Rows(ctx context.Context, tx *db.Tx) (int64, error) {
	return db.Count(ctx, tx, `SELECT count(*) FROM patient`)
}

// HolderOf returns who holds a paper, "" when nobody is registered with it.
func (s *Service) HolderOf(ctx context.Context, tx *db.Tx, idType, number string) (string, error) {
	return s.byPaper(ctx, tx, idType, number)
}

// EnterTx enters one person whose statement the master index has checked.
func (s *Service) EnterTx(ctx context.Context, tx *db.Tx, actor audit.Actor, e Entry) (string, error) {
	b, err := s.prepare(tx.Now, actor, []Entry{e})
	if err != nil {
		return "", err
	}
	return b.entries[0].ID, s.importBatch(ctx, tx, actor, b)
}

// SetResident makes head the surviving record of the members; head itself and
// members parted from all others stand for themselves with head "".
func SetResident(ctx context.Context, tx *db.Tx, head string, members []string) error {
	query, args := db.Expand(`UPDATE patient SET resident = CASE WHEN id = $1 THEN '' ELSE $1 END WHERE id IN ($list)`, []any{head}, members)
	if _, err := tx.Exec(ctx, query, args...); err != nil {
		return fmt.Errorf("set surviving record: %w", err)
	}
	for _, m := range members {
		tx.Touch("patient", m)
	}
	return nil
}

// faces replaces found patients by the record under which the actor's
// institution should go on: of a person with several the one it has to do with
// already, so that what it writes stays with its own statement, otherwise the
// surviving one. Each person stands once, in the order found.
func faces(ctx context.Context, tx *db.Tx, ids []string, org string) ([]string, error) {
	type member struct{ id, head string }
	query, args := db.Expand(`SELECT id, resident FROM patient WHERE resident <> '' AND (resident IN ($list) OR id IN ($list))`, nil, ids)
	linked, err := db.List(ctx, tx, func(scan db.Scan) (m member, err error) { return m, scan(&m.id, &m.head) }, query, args...)
	if err != nil || len(linked) == 0 {
		return ids, err
	}
	headOf, face := map[string]string{}, map[string]string{}
	for _, m := range linked {
		headOf[m.id] = m.head
		if face[m.head] == "" {
			if face[m.head], err = facing(ctx, tx, m.head, org); err != nil {
				return nil, err
			}
		}
	}
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		head := id
		if h := headOf[id]; h != "" {
			head = h
		}
		if f := face[head]; f != "" {
			id = f
		}
		out = append(out, id)
	}
	return unique(out), nil
}

// facing is the record of a person that an institution has entered or treats
// already, the surviving one when it has none.
func facing(ctx context.Context, tx *db.Tx, head, org string) (string, error) {
	known, err := db.List(ctx, tx, db.Value[string], `
		SELECT patient FROM care_relation
		WHERE org = $2 AND patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		ORDER BY CASE WHEN patient = $1 THEN 0 ELSE 1 END, patient LIMIT 1`, head, org)
	if err != nil || len(known) == 0 {
		return head, err
	}
	return known[0], nil
}

// soundsMark is the setting that says up to which person the sounds of names
// are indexed: an id, or "done".
const soundsMark = "patient.sounds"

// soundsBatch is how many persons one run of KeepSounds does.
const soundsBatch = 20000

// KeepSounds gives persons who were entered before the master index the token
// of the sound of their name, some thousands in each run until all have it.
func (s *Service) KeepSounds(ctx context.Context, tx *db.Tx) error {
	marks, err := db.List(ctx, tx, db.Value[string], `SELECT value FROM setting WHERE name = $1`, soundsMark)
	if err != nil {
		return err
	}
	after := ""
	if len(marks) > 0 {
		after = marks[0]
	}
	if after == "done" {
		return nil
	}
	next, err := s.indexSounds(ctx, tx, after, soundsBatch)
	if err != nil {
		return err
	}
	if next == "" {
		next = "done"
	}
	_, err = tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, soundsMark, next)
	return err
}

// indexSounds does up to limit persons after an id and returns where to go on,
// "" at the end.
func (s *Service) indexSounds(ctx context.Context, tx *db.Tx, after string, limit int) (next string, err error) {
	type named struct {
		id, name, region string
		born             calendar.Date
	}
	rows, err := db.List(ctx, tx, func(scan db.Scan) (n named, err error) { return n, scan(&n.id, &n.name, &n.region, &n.born) },
		`SELECT id, name, region, birth_date FROM patient WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return "", err
	}
	for _, r := range rows {
		if sound := soundToken(r.name); sound != "" {
			_, err := tx.Exec(ctx, `INSERT INTO patient_token (token, town, born, patient_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
				sound, townOf(r.region), r.born.Year(), r.id)
			if err != nil {
				return "", fmt.Errorf("insert sound token: %w", err)
			}
		}
	}
	if len(rows) < limit {
		return "", nil
	}
	return rows[len(rows)-1].id, nil
}

// PlaceName is the town and village of a village code in words.
func PlaceName(ctx context.Context, tx *db.Tx, region string) (string, error) {
	if region == "" {
		return "", nil
	}
	names, err := placeNames(ctx, tx, []string{region, townOf(region)})
	return names[townOf(region)] + names[region], err
}
