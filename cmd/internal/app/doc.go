// Package app wires a configuration up: its accounts, its destinations and the
// poller between them.
package app
