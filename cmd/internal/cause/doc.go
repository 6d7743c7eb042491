// Package cause is the catalogue of what can go wrong. It gives an error a
// stable code, and says in plain words what happened and what to do. Everything
// that shows errors to users takes the words from here.
package cause
