// Package filter runs a user's command for each message, and reads what it says:
//
//	exit 0    the message is sent; to another folder or other addresses, if that is
//	          all that it prints: X-Popferry-Folder: NAME, X-Popferry-To: ADDRESS
//	exit 99   the message is dropped; the last line of stderr is the reason
//
// Anything else is a fault of the command's, an *Error. The command gets the message
// on its standard input, with the line ends of Unix, and changes nothing of it.
package filter
