package mux

import "fmt"

// Code says why a use was refused or stopped, or a value dropped. The zero Code is
// not used; codes that a peer sends and this version doesn't know are kept as they are.
type Code uint8

// The codes. The layers above give them their exact meaning.
const (
	CodeClosed       Code = 1 + iota // the end that was meant has closed
	CodeNoSuch                       // there is no such end here
	CodeType                         // the types of the two ends don't fit
	CodeTooLarge                     // a value is larger than the receiver takes
	CodeDecode                       // a value could not be decoded
	CodeUnregistered                 // a value holds a type that is not registered at the receiver
	CodeLossy                        // dropped by a receiver that is never waited for
	CodeProtocol                     // the peer broke the rules
	CodeReplaced                     // a newer use of the same sending end took over
	CodeShutdown                     // the node is shutting down
	CodeLimit                        // a limit of the receiving node is reached
	CodeRefused                      // the receiving node, or the sending one, does not allow it
	CodeLost                         // the receiver's node is gone; never on the wire
	CodeEncode                       // a value could not be encoded; never on the wire
)

var codeNames = [...]string{
	CodeClosed:       "closed",
	CodeNoSuch:       "no such channel",
	CodeType:         "types differ",
	CodeTooLarge:     "too large",
	CodeDecode:       "can't be decoded",
	CodeUnregistered: "type not registered",
	CodeLossy:        "dropped by a lossy receiver",
	CodeProtocol:     "protocol error",
	CodeReplaced:     "replaced",
	CodeShutdown:     "shutting down",
	CodeLimit:        "limit reached",
	CodeRefused:      "not allowed",
	CodeLost:         "receiver lost",
	CodeEncode:       "can't be encoded",
}

// String returns what the code means, in words.
func (c Code) String() string {
	if int(c) < len(codeNames) && codeNames[c] != "" {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}
