package lab

import "time"

// never is a moment that does not come.
const never = time.Duration(1<<63 - 1)

// An event is something that happens at a moment of a run.
type event struct {
	at   time.Duration
	seq  uint64 // those of one moment happen in the order in which they were planned
	kind eventKind
	call *call
	src  *source
	who  int // worker or agent of the source
}

type eventKind uint8

const (
	callComes  eventKind = iota // a worker makes its next call
	burstComes                  // several calls at once
	waveComes                   // an agent's calls
	batchComes                  // a batch begins
	firstEvent                  // the provider's answer begins
	answerEnds                  // or its client has hung up
	refusalKnown
)

// An agenda holds the events to come: a heap by moment.
type agenda struct {
	events []event
	seq    uint64
}

func (a *agenda) plan(e event) {
	a.seq++
	e.seq = a.seq
	a.events = append(a.events, e)
	i := len(a.events) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !a.events[i].before(&a.events[up]) {
			break
		}
		a.events[i], a.events[up] = a.events[up], a.events[i]
		i = up
	}
}

// next returns the moment of the next event.
func (a *agenda) next() time.Duration {
	if len(a.events) == 0 {
		return never
	}
	return a.events[0].at
}

func (a *agenda) pop() event {
	e := a.events[0]
	last := len(a.events) - 1
	a.events[0] = a.events[last]
	a.events[last] = event{}
	a.events = a.events[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if a.events[child].before(&a.events[least]) {
				least = child
			}
		}
		if least == i {
			return e
		}
		a.events[i], a.events[least] = a.events[least], a.events[i]
		i = least
	}
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }
