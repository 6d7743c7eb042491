// Package provider knows mail providers: their servers, how to log in, and what
// is special about them.
//
// The facts are data, in providers.json, easy to read and to correct. Each entry
// names its sources and the day they were checked. It has only what a source
// says for certain: an empty field means "not known", never "no". Nothing here
// uses the network.
package provider
