// Package pool governs one account: the lanes (a lane is the requests for one
// model), the limit of each and the limit they share, and the requests that wait.
//
// It composes the pure parts below it (limit, pace, admission, retry, provider)
// into one state machine without clock, goroutine or I/O, so that a gateway and
// a simulation run the very same code. The caller tells it what happens
// (a request arrives, an attempt is accepted, refused or over, a client leaves),
// calls [Pool.Poll] after each event, wakes those that it granted a slot, answers
// those that it turned away, and polls again at the moment it asks for.
//
// A slot is held from the grant until Refused or Ended. A refused request waits
// again without a slot and with its place kept.
package pool
