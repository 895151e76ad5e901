package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/handlers/console/page/pagetest"
)

func (w *world) define(key, body string) {
	w.t.Helper()
	if a := w.put("/api/metadata-key/"+key, adminToken, body); a.status/100 != 2 {
		w.t.Fatalf("%d %s", a.status, a.body)
	}
}

func (w *world) entry(user, key string) string {
	w.t.Helper()
	a := w.get("/api/user/"+user+"/metadata/"+key, adminToken)
	if a.status == http.StatusNotFound {
		return ""
	}
	return a.want(w.t, http.StatusOK).body
}

// at is the number of the row of a key in the editor.
func (p *page) at(key string) string {
	p.b.t.Helper()
	for n := range 100 {
		name := fmt.Sprint("key.", n)
		if value := formValues(p.element("editor")).Get(name); value == key {
			return fmt.Sprint(n)
		}
	}
	p.b.t.Fatalf("%s has no row for %s: %s", p.url, key, p.text())
	return ""
}

// The editor of a user's entries without JavaScript: fields by the definitions, nothing changed that nobody touched, values to the last
// digit, and refusals beside the fields with what was typed.
func TestConsoleEditor(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	w.define("plan", `{"schema":{"enum":["free","gold"]},"claim":"always"}`)
	w.define("seats", `{"type":"integer","profile_claim":true}`)
	w.define("beta", `{"type":"boolean"}`)
	w.define("secret", `{"type":"string","claim":"never","read":"operator"}`)
	exact := map[string]string{
		"plan": `"gold"`, "seats": `9007199254740993`, "beta": `true`, "secret": `"\u00e4 \"b\""`, "escaped": `"\u0041\t\n"`, "object": `{"b":1.10,"a":[]}`,
		"empty": `""`, "null": `null`, "control": `"a\rb\u0000"`, "lines": `"one\ntwo\n"`, "leading": `"\n\nx"`, "spaces": `"  x  "`, "number": `-1.0E+2`, "off": `false`,
	}
	for key, value := range exact {
		w.put("/api/user/jane-id/metadata/"+key, adminToken, `{"value":`+value+`}`).want(t, http.StatusOK)
	}
	p := w.console("olive", inDefault("user/jane-id/metadata"))
	// Saving what nobody has touched changes nothing.
	p = p.submit("save").want(http.StatusOK)
	for key, value := range exact {
		if got := w.entry("jane-id", key); !strings.Contains(got, `"value":`+value+`,`) {
			t.Errorf("%s was %s and is %s", key, value, got)
		}
	}
	if revision := w.get("/api/user/jane-id/metadata", adminToken).header.Get("ETag"); revision != `"14"` {
		t.Errorf("the revision is %s", revision)
	}

	// Each kind of field, one more entry, one less.
	p = p.submit("add", "add_key", "").want(http.StatusOK)
	added := fmt.Sprint(len(exact))
	p = p.submit("save", "value."+p.at("plan"), `"free"`, "value."+p.at("seats"), "12", "value."+p.at("beta"), "", "value."+p.at("lines"), "three\r\nfour",
		"delete."+p.at("null"), "1", "key."+added, "nick", "value."+added, "Janey", "kind."+added, "text", "claim."+added, "1").wantText("Saved.")
	for key, want := range map[string]string{
		"plan": `"value":"free","profileClaim":true`, "seats": `"value":12,`, "beta": `"value":false,`, "lines": `"value":"three\nfour"`, "null": "",
		"nick": `"value":"Janey","profileClaim":true`, "object": `"value":{"b":1.10,"a":[]}`,
	} {
		if got := w.entry("jane-id", key); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}

	// What is refused is not saved, and what was typed stays: by the form of a field, by a definition, by the budget.
	p.submit("save", "value."+p.at("seats"), "many", "value."+p.at("object"), "{").want(http.StatusBadRequest).wantText("This is not a number.", "This is not valid JSON")
	half := p.submit("save", "value."+p.at("seats"), "1.5").want(http.StatusBadRequest).wantText("Nothing was saved")
	if got := formValues(half.element("editor")).Get("value." + p.at("seats")); got != "1.5" || half.element("fault-"+p.at("seats")) == nil {
		t.Errorf("of what was typed is left: %q", got)
	}
	long := strings.Repeat("long", 1100)
	refused := p.submit("save", "value."+p.at("nick"), long, "claim."+p.at("nick"), "1").want(http.StatusUnprocessableEntity).wantText("4096")
	if got := formValues(refused.element("editor")).Get("value." + p.at("nick")); got != long {
		t.Errorf("of what was typed is left: %.50s", got)
	}
	if got := w.entry("jane-id", "nick"); !strings.Contains(got, "Janey") {
		t.Errorf("nick: %s", got)
	}
	refused.submit("save", "value."+p.at("nick"), "J").wantText("Saved.")
}

