package admission

import (
	"container/heap"
	"time"
)

// itemHeap keeps requests in the order of their arrival.
type itemHeap[T any] []*Item[T]

// flowHeap keeps flows in the order of their turns.
type flowHeap[T any] []*flow[T]

var (
	_ heap.Interface = (*itemHeap[int])(nil)
	_ heap.Interface = (*flowHeap[int])(nil)
)

func (h itemHeap[T]) Len() int           { return len(h) }
func (h itemHeap[T]) Less(i, j int) bool { return h[i].seq < h[j].seq }
func (h itemHeap[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *itemHeap[T]) Push(x any) {
	it := x.(*Item[T])
	it.index = len(*h)
	*h = append(*h, it)
}

func (h *itemHeap[T]) Pop() any {
	old := *h
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	it.index = -1
	return it
}

func (h flowHeap[T]) Len() int { return len(h) }
func (h flowHeap[T]) Less(i, j int) bool {
	ti, tj := h[i].turn(), h[j].turn()
	if ti != tj {
		return ti < tj
	}
	return h[i].items[0].seq < h[j].items[0].seq
}
func (h flowHeap[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *flowHeap[T]) Push(x any) {
	f := x.(*flow[T])
	f.index = len(*h)
	*h = append(*h, f)
}

func (h *flowHeap[T]) Pop() any {
	old := *h
	f := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	f.index = -1
	return f
}

// begin returns the request whose turn it is among those that arrived in time;
// nil if none did. The heap is searched only where its first came too late.
func (h flowHeap[T]) begin(latest time.Time) *Item[T] {
	if latest.IsZero() {
		return nil
	}
	best := -1
	for i, f := range h {
		if f.items[0].Arrived.After(latest) {
			continue
		}
		if best < 0 || h.Less(i, best) {
			best = i
		}
		if best == 0 {
			break
		}
	}
	if best < 0 {
		return nil
	}
	return h[best].items[0]
}
