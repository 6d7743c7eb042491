package schedule

// share is a number of slots for runs: all there are, or those of one host. Some
// of them are reserved for jobs that are quick, or not known yet.
type share struct {
	limit   int
	running int // slots that are taken
	slow    int // of them, by slow jobs
	quick   int // jobs that are not slow, whether they run or not
}

// reservedPart is which part of the slots is reserved, but at least one.
const reservedPart = 4

// slowLimit is how many slots slow jobs may take. One slot cannot be divided, and
// where all jobs are slow there is none to reserve a slot for.
func (s *share) slowLimit() int {
	if s.quick == 0 || s.limit == 1 {
		return s.limit
	}
	return s.limit - max(1, s.limit/reservedPart)
}

// has reports whether there is a slot for a job.
func (s *share) has(slow bool) bool {
	return s.running < s.limit && (!slow || s.slow < s.slowLimit())
}

// overfull reports whether slow jobs have reserved slots.
func (s *share) overfull() bool { return s.slow > s.slowLimit() }

// take takes n slots for a job, or gives them back if n is negative.
func (s *share) take(n int, slow bool) {
	s.running += n
	if slow {
		s.slow += n
	}
}
