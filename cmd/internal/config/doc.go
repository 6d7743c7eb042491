// Package config turns the YAML file, and those that it includes, into a
// Config that was checked from end to end. It is the only importer of the YAML
// library.
//
// What a file may say stands in keys.go and nowhere else: one line for each
// key with its name, its default as one would write it, and the setter that
// puts a value into its field. Reading goes in three steps. Load parses each
// file into nodes; the tables fill the structs from them (keys.go, value.go,
// setters.go); and resolve.go does what takes more than one key to know:
// defaults that follow other keys, references and clashes.
//
// No step ends at the first error. A report collects them with file and line,
// and Load returns all of them as one *Errors. A message never shows the value
// of a key that can hold a secret.
//
// The package opens no connection and runs no command; a Secret is asked for
// when somebody logs in.
package config
