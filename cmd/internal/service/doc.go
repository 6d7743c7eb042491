// Package service says how to keep popferry running once it is set up: the commands
// for the service manager of this machine, to be copied as they are. It changes
// nothing itself.
package service
