package tools

// All returns the table, in the order in which people see it.
func All() []*Tool { return table }

var table = []*Tool{
	{Name: "opencode", Title: "OpenCode", Programs: []string{"opencode"}, Point: openCodePoint,
		Marks: openCodeMarks, Hold: openCodeHold, Counts: AnyByte, Failure: ErrorEvent},
	{Name: "claude", Title: "Claude Code", Programs: []string{"claude"}, Point: claudePoint,
		Marks: claudeMarks, Hold: claudeHold, Counts: AnyByte, Failure: ErrorEvent},
	{Name: "codex", Title: "Codex", Programs: []string{"codex"}, Point: codexPoint,
		Marks: codexMarks, Hold: codexHold, Counts: Events, Failure: ErrorEvent},
	// After an error event Qwen Code waits for 60 s and more, after a reset for 1 s.
	{Name: "qwen", Title: "Qwen Code", Programs: []string{"qwen"}, Point: qwenPoint,
		Marks: qwenMarks, Hold: qwenHold, Counts: Events, Failure: Reset},
	// An error event ends Crush's turn; a reset is repeated.
	{Name: "crush", Title: "Crush", Programs: []string{"crush"}, Point: crushPoint,
		Marks: crushMarks, Hold: crushHold, Counts: AnyByte, Failure: Reset},
	// Either ends Cline's task; the event says why.
	{Name: "cline", Title: "Cline", Programs: []string{"cline"}, Point: clinePoint,
		Marks: clineMarks, Hold: clineHold, Counts: AnyByte, Failure: ErrorEvent},
	{Name: "openai-sdk", Title: "OpenAI SDKs", Marks: openAIMarks, Hold: sdkHold, Counts: AnyByte, Failure: ErrorEvent},
	{Name: "anthropic-sdk", Title: "Anthropic SDKs", Marks: anthropicMarks, Hold: sdkHold, Counts: AnyByte, Failure: ErrorEvent},
	{Name: "ai-sdk", Title: "Vercel AI SDK", Marks: aiSDKMarks, Hold: sdkHold, Counts: AnyByte, Failure: ErrorEvent},
	{Name: "curl", Title: "curl", Programs: []string{"curl"}, Marks: curlMarks, Counts: AnyByte, Failure: ErrorEvent},
}

// Any is the tool of requests that no entry of the table fits.
var Any = &Tool{Name: "other", Title: "any other program", Marks: anyMarks}
