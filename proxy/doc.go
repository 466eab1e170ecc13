// Package proxy is weir's reverse proxy: an [net/http.Handler] that names each
// call (provider, dialect, account, model, session, class), keeps its client
// waiting in a way that its tool bears, sends it through a [weir.Transport], and
// passes the answer on unchanged but for the few places that the contract lists.
//
// While a request waits its client is held: first silently, when every status is
// still possible, then, for streams, with status 200 and keep-alives. What goes
// wrong after that is said in the stream, in the form that the dialect's tools
// repeat.
package proxy
