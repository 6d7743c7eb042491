// Package config turns the YAML file, and the files that it includes, into a
// fully checked Config. It is the only importer of the YAML library.
//
// All keys are defined in keys.go: one line each with the name, the default as a
// user would write it, and the setter that puts a value into its field. Reading
// has three steps. Load parses each file into YAML values. The key tables fill
// the structs from them (keys.go, keytable.go, setters.go). Then resolve.go does
// what depends on more than one key: defaults that follow other keys, references
// and conflicts.
//
// No step ends at the first error. A report collects errors with file and line,
// and Load returns all of them as one *Errors. No message shows the value of a
// key that can hold a secret.
//
// The package opens no connection and runs no command. A Secret is read at each
// login.
package config
