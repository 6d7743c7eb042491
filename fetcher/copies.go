package fetcher

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/spool"
)

// The POP3 mailbox is the queue, except for servers that hide or delete what was
// retrieved (mailbox.Session.Hides). A message that is fetched there is copied
// into a file before anything else is said to the server, and sent, tried again
// and shown from that copy. Until it is forwarded these are the only octets that
// anyone has.

// retain puts a fetched message on disk for good: file first, then ledger.
func (s *session) retain(ctx context.Context, m *fetched) error {
	if m.row.Trace == "" {
		m.row.Trace, m.row.FirstAttempt = message.NewTraceID(), s.Now().Truncate(time.Second)
	}
	before := m.row.CopyFile
	if err := s.writeCopy(m.row, m.Body); err != nil {
		return err
	}
	failpoint("kept")
	m.row.State, m.row.NextAttempt = ledger.Deferred, s.Now()
	if err := s.lease.Put(ctx, m.row); err != nil {
		return s.tally.abort(err)
	}
	if before != m.row.CopyFile { // a part of this one
		s.dropCopy(before)
	}
	return nil
}

// mayHide reports whether it is not known yet that the server gives a message a second
// time. That one was listed again is a sign, but a session that does not end by QUIT
// looks the same: two polls have to see it, each of messages of another session.
func (s *session) mayHide() bool {
	keeps := s.row.Server.RetrKeeps
	return keeps.Count < 2 || !keeps.Get(s.Now())
}

// keepUndelivered keeps a copy of a message that could not be delivered: its server may
// hide it at QUIT. If that fails the session ends without.
func (s *session) keepUndelivered(d *delivery) {
	name, digest, err := s.makeCopy(d.rec, d.Body)
	if err != nil {
		s.log.Warn("no copy of a message could be kept; the session ends without QUIT, so that the server keeps it", "uid", shown(d.rec.UID), "error", err)
		s.box.Abandon(d.Number)
		return
	}
	d.rec.CopyFile, d.rec.Digest = name, digest
}

// writeCopy keeps a copy of a message, which its row names from now on. The row is not
// written yet.
func (s *session) writeCopy(rec *ledger.Record, b *message.Body) error {
	name, digest, err := s.makeCopy(rec, b)
	if err != nil {
		return s.tally.abort(&CopyError{Op: "keeping the copy of a message", Dir: s.CopyDir, Err: err})
	}
	rec.CopyFile, rec.Digest = name, digest
	return nil
}

// keepFirst keeps a message that is asked for once more, because it is shorter than
// listed: its server may not give it a second time. It returns its row. Of what was
// kept before and what has come now, the longer stays.
func (s *session) keepFirst(ctx context.Context, c identify.Candidate, rec *ledger.Record, b *message.Body) (*ledger.Record, error) {
	rec, err := s.ownPart(ctx, rec, b)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		rec = s.newRow(c.Entry)
	}
	if rec.CopyFile != "" && rec.MessageSize > b.Octets {
		return rec, nil
	}
	m := &fetched{Candidate: c, Body: b, row: rec}
	if m.unproven() {
		rec.Fingerprint = "" // a part has none, or it would prove as much as a whole message
	}
	rec.MessageSize, rec.Excerpt = b.Octets, b.Header.Excerpt()
	rec.Cause = ledger.Cause{Code: ledger.CauseIncomplete, Text: (&mailbox.IncompleteError{Got: b.Octets, Listed: c.Size}).Error()}
	return rec, s.retain(ctx, m) // the session does not end by QUIT for that: the server may have more of it
}

