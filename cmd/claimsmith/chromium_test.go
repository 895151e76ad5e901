package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/records"
	authstore "github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/internal/testkit"
)

// chromium is a real browser with a virtual authenticator, in front of an issuer and of an application on another site.
type chromium struct {
	t   *testing.T
	ctx context.Context
	// issuer and app are where the two are, program is the issuer's.
	issuer, app string
	program     *app
	// answers are the authorization responses the application got, complaints what the browser found wrong.
	answers    chan url.Values
	complaints chan string
	log        *testkit.Log
}

// newChromium starts everything. Browsers give passkeys to a host name alone, and, without TLS, to localhost alone.
func newChromium(t *testing.T) *chromium {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CLAIMSMITH_TEST_REQUIRE_BROWSER") == "1" {
			t.Fatal(err)
		}
		t.Skipf("needs chromium: %v", err)
	}
	c := &chromium{t: t, answers: make(chan url.Values, 16), complaints: make(chan string, 64), log: &testkit.Log{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.log.String())
		}
	})
	c.startApp()
	c.startIssuer()

	allocator, stop := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
	)...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	c.ctx = ctx
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil { // starts the browser
		t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			select {
			case c.complaints <- m.Text:
			default: // enough is known
			}
		}
	}()
	return c
}

func (c *chromium) startApp() {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		switch r.URL.Path {
		case "/callback":
			_ = r.ParseForm()
			c.answers <- r.Form
			_, _ = io.WriteString(w, `<h1 id="back">back</h1>`)
		case "/frame":
			_, _ = io.WriteString(w, `<h1>An offer</h1><iframe src="`+c.issuer+`/account"></iframe>`)
		case "/forged":
			_, _ = io.WriteString(w, `<form method="post" action="`+c.issuer+`/account/totp"><button id="go">Win</button></form>`)
		}
	}))
	c.t.Cleanup(app.Close)
	c.app = app.URL
}

func (c *chromium) startIssuer() {
	t := c.t
	t.Helper()
	var server http.Handler
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.ServeHTTP(w, r) }))
	t.Cleanup(site.Close)
	c.issuer = strings.Replace(site.URL, "127.0.0.1", "localhost", 1)

	ctx, run := t.Context(), &durable.Runner{Client: redistest.Embedded(t).Client}
	space, err := authstore.Initialise(ctx, run, keyspace.DefaultPartitions)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := keys.NewSealer([]byte("a key encryption key of 32 bytes"))
	if err != nil {
		t.Fatal(err)
	}
	settings, logger := testSettings(), slog.New(slog.NewJSONHandler(c.log, nil))
	settings.Issuer = c.issuer
	files, err := openFiles(ctx, records.InMemory, sealer)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(installation{run, space, sealer, time.Now, files}, settings, logger)
	c.program = a
	if err == nil {
		err = a.install(ctx)
	}
	if err == nil {
		server, err = handlers.New(handlers.Config{
			Logger: logger, Now: time.Now, Dialects: a.dialects(), RequestTimeout: 20 * time.Second, AccessLog: true,
		})
	}
	if err == nil {
		_, err = a.users.Create(ctx, auth.System(), auth.DefaultOrg, auth.NewUser{ID: "jane-id", Username: "jane", Password: janePass}, "")
	}
	if err == nil {
		public, redirects := true, []string{c.app + "/callback"}
		_, _, err = a.clients.Create(ctx, auth.System(), auth.DefaultOrg, auth.NewClient{
			ID: "native", Preset: auth.PresetNative, Public: &public, ClientChange: auth.ClientChange{RedirectURIs: &redirects},
		})
	}
	if err == nil {
		_, _, err = a.clients.Create(ctx, auth.System(), auth.DefaultOrg, auth.NewClient{ID: "tv", Preset: auth.PresetDevice})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// do takes steps in the browser; each waits until it can be taken.
func (c *chromium) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		at, _ := chromedp.Run(c.ctx, chromedp.Location())
		c.t.Fatalf("%s: %v at %s", what, err, at)
	}
}

