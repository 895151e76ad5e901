package config_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/claimsmith/claimsmith/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

const (
	documentation = "../docs/configuration.md"
	introduction  = `# Configuration

<!-- Made from the structs of package config. Change those, then: go test ./config -run TestDocumentation -update -->

Every setting is a flag and an environment variable of the same name: ` + "`--redis-addr` is `CLAIMSMITH_REDIS_ADDR`" + `.
The flag goes before the variable, the variable before the default. A variable set to nothing counts as not set. Lists
are separated by commas. Durations have units: ` + "`10m`, `1h30m`, `720h`" + `.

What the commands that speak to a running server do is said by flags alone, which have no variables: ` + "`--require-par` for true," + `
` + "`--no-require-par`" + ` for false. A list given empty, as in ` + "`--scopes=`" + `, has nothing in it. [operating.md](operating.md) shows them at work.

Secrets can stand in files, as container platforms mount them: ` + "`CLAIMSMITH_REDIS_PASSWORD_FILE`" + ` names the file that
holds what ` + "`CLAIMSMITH_REDIS_PASSWORD`" + ` would, and so for every setting marked *secret* below. A line break at the end
of the file is not part of the secret; a list has one secret a line. The command line is the worst place for a secret:
every user of the machine can read it there.

## What is refused

A command with unsafe or contradictory settings does not start. It names everything that is wrong in one go, a line for
each fault, and exits with a status other than 0. ` + "`serve`" + ` refuses:

- an issuer that is not https, or that has a query, a fragment or a slash at the end;
- no decision on ` + "`--trusted-proxies`" + `: without it, clients could choose the address that throttling and audit see; and
  networks so wide that everybody is trusted;
- a key-encryption key that is missing, not of 32 bytes, or not random: zeros, repeated or counted bytes, text;
- a Redis password shorter than 16 bytes, and none at all unless Redis is on loopback;
- TLS to Redis without verification: there is no setting for it;
- mail without encryption to anything but loopback, or with a password;
- a Redis topology left to guesswork;
- lifetimes that are zero, negative, not in whole seconds, or outside the bounds below;
- password hashes below the least cost that OWASP recommends for Argon2id;
- metrics on the public address.

Once connected, it also refuses a Redis that does not keep what it confirms, unless
` + "`--redis-allow-unsafe-persistence`" + ` is given.

` + "`dev`" + ` listens on loopback only. There it may do without TLS, without a Redis and without most settings.
`
)

func TestDocumentation(t *testing.T) {
	model, err := config.Model()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString(introduction)
	tables := map[string]string{} // those written, and for which command
	for _, command := range commands(model) {
		name := strings.TrimPrefix(command.FullPath(), "claimsmith ")
		fmt.Fprintf(&text, "\n## %s\n\n%s\n", name, command.Help)
		for _, argument := range command.Positional {
			fmt.Fprintf(&text, "\nArgument `%s`: %s\n", argument.Name, argument.Help)
		}
		var own, places []string
		known := map[string][]string{} // titles by command
		for _, group := range groups(command) {
			table := group.table()
			if place, ok := tables[table]; ok {
				if known[place] == nil {
					places = append(places, place)
				}
				known[place] = append(known[place], group.title)
				continue
			}
			tables[table] = name
			own = append(own, "\n### "+group.title+" ("+name+")\n\n"+table)
		}
		for _, place := range places {
			fmt.Fprintf(&text, "\nAs for [%s](#%s): %s.\n", place, strings.ReplaceAll(place, " ", "-"), strings.Join(known[place], ", "))
		}
		text.WriteString(strings.Join(own, ""))
	}

	if *update {
		if err := os.WriteFile(documentation, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(documentation)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != text.String() {
		t.Error("docs/configuration.md is not what the settings say: go test ./config -run TestDocumentation -update")
	}
}

// commands are those that can be run, in the order of the command line, serve first.
func commands(model *kong.Application) []*kong.Node {
	var all []*kong.Node
	for _, leaf := range model.Leaves(true) {
		if leaf.Name == "serve" {
			all = append([]*kong.Node{leaf}, all...)
		} else {
			all = append(all, leaf)
		}
	}
	return all
}

type group struct {
	title string
	flags []*kong.Flag
}

func groups(command *kong.Node) []*group {
	var all []*group
	byTitle := map[string]*group{}
	for _, flag := range command.Flags {
		g := byTitle[flag.Group.Title]
		if g == nil {
			g = &group{title: flag.Group.Title}
			byTitle[g.title] = g
			all = append(all, g)
		}
		g.flags = append(g.flags, flag)
	}
	return all
}

func (g *group) table() string {
	var text strings.Builder
	if g.flags[0].Tag.Has("flagonly") {
		text.WriteString("| Flag | Meaning |\n|---|---|\n")
		for _, flag := range g.flags {
			fmt.Fprintf(&text, "| `--%s` | %s |\n", flag.Name, flag.Help)
		}
		return text.String()
	}
	text.WriteString("| Flag | Variable | Default | Meaning |\n|---|---|---|---|\n")
	for _, flag := range g.flags {
		fallback, meaning := "", flag.Help
		if flag.IsBool() {
			fallback = "`false`"
		} else if flag.HasDefault {
			fallback = "`" + flag.Default + "`"
		}
		if allowed := flag.Tag.Get("range") + flag.Tag.Get("oneof"); allowed != "" {
			meaning += " Allowed: `" + allowed + "`."
		}
		if strings.Contains(flag.Target.Type().String(), "config.Secret") {
			meaning = "*secret* " + meaning
		}
		fmt.Fprintf(&text, "| `--%s` | `%s` | %s | %s |\n", flag.Name, strings.Join(flag.Envs, " "), fallback,
			strings.ReplaceAll(meaning, "|", `\|`))
	}
	return text.String()
}

// serves reports whether a command is one of those that run or prepare a server, and so can be set up by the environment alone.
func serves(command *kong.Node) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(command.FullPath(), "claimsmith "), " ")
	return slices.Contains([]string{"dev", "serve", "bootstrap", "keys", "health"}, name)
}

func TestEveryFlagIsComplete(t *testing.T) {
	model, err := config.Model()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, command := range commands(model) {
		if command.Help == "" {
			t.Errorf("%s has no help", command.FullPath())
		}
		for _, flag := range command.Flags {
			count++
			name := command.FullPath() + " --" + flag.Name
			switch {
			case flag.Tag.Has("flagonly"):
				if len(flag.Envs) != 0 || serves(command) {
					t.Errorf("%s has variables %q", name, flag.Envs)
				}
			case len(flag.Envs) != 1 || !strings.HasPrefix(flag.Envs[0], "CLAIMSMITH_"):
				t.Errorf("%s has variables %q", name, flag.Envs)
			}
			if !strings.HasSuffix(flag.Help, ".") {
				t.Errorf("%s has the help %q, not a sentence", name, flag.Help)
			}
			if flag.Group == nil {
				t.Errorf("%s is in no group", name)
			}
			if !flag.HasDefault && flag.PlaceHolder == "" && !flag.IsBool() {
				t.Errorf("%s says neither what it takes nor what it has by default", name)
			}
			if bounds := flag.Tag.Get("range"); bounds != "" {
				if inside, err := config.Within(flag.Default, bounds); err != nil || !inside {
					t.Errorf("%s: default %s, allowed %s: %v", name, flag.Default, bounds, err)
				}
			}
		}
	}
	if count < 50 {
		t.Errorf("only %d flags were looked at", count)
	}
}
