package sse

import "bytes"

// A Framer cuts a stream of bytes into events. It takes any pieces, down to
// single bytes; line ends may be LF, CRLF or CR; a byte order mark at the
// start is skipped. Fields other than event and data are ignored. A blank line
// that ends nothing is no event.
//
// A Framer keeps what has been written and not yet been returned as events:
// it is for the beginning of a stream, and its user sets the bound. The zero
// Framer is ready to use. It must not be copied after the first Write, nor be
// used concurrently.
type Framer struct {
	buf    []byte // bytes from the start of the current event on
	start  int    // where the current event starts
	line   int    // where the current line starts
	pos    int    // how far line ends have been looked for
	joined []byte // data of events with more than one data line
	begun  bool   // the place of a byte order mark has been passed
	sawCR  bool   // the byte before pos was a CR that ended a line
}

// bom is the byte order mark, which may precede the first line.
const bom = "\xef\xbb\xbf"

// Write appends p to the stream. It ends the life of the slices of all events
// returned so far, and keeps no reference to p.
func (f *Framer) Write(p []byte) {
	if f.start > 0 {
		// At most one move for each time events were taken out.
		n := copy(f.buf, f.buf[f.start:])
		f.buf = f.buf[:n]
		f.line -= f.start
		f.pos -= f.start
		f.start = 0
	}
	f.joined = f.joined[:0]
	f.buf = append(f.buf, p...)
}

// Next returns the next complete event, or false if more bytes are needed.
// The slices of the event are valid until the next Write.
func (f *Framer) Next() (Event, bool) {
	if !f.begun && !f.begin() {
		return Event{}, false
	}
	for f.pos < len(f.buf) {
		c := f.buf[f.pos]
		if c == '\n' && f.sawCR { // the second half of a line end
			f.sawCR = false
			if f.start == f.pos {
				f.start++
			}
			f.pos++
			f.line = f.pos
			continue
		}
		f.sawCR = c == '\r'
		if c != '\n' && c != '\r' {
			f.pos++
			continue
		}
		blank := f.line == f.pos
		f.pos++
		f.line = f.pos
		if !blank {
			continue
		}
		block := f.buf[f.start : f.pos-1]
		f.start = f.pos
		if len(block) > 0 {
			return f.parse(block), true
		}
	}
	return Event{}, false
}

// Rest returns what a stream that ended has left: the next complete event if
// there still is one, else the event that lacks its blank line or was cut. It
// returns false when nothing is left.
func (f *Framer) Rest() (Event, bool) {
	if !f.begun {
		f.begin()
		f.begun = true // half a byte order mark is none
	}
	if ev, ok := f.Next(); ok {
		return ev, true
	}
	block := f.buf[f.start:]
	f.start, f.line, f.pos = len(f.buf), len(f.buf), len(f.buf)
	if len(block) == 0 {
		return Event{}, false
	}
	return f.parse(block), true
}

// begin skips a byte order mark. It returns false while the stream may still
// turn out to start with one.
func (f *Framer) begin() bool {
	if len(f.buf) < len(bom) && bom[:len(f.buf)] == string(f.buf) {
		return false
	}
	if bytes.HasPrefix(f.buf, []byte(bom)) {
		f.start, f.line, f.pos = len(bom), len(bom), len(bom)
	}
	f.begun = true
	return true
}

// parse reads the lines of one event, which holds at least one that is not
// blank.
func (f *Framer) parse(block []byte) Event {
	var (
		ev    Event
		lines int // data lines so far
		from  int // where this event's data starts in f.joined
	)
	ev.Comment = true
	for len(block) > 0 {
		var line []byte
		line, block = cutLine(block)
		if len(line) == 0 || line[0] == ':' {
			continue
		}
		ev.Comment = false
		field, value, _ := bytes.Cut(line, []byte{':'})
		value = trimBlank(value)
		switch string(field) {
		case "event":
			ev.Name = value
		case "data":
			switch lines++; lines {
			case 1:
				ev.Data = value
			case 2:
				from = len(f.joined)
				f.joined = append(f.joined, ev.Data...)
				fallthrough
			default:
				f.joined = append(f.joined, '\n')
				f.joined = append(f.joined, value...)
				// A later event must not grow into this one.
				ev.Data = f.joined[from:len(f.joined):len(f.joined)]
			}
		}
	}
	return ev
}

// trimBlank removes the blank that may follow the colon of a field.
func trimBlank(v []byte) []byte {
	if len(v) > 0 && v[0] == ' ' {
		return v[1:]
	}
	return v
}

// cutLine returns the first line of b without its end, and what follows it.
func cutLine(b []byte) (line, rest []byte) {
	for i, c := range b {
		switch c {
		case '\n':
			return b[:i], b[i+1:]
		case '\r':
			if i+1 < len(b) && b[i+1] == '\n' {
				return b[:i], b[i+2:]
			}
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}
