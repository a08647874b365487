// Package errs is the error vocabulary of the program: what the user can be
// told, and how a transport answers it. Everything that is not an *Error is an
// internal fault; the edge logs it once and shows a general sentence.
package errs

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says whose turn it is after an error.
type Kind int

const (
	Internal    Kind = iota // a fault of the program; the user can only report it
	Invalid                 // the input is wrong; the user mends it (HTTP 422)
	NotFound                // there is no such thing, or it may not be known to exist (404)
	Conflict                // somebody was faster, or the state has moved on (409)
	Forbidden               // the actor may not do this (403)
	Unavailable             // the machine cannot serve now: disk full, shutting down (503)
)

// Field is one wrong field of a form: its machine name and a Chinese sentence.
type Field struct {
	Name    string
	Message string
}

// Error is an error that the user is meant to read.
type Error struct {
	Kind    Kind
	Message string  // Chinese, says what is wrong, where and what to do
	Fields  []Field // wrong fields, for Invalid
	Clause  string  // policy clause that refuses, for example LL-4.4.1d; empty when none
	cause   error
}

func (e *Error) Error() string {
	if len(e.Fields) == 0 {
		return e.Message
	}
	parts := make([]string, 0, len(e.Fields)+1)
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	for _, f := range e.Fields {
		parts = append(parts, f.Message)
	}
	return strings.Join(parts, "；")
}

func (e *Error) Unwrap() error { return e.cause }

// E makes an error of a kind with a message for the user.
func E(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Because makes an error of a kind whose cause is kept for the log.
func Because(cause error, kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), cause: cause}
}

// Refused makes a Forbidden or Invalid answer that names the clause it rests on.
func Refused(kind Kind, clause, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Clause: clause}
}

// KindOf returns the kind of err; anything that is not an *Error is Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is of the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Correctable reports whether a form comes back with err on it: the person can
// put right what was typed, or look at what has changed meanwhile.
func Correctable(err error) bool { return Is(err, Invalid) || Is(err, Conflict) }

// Form collects the wrong fields of one input, so that the user sees them all
// at once. The zero value is ready.
type Form struct{ fields []Field }

// Add records that a field is wrong.
func (f *Form) Add(name, format string, args ...any) {
	f.fields = append(f.fields, Field{name, fmt.Sprintf(format, args...)})
}

// Require records that a field is missing when value is blank.
func (f *Form) Require(name, value, label string) {
	if strings.TrimSpace(value) == "" {
		f.Add(name, "请填写%s", label)
	}
}

// AddErr records err under the field when err is not nil.
func (f *Form) AddErr(name string, err error) {
	if err != nil {
		f.Add(name, "%s", err.Error())
	}
}

// OK reports whether nothing is wrong so far.
func (f *Form) OK() bool { return len(f.fields) == 0 }

// Err returns an Invalid error with all wrong fields, or nil.
func (f *Form) Err() error {
	if len(f.fields) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Fields: f.fields}
}
