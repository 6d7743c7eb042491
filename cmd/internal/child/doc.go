// Package child starts the programs that popferry needs: commands that print a
// password, and proxies. Each runs in a process group of its own, which ends with
// it, and sees no passwords in its environment.
package child
