package peer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// envMakeKey makes this test binary a process that reads, or makes, a key file.
const envMakeKey = "PEER_TEST_MAKE_KEY"

func TestMain(m *testing.M) {
	if path := os.Getenv(envMakeKey); path != "" {
		k, err := userKey(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Print(k.Secret())
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func TestKeyRoundTrip(t *testing.T) {
	k := GenerateKey()
	if k.IsZero() || k == GenerateKey() {
		t.Fatal("not random")
	}
	for _, s := range []string{k.Secret(), " " + k.Secret() + "\n", k.Secret() + "="} {
		got, err := ParseKey(s)
		if err != nil || got != k {
			t.Errorf("%v, %v", got, err)
		}
	}
	var u Key
	if err := u.UnmarshalText([]byte(k.Secret())); err != nil || u != k {
		t.Errorf("%v, %v", u, err)
	}
	if err := u.UnmarshalText(nil); err != nil || !u.IsZero() {
		t.Errorf("%v, %v", u, err)
	}
	if (Key{}).Secret() != "" || !(Key{}).IsZero() {
		t.Error("the zero key is a key")
	}
	if k.Derive("a") == k.Derive("b") || k.Derive("a") == GenerateKey().Derive("a") {
		t.Error("Derive does not depend on key and label alone")
	}
	if k.String() == GenerateKey().String() || k.String() == (Key{}).String() {
		t.Error("fingerprints do not tell keys apart")
	}
}

func TestParseKeyRefuses(t *testing.T) {
	good := GenerateKey().Secret()
	for _, s := range []string{
		"", "short", good[:42], good + "A", strings.Repeat("A", 43), good[:42] + "!",
		good[:20] + "\n" + good[21:], good[:42] + "B", // bits behind the 32 bytes
	} {
		k, err := ParseKey(s)
		if err == nil || !k.IsZero() {
			t.Errorf("%q was taken", s)
		} else if len(s) > 6 && strings.Contains(err.Error(), s[:6]) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
}

func TestKeyNeverPrintsItself(t *testing.T) {
	k := GenerateKey()
	raw := k.bytes()
	secrets := []string{
		k.Secret(), base64.StdEncoding.EncodeToString(raw[:])[:20],
		fmt.Sprintf("%x", raw[:8]), fmt.Sprintf("%X", raw[:8]), fmt.Sprintf("%d", raw[:6])[1:12],
		string(raw[:8]), strings.Trim(fmt.Sprintf("%#v", raw[:5]), "[]byte{}"),
	}
	type inside struct {
		Open   Key
		hidden Key
		ptr    *Key
		list   []Key
	}
	in := inside{k, k, &k, []Key{k}}
	cfg := Config{Key: k, AcceptKeys: []Key{k}}
	var out bytes.Buffer
	for _, v := range []any{k, &k, in, &in, cfg, &cfg, []Key{k}, map[string]Key{"k": k}, map[Key]int{k: 1}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%o", "%U", "%c", "%t", "%p", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v) //nolint:govet // wrong verbs on purpose
		}
		fmt.Fprintln(&out, v)
		log := slog.New(slog.NewTextHandler(&out, nil))
		log.Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	}
	j, err := json.Marshal(struct {
		K Key
		P *Key
		M map[string]Key
	}{k, &k, map[string]Key{"a": k}})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(j)
	for _, s := range secrets {
		if strings.Contains(out.String(), s) {
			i := strings.Index(out.String(), s)
			t.Errorf("the key was printed, as %q in %q", s, out.String()[max(0, i-50):i+50])
		}
	}
	if !strings.Contains(out.String(), k.String()) {
		t.Error("no fingerprint was printed")
	}
}

func TestKeyFileIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "netchan", "key")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	keys := map[string]int{}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), envMakeKey+"="+path)
			out, err := cmd.Output()
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			keys[string(out)]++
		})
		wg.Go(func() {
			k, err := userKey(path)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			keys[k.Secret()]++
		})
	}
	wg.Wait()
	if len(keys) != 1 {
		t.Errorf("%d different keys", len(keys))
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("files left behind: %v", left)
	}
	// A file that is there is never replaced.
	if err := makeKeyFile(path, GenerateKey()); !strings.Contains(fmt.Sprint(err), "exists") {
		t.Errorf("got %v", err)
	}
	if err := writeNew(path, []byte("x")); err == nil {
		t.Error("overwritten")
	}
}

func TestKeyFileOpenToOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes")
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(GenerateKey().Secret()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := userKey(path); err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("got %v", err)
	}
}

func TestDefaultKey(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("HOME", dir)
	t.Setenv("AppData", dir)
	t.Setenv(envKey, "")
	t.Setenv(envKeyFile, "")
	made, err := DefaultKey()
	if err != nil {
		t.Fatal(err)
	}
	again, err := DefaultKey()
	if err != nil || again != made {
		t.Fatalf("%v %v, %v", made, again, err)
	}
	file := GenerateKey()
	path := filepath.Join(dir, "file")
	t.Setenv(envKeyFile, path)
	if _, err := DefaultKey(); err == nil || !strings.Contains(err.Error(), envKeyFile) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the named file was made")
	}
	// Secrets that are mounted into containers are often readable for a group.
	if err := os.WriteFile(path, []byte(file.Secret()+"\n"), fs.FileMode(0o644)); err != nil {
		t.Fatal(err)
	}
	if k, err := DefaultKey(); err != nil || k != file {
		t.Errorf("%v, %v", k, err)
	}
	env := GenerateKey()
	t.Setenv(envKey, env.Secret())
	if k, err := DefaultKey(); err != nil || k != env {
		t.Errorf("%v, %v", k, err)
	}
	t.Setenv(envKey, "nonsense")
	if _, err := DefaultKey(); err == nil || strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v", err)
	}
}
