// Package oauth signs in to mailboxes by OAuth2 (RFC 6749), and keeps the sign-ins
// usable. It knows the endpoints and scopes of Google and Microsoft; for any other
// provider it is given them, or reads them from the issuer's metadata.
//
// A user signs in once, by one of three flows: a code that is typed in on another
// device (RFC 8628), the browser of this machine (RFC 8252, with PKCE), or the
// address at which a browser elsewhere has ended:
//
//	Client.Device ---+
//	Client.Browser --+--> Tokens.Keep --> ledger
//	Paste -----------+
//
// From then on Tokens.Get returns an access token for each login, and renews it
// before it ends. That is the dangerous part: many providers replace the refresh
// token with each renewal, and take the use of an older one for theft, which ends
// all that came of the sign-in (RFC 9700 section 4.14.2). So a renewal has the
// lease of the sign-in; the refresh token is read under it, and from the ledger
// alone; that a renewal begins is on disk before the request, and what it brought
// is on disk before anything of it is used. Where the answer is not known, a refresh
// token that may have been replaced is not used again, and the user is asked to sign
// in. A refusal deletes nothing. A user who signs out is forgotten first, and then the
// provider is told, which may fail:
//
//	Tokens.Forget --> Client.Revoke
//
// The package never logs. Its errors are of type *Error, or those of the ledger;
// neither has tokens, codes or secrets in it.
package oauth
