// Package cause is the catalogue of what can go wrong: it gives an error a
// code, and says in plain words what happened and what to do about it. All
// that shows errors to people takes the words from here.
package cause
