package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string   `arg:"" enum:"bash,zsh,fish,words" help:"bash, zsh or fish; words is what their scripts ask."`
	Line  []string `arg:"" optional:"" passthrough:"" help:"The words so far, for words."`
}

func (c *completionCommand) Help() string {
	return `  bash:  source <(kairos completion bash)         in ~/.bashrc
  zsh:   source <(kairos completion zsh)          in ~/.zshrc
  fish:  kairos completion fish | source          in config.fish`
}

// scripts ask the binary, so that they are never out of date.
var scripts = map[string]string{
	"bash": `_kairos() {
  local IFS=$'\n'
  COMPREPLY=($(kairos completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -o default -F _kairos kairos
`,
	"zsh": `_kairos() {
  local -a found
  found=("${(@f)$(kairos completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n ${found[1]} ]] || { _files; return }
  compadd -- ${found:#*=}
  compadd -S '' -- ${(M)found:#*=}
}
compdef _kairos kairos
`,
	"fish": `complete -c kairos -a '(kairos completion words -- (commandline -opc)[2..-1] (commandline -ct))'
`,
}

func (c *completionCommand) Run(p *process, app *kong.Application) error {
	if c.Shell != "words" {
		p.printf("%s", scripts[c.Shell])
		return nil
	}
	line := c.Line
	if len(line) > 0 && line[0] == "--" {
		line = line[1:]
	}
	for _, word := range complete(app, line) {
		p.printf("%s\n", word)
	}
	return nil
}

// complete lists what the last word of a line may become. Nothing means a file,
// or whatever the user knows better.
func complete(app *kong.Application, line []string) []string {
	if len(line) == 0 {
		line = []string{""}
	}
	node, last := app.Node, line[len(line)-1]
	for _, word := range line[:len(line)-1] {
		if i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == word }); i >= 0 {
			node = node.Children[i]
		}
	}
	var all []string
	add := func(word string) {
		if strings.HasPrefix(word, last) {
			all = append(all, word)
		}
	}
	if !strings.HasPrefix(last, "-") {
		for _, child := range node.Children {
			if !child.Hidden {
				add(child.Name)
			}
		}
		for _, arg := range node.Positional {
			for _, word := range arg.EnumSlice() {
				add(word)
			}
		}
		return all
	}
	name, _, valued := strings.Cut(last, "=")
	for at := node; at != nil; at = at.Parent {
		for _, flag := range at.Flags {
			switch spelled := "--" + flag.Name; {
			case flag.Hidden:
			case valued && spelled == name:
				for _, word := range flag.EnumSlice() {
					add(fmt.Sprintf("%s=%s", spelled, word))
				}
			case valued:
			case flag.IsBool():
				add(spelled)
			default:
				add(spelled + "=")
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
