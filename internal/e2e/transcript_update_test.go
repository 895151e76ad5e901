package e2e

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	moment    = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	lineWidth = 130
	// spelling is that of the RFCs, where Go has its own.
	spelling = strings.NewReplacer("Etag", "ETag", "Www-Authenticate", "WWW-Authenticate")
)

// describe writes an answer as the lines of a transcript, with the names of what is known.
func (tr *transcript) describe(m message) []string {
	if m.header == nil {
		return fold(tr.named(m.body))
	}
	if id := m.header.Get("X-Request-Id"); id != "" {
		tr.known["_trace"] = id
	}
	lines := []string{"< " + tr.named(m.start)}
	for _, name := range slices.Sorted(maps.Keys(m.header)) {
		for _, value := range m.header[name] {
			if value = tr.named(value); value != tr.standing.Get(name) {
				lines = append(lines, "< "+spelling.Replace(name)+": "+value)
			}
		}
	}
	for name := range tr.standing {
		if m.header[name] == nil {
			lines = append(lines, "< "+name+": -")
		}
	}
	if m.body == "" {
		return lines
	}
	return append(append(lines, "<"), fold(tr.named(m.body))...)
}

// named puts placeholders for the values known. Short ones could be anything.
func (tr *transcript) named(text string) string {
	const shortest = 6
	names := slices.SortedFunc(maps.Keys(tr.known), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(tr.known[b]), len(tr.known[a])), strings.Compare(a, b))
	})
	for _, name := range names {
		if value := tr.known[name]; len(value) >= shortest {
			text = strings.ReplaceAll(text, value, "{{"+name+"}}")
		}
	}
	return moment.ReplaceAllStringFunc(text, func(at string) string {
		if isNow("time", at) {
			return "{{NAME_ME:time}}"
		}
		return at
	})
}

// fold breaks a body behind commas.
func fold(body string) []string {
	var lines []string
	indent := "< "
	for len(body) > lineWidth {
		at := strings.LastIndex(body[:lineWidth], `,"`) + 1
		if at == 0 {
			at = strings.Index(body, `,"`) + 1
		}
		if at == 0 {
			break
		}
		lines = append(lines, indent+body[:at])
		body, indent = body[at:], "<  "
	}
	return append(lines, indent+body)
}
