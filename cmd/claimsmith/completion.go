package main

import (
	"fmt"
	"io"

	"github.com/claimsmith/claimsmith/config"
)

// completions are scripts for shells that ask the program itself for the words that may come next: claimsmith __complete, the words
// before, and the one being typed.
var completions = map[string]string{
	"bash": `_claimsmith() {
  local IFS=$'\n'
  COMPREPLY=($(claimsmith __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _claimsmith claimsmith
`,
	"zsh": `#compdef claimsmith
_claimsmith() {
  local -a found
  found=("${(@f)$(claimsmith __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "${found[*]}" ]]; then compadd -- "${found[@]}"; else _files; fi
}
compdef _claimsmith claimsmith
`,
	"fish": `function __claimsmith
  claimsmith __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null
end
complete -c claimsmith -a '(__claimsmith)'
`,
}

func runCompletion(c *config.Completion, stdout io.Writer) error {
	_, err := io.WriteString(stdout, completions[c.Shell])
	return err
}

// complete prints the words that may come next.
func complete(words []string, lookup func(string) (string, bool), stdout io.Writer) {
	for _, word := range config.Complete(words, lookup) {
		fmt.Fprintln(stdout, word)
	}
}
