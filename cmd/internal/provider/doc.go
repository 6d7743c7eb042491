// Package provider knows mail providers: their servers, how one logs in, and
// what is special about them.
//
// The facts are data, in providers.json, for people to read and mend. Each
// entry names its sources and the day on which they were looked at. What no
// source says for sure is not in it: an empty field means "not known", never
// "no". Nothing here asks the network.
package provider
