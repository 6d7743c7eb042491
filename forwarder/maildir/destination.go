package maildir

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// Options are where a Destination puts mail.
type Options struct {
	Path   string // of the Maildir
	Folder string // for messages without a folder of their own; "" is INBOX
	// Create has folders made that are missing, and the Maildir itself. Else it is an
	// error if they are: a disk that is not mounted must not swallow mail.
	Create bool
	// Patience is how long the disk may take for one message; 0 means ten minutes. A
	// network file system whose server is down may never answer.
	Patience time.Duration
}

// Destination delivers into a Maildir and its subfolders (Maildir++). It may be used
// from several goroutines.
type Destination struct {
	o       Options
	running sync.WaitGroup
	making  sync.Mutex // held while folders are made

	mu     sync.Mutex
	boxes  map[string]*Box // by folder
	last   chan struct{}   // closed when the message that was submitted last is stored, or given up
	closed bool
}

// ErrClosed is the error of messages that come after Close.
var ErrClosed = errors.New("the Maildir destination is closed")

const (
	// workers is how many deliveries are useful at once: while one is on its way to
	// the disk, the ledger can be written for others.
	workers = 4
	// patience is the default of Options.Patience.
	patience = 10 * time.Minute
)

// NewDestination returns the destination. It does no I/O.
func NewDestination(o Options) *Destination {
	first := make(chan struct{})
	close(first)
	o.Patience = cmp.Or(o.Patience, patience)
	return &Destination{o: o, boxes: make(map[string]*Box), last: first}
}

// Submit takes a message's place in the order: what is submitted later is stored
// after it. It does not block. The caller has to call Done.
func (d *Destination) Submit(m *forwarder.Message) *Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	before, own := d.last, make(chan struct{})
	d.last = own
	return &Delivery{d: d, m: m, before: before, end: sync.OnceFunc(func() { passOn(before, own) })}
}

// passOn lets the next message be stored, when the one before this one has been: this
// one may have been given up earlier.
func passOn(before <-chan struct{}, own chan<- struct{}) {
	select {
	case <-before:
		close(own)
	default:
		go func() {
			<-before
			close(own)
		}()
	}
}

// Workers is how many deliveries are useful at once.
func (*Destination) Workers() int { return workers }

// Preconnect does nothing: there is no connection.
func (*Destination) Preconnect(int) {}

// Send is Submit, Wait and Done in one, for a caller that has nothing to write to
// disk.
func (d *Destination) Send(ctx context.Context, m *forwarder.Message) ([]forwarder.Outcome, error) {
	out := d.Submit(m)
	defer out.Done()
	return out.Wait(ctx, nil)
}

// Check is CheckFolder for the folder of the Options.
func (d *Destination) Check(ctx context.Context) error { return d.CheckFolder(ctx, d.o.Folder) }

// CheckFolder tests whether mail can be stored in a folder, by a file in its tmp/
// that is removed again. A missing folder is made if the Options say so. The error
// is an *Error if it is about the Maildir.
func (d *Destination) CheckFolder(ctx context.Context, folder string) error {
	_, err := within(d, false, func() (*Box, error) {
		b, err := d.open(folder)
		if err == nil {
			err = b.try(ctx)
		}
		return b, err
	})
	return err
}

// Close waits for the deliveries that are under way. Later ones fail.
func (d *Destination) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.running.Wait()
	return nil
}

// begin notes a delivery that is under way, until it calls running.Done.
func (d *Destination) begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	d.running.Add(1)
	return nil
}

// open returns a folder that is there, or was made.
func (d *Destination) open(folder string) (*Box, error) {
	switch folder {
	case "":
		folder = d.o.Folder
	case forwarder.JunkFolder:
		folder = junk
	}
	b, base := d.box(folder), d.box(inbox)
	err := b.ready(b != base)
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, fs.ErrNotExist) && d.o.Create:
		return b, d.create(b, folder)
	}
	if above := base.ready(false); above != nil {
		if errors.Is(above, fs.ErrNotExist) {
			above.Remedy = "if its disk is mounted and the path is right, make the Maildir (" + mkdir(base.dir) + ") or set create_folder: true"
		}
		return nil, above
	}
	err.Alone = true
	if errors.Is(err, fs.ErrNotExist) {
		err.Remedy = "check the spelling of folder, and make it with your mail program, or set create_folder: true"
	}
	return nil, err
}

// box returns a folder, with what is remembered of it.
func (d *Destination) box(folder string) *Box {
	dir := folderPath(d.o.Path, folder)
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.boxes[dir]
	if !ok {
		b = newBox(dir, keyOf)
		b.given = true
		if os.Geteuid() == 0 {
			b.disk = rooted{dir: d.o.Path}
		}
		d.boxes[dir] = b
	}
	return b
}

// create makes a folder. A subfolder has an empty file maildirfolder (Maildir++),
// which stands before the folder is complete, so that it is made after a crash, too.
func (d *Destination) create(b *Box, folder string) error {
	d.making.Lock()
	defer d.making.Unlock()
	if err := d.box(inbox).folders(); err != nil || isInbox(folder) {
		return err
	}
	if err := b.folder(b.dir); err != nil {
		return err
	}
	if b.ready(false) == nil {
		return nil // another delivery has made it
	}
	path := filepath.Join(b.dir, "maildirfolder")
	f, err := b.disk.Create(path)
	if err == nil {
		err = errors.Join(f.Give(d.o.Path), f.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrExist) { // or another process
		return &Error{Doing: "creating", Path: path, Err: err}
	}
	return b.folders()
}
