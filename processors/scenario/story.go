package scenario

import (
	"fmt"
	"slices"
	"strings"
)

// Story is a text of blocks: commands, and the lines that they lead to.
type Story struct {
	Name   string // the file's, for messages
	Blocks []Block
}

// Block is commands up to a line of four dashes, and the lines expected.
type Block struct {
	Input    []string // as written, comments and empty lines included
	Commands []Command
	Expected []string
}

// Command is one line, with what is indented below it.
type Command struct {
	Line int // in the file
	Word string
	Text string // after the word
	Body []string
}

const rule = "----"

// words are what a line may begin with to be a command.
var words = []string{"define", "withdraw", "at", "advance", "duplicate", "send", "unlink", "relink", "erase", "plant", "restart", "show"}

// ParseStory reads a story. Errors say file and line.
func ParseStory(name, text string) (*Story, error) {
	s := &Story{Name: name}
	var block Block
	expecting := false
	flush := func() {
		if len(block.Input) > 0 {
			s.Blocks = append(s.Blocks, block)
		}
		block, expecting = Block{}, false
	}
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		isCommand := slices.Contains(words, word) && !isIndented(line)
		if expecting && (isCommand || line == "" || strings.HasPrefix(line, "#")) {
			flush()
		}
		switch {
		case expecting:
			block.Expected = append(block.Expected, line)
			continue
		case line == rule:
			expecting = true
			continue
		case isCommand:
			block.Commands = append(block.Commands, Command{i + 1, word, strings.TrimSpace(rest), nil})
		case isIndented(line) && len(block.Commands) > 0:
			last := &block.Commands[len(block.Commands)-1]
			last.Body = append(last.Body, line)
		case line != "" && !strings.HasPrefix(line, "#"):
			return nil, fmt.Errorf("%s:%d: %q is no command: begin with one of %s, or # for a comment", name, i+1, word, strings.Join(words, ", "))
		}
		if line != "" || len(block.Input) > 0 {
			block.Input = append(block.Input, line)
		}
	}
	flush()
	return s, nil
}

func isIndented(line string) bool {
	return strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
}

// Format writes the story with what was really said in the place of what was
// expected.
func (s *Story) Format(said [][]string) string {
	var b strings.Builder
	for i, block := range s.Blocks {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, line := range slices.Concat(block.Input, []string{rule}, said[i]) {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
