package discover

// guesses are servers with the usual names, all within the address's domain.
func guesses(a Address) findings {
	return findings{
		pop3:       guess(POP3, a, "pop.", "pop3.", "mail.", ""),
		submission: guess(Submission, a, "smtp.", "mail.", ""),
		imap:       guess(IMAP, a, "imap.", "mail.", ""),
	}
}

func guess(p Protocol, a Address, prefixes ...string) []Candidate {
	var list []Candidate
	for _, prefix := range prefixes {
		for _, c := range (Hint{Host: prefix + a.Domain}).Candidates(p, a) {
			c.From, c.Guessed = "a guess", true
			list = append(list, c)
		}
	}
	return list
}
