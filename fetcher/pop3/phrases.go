package pop3

// phrases are words of real servers, in lower case; the first that a text
// contains decides.
var phrases = []struct {
	words string
	kind  Kind
}{
	{"login allowed only every", KindTooOften},
	{"too many", KindTooOften},
	{"already in use", KindLocked},
	{"lock", KindLocked},
	{"try again later", KindTemporary},
	{"wait a few minutes", KindTemporary},
	{"no such message", KindGone},
	{"unknown command", KindProtocol},
	{"authentication failed", KindCredentials},
	{"password", KindCredentials},
}
