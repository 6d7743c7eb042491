// Package shortlog writes the log for a user who watches popferry at a terminal:
// a short line for what happened, instead of all the keys that a machine reads.
//
//	11:55 leo@example.net: nothing new, 12 on server
//	11:56 ERROR work: the login was refused: -ERR wrong password. Check ...
package shortlog
