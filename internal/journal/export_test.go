package journal

import (
	"encoding/csv"
	"iter"
	"strings"
	"testing"
	"time"
)

// What a client may have chosen to be called is no formula in a spreadsheet.
func TestNamesInATableAreNoFormulas(t *testing.T) {
	rows := func(yield func(Row, error) bool) {
		yield(Request{ID: "1", Lane: "zai/1/glm-5", Session: `=HYPERLINK("http://evil")`, Code: "-1", ProviderID: "@x", Start: time.Unix(1e9, 0)}, nil)
	}
	var out strings.Builder
	if err := Export(&out, "csv", iter.Seq2[Row, error](rows)); err != nil {
		t.Fatal(err)
	}
	cells, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil || len(cells) != 2 {
		t.Fatalf("%d rows, %v", len(cells), err)
	}
	got := map[string]string{}
	for i, column := range cells[0] {
		got[column] = cells[1][i]
	}
	for column, want := range map[string]string{"session": `'=HYPERLINK("http://evil")`, "code": "'-1", "provider_id": "'@x", "lane": "zai/1/glm-5"} {
		if got[column] != want {
			t.Errorf("%s is %q, want %q", column, got[column], want)
		}
	}
}
