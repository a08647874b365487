package hl7

import (
	"bufio"
	"errors"
	"io"
)

// The bytes of the minimal lower layer protocol.
const (
	frameStart = 0x0b
	frameEnd   = 0x1c
	frameCR    = 0x0d
)

// ErrTooLong is a frame beyond the limit; the connection cannot go on.
var ErrTooLong = errors.New("hl7: frame too long")

// ReadFrame reads one framed message of at most limit bytes. Bytes between
// frames are passed over. The end of the stream between frames is io.EOF, in
// the middle of one io.ErrUnexpectedEOF.
func ReadFrame(r *bufio.Reader, limit int) ([]byte, error) {
	for {
		c, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		if c == frameStart {
			break
		}
	}
	var out []byte
	for {
		part, err := r.ReadSlice(frameEnd)
		if len(out)+len(part) > limit+1 {
			return nil, ErrTooLong
		}
		out = append(out, part...)
		switch {
		case err == nil:
			// The end is 0x1c and a carriage return. Some senders leave the return
			// out and wait: what ends the bytes that have come ends the message.
			if r.Buffered() == 0 {
				return out[:len(out)-1], nil
			}
			next, err := r.Peek(1)
			if err != nil {
				return nil, err
			}
			if next[0] == frameCR {
				_, err = r.Discard(1)
				return out[:len(out)-1], err
			}
			if next[0] == frameStart {
				return out[:len(out)-1], nil
			}
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// WriteFrame writes one framed message.
func WriteFrame(w io.Writer, message []byte) error {
	out := make([]byte, 0, len(message)+3)
	out = append(out, frameStart)
	out = append(out, message...)
	out = append(out, frameEnd, frameCR)
	_, err := w.Write(out)
	return err
}
