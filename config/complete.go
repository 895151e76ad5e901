package config

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Complete returns what the last of these words of a command line may be completed to, sorted.
func Complete(words []string, lookup func(string) (string, bool)) []string {
	var cli CLI
	parser, err := newParser(&cli, lookup, new(faults))
	if err != nil || len(words) == 0 {
		return nil
	}
	before, typed := words[:len(words)-1], words[len(words)-1]
	node := parser.Model.Node
	for n, word := range before {
		if n > 0 && takesValue(node, before[n-1]) {
			continue
		}
		for _, child := range node.Children {
			if child.Name == word {
				node = child
			}
		}
	}
	if len(before) > 0 && takesValue(node, before[len(before)-1]) {
		return beginning(valuesOf(flagOf(node, before[len(before)-1]), lookup), typed)
	}
	if flag, value, ok := strings.Cut(typed, "="); ok && strings.HasPrefix(typed, "-") {
		var found []string
		for _, v := range beginning(valuesOf(flagOf(node, flag), lookup), value) {
			found = append(found, flag+"="+v)
		}
		return found
	}
	var known []string
	if strings.HasPrefix(typed, "-") {
		for _, flag := range allFlags(node) {
			known = append(known, "--"+flag.Name)
		}
	} else {
		for _, child := range node.Children {
			if !child.Hidden {
				known = append(known, child.Name)
			}
		}
		if node.Name == "completion" {
			known = append(known, "bash", "fish", "zsh")
		}
	}
	return beginning(known, typed)
}

func beginning(words []string, with string) []string {
	var found []string
	for _, word := range words {
		if strings.HasPrefix(word, with) {
			found = append(found, word)
		}
	}
	slices.Sort(found)
	return found
}

func allFlags(node *kong.Node) []*kong.Flag {
	var all []*kong.Flag
	for _, group := range node.AllFlags(true) {
		all = append(all, group...)
	}
	return all
}

func flagOf(node *kong.Node, word string) *kong.Flag {
	for _, flag := range allFlags(node) {
		if word == "--"+flag.Name || flag.Short != 0 && word == "-"+string(flag.Short) {
			return flag
		}
	}
	return nil
}

func takesValue(node *kong.Node, word string) bool {
	flag := flagOf(node, word)
	return flag != nil && !flag.IsBool()
}

// valuesOf are the values a flag may have, where there are few.
func valuesOf(flag *kong.Flag, lookup func(string) (string, bool)) []string {
	switch {
	case flag == nil:
		return nil
	case flag.Name == "profile":
		return ProfilesOf(lookup).Names()
	case flag.Tag.Get("oneof") != "":
		return strings.Split(flag.Tag.Get("oneof"), ", ")
	}
	return nil
}
