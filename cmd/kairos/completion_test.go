package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func completions(t *testing.T, line ...string) []string {
	t.Helper()
	return strings.Fields(expect(t, 0, append([]string{"completion", "words", "--"}, line...)...))
}

func TestCompletionKnowsCommandsFlagsAndTheirValues(t *testing.T) {
	for want, line := range map[string][]string{
		"topology":      {"topo"},
		"acls":          {"topology", "ac"},
		"--tls-ca=":     {"run", "--tls-ca"},
		"--clock=log":   {"run", "--clock=l"},
		"--config=":     {"status", "--conf"},
		"zsh":           {"completion", "z"},
		"--unchained":   {"run", "door", "--unch"},
		"--sasl-scope=": {"doctor", "--brokers=a:1", "--sasl-sc"},
	} {
		if got := completions(t, line...); !slices.Equal(got, []string{want}) {
			t.Errorf("%q completes to %q, want %q", line, got, want)
		}
	}
	if got := completions(t, ""); !slices.Contains(got, "run") || !slices.Contains(got, "doctor") {
		t.Errorf("nothing completes to %q", got)
	}
}

// completes asks a shell what a line becomes: it is given what kairos prints for
// it, then script, and must say what is wanted, after asking kairos for words.
func completes(t *testing.T, shell, script, want string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(shell)
	if err != nil {
		fmt.Fprintf(os.Stderr, "SKIPPED %s: needs %s (`make checkers` installs it)\n", t.Name(), shell)
		t.Skip("needs " + shell)
	}
	dir := t.TempDir()
	answer := "#!/bin/sh\nprintf '%s\\n' topology; echo \"$@\" >> " + dir + "/asked\n"
	if err := os.WriteFile(filepath.Join(dir, "kairos"), []byte(answer), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "script"), expect(t, 0, "completion", shell))
	command := exec.CommandContext(t.Context(), path, append(args, "-c", strings.ReplaceAll(script, "SCRIPT", filepath.Join(dir, "script")))...)
	command.Dir = dir // no file there begins with the words
	command.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir, "TERM=dumb")
	out, err := command.CombinedOutput()
	asked, _ := os.ReadFile(filepath.Join(dir, "asked"))
	if err != nil || !strings.Contains(string(out), want) || !strings.HasPrefix(string(asked), "completion words -- --json topo\n") {
		t.Errorf("%s says %q after asking %q: %v", shell, out, asked, err)
	}
}

func TestBashCompletes(t *testing.T) {
	completes(t, "bash", "source SCRIPT; COMP_WORDS=(kairos --json topo); COMP_CWORD=2; _kairos; echo \"got ${COMPREPLY[@]}\"", "got topology\n")
}

func TestFishCompletes(t *testing.T) {
	completes(t, "fish", "source SCRIPT; complete --do-complete 'kairos --json topo'", "topology\n", "--no-config")
}

// Zsh completes at a terminal only, so one is made of it.
func TestZshCompletes(t *testing.T) {
	completes(t, "zsh", `zmodload zsh/zpty
zpty terminal zsh -f -i
zpty -w terminal 'autoload -Uz compinit; compinit -u -D; source SCRIPT; tell() { zle expand-or-complete; print -r -- "<$BUFFER>" }; zle -N tell; bindkey "^X" tell'
zpty -w -n terminal $'kairos --json topo\x18'
zpty -r -m terminal said '*<kairos*>*'
print -r -- "$said"`, "<kairos --json topology >", "-f")
}
