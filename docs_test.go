package netchan_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/matveynator/netchan"
)

// The programs in the README are compiled as they stand there, and run: the
// first is the server, the second a worker.
func TestReadmePrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles two programs")
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(programs) != 2 {
		t.Fatalf("%d programs, want a server and a worker", len(programs))
	}
	ctx := testContext(t)
	const addr = "127.0.0.1:7946"
	free := freeAddr()
	var commands []*exec.Cmd
	for _, p := range programs {
		if !strings.Contains(p[1], addr) {
			t.Errorf("a program does not use %s", addr)
		}
		dir := t.TempDir()
		source := filepath.Join(dir, "main.go")
		if err := os.WriteFile(source, []byte(strings.ReplaceAll(p[1], addr, free)), 0o600); err != nil {
			t.Fatal(err)
		}
		binary := filepath.Join(dir, "program")
		if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		c := exec.CommandContext(ctx, binary)
		c.Env = append(os.Environ(), "NETCHAN_KEY="+netchan.GenerateKey().Secret())
		commands = append(commands, c)
	}
	server, worker := commands[0], commands[1]
	worker.Env = server.Env
	ended := make(chan string, 1)
	go func() {
		out, err := worker.CombinedOutput()
		if err != nil {
			out = append(out, err.Error()...)
		}
		ended <- string(out)
	}()
	out, err := server.Output()
	if err != nil {
		t.Errorf("the server: %v", err)
	}
	if worker := <-ended; worker != "" && strings.Contains(worker, "exit status") {
		t.Errorf("the worker: %s", worker)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	slices.Sort(lines)
	want := []string{"{ID:1 Words:6 Worker:worker}", "{ID:2 Words:4 Worker:worker}"}
	if !slices.Equal(lines, want) {
		t.Errorf("the server printed %q, want %q", lines, want)
	}
}

// What the README shows of channels in values is in an example that runs.
func TestReadmeReply(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(source), "func Example_reply() {")
	shown := regexp.MustCompile("(?s)## Channels in values.*?```go\n(.*?)```").FindStringSubmatch(string(readme))
	if !ok || shown == nil {
		t.Fatal("no example, or nothing shown")
	}
	for line := range strings.Lines(shown[1]) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "//") && !strings.Contains(example, "\t"+line+"\n") && line != "" {
			t.Errorf("the README shows %q, the example has no such line", line)
		}
	}
}

// Each limit that docs/limits.md names is a constant of that name, and each package's.
func TestLimitsAreThere(t *testing.T) {
	text, err := os.ReadFile("docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	constants := make(map[string]bool)
	folders := map[string]string{"netchan": ".", "peer": "peer", "mux": "mux", "chanref": "chanref", "mesh": "mesh", "codec": "codec"}
	for name, folder := range folders {
		files, _ := filepath.Glob(filepath.Join(folder, "*.go"))
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok || g.Tok != token.CONST {
					continue
				}
				for _, spec := range g.Specs {
					for _, c := range spec.(*ast.ValueSpec).Names {
						constants[name+": "+c.Name] = true
					}
				}
			}
		}
	}
	all := regexp.MustCompile("`([a-z]+: \\w+)`").FindAllStringSubmatch(string(text), -1)
	for _, m := range all {
		if !constants[m[1]] {
			t.Errorf("there is no constant %s", m[1])
		}
	}
	if len(all) < 50 {
		t.Errorf("only %d limits are named: is the pattern still right?", len(all))
	}
}

// A document that names a test names one that is there, and a link to a file leads
// to one.
func TestDocsNameWhatIsThere(t *testing.T) {
	functions := make(map[string]bool)
	each := func(ext string, f func(name, text string)) {
		err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(name) != ext {
				return err
			}
			text, err := os.ReadFile(name)
			f(name, string(text))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	each(".go", func(name, text string) {
		if strings.HasSuffix(name, "_test.go") {
			for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w+)\(`).FindAllStringSubmatch(text, -1) {
				functions[m[1]] = true
			}
		}
	})
	named := 0
	fences := regexp.MustCompile("(?s)```.*?```")
	each(".md", func(name, text string) {
		text = fences.ReplaceAllString(text, "")
		for _, test := range regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark|Example)[A-Z]\w+`).FindAllString(text, -1) {
			if named++; !functions[test] {
				t.Errorf("%s names %s, which is not there", name, test)
			}
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	if named == 0 {
		t.Error("no document names a test: is the pattern still right?")
	}
}
