package auth_test

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
)

// Row O-01: what may be registered, by the kind of client.
func TestValidRedirectURI(t *testing.T) {
	const web, native = auth.TypeWeb, auth.TypeNative
	for uri, types := range map[string][]string{
		"https://app.example/cb":                            {web, native},
		"https://app.example":                               {web, native},
		"https://app.example:8443/a/b?tenant=1&x=%20":       {web, native},
		"https://xn--bcher-kva.example/cb":                  {web, native},
		"https://192.0.2.1/cb":                              {web, native},
		"https://[2001:db8::1]:8443/cb":                     {web, native},
		"https://app.example/@user":                         {web, native},
		"http://127.0.0.1/cb":                               {native},
		"http://127.0.0.1:4711/cb?x=1":                      {native},
		"http://[::1]:4711":                                 {native},
		"com.example.app:/cb":                               {native},
		"com.example.app://cb/more?x=1":                     {native},
		"com.example.app:/":                                 {native},
		"":                                                  nil,
		"/cb":                                               nil,
		"app.example/cb":                                    nil,
		"//app.example/cb":                                  nil,
		"https:///cb":                                       nil,
		"https:app.example/cb":                              nil,
		"https://":                                          nil,
		"HTTPS://app.example/cb":                            nil,
		"https://APP.example/cb":                            nil,
		"http://app.example/cb":                             nil,
		"http://localhost/cb":                               nil,
		"http://localhost:4711/cb":                          nil,
		"http://127.0.0.2/cb":                               nil,
		"http://127.1/cb":                                   nil,
		"http://127.0.0.1.example/cb":                       nil,
		"http://[::1].example/cb":                           nil,
		"https://app.example/cb#f":                          nil,
		"https://app.example/cb#":                           nil,
		"https://user@app.example/cb":                       nil,
		"https://user:secret@app.example/cb":                nil,
		"https://app.example@evil.example/cb":               nil,
		"https://a@b@evil.example/":                         nil,
		`https://app.example\@evil.example`:                 nil,
		`https://app.example/\evil.example`:                 nil,
		"https://*.example/":                                nil,
		"*":                                                 nil,
		"https://app.example:0/cb":                          nil,
		"https://app.example:65536/cb":                      nil,
		"https://app.example:/cb":                           nil,
		"https://app.example:44 3/cb":                       nil,
		"https://app.example/%":                             nil,
		"https://app.example/%2":                            nil,
		"https://app.example/%zz":                           nil,
		"https://app.example/c b":                           nil,
		"https://app.example/cb\n":                          nil,
		"https://app.example/cb\r\nSet-Cookie: x":           nil,
		"https://app.example/\x00":                          nil,
		"https://app.example/é":                             nil,
		"https://аpp.example/cb":                            nil, // a Cyrillic a
		"https://app.example/<svg>":                         nil,
		"https://-app.example/":                             nil,
		"https://app..example/":                             nil,
		" https://app.example/cb":                           nil,
		"JaVaScRiPt:alert(1)":                               nil,
		"javascript:alert(1)":                               nil,
		"javascript://app.example/%0aalert(1)":              nil,
		"data:text/html,x":                                  nil,
		"data:/text/html,x":                                 nil,
		"vbscript:/x":                                       nil,
		"file:///etc/passwd":                                nil,
		"myapp:/cb":                                         nil, // no dot
		"com.example.app:cb":                                nil,
		"com.example.app:":                                  nil,
		"com.example.app://":                                nil,
		"com.example.app:///cb":                             nil,
		"com.example.app://user@cb":                         nil,
		"com.example.app:/cb#f":                             nil,
		"Com.example.app:/cb":                               nil,
		"urn:ietf:wg:oauth:2.0:oob":                         nil,
		"https://app.example/" + strings.Repeat("a", 1<<10): nil,
	} {
		for _, clientType := range []string{web, native, ""} {
			want := slices.Contains(types, clientType) || clientType == "" && slices.Contains(types, web)
			if got := auth.ValidRedirectURI(uri, clientType); got != want {
				t.Errorf("%q of type %q: %v, want %v", uri, clientType, got, want)
			}
		}
	}
}

