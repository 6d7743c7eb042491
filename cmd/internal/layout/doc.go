// Package layout holds the repository to its shape: who may import whom, what
// may end the program, and what stands at the top. It has only tests.
package layout
