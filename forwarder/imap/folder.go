package imap

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
)

const (
	// placeLasts and placeServes are how long, and for how many messages, one STATUS
	// of a folder does. An older one is as true, but leaves more to look through.
	placeLasts  = time.Minute
	placeServes = 64
)

// server is what the sessions of a pool share of what they were told: what the
// server can do, how folders are called, and where they end.
type server struct {
	asking chan struct{} // holds one token: who has it asks

	// Of who asks:

	named   bool
	names   names
	listed  bool
	special map[string]string // folders by their use, as "\All" (RFC 6154)

	mu      sync.Mutex
	caps    wire.Capabilities // nil: nothing was asked yet
	folders map[string]*folder
}

// folder is a folder of the server.
type folder struct {
	mark   forwarder.Mark
	limit  int64 // the largest message that it takes, in octets; 0: not known
	asked  time.Time
	served int
}

func newServer() *server {
	return &server{asking: make(chan struct{}, 1), folders: make(map[string]*folder)}
}

// known returns a folder that was asked for not long ago, and what the server can
// do. name is as configured.
func (v *server) known(name string, now time.Time) (folder, wire.Capabilities, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.folders[name]
	if f == nil || f.served >= placeServes || now.Sub(f.asked).Abs() >= placeLasts {
		return folder{}, v.caps, false
	}
	f.served++
	return *f, v.caps, true
}

// ready makes sure that the folder exists and returns it. What the server refuses is
// an outcome. Otherwise the error is the connection's, or that of ctx.
func (v *server) ready(ctx context.Context, s *session, name string) (folder, *forwarder.Outcome, error) {
	select {
	case v.asking <- struct{}{}:
		defer func() { <-v.asking }()
	case <-ctx.Done():
		return folder{}, nil, context.Cause(ctx)
	}
	if f, _, ok := v.known(name, s.o.Now()); ok {
		return f, nil, nil
	}
	stop := context.AfterFunc(ctx, s.Abort)
	f, refusal, err := v.ask(s, name)
	if !stop() {
		s.End()
	}
	if err != nil {
		return folder{}, nil, cause(ctx, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.caps = s.caps()
	if delete(v.folders, name); refusal == nil {
		v.folders[name] = &f
	}
	return f, refusal, nil
}

// notGmail reports whether the server is known not to be Gmail.
func (v *server) notGmail() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.caps != nil && !v.caps.Gmail()
}

// nameOf is a configured name as the server writes it. The error is the
// connection's.
func (v *server) nameOf(s *session, folder string) (string, error) {
	v.asking <- struct{}{}
	defer func() { <-v.asking }()
	return v.askName(s, folder)
}

// specialFolders returns the folders that have a use of their own. The error is the
// connection's.
func (v *server) specialFolders(s *session) (map[string]string, error) {
	v.asking <- struct{}{}
	defer func() { <-v.asking }()
	err := v.askSpecial(s)
	return v.special, err
}

// forget makes the next message into a folder ask for it again.
func (v *server) forget(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.folders, name)
}

// ask asks for a folder, and makes it if it is to be made. The caller may ask.
func (v *server) ask(s *session, name string) (folder, *forwarder.Outcome, error) {
	onServer, err := v.askName(s, name)
	if err != nil {
		return folder{}, nil, err
	}
	if n := len(onServer); n > maxName {
		return folder{}, nil, fmt.Errorf("%w: with what the server puts around it, the name of the folder has %d octets, and the limit is %d", wire.ErrProtocol, n, maxName)
	}
	f, refusal, err := s.status(onServer)
	if err == nil && refusal != nil && refusal.Enhanced == noSuchFolder && s.o.CreateFolder {
		if refusal, err = s.create(onServer); err == nil && refusal == nil {
			f, refusal, err = s.status(onServer)
		}
	}
	if err != nil || refusal != nil {
		return folder{}, refusal, err
	}
	f.asked = s.o.Now()
	if s.caps().Gmail() {
		f.mark.All, err = v.askAll(s)
	}
	return f, nil, err
}

// noSuchFolder is what translate makes of a folder that does not exist.
var noSuchFolder = forwarder.EnhancedCode{5, 1, 1}

// askAll asks for the end of the folder that holds all mail. The caller may
// ask.
func (v *server) askAll(s *session) (forwarder.Place, error) {
	if err := v.askSpecial(s); err != nil || v.special[`\All`] == "" {
		return forwarder.Place{}, err
	}
	f, refusal, err := s.status(v.special[`\All`])
	if err != nil || refusal != nil { // a refusal costs only speed later
		return forwarder.Place{}, err
	}
	return f.mark.Folder, nil
}