// Row O-01: what is taken for one that is registered.
func TestMatchRedirectURI(t *testing.T) {
	registered := []string{
		"https://app.example/cb", "https://other.example/cb?x=1", "http://127.0.0.1/cb", "http://[::1]:80/cb?x=1", "com.example.app:/cb",
		"http://localhost/cb", // as dev lets web clients have it
	}
	for uri, types := range map[string]string{
		"https://app.example/cb":                    "web native",
		"https://other.example/cb?x=1":              "web native",
		"http://127.0.0.1/cb":                       "web native",
		"http://127.0.0.1:1/cb":                     "native",
		"http://127.0.0.1:65535/cb":                 "native",
		"http://[::1]/cb?x=1":                       "native",
		"http://[::1]:4711/cb?x=1":                  "native",
		"com.example.app:/cb":                       "native",
		"http://127.0.0.1:4711/cb/":                 "",
		"http://127.0.0.1:4711/cb?x=1":              "",
		"http://127.0.0.1:4711":                     "",
		"http://127.0.0.1:0/cb":                     "",
		"http://127.0.0.1:/cb":                      "",
		"http://127.0.0.1:08/cb":                    "",
		"http://127.0.0.1:99999/cb":                 "",
		"http://127.0.0.1:80@evil/cb":               "",
		"http://[::1]:4711/cb":                      "",
		"http://[0:0:0:0:0:0:0:1]/cb":               "",
		"http://localhost/cb":                       "web",
		"http://localhost:4711/cb":                  "",
		"https://127.0.0.1/cb":                      "",
		"https://app.example:443/cb":                "",
		"https://app.example:8443/cb":               "",
		"com.example.app:/cb/":                      "",
		"com.example.app://cb":                      "",
		"https://app.example/cb/":                   "",
		"https://app.example/cb?x=1":                "",
		"https://app.example/cb?":                   "",
		"https://app.example/cb#f":                  "",
		"https://app.example/CB":                    "",
		"https://app.example/cb%2F..":               "",
		"https://app.example/cb/..;/x":              "",
		"https://app.example/%63b":                  "",
		"https://app.example/cb/../cb":              "",
		"https://app.example//cb":                   "",
		"https://app.example/c":                     "",
		"https://app.example":                       "",
		"HTTPS://APP.example/cb":                    "",
		"app.example/cb":                            "",
		"//app.example/cb":                          "",
		"http://app.example/cb":                     "",
		"https://app.example.:443/cb":               "",
		"https://app.example./cb":                   "",
		"https://app.example.evil.example/cb":       "",
		"https://evil.example/https://app.example/": "",
		"https://app.example@evil.example/cb":       "",
		`https://app.example\@evil.example`:         "",
		`https:\\app.example/cb`:                    "",
		"https://app.example/cb ":                   "",
		"\thttps://app.example/cb":                  "",
		"https://other.example/cb":                  "",
		"https://other.example/cb?x=1&y=2":          "",
		"":                                          "",
	} {
		for _, clientType := range []string{auth.TypeWeb, auth.TypeNative, ""} { // the last is a record's that says nothing: web
			want := slices.Contains(strings.Fields(types), cmp.Or(clientType, auth.TypeWeb))
			if got := auth.MatchRedirectURI(registered, uri, clientType); got != want {
				t.Errorf("%q of type %q: %v, want %v", uri, clientType, got, want)
			}
		}
	}
	if auth.MatchRedirectURI(nil, "https://app.example/cb", auth.TypeWeb) {
		t.Error("a client without redirect URIs has one")
	}
}

// Whatever matches leads browsers to the very place that is registered.
func FuzzMatchRedirectURI(f *testing.F) {
	registered := []string{"https://app.example/cb", "http://127.0.0.1/cb", "http://[::1]:8080/cb?x=1", "com.example.app:/cb"}
	for _, uri := range append(registered, "http://127.0.0.1:1@evil/cb", "http://127.0.0.1:4711/cb", "https://app.example\\@evil") {
		f.Add(uri, true)
		f.Add(uri, false)
	}
	f.Fuzz(func(t *testing.T, uri string, native bool) {
		clientType := auth.TypeWeb
		if native {
			clientType = auth.TypeNative
		}
		if !auth.MatchRedirectURI(registered, uri, clientType) {
			return
		}
		asked, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q is no URL: %v", uri, err)
		}
		if !slices.ContainsFunc(registered, func(r string) bool {
			own, _ := url.Parse(r)
			return own.Scheme == asked.Scheme && own.Hostname() == asked.Hostname() && own.RequestURI() == asked.RequestURI() &&
				(r == uri || native && own.Scheme == "http")
		}) {
			t.Errorf("%q matches", uri)
		}
		if asked.User != nil || asked.Fragment != "" {
			t.Errorf("%q has a user or a fragment", uri)
		}
	})
}
