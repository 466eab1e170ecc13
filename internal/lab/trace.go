package lab

import "time"

// A Trace is the Course of one run, for a picture. Its numbers are those of the
// first load's model or, if the account's limit binds, of the account.
type Trace struct {
	Seed     uint64
	Length   time.Duration
	Truth    Course          // the true limit
	Level    Course          // the learned one
	InFlight Course          // accepted calls that run
	Refused  []time.Duration // when an attempt was refused
}
