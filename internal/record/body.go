package record

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
)

// The first byte of a sealed body says how it was packed. Bodies below
// packFrom stay plain: at 1 kB flate costs more time (21 µs, and 16 µs for each
// read) than sealing and storing the difference (5 µs); from one database page
// upwards it saves pages.
const (
	plainBody = 0
	flateBody = 1
	packFrom  = 4096
)

// maxUnpacked bounds what a packed body may grow to.
const maxUnpacked = 256 << 20

var packers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

func pack(body []byte) []byte {
	if len(body) >= packFrom {
		var b bytes.Buffer
		b.WriteByte(flateBody)
		w := packers.Get().(*flate.Writer)
		defer packers.Put(w)
		w.Reset(&b)
		_, err := w.Write(body)
		if err := errors.Join(err, w.Close()); err == nil && b.Len() < len(body) {
			return b.Bytes()
		}
	}
	out := make([]byte, 1+len(body)) // plainBody
	copy(out[1:], body)
	return out
}

func unpack(packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	switch packed[0] {
	case plainBody:
		return packed[1:], nil
	case flateBody:
		r := flate.NewReader(bytes.NewReader(packed[1:]))
		body, err := io.ReadAll(io.LimitReader(r, maxUnpacked))
		return body, errors.Join(err, r.Close())
	}
	return nil, fmt.Errorf("body of unknown form %d", packed[0])
}

// listMax is how many values one IN list carries at most.
const listMax = 500

func chunks[T any](all []T, size int) iter.Seq[[]T] { return slices.Chunk(all, size) }
