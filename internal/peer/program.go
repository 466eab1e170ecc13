package peer

import (
	"path"
	"slices"
	"strings"
)

// programName returns what people call a program: the base name of its executable,
// or of the script that an interpreter runs. It is empty if neither says anything.
func programName(exe string, args []string) string {
	exe = strings.TrimSuffix(exe, " (deleted)") // replaced by an update while it runs
	name := path.Base(exe)
	if exe == "" {
		if len(args) == 0 || args[0] == "" {
			return ""
		}
		name = path.Base(strings.TrimPrefix(args[0], "-")) // a login shell
	}
	if !isInterpreter(name) || len(args) < 2 {
		return plain(name)
	}
	if script := scriptOf(args[1:]); script != "" {
		return script
	}
	return plain(name)
}

// plain takes off what packagers put around a name: ".opencode", ".codex-wrapped".
func plain(name string) string {
	if hidden, ok := strings.CutPrefix(name, "."); ok && hidden != "" {
		return strings.TrimSuffix(hidden, "-wrapped")
	}
	return name
}

// isInterpreter tells whether an executable runs scripts, with or without a version
// in its name: python3.12.
func isInterpreter(name string) bool {
	return slices.Contains([]string{"node", "nodejs", "bun", "deno", "python", "pypy", "ruby", "perl", "tsx", "ts-node"},
		strings.TrimRight(name, "0123456789."))
}

// scriptOf returns the name of the script among an interpreter's arguments, empty
// if there is none, as in an interactive one.
func scriptOf(args []string) string {
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "--" || a == "run" || a == "x": // bun run FILE, deno run FILE
			continue
		case a == "-m" && i+1 < len(args): // python -m MODULE
			module, _, _ := strings.Cut(args[i+1], ".")
			return module
		case a == "-c" || a == "-e" || a == "--eval" || a == "-p" || a == "--print" || a == "-":
			return "" // the program is in the argument
		case takesValue(a):
			i++
		case strings.HasPrefix(a, "-"):
			continue
		default:
			return scriptName(a)
		}
	}
	return ""
}

// takesValue tells whether the argument after an interpreter's option belongs to
// it.
func takesValue(option string) bool {
	return slices.Contains([]string{"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions",
		"-X", "-W", "--env-file", "--preload", "-I"}, option)
}

// scriptName returns what a script is called. One with a name that says nothing
// ("cli.js") goes by the package that it is in.
func scriptName(file string) string {
	dir, base := path.Split(file)
	name := strings.TrimSuffix(base, path.Ext(base))
	if name == "" {
		name = base
	}
	for slices.Contains([]string{"index", "cli", "main", "__main__", "bin", "dist", "src", "lib", "out", "build", "start"}, name) {
		parent := path.Base(strings.TrimSuffix(dir, "/"))
		if parent == "." || parent == "/" || parent == "" {
			return strings.TrimSuffix(base, path.Ext(base))
		}
		dir, name = path.Dir(strings.TrimSuffix(dir, "/")), parent
	}
	return name
}
