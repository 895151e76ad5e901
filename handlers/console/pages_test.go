package console_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/console"
)

// hostile is what users, clients and organisations may call themselves.
const hostile = `"><script>alert(1)</script><img src=x onerror='alert(2)'>{{.}}`

var voidElements = []string{"meta", "link", "input", "img", "br"}

// element is a tag of a page with its attributes.
type element struct {
	name       string
	attributes map[string]string
	inForm     string // the action of the form it is in
}

// elementsOf reads a page and fails where its tags do not match each other.
func elementsOf(t *testing.T, body string) (elements []element, text string) {
	t.Helper()
	var open []string
	form := ""
	tokens := html.NewTokenizer(strings.NewReader(body))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("not closed: %v", open)
			}
			return elements, text
		case html.TextToken:
			text += string(tokens.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			e := element{token.Data, map[string]string{}, form}
			for _, a := range token.Attr {
				if _, twice := e.attributes[a.Key]; twice {
					t.Errorf("<%s> has %s twice", e.name, a.Key)
				}
				e.attributes[a.Key] = a.Val
			}
			elements = append(elements, e)
			if e.name == "form" {
				form = e.attributes["action"]
			}
			if !slices.Contains(voidElements, e.name) && token.Type != html.SelfClosingTagToken {
				open = append(open, e.name)
			}
		case html.EndTagToken:
			name, _ := tokens.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes %v", name, open)
			}
			if string(name) == "form" {
				form = ""
			}
			open = open[:len(open)-1]
		}
	}
}

// Every page, in both languages, with the worst names there can be.
func TestPages(t *testing.T) {
	for _, tag := range console.Languages() {
		samples, err := console.Samples(tag, hostile)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range samples {
			t.Run(tag+"/"+s.Name, func(t *testing.T) {
				elements, _ := elementsOf(t, s.Body)
				checkDocument(t, tag, s.Body, elements)
				checkForms(t, elements)
				checkPolicy(t, s)
			})
		}
	}
}

