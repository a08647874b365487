package hl7

import (
	"bytes"
	"fmt"
)

// Split cuts a file into its messages: one begins at each line that begins with
// MSH. The lines of a batch (FHS, BHS, BTS, FTS) are left out; count is what
// the trailer of the batch states, -1 when none does.
func Split(raw []byte) (messages [][]byte, stated int, err error) {
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	stated = -1
	var now []byte
	end := func() {
		if len(bytes.TrimSpace(now)) > 0 {
			messages = append(messages, now)
		}
		now = nil
	}
	for len(raw) > 0 {
		line := raw
		if i := bytes.IndexAny(raw, "\r\n"); i >= 0 {
			line, raw = raw[:i], raw[i+1:]
		} else {
			raw = nil
		}
		name := bytes.TrimLeft(bytes.TrimPrefix(bytes.TrimLeft(line, "\v\x1c \t"), []byte("\ufeff")), " ")
		switch name = name[:min(3, len(name))]; string(name) {
		case "MSH":
			end()
			now = append(now, line...)
			now = append(now, '\r')
			continue
		case "FHS", "BHS", "FTS":
			end()
			continue
		case "BTS":
			end()
			stated = count(line, stated)
			continue
		}
		if now == nil {
			if rest := bytes.Trim(line, " \t\v\x1c\x00"); len(rest) > 0 {
				return nil, stated, &Fault{0, fmt.Sprintf("第一条消息之前有不认识的内容 %q", clip(rest))}
			}
			continue
		}
		now = append(now, line...)
		now = append(now, '\r')
	}
	end()
	return messages, stated, nil
}

// count reads BTS-1, added to what earlier batches of the file have stated.
func count(line []byte, before int) int {
	at := bytes.Index(line, []byte("BTS"))
	if at < 0 || len(line) < at+5 {
		return before
	}
	n, digits := 0, 0
	for _, c := range line[at+4:] {
		if c < '0' || c > '9' || digits > 8 {
			break
		}
		n, digits = n*10+int(c-'0'), digits+1
	}
	if digits == 0 {
		return before
	}
	return max(before, 0) + n
}