func visit(target string) chromedp.Action[chromedp.Void] { return chromedp.Navigate(target) }
func press(id string) chromedp.Action[chromedp.Void]     { return chromedp.Click(chromedp.ID(id)) }
func seen(id string) chromedp.Action[chromedp.Void]      { return chromedp.WaitVisible(chromedp.ID(id)) }

func enter(id, text string) chromedp.Action[chromedp.Void] {
	return chromedp.SendKeys(chromedp.ID(id), text)
}

// authorize is the address of a request of the application.
func (c *chromium) authorize(parameters ...string) string {
	return strings.Replace(authorizeURL("native", c.app+"/callback", parameters...), testIssuer, c.issuer, 1)
}

// answered fails unless the application got a code.
func (c *chromium) answered() {
	c.t.Helper()
	c.do("back at the application", seen("back"))
	if answer := <-c.answers; answer.Get("code") == "" || answer.Get("iss") != c.issuer {
		c.t.Errorf("answer: %v", answer)
	}
}

func call[P, R any](c *chromium, command cdp.Command[P, R], params P) R {
	c.t.Helper()
	result, err := chromedp.Call(c.ctx, command, params)
	if err != nil {
		c.t.Fatal(err)
	}
	return result
}

// A person in a real browser: a passkey is made, and used as the browser offers it by itself and as the second factor, and answers go where
// they should by redirect and by form, all under the policy of the pages, which the browser complains about nowhere.
func TestPasskeysInChromium(t *testing.T) {
	c := newChromium(t)
	call(c, webauthn.Enable, webauthn.EnableParams{})
	authenticator := call(c, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true,
			AutomaticPresenceSimulation: true,
		},
	}).AuthenticatorID
	touch := func(itself bool) {
		call(c, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: authenticator, Enabled: itself})
	}

	c.do("sign in", visit(c.issuer+"/account"), seen("passkey"), enter("username", "jane"), enter("password", janePass), press("login"), seen("sessions"))
	c.do("make a passkey", enter("passkey_name", "Virtual"), press("passkey_add"), seen("done"), seen("passkeys"))
	c.do("sign out", press("logout"), seen("signed_out"))
	c.do("the browser offers the passkey by itself", visit(c.issuer+"/account"), seen("sessions"))
	c.do("sign out", press("logout"), seen("signed_out"))

	touch(false)
	c.do("the offer is not taken", visit(c.authorize("response_mode", "form_post")), seen("passkey"))
	c.do("sign in by password", enter("username", "jane"), enter("password", janePass), press("login"), seen("other"))
	touch(true)
	c.do("the passkey is the second factor", press("passkey"), seen("approve"))
	c.do("consent, answered by form", press("approve"))
	c.answered()
	c.do("answered silently, by redirect", visit(c.authorize("prompt", "none")))
	c.answered()
	c.do("consent, answered by redirect", visit(c.authorize("prompt", "consent")), press("approve"))
	c.answered()

	// Row S-01: scripts see nothing of a session.
	c.do("the account again", visit(c.issuer+"/account"), seen("sessions"))
	known, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](`document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)`))
	if err != nil || known != "{}{}" {
		t.Errorf("scripts see %s, %v", known, err)
	}
	if n := len(c.complaints); n > 0 {
		t.Errorf("the browser complains: %s", <-c.complaints)
	}
}

// What other sites can make a real browser do: nothing (rows S-04, S-05).
func TestOtherSitesInChromium(t *testing.T) {
	c := newChromium(t)
	c.do("sign in", visit(c.issuer+"/account"), enter("username", "jane"), enter("password", janePass), press("login"), seen("sessions"))
	c.do("a form of another site", visit(c.app+"/forged"), press("go"), seen("reference"))
	if text, err := chromedp.Run(c.ctx, chromedp.Text(chromedp.ID("error"))); err != nil || text != "This form was not accepted" {
		t.Errorf("%q %v", text, err)
	}
	c.do("a frame of another site", visit(c.app+"/frame"))
	timeout := time.After(20 * time.Second)
	for {
		select {
		case complaint := <-c.complaints:
			if strings.Contains(complaint, "frame-ancestors 'none'") {
				return
			}
		case <-timeout:
			t.Fatal("the page was framed")
		}
	}
}
