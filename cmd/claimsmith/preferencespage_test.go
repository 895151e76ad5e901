package main

import (
	"archive/zip"
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// What the definitions let a user write, he writes at his own page, and sees there what services are told.
func TestPreferencesPage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	define := func(key, definition string) {
		t.Helper()
		w.put("/api/metadata-key/"+key, adminToken, definition).want(t, http.StatusCreated)
	}
	define("newsletter", `{"description":"The newsletter by mail","type":"boolean","claim":"always","write":"self"}`)
	define("color", `{"description":"Colour of the pages","schema":{"enum":["red","blue"]},"write":"self","claim":"never"}`)
	define("age", `{"type":"integer","write":"self","claim":"never","max_bytes":3}`)
	define("tier", `{"type":"string","claim":"always","default":"free"}`)
	define("risk", `{"type":"string","claim":"never","read":"operator"}`)
	entry := "/api/user/jane/metadata/"
	w.put(entry+"risk", adminToken, `{"value":"high risk marker"}`).want(t, http.StatusOK)

	b := w.visitor()
	b.account()
	page := b.open("/account/preferences").want(http.StatusOK)
	page.says("The newsletter by mail").says("Colour of the pages").says("Services you sign in to see this").says("Services do not see this")
	if text := page.textOf("seen"); !strings.Contains(text, "tier") || !strings.Contains(text, "free") || strings.Contains(page.body, "risk") {
		t.Errorf("services see %q", text)
	}

	form := page.formFor("/account/preferences")
	if form.Has("value.tier") || form.Has("value.risk") {
		t.Errorf("what is not his to change can be changed: %v", form)
	}
	form.Set("value.newsletter", "true")
	form.Set("value.color", `"blue"`)
	page = b.postForm("/account/preferences", form).want(http.StatusOK).says("Your preferences are saved")
	if text := page.textOf("seen"); !strings.Contains(text, "newsletter") || strings.Contains(text, "color") {
		t.Errorf("services see %q", text)
	}
	wantColor(t, w, "blue")
	if got := w.get(entry+"newsletter", adminToken).want(t, http.StatusOK).body; !strings.Contains(got, `"profileClaim":true`) {
		t.Errorf("the newsletter is no claim: %s", got)
	}

	// Saving what was not touched leaves what somebody else has changed since.
	form = page.formFor("/account/preferences")
	w.put(entry+"color", adminToken, `{"value":"red"}`).want(t, http.StatusOK)
	form.Del("value.newsletter")
	b.postForm("/account/preferences", form).want(http.StatusOK)
	wantColor(t, w, "red")

	// A refusal says where, and keeps what was typed.
	form = b.open("/account/preferences").formFor("/account/preferences")
	form.Set("value.age", "12345")
	form.Set("value.color", `"blue"`)
	page = b.postForm("/account/preferences", form).says("Nothing was saved")
	if !strings.Contains(page.body, `value="12345"`) || page.status < 400 {
		t.Errorf("%d: what was typed is lost:\n%s", page.status, page.text())
	}
	wantColor(t, w, "red")
	form.Set("value.age", "no number")
	b.postForm("/account/preferences", form).want(http.StatusBadRequest).says("This is not a number")

	// His own setting can go, a key that is not his is not touched whatever the form says.
	form = b.open("/account/preferences").formFor("/account/preferences")
	form.Set("reset.color", "yes")
	for _, key := range []string{"tier", "risk", "role"} {
		form.Set("shown."+key, "1")
		form.Set("value."+key, `"gold"`)
	}
	b.postForm("/account/preferences", form).want(http.StatusOK)
	w.get(entry+"color", adminToken).want(t, http.StatusNotFound)
	w.get(entry+"tier", adminToken).want(t, http.StatusNotFound)
	w.get(entry+"role", adminToken).want(t, http.StatusNotFound)

	// Only from this page, and only for whom it was made.
	form.Set("token", "forged")
	b.postForm("/account/preferences", form).want(http.StatusForbidden)
	w.visitor().postForm("/account/preferences", url.Values{"token": {"x"}}).shows("login")
}

// Whoever has to log in first gets to the page he asked for.
func TestTheLinkToPreferencesOutlivesTheSignIn(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	for _, path := range []string{"/account/preferences", "/account"} {
		if got := w.newBrowser().open(path).shows("login").signIn().want(http.StatusOK).url.Path; got != path {
			t.Errorf("asked for %s and got to %s", path, got)
		}
	}
}

func wantColor(t *testing.T, w *world, want string) {
	t.Helper()
	if got := w.get("/api/user/jane/metadata/color", adminToken).want(t, http.StatusOK).text(t, "value"); got != want {
		t.Errorf("the colour is %s, want %s", got, want)
	}
}

// A user takes everything that is held about him with him, but what only operators may read.
func TestAccountExport(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	w.put("/api/metadata-key/risk", adminToken, `{"type":"string","claim":"never","read":"operator"}`).want(t, http.StatusCreated)
	w.put("/api/user/jane/metadata/risk", adminToken, `{"value":"risk marker"}`).want(t, http.StatusOK)
	w.put("/api/user/jane/metadata/theme", adminToken, `{"value":"theme marker","profileClaim":true}`).want(t, http.StatusOK)
	flush(t, w)
	b := w.visitor()
	answer := b.account().submit("export").want(http.StatusOK)
	if got := answer.header.Get("Content-Type"); got != "application/zip" {
		t.Fatalf("it is %s", got)
	}
	archive, err := zip.NewReader(bytes.NewReader([]byte(answer.body)), int64(len(answer.body)))
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, file := range archive.File {
		content, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := all.ReadFrom(content); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(all.String(), "theme marker") || strings.Contains(all.String(), "risk marker") {
		t.Errorf("the archive has %s", all.String())
	}
	if !strings.Contains(all.String(), `"user.create"`) {
		t.Error("the archive has no event of the user's creation")
	}

	// Three times in a row are enough; who manages the user may go on.
	for range 2 {
		b.open("/account").submit("export").want(http.StatusOK)
	}
	if refused := b.open("/account").submit("export").want(http.StatusTooManyRequests); refused.header.Get("Retry-After") == "" {
		t.Error("it is not said when there is another")
	}
	own := w.try("jane", janePass, "").want(t, http.StatusOK).text(t, "access_token")
	w.get("/api/user/me/export", own).want(t, http.StatusTooManyRequests)
	w.get("/api/user/jane/export", adminToken).want(t, http.StatusOK)
}
