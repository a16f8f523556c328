package codec

import (
	"sync"
	"sync/atomic"
)

// Bounds on the schemas that are kept for one peer. What is beyond them is not kept, and
// values that need it are errors.
const (
	// MaxTypes is how many schemas are kept for one peer.
	MaxTypes = 4096
	// MaxTypesBytes is how many bytes they have, together. Parsed they take up to 65 times
	// as much.
	MaxTypesBytes = 256 << 10
	// maxPlanCost is how many steps are found, and kept, for reading them inside anys.
	maxPlanCost = 1 << 17 // about 14 MB
)

// Schemas are what one peer has said about the types of its values. The zero Schemas is
// empty; its methods may be called by several goroutines at once.
type Schemas struct {
	mu     sync.RWMutex
	all    map[Hash]*Schema
	bytes  int
	budget atomic.Int64 // of maxPlanCost
}

// Learn is ParseSchema for what the peer has sent, and keeps the result for Find if there
// is room; kept tells. What is known already is not parsed again.
func (s *Schemas) Learn(b []byte) (schema *Schema, kept bool, err error) {
	h := hashOf(b)
	if schema = s.Find(h); schema != nil {
		return schema, true, nil
	}
	if schema, err = ParseSchema(b); err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.all[h]; old != nil {
		return old, true, nil
	}
	if len(s.all) >= MaxTypes || s.bytes+len(b) > MaxTypesBytes {
		return schema, false, nil
	}
	if s.all == nil {
		s.all = make(map[Hash]*Schema)
		s.budget.Store(maxPlanCost)
	}
	schema.budget = &s.budget
	s.all[h] = schema
	s.bytes += len(b)
	return schema, true, nil
}

// Find returns what was learned under h, or nil. It is what ReadEnv.Schema asks.
func (s *Schemas) Find(h Hash) *Schema {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.all[h]
}
