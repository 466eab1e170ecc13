package tools_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/tools"
)

// The page for readers says what the data says.
func TestPageIsInStep(t *testing.T) {
	data, err := os.ReadFile("../../docs/tools.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for _, tool := range append(tools.All(), tools.Any) {
		for _, row := range []string{recognised(tool), held(tool)} {
			if !strings.Contains(page, row+"\n") {
				t.Errorf("docs/tools.md lacks this row:\n%s", row)
			}
		}
		if p := tool.Point; tool.Configured() && !strings.Contains(page, "| "+tool.Title+" | "+pointed(p)+" |") {
			t.Errorf("docs/tools.md lacks this row:\n| %s | %s | %s |", tool.Title, pointed(p), evidence(p.Evidence))
		}
	}
}

// recognised is a tool's row on how its requests are told.
func recognised(t *tools.Tool) string {
	m := t.Marks
	var sub, back []string
	for _, s := range []string{m.Parent, m.Agent, m.AgentText, m.TurnHeader} {
		if s != "" {
			sub = append(sub, "`"+s+"`")
		}
	}
	for _, s := range m.Background {
		back = append(back, fmt.Sprintf("%q", s))
	}
	if m.Titles {
		back = append(back, "a JSON object of a title alone")
	}
	if m.Small > 0 {
		back = append(back, fmt.Sprintf("at most %d tokens", m.Small))
	}
	if m.TurnHeader != "" {
		back = append(back, "`request_kind`")
	}
	session := code(m.Session)
	if m.Metadata {
		session = strings.TrimPrefix(session+", `metadata.user_id`", "–, ")
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |", t.Title, code(m.Agents), session, list(sub), list(back), evidence(m.Evidence))
}

// held is a tool's row on how long it can wait.
func held(t *tools.Tool) string {
	h := t.Hold
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s |", t.Title, seconds(h.Silent), seconds(h.Stream), seconds(h.Plain), list([]string{string(t.Counts)}), t.Failure)
}

// pointed says what carries a tool's base URLs.
func pointed(p tools.Point) string {
	var ways []string
	for _, v := range p.Variables {
		ways = append(ways, "`"+v.Name+"`")
	}
	for _, s := range []string{p.Inline, p.Flag, p.Settings} {
		if s != "" {
			ways = append(ways, "`"+s+"`")
		}
	}
	if len(ways) == 0 {
		ways = append(ways, "a copy of its file")
	}
	return strings.Join(ways, ", ")
}

func code(names []string) string {
	var all []string
	for _, n := range names {
		all = append(all, "`"+n+"`")
	}
	return list(all)
}

func list(all []string) string {
	if text := strings.Join(all, ", "); text != "" {
		return text
	}
	return "–"
}

func seconds(d time.Duration) string {
	if d == 0 {
		return "default"
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

func evidence(e string) string {
	if e == "" {
		return "read only"
	}
	return e
}
