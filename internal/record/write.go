package record

import (
	"bytes"
	"context"
	"strconv"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// Create stores a new resource under a new id, or under Draft.ID, which must be
// free.
func (s *Store) Create(ctx context.Context, tx *db.Tx, d Draft) (Resource, error) {
	d.New, d.Method = true, Created
	r, _, err := s.put(ctx, tx, d)
	return r, err
}

// Update stores the next version of Draft.ID, or the first one when there is
// none; created says which. A deleted resource comes back to life.
func (s *Store) Update(ctx context.Context, tx *db.Tx, d Draft) (r Resource, created bool, err error) {
	if d.Method == "" {
		d.Method = Updated
	}
	return s.put(ctx, tx, d)
}

// Project stores what a module says about its own instance: nothing is written
// when it says nothing new, and a Conflict with cause *NotOwner answers when
// the instance was made by somebody else.
func (s *Store) Project(ctx context.Context, tx *db.Tx, module string, body []byte, patient string) (Resource, error) {
	r, _, err := s.put(ctx, tx, Draft{Body: body, Owner: module, Patient: patient, Method: Updated})
	return r, err
}

func (s *Store) put(ctx context.Context, tx *db.Tx, d Draft) (Resource, bool, error) {
	doc, err := parse(d.Body)
	if err != nil {
		return Resource{}, false, err
	}
	r := Resource{Key: Key{doc.kind, d.ID}, At: tx.Now, Method: d.Method, Source: d.Source, Owner: d.Owner}
	if r.ID == "" {
		r.ID = doc.id
	}
	if d.New && d.ID == "" || r.ID == "" {
		r.ID = db.NewID()
	}
	if !ValidID(r.ID) {
		return Resource{}, false, errs.E(errs.Invalid, "资源编号“%s”不合规：只能用字母、数字、“-”和“.”，1 至 64 个字符", r.ID)
	}
	defer doc.Release()
	idx, err := s.index(ctx, tx, doc, d.Patient)
	if err != nil {
		return Resource{}, false, err
	}
	r.Patient = idx.patient
	rules, err := s.rules(tx.Now)
	if err != nil {
		return Resource{}, false, err
	}
	r.class = classOf(rules, doc.Root())
	r.ever = r.class
	if d.New && (d.ID == "" || d.Fresh) { // nobody else can know the id yet
		return s.first(ctx, tx, r, doc, idx, true)
	}
	old, err := s.current(ctx, tx, r.Key)
	if errs.Is(err, errs.NotFound) {
		if d.If > 0 {
			return Resource{}, false, stale(r.Key, 0)
		}
		return s.first(ctx, tx, r, doc, idx, false)
	}
	if err != nil {
		return Resource{}, false, err
	}
	if d.New {
		return Resource{}, false, errs.Because(&Stale{r.Key, old.Version}, errs.Conflict, "%s 已经存在", r.Key)
	}
	return s.next(ctx, tx, r, d, old, doc, idx)
}

// first writes version 1. fresh says that nobody else can have the id.
func (s *Store) first(ctx context.Context, tx *db.Tx, r Resource, doc document, idx index, fresh bool) (Resource, bool, error) {
	r.Version, r.n = 1, newNumber(tx.Now)
	if r.Method != Created && r.Owner == "" {
		r.Method = Updated
	}
	var err error
	if r.Body, err = doc.stamped(r.ID, r.Version, r.At); err != nil {
		return Resource{}, false, err
	}
	ok, err := insertHead(ctx, tx, r, fresh)
	if err != nil {
		return Resource{}, false, err
	}
	if !ok {
		return Resource{}, false, errs.Because(&Stale{r.Key, 0}, errs.Conflict, "%s 刚刚由别人建立，请读取后再写", r.Key)
	}
	if err := s.insertVersion(tx, r); err != nil {
		return Resource{}, false, err
	}
	if err := idx.insert(tx, r.n); err != nil {
		return Resource{}, false, err
	}
	return r, true, s.changed(ctx, tx, r)
}

// next writes the version after old.
func (s *Store) next(ctx context.Context, tx *db.Tx, r Resource, d Draft, old Resource, doc document, idx index) (Resource, bool, error) {
	if old.Withdrawn {
		return Resource{}, false, gone(old)
	}
	if d.If > 0 && d.If != old.Version {
		return Resource{}, false, stale(r.Key, old.Version)
	}
	if old.Owner != d.Owner {
		return Resource{}, false, notOwner(old)
	}
	r.n, r.Version = old.n, old.Version+1
	if r.ever == "" {
		r.ever = old.ever
	}
	if d.Owner != "" && !old.Deleted && old.Patient == r.Patient {
		same, err := doc.stamped(r.ID, old.Version, old.At)
		if err != nil || bytes.Equal(same, old.Body) { // a projection that says what is there already makes no version
			return old, false, err
		}
	}
	var err error
	if r.Body, err = doc.stamped(r.ID, r.Version, r.At); err != nil {
		return Resource{}, false, err
	}
	if err := s.replace(ctx, tx, r); err != nil {
		return Resource{}, false, err
	}
	if err := idx.insert(tx, r.n); err != nil {
		return Resource{}, false, err
	}
	return r, old.Deleted, s.changed(ctx, tx, r)
}

// replace moves the head, adds the version and takes the old search values away.
func (s *Store) replace(ctx context.Context, tx *db.Tx, r Resource) error {
	if err := moveHead(ctx, tx, r); err != nil {
		return err
	}
	if err := s.insertVersion(tx, r); err != nil {
		return err
	}
	return dropIndex(ctx, tx, r.n)
}

func notOwner(r Resource) error {
	if r.Owner == "" {
		return errs.Because(&NotOwner{r.Key, ""}, errs.Conflict, "%s 由外部系统送来，本平台的模块不改写它", r.Key)
	}
	return errs.Because(&NotOwner{r.Key, r.Owner}, errs.Conflict, "%s 由本平台自己维护，不能从接口改写：请在平台的相应页面上修改", r.Key)
}

// Delete adds the version that deletes; ifVersion 0 deletes any version. A
// resource that is deleted already is returned as it is.
func (s *Store) Delete(ctx context.Context, tx *db.Tx, key Key, src Source, owner string, ifVersion int64) (Resource, error) {
	return s.end(ctx, tx, key, src, owner, ifVersion, Deleted)
}

// Withdraw takes a resource out of the chart it was put into by mistake: it is
// read and found no more, in no version. What was written stays sealed for the
// auditor. Who had read it is in the audit log under its type and id.
func (s *Store) Withdraw(ctx context.Context, tx *db.Tx, key Key, src Source) (Resource, error) {
	h, err := headOf(ctx, tx, key)
	if err != nil {
		return Resource{}, err
	}
	return s.end(ctx, tx, key, src, h.Owner, 0, Withdrawn)
}

func (s *Store) end(ctx context.Context, tx *db.Tx, key Key, src Source, owner string, ifVersion int64, method string) (Resource, error) {
	r, err := headOf(ctx, tx, key)
	switch {
	case err != nil:
		return Resource{}, err
	case ifVersion > 0 && ifVersion != r.Version:
		return Resource{}, stale(key, r.Version)
	case r.Withdrawn || r.Deleted && method == Deleted:
		return r, nil
	case r.Owner != owner:
		return Resource{}, notOwner(r)
	}
	r.Version, r.At, r.Method, r.Source = r.Version+1, tx.Now, method, src
	r.Deleted, r.Withdrawn = method == Deleted || r.Deleted, method == Withdrawn
	if err := s.replace(ctx, tx, r); err != nil {
		return Resource{}, err
	}
	return r, s.changed(ctx, tx, r)
}

func (s *Store) changed(ctx context.Context, tx *db.Tx, r Resource) error {
	if s.Changed == nil {
		return nil
	}
	return s.Changed(ctx, tx, r)
}

// ValidID reports whether a text may be the id of a resource.
func ValidID(id string) bool {
	if len(id) == 0 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// ETag is the weak entity tag of a version.
func (r Resource) ETag() string { return `W/"` + strconv.FormatInt(r.Version, 10) + `"` }
