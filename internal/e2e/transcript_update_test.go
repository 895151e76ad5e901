package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
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
		return fold(tr.suggest(tr.named(m.body)))
	}
	if id := m.header.Get("X-Request-Id"); id != "" {
		tr.known["_trace"] = id
	}
	lines := []string{"< " + tr.named(m.start)}
	for _, name := range slices.Sorted(maps.Keys(m.header)) {
		for _, value := range m.header[name] {
			if value = tr.suggest(tr.named(value)); value != tr.standing.Get(name) {
				lines = append(lines, foldQuery("< "+spelling.Replace(name)+": "+value)...)
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
	if strings.HasPrefix(m.body, page) {
		return append(append(lines, "<"), tr.outline(m.body)...)
	}
	body := []string{tr.suggest(tr.named(m.body))}
	if m.header.Get("Content-Type") == ndjson {
		body = strings.Split(strings.TrimSuffix(body[0], "\n"), "\n")
	}
	lines = append(lines, "<")
	for _, value := range body {
		lines = append(lines, fold(value)...)
	}
	return lines
}

// telling are the parts of a page that its transcript shows.
var telling = regexp.MustCompile(`(?s)<title>.*?</title>|action="[^"]*"|<input type="hidden" name="[^"]*" value="[^"]*">|` +
	`id="(error|detail|reference|secret|user_code|person|done)"[^>]*>[^<]*<|<li><code>[^<]*</code></li>|` +
	`name="[a-z_]*" value="[a-z]+"`)

// repeating are parts that come as often as a list is long.
var repeating = regexp.MustCompile(`^<li><code>|name="id"`)

// outline is what a transcript shows of a page.
func (tr *transcript) outline(body string) []string {
	lines := []string{"< …"}
	seen := map[string]bool{}
	for _, part := range telling.FindAllString(body, -1) {
		list := repeating.FindString(part)
		if list != "" && seen[list] {
			continue // one shows what they are
		}
		seen[list] = true
		lines[len(lines)-1] += tr.suggest(tr.named(part)) + "…"
		lines = append(lines, "<  …")
	}
	return lines[:len(lines)-1]
}

// learn takes over what the placeholders of an expected answer stand for, where another answer has it at the same place.
func (tr *transcript) learn(x exchange, actual message) {
	clear(tr.kinds)
	wanted := parseMessage(x.response)
	if actual.header == nil {
		wanted = message{body: join(x.response)}
	}
	for name := range wanted.header {
		if want, got := wanted.header.Get(name), actual.header.Get(name); strings.Contains(want, "{{") {
			tr.take(want, got)
		}
	}
	if tr.take(wanted.body, actual.body) {
		return
	}
	want, got := strings.SplitAfter(wanted.body, "}."), strings.SplitAfter(actual.body, "}.") // the halves of a token
	for n := range min(len(want), len(got)) {
		var w, g any
		quoted := bare.ReplaceAllString(strings.TrimSuffix(want[n], "."), `$1"$2"`)
		if json.Unmarshal([]byte(quoted), &w) == nil && json.Unmarshal([]byte(strings.TrimSuffix(got[n], ".")), &g) == nil {
			tr.learnValue(w, g)
		}
	}
}

// bare is a placeholder that stands for a number.
var bare = regexp.MustCompile(`([:,\[])(\{\{[^}]+\}\})`)

func (tr *transcript) learnValue(want, got any) {
	switch want := want.(type) {
	case map[string]any:
		if got, ok := got.(map[string]any); ok {
			for _, name := range slices.Sorted(maps.Keys(want)) {
				tr.learnValue(want[name], got[name])
			}
		}
	case []any:
		if got, ok := got.([]any); ok {
			for n := range min(len(want), len(got)) {
				tr.learnValue(want[n], got[n])
			}
		}
	case string:
		if got, ok := got.(string); ok {
			tr.take(want, got)
		}
	}
}

// take is match that remembers how its placeholders are written.
func (tr *transcript) take(want, got string) bool {
	if tr.match(want, got) != "" {
		return false
	}
	for _, found := range placeholder.FindAllStringSubmatch(want, -1) {
		if found[2] != "" {
			tr.kinds[found[1]] = found[2]
		}
	}
	return true
}

// group is one in a list or alone.
var group = regexp.MustCompile(`"id":"([a-z2-7]{20,})","slug":"([a-z0-9-]+)"`)

// suggest names what nobody has named.
func (tr *transcript) suggest(text string) string {
	text = regexp.MustCompile(`"([a-z_]+_at|auth_time)":"\{\{NAME_ME:time\}\}"`).ReplaceAllString(text, `"$1":"{{_$1:time}}"`)
	text = regexp.MustCompile(`"(exp|iat|auth_time|updated_at)":\d{10}\b`).ReplaceAllString(text, `"$1":{{_$1:seconds}}`)
	text = regexp.MustCompile(`"(jti|at_hash|kid|sid|sub)":"[A-Za-z0-9_-]{16,}"`).ReplaceAllString(text, `"$1":"{{_$1}}"`)
	text = regexp.MustCompile(`"at":"\{\{NAME_ME:time\}\}"`).ReplaceAllString(text, `"at":"{{_at:time}}"`)
	moments := map[string]int{}
	text = regexp.MustCompile(`\{\{_[a-z_]+:time\}\}`).ReplaceAllStringFunc(text, func(found string) string {
		if moments[found]++; moments[found] == 1 {
			return found
		}
		return strings.Replace(found, ":", fmt.Sprintf("_%d:", moments[found]), 1)
	})
	text = group.ReplaceAllStringFunc(text, func(found string) string {
		m := group.FindStringSubmatch(found)
		name := strings.ReplaceAll(m[2], "-", "_") + "_id"
		tr.known[name] = m[1]
		return strings.Replace(found, m[1], "{{"+name+":new}}", 1)
	})
	for _, at := range []*regexp.Regexp{
		regexp.MustCompile(`"(access_token|refresh_token|id_token|device_code|user_code|client_secret|request_uri)":` +
			`"(?:urn:ietf:params:oauth:request_uri:)?([A-Za-z0-9_.~+/=-]+)"`),
		regexp.MustCompile(`name="(flow|token|state|code)" value="([A-Za-z0-9_.-]{30,})"`),
		regexp.MustCompile(`[?&](flow|code|done)=([A-Za-z0-9_.-]{20,})`),
		regexp.MustCompile(`claimsmith-(session|browser)=([A-Za-z0-9_.-]+)`),
		regexp.MustCompile(`name="(id)" value="([A-Za-z0-9_-]{12,})"`),
		regexp.MustCompile(`id="(secret)"[^>]*>([A-Z2-7 ]+)<`),
		regexp.MustCompile(`<li><(code)>([^<]*)<`),
		regexp.MustCompile(`"(next)":"([A-Za-z0-9_-]{20,})"`),
		regexp.MustCompile(`"(hash)":"hmac-sha256:([A-Za-z0-9_-]{43})"`),
		regexp.MustCompile(`"(updated_by|by)":"token:([a-z2-7]{20,})"`),
		regexp.MustCompile(`"(user|members)":\[?"([a-z2-7]{26})"`),
	} {
		var b strings.Builder
		last := 0
		for _, m := range at.FindAllStringSubmatchIndex(text, -1) {
			name, kind := text[m[2]:m[3]], "new"
			switch name {
			case "secret":
				kind = "any"
			case "id":
				name = "session_id"
			case "by", "updated_by":
				name = "operator_id"
			case "members":
				name = "user"
			case "code":
				if text[m[0]] == '<' {
					name = "recovery"
				}
			}
			tr.known[name] = text[m[4]:m[5]]
			b.WriteString(text[last:m[4]] + "{{" + name + ":" + kind + "}}")
			last = m[5]
		}
		text = tr.named(b.String() + text[last:]) // it may be there again
	}
	return text
}

// foldQuery breaks a header before the parameters of an address in it.
func foldQuery(line string) []string {
	if len(line) <= lineWidth {
		return []string{line}
	}
	lines := strings.Split(line, "&")
	for n := range lines[1:] {
		lines[n+1] = "<  &" + lines[n+1]
	}
	return lines
}

// named puts placeholders for the values known. Short ones could be anything.
func (tr *transcript) named(text string) string {
	const shortest = 6
	names := slices.SortedFunc(maps.Keys(tr.known), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(tr.known[b]), len(tr.known[a])), strings.Compare(a, b))
	})
	for _, name := range names {
		if value := tr.known[name]; len(value) >= shortest {
			if kind := tr.kinds[name]; kind != "" && strings.Contains(text, value) {
				text = strings.Replace(text, value, "{{"+name+":"+kind+"}}", 1)
				delete(tr.kinds, name)
			}
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
