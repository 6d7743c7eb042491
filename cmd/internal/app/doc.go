// Package app wires a configuration up. It turns the accounts, destinations and
// settings of package config into what fetcher, forwarder and dial want, opens
// the ledger, and polls:
//
//	config.Config > New > App.Poll, App.PollAll > fetcher.Poller
//
// Resources are what outlives a configuration that is read again. Metrics, wire
// traces and progress observe polls from here. When accounts are polled is
// decided elsewhere: by package daemon on a schedule, or by the commands.
package app
