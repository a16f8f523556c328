package mesh

import (
	"bytes"
	"fmt"
)

const keySize = 32

func checkKeys(keys [][]byte) error {
	if len(keys) == 0 {
		return fmt.Errorf("mesh: Config.Keys is empty")
	}
	for i, k := range keys {
		if len(k) != keySize {
			return fmt.Errorf("mesh: Config.Keys[%d] has %d bytes, not %d", i, len(k), keySize)
		}
	}
	return nil
}

// SetKeys replaces the keys of the gossip: the first encrypts from now on, all
// decrypt. It returns an error, and changes nothing, if there is none or one
// has not 32 bytes.
func (m *Mesh) SetKeys(keys [][]byte) error {
	if err := checkKeys(keys); err != nil {
		return err
	}
	m.keysMu.Lock()
	defer m.keysMu.Unlock()
	for _, k := range keys {
		if err := m.keyring.AddKey(bytes.Clone(k)); err != nil {
			return fmt.Errorf("mesh: key: %w", err)
		}
	}
	// RemoveKey shifts the slice that readers of the ring may hold, unless the
	// key is the last one. UseKey moves a key to the front of a new slice, so
	// using all that stay, the first one last, leaves the others at the end.
	for i := len(keys) - 1; i >= 0; i-- {
		if err := m.keyring.UseKey(keys[i]); err != nil {
			return fmt.Errorf("mesh: key: %w", err)
		}
	}
	for {
		ring := m.keyring.GetKeys()
		last := ring[len(ring)-1]
		if contains(keys, last) {
			return nil
		}
		if err := m.keyring.RemoveKey(last); err != nil {
			return fmt.Errorf("mesh: key: %w", err)
		}
	}
}

func contains(keys [][]byte, key []byte) bool {
	for _, k := range keys {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}
