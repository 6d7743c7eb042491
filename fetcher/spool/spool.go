package spool

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

const (
	// chunkSize is the unit in which messages take memory from the budget.
	chunkSize = 32 << 10
	// memoryLimit is the size from which a message goes to a file even while
	// the budget would allow more: few messages are larger, and a file costs
	// them little.
	memoryLimit = 1 << 20
)

// Spool is the memory and the folder that all Items share.
type Spool struct {
	dir    string
	free   atomic.Int64 // octets of memory left
	chunks sync.Pool
}

// New returns a spool with that many octets of memory in total and its files in
// dir ("": the system's temporary folder). It does no I/O.
func New(dir string, memory int64) *Spool {
	s := &Spool{dir: dir}
	s.free.Store(memory)
	s.chunks.New = func() any { return new([chunkSize]byte) }
	return s
}

// Error is a failure of the disk on which messages are kept. It is never the
// message's fault.
type Error struct {
	Op  string // what was tried, such as "writing a temporary file"
	Dir string
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("%s in %s: %v", e.Op, e.Dir, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Item is one message in the spool. It is written once from its start and flushed,
// then read as often as wanted, also at the same time.
type Item struct {
	s      *Spool
	size   int64
	chunks []*[chunkSize]byte // all but the last are full
	file   *os.File           // set: holds everything, chunks are empty
	buffer *bufio.Writer      // to the file, until Flush
}

// NewItem returns an empty item. The caller releases it in any case.
func (s *Spool) NewItem() *Item { return &Item{s: s} }

// Size is the number of octets written so far.
func (i *Item) Size() int64 { return i.size }

// Write appends p. Its errors are *Error.
func (i *Item) Write(p []byte) (int, error) {
	written := 0
	for written < len(p) {
		if i.file == nil && !i.room() {
			if err := i.toFile(); err != nil {
				return written, err
			}
		}
		n, err := i.put(p[written:])
		written += n
		i.size += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// put writes some of p to where there is room.
func (i *Item) put(p []byte) (int, error) {
	if i.file == nil {
		return copy(i.chunks[len(i.chunks)-1][i.size%chunkSize:], p), nil
	}
	// A message comes in pieces as small as a line: where many lines begin with a dot,
	// each is one.
	n, err := i.buffer.Write(p)
	if err != nil {
		return n, i.s.fail("writing a temporary file", err)
	}
	return n, nil
}

// Flush ends the writing: from then on the item can be read. Its errors are *Error.
func (i *Item) Flush() error {
	if i.buffer == nil {
		return nil
	}
	err := i.buffer.Flush()
	i.buffer = nil
	if err != nil {
		return i.s.fail("writing a temporary file", err)
	}
	return nil
}

// room makes room in the last chunk. It reports false if the item has to go to
// a file.
func (i *Item) room() bool {
	if i.size%chunkSize != 0 {
		return true
	}
	if i.size >= memoryLimit {
		return false
	}
	if i.s.free.Add(-chunkSize) < 0 {
		i.s.free.Add(chunkSize)
		return false
	}
	i.chunks = append(i.chunks, i.s.chunks.Get().(*[chunkSize]byte))
	return true
}

// toFile moves the octets in memory to a file without a name.
func (i *Item) toFile() error {
	f, err := os.CreateTemp(i.s.dir, "popferry-*.spool")
	if err != nil {
		return i.s.fail("making a temporary file", err)
	}
	// Without a name it is gone with the process, however that ends. Where
	// open files can't be removed (Windows), Release does it.
	_ = os.Remove(f.Name())
	if _, err := io.Copy(f, i.Reader()); err != nil {
		closeFile(f)
		return i.s.fail("writing a temporary file", err)
	}
	i.drop()
	i.file, i.buffer = f, bufio.NewWriterSize(f, chunkSize)
	return nil
}

func (s *Spool) fail(op string, err error) error {
	return &Error{Op: op, Dir: s.folder(), Err: err}
}

// Reader returns the octets from their start. It must not be used before Flush, nor
// after Release.
func (i *Item) Reader() io.Reader { return i.Tail(0) }

// Tail is Reader without the first octets, at most as many as there are.
func (i *Item) Tail(from int64) io.Reader {
	if i.file != nil {
		return io.NewSectionReader(i.file, from, i.size-from)
	}
	return &chunkReader{chunks: i.chunks[from/chunkSize:], off: int(from % chunkSize), left: i.size - from}
}

// Release gives memory and disk back. It may be called twice.
func (i *Item) Release() {
	i.drop()
	if i.file != nil {
		closeFile(i.file)
		i.file, i.buffer = nil, nil
	}
}

func (i *Item) drop() {
	for _, c := range i.chunks {
		i.s.chunks.Put(c)
	}
	i.s.free.Add(int64(len(i.chunks)) * chunkSize)
	i.chunks = nil
}

// closeFile closes and removes a file that is no longer needed. Nothing is lost
// if that fails.
func closeFile(f *os.File) {
	_ = f.Close()
	_ = os.Remove(f.Name())
}

// chunkReader reads an item that is in memory.
type chunkReader struct {
	chunks []*[chunkSize]byte
	off    int // in the first chunk
	left   int64
}

func (r *chunkReader) next() []byte {
	b := r.chunks[0][r.off:]
	return b[:min(int64(len(b)), r.left)]
}

func (r *chunkReader) skip(n int) {
	r.left -= int64(n)
	if r.off += n; r.off == chunkSize {
		r.chunks, r.off = r.chunks[1:], 0
	}
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.next())
	r.skip(n)
	return n, nil
}

// WriteTo implements io.WriterTo: io.Copy then needs no buffer.
func (r *chunkReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for r.left > 0 {
		n, err := w.Write(r.next())
		r.skip(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
