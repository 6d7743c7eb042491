// Package oauthtest is an OAuth2 provider for tests. It has the three flows that
// popferry knows, replaces the refresh token with each renewal, and ends all that
// came of a sign-in once an older one is used, as RFC 9700 section 4.14.2 wants it:
// a client that renews twice at once, or forgets an answer, shows.
package oauthtest
