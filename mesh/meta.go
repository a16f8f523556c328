package mesh

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// A node's metadata travels with memberlist's own messages. Its size never
// changes: memberlist panics above 512 bytes.
//
//	0      version of this format, 1
//	1      length of the name
//	2-65   name, zero padded
//	66-73  version of the node's list
//	74-89  digest of the node's list
//	90-127 zero
const (
	metaSize    = 128
	metaFormat  = 1
	metaName    = 2
	metaVersion = metaName + MaxMemberName
	metaDigest  = metaVersion + 8
	metaEnd     = metaDigest + len(digest{})
)

type meta struct {
	name    string
	version uint64
	digest  digest
}

func (m meta) encode() []byte {
	b := make([]byte, metaSize)
	b[0] = metaFormat
	b[1] = byte(copy(b[metaName:metaVersion], m.name))
	binary.BigEndian.PutUint64(b[metaVersion:], m.version)
	copy(b[metaDigest:], m.digest[:])
	return b
}

var errMeta = errors.New("malformed node metadata")

func parseMeta(b []byte) (meta, error) {
	if len(b) != metaSize || b[0] != metaFormat || b[1] > MaxMemberName {
		return meta{}, errMeta
	}
	end := metaName + int(b[1])
	if !utf8.Valid(b[metaName:end]) || !zeros(b[end:metaVersion]) || !zeros(b[metaEnd:]) {
		return meta{}, errMeta
	}
	m := meta{name: string(b[metaName:end]), version: binary.BigEndian.Uint64(b[metaVersion:])}
	copy(m.digest[:], b[metaDigest:metaEnd])
	if m.version > maxVersion {
		return meta{}, errMeta
	}
	return m, nil
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// cut shortens s to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	if len(s) <= n && utf8.ValidString(s) {
		return s
	}
	out := make([]byte, 0, n)
	for _, r := range s {
		if len(out)+utf8.RuneLen(r) > n {
			break
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}
