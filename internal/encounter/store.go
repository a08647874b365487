package encounter

import (
	"context"
	"fmt"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

const insertEncounter = `
	INSERT INTO encounter (id, version, current, patient, org, outside_code, outside_name, outside_region, class,
		started_at, ended_at, counted_on, department, doctor, first_contact, first_by, leave_way, referral,
		insurance_kind, insurance_place, total_fen, fund_fen, own_fen, visits, clinical, source, source_key, source_ref,
		recorded_at, recorded_by, change_reason, voided_by, void_reason)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
		$24, $25, $26, $27, $28, $29, $30, $31, $32, $33)`

const (
	insertDiagnosis = `
		INSERT INTO encounter_diagnosis (encounter, version, n, clinical_code, clinical_name, insurance_code, insurance_name, known)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	insertFund = `INSERT INTO encounter_fund (encounter, version, kind, amount_fen) VALUES ($1, $2, $3, $4)`
	insertFee  = `INSERT INTO encounter_fee (encounter, version, class, amount_fen) VALUES ($1, $2, $3, $4)`
)

// insert writes versions with what belongs to them.
func insert(ctx context.Context, tx *db.Tx, list []Encounter) error {
	var rows, diagnoses, funds, fees []any
	for _, e := range list {
		tx.Touch("encounter", e.ID)
		rows = append(rows, e.ID, e.Version, true, db.Null(e.Patient), db.Null(e.Org), e.Outside.Code, e.Outside.Name, e.Outside.Region,
			string(e.Class), db.At(e.Start), db.At(e.End), string(e.CountedOn()), e.Department, e.Doctor, e.First, e.FirstBy, e.Leave,
			e.Referral, e.InsuranceKind, e.InsurancePlace, e.Total, e.Fund(), e.Own, e.Visits, e.Clinical,
			e.Source.System, e.Source.Key, e.Source.Ref, db.At(e.RecordedAt), e.RecordedBy, e.ChangeReason, "", "")
		for n, d := range e.Diagnoses {
			diagnoses = append(diagnoses, e.ID, e.Version, n, d.ClinicalCode, d.ClinicalName, d.InsuranceCode, d.InsuranceName, d.Known)
		}
		for _, s := range e.Funds {
			funds = append(funds, e.ID, e.Version, s.Code, s.Fen)
		}
		for _, s := range e.Fees {
			fees = append(fees, e.ID, e.Version, s.Code, s.Fen)
		}
	}
	if err := tx.InsertAll(ctx, insertEncounter, rows); err != nil {
		if errs.Is(err, errs.Conflict) {
			return errs.Because(err, errs.Conflict, "有一条就诊的流水号已经登记过，整批没有保存")
		}
		return fmt.Errorf("insert encounters: %w", err)
	}
	if err := tx.InsertAll(ctx, insertDiagnosis, diagnoses); err != nil {
		return fmt.Errorf("insert diagnoses: %w", err)
	}
	if err := tx.InsertAll(ctx, insertFund, funds); err != nil {
		return fmt.Errorf("insert fund shares: %w", err)
	}
	if err := tx.InsertAll(ctx, insertFee, fees); err != nil {
		return fmt.Errorf("insert fees: %w", err)
	}
	return nil
}

// replace takes the mark of the newest from a version; one that has lost it
// meanwhile is a Conflict.
func replace(ctx context.Context, tx *db.Tx, old Encounter) error {
	n, err := tx.Exec(ctx, `UPDATE encounter SET current = FALSE WHERE id = $1 AND version = $2 AND current`, old.ID, old.Version)
	if err != nil {
		return fmt.Errorf("replace encounter: %w", err)
	}
	if n == 0 {
		return errs.E(errs.Conflict, "这条就诊记录刚刚被改动，请刷新后再操作")
	}
	return nil
}

func read(scan db.Scan) (e Encounter, err error) {
	var patient, org db.Null
	var start, end, recorded, voided db.Time
	err = scan(&e.ID, &e.Version, &patient, &org, &e.Outside.Code, &e.Outside.Name, &e.Outside.Region, &e.Class,
		&start, &end, &e.Department, &e.Doctor, &e.First, &e.FirstBy, &e.Leave, &e.Referral,
		&e.InsuranceKind, &e.InsurancePlace, &e.Total, &e.Own, &e.Visits, &e.Clinical,
		&e.Source.System, &e.Source.Key, &e.Source.Ref, &recorded, &e.RecordedBy, &e.ChangeReason, &voided, &e.VoidedBy, &e.VoidReason)
	e.Patient, e.Org = string(patient), string(org)
	e.Start, e.End, e.RecordedAt, e.VoidedAt = start.Time, end.Time, recorded.Time, voided.Time
	return e, err
}

// Get returns the newest version of an encounter, a voided one too.
func Get(ctx context.Context, tx *db.Tx, id string) (Encounter, error) {
	e, err := db.Get(ctx, tx, "这条就诊记录", read, `
		SELECT id, version, patient, org, outside_code, outside_name, outside_region, class, started_at, ended_at, department, doctor,
			first_contact, first_by, leave_way, referral, insurance_kind, insurance_place, total_fen, own_fen, visits, clinical,
			source, source_key, source_ref, recorded_at, recorded_by, change_reason, voided_at, voided_by, void_reason
		FROM encounter WHERE id = $1 AND current`, id)
	if err != nil {
		return e, err
	}
	list := []Encounter{e}
	err = fill(ctx, tx, list)
	return list[0], err
}

// BySource returns the encounter that a source knows under a key; voided ones
// are passed over.
func BySource(ctx context.Context, tx *db.Tx, system, key string) (Encounter, bool, error) {
	list, err := db.List(ctx, tx, read, `
		SELECT id, version, patient, org, outside_code, outside_name, outside_region, class, started_at, ended_at, department, doctor,
			first_contact, first_by, leave_way, referral, insurance_kind, insurance_place, total_fen, own_fen, visits, clinical,
			source, source_key, source_ref, recorded_at, recorded_by, change_reason, voided_at, voided_by, void_reason
		FROM encounter WHERE source = $1 AND source_key = $2 AND current AND voided_at IS NULL`, system, key)
	if err != nil || len(list) == 0 {
		return Encounter{}, false, err
	}
	err = fill(ctx, tx, list)
	return list[0], true, err
}

// ByOtherRoad is an institution's encounter with a number of a visit that came
// by another road than this one (SourceHL7, SourceFHIR, SourceFile): it is the
// same visit. Two systems on one road number by themselves.
func ByOtherRoad(ctx context.Context, tx *db.Tx, org, number, road string) (Encounter, bool, error) {
	list, err := db.List(ctx, tx, db.Value[string], `SELECT id FROM encounter
		WHERE source_key = $1 AND org = $2 AND current AND voided_at IS NULL AND source NOT LIKE $3 ORDER BY id LIMIT 1`, number, org, road+"/%")
	if err != nil || len(list) == 0 {
		return Encounter{}, false, err
	}
	e, err := Get(ctx, tx, list[0])
	return e, err == nil, err
}

// OfPatient returns the encounters of a person, under whichever of his
// identities they were recorded, the newest first, at most limit. The
// caller has decided that the actor may see them (access.Patient).
func OfPatient(ctx context.Context, tx *db.Tx, patient string, limit int) ([]Encounter, error) {
	list, err := db.List(ctx, tx, read, `
		SELECT id, version, patient, org, outside_code, outside_name, outside_region, class, started_at, ended_at, department, doctor,
			first_contact, first_by, leave_way, referral, insurance_kind, insurance_place, total_fen, own_fen, visits, clinical,
			source, source_key, source_ref, recorded_at, recorded_by, change_reason, voided_at, voided_by, void_reason
		FROM encounter
		WHERE patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		  AND current AND voided_at IS NULL
		ORDER BY started_at DESC, id DESC LIMIT $2`, patient, limit)
	if err != nil {
		return nil, err
	}
	return list, fill(ctx, tx, list)
}

// History returns all versions of an encounter, the oldest first.
func History(ctx context.Context, tx *db.Tx, id string) ([]Encounter, error) {
	list, err := db.List(ctx, tx, read, `
		SELECT id, version, patient, org, outside_code, outside_name, outside_region, class, started_at, ended_at, department, doctor,
			first_contact, first_by, leave_way, referral, insurance_kind, insurance_place, total_fen, own_fen, visits, clinical,
			source, source_key, source_ref, recorded_at, recorded_by, change_reason, voided_at, voided_by, void_reason
		FROM encounter WHERE id = $1 ORDER BY version`, id)
	if err != nil {
		return nil, err
	}
	return list, fill(ctx, tx, list)
}

// fill reads the diagnoses, fund shares and fees of a list.
func fill(ctx context.Context, tx *db.Tx, list []Encounter) error {
	ids := make([]string, len(list))
	at := map[version]*Encounter{}
	for i := range list {
		ids[i] = list[i].ID
		at[version{list[i].ID, list[i].Version}] = &list[i]
	}
	query, args := db.Expand(`
		SELECT encounter, version, clinical_code, clinical_name, insurance_code, insurance_name, known
		FROM encounter_diagnosis WHERE encounter IN ($list) ORDER BY encounter, version, n`, nil, ids)
	diagnoses, err := db.List(ctx, tx, readDiagnosis, query, args...)
	if err != nil {
		return err
	}
	for _, d := range diagnoses {
		if e := at[d.version]; e != nil {
			e.Diagnoses = append(e.Diagnoses, d.Diagnosis)
		}
	}
	query, args = db.Expand(`SELECT encounter, version, kind, amount_fen FROM encounter_fund WHERE encounter IN ($list) ORDER BY kind`, nil, ids)
	funds, err := db.List(ctx, tx, readShare, query, args...)
	if err != nil {
		return err
	}
	for _, s := range funds {
		if e := at[s.version]; e != nil {
			e.Funds = append(e.Funds, s.Share)
		}
	}
	query, args = db.Expand(`SELECT encounter, version, class, amount_fen FROM encounter_fee WHERE encounter IN ($list) ORDER BY class`, nil, ids)
	fees, err := db.List(ctx, tx, readShare, query, args...)
	if err != nil {
		return err
	}
	for _, s := range fees {
		if e := at[s.version]; e != nil {
			e.Fees = append(e.Fees, s.Share)
		}
	}
	return nil
}

// version names one version of one encounter.
type version struct {
	id string
	n  int64
}

type diagnosisRow struct {
	version
	Diagnosis
}

func readDiagnosis(scan db.Scan) (d diagnosisRow, err error) {
	return d, scan(&d.id, &d.n, &d.ClinicalCode, &d.ClinicalName, &d.InsuranceCode, &d.InsuranceName, &d.Known)
}

type shareRow struct {
	version
	Share
}

func readShare(scan db.Scan) (s shareRow, err error) {
	return s, scan(&s.id, &s.n, &s.Code, &s.Fen)
}

// Filter says which encounters to count; zero values do not narrow.
type Filter struct {
	Org      string
	Class    Class
	From, To calendar.Date // of the day counted on, both inclusive; required
}

// Total is what happened at one institution on one day in one class. Sums of
// money cover the rows that state one; the counts beside them say how many.
type Total struct {
	Org         string // "" outside the register
	Day         calendar.Date
	Class       Class
	Visits      int64
	TotalFen    int64
	TotalStated int64 // visits whose total is stated
	FundFen     int64
	FundStated  int64
	OwnFen      int64
	OwnStated   int64
	First       int64 // stated to be first contacts
	FirstStated int64 // stated either way
	Referred    int64 // came from a referral
}

// Totals counts encounters by institution, day and class.
func Totals(ctx context.Context, tx *db.Tx, f Filter) ([]Total, error) {
	return db.List(ctx, tx, func(scan db.Scan) (t Total, err error) {
		var org db.Null
		err = scan(&org, &t.Day, &t.Class, &t.Visits, &t.TotalFen, &t.TotalStated, &t.FundFen, &t.FundStated, &t.OwnFen, &t.OwnStated,
			&t.First, &t.FirstStated, &t.Referred)
		t.Org = string(org)
		return t, err
	}, `
		SELECT org, counted_on, class, CAST(sum(visits) AS BIGINT),
			CAST(coalesce(sum(total_fen), 0) AS BIGINT), CAST(coalesce(sum(visits) FILTER (WHERE total_fen IS NOT NULL), 0) AS BIGINT),
			CAST(coalesce(sum(fund_fen), 0) AS BIGINT), CAST(coalesce(sum(visits) FILTER (WHERE fund_fen IS NOT NULL), 0) AS BIGINT),
			CAST(coalesce(sum(own_fen), 0) AS BIGINT), CAST(coalesce(sum(visits) FILTER (WHERE own_fen IS NOT NULL), 0) AS BIGINT),
			CAST(coalesce(sum(visits) FILTER (WHERE first_contact = 'yes'), 0) AS BIGINT),
			CAST(coalesce(sum(visits) FILTER (WHERE first_contact <> ''), 0) AS BIGINT),
			CAST(coalesce(sum(visits) FILTER (WHERE referral <> ''), 0) AS BIGINT)
		FROM encounter
		WHERE current AND voided_at IS NULL AND counted_on >= $1 AND counted_on <= $2
		  AND (CAST($3 AS TEXT) = '' OR org = $3) AND (CAST($4 AS TEXT) = '' OR class = $4)
		GROUP BY org, counted_on, class ORDER BY counted_on, org NULLS FIRST, class`,
		string(f.From), string(f.To), f.Org, string(f.Class))
}

// FundTotals sums what each kind of fund paid for the encounters of a filter.
func FundTotals(ctx context.Context, tx *db.Tx, f Filter) ([]Share, error) {
	return db.List(ctx, tx, func(scan db.Scan) (s Share, err error) { return s, scan(&s.Code, &s.Fen) }, `
		SELECT f.kind, CAST(sum(f.amount_fen) AS BIGINT)
		FROM encounter e JOIN encounter_fund f ON f.encounter = e.id AND f.version = e.version
		WHERE e.current AND e.voided_at IS NULL AND e.counted_on >= $1 AND e.counted_on <= $2
		  AND (CAST($3 AS TEXT) = '' OR e.org = $3) AND (CAST($4 AS TEXT) = '' OR e.class = $4)
		GROUP BY f.kind ORDER BY f.kind`, string(f.From), string(f.To), f.Org, string(f.Class))
}

// After lists the ids of encounters after one, ascending.
func After(ctx context.Context, tx *db.Tx, after string, limit int) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT id FROM encounter WHERE current AND id > $1 ORDER BY id LIMIT $2`, after, limit)
}
