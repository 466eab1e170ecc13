package peer

import "testing"

func TestProgramName(t *testing.T) {
	tests := []struct {
		name, exe string
		args      []string
		want      string
	}{
		{"an executable", "/usr/local/bin/crush", []string{"crush", "run"}, "crush"},
		{"one that was replaced", "/home/a/.local/bin/claude (deleted)", []string{"claude"}, "claude"},
		{"one with a packager's name", "/nix/store/x/bin/.codex-wrapped", []string{"codex"}, "codex"},
		{"a hidden one", "/opt/opencode/bin/.opencode", []string{"opencode"}, "opencode"},
		{"a script of node", "/usr/bin/node", []string{"node", "/usr/local/bin/qwen", "-p", "x"}, "qwen"},
		{"options before it", "/usr/bin/node", []string{"node", "--no-warnings", "-r", "/x/hook.js", "/usr/local/bin/qwen"}, "qwen"},
		{"a file with an ending", "/usr/bin/node", []string{"node", "/app/node_modules/@openai/codex/bin/codex.js"}, "codex"},
		{"a file whose name says nothing", "/usr/bin/node", []string{"node", "/app/node_modules/@qwen-code/qwen-code/dist/cli.js"}, "qwen-code"},
		{"nothing but such names", "/usr/bin/node", []string{"node", "dist/index.js"}, "index"},
		{"a script of bun", "/home/a/.bun/bin/bun", []string{"bun", "run", "./agent.ts"}, "agent"},
		{"a script of python", "/usr/bin/python3.12", []string{"python3", "-u", "/usr/bin/aider"}, "aider"},
		{"a module of python", "/usr/bin/python3", []string{"python3", "-m", "aider.main"}, "aider"},
		{"a program in an argument", "/usr/bin/python3", []string{"python3", "-c", "import secret"}, "python3"},
		{"an interpreter alone", "/usr/bin/node", []string{"node"}, "node"},
		{"no executable to be seen", "", []string{"/usr/bin/claude"}, "claude"},
		{"a login shell", "", []string{"-bash"}, "bash"},
		{"nothing to be seen", "", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := programName(tt.exe, tt.args); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
