package dashboard

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// packed is a response that is packed if the client can unpack it: views repeat
// themselves, so little of them is left.
type packed struct {
	to  io.Writer
	zip *gzip.Writer // nil: it is not packed
	out *http.ResponseController
}

// pack must be called before anything is written, and Close afterwards.
func pack(w http.ResponseWriter, r *http.Request) *packed {
	p := &packed{to: w, out: http.NewResponseController(w)}
	w.Header().Add("Vary", "Accept-Encoding")
	if !unpacks(r.Header.Values("Accept-Encoding")) {
		return p
	}
	w.Header().Set("Content-Encoding", "gzip")
	p.zip, _ = gzip.NewWriterLevel(w, gzip.BestSpeed) // that level there is
	p.to = p.zip
	return p
}

func (p *packed) Write(b []byte) (int, error) { return p.to.Write(b) }

// Flush sends what was written.
func (p *packed) Flush() error {
	if p.zip != nil {
		if err := p.zip.Flush(); err != nil {
			return err
		}
	}
	return p.out.Flush()
}

// Close ends the answer.
func (p *packed) Close() error {
	if p.zip != nil {
		return p.zip.Close()
	}
	return nil
}

// unpacks tells whether a client that accepts these encodings can read gzip.
func unpacks(accepted []string) bool {
	for encoding := range strings.SplitSeq(strings.Join(accepted, ","), ",") {
		name, weight, _ := strings.Cut(encoding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			weight = strings.ReplaceAll(weight, " ", "")
			return strings.Trim(strings.TrimPrefix(weight, "q="), "0.") != "" || weight == ""
		}
	}
	return false
}
