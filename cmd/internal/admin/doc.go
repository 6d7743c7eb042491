// Package admin changes what the ledger says about one account: it makes
// messages due again or gives them up, answers for a renumbered mailbox, renames
// and forgets accounts, marks what another program has fetched, and shows a
// message. The commands, the page's buttons and the import are its callers.
//
// Open finds the account. What changes it needs the account's lease, which no
// poll can hold meanwhile: WithLease waits for a running poll to end, takes the
// lease, and hands out a Leased, which has the changes as its methods.
//
// The package prints nothing and reads no configuration file.
package admin
