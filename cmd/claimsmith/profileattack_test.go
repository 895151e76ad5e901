package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/handlers/console/page/pagetest"
)

// Row M-13: whatever is typed in whichever field is shown as text, and nothing of it is a script or a tag.
func TestHostileProfiles(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	b := w.visitor()
	for _, text := range []string{
		pagetest.Hostile + `</script><!--`, "\u2028\u202e</textarea></select></option><svg/onload=alert(1)>{{.Token}}", "JaVaScRiPt:alert(1)//&lt;script&gt;",
		"data:text/html,<script>alert(1)</script>",
	} {
		for _, path := range []string{"/account/profile", "/account/profile/career", "/account/profile/memory"} {
			opened := b.ownPage(path)
			tried := map[string]bool{}
			for _, button := range buttons(opened) {
				kind := strings.Trim(strings.Map(func(r rune) rune { // of many records of a kind one is enough
					if '0' <= r && r <= '9' {
						return -1
					}
					return r
				}, button), "-")
				if tried[kind] {
					continue
				}
				tried[kind] = true
				form := opened.element(button)
				for form.Data != "form" {
					form = form.Parent
				}
				if attribute(form, "enctype") != "" || strings.HasPrefix(attribute(form, "action"), "/account/profile/confirm") {
					continue
				}
				var fields []string
				for name := range formValues(form) {
					if name != "token" && name != "id" && name != "kind" && !strings.HasPrefix(name, "was.") {
						fields = append(fields, name, text)
					}
				}
				for _, dates := range []bool{false, true} { // all of it wrong, and as much as possible right
					if dates {
						fields = append(fields, "start_date", "2020-01-01", "end_date", "2021-01-01", "grade", "1", "established_year", "1900", "institution_type", "other",
							"category_slug", "preferences", "year_of_birth", "1990", "account_privacy", "all_users", "time_zone", "Europe/Vienna", "level_of_education", "m",
							"country", "AT", "gender", "o", "phone_number", "+4312345", "name", "Jane")
					}
					harmless(t, text, opened.submit(button, fields...))
				}
			}
			harmless(t, text, b.ownPage(path))
		}
	}
	for _, name := range []string{`"><script>alert(1)</script>.pdf`, "a\r\nSet-Cookie: x=y.pdf", "../../etc/passwd.pdf", "\u202efdp.exe.pdf"} {
		p := b.ownPage("/account/profile/career")
		token := sentPart{field: "token", content: p.valueOf("token")}
		file := sentPart{"file", strings.NewReplacer(`"`, `\"`, "\r", "%0D", "\n", "%0A").Replace(name), "application/pdf", somePDF}
		p = b.upload("/account/profile/career/file", token, sentPart{field: "type", content: "resume"}, file)
		harmless(t, name, p)
		p.walk(func(n *html.Node) bool {
			if href := attribute(n, "href"); strings.HasPrefix(href, "/account/profile/career/file/") {
				got := b.open(href).want(http.StatusOK)
				if said := got.header.Get("Content-Disposition"); !strings.HasPrefix(said, "attachment; filename=\"") || strings.ContainsAny(said, "\r\n<>/\\\u202e") ||
					strings.Count(said, `"`) != 2 {
					t.Errorf("%q is sent as %s", name, said)
				}
			}
			return true
		})
	}
}

// buttons are the ids of the page's buttons that save something.
func buttons(p *page) (ids []string) {
	p.walk(func(n *html.Node) bool {
		if id := attribute(n, "id"); n.Data == "button" && strings.HasSuffix(id, "-save") {
			ids = append(ids, id)
		}
		return true
	})
	return ids
}

