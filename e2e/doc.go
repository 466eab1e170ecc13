// Package e2e holds the end-to-end tests: real programs (OpenCode, Codex, the
// official Go SDKs of OpenAI and Anthropic, plain HTTP clients) send overlapping
// calls through a weir serve, or under weir run, to a weir simulate that refuses
// overlap; a browser looks at weir's page. The tests know nothing of weir but its commands, its HTTP surface and its
// log.
//
// OpenCode, Codex and axe, which judges the page's accessibility, come from npm, at the
// versions that package-lock.json pins:
//
//	npm ci --prefix e2e
//
// The script clients runs one more real tool, by hand, for docs/tools.md.
//
// The tests build weir themselves, with the race detector if they have it.
// WEIR_BINARY names another binary to test instead.
package e2e
