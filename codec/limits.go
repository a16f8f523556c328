package codec

// Bounds on what is written, read, and kept.
const (
	// MaxSchema is the largest size of a schema, in bytes.
	MaxSchema = 12 << 10
	// MaxDepth is how many pointers, slices, maps and anys may be nested in one value,
	// and how many structs and arrays may be nested by value in one type.
	MaxDepth = 64
	// MaxName is the longest name of a field or type in a schema, in bytes.
	MaxName = 256
	// DefaultMaxWrite bounds the bytes of one encoded value where WriteEnv says nothing.
	DefaultMaxWrite = 16 << 20
	// DefaultMaxRead bounds the memory of one decoded value where ReadEnv says nothing.
	DefaultMaxRead = 64 << 20

	maxTypes      = 4096      // nodes in one schema
	maxZeroWidth  = 1 << 20   // elements of a slice whose elements take no bytes
	maxInline     = 32        // bytes of a schema that travels inside its any
	maxLeast      = 1 << 29   // what the least size of a type is cut to, more than any value has
	maxSteps      = 1 << 16   // steps of matching one schema with a type
	maxText       = 200       // bytes of a schema's or type's description for people
	maxPath       = 160       // bytes of the path in an error
	maxCacheCost  = 1 << 18   // steps and bytes of schemas of all matches kept, process-wide
	maxInlines    = 4096      // schemas of inline anys kept, process-wide
	maxBuiltTypes = 4096      // slice, map, pointer and channel types made because a peer named them
	maxTypeNest   = 16        // how deep such a type may nest
	maxChanElem   = 1<<16 - 1 // bytes of a channel's element: Go's own limit
	chanMemory    = 1 << 10   // what a channel that is read counts for, whatever is made of it
)