// The preview shows what tokens would say, and the difference, and is what tokens then say.
func TestConsolePreview(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	w.put("/api/user/jane-id/metadata/plan", adminToken, `{"value":"gold","profileClaim":true}`).want(t, http.StatusOK)
	p := w.console("olive", inDefault("user/jane-id/metadata"))
	shown := p.submit("preview_now", "value.0", "silver").want(http.StatusOK)
	if shown.element("diff") == nil || !strings.Contains(shown.text(), "metadata_plan Everywhere \"gold\" \"silver\"") {
		t.Fatalf("%s", shown.text())
	}
	if !strings.Contains(w.entry("jane-id", "plan"), "gold") {
		t.Error("looking has changed it")
	}
	values := formValues(shown.element("editor"))
	part := shown.b.postForm(inDefault("user/jane-id/metadata/preview"), values).want(http.StatusOK)
	if part.element("preview") == nil || part.element("editor") != nil || !strings.Contains(part.text(), `"silver"`) {
		t.Errorf("the preview alone: %s", part.text())
	}
	values.Set("kind.0", "json")
	values.Set("value.0", "{")
	shown.b.postForm(inDefault("user/jane-id/metadata/preview"), values).want(http.StatusOK).wantText("This would be refused")
	shown.submit("save").wantText("Saved.")
	if got := claimsOf(t, w.login().text(t, "access_token"))["metadata_plan"]; got != "silver" {
		t.Errorf("the token says %v", got)
	}
}

