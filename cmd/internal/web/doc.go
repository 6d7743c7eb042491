// Package web serves the status page, metrics for Prometheus and health probes.
//
// The pages read from the ledger through the interface Ledger, so that they
// agree with `popferry status`. Only the counters of polls and deliveries are
// kept here, in Metrics. Anyone who reaches the address, under one of the names
// in Access, may read. What senders and servers wrote is shown only after logging
// in, and so are the buttons, which act through the interface Actions.
//
// The pages contain no script and load nothing from elsewhere. The package does
// not listen: a Handler is an http.Handler.
package web
