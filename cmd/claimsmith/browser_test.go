package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// browser is somebody's browser without JavaScript: it keeps cookies, follows redirects within the issuer and fills in forms.
type browser struct {
	t      testing.TB
	w      *world
	client *http.Client
	// headers are sent with every request, as a browser sends its language.
	headers map[string]string
}

// newBrowser opens a fresh browser in front of a world.
func (w *world) newBrowser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	b := &browser{t: w.t, w: w, headers: map[string]string{}}
	b.client = &http.Client{
		Jar: jar, Transport: roundTripper{w},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if !strings.HasPrefix(r.URL.String(), testIssuer+"/") {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	return b
}

// roundTripper answers in the process.
type roundTripper struct{ w *world }

func (r roundTripper) RoundTrip(q *http.Request) (*http.Response, error) {
	in := httptest.NewRequest(q.Method, q.URL.RequestURI(), q.Body)
	in.Header = q.Header.Clone()
	in.Host = q.URL.Host
	in.RemoteAddr = r.w.address
	in.ContentLength = q.ContentLength
	recorder := httptest.NewRecorder()
	r.w.server.ServeHTTP(recorder, in)
	answer := recorder.Result()
	answer.Request = q
	return answer, nil
}

// page is what a browser shows, or the redirect out of the issuer it stopped at.
type page struct {
	b        *browser
	status   int
	header   http.Header
	url      *url.URL
	location string
	body     string
	root     *html.Node
}

func (b *browser) do(r *http.Request) *page {
	b.t.Helper()
	for name, value := range b.headers {
		if r.Header.Get(name) == "" {
			r.Header.Set(name, value)
		}
	}
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		b.t.Fatal(err)
	}
	return &page{
		b: b, status: answer.StatusCode, header: answer.Header, url: answer.Request.URL, location: answer.Header.Get("Location"),
		body: string(body), root: root,
	}
}

// open goes to a path of the issuer or a whole address.
func (b *browser) open(target string) *page {
	b.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = testIssuer + target
	}
	r, err := http.NewRequest(http.MethodGet, target, http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

// postForm sends a form as a page of the issuer would.
func (b *browser) postForm(target string, values url.Values) *page {
	b.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = testIssuer + target
	}
	r, err := http.NewRequest(http.MethodPost, target, strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", testIssuer)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

func (p *page) want(status int) *page {
	p.b.t.Helper()
	if p.status != status {
		p.b.t.Fatalf("%s: got %d, want %d\n%s", p.url, p.status, status, p.text())
	}
	return p
}

// walk visits the elements of the page until visit reports false.
func (p *page) walk(visit func(*html.Node) bool) {
	var descend func(*html.Node) bool
	descend = func(n *html.Node) bool {
		if n.Type == html.ElementNode && !visit(n) {
			return false
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			if !descend(c) {
				return false
			}
		}
		return true
	}
	descend(p.root)
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// element returns the element with an id, nil if there is none.
func (p *page) element(id string) (found *html.Node) {
	p.walk(func(n *html.Node) bool {
		if attribute(n, "id") == id {
			found = n
		}
		return found == nil
	})
	return found
}

// text is what a person reads, for failures and for contains.
func (p *page) text() string {
	var b strings.Builder
	var descend func(*html.Node)
	descend = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(strings.Join(strings.Fields(n.Data), " ") + " ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			descend(c)
		}
	}
	descend(p.root)
	return strings.Join(strings.Fields(b.String()), " ")
}

// submit presses the button with an id, after filling in fields by pairs of name and value.
func (p *page) submit(button string, fields ...string) *page {
	p.b.t.Helper()
	pressed := p.element(button)
	if pressed == nil {
		p.b.t.Fatalf("%s has no %q:\n%s", p.url, button, p.text())
	}
	form := pressed
	for form != nil && form.Data != "form" {
		form = form.Parent
	}
	if form == nil {
		p.b.t.Fatalf("%s: %q is in no form", p.url, button)
	}
	values := formValues(form)
	if name := attribute(pressed, "name"); name != "" {
		values.Set(name, attribute(pressed, "value"))
	}
	for n := 0; n+1 < len(fields); n += 2 {
		values.Set(fields[n], fields[n+1])
	}
	action, err := p.url.Parse(attribute(form, "action"))
	if err != nil {
		p.b.t.Fatal(err)
	}
	if strings.EqualFold(attribute(form, "method"), "get") {
		action.RawQuery = values.Encode()
		return p.b.open(action.String())
	}
	if attribute(form, "enctype") == "multipart/form-data" {
		return p.b.postParts(action.String(), values)
	}
	return p.b.postForm(action.String(), values)
}

// formValues are the values a form has before anybody types.
func formValues(form *html.Node) url.Values {
	values := url.Values{}
	var descend func(*html.Node)
	descend = func(n *html.Node) {
		name, kind := attribute(n, "name"), attribute(n, "type")
		chosen := kind != "radio" && kind != "checkbox" && kind != "submit" && kind != "file"
		if n.Type == html.ElementNode && (has(n, "disabled") && n.Data != "option") {
			return
		}
		switch {
		case n.Type != html.ElementNode:
		case n.Data == "input" && name != "" && (chosen || has(n, "checked")):
			values.Set(name, attribute(n, "value"))
		case n.Data == "textarea" && n.FirstChild != nil:
			values.Set(name, strings.ReplaceAll(n.FirstChild.Data, "\n", "\r\n"))
		case n.Data == "select":
			values.Set(name, selected(n))
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			descend(c)
		}
	}
	descend(form)
	return values
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

// selected is the value of the option a list shows: the one that is marked, or the first.
func selected(list *html.Node) string {
	value, first := "", true
	for n := range list.Descendants() {
		if n.Type != html.ElementNode || n.Data != "option" || !first && !has(n, "selected") {
			continue
		}
		first, value = false, attribute(n, "value")
		if !has(n, "value") && n.FirstChild != nil {
			value = n.FirstChild.Data
		}
	}
	return value
}

// postParts sends a form with files, but without one.
func (b *browser) postParts(target string, values url.Values) *page {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name := range values {
		if err := form.WriteField(name, values.Get(name)); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		b.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, target, &body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Origin", testIssuer)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// signIn fills in the sign-in page as jane.
func (p *page) signIn() *page {
	p.b.t.Helper()
	return p.submit("login", "username", janeMail, "password", janePass)
}

// answered returns the parameters of the authorization response the browser was sent away with.
func (p *page) answered() url.Values {
	p.b.t.Helper()
	u, err := url.Parse(p.location)
	if err != nil || p.location == "" || p.status != http.StatusSeeOther {
		p.b.t.Fatalf("%s: got %d to %q, want an authorization response\n%s", p.url, p.status, p.location, p.text())
	}
	return u.Query()
}

// A code verifier and its challenge (RFC 7636 §4).
const testVerifier = "a-code-verifier-of-at-least-43-characters-for-tests"

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorizeURL is the address of an authorization request, with pairs of further parameters; one without a value removes what is there.
func authorizeURL(client, redirect string, parameters ...string) string {
	values := url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {redirect}, "scope": {"openid profile email"}, "state": {"a-state"},
		"nonce": {"a-nonce"}, "code_challenge": {challengeOf(testVerifier)}, "code_challenge_method": {"S256"},
	}
	for n := 0; n+1 < len(parameters); n += 2 {
		values.Set(parameters[n], parameters[n+1])
		if parameters[n+1] == "" {
			values.Del(parameters[n])
		}
	}
	return testIssuer + "/oauth/authorize?" + values.Encode()
}
