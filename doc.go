// Package weir keeps calls to a rate-limited LLM provider within what the
// provider bears: it queues them, caps how many are in flight, finds the highest
// level that is stable and follows it, waits as long as the provider asks, and
// repeats what was refused with its place kept.
//
// Most programs want a [Transport], which does all that behind an ordinary
// [net/http.Client]:
//
//	governor, err := weir.New(weir.Config{})
//	…
//	defer governor.Close()
//	client := &http.Client{Transport: &weir.Transport{Governor: governor}}
//
// A [Governor] may serve any number of transports, clients and accounts. What it
// sees can be watched: [Governor.Snapshot] shows the whole state, an [Observer]
// every step, a [Trace] one request.
package weir
