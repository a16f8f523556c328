package peer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const (
	envKey     = "NETCHAN_KEY"
	envKeyFile = "NETCHAN_KEY_FILE"

	// maxKeyFile bounds what is read of a key file.
	maxKeyFile = 1 << 10
)

// DefaultKey returns the key in $NETCHAN_KEY; else the one in the file that
// $NETCHAN_KEY_FILE names, which must exist; else the user's own, from
// netchan/key in os.UserConfigDir, which is made on first use, readable for
// that user alone. Processes that make it at the same time get the same key.
func DefaultKey() (Key, error) {
	if s := os.Getenv(envKey); s != "" {
		k, err := ParseKey(s)
		if err != nil {
			return Key{}, fmt.Errorf("$%s: %w", envKey, err)
		}
		return k, nil
	}
	if path := os.Getenv(envKeyFile); path != "" {
		k, err := readKeyFile(path, false)
		if err != nil {
			return Key{}, fmt.Errorf("$%s: %w", envKeyFile, err)
		}
		return k, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return Key{}, fmt.Errorf("peer: no place for a key file (set $%s or $%s): %w", envKey, envKeyFile, err)
	}
	return userKey(filepath.Join(dir, "netchan", "key"))
}

// userKey reads the key file at path, and makes it if there is none.
func userKey(path string) (Key, error) {
	k, err := readKeyFile(path, true)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := makeKeyFile(path, GenerateKey()); err != nil && !errors.Is(err, fs.ErrExist) {
		return Key{}, fmt.Errorf("peer: can't make the key file: %w", err)
	}
	// Whoever made it, what is there now is the key.
	return readKeyFile(path, true)
}

// readKeyFile reads a key. A private one must not be open to others: somebody
// may have read it, and it is better to be told.
func readKeyFile(path string, private bool) (Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return Key{}, fmt.Errorf("peer: key file: %w", err)
	}
	defer func() { _ = f.Close() }()
	if private && runtime.GOOS != "windows" {
		st, err := f.Stat()
		if err != nil {
			return Key{}, fmt.Errorf("peer: key file: %w", err)
		}
		if st.Mode().Perm()&0o077 != 0 {
			return Key{}, fmt.Errorf("peer: key file %s is open to others (%v): chmod 600, and change the key if somebody may have read it", path, st.Mode().Perm())
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return Key{}, fmt.Errorf("peer: key file: %w", err)
	}
	k, err := parseKey(b)
	if err != nil {
		return Key{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return k, nil
}

// makeKeyFile puts k into a new file at path, whole or not at all; when path
// exists it is left alone and the error matches fs.ErrExist.
func makeKeyFile(path string, k Key) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text := []byte(k.Secret() + "\n")
	temp := path + "." + rand.Text()
	if err := writeNew(temp, text); err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp) }()
	// A link, unlike a rename, never replaces what another process has put there
	// in the meantime.
	err := os.Link(temp, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// A file system without links. The file appears before its content here: who
	// reads it in between is told that it holds no key, and may try again.
	return writeNew(path, text)
}

// writeNew writes a file that must not be there yet, for this user alone.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}
