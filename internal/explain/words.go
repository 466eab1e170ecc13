package explain

import "github.com/weirhq/weir/provider"

// words are what follows from a verdict.
type words struct {
	means string // where the provider's rule has no words of its own
	weir  string
	you   string
}

// wordsOf returns the words of each verdict; those of Unknown for one that there is
// not.
func wordsOf(k provider.Kind) words {
	if w, ok := table()[k]; ok {
		return w
	}
	return table()[provider.Unknown]
}

// Means says in plain words what a verdict means, where no provider has words of its own
// for it.
func Means(k provider.Kind) string { return wordsOf(k).means }

const (
	held   = "Keeps the request, with its place, and sends it again when there is room; the tool notices nothing but the wait. Only when that gets longer than the tool bears, the tool is told to come back (429)."
	passed = "Passes the provider's answer on at once, untouched: a repeat would end the same way."
	run    = `Nothing, if the tool goes through weir ("weir run -- TOOL"). Without weir: `
)

// table has the words of each verdict, in the order of the verdicts.
func table() map[provider.Kind]words {
	return map[provider.Kind]words{
		provider.Unknown: {
			means: "An error that weir does not know.",
			weir:  passed,
			you:   "Read the provider's own message; ask its support with the request id.",
		},
		provider.OK: {
			means: "An answer without an error.",
			weir:  "Passes it on, byte for byte.",
			you:   "Nothing.",
		},
		provider.Concurrency: {
			means: "Too many requests at once.",
			weir:  held + " It learns how many are possible at once and keeps below that.",
			you:   run + "let fewer agents work at once.",
		},
		provider.Frequency: {
			means: "Requests start too fast.",
			weir:  held + " It lets requests start further apart.",
			you:   run + "start fewer agents at the same moment.",
		},
		provider.Throttled: {
			means: "The provider refuses without saying why: too many requests at once, or too fast.",
			weir:  held + " It finds out by trial whether fewer at once or slower starts help.",
			you:   run + "let fewer agents work at once, and wait a little before the next try.",
		},
		provider.Overload: {
			means: "The provider is busy with everybody's requests.",
			weir:  "Waits longer from time to time, lets one request at a time try, and sends the others when one has passed. A request that is refused again and again while others pass is answered with the provider's error.",
			you:   "Wait, or choose another model for now. If only one prompt is refused again and again, change that prompt.",
		},
		provider.Quota: {
			means: "An allowance is used up. It comes back at a moment that the provider sets.",
			weir:  "Answers at once with status 402, which tools show instead of repeating, and closes the model's lane until the allowance comes back; one real request every ten minutes tries whether it is open again.",
			you:   `Wait for the reset, or raise the plan or the balance; then "weir resume" opens the lane at once.`,
		},
		provider.Plan: {
			means: "The plan, balance or endpoint does not fit the request. It does not mend itself.",
			weir:  "Answers at once with status 402, which tools show instead of repeating, and says why in X-Weir-Hint.",
			you:   `Put right what the meaning names. "weir doctor --key" finds the endpoint that a key belongs to.`,
		},
		provider.Flagged: {
			means: "The account is held back for how it is used.",
			weir:  `Sends nothing more for the whole account, for six hours or until "weir resume", and answers with status 402.`,
			you:   `Stop, and ask the provider to restore access; then "weir resume". Repeating makes it worse.`,
		},
		provider.Auth: {
			means: "The provider did not accept the key, or the key may not do this.",
			weir:  passed,
			you:   `Check the key and the base URL that the tool uses. "weir doctor --key" finds the endpoint that a key belongs to.`,
		},
		provider.Invalid: {
			means: "The provider cannot serve the request as it stands.",
			weir:  passed,
			you:   "Change the request: the model's name, a parameter, the path of the base URL, or the length of the prompt.",
		},
		provider.Content: {
			means: "A content filter withheld the answer.",
			weir:  passed,
			you:   "Change the prompt, or what the tool has read into it.",
		},
		provider.Server: {
			means: "The provider had an error of its own.",
			weir:  "Sends the request again a few times, further and further apart; then the provider's error is passed on.",
			you:   "Try again later. If it lasts, ask the provider's support with the request id.",
		},
		provider.Transport: {
			means: "The connection to the provider failed or broke off before the answer's first word.",
			weir:  "Sends the request again a few times, further and further apart; then the tool gets 502 or 504.",
			you:   `Check the network; "weir doctor" tries name, connection and certificate one by one.`,
		},
	}
}