// Two people edit the same entries: the second is shown both, and nothing of either is lost (row M-12).
func TestConsoleConflict(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	for key, value := range map[string]string{"both": `"old"`, "mine": `"old"`, "theirs": `"old"`, "removed": `"old"`} {
		w.put("/api/user/jane-id/metadata/"+key, adminToken, `{"value":`+value+`}`).want(t, http.StatusOK)
	}
	p := w.console("olive", inDefault("user/jane-id/metadata"))
	w.send(http.MethodPatch, "/api/user/jane-id/metadata", adminToken, `{"set":[{"key":"both","value":"theirs"},{"key":"theirs","value":"theirs"},
		{"key":"another","value":"theirs"}],"delete":["removed"]}`).want(t, http.StatusOK)
	second := p.submit("save", "value."+p.at("both"), "mine", "value."+p.at("mine"), "mine", "value."+p.at("removed"), "mine").want(http.StatusConflict)
	second.wantText("Somebody else saved while you were editing", "Stored now by", "The entry was removed meanwhile")
	form := formValues(second.element("editor"))
	for key, want := range map[string]string{"both": "mine", "mine": "mine", "theirs": "theirs", "another": "theirs", "removed": "mine"} {
		if got := form.Get("value." + second.at(key)); got != want {
			t.Errorf("%s is offered as %q, want %q", key, got, want)
		}
	}
	if got := w.entry("jane-id", "mine"); !strings.Contains(got, "old") {
		t.Errorf("a conflict has saved %s", got)
	}
	second.submit("save", "take."+second.at("both"), "1").wantText("Saved.")
	for key, want := range map[string]string{"both": "theirs", "mine": "mine", "theirs": "theirs", "another": "theirs", "removed": "mine"} {
		if got := w.entry("jane-id", key); !strings.Contains(got, `"`+want+`"`) {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}

// The documents users inherit from have the same editor, and an application's.
func TestConsoleOtherDocuments(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	w.post("/api/group", adminToken, `{"slug":"staff"}`).want(t, http.StatusCreated)
	p := w.console("olive", "/console")
	for path, api := range map[string]string{
		"metadata": "/api/org/default/metadata/k", "group/staff/metadata": "/api/group/staff/metadata/k",
		"user/jane-id/metadata?app=login": "/api/user/jane-id/metadata/k?app=login",
	} {
		q := p.b.open(inDefault(path)).submit("add", "add_key", "").submit("save", "key.0", "k", "value.0", "v", "claim.0", "1").wantText("Saved.")
		if got := w.get(api, adminToken).want(t, http.StatusOK).body; !strings.Contains(got, `"value":"v","profileClaim":true`) {
			t.Errorf("%s: %s", path, got)
		}
		history, _, _ := strings.Cut(path, "?")
		history = strings.Replace(history, "metadata", "history", 1)
		if strings.Contains(path, "app=") {
			history += "?app=login"
		}
		undo := q.b.open(inDefault(history)).want(http.StatusOK)
		link := ""
		for n := range undo.root.Descendants() {
			if href := attribute(n, "href"); strings.Contains(href, "/restore?") && strings.HasSuffix(href, "revision=0") && !strings.Contains(href, "key=") {
				link = href
			}
		}
		q.b.open(link).want(http.StatusOK).submit("restore").wantText("Restored")
		w.get(api, adminToken).want(t, http.StatusNotFound)
	}
}

// Rollback is asked about with what it would do, and is one more revision.
func TestConsoleHistory(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	for _, value := range []string{"one", "two", "three"} {
		w.put("/api/user/jane-id/metadata/plan", adminToken, `{"value":"`+value+`"}`).want(t, http.StatusOK)
	}
	w.put("/api/user/jane-id/metadata/other", adminToken, `{"value":"kept"}`).want(t, http.StatusOK)
	p := w.console("olive", inDefault("user/jane-id/history")).wantText("Revision 4", "Revision 1", "two", "three")
	ask := p.b.open(inDefault("user/jane-id/history/restore?revision=1&key=plan")).want(http.StatusOK).wantText("three", "one")
	if !strings.Contains(w.entry("jane-id", "plan"), "three") {
		t.Error("asking has changed it")
	}
	w.put("/api/user/jane-id/metadata/plan", adminToken, `{"value":"four"}`).want(t, http.StatusOK)
	ask.submit("restore").want(http.StatusPreconditionFailed).wantText("four")
	p.b.open(inDefault("user/jane-id/history/restore?revision=1&key=plan")).submit("restore").wantText("Restored", "Revision 6")
	if got := w.entry("jane-id", "plan") + w.entry("jane-id", "other"); !strings.Contains(got, `"one"`) || !strings.Contains(got, "kept") {
		t.Errorf("afterwards: %s", got)
	}
	p.b.open(inDefault("user/jane-id/history?key=plan")).want(http.StatusOK)
	p.b.open(inDefault("user/jane-id/history/restore?revision=x")).want(http.StatusBadRequest)
}

// Row M-13: whatever people put into names, keys and values is text on every page.
func TestConsoleHostileTexts(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	texts := []string{
		pagetest.Hostile, `</textarea><script>alert(1)</script>`, `</script><!--`, `" autofocus onfocus="alert(1)`, `javascript:alert(1)`, `{{.Token}}`,
		"\u2028\u202e\u200b\ufeff", `&lt;script&gt;`, `<svg/onload=alert(1)>`, `'; DROP TABLE users;--`, `%3Cscript%3E`, `../../etc/passwd`, `?done=x.y`,
	}
	sets := []string{}
	for n, text := range texts {
		sets = append(sets, fmt.Sprintf(`{"key":%s,"value":%s}`, quote(text), quote(text)), fmt.Sprintf(`{"key":"k%d","value":{%s:[%s]}}`, n, quote(text), quote(text)))
	}
	w.send(http.MethodPatch, "/api/user/jane-id/metadata", adminToken, `{"set":[`+strings.Join(sets, ",")+`]}`).want(t, http.StatusOK)
	name := quote(texts[0])
	w.send(http.MethodPatch, "/api/user/jane-id", adminToken, `{"profile":{"name":`+name+`,"nickname":`+name+`}}`).want(t, http.StatusOK)
	w.post("/api/group", adminToken, `{"slug":"staff","name":`+name+`,"description":`+name+`}`).want(t, http.StatusCreated)
	w.send(http.MethodPatch, "/api/org/default", adminToken, `{"name":`+name+`}`).want(t, http.StatusOK)
	w.send(http.MethodPatch, "/api/client/login", adminToken, `{"name":`+name+`}`).want(t, http.StatusOK)
	w.define("plan", `{"description":`+name+`,"owner":`+name+`,"schema":{"enum":[`+name+`,"x"]},"searchable":true,"default":`+name+`}`)
	w.put("/api/user/jane-id/metadata/plan", adminToken, `{"value":`+name+`,"profileClaim":true}`).want(t, http.StatusOK)
	if err := w.app.recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	gets, _ := consoleRoutes(t, w)
	p := w.console("ada", "/console")
	for _, language := range []string{"en", "de"} {
		p.b.headers["Accept-Language"] = language
		for _, path := range append(gets, inDefault("definition/edit?key=plan"), inDefault("user?handle=%3Cscript%3E&key1=plan&op1=equals&value1=%22%3E%3Cscript%3E")) {
			path = strings.Replace(path, "/restore", "/restore?revision=0", 1)
			q := p.b.open(path).want(http.StatusOK)
			elements, _ := pagetest.Elements(t, q.body)
			pagetest.CheckDocument(t, language, q.body, elements)
			pagetest.CheckForms(t, elements)
			if policy := q.header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
				t.Errorf("%s: policy %s", path, policy)
			}
			if t.Failed() {
				t.Fatalf("at %s", path)
			}
		}
	}
	// And back again, as it was.
	q := p.b.open(inDefault("user/jane-id/metadata"))
	q.submit("save").want(http.StatusOK)
	for _, text := range texts {
		if got := formValues(q.element("editor")); got.Get("value."+q.at(text)) == "" {
			t.Errorf("%q has no field", text)
		}
	}
	if etag := w.get("/api/user/jane-id/metadata", adminToken).header.Get("ETag"); etag != `"2"` {
		t.Errorf("saving what nobody touched made revision %s", etag)
	}
}