// sendCopies sends the copies that are due, before the mailbox is polled: they
// need no session, and must not wait for one that cannot be had. Those of a server that
// is not known to hide anything are only sent if there was none: see keepUndelivered.
func (p *poll) sendCopies(ctx context.Context, noSession bool) {
	if noSession == p.Source.RetrHides(&p.row.Server, p.Now()) {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			_ = p.tally.abort(&PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	files, err := p.copyFiles(ctx)
	if err != nil {
		_ = p.tally.abort(err)
		return
	}
	if len(files) == 0 {
		return // as nearly always
	}
	known, err := p.lease.Known(ctx)
	if err != nil {
		_ = p.tally.abort(err)
		return
	}
	if p.dropLeftovers(ctx, files, known) != nil {
		return
	}
	due, _ := identify.DueCopies(identify.View{Known: known, Policy: p.Policy, Now: p.Now(), Asked: p.asked}, nil, false)
	if due, err = p.withinRate(ctx, due); err != nil {
		return
	}
	s := &session{poll: p, view: identify.View{Known: known}, matched: make(map[int64]bool)}
	var all sync.WaitGroup
	defer func() {
		all.Wait()
		for _, r := range p.tally.takeNoRoom() { // they are no evidence about what is in the mailbox
			p.deferForRoom(ctx, r)
		}
	}()
	room := make(chan struct{}, max(1, p.Destination.Forwarder.Workers()))
	for _, c := range due {
		if p.closed(ctx) || p.unsettled[c.Known.ID] || !slices.Contains(files, filepath.Join(p.CopyDir, c.Known.CopyFile)) {
			continue // a session looks for what has no file
		}
		rec, err := p.lease.Record(ctx, c.Known.ID)
		if err != nil {
			_ = p.tally.abort(err)
			return
		}
		m, err := s.fetchCopy(ctx, c, rec)
		if m == nil {
			_ = err // the poll was stopped for it
			continue
		}
		if s.undecided(m) {
			v, err := p.look(ctx, m)
			if !s.settle(ctx, m, v, err) {
				continue
			}
		}
		alone := m.mayHaveArrived()
		if alone {
			all.Wait()
		}
		room <- struct{}{}
		d := s.submit(m)
		all.Go(func() {
			defer func() { <-room }()
			s.deliver(ctx, d)
		})
		if alone {
			all.Wait()
		}
	}
}

// copyFiles are the paths of the account's copies.
func (p *poll) copyFiles(ctx context.Context) (files []string, err error) {
	keeper, ok := p.lease.(CopyKeeper)
	if !ok {
		files, _ = filepath.Glob(filepath.Join(p.CopyDir, fmt.Sprintf("%d-*.eml", p.ID)))
		return files, nil
	}
	names, err := keeper.CopyNames(ctx)
	for _, name := range names {
		files = append(files, filepath.Join(p.CopyDir, name))
	}
	return files, err
}

// makeCopy makes a copy of a message whose row is written next, with its name in it.
func (p *poll) makeCopy(rec *ledger.Record, b *message.Body) (name, digest string, err error) {
	keeper, ok := p.lease.(CopyKeeper)
	if !ok {
		return writeCopy(p.CopyDir, rec, b)
	}
	sum := sha256.New()
	if _, err := b.WriteTo(sum); err != nil {
		return "", "", err
	}
	digest = message.Digest(sum.Sum(nil))
	name = copyName(copyPrefix(rec.Account, rec.UID, rec.Generation), digest)
	keeper.StageCopy(name, b)
	return name, digest, nil
}

// writeCopy writes a message as message.Store can read it again, and returns its
// digest, too. The name, without the folder, which may be moved, follows from the
// message's row and digest: one whose row could not be written then, and that is
// fetched once more, gets the same file, and none stays behind. If only the folder
// cannot be synced the file stays all the same, for the server may not give the
// message again.
func writeCopy(dir string, rec *ledger.Record, b *message.Body) (name, digest string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	f, err := os.CreateTemp(dir, fmt.Sprintf("%d-*.tmp", rec.Account))
	if err != nil {
		return "", "", err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	sum := sha256.New()
	if _, err := b.WriteTo(io.MultiWriter(f, sum)); err != nil {
		return "", "", err
	}
	if err := f.Sync(); err != nil {
		return "", "", err
	}
	if err := f.Close(); err != nil {
		return "", "", err
	}
	digest = message.Digest(sum.Sum(nil))
	name = copyName(copyPrefix(rec.Account, rec.UID, rec.Generation), digest)
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return "", "", err
	}
	return name, digest, syncDir(dir)
}

// copyName is the name of the copy of a message with this digest.
func copyName(prefix, digest string) string {
	const part = 16 // of the digest: names are to be short
	return prefix + digest[:part] + ".eml"
}

// copyPrefix is how the names of all copies begin that belong to a row.
func copyPrefix(account int64, uid string, generation int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d", uid, generation))
	return fmt.Sprintf("%d-%x-", account, sum[:8])
}

// prefixOf is how the name of a copy begins.
func prefixOf(name string) string { return name[:strings.LastIndexByte(name, '-')+1] }

// leftoverAge is how old a copy without a row is before popferry names it: a younger
// one may be that of a message whose row is just being written.
const leftoverAge = 10 * time.Minute

// dropLeftovers removes copies whose messages were forwarded: popferry ended before
// it could. Other files without a row stay and are named: an older ledger leaves
// them, and rows that could not be written do, of messages that may be here alone.
// That a row has the UID and the number of a file's message proves nothing, for
// another message may have got them since.
func (p *poll) dropLeftovers(ctx context.Context, files []string, known *ledger.Rows) error {
	named := make(map[string]bool) // by a row
	for _, k := range known.All() {
		named[k.CopyFile] = true
	}
	left := make(map[string][]string, len(files)) // the others, by prefix
	for _, f := range files {
		if name := filepath.Base(f); !named[name] {
			left[prefixOf(name)] = append(left[prefixOf(name)], name)
		}
	}
	if len(left) == 0 {
		return nil
	}
	for _, k := range known.All() {
		prefix := copyPrefix(p.ID, k.UID, k.Generation)
		if len(left[prefix]) == 0 || k.State != ledger.Forwarded {
			continue
		}
		rec, err := p.lease.Record(ctx, k.ID)
		if err != nil {
			return p.tally.abort(err)
		}
		left[prefix] = slices.DeleteFunc(left[prefix], func(name string) bool {
			forwarded := p.wasForwarded(rec, prefix, name)
			if forwarded {
				p.dropCopy(name)
			}
			return forwarded
		})
	}
	for _, names := range left {
		for _, name := range names {
			info, err := os.Stat(filepath.Join(p.CopyDir, name))
			if err == nil && p.Now().Sub(info.ModTime()).Abs() >= leftoverAge {
				p.log.Warn("the ledger does not know a retained copy, which may be the only one of its message; it is left alone", "copy", filepath.Join(p.CopyDir, name))
			}
		}
	}
	return nil
}

// wasForwarded reports whether a copy is of the message that a row says was
// forwarded: by its octets, or, for a part of it and for rows of older versions,
// which have no digest, by a header that no two messages share.
func (p *poll) wasForwarded(rec *ledger.Record, prefix, name string) bool {
	if rec.Digest != "" && name == copyName(prefix, rec.Digest) {
		return true
	}
	b, err := p.readCopy(name)
	if err != nil {
		return false
	}
	defer b.Release()
	return !b.Header.Weak() && b.Header.Fingerprint() == rec.Fingerprint
}

// syncDir makes a new name in a folder durable. File systems that cannot sync a
// folder refuse it as invalid, unsupported or, on Windows, denied, and do it by
// themselves; any other error means that the copy may be lost.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// fetchCopy is fetch for a message that has a copy. It returns nil if the copy
// cannot be read: the message is fetched again if its server still has it. Else it
// is due for ever, and each poll says so: nobody else has it.
func (s *session) fetchCopy(ctx context.Context, c identify.Candidate, rec *ledger.Record) (*fetched, error) {
	b, err := s.readCopy(c.Known.CopyFile)
	var disk *spool.Error
	switch {
	case err == nil && c.Number == 0 && identify.MayBePart(rec.Known):
		m := &fetched{Candidate: c, Body: b, row: rec, fromCopy: true}
		return s.unlessWhole(ctx, m)
	case err == nil:
		return &fetched{Candidate: c, Body: b, row: rec, fromCopy: true}, nil
	case errors.As(err, &disk):
		return nil, s.tally.abort(err)
	case c.Number > 0:
		s.log.Warn("the copy of a message cannot be read; it is fetched again", "uid", shown(c.UID), "copy", c.Known.CopyFile, "error", err)
		return nil, nil
	}
	unread := &CopyError{Op: "reading the copy of a message, which is the only one, from " + c.Known.CopyFile, Dir: s.CopyDir, Err: err}
	s.leftOut.fault = unread
	rec.Attempts++
	rec.State, rec.NextAttempt = ledger.Deferred, outcome.Attempt{Now: s.Now(), First: rec.FirstSeen, Number: rec.Attempts}.Next()
	rec.Cause = s.Describe(unread)
	return nil, s.notFetched(ctx, rec, unread)
}

// unlessWhole returns a copy that may not be whole, unless its message has come
// whole under another UID.
func (s *session) unlessWhole(ctx context.Context, m *fetched) (*fetched, error) {
	known, err := s.lease.Known(ctx)
	if err != nil {
		m.Release()
		return nil, s.tally.abort(err)
	}
	whole := false
	for _, k := range known.All() {
		if whole || k.ID == m.row.ID || k.Fingerprint == "" || k.State == ledger.Gone {
			continue
		}
		same, err := s.sameMessage(ctx, m, k, printOf(m.Header))
		if err != nil {
			m.Release()
			return nil, err
		}
		whole = same != nil
	}
	if !whole || !m.Header.Identifiable() {
		return m, nil
	}
	m.Release()
	s.log.Info("a copy that may not be whole is not sent: its message has come whole", "uid", shown(m.row.UID), "copy", m.row.CopyFile)
	return nil, errors.Join(s.markGone(ctx, m), s.dropSuperseded(ctx, m))
}

// readCopy reads a copy into the spool.
func (p *poll) readCopy(name string) (*message.Body, error) {
	if err := ledger.CheckCopyName(name); err != nil {
		return nil, err
	}
	f, err := p.openCopy(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return message.Store(p.Spool.NewItem(), f)
}

// storedCopy is a copy that is about to be read.
type storedCopy interface {
	io.WriterTo
	io.Closer
}

// inLedger is one that the ledger keeps.
type inLedger struct{ io.WriterTo }

// Close implements io.Closer.
func (inLedger) Close() error { return nil }

func (p *poll) openCopy(name string) (storedCopy, error) {
	if keeper, ok := p.lease.(CopyKeeper); ok {
		c, err := keeper.OpenCopy(name)
		if err != nil {
			return nil, err
		}
		return inLedger{c}, nil
	}
	f, err := os.OpenInRoot(p.CopyDir, name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// dropCopy removes the file of a message that was forwarded. One that stays does
// no harm, but one too few would: files without a row are left alone.
func (p *poll) dropCopy(name string) {
	if _, ok := p.lease.(CopyKeeper); ok || ledger.CheckCopyName(name) != nil { // "", or a path
		return
	}
	if root, err := os.OpenRoot(p.CopyDir); err == nil {
		_, _ = root.Remove(name), root.Close()
	}
}
