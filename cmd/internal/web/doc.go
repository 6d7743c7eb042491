// Package web shows what popferry does: a status page, metrics for Prometheus,
// and health for whoever watches the process.
//
// Whatever is read comes from the ledger through the interface Ledger, so that
// the page tells the same as `popferry status`; only the counters of polls and
// deliveries are kept here, in Metrics. Whoever reaches the address may read.
// Who sent a message, what it is about and what was said of it is shown only
// to those who gave the password, and so are the buttons: they act through
// the interface Actions.
//
// There is no script in the pages, and nothing is loaded from elsewhere. The
// package listens nowhere: it is an http.Handler.
package web
