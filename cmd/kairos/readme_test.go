package main

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kairos/cmd/internal/door"
	"kairos/cmd/internal/profileapi"
	"kairos/processors/definition"
)

const root = "../.."

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are the fenced texts of one language.
func blocks(markdown, language string) []string {
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(markdown, -1) {
		found = append(found, m[1])
	}
	return found
}

// told are the commands that a newcomer would type: the lines of sh blocks,
// without comments, and what the running text quotes.
func told(markdown string) []string {
	var commands []string
	for _, block := range blocks(markdown, "sh") {
		for line := range strings.Lines(block) {
			line, _, _ = strings.Cut(line, " # ")
			commands = append(commands, strings.TrimSpace(line))
		}
	}
	for _, m := range regexp.MustCompile("`((?:bin/kairos|make) [^`]+)`").FindAllStringSubmatch(markdown, -1) {
		commands = append(commands, m[1])
	}
	return commands
}

func TestEveryCommandInTheReadmeExists(t *testing.T) {
	readme, makefile := read(t, "README.md"), read(t, "Makefile")
	seen := map[string]int{}
	for _, command := range told(readme) {
		words := strings.Fields(command)
		seen[words[0]]++
		switch words[0] {
		case "make":
			for _, target := range words[1:] {
				if !strings.Contains(makefile, "\n"+target+":") {
					t.Errorf("%s: the Makefile has no target %q", command, target)
				}
			}
		case "bin/kairos":
			parses(t, words[1:])
		case "curl":
			_, body, posts := strings.Cut(command, " -d '")
			if !posts {
				routed(t, command)
				continue
			}
			if _, err := door.Parse([]byte(strings.TrimSuffix(body, "'"))); err != nil {
				t.Errorf("%s: the door refuses it: %v", command, err)
			}
		default:
			t.Errorf("%q is checked by nobody: teach this test how", command)
		}
	}
	if seen["make"] < 2 || seen["bin/kairos"] < 5 || seen["curl"] < 1 {
		t.Errorf("found only %v", seen)
	}
}

// routed checks that the API has what a command asks for.
func routed(t *testing.T, command string) {
	t.Helper()
	_, path, _ := strings.Cut(command, "localhost:8081")
	api := profileapi.New(profileapi.Config{Plan: func() *definition.Plan { return nil }})
	answer := httptest.NewRecorder()
	api.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
	if answer.Code != http.StatusServiceUnavailable { // it has no definitions, and says so
		t.Errorf("%s: the API answers %d %s", command, answer.Code, answer.Body)
	}
}

func parses(t *testing.T, words []string) {
	t.Helper()
	var c commands
	var said bytes.Buffer
	parser, err := newParser(&process{Context: t.Context(), out: &said, err: &said}, &c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(words); err != nil {
		t.Errorf("kairos %s: %v", strings.Join(words, " "), err)
	}
	if folder := c.Apply.File; folder != "" {
		if _, err := os.Stat(filepath.Join(root, folder)); err != nil {
			t.Errorf("kairos %s: %v", strings.Join(words, " "), err)
		}
	}
}

func TestTheDefinitionInTheReadmeCompiles(t *testing.T) {
	examples := blocks(read(t, "README.md"), "yaml")
	if len(examples) == 0 {
		t.Fatal("the README shows no definition")
	}
	shop, err := definition.Load(os.DirFS("demo/definitions"))
	if err != nil {
		t.Fatal(err)
	}
	for _, example := range examples {
		set, err := definition.Parse("README.md", []byte(example))
		if err == nil {
			_, err = shop.With(set).Compile()
		}
		if err != nil {
			t.Errorf("%s\n%v", example, err)
		}
	}
}

func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)
	code := regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	documents, links := 0, 0
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != "." {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		documents++
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(read(t, path), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			}
		}
		return nil
	})
	if err != nil || documents < 5 || links < 10 {
		t.Errorf("%d documents with %d links: %v", documents, links, err)
	}
}
