package patient

import (
	"context"
	"fmt"

	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/idcard"
)

// Domains of the keyed hashes and contexts of the sealed values.
const (
	idDomain        = "patient.id"
	idTailDomain    = "patient.id.tail"
	phoneDomain     = "patient.phone"
	phoneTailDomain = "patient.phone.tail"
)

// row is a patient as stored: numbers sealed and indexed.
type row struct {
	Patient
	idSealed, phoneSealed, safeSealed      string
	idIndex, idTail, phoneIndex, phoneTail db.Null
}

func readRow(scan db.Scan) (r row, err error) {
	var created, changed db.Time
	err = scan(&r.ID, &r.Name, &r.Sex, &r.BirthDate, &r.IDType, &r.idSealed, &r.phoneSealed, &r.safeSealed, &r.SafeHow,
		&r.Address, &r.Region, &r.Ethnic, &r.InsuranceKind, &r.InsurancePlace, &r.DeceasedOn, &r.Resident,
		&r.Version, &created, &changed, &r.ChangedBy)
	r.CreatedAt, r.ChangedAt = created.Time, changed.Time
	return r, err
}

func getRow(ctx context.Context, tx *db.Tx, id string) (row, error) {
	return db.Get(ctx, tx, "这位患者，可能链接有误，请重新搜索", readRow, `
		SELECT id, name, sex, birth_date, id_type, id_sealed, phone_sealed, safe_sealed, safe_how,
			address, region, ethnic, insurance_kind, insurance_place, deceased_on, resident,
			version, created_at, changed_at, changed_by
		FROM patient WHERE id = $1`, id)
}

func listRows(ctx context.Context, tx *db.Tx, ids []string) ([]row, error) {
	query, args := db.Expand(`
		SELECT id, name, sex, birth_date, id_type, id_sealed, phone_sealed, safe_sealed, safe_how,
			address, region, ethnic, insurance_kind, insurance_place, deceased_on, resident,
			version, created_at, changed_at, changed_by
		FROM patient WHERE id IN ($list)`, nil, ids)
	return db.List(ctx, tx, readRow, query, args...)
}

// Brief is what other modules show of a person in lists.
type Brief struct {
	ID        string
	Name      string
	Sex       string
	BirthDate calendar.Date
	Region    string
	Deceased  bool
}

// Briefs returns the shown identity of persons by id. The caller has decided
// that the actor may know them (a case, a contract of his institution).
func Briefs(ctx context.Context, tx *db.Tx, ids []string) (map[string]Brief, error) {
	query, args := db.Expand(`SELECT id, name, sex, birth_date, region, deceased_on <> '' FROM patient WHERE id IN ($list)`, nil, ids)
	list, err := db.List(ctx, tx, func(scan db.Scan) (b Brief, err error) {
		return b, scan(&b.ID, &b.Name, &b.Sex, &b.BirthDate, &b.Region, &b.Deceased)
	}, query, args...)
	if err != nil {
		return nil, err
	}
	out := make(map[string]Brief, len(list))
	for _, b := range list {
		out[b.ID] = b
	}
	return out, nil
}

// Count returns how many persons are registered, linked records as one.
func Count(ctx context.Context, tx *db.Tx) (int64, error) {
	return db.Count(ctx, tx, `SELECT count(*) FROM patient WHERE resident = ''`)
}

// open fills the masked numbers and returns them whole beside.
func open(keys *crypto.Keyring, r row) (Patient, Secret, error) {
	var s Secret
	var err error
	if s.IDNumber, err = unseal(keys, r.idSealed, "patient.id/"+r.ID); err != nil {
		return Patient{}, Secret{}, fmt.Errorf("open id number of %s: %w", r.ID, err)
	}
	if s.Phone, err = unseal(keys, r.phoneSealed, "patient.phone/"+r.ID); err != nil {
		return Patient{}, Secret{}, fmt.Errorf("open phone of %s: %w", r.ID, err)
	}
	if s.SafePhone, err = unseal(keys, r.safeSealed, "patient.safe/"+r.ID); err != nil {
		return Patient{}, Secret{}, fmt.Errorf("open safe phone of %s: %w", r.ID, err)
	}
	p := r.Patient
	p.IDMasked, p.PhoneMasked, p.SafePhoneMasked = idcard.Mask(s.IDNumber), MaskPhone(s.Phone), MaskPhone(s.SafePhone)
	return p, s, nil
}

// closeRow seals and indexes the numbers of a row.
func closeRow(keys *crypto.Keyring, r *row, s Secret) (err error) {
	if r.idSealed, err = seal(keys, s.IDNumber, "patient.id/"+r.ID); err != nil {
		return err
	}
	if r.phoneSealed, err = seal(keys, s.Phone, "patient.phone/"+r.ID); err != nil {
		return err
	}
	if r.safeSealed, err = seal(keys, s.SafePhone, "patient.safe/"+r.ID); err != nil {
		return err
	}
	r.idIndex, r.idTail, r.phoneIndex, r.phoneTail = "", "", "", ""
	if s.IDNumber != "" {
		r.idIndex = db.Null(keys.Index(idDomain, r.IDType+":"+s.IDNumber))
		r.idTail = db.Null(keys.Index(idTailDomain, tail(s.IDNumber)))
	}
	if s.Phone != "" {
		r.phoneIndex = db.Null(keys.Index(phoneDomain, s.Phone))
		r.phoneTail = db.Null(keys.Index(phoneTailDomain, tail(s.Phone)))
	}
	return nil
}

func seal(keys *crypto.Keyring, plain, context string) (string, error) {
	if plain == "" {
		return "", nil
	}
	return keys.Seal(plain, context)
}

