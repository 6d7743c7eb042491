// Package talk is a dialogue with a user at a browser, who reads and answers one page
// at a time. It runs beside the requests:
//
//	Start > do(Talk) ── Say, Step, Ask, Secret ... ──> State > a page
//	                 <── Answer ─────────────────────────────  a form
//
// A Talk asks as a terminal does (package terminal), so what asks need not know where
// its user sits. Answers that are secret are in no State. A question that nobody
// answers ends the talk, and with it what it remembers.
package talk
