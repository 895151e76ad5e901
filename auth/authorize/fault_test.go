package authorize_test

import (
	"context"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Row R-10: without the store nothing is decided, and nothing is redirected.
func TestStoreIsGone(t *testing.T) {
	b := redistest.Embedded(t)
	w := newWorldOver(t, b)
	app := w.client("app", func(c *auth.Client) { c.RequireConsent = true })
	sess, f, in := w.session("jane"), w.begin("app", "prompt", "none"), w.push(w.client("app", func(*auth.Client) {}), request("app"), "")
	d := w.device(app, "", "")
	device, err := w.BeginPage(t.Context(), authorize.PageDevice, d.UserCode, browser, address)
	w.must(err)
	code := parameters(w.next(w.begin("wide", "org", "acme"), sess, authorize.StepAnswer).Answer)["code"]
	app, err = w.Registry.Client(t.Context(), "app")
	w.must(err)
	w.must(b.Client.Close())
	w.Registry.Forget()
	for name, op := range map[string]func(context.Context) (any, error){
		"begin": func(ctx context.Context) (any, error) {
			f, a, err := w.Begin(ctx, request("app"), browser)
			return f != nil || a != nil, err
		},
		"pushed": func(ctx context.Context) (any, error) {
			f, a, err := w.Begin(ctx, in, browser)
			return f != nil || a != nil, err
		},
		"next":    func(ctx context.Context) (any, error) { s, err := w.Next(ctx, f, sess); return s != nil, err },
		"approve": func(ctx context.Context) (any, error) { a, err := w.Approve(ctx, f, sess); return a != nil, err },
		"deny":    func(ctx context.Context) (any, error) { a, err := w.Deny(ctx, f, sess); return a != nil, err },
		"choose":  func(ctx context.Context) (any, error) { return false, w.ChooseOrg(ctx, f, sess, "acme") },
		"device":  func(ctx context.Context) (any, error) { a, err := w.Approve(ctx, device, sess); return a != nil, err },
		"push": func(ctx context.Context) (any, error) {
			u, _, err := w.Push(ctx, app, request("app"), "", address)
			return u != "", err
		},
		"code": func(ctx context.Context) (any, error) { _, _, err := w.Code(ctx, code); return false, err },
		"poll": func(ctx context.Context) (any, error) {
			_, ref, err := w.DeviceApproval(ctx, app, d.DeviceCode)
			return ref != "", err
		},
		"typed": func(ctx context.Context) (any, error) {
			f, err := w.BeginPage(ctx, authorize.PageDevice, d.UserCode, browser, address)
			return f != nil, err
		},
		"begun": func(ctx context.Context) (any, error) {
			d, err := w.BeginDevice(ctx, app, "", "", "", address)
			return d.DeviceCode != "", err
		},
		"sign in": func(ctx context.Context) (any, error) {
			s, err := w.SignIn(ctx, f, "jane", password, address)
			return s != nil, err
		},
		"logout": func(ctx context.Context) (any, error) {
			l, err := w.BeginLogout(ctx, authorize.LogoutRequest{IDTokenHint: w.idToken("jane-id", "app", nil)}, sess)
			return l.Redirect != "" || l.Org != nil, err
		},
		"applications": func(ctx context.Context) (any, error) { l, err := w.Applications(ctx, "jane-id"); return l != nil, err },
		"withdraw":     func(ctx context.Context) (any, error) { return false, w.Withdraw(ctx, "jane-id", "default", "app") },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if result, err := op(ctx); result != false || auth.CodeOf(err) != auth.Unavailable {
			t.Errorf("%s: %v %v", name, result, err)
		}
		cancel()
	}
}

// Whatever is asked, nobody is sent anywhere but to the client's own address, and nothing is asked for that the client may not have.
func FuzzBegin(f *testing.F) {
	for _, pairs := range [][]string{
		nil, {"prompt", "login"}, {"claims", `{"id_token":{"acr":{"essential":true,"values":["2"]},"sub":{"value":"x"}}}`}, {"max_age", "1"},
		{"response_mode", "form_post", "response_type", "x"}, {"request_uri", "urn:ietf:params:oauth:request_uri:" + challenge},
		{"scope", "org:acme openid"}, {"redirect_uri", "https://app.example/cb/"}, {"id_token_hint", "a.b.c"}, {"dpop_jkt", challenge},
	} {
		f.Add(request("app", pairs...).Encode())
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, query string) {
		params, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		flow, answer, err := w.Begin(t.Context(), params, browser)
		switch {
		case err != nil:
			if flow != nil || answer != nil {
				t.Errorf("%v and %v %v", err, flow, answer)
			}
		case answer != nil:
			if p := parameters(answer); answer.RedirectURI != callback || p["error"] == "" || p["iss"] != issuer || p["code"] != "" {
				t.Errorf("answered %+v", answer)
			}
		case flow.RedirectURI != callback || flow.Challenge == "" || len(w.Seal(flow)) > 11<<10 ||
			slices.ContainsFunc(auth.Scopes(flow.Scope), func(s string) bool {
				return !slices.Contains([]string{"openid", "profile", "email", "phone", "offline_access"}, s)
			}):
			t.Errorf("it asks for %+v", flow)
		default:
			if _, err := w.Open(w.Seal(flow), browser); err != nil {
				t.Error(err)
			}
		}
	})
}
