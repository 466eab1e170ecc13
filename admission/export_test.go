package admission

import (
	"container/heap"
	"fmt"
)

// Check tells whether the queue's inner books agree with each other.
func (q *Queue[T]) Check() error {
	waiting, retries := 0, 0
	seen := map[*flow[T]]bool{}
	for _, l := range q.lanes {
		if q.byName[l.name] != l {
			return fmt.Errorf("lane %s is not found by its name", l.name)
		}
		inLane := 0
		for rank := range classes {
			if err := checkHeap(&l.retries[rank]); err != nil {
				return fmt.Errorf("retries of %s, %s: %w", l.name, rank, err)
			}
			for i, it := range l.retries[rank] {
				if it.index != i || !it.retry || it.rank != rank || it.flow != nil || it.Lane != l.name {
					return fmt.Errorf("retry %v of %s is misplaced", it.Value, l.name)
				}
				inLane++
				retries++
			}
			if err := checkHeap(&l.flows[rank]); err != nil {
				return fmt.Errorf("flows of %s, %s: %w", l.name, rank, err)
			}
			for i, f := range l.flows[rank] {
				n, err := q.checkFlow(f, l, rank, i)
				if err != nil {
					return err
				}
				inLane += n
				seen[f] = true
			}
		}
		if inLane != l.waiting || inLane == 0 {
			return fmt.Errorf("lane %s holds %d requests and counts %d", l.name, inLane, l.waiting)
		}
		waiting += inLane
	}
	if waiting != q.waiting || retries != q.retries || len(q.lanes) != len(q.byName) {
		return fmt.Errorf("holds %d requests, %d retries, %d lanes and counts %d, %d, %d",
			waiting, retries, len(q.lanes), q.waiting, q.retries, len(q.byName))
	}
	for name, s := range q.sessions {
		if len(s.flows) == 0 || s.name != name {
			return fmt.Errorf("session %s is kept for nothing", name)
		}
		for _, f := range s.flows {
			if !seen[f] {
				return fmt.Errorf("a flow of session %s is in no lane", name)
			}
		}
	}
	return q.checkAgeing()
}

func (q *Queue[T]) checkFlow(f *flow[T], l *lane[T], rank Class, at int) (int, error) {
	if f.index != at || f.lane != l || f.rank != rank || q.sessions[f.session.name] != f.session || len(f.items) == 0 {
		return 0, fmt.Errorf("flow of %s in %s, %s is misplaced", f.session.name, l.name, rank)
	}
	if err := checkHeap(&f.items); err != nil {
		return 0, fmt.Errorf("flow of %s in %s, %s: %w", f.session.name, l.name, rank, err)
	}
	for i, it := range f.items {
		if it.index != i || it.retry || it.rank != rank || it.flow != f || it.Session != f.session.name {
			return 0, fmt.Errorf("request %v is misplaced", it.Value)
		}
	}
	return len(f.items), nil
}

func (q *Queue[T]) checkAgeing() error {
	var before *Item[T]
	for it := q.oldest; it != nil; before, it = it, it.newer {
		if it.older != before || !it.ageing || before != nil && before.Arrived.After(it.Arrived) {
			return fmt.Errorf("request %v is badly linked among those that age", it.Value)
		}
	}
	if q.newest != before {
		return fmt.Errorf("the list of those that age has another end")
	}
	return nil
}

func checkHeap(h heap.Interface) error {
	for i := 1; i < h.Len(); i++ {
		if h.Less(i, (i-1)/2) {
			return fmt.Errorf("element %d of %d precedes its parent", i, h.Len())
		}
	}
	return nil
}
