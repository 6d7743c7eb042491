// Package browser tests the status page of a built popferry in Chromium. The test
// starts the program between a POP3 and an SMTP server in memory, and uses the page
// as a user does. deploy/check.sh runs it.
//
// The environment:
//
//	POPFERRY_PROGRAM          the program to test; without it the test is skipped
//	POPFERRY_REQUIRE_SERVERS  1: fail instead of skipping
//	POPFERRY_SCREENSHOTS      a folder for screenshots
//
// The pictures in deploy/screenshots are three of them:
//
//	go build -o /tmp/popferry ./cmd/popferry
//	cd deploy/check
//	POPFERRY_PROGRAM=/tmp/popferry POPFERRY_SCREENSHOTS=/tmp go test -count=1 ./browser
//	cp /tmp/light.png /tmp/dark.png /tmp/narrow.png ../screenshots
package browser