func checkDocument(t *testing.T, tag, body string, elements []element) {
	t.Helper()
	ids := map[string]bool{}
	headings := 0
	for _, e := range elements {
		for name, value := range e.attributes {
			if name == "style" || strings.HasPrefix(name, "on") || strings.HasPrefix(strings.ToLower(value), "javascript:") {
				t.Errorf("<%s %s=%q> would need unsafe-inline", e.name, name, value)
			}
		}
		if id := e.attributes["id"]; id != "" && ids[id] {
			t.Errorf("the id %q is there twice", id)
		} else if id != "" {
			ids[id] = true
		}
		switch e.name {
		case "script":
			if !strings.HasPrefix(e.attributes["src"], "/static/console.") {
				t.Errorf("a script that is not ours: %v", e.attributes)
			}
		case "style", "iframe", "object", "embed", "base":
			t.Errorf("<%s>", e.name)
		case "html":
			if e.attributes["lang"] != tag {
				t.Errorf("lang %q", e.attributes["lang"])
			}
		case "h1":
			headings++
		}
	}
	if headings != 1 {
		t.Errorf("%d main headings", headings)
	}
	if strings.Contains(body, "<script>") || strings.Contains(body, "<img src=x") || strings.Contains(body, "ZgotmplZ") {
		t.Errorf("text that was not escaped, or refused by the template:\n%s", body)
	}
	for _, id := range regexp.MustCompile(`aria-(?:describedby|labelledby)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		for name := range strings.FieldsSeq(id[1]) {
			if !ids[name] {
				t.Errorf("%s names what is not there", id[0])
			}
		}
	}
}

func checkForms(t *testing.T, elements []element) {
	t.Helper()
	labels := map[string]bool{}
	proofs := map[string]bool{}
	for _, e := range elements {
		if e.name == "label" {
			labels[e.attributes["for"]] = true
		}
		if e.name == "input" && (e.attributes["name"] == "flow" || e.attributes["name"] == "token") && e.attributes["value"] != "" {
			proofs[e.inForm] = true
		}
	}
	for _, e := range elements {
		_, hidden := e.attributes["hidden"]
		switch e.name {
		case "form":
			if action := e.attributes["action"]; e.attributes["method"] != "post" || !proofs[action] && strings.HasPrefix(action, "/") {
				t.Errorf("a form without a proof that it is ours: %v", e.attributes)
			}
		case "input":
			kind := e.attributes["type"]
			if kind == "hidden" || kind == "radio" || hidden {
				continue
			}
			if !labels[e.attributes["id"]] || e.attributes["autocomplete"] == "" {
				t.Errorf("a field without a label or autocomplete: %v", e.attributes)
			}
		case "button":
			if e.attributes["type"] != "submit" || e.inForm == "" {
				t.Errorf("a button that does nothing without JavaScript: %v", e.attributes)
			}
		}
	}
}

func checkPolicy(t *testing.T, s console.Sample) {
	t.Helper()
	want := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self' https://planner.example; " +
		"base-uri 'none'; frame-ancestors 'none'"
	if got := s.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %s", got)
	}
	if got := s.Header.Get("Content-Type"); got != "text/html; charset=UTF-8" {
		t.Errorf("type %s", got)
	}
}

// Both languages say everything, with the same places to fill in, and nothing twice.
func TestCatalogues(t *testing.T) {
	tags := console.Languages()
	if diff := cmp.Diff([]string{"en", "de"}, tags); diff != "" {
		t.Error(diff)
	}
	place := regexp.MustCompile(`\{[a-z]+\}`)
	first := console.Texts(tags[0])
	for _, tag := range tags[1:] {
		texts := console.Texts(tag)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(first)), slices.Sorted(maps.Keys(texts))); diff != "" {
			t.Error(diff)
		}
		for key, text := range texts {
			want, got := place.FindAllString(first[key], -1), place.FindAllString(text, -1)
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" || text == "" {
				t.Errorf("%s in %s: %s", key, tag, diff)
			}
		}
	}
}

// Templates use only texts that there are, and every text is used.
func TestTextsOfTemplates(t *testing.T) {
	texts := console.Texts("en")
	used := map[string]bool{}
	for name, tree := range console.Trees() {
		visitTexts(tree.Root, func(key string) {
			used[key] = true
			if _, known := texts[key]; !known {
				t.Errorf("%s: there is no text %q", name, key)
			}
		})
	}
	for _, scope := range console.Scopes {
		used["scope."+scope] = true
	}
	for _, claim := range console.ProfileNames() {
		used["profile."+claim] = true
	}
	for _, kind := range console.ErrorKinds {
		used["error."+kind+".title"], used["error."+kind+".text"] = true, true
	}
	for key := range used {
		if _, known := texts[key]; !known {
			t.Errorf("there is no text %q", key)
		}
	}
	for key := range texts {
		group, _, _ := strings.Cut(key, ".")
		if !used[key] && !slices.Contains([]string{"fault", "done", "agent", "scope", "common"}, group) { // these are named in Go
			t.Errorf("nobody uses %q", key)
		}
	}
}

// visitTexts finds the keys given to T below a node.
func visitTexts(node parse.Node, visit func(key string)) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, inner := range n.Nodes {
				visitTexts(inner, visit)
			}
		}
	case *parse.ActionNode:
		visitTexts(n.Pipe, visit)
	case *parse.IfNode:
		visitBranch(&n.BranchNode, visit)
	case *parse.RangeNode:
		visitBranch(&n.BranchNode, visit)
	case *parse.WithNode:
		visitBranch(&n.BranchNode, visit)
	case *parse.TemplateNode:
		visitTexts(n.Pipe, visit)
	case *parse.PipeNode:
		if n == nil {
			return
		}
		for _, command := range n.Cmds {
			for i, argument := range command.Args {
				visitTexts(argument, visit)
				if text, ok := argument.(*parse.StringNode); ok && i == 1 && isT(command.Args[0]) {
					visit(text.Text)
				}
			}
		}
	}
}

func visitBranch(n *parse.BranchNode, visit func(string)) {
	visitTexts(n.Pipe, visit)
	visitTexts(n.List, visit)
	visitTexts(n.ElseList, visit)
}

func isT(node parse.Node) bool {
	switch n := node.(type) {
	case *parse.FieldNode:
		return n.Ident[len(n.Ident)-1] == "T"
	case *parse.VariableNode:
		return n.Ident[len(n.Ident)-1] == "T"
	}
	return false
}

func TestLanguageOf(t *testing.T) {
	tests := []struct{ uiLocales, acceptLanguage, want string }{
		{"", "", "en"},
		{"", "de", "de"},
		{"", "de-AT,de;q=0.9,en;q=0.8", "de"},
		{"", "fr-FR, de;q=0.5, en;q=0.4", "de"},
		{"", "fr-FR", "en"},
		{"de", "en", "de"},
		{"fr de-CH", "en", "de"},
		{"en-GB de", "de", "en"},
		{"fr", "de", "de"},
		{"<script>", "de", "de"},
		{"not-a-language-at-all-but-very-long", "de", "de"},
		{strings.Repeat("de ", 1000), "en", "en"},
		{"", strings.Repeat("de,", 100_000), "en"},
		{"", "*", "en"},
		{"", "de;q=0,en", "en"},
	}
	for _, test := range tests {
		if got := console.LanguageOf(test.uiLocales, test.acceptLanguage); got != test.want {
			t.Errorf("%.40q, %.40q: %s, want %s", test.uiLocales, test.acceptLanguage, got, test.want)
		}
	}
}

func TestAgent(t *testing.T) {
	tests := []struct{ userAgent, want string }{
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15", "Safari on macOS"},
		{"Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"},
		{"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"},
		{"curl/8.0", "Unknown browser"},
		{"<script>", "Unknown browser"},
		{"", "Unknown browser"},
	}
	for _, test := range tests {
		if got := console.Agent("en", test.userAgent); got != test.want {
			t.Errorf("%s: %s", test.userAgent, got)
		}
	}
}

func TestSourceOf(t *testing.T) {
	tests := []struct{ address, want string }{
		{"https://app.example/cb?x=1", "https://app.example"},
		{"https://app.example:8443/cb", "https://app.example:8443"},
		{"https://app.example:443/cb", "https://app.example"},
		{"http://127.0.0.1:4711/cb", "http://127.0.0.1:4711"},
		{"http://[::1]:4711/cb", "http:"}, // CSP has no form for it
		{"com.example.app:/cb", "com.example.app:"},
		{"com.example.app://cb", "com.example.app:"},
		{"", ""},
		{"/cb", ""},
		{"https://", ""},
		{"https:app.example", ""},
		{"https://app.example;x=/cb", "https:"}, // nothing of it gets into the policy
		{"https://app.example;script-src *", ""},
		{"https://app.example' 'unsafe-inline", ""},
		{"evil src *: x", ""},
		{"a\r\nb://x", ""},
	}
	for _, test := range tests {
		got := console.SourceOf(test.address)
		if got != test.want {
			t.Errorf("%q: %q, want %q", test.address, got, test.want)
		}
		if strings.ContainsAny(got, " ;,'\"\r\n*") {
			t.Errorf("%q writes %q into the policy", test.address, got)
		}
	}
}

// A logo is loaded from where the policy of the page says, and only by https.
func TestLook(t *testing.T) {
	tests := []struct{ logo, color, wantLogo, wantOrigin, wantBrand string }{
		{"https://cdn.example/logo.svg?v=1", "#0B7A4B", "https://cdn.example/logo.svg?v=1", "https://cdn.example", "0b7a4b"},
		{"http://cdn.example/logo.svg", "red", "", "", ""},
		{"javascript:alert(1)", "#0b7a4b;}*{display:none}", "", "", ""},
		{"data:image/svg+xml,<svg/>", "", "", "", ""},
		{"https://[2001:db8::1]/logo.svg", "", "", "", ""},
		{"https://cdn.example;script-src=x/logo.svg", "", "", "", ""},
		{"//cdn.example/logo.svg", "", "", "", ""},
		{"", "", "", "", ""},
	}
	for _, test := range tests {
		logo, origin, brand := console.LookOf(&auth.Org{Slug: "acme", LogoURL: test.logo, Color: test.color})
		if logo != test.wantLogo || origin != test.wantOrigin || brand != test.wantBrand {
			t.Errorf("%q, %q: %q, %q, %q", test.logo, test.color, logo, origin, brand)
		}
	}
}

// Row S-04: which headers make a form one of our pages.
func TestFromHere(t *testing.T) {
	const issuer = "https://id.example/tenant"
	tests := []struct {
		name   string
		header http.Header
		want   bool
	}{
		{"our page", http.Header{"Origin": {"https://id.example"}, "Sec-Fetch-Site": {"same-origin"}}, true},
		{"our page, which names no referrer", http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"same-origin"}}, true},
		{"our page without Origin", http.Header{"Sec-Fetch-Site": {"same-origin"}}, true},
		{"the person, by reloading", http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"none"}}, true},
		{"our page in a browser without Sec-Fetch-Site", http.Header{"Origin": {"https://id.example"}}, true},
		{"another site", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}, false},
		{"another site without Origin", http.Header{"Sec-Fetch-Site": {"cross-site"}}, false},
		{"another site with our Origin", http.Header{"Origin": {"https://id.example"}, "Sec-Fetch-Site": {"cross-site"}}, false},
		{"a subdomain", http.Header{"Origin": {"https://x.id.example"}, "Sec-Fetch-Site": {"same-site"}}, false},
		{"a subdomain that names no referrer", http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"same-site"}}, false},
		{"a subdomain in a browser without Sec-Fetch-Site", http.Header{"Origin": {"https://x.id.example"}}, false},
		{"the same host by http", http.Header{"Origin": {"http://id.example"}}, false},
		{"another port", http.Header{"Origin": {"https://id.example:8443"}}, false},
		{"a longer host", http.Header{"Origin": {"https://id.example.evil.example"}}, false},
		{"a sandboxed frame in a browser without Sec-Fetch-Site", http.Header{"Origin": {"null"}}, false},
		{"no browser, or one that tells nothing", http.Header{}, true},
		{"two origins", http.Header{"Origin": {"https://id.example", "https://evil.example"}}, false},
		{"two sites", http.Header{"Origin": {"https://id.example"}, "Sec-Fetch-Site": {"same-origin", "cross-site"}}, false},
		{"our site, foreign Origin", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"same-origin"}}, false},
	}
	for _, test := range tests {
		if got := console.FromHere(issuer, test.header); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	if !console.FromHere("https://id.example:443", http.Header{"Origin": {"https://id.example"}}) {
		t.Error("a browser leaves the default port out")
	}
}

func ExampleLanguages() {
	fmt.Println(console.Languages())
	// Output: [en de]
}

// A person reads a string without its quotes, and every other value as it is kept.
func TestReadableClaims(t *testing.T) {
	for value, want := range map[string]string{
		`"gold"`: "gold", `"a \"b\" \u003c\u00e4"`: `a "b" <ä`, `"4711"`: "4711", `""`: `""`, `" \n"`: `" \n"`,
		`9007199254740993`: "9007199254740993", `1.10`: "1.10", `true`: "true", `null`: "null", `["a"]`: `["a"]`,
		`{"a":"b"}`: `{"a":"b"}`, `"a" "b"`: `"a" "b"`,
	} {
		if got := console.Readable(value); got != want {
			t.Errorf("%s is shown as %s, want %s", value, got, want)
		}
	}
}

// The account page names what has a name, and says why there is nothing where there is nothing.
func TestAccountSamples(t *testing.T) {
	samples, err := console.Samples("en", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		_, text := elementsOf(t, s.Body)
		full, plain := s.Name == "account", s.Name == "account_plain"
		if !full && !plain {
			continue
		}
		for said, want := range map[string]bool{
			"Jane Doe at Acme ": full, "\nJane Doe\n": plain, "Since 21 November 2026, at Acme ": full,
			"need this server to be reached by a host name": plain, "You can make them once you have": plain,
		} {
			if strings.Contains(text, said) != want {
				t.Errorf("%s: %q is there: %t\n%s", s.Name, said, !want, text)
			}
		}
	}
}
