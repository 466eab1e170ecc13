package top

// helpLines are the help: keys, signs and words.
func helpLines(width int) []line {
	var all []line
	title := func(s string) { all = append(all, text(" "+s, strong)) }
	row := func(what, is string) {
		for i, part := range wrap(is, width-18) {
			if i > 0 {
				what = ""
			}
			all = append(all, text("   "+column(what, 13)+" ", plain).add(part, plain))
		}
	}
	title("Keys")
	row("1 2 3 4 Tab", "the pages: now, requests, sessions, lanes with their level curve")
	row("↑↓ j k", "move; PgUp, PgDn, g and G go farther")
	row("←→", "look at another lane: staircase, p and f are about that one")
	row("Enter", "open a request to its attempts, or the requests of a session or lane")
	row("/", "show only requests with these words: session, lane, tool, verdict, code, …")
	row("s l v", "only requests of the same session, lane, verdict; again: all")
	row("Esc", "back; shows all requests again")
	row("+ -", "less or more of the past: 1, 5 or 15 minutes")
	row("p", "pause the lane (nothing starts) or resume it; asks first")
	row("f", "fix the lane's limit, 0 lets it be learned; asks first")
	row("c", "cancel the request, if it waits; asks first")
	row("q Ctrl-C", "quit; Ctrl-Z stops, as everywhere")
	title("Signs")
	row("▶ running", "in flight at the provider; holds a slot")
	row("⧗ 2nd", "waits for a slot, second in its lane's line; ~20 s to go is an estimate")
	row("↻ retry", "was refused, waits for its next attempt with its place kept")
	row("✓ ✗ ?", "went well; went wrong; not known yet")
	title("Staircase")
	row("█ ▁", "attempts in flight, step by step, below the line of the limit")
	row("▒", "in flight above the limit, since that fell meanwhile: they may end")
	row("× 3", "refusals by the provider, one or so many in that column")
	row("⧗12", "what was queued, at most so many")
	title("Words")
	row("lane", "one model of one account: what shares an allowance at the provider")
	row("overlap", "most requests of a session that were in flight at once")
	row("share", "of its account's time in flight that a session had")
	row("level", "how many were in flight at a start, that one included")
	return all
}
