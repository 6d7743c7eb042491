// Package ack acknowledges what was received at once, where the system can.
//
// TCP may hold an acknowledgement back for up to half a second, in the hope that
// something to send will carry it (RFC 1122 4.2.3.2); Linux does so for about 40 ms.
// Many mail servers, Postfix among them, leave Nagle's algorithm on (RFC 9293 3.7.4):
// they do not send the second of two replies before the first one is acknowledged. A
// client that has nothing to send meanwhile waits for its own acknowledgement then.
package ack
