package record

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// lastNumber keeps the numbers that this process hands out ascending.
var lastNumber atomic.Int64

// newNumber is 41 bits of milliseconds and 22 bits of chance: ascending with
// time, and free of a counter that all writers would wait for.
func newNumber(now time.Time) int64 {
	for {
		last := lastNumber.Load()
		n := now.UnixMilli()<<22 | rand.Int64N(1<<22)
		if n <= last {
			n = last + 1 + rand.Int64N(16)
		}
		if lastNumber.CompareAndSwap(last, n) {
			return n
		}
	}
}

// number is the place of a text among 63 bits, for columns that compare whole
// values only; what it finds is compared again where it matters. 0 is "".
func number(text string) int64 {
	if text == "" {
		return 0
	}
	sum := sha256.Sum256([]byte(text))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

const headColumns = `r.n, r.type, r.id, r.version, r.updated_at, r.deleted, r.patient, r.source, r.client, r.owner, r.withdrawn_at, r.class, r.ever`

func readHead(scan db.Scan) (r Resource, err error) {
	var at, withdrawn db.Time
	err = scan(&r.n, &r.Type, &r.ID, &r.Version, &at, &r.Deleted, &r.Patient, &r.Source.Org, &r.Source.Client, &r.Owner, &withdrawn, &r.class, &r.ever)
	r.At, r.Withdrawn = at.Time, !withdrawn.IsZero()
	return r, err
}

func headOf(ctx context.Context, tx *db.Tx, key Key) (Resource, error) {
	return db.Get(ctx, tx, " "+key.String(), readHead,
		`SELECT `+headColumns+` FROM record_resource r WHERE r.type = $1 AND r.id = $2`, key.Type, key.ID)
}

// sealed is a resource with its body as stored.
type sealed struct {
	Resource
	box []byte
}

func readSealed(scan db.Scan) (r sealed, err error) {
	var at, withdrawn db.Time
	err = scan(&r.n, &r.Type, &r.ID, &r.Version, &at, &r.Deleted, &r.Patient, &r.Source.Org, &r.Source.Client, &r.Owner, &withdrawn,
		&r.class, &r.ever, &r.Method, &r.box)
	r.At, r.Withdrawn = at.Time, !withdrawn.IsZero()
	return r, err
}

const selectCurrent = `SELECT ` + headColumns + `, v.method, v.body FROM record_resource r
	JOIN record_version v ON v.n = r.n AND v.version = r.version `

func (s *Store) current(ctx context.Context, tx *db.Tx, key Key) (Resource, error) {
	r, err := db.Get(ctx, tx, " "+key.String(), readSealed, selectCurrent+`WHERE r.type = $1 AND r.id = $2`, key.Type, key.ID)
	if err != nil {
		return Resource{}, err
	}
	return s.open(r)
}

// byNumbers returns current versions in the order of ns; deleted and withdrawn
// ones are left out.
func (s *Store) byNumbers(ctx context.Context, tx *db.Tx, ns []int64) ([]Resource, error) {
	found := make(map[int64]Resource, len(ns))
	for part := range chunks(ns, listMax) {
		query, args := db.Expand(selectCurrent+`WHERE r.n IN ($list)`, nil, part)
		rows, err := db.List(ctx, tx, readSealed, query, args...)
		if err != nil {
			return nil, fmt.Errorf("read resources: %w", err)
		}
		for _, row := range rows {
			if row.Deleted || row.Withdrawn {
				continue
			}
			r, err := s.open(row)
			if err != nil {
				return nil, err
			}
			found[r.n] = r
		}
	}
	out := make([]Resource, 0, len(found))
	for _, n := range ns {
		if r, ok := found[n]; ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// version reads one version of a head.
func (s *Store) version(ctx context.Context, tx *db.Tx, h Resource, version int64) (Resource, error) {
	what := fmt.Sprintf(" %s 的第 %d 版", h.Key, version)
	r, err := db.Get(ctx, tx, what, readVersion, selectVersion+`WHERE v.n = $1 AND v.version = $2`, h.n, version)
	if err != nil {
		return Resource{}, err
	}
	r.Patient, r.class, r.ever = h.Patient, h.class, h.ever
	return s.open(r)
}

const selectVersion = `SELECT v.n, v.type, v.id, v.version, v.at, v.method, v.source, v.client, v.owner, v.body FROM record_version v `

func readVersion(scan db.Scan) (r sealed, err error) {
	var at db.Time
	err = scan(&r.n, &r.Type, &r.ID, &r.Version, &at, &r.Method, &r.Source.Org, &r.Source.Client, &r.Owner, &r.box)
	r.At = at.Time
	r.Deleted, r.Withdrawn = r.Method == Deleted, r.Method == Withdrawn
	return r, err
}

// open unseals the body. The context binds it to its place.
func (s *Store) open(r sealed) (Resource, error) {
	if r.box == nil {
		return r.Resource, nil
	}
	plain, err := s.Keys.OpenBytes(r.box, bodyContext(r.n, r.Version))
	if err != nil {
		return Resource{}, err
	}
	r.Body, err = unpack(plain)
	if err != nil {
		return Resource{}, errs.Because(err, errs.Internal, "%s 的内容无法还原，请通知系统管理员核对备份", r.Key)
	}
	return r.Resource, nil
}

func bodyContext(n, version int64) string {
	b := strconv.AppendInt(append(make([]byte, 0, 48), "record/"...), n, 10)
	return string(strconv.AppendInt(append(b, '/'), version, 10))
}

func (s *Store) insertVersion(tx *db.Tx, r Resource) error {
	var box []byte
	if r.Body != nil {
		var err error
		if box, err = s.Keys.SealBytes(pack(r.Body), bodyContext(r.n, r.Version)); err != nil {
			return err
		}
	}
	return tx.Later(insertVersion, []any{r.n, r.Version, r.Type, r.ID, db.At(r.At), r.Method, r.Source.Org, r.Source.Client, r.Owner, box})
}

const insertVersion = `
	INSERT INTO record_version (n, version, type, id, at, method, source, client, owner, body)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

const insertNew = `
	INSERT INTO record_resource (n, type, id, version, updated_at, deleted, patient, source, client, owner, class, ever)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

// insertHead stores the head of a new resource; ok is false when it exists. The
// head of one whose id nobody else can have waits until somebody reads heads.
func insertHead(ctx context.Context, tx *db.Tx, r Resource, fresh bool) (ok bool, err error) {
	r.forget(tx)
	row := []any{r.n, r.Type, r.ID, r.Version, db.At(r.At), false, r.Patient, r.Source.Org, r.Source.Client, r.Owner, r.class, r.class}
	if fresh {
		return true, tx.Later(insertNew, row)
	}
	n, err := tx.Exec(ctx, insertNew+` ON CONFLICT (type, id) DO NOTHING`, row...)
	if err != nil {
		return false, fmt.Errorf("insert %s: %w", r.Key, err)
	}
	return n == 1, nil
}

// moveHead replaces the head of version r.Version-1; who comes second is told.
func moveHead(ctx context.Context, tx *db.Tx, r Resource) error {
	r.forget(tx)
	var withdrawn db.Time
	if r.Withdrawn {
		withdrawn = db.At(r.At)
	}
	n, err := tx.Exec(ctx, `
		UPDATE record_resource SET version = $2, updated_at = $3, deleted = $4, patient = $5, source = $6, client = $7, owner = $8, withdrawn_at = $9,
			class = $10, ever = $11
		WHERE n = $1 AND version = $2 - 1`,
		r.n, r.Version, db.At(r.At), r.Deleted, r.Patient, r.Source.Org, r.Source.Client, r.Owner, withdrawn, r.class, r.ever)
	if err != nil {
		return fmt.Errorf("update %s: %w", r.Key, err)
	}
	if n == 0 {
		return stale(r.Key, r.Version)
	}
	return nil
}

func stale(key Key, version int64) error {
	return errs.Because(&Stale{key, version}, errs.Conflict, "%s 已有更新的版本（第 %d 版）：请读取最新内容，核对后再写", key, version)
}
