package netchan

import "github.com/matveynator/netchan/mux"

// An Action is what an end on another node would do with a channel: see
// Config.Authorize.
type Action uint8

// The actions.
const (
	ToSend    Action = iota + 1 // its values would come to a Receiver here
	ToReceive                   // it would get values of a Sender here
)

// String is the action as a verb.
func (a Action) String() string {
	switch a {
	case ToSend:
		return "send"
	case ToReceive:
		return "receive"
	}
	return "unknown action"
}

// authorize asks Config.Authorize about who is at the other side of s.
func (n *Node) authorize(s *mux.Session, receive bool, channel string) error {
	action := ToSend
	if receive {
		action = ToReceive
	}
	return n.cfg.Authorize(Member(s.Peer.(*remote).info), action, channel)
}
