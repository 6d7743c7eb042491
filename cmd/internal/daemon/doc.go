// Package daemon is popferry run without --once: it polls on schedule until it
// is stopped, and replaces its configuration while it runs.
//
// A generation is one configuration at work: an app.App and its schedule. The
// daemon owns the current one. A reload stops it, starts the next one, and lets
// what takes long finish in the background:
//
//	signal, changed file > reload > generation > schedule > app.App.Poll
//
// Users reach the daemon by signals, by the page's buttons and by popferry poll,
// which connects to a socket beside the ledger. All of them make poll requests,
// which outlive generations. The package also serves the status page, metrics
// and health, reports to systemd, and sends notices.
package daemon
