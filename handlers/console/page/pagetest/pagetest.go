// Package pagetest checks pages in tests: that they are well formed, escaped, bound to their session and completely translated.
package pagetest

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/claimsmith/claimsmith/handlers/console/page"
)

// Hostile is what users, clients and organisations may call themselves.
const Hostile = `"><script>alert(1)</script><img src=x onerror='alert(2)'>{{.}}`

var voidElements = []string{"meta", "link", "input", "img", "br"}

// Element is a tag of a page with its attributes.
type Element struct {
	Name       string
	Attributes map[string]string
	InForm     string // the action of the form it is in
}

// Elements reads a page and fails where its tags do not match each other.
func Elements(t *testing.T, body string) (elements []Element, text string) {
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
			e := Element{token.Data, map[string]string{}, form}
			for _, a := range token.Attr {
				if _, twice := e.Attributes[a.Key]; twice {
					t.Errorf("<%s> has %s twice", e.Name, a.Key)
				}
				e.Attributes[a.Key] = a.Val
			}
			elements = append(elements, e)
			if e.Name == "form" {
				form = e.Attributes["action"]
			}
			if !slices.Contains(voidElements, e.Name) && token.Type != html.SelfClosingTagToken {
				open = append(open, e.Name)
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

// CheckDocument fails unless a page is one document in that language, with nothing in it that a policy without unsafe-inline would refuse.
func CheckDocument(t *testing.T, tag, body string, elements []Element) {
	t.Helper()
	ids := map[string]bool{}
	headings := 0
	for _, e := range elements {
		for name, value := range e.Attributes {
			address := slices.Contains([]string{"href", "src", "action", "formaction"}, name)
			if name == "style" || strings.HasPrefix(name, "on") || address && strings.HasPrefix(strings.ToLower(value), "javascript:") {
				t.Errorf("<%s %s=%q> would need unsafe-inline", e.Name, name, value)
			}
		}
		if id := e.Attributes["id"]; id != "" && ids[id] {
			t.Errorf("the id %q is there twice", id)
		} else if id != "" {
			ids[id] = true
		}
		switch e.Name {
		case "script":
			if !strings.HasPrefix(e.Attributes["src"], "/static/") {
				t.Errorf("a script that is not ours: %v", e.Attributes)
			}
		case "style", "iframe", "object", "embed", "base":
			t.Errorf("<%s>", e.Name)
		case "html":
			if e.Attributes["lang"] != tag {
				t.Errorf("lang %q", e.Attributes["lang"])
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

// CheckForms fails unless every form that changes something carries a proof that it is ours, and every field can be understood and used
// without JavaScript.
func CheckForms(t *testing.T, elements []Element) {
	t.Helper()
	labels, proofs := map[string]bool{}, map[string]bool{}
	for _, e := range elements {
		if e.Name == "label" {
			labels[e.Attributes["for"]] = true
		}
		if e.Name == "input" && (e.Attributes["name"] == "flow" || e.Attributes["name"] == "token") && e.Attributes["value"] != "" {
			proofs[e.InForm] = true
		}
	}
	for _, e := range elements {
		switch e.Name {
		case "form":
			action, asks := e.Attributes["action"], e.Attributes["method"] == "get"
			if !asks && (e.Attributes["method"] != "post" || !proofs[action] && strings.HasPrefix(action, "/")) {
				t.Errorf("a form without a proof that it is ours: %v", e.Attributes)
			}
			if asks && proofs[action] && !slices.ContainsFunc(elements, func(o Element) bool {
				return o.Name == "form" && o.Attributes["action"] == action && o.Attributes["method"] == "post"
			}) {
				t.Errorf("a proof in an address: %v", e.Attributes)
			}
		case "input", "select", "textarea":
			checkField(t, e, labels)
		case "button":
			if e.Attributes["type"] != "submit" || e.InForm == "" {
				t.Errorf("a button that does nothing without JavaScript: %v", e.Attributes)
			}
		}
	}
}

func checkField(t *testing.T, e Element, labels map[string]bool) {
	t.Helper()
	kind := e.Attributes["type"]
	if _, hidden := e.Attributes["hidden"]; hidden || kind == "hidden" || kind == "radio" {
		return
	}
	if !labels[e.Attributes["id"]] && e.Attributes["aria-label"] == "" {
		t.Errorf("a field without a label: %v", e.Attributes)
	}
	if e.Name == "input" && kind != "checkbox" && kind != "file" && e.Attributes["autocomplete"] == "" {
		t.Errorf("a field without autocomplete: %v", e.Attributes)
	}
}

// CheckTexts fails unless the texts of a package are there in every language, with the same places to fill in and none twice, and its
// templates use only texts that there are, and all of them but those named in Go: whole keys, or groups that end in a dot.
func CheckTexts(t *testing.T, messages fs.FS, templates page.Templates, named ...string) {
	t.Helper()
	place := regexp.MustCompile(`\{[a-z]+\}`)
	first := texts(t, messages, page.Languages()[0])
	for _, tag := range page.Languages()[1:] {
		other := texts(t, messages, tag)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(first)), slices.Sorted(maps.Keys(other))); diff != "" {
			t.Error(diff)
		}
		for key, text := range other {
			want, got := place.FindAllString(first[key], -1), place.FindAllString(text, -1)
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" || text == "" {
				t.Errorf("%s in %s: %s", key, tag, diff)
			}
		}
	}
	known, used := page.ReadCatalogues(messages).For("", ""), map[string]bool{}
	for name, tree := range trees(templates) {
		visitTexts(tree.Root, func(key string) {
			used[key] = true
			if !known.Has(key) {
				t.Errorf("%s: there is no text %q", name, key)
			}
		})
	}
	for _, key := range named {
		if !known.Has(key) && !strings.HasSuffix(key, ".") {
			t.Errorf("there is no text %q", key)
		}
	}
	for key := range first {
		inGo := slices.ContainsFunc(named, func(n string) bool { return n == key || strings.HasSuffix(n, ".") && strings.HasPrefix(key, n) })
		if !used[key] && !inGo {
			t.Errorf("nobody uses %q", key)
		}
	}
}

// texts reads a language's texts. The decoder refuses a key that is there twice.
func texts(t *testing.T, messages fs.FS, tag string) (texts map[string]string) {
	t.Helper()
	text, err := fs.ReadFile(messages, "messages/"+tag+".json")
	if err == nil {
		err = json.Unmarshal(text, &texts)
	}
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// trees are the parsed templates of all pages.
func trees(templates page.Templates) map[string]*parse.Tree {
	trees := make(map[string]*parse.Tree)
	for name, shown := range templates {
		for _, t := range shown.Templates() {
			if t.Tree != nil {
				trees[name+"/"+t.Name()] = t.Tree
			}
		}
	}
	return trees
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
