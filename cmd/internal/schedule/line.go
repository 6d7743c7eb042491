package schedule

// line is the waiting jobs of a host, all quick or all slow.
type line struct {
	host  *host
	slow  bool
	jobs  []*job
	ready bool // it is among those of the queue
}

// before reports whether the first job of l has waited longer than that of o.
func (l *line) before(o *line) bool { return l.jobs[0].number < o.jobs[0].number }

// lines is a heap, the first job that has waited longest on top.
type lines []*line

func (l lines) Len() int           { return len(l) }
func (l lines) Less(i, j int) bool { return l[i].before(l[j]) }
func (l lines) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *lines) Push(x any)        { *l = append(*l, x.(*line)) }

func (l *lines) Pop() any {
	old := *l
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*l = old[:len(old)-1]
	return last
}
