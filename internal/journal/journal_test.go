package journal

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a sink that a test can break. While it is stuck, writes wait.
type memory struct {
	mu        sync.Mutex // guards the fields below
	rows      []Row
	sizes     []int // of the batches
	fault     error
	untrimmed error
	stuck     chan struct{}
	trims     int
	closed    bool
}

func (m *memory) write(rows []Row, _ time.Time) error {
	m.mu.Lock()
	stuck := m.stuck
	m.mu.Unlock()
	if stuck != nil {
		<-stuck
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault != nil {
		return m.fault
	}
	m.rows = append(m.rows, rows...)
	m.sizes = append(m.sizes, len(rows))
	return nil
}

func (m *memory) trim(time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trims++
	return m.untrimmed
}

// trimmings is how often it was trimmed, when all goroutines of the bubble rest.
func (m *memory) trimmings() int {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trims
}

func (m *memory) close() error { m.closed = true; return nil }

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = err
}

// has waits until all goroutines of the bubble rest, and returns the batches' sizes.
func (m *memory) has() []int {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sizes)
}

// said is a log in memory.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// begin opens a journal that writes to a memory, in a bubble.
func begin(t *testing.T, m *memory) (*Journal, *said) {
	t.Helper()
	log := &said{}
	j := Open("journal.db", Options{Log: slog.New(slog.NewTextHandler(log, nil)), open: func() (sink, error) { return m, nil }})
	t.Cleanup(j.Close)
	return j, log
}

func addRequests(j *Journal, n int) {
	for i := range n {
		j.Add(Request{ID: strconv.Itoa(i)})
	}
}

func TestRowsAreWrittenTogetherAndSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		j, _ := begin(t, m)
		addRequests(j, 3)
		if got := m.has(); len(got) != 0 {
			t.Errorf("at once: batches %v", got)
		}
		time.Sleep(batchWait)
		if got := m.has(); !slices.Equal(got, []int{3}) {
			t.Errorf("after %v: batches %v, want one of 3", batchWait, got)
		}
		addRequests(j, batchSize)
		if got := m.has(); !slices.Equal(got, []int{3, batchSize}) {
			t.Errorf("with a full batch, at once: %v", got)
		}
		addRequests(j, 2)
		j.Hurry()
		if got := m.has(); !slices.Equal(got, []int{3, batchSize, 2}) {
			t.Errorf("in a hurry: %v", got)
		}
		addRequests(j, 5)
		j.Close()
		if got := m.has(); got[len(got)-1] != 5 || !m.closed {
			t.Errorf("at the end: batches %v, closed %t", got, m.closed)
		}
		j.Add(Request{})
		if got := j.Stats(); got != (Stats{Written: 3 + batchSize + 2 + 5, Lost: 1}) {
			t.Errorf("stats %+v", got)
		}
	})
}

func TestNobodyWaitsForADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{stuck: make(chan struct{})}
		j, log := begin(t, m)
		addRequests(j, batchSize)
		m.has() // the writer has taken them, and hangs
		start := time.Now()
		addRequests(j, maxWaits+70)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("adding waited %v", waited)
		}
		if got := j.Stats(); got.Lost != 70 || got.Waiting != batchSize+maxWaits {
			t.Errorf("stats %+v, want 70 lost and %d waiting", got, batchSize+maxWaits)
		}
		close(m.stuck)
		time.Sleep(batchWait)
		m.has()
		if got := j.Stats(); got != (Stats{Written: batchSize + maxWaits, Lost: 70}) {
			t.Errorf("afterwards: stats %+v", got)
		}
		if !slices.ContainsFunc(m.rows, func(r Row) bool { c, ok := r.(Change); return ok && c.Kind == KindLost && c.Count == 70 }) {
			t.Error("the journal does not say that it lacks 70 rows")
		}
		if text := log.String(); strings.Count(text, "lost=70") != 1 {
			t.Errorf("the loss is not said once: %s", text)
		}
	})
}

func TestAFileThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{fault: errors.New("disk is full")}
		j, log := begin(t, m)
		addRequests(j, 10)
		time.Sleep(10 * time.Minute)
		addRequests(j, 10)
		if got := m.has(); len(got) != 0 || strings.Count(log.String(), "cannot be written") != 1 {
			t.Errorf("batches %v; it must be said once:\n%s", got, log)
		}
		m.fail(nil)
		time.Sleep(maxPause + batchWait)
		if got := m.has(); !slices.Equal(got, []int{10, 10}) || !strings.Contains(log.String(), "written again") {
			t.Errorf("batches %v, want all rows:\n%s", got, log)
		}
		for i, r := range m.rows {
			if id := r.(Request).ID; id != strconv.Itoa(i%10) {
				t.Errorf("row %d is %s", i, id)
			}
		}
	})
}

func TestWhatIsNotWrittenAtTheEndIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, log := begin(t, &memory{fault: errors.New("disk is full")})
		addRequests(j, 300)
		time.Sleep(time.Second)
		j.Close()
		if got := j.Stats(); got.Lost != 300 || !strings.Contains(log.String(), "lost=300") {
			t.Errorf("stats %+v, said:\n%s", got, log)
		}
	})
}

func TestTheFileIsTrimmedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		j, _ := begin(t, m)
		addRequests(j, 1)
		time.Sleep(time.Second)
		first := m.trimmings()
		time.Sleep(10*trimEvery + time.Second)
		if more := m.trimmings() - first; first != 1 || more < 9 || more > 11 {
			t.Errorf("trimmed %d times at once and %d in ten minutes", first, more)
		}
		first = m.trimmings()
		for range 2 * trimRows / 2000 {
			addRequests(j, 2000)
			m.has()
		}
		if more := m.trimmings() - first; more < 1 || more > 2 {
			t.Errorf("trimmed %d times in %d rows", more, 2*trimRows)
		}
	})
}

func TestAFileThatCannotBeTrimmedIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{untrimmed: errors.New("disk is full")}
		j, log := begin(t, m)
		for range 10 {
			addRequests(j, 1)
			time.Sleep(trimEvery)
		}
		m.has()
		if got := j.Stats(); got.Written != 10 || strings.Count(log.String(), "cannot be made smaller") != 1 || m.trimmings() < 5 {
			t.Errorf("stats %+v, trimmed %d times, said:\n%s", got, m.trimmings(), log)
		}
	})
}

func TestNoJournalKeepsNothing(t *testing.T) {
	var j *Journal
	j.Add(Request{})
	if got := j.Stats(); got != (Stats{}) {
		t.Errorf("stats %+v", got)
	}
	j.Close()
}

func BenchmarkAdd(b *testing.B) {
	j := Open(b.TempDir()+"/"+File, Options{})
	defer j.Close()
	r := sample(1)
	b.ReportAllocs()
	for b.Loop() {
		j.Add(r)
	}
}

func BenchmarkWrite(b *testing.B) {
	f, err := openFile(b.TempDir()+"/"+File, DefaultAge, DefaultSize)
	if err != nil {
		b.Fatal(err)
	}
	defer f.close()
	rows := make([]Row, batchSize)
	for i := range rows {
		rows[i] = sample(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := f.write(rows, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batchSize), "ns/row")
}
