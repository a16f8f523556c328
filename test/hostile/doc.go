// Package hostile attacks a whole node, as somebody would who holds the cluster's
// key and speaks the protocol wrongly on purpose, and as strangers would who do not.
// It speaks with bytes of its own, so that it can say what no package of ours would,
// and measures what a node has to keep for one peer.
package hostile
