package pool

import (
	"container/heap"
	"time"
)

// sleepers are the entries that wait outside the queue, the first to wake first.
type sleepers []*Entry

var _ heap.Interface = (*sleepers)(nil)

func (s *sleepers) push(e *Entry, at time.Time) {
	e.wakeAt = at
	heap.Push(s, e)
}

func (s *sleepers) remove(e *Entry) { heap.Remove(s, e.sleeperAt) }

func (s sleepers) Len() int { return len(s) }
func (s sleepers) Less(i, j int) bool {
	if !s[i].wakeAt.Equal(s[j].wakeAt) {
		return s[i].wakeAt.Before(s[j].wakeAt)
	}
	return s[i].item.Before(s[j].item)
}
func (s sleepers) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].sleeperAt, s[j].sleeperAt = i, j
}

// Push implements [heap.Interface].
func (s *sleepers) Push(x any) {
	e := x.(*Entry)
	e.sleeperAt = len(*s)
	*s = append(*s, e)
}

// Pop implements [heap.Interface].
func (s *sleepers) Pop() any {
	old := *s
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	return e
}
