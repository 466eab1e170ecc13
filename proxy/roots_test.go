package proxy

import (
	"strconv"
	"testing"
)

func TestRootsAreBounded(t *testing.T) {
	var r roots
	for i := range 3 * maxRoots {
		r.find("a", strconv.Itoa(i))
	}
	if len(r.of) > maxRoots {
		t.Errorf("%d are remembered", len(r.of))
	}
}
