package tools

// All returns the table, in the order in which people see it.
func All() []*Tool { return table }

var table = []*Tool{
	{Name: "opencode", Title: "OpenCode", Programs: []string{"opencode"}, Point: openCodePoint},
	{Name: "claude", Title: "Claude Code", Programs: []string{"claude"}, Point: claudePoint},
	{Name: "codex", Title: "Codex", Programs: []string{"codex"}, Point: codexPoint},
	{Name: "qwen", Title: "Qwen Code", Programs: []string{"qwen"}, Point: qwenPoint},
	{Name: "crush", Title: "Crush", Programs: []string{"crush"}, Point: crushPoint},
	{Name: "cline", Title: "Cline", Programs: []string{"cline"}, Point: clinePoint},
}
