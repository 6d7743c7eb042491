package schedule

import (
	"fmt"
	"testing"
)

// jobsOn returns 10,000 jobs on so many hosts.
func jobsOn(hosts int) []Job {
	list := make([]Job, 10_000)
	for i := range list {
		list[i] = Job{Name: fmt.Sprint("account", i), Host: fmt.Sprint("host", i%hosts)}
	}
	return list
}

// TestQueueTakesOldestWithFreeSlot: also behind a thousand jobs whose host has no
// free slot.
func TestQueueTakesOldestWithFreeSlot(t *testing.T) {
	t.Parallel()
	var list []Job
	for i := range 1000 {
		list = append(list, Job{Name: fmt.Sprint("big", i), Host: "big"})
	}
	list = append(list, Job{Name: "small0", Host: "small"}, Job{Name: "other0", Host: "other"}, Job{Name: "small1", Host: "small"})
	q := newQueue(list, 10, 2)
	for _, j := range q.jobs {
		q.add(j)
	}
	q.end()
	take := func(want string) *run {
		t.Helper()
		r := q.take()
		if r == nil || r.job.name != want {
			t.Fatalf("got %v, want %s", r, want)
		}
		return r
	}
	first := take("big0")
	for _, want := range []string{"big1", "small0", "other0", "small1"} {
		take(want)
	}
	if len(q.quick) != 0 {
		t.Errorf("%d hosts are ready, want none without a free slot", len(q.quick))
	}
	for i := 2; i < 1000; i++ { // one slot of the big host is used again and again, the other hangs
		q.done(first, Finished)
		first = take(fmt.Sprint("big", i))
	}
	if l := q.next(); l != nil {
		t.Errorf("got %s, want no job left", l.jobs[0].name)
	}
}

// BenchmarkQueue queues and runs 10,000 accounts that are due at once: from all
// on one host to one host each.
func BenchmarkQueue(b *testing.B) {
	for _, hosts := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) {
			jobs := jobsOn(hosts)
			b.ReportAllocs()
			for b.Loop() {
				q := newQueue(jobs, len(jobs), 4)
				for _, j := range q.jobs {
					q.add(j)
				}
				for range jobs {
					q.done(q.take(), Finished)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(jobs)), "ns/account")
		})
	}
}

// BenchmarkTimetable is what one due job costs the timekeeper of 10,000.
func BenchmarkTimetable(b *testing.B) {
	s, err := New(Options{Jobs: func() (list []Job) {
		for i := range 10_000 {
			list = append(list, Job{Name: fmt.Sprint("account", i), Schedule: "@every 10m"})
		}
		return list
	}()})
	if err != nil {
		b.Fatal(err)
	}
	s.times.begin()
	for b.Loop() {
		s.times.advance(s.times.plans[0].next, func(*job) {})
	}
}
