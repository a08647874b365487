// Package record is the FHIR R4 store: what was received is what is given back.
// A body is kept as it came but for id and meta, every version is kept, bodies
// are sealed at rest, and the values that searches ask for are written in the
// same transaction. It knows patients and institutions as plain strings and
// decides nothing about who may read: callers ask package access first, and
// say for whom they search (Reader).
//
// Ownership is per instance. What a system sent has no owner and keeps its
// bytes; what a module projects is rewritten by that module only.
package record

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/policy"
)

// The ways in which a version came to be.
const (
	Created   = "POST"
	Updated   = "PUT"
	Patched   = "PATCH"
	Deleted   = "DELETE"
	Withdrawn = "WITHDRAW" // taken out of a chart it never belonged to
)

// Source is who sent a resource.
type Source struct {
	Org    string // institution id
	Client string // system client or account
}

// Key names a resource.
type Key struct{ Type, ID string }

func (k Key) String() string { return k.Type + "/" + k.ID }

// Resource is one version of a resource.
type Resource struct {
	Key
	Version   int64
	At        time.Time
	Method    string // how this version came to be
	Patient   string // resident whose record it belongs to, "" none
	Source    Source
	Owner     string // module that made it; "" received
	Deleted   bool
	Withdrawn bool
	Body      []byte // nil when deleted or withdrawn

	n           int64  // place in the order of paging
	class, ever string // sensitive class of what it says, and of what any version ever said
}

// Draft is a resource to be written.
type Draft struct {
	Body   []byte // JSON; id and meta.versionId, meta.lastUpdated are set by the store
	ID     string // "" on Create: a new one
	Source Source
	Owner  string // module; "" received
	// Patient sets the resident outright, for Patient instances (whom they
	// stand for) and for callers that know better than the references.
	Patient string
	Method  string // Updated when empty
	// If is the version that the writer has seen; 0 writes over any.
	If int64
	// New refuses to write over an existing resource.
	New bool
	// Fresh says that ID was made for this resource by db.NewID and told to
	// nobody: that it is free need not be looked up.
	Fresh bool
}

// Gone is the cause of a NotFound: the resource existed.
type Gone struct {
	Key
	Version   int64
	At        time.Time
	Withdrawn bool
}

func (g *Gone) Error() string { return g.Key.String() + " is gone" }

// Stale is the cause of a Conflict: the resource has moved on to Version.
type Stale struct {
	Key
	Version int64
}

func (s *Stale) Error() string { return fmt.Sprintf("%s is at version %d", s.Key, s.Version) }

// NotOwner is the cause of a Conflict: an instance is written by whoever made
// it. Owner is the module, "" a system.
type NotOwner struct {
	Key
	Owner string
}

func (o *NotOwner) Error() string { return o.Key.String() + " belongs to " + o.Owner }

// Store is the FHIR store of one database.
type Store struct {
	DB   *db.DB
	Keys *crypto.Keyring
	// Base is the public address of /fhir, so that references written with it
	// are known as the server's own; "" none.
	Base string
	// Book says what is sensitive; nil: nothing is. BornAfter says who of some
	// patients was born after a day; nil: nobody.
	Book      *policy.Book
	BornAfter func(ctx context.Context, tx *db.Tx, patients []string, day calendar.Date) (map[string]bool, error)
	// Projectors say how things of the modules stand in the record.
	Projectors []Projector
	// Changed is told of each version in the transaction that writes it, for
	// subscriptions; nil: nobody listens.
	Changed func(ctx context.Context, tx *db.Tx, r Resource) error

	projecting projecting
	classes    atomic.Pointer[held]
}

// Read returns the current version. A resource that was deleted or withdrawn is
// NotFound with cause *Gone.
func (s *Store) Read(ctx context.Context, tx *db.Tx, key Key) (Resource, error) {
	r, err := s.current(ctx, tx, key)
	if err != nil {
		return Resource{}, err
	}
	if r.Deleted || r.Withdrawn {
		return Resource{}, gone(r)
	}
	return r, nil
}

func gone(r Resource) error {
	text := "%s 已被删除"
	if r.Withdrawn {
		text = "%s 已从该患者的档案中撤出"
	}
	return errs.Because(&Gone{r.Key, r.Version, r.At, r.Withdrawn}, errs.NotFound, text, r.Key)
}

// VRead returns one version. The version that deletes is NotFound with cause
// *Gone; of a withdrawn resource no version is given.
func (s *Store) VRead(ctx context.Context, tx *db.Tx, key Key, version int64) (Resource, error) {
	h, err := headOf(ctx, tx, key)
	if err != nil {
		return Resource{}, err
	}
	if h.Withdrawn {
		return Resource{}, gone(h)
	}
	r, err := s.version(ctx, tx, h, version)
	if err != nil {
		return Resource{}, err
	}
	if r.Deleted {
		return Resource{}, gone(r)
	}
	return r, nil
}

// Head returns the current version without its body, whatever its state:
// NotFound only when there never was one.
func (s *Store) Head(ctx context.Context, tx *db.Tx, key Key) (Resource, error) {
	return headOf(ctx, tx, key)
}
