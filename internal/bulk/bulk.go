// Package bulk exports what a client may see as NDJSON files (FHIR Bulk Data
// Access): of the whole store, of all patients, or of a group. An export is a
// job that writes file after file and goes on where it was when the process
// ended; its files are sealed and deleted after a day. The content is that of
// one instant, whatever is written meanwhile.
package bulk

import (
	"time"

	"yilian/internal/errs"
)

// Level is what an export is of.
type Level string

// The levels of an export.
const (
	System  Level = "system"  // everything that may be seen
	Patient Level = "patient" // what is in the records of patients
	Group   Level = "group"   // what is in the records of a group's members
)

// State is where an export stands.
type State string

// The states of an export.
const (
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Expired   State = "expired"
)

// Request is what a client asks for.
type Request struct {
	Level    Level
	Group    string   // id of the Group, at that level
	Patients []string // ids of Patient instances to narrow it to; nil: all of the level
	Types    []string // resource types, none twice; the caller has checked the scopes
	Since    time.Time
	URL      string // address that was asked, shown in the answer
	Scopes   string // of the token
	Client   string
}

// Export is an export under way or over.
type Export struct {
	ID, Client, Org, Scopes string
	URL                     string
	Level                   Level
	Types                   []string
	Since, At               time.Time
	State                   State
	Reason                  string // why it failed, Chinese
	ExpiresAt               time.Time

	unit, after, step, failures int64
	units                       int64 // how many there are, known while it runs
}

// Part is one file.
type Part struct {
	No      int64
	Type    string
	Deleted bool
	Count   int64
}

// Limits.
const (
	maxRunning  = 3 // exports of one client at a time
	life        = 24 * time.Hour
	settle      = time.Second // for writes that began before the instant of the export
	maxFailures = 5
	pageCount   = 100     // resources read at once
	partCount   = 2000    // resources of a file
	partBytes   = 8 << 20 // size of a file before sealing, about
	memberChunk = 200     // members of a group that are asked for at once
)

// ErrBusy answers a client that has too many exports under way.
var ErrBusy = errs.E(errs.Conflict, "同时进行的导出不能超过 %d 个：请等前一个完成，或先取消它", maxRunning)

// Progress is how far an export is, in percent.
func (e Export) Progress() int64 {
	if e.State != Running || e.units == 0 {
		return 100
	}
	return e.unit * 100 / e.units
}
