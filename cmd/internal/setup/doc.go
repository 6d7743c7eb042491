// Package setup sets up a mailbox: it finds the servers of two mail addresses,
// tries them with the passwords, and writes a configuration that works.
//
// Run goes from left to right:
//
//	Input > mailbox > inbox > policy > Answers > Plan > files > verify
//
// What the Input has (the flags of init, or the fields of a form) is not asked.
// Everything else is asked through a FrontEnd, or gets its default if the front
// end is not interactive; there is one path for both. Each server is tried
// before the next question (package probe), so that a wrong answer can be
// corrected at once. The result is the Answers, plain data, and Plan turns them
// into files without touching the disk. The files are then written and read back;
// if anything is wrong, they are removed again.
//
// A password goes only to a server whose name the user gave or agreed to, or that
// a trusted source named, and unencrypted only if the user said so.
package setup
