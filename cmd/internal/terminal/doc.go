// Package terminal is what popferry says to people and hears from them: it
// reads answers, wraps lines to the terminal's width, makes foreign text
// harmless, and formats sizes, durations and counts.
//
// Text that comes from a server, a certificate or a mail may contain control
// characters. It goes through Escape or Escaper where it must stay readable
// octet by octet, and through Printable where it is a cell of a table or part of
// a line. A Screen escapes once more what is still there.
package terminal
