// Package queue decides which message goes next to a server, and over which of a few
// sessions. It is what the pools of all protocols share.
//
//	Submit > Admit: there is room in the window > Assign: a slot on a session > Return > Done
//
// It is one structure under one lock, because its decisions depend on each other:
// which message may begin, which session takes it, and whether to open another one.
// Calls are admitted in the order of Submit, and put on sessions in the same order:
// messages should arrive as they were sent.
//
// What differs between protocols stays with them: how a session is opened and ended,
// how many transactions it takes, and in which slots they follow each other (Session);
// and how much a server is asked for at once, for that is learnt from how it answers
// (Window).
package queue