// askName is a configured name as the server writes it. The caller may ask.
func (v *server) askName(s *session, folder string) (string, error) {
	if err := v.askNames(s); err != nil || folder != forwarder.JunkFolder {
		return v.names.onServer(folder), err
	}
	if err := v.askSpecial(s); err != nil {
		return "", err
	}
	if name := v.special[forwarder.JunkFolder]; name != "" {
		return name, nil
	}
	v.listed = false // the user may make one meanwhile
	return v.names.onServer("Junk"), nil
}

// askNames asks how folders are called, once. The caller may ask.
func (v *server) askNames(s *session) error {
	if v.named {
		return nil
	}
	caps := s.caps()
	found := names{utf8: caps.UTF8()}
	if caps.Has("NAMESPACE") || caps.Has("IMAP4REV2") {
		c := s.command(func(r *wire.Response) error {
			if r.Name() == "NAMESPACE" {
				found = newNames(r.Data[1:], found.utf8)
			}
			return nil
		})
		if _, err := s.Run(c, "NAMESPACE"); err != nil {
			return err
		}
	}
	if found.delimiter == "" {
		err := s.list(`"" ""`, func(_ []string, delimiter, _ string) { found.delimiter = delimiter })
		if err != nil {
			return err
		}
	}
	v.names, v.named = found, true
	return nil
}

// askSpecial asks which folders have a use of their own, once (RFC 6154).
func (v *server) askSpecial(s *session) error {
	if v.listed {
		return nil
	}
	pattern := `"" "*"`
	if caps := s.caps(); caps.Has("SPECIAL-USE", "LIST-EXTENDED") || caps.Has("IMAP4REV2") {
		pattern += " RETURN (SPECIAL-USE)"
	}
	found := make(map[string]string)
	err := s.list(pattern, func(attributes []string, _, name string) {
		for _, use := range []string{`\All`, `\Junk`, `\Trash`} {
			if slices.ContainsFunc(attributes, func(a string) bool { return strings.EqualFold(a, use) }) {
				found[use] = name
			}
		}
	})
	if err == nil {
		v.special, v.listed = found, true
	}
	return err
}

// maxFolders is how many folders a server may list.
const maxFolders = 100_000

// list runs LIST (RFC 9051 6.3.9). A refusal lists nothing.
func (s *session) list(pattern string, each func(attributes []string, delimiter, name string)) error {
	count := 0
	c := &wire.Command{Wait: s.o.Timeout, Streams: true, Data: func(r *wire.Response) error {
		if r.Name() != "LIST" || len(r.Data) < 4 {
			return nil
		}
		switch count++; {
		case count > maxFolders:
			return fmt.Errorf("%w: more than %d folders, which is the limit", wire.ErrProtocol, maxFolders)
		case len(r.Data[3].Text) > maxName:
			return nil // nobody uses it, and it would stand in the ledger
		}
		each(wire.Words(r.Data[1].List), delimiterOf(r.Data[2]), r.Data[3].Text)
		return nil
	}}
	_, err := s.Run(c, "LIST "+pattern)
	return err
}

// status asks where a folder ends (RFC 9051 6.3.11). A server that does not say is
// not at fault.
func (s *session) status(name string) (folder, *forwarder.Outcome, error) {
	items := "UIDVALIDITY UIDNEXT"
	if _, perFolder := s.caps().Limit(); perFolder {
		items += " APPENDLIMIT"
	}
	f := folder{mark: forwarder.Mark{Folder: forwarder.Place{Name: name}}}
	c := s.command(func(r *wire.Response) error {
		if r.Name() == "STATUS" && len(r.Data) > 2 {
			got := wire.Attributes(r.Data[2].List)
			f.mark.Folder.Validity, f.mark.Folder.Next = got["UIDVALIDITY"].Number(), got["UIDNEXT"].Number()
			f.limit, _ = strconv.ParseInt(got["APPENDLIMIT"].Text, 10, 64) // NIL: none
		}
		return nil
	})
	r, err := s.Run(c, "STATUS "+wire.Quote(name)+" ("+items+")")
	switch {
	case err != nil:
		return folder{}, nil, err
	case r.OK():
		return f, nil, nil
	}
	o := s.outcome(r, forwarder.StageRcpt)
	if r.Status == "BAD" && !o.Throttled() || o.Enhanced == unexplained {
		return f, nil, nil // APPEND shows what is with the folder
	}
	return folder{}, &o, nil
}

// unexplained is what translate makes of a NO without a reason.
var unexplained = forwarder.EnhancedCode{4, 0, 0}

// create makes a folder and subscribes to it (RFC 9051 6.3.4, 6.3.7).
func (s *session) create(name string) (*forwarder.Outcome, error) {
	r, err := s.Do("CREATE " + wire.Quote(name))
	if err == nil && r.OK() {
		_, err = s.Do("SUBSCRIBE " + wire.Quote(name)) // a refusal only hides it from some clients
	}
	if err != nil || r.OK() || r.Code == "ALREADYEXISTS" {
		return nil, err
	}
	o := s.outcome(r, forwarder.StageRcpt)
	return &o, nil
}
