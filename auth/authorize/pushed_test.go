package authorize_test

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// push pushes a request of a client and returns what the browser is sent with then, with pairs of parameters added.
func (w *world) push(client *auth.Client, params url.Values, thumbprint string, pairs ...string) url.Values {
	w.t.Helper()
	uri, lifetime, err := w.Push(w.t.Context(), client, params, thumbprint, address)
	w.must(err)
	if id, ok := strings.CutPrefix(uri, "urn:ietf:params:oauth:request_uri:"); !ok || len(id) != 43 || lifetime != time.Minute {
		w.t.Errorf("pushed as %s for %v", uri, lifetime)
	}
	in := url.Values{"client_id": {client.ID}, "request_uri": {uri}}
	for n := 0; n+1 < len(pairs); n += 2 {
		in.Set(pairs[n], pairs[n+1])
	}
	return in
}

// Row O-23: a pushed request is the client's own, good once and for a minute, and nothing in the address changes it.
func TestPushed(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorldOver(t, b)
		strict := w.client("strict", func(c *auth.Client) { c.RequirePAR = true })
		refused := func(name string, params url.Values) {
			t.Helper()
			f, answer, err := w.Begin(t.Context(), params, browser)
			if f != nil || answer != nil || auth.CodeOf(err) != auth.InvalidRequestURI {
				t.Errorf("%s: %v %v %v", name, f, parameters(answer), err)
			}
		}
		in := w.push(strict, request("strict", "nonce", "n", "foo", "bar"), challenge, "scope", "email", "redirect_uri", "https://evil.example/",
			"state", "evil", "response_type", "token", "prompt", "none", "request", "x")
		if got := w.recorded("authorize.push"); !slices.Equal(got, []string{"success client:strict default client:strict"}) {
			t.Errorf("recorded %q", got)
		}
		w.pass(59 * time.Second)
		f, answer, err := w.Begin(t.Context(), in, browser)
		if err != nil || answer != nil {
			t.Fatalf("got %v %v", parameters(answer), err)
		}
		if f.Scope != "openid" || f.RedirectURI != callback || f.State != "st" || f.Nonce != "n" || len(f.Prompt) != 0 || f.KeyThumbprint != challenge {
			t.Errorf("it asks for %+v", f)
		}
		refused("used", in)

		late := w.push(strict, request("strict"), "")
		w.pass(time.Minute)
		refused("expired", late)
		foreign := w.push(strict, request("strict"), "")
		refused("another client's", url.Values{"client_id": {"app"}, "request_uri": foreign["request_uri"]})
		unknown := "urn:ietf:params:oauth:request_uri:" + challenge
		for _, uri := range []string{unknown, unknown + "A", unknown[:40], "urn:ietf:params:oauth:request_uri:", "urn:ietf:params:oauth:request_uri:" + strings.Repeat("*", 43)} {
			refused(uri, url.Values{"client_id": {"strict"}, "request_uri": {uri}})
		}

		// Used by many at once it works once.
		in = w.push(strict, request("strict"), "")
		var group sync.WaitGroup
		var mu sync.Mutex
		taken := 0
		for range 32 {
			group.Go(func() {
				if f, _, _ := w.Begin(t.Context(), in, browser); f != nil {
					mu.Lock()
					taken++
					mu.Unlock()
				}
			})
		}
		if group.Wait(); taken != 1 {
			t.Errorf("it was used %d times", taken)
		}
	})
}

// What is wrong with a request is told when it is pushed, by the same rules.
func TestPushIsRefused(t *testing.T) {
	w := newWorld(t)
	app := w.client("app", func(*auth.Client) {})
	machine := w.client("machine", func(c *auth.Client) { c.GrantTypes = []string{auth.GrantClientCredentials} })
	uri := w.push(app, request("app"), "").Get("request_uri")
	two := request("app")
	two.Add("state", "b")
	for name, c := range map[string]struct {
		client     *auth.Client
		params     url.Values
		thumbprint string
		want       auth.Code
	}{
		"another client":           {app, request("wide"), "", auth.InvalidRequest},
		"a pushed request in it":   {app, request("app", "request_uri", uri), "", auth.InvalidRequest},
		"a request_uri in it":      {app, request("app", "request_uri", "https://app.example/r"), "", auth.InvalidRequest},
		"a request object":         {app, request("app", "request", "x"), "", auth.RequestNotSupported},
		"no redirect URI":          {app, request("app", "redirect_uri", ""), "", auth.InvalidRequest},
		"a foreign redirect URI":   {app, request("app", "redirect_uri", "https://evil.example/"), "", auth.InvalidRequest},
		"no challenge":             {app, request("app", "code_challenge", "", "code_challenge_method", ""), "", auth.InvalidRequest},
		"implicit":                 {app, request("app", "response_type", "token"), "", auth.UnsupportedResponseType},
		"a scope":                  {app, request("app", "scope", "iam/"), "", auth.InvalidScope},
		"another key":              {app, request("app", "dpop_jkt", challenge), strings.Repeat("A", 43), auth.InvalidRequest},
		"twice the same parameter": {app, two, "", auth.InvalidRequest},
		"a client without grant":   {machine, request("machine"), "", auth.UnauthorizedClient},
	} {
		w.recorded("")
		got, _, err := w.Push(t.Context(), c.client, c.params, c.thumbprint, address)
		if w.wantCode(err, c.want); got != "" {
			t.Errorf("%s: pushed as %s", name, got)
		}
		if got := w.recorded("authorize.push"); len(got) != 1 || !strings.HasPrefix(got[0], "denied "+string(c.want)) {
			t.Errorf("%s: recorded %q", name, got)
		}
	}
	if _, _, err := w.Push(t.Context(), app, request("app", "client_id", "", "dpop_jkt", challenge), challenge, address); err != nil {
		t.Errorf("a request without client_id: %v", err)
	}
	// It is read again when it is used.
	in := w.push(app, request("app"), "")
	w.client("app", func(c *auth.Client) { c.RedirectURIs = []string{callback + "2"} })
	if f, _, err := w.Begin(t.Context(), in, browser); f != nil || auth.CodeOf(err) != auth.InvalidRequest {
		t.Errorf("got %v %v", f, err)
	}
}

func TestPushesAreBounded(t *testing.T) {
	w := newWorld(t)
	public := w.client("public", func(c *auth.Client) { c.SecretHash = "" })
	pushed := 0
	for range 300 {
		if _, _, err := w.Push(t.Context(), public, request("public"), "", address); err != nil {
			w.wantCode(err, auth.Throttled)
			break
		}
		pushed++
	}
	if pushed < 100 || pushed > 120 {
		t.Errorf("%d requests were pushed at once", pushed)
	}
	if _, _, err := w.Push(t.Context(), public, request("public"), "", "198.51.100.9"); err != nil {
		t.Errorf("from another address: %v", err)
	}
}
