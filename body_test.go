package weir_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir"
)

func TestABodyIsKeptBeyondItsReleaseUntilItIsLetGo(t *testing.T) {
	const text = `{"model":"m"}`
	g, _ := setUp(t, weir.Config{}, nil)
	read := func() *weir.Body {
		b, err := g.ReadBody(&weir.Call{Account: "a"}, strings.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	held := func(want int64, when string) {
		t.Helper()
		if got := g.Snapshot().Bytes; got != want {
			t.Errorf("%s %d bytes are counted, want %d", when, got, want)
		}
	}
	b := read()
	data, done := b.Keep()
	b.Release()
	if string(data) != text {
		t.Errorf("kept %q", data)
	}
	if b.Bytes() != nil {
		t.Error("a released body still shows its bytes to others")
	}
	held(int64(len(text)), "while it is kept")
	done()
	held(0, "after it is let go")
	done()
	held(0, "after it is let go twice")

	b = read()
	_, done = b.Keep()
	done()
	held(int64(len(text)), "let go before the release")
	b.Release()
	held(0, "and then released")
	if data, done := b.Keep(); data != nil {
		t.Errorf("a released body is kept: %q", data)
	} else {
		done()
	}
	held(0, "after the vain attempt")
}
