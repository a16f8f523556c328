package netchan_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/matveynator/netchan"

// layer says what a folder may import.
type layer struct {
	ours   []string // folders of this module; "." is the root
	theirs []string // modules of others
	tests  []string // folders of this module that its tests may import besides
	why    string
}

// layers is every folder with Go code. A new one gets its row here first.
var layers = map[string]layer{
	"codec":            {theirs: []string{"github.com/klauspost/compress"}, why: "codec knows values and bytes, and nothing else of ours"},
	"mux":              {theirs: []string{"github.com/hashicorp/yamux"}, why: "mux knows streams; values and nodes are above it"},
	"peer":             {tests: []string{"test/faultproxy", "test/memnet"}, why: "peer knows links; what travels over them is above it"},
	"mesh":             {theirs: []string{"github.com/hashicorp/memberlist"}, tests: []string{"test/memnet"}, why: "mesh gets sockets and identities through an interface, and only it knows memberlist"},
	"chanref":          {ours: []string{"codec", "mux"}, why: "chanref joins channels to streams; links and gossip are the root's"},
	".":                {ours: []string{"chanref", "codec", "mesh", "mux", "peer"}, tests: []string{"test/faultproxy", "test/history", "test/memnet"}, why: "the root composes what is below it, and needs nobody else's code for that"},
	"examples/cluster": {ours: []string{"."}, why: "an example uses what users can use"},
	"examples/seed":    {ours: []string{"."}, why: "an example uses what users can use"},
	"examples/chat":    {ours: []string{"."}, why: "an example uses what users can use"},
	"examples/sieve":   {ours: []string{"."}, why: "an example uses what users can use"},
	"test/faultproxy":  {why: "faultproxy knows sockets and bytes, and nothing else of ours"},
	"test/history":     {why: "history is told what happened; it knows nobody who does it"},
	"test/e2e":         {tests: []string{".", "test/e2e/script", "test/faultproxy", "test/history"}, why: "a cluster's tests talk to nodes that are processes of their own"},
	"test/e2e/node":    {ours: []string{".", "test/e2e/script", "test/history"}, why: "a test node uses what users can use"},
	"test/e2e/script":  {ours: []string{"test/history"}, why: "script is words; who says them is above it"},
	"test/hostile":     {ours: []string{".", "codec", "peer"}, why: "an attacker has a link, and says on it what it likes"},
	"test/soak":        {tests: []string{".", "test/faultproxy", "test/hostile"}, why: "a soak uses what users can use, and is hurt by others"},
	"test/memnet":      {why: "memnet is a network; what uses it is above it"},
}

// inTests is what the tests of every folder may import besides.
var inTests = []string{"go.uber.org/goleak"}

// Imports between the packages go one way, and each dependency has one package
// that knows it.
func TestArrows(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isModule(name)):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		files++
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if err := arrow(filepath.ToSlash(name), imported); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < len(layers) {
		t.Errorf("only %d files were looked at", files)
	}
}

// isModule says whether a folder is a module of its own, with its own rules.
func isModule(dir string) bool {
	found, _ := filepath.Glob(filepath.Join(dir, "go.mod"))
	return len(found) > 0
}

// arrow says what is wrong with the file called name importing a package.
func arrow(name, imported string) error {
	dir := path.Dir(name)
	from, known := layers[dir]
	switch {
	case !known:
		return fmt.Errorf("%s: the folder %s is not in the list of layers: say there what it may import", name, dir)
	case !strings.Contains(strings.Split(imported, "/")[0], "."):
		return nil // the standard library
	}
	test := strings.HasSuffix(name, "_test.go")
	if below, ours := strings.CutPrefix(imported, module); ours && (below == "" || below[0] == '/') {
		if below = strings.TrimPrefix(below, "/"); below == "" {
			below = "."
		}
		if slices.Contains(from.ours, below) || test && (below == dir || slices.Contains(from.tests, below)) {
			return nil
		}
		return fmt.Errorf("%s imports %s: %s", name, imported, from.why)
	}
	within := func(dependency string) bool {
		return imported == dependency || strings.HasPrefix(imported, dependency+"/")
	}
	if slices.ContainsFunc(from.theirs, within) || test && slices.ContainsFunc(inTests, within) {
		return nil
	}
	return fmt.Errorf("%s imports %s: %s", name, imported, from.why)
}

// The check itself sees what it is there for.
func TestArrowsCanFail(t *testing.T) {
	for _, c := range []struct {
		name, imported string
		ok             bool
	}{
		{"codec/a.go", "fmt", true},
		{"codec/a.go", module + "/mux", false},
		{"codec/a.go", module, false},
		{"codec/a.go", "github.com/klauspost/compress/s2", true},
		{"mux/a.go", "github.com/klauspost/compress/s2", false},
		{"codec/a_test.go", module + "/codec", true},
		{"codec/a_test.go", module + "/mux", false},
		{"mux/a.go", "github.com/hashicorp/yamux", true},
		{"mux/a.go", "github.com/hashicorp/yamux2", false},
		{"mux/a.go", "github.com/hashicorp/memberlist", false},
		{"mesh/a.go", "github.com/hashicorp/memberlist", true},
		{"mesh/a.go", module + "/peer", false},
		{"peer/a.go", module + "/mesh", false},
		{"peer/a.go", "go.uber.org/goleak", false},
		{"peer/a_test.go", "go.uber.org/goleak", true},
		{"chanref/a.go", module + "/codec", true},
		{"chanref/a.go", module + "/peer", false},
		{"chanref/a.go", module, false},
		{"a.go", module + "/chanref", true},
		{"a.go", "github.com/hashicorp/yamux", false},
		{"a_test.go", module, true},
		{"a.go", module + "2/chanref", false},
		{"examples/cluster/a.go", module, true},
		{"examples/cluster/a.go", module + "/codec", false},
		{"peer/a_test.go", module + "/test/faultproxy", true},
		{"peer/a.go", module + "/test/faultproxy", false},
		{"a_test.go", module + "/test/faultproxy", true},
		{"a.go", module + "/test/faultproxy", false},
		{"mux/a_test.go", module + "/test/faultproxy", false},
		{"test/faultproxy/a.go", module + "/peer", false},
		{"test/faultproxy/a_test.go", module + "/test/faultproxy", true},
		{"util/a.go", "fmt", false},
		{"peer/a_test.go", module + "/test/memnet", true},
		{"peer/a.go", module + "/test/memnet", false},
		{"codec/a_test.go", module + "/test/memnet", false},
		{"test/memnet/a.go", module + "/peer", false},
		{"a_test.go", module + "/test/history", true},
		{"test/history/a.go", module, false},
		{"test/history/a_test.go", module, false},
	} {
		if err := arrow(c.name, c.imported); (err == nil) != c.ok {
			t.Errorf("%s importing %s: %v", c.name, c.imported, err)
		}
	}
}
