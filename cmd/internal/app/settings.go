package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"

	"github.com/popferry/popferry/cmd/internal/config"
)

// accountSettings stands for all of an account that a poll depends on, but for its
// password: it is another text once one of its keys is changed. Its place in the
// file and its schedule do not count.
func accountSettings(c config.Account) string {
	c.Name, c.Enabled, c.Schedule, c.File, c.Line = "", false, "", "", 0
	return digest(c, c.TLS)
}

// destinationSettings is the same for a destination.
func destinationSettings(d config.Destination) string {
	d.Name, d.File, d.Line = "", "", 0
	return digest(d, d.TLS)
}

// digest is a hash of settings and of the files that they name. Passwords show
// themselves in no encoding.
func digest(settings any, tls config.TLS) string {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode(settings) // neither can fail
	for _, file := range []string{tls.CAFile, tls.CertFile, tls.KeyFile} {
		if file == "" {
			continue
		}
		content, _ := os.ReadFile(file) // connecting says what is wrong with it
		sum := sha256.Sum256(content)
		_, _ = h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