func unseal(keys *crypto.Keyring, sealed, context string) (string, error) {
	if sealed == "" {
		return "", nil
	}
	return keys.Open(sealed, context)
}

func tail(s string) string { return s[max(0, len(s)-4):] }

const insertPatient = `
	INSERT INTO patient (id, name, sex, birth_date, id_type, id_sealed, id_index, id_tail,
		phone_sealed, phone_index, phone_tail, safe_sealed, safe_how, address, region, ethnic,
		insurance_kind, insurance_place, deceased_on, version, created_at, changed_at, changed_by)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)`

func (r row) args() []any {
	return []any{r.ID, r.Name, r.Sex, string(r.BirthDate), r.IDType, r.idSealed, r.idIndex, r.idTail,
		r.phoneSealed, r.phoneIndex, r.phoneTail, r.safeSealed, r.SafeHow, r.Address, r.Region, r.Ethnic,
		r.InsuranceKind, r.InsurancePlace, string(r.DeceasedOn), r.Version, db.At(r.CreatedAt), db.At(r.ChangedAt), r.ChangedBy}
}

func insertRow(ctx context.Context, tx *db.Tx, r row, source string) error {
	if _, err := tx.Exec(ctx, insertPatient, r.args()...); err != nil {
		return fmt.Errorf("insert patient: %w", err)
	}
	if _, err := tx.Exec(ctx, insertIdentity, ownIdentity(r.Patient, source)...); err != nil {
		return fmt.Errorf("insert own identity: %w", err)
	}
	tx.Touch("patient", r.ID)
	return insertTokens(ctx, tx, r)
}

// updateRow writes r over version was; a row that has moved on is Conflict.
func updateRow(ctx context.Context, tx *db.Tx, old, r row) error {
	n, err := tx.Exec(ctx, `
		UPDATE patient SET name = $2, sex = $3, birth_date = $4, id_type = $5, id_sealed = $6, id_index = $7, id_tail = $8,
			phone_sealed = $9, phone_index = $10, phone_tail = $11, safe_sealed = $12, safe_how = $13, address = $14,
			region = $15, ethnic = $16, insurance_kind = $17, insurance_place = $18, deceased_on = $19,
			version = $20, changed_at = $21, changed_by = $22
		WHERE id = $1 AND version = $23`,
		r.ID, r.Name, r.Sex, string(r.BirthDate), r.IDType, r.idSealed, r.idIndex, r.idTail,
		r.phoneSealed, r.phoneIndex, r.phoneTail, r.safeSealed, r.SafeHow, r.Address,
		r.Region, r.Ethnic, r.InsuranceKind, r.InsurancePlace, string(r.DeceasedOn),
		r.Version, db.At(r.ChangedAt), r.ChangedBy, old.Version)
	if err != nil {
		return fmt.Errorf("update patient: %w", err)
	}
	if n == 0 {
		return errs.E(errs.Conflict, "该患者的资料刚刚被别人修改，请刷新页面，核对后再保存")
	}
	if err := deleteTokens(ctx, tx, old); err != nil {
		return err
	}
	tx.Touch("patient", r.ID)
	return insertTokens(ctx, tx, r)
}

// insertToken and what follows keep patient_token in step with the name, the
// town and the birth year.
const insertToken = `INSERT INTO patient_token (token, town, born, patient_id) VALUES ($1, $2, $3, $4)`

func insertTokens(ctx context.Context, tx *db.Tx, r row) error {
	for _, t := range tokens(r.Name) {
		if _, err := tx.Exec(ctx, insertToken, t, r.Town(), r.BirthDate.Year(), r.ID); err != nil {
			return fmt.Errorf("insert patient token: %w", err)
		}
	}
	return nil
}

func deleteTokens(ctx context.Context, tx *db.Tx, r row) error {
	for _, t := range tokens(r.Name) {
		if _, err := tx.Exec(ctx, `
			DELETE FROM patient_token WHERE town = $1 AND token = $2 AND born = $3 AND patient_id = $4`,
			r.Town(), t, r.BirthDate.Year(), r.ID); err != nil {
			return fmt.Errorf("delete patient token: %w", err)
		}
	}
	return nil
}

// byPaper returns who holds a paper, "" when nobody is registered with it.
func (s *Service) byPaper(ctx context.Context, tx *db.Tx, idType, number string) (string, error) {
	return byIndexes(ctx, tx, s.Keys.Indexes(idDomain, idType+":"+number))
}

func byIndexes(ctx context.Context, tx *db.Tx, hashes []string) (string, error) {
	query, args := db.Expand(`SELECT id FROM patient WHERE id_index IN ($list)`, nil, hashes)
	ids, err := db.List(ctx, tx, db.Value[string], query, args...)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// After lists the ids of persons after one, ascending.
func After(ctx context.Context, tx *db.Tx, after string, limit int) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT id FROM patient WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}

// BornAfter returns which of the patients, as any record of the person says,
// were born after a day. Whose birthday is not known to the day is not among
// them.
func BornAfter(ctx context.Context, tx *db.Tx, patients []string, day calendar.Date) (map[string]bool, error) {
	query, args := db.Expand(`
		SELECT id FROM patient WHERE id IN ($list) AND birth_date > $1 AND length(birth_date) = 10
		UNION
		SELECT s.patient FROM same_person s JOIN patient p ON p.id = s.other
		WHERE s.patient IN ($list) AND p.birth_date > $1 AND length(p.birth_date) = 10`, []any{string(day)}, patients)
	list, err := db.List(ctx, tx, db.Value[string], query, args...)
	if err != nil {
		return nil, fmt.Errorf("read birthdays: %w", err)
	}
	out := make(map[string]bool, len(list))
	for _, id := range list {
		out[id] = true
	}
	return out, nil
}
