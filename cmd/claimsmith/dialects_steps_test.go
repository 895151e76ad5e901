package main

import (
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// jsonValues are of every type, and of what one could be taken for another.
var jsonValues = rapid.OneOf(
	rapid.SampledFrom([]string{
		`null`, `true`, `false`, `0`, `-0`, `1.0`, `1e2`, `1E-400`, `1e400`, `9007199254740993`, `-12345678901234567890`, `0.1000`, `[]`, `{}`, `""`, `"true"`,
		`"null"`, `"1"`, `"[]"`, `"{\"a\":1}"`, `"\u00e9\n\u0000\ud83d\ude00"`, `"é\/"`, `{"a":[],"b":{},"c":null,"d":"true","e":"1"}`, `[[],{},[null]]`,
		`"` + strings.Repeat("x", 300) + `"`, `{"$":1}`, `{"a/b":[1,2,{"x":1.50}]}`, `"AAEC"`, `" "`,
	}),
	rapid.Map(rapid.String(), quote),
	rapid.Map(rapid.Int64(), func(n int64) string { return strconv.FormatInt(n, 10) }),
)

// opaqueValues are bytes: text, text that looks like JSON, and what is no text.
var opaqueValues = rapid.OneOf(
	rapid.SampledFrom([]string{
		"dark", "é", "\xff\xfe", "\x00", "\xc3", "[]", "{}", "null", "true", "1", "1.0", `"x"`, ` {"a":1}`, `{"a":[],"b":{},"c":null,"d":"true","e":"1"}`,
		"9007199254740993", "\ufeff", "\xed\xa0\x80", "a\nb", "<b>&", `\u00e9`, "9007199254740993 ", strings.Repeat("\x80", 300), "-0", "\"\"",
	}),
	rapid.StringN(1, 20, 60),
	rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 12), func(b []byte) string { return string(b) }),
)

// wholeValues are profiles that are not what the keys of an object are.
var wholeValues = []string{
	`null`, `[]`, `[1,"a"]`, `"text"`, `7`, `1.50`, `{"$":1}`, `{"$":{"$":2}}`, `{"":1}`, `{"a\u0000":1,"b":2}`, `{"$":1,"a":2}`, `{"a":{"":1}}`, `{}`, `"\u00e9"`,
}

// step does something at random, through a tongue at random, and holds the answer to the model.
func (tr *troupe) step(rt *rapid.T, s *sheet) {
	rt.Helper()
	var able []string
	for _, t := range tongues {
		if t.speaks(s) {
			able = append(able, t.name)
		}
	}
	name := rapid.SampledFrom(able).Draw(rt, "tongue")
	t := &tongues[slices.IndexFunc(tongues, func(t tongue) bool { return t.name == name })]
	self := rapid.Bool().Draw(rt, "self")
	a := tr.as(s, self, rapid.IntRange(0, 1).Draw(rt, "operator"))
	do := step{self: self, opaque: t.opaque, knows: t.name == nativeAPI.name}
	var way func() answer
	switch rapid.SampledFrom(t.ways()).Draw(rt, "way") {
	case "set":
		do.set = t.pairs(rt, s, 1)
		way = func() answer { return t.change(tr.cast, a, do.set, nil) }
	case "remove":
		do.gone, do.strict = someKeys(rt, s, 1), t.strict
		way = func() answer { return t.change(tr.cast, a, nil, do.gone) }
	case "both":
		do.set, do.gone = t.pairs(rt, s, 1), someKeys(rt, s, 0)
		way = func() answer { return t.change(tr.cast, a, do.set, do.gone) }
	case "replace":
		do.set, do.replace = t.pairs(rt, s, 0), true
		way = func() answer { return t.replace(tr.cast, a, do.set) }
		if t.name == profiles.name {
			data := object(do.set)
			if rapid.IntRange(0, 2).Draw(rt, "whole") == 0 {
				data = rapid.SampledFrom(wholeValues).Draw(rt, "profile")
			}
			do.set = entriesOf(rt, data)
			way = func() answer { return a.profile(tr.cast, data) }
		}
	case "clear":
		do.replace = true
		way = func() answer { return t.clear(tr.cast, a) }
	}
	tr.held(rt, t, s, do, way())
}

// held takes a step in the model and compares.
func (tr *troupe) held(rt *rapid.T, t *tongue, s *sheet, do step, got answer) {
	rt.Helper()
	refusals := do.refusals(s.paper)
	switch {
	case len(refusals) == 0 && got.class() == classDone:
		s.paper = do.apply(s.paper)
	case len(refusals) == 0, !slices.Contains(refusals, got.class()):
		rt.Fatalf("%s: %+v of %s in %s (%q) is %d %s, not one of %q\nwith %+v", t.name, do, s.user.id, s.org, s.app, got.status, got.body, refusals, s.paper)
	}
}

// ways are what a tongue can do.
func (t *tongue) ways() []string {
	var all []string
	if t.change != nil {
		all = append(all, "set", "set", "remove")
	}
	if t.bothAtOnce {
		all = append(all, "both")
	}
	if t.replace != nil {
		all = append(all, "replace")
	}
	if t.clear != nil {
		all = append(all, "clear")
	}
	return all
}

// someKey is one of those there are, or any.
func someKey(rt *rapid.T, s *sheet) string {
	of := slices.Concat(claimableKeys, claimableKeys, oddKeys)
	if len(s.paper) > 0 && rapid.Bool().Draw(rt, "known") {
		of = sortedKeys(s.paper)
	}
	return rapid.SampledFrom(of).Draw(rt, "key")
}

func someKeys(rt *rapid.T, s *sheet, least int) []string {
	var all []string
	for range rapid.IntRange(least, 3).Draw(rt, "keys") {
		if k := someKey(rt, s); !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	return all
}

// pairs are entries to set, now and then one twice where that can be said.
func (t *tongue) pairs(rt *rapid.T, s *sheet, least int) []pair {
	var all []pair
	for range rapid.IntRange(least, 3).Draw(rt, "pairs") {
		p := pair{key: someKey(rt, s)}
		known, exists := s.paper[p.key]
		switch {
		case t.opaque && exists && known.opaque() != "" && rapid.Bool().Draw(rt, "what is there"):
			p.value = known.opaque()
		case t.opaque:
			p.value = opaqueValues.Draw(rt, "bytes")
		default:
			p.value = jsonValues.Draw(rt, "value")
		}
		if t.name == nativeAPI.name {
			p.mark = rapid.SampledFrom([]string{"", "", "true", "false"}).Draw(rt, "mark")
		}
		all = append(all, p)
	}
	return all
}