// harmless fails where a page has anything in it that its templates have not.
func harmless(t testing.TB, text string, p *page) {
	t.Helper()
	if p.status >= 500 {
		t.Errorf("%q: %d at %s", text, p.status, p.url)
	}
	p.walk(func(n *html.Node) bool {
		if slices.Contains([]string{"svg", "iframe", "object", "embed", "base", "style"}, n.Data) || n.Data == "script" && !strings.HasPrefix(attribute(n, "src"), "/static/") ||
			n.Data == "img" && attribute(n, "id") != "portrait" {
			t.Errorf("%q became <%s> at %s", text, n.Data, p.url)
		}
		for _, a := range n.Attr {
			scheme, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(a.Val)), ":")
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || (a.Key == "href" || a.Key == "src" || a.Key == "action") && (scheme == "javascript" || scheme == "data") {
				t.Errorf("%q became %s=%q at %s", text, a.Key, a.Val, p.url)
			}
		}
		return true
	})
}

// Rows S-04, S-08: every form of the pages is taken from them alone and from whom it was made for, and of a file from elsewhere nothing is read.
func TestForgedProfiles(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	b := w.visitor()
	token := b.ownPage("/account/profile").valueOf("token")
	name, password := w.bob()
	bobs := w.visitor().open("/account/profile").submit("login", "username", name, "password", password).want(http.StatusOK).valueOf("token")
	forms, uploads := profileForms(), []string{"/account/profile/picture", "/account/profile/career/file"}
	for _, target := range forms {
		for _, forged := range []string{"", "x", bobs} {
			b.postForm(target, url.Values{"token": {forged}, "name": {"Eve"}, "content": {"Eve"}}).want(http.StatusForbidden)
		}
		if !slices.Contains(uploads, target) {
			w.visitor().postForm(target, url.Values{"token": {token}}).shows("login")
		}
	}
	png := sentPart{"file", "me.png", "image/png", somePNG(t)}
	for _, target := range uploads {
		for _, parts := range [][]sentPart{
			{png}, {{field: "token", content: bobs}, png}, {{field: "type", content: "resume"}, {field: "token", content: token}, png}, {},
			{{"token", "token", "text/plain", token}, png}, {{field: "token", content: strings.Repeat(token, 10_000)}, png},
		} {
			b.upload(target, parts...).want(http.StatusForbidden)
		}
		w.visitor().upload(target, sentPart{field: "token", content: token}, png).shows("login")
		r := uploadOf(t, target, sentPart{field: "token", content: token}, png)
		r.Header.Set("Origin", "https://evil.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		b.do(r).want(http.StatusForbidden)
		for _, cookie := range []string{"", sessionCookie + "=" + strings.Repeat("A", 100)} {
			in := httptest.NewRequest(http.MethodPost, target, unread{t})
			in.Header = http.Header{"Content-Type": r.Header["Content-Type"], "Sec-Fetch-Site": {"same-origin"}, "Cookie": {cookie}}
			recorder := httptest.NewRecorder()
			w.server.ServeHTTP(recorder, in)
			if recorder.Code != http.StatusSeeOther {
				t.Errorf("%s for nobody: %d", target, recorder.Code)
			}
		}
	}
	if got := b.ownPage("/account/profile"); got.heldBy("about-name") != "Jane Doe" || got.element("portrait") != nil {
		t.Errorf("something was changed: %s", got.text())
	}
}

// profileForms are the addresses of the forms of the pages.
func profileForms() []string {
	var all []string
	for _, path := range []string{
		"about", "details", "links", "privacy", "email", "confirm", "picture/remove", "career/remove", "career/links", "career/remove-file",
		"memory/flags", "memory/add", "memory/remove", "memory/fact", "memory/fact/remove",
	} {
		all = append(all, "/account/profile/"+path)
	}
	for _, kind := range []career.Kind{career.Education, career.Experience, career.Institutions, career.Companies} {
		all = append(all, "/account/profile/career/"+string(kind))
	}
	return all
}

// Whoever has to log in first gets to the page he asked for.
func TestTheLinkToAProfileOutlivesTheSignIn(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	for _, path := range []string{"/account/profile", "/account/profile/career", "/account/profile/memory"} {
		if got := w.visitor().open(path).shows("login").signIn().want(http.StatusOK).url.Path; got != path {
			t.Errorf("asked for %s and got to %s", path, got)
		}
	}
}
