package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"
)

// account opens a user's own page, logging jane in if need be.
func (b *browser) account() *page {
	b.t.Helper()
	page := b.open("/account")
	if page.element("login") != nil {
		page = page.signIn()
	}
	return page.want(http.StatusOK).shows("sessions")
}

// textOf is what an element of the page reads.
func (p *page) textOf(id string) string {
	p.b.t.Helper()
	part := *p
	part.root = p.shows(id).element(id)
	return part.text()
}

// formFor returns what the first form with an action would post.
func (p *page) formFor(action string) url.Values {
	p.b.t.Helper()
	var values url.Values
	p.walk(func(n *html.Node) bool {
		if n.Data == "form" && attribute(n, "action") == action && values == nil {
			values = formValues(n)
		}
		return values == nil
	})
	if values == nil {
		p.b.t.Fatalf("%s has no form for %s", p.url, action)
	}
	return values
}

// enrol sets up an authenticator app and returns its key and the recovery codes.
func (b *browser) enrol() (key string, codes []string) {
	b.t.Helper()
	page := b.account().submit("totp_add").want(http.StatusOK).shows("secret", "otp")
	key = strings.ReplaceAll(page.textOf("secret"), " ", "")
	page = page.submit("confirm", "otp", b.w.code(key)).want(http.StatusOK).shows("codes", "continue")
	return key, strings.Fields(page.textOf("codes"))
}

// code is what an authenticator app shows.
func (w *world) code(key string) string {
	w.t.Helper()
	code, err := totp.GenerateCode(key, w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return code
}

func TestAccountPage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	secret := w.webClient("shop", `,"name":"The Shop"`)
	b, other := w.visitor(), w.visitor()
	b.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	other.headers["User-Agent"] = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"
	code := other.open(authorizeURL("shop", webRedirect)).signIn().submit("approve").answered().Get("code")
	tokens := w.redeem("shop", secret, code).want(t, http.StatusOK)
	page := b.account().says("Jane Doe").says("Firefox on Linux").says("This browser").says("Safari on iPhone").says("The Shop")

	// The other browser is signed out from here, and what it opened with it.
	var foreign url.Values
	page.walk(func(n *html.Node) bool {
		if n.Data == "form" && attribute(n, "action") == "/account/session/end" && foreign == nil {
			if form := formValues(n); !strings.Contains(b.cookieOf(sessionCookie), form.Get("id")) { // the cookie has the id in it
				foreign = form
			}
		}
		return true
	})
	for range 2 { // the second time it is gone already
		page = b.postForm("/account/session/end", foreign).want(http.StatusOK).says("That browser was signed out")
	}
	if strings.Count(page.textOf("sessions"), "Last used") != 1 {
		t.Errorf("sessions: %s", page.textOf("sessions"))
	}
	other.open("/account").shows("login")
	w.get("/oauth/userinfo", tokens.text(t, "access_token")).want(t, http.StatusUnauthorized)

	// The message is shown to whom it was made for, and not by a link.
	if w.visitor().account().b.open(page.url.RequestURI()).element("done") != nil {
		t.Error("somebody else's link shows a message")
	}

	// Access is taken back: the next login is asked about again.
	page = b.postForm("/account/application/withdraw", page.formFor("/account/application/withdraw")).says("The access was taken back")
	page.says("You have given no application access")
	b.open(authorizeURL("shop", webRedirect)).shows("approve")

	// Signing out here.
	b.account().submit("logout").want(http.StatusOK).shows("signed_out")
	if b.cookieOf(sessionCookie) != "" {
		t.Error("the cookie is still there")
	}
	b.open("/account").shows("login")
}

// Row S-04 for every form of the account page: the token is the session's own.
func TestAccountFormsOfOtherSessions(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	name, password := w.bob()
	jane, bob := w.visitor(), w.visitor()
	jane.account()
	theirs := bob.open("/account").submit("login", "username", name, "password", password).valueOf("token")
	for _, path := range []string{
		"password", "totp", "totp/confirm", "totp/remove", "recovery", "passkey", "passkey/remove", "session/end", "application/withdraw", "confirm",
	} {
		for _, token := range []string{theirs, "", "x"} {
			form := url.Values{"token": {token}, "current_password": {janePass}, "new_password": {"a password of the attacker"}, "_method": {"GET"}}
			if page := jane.postForm("/account/"+path, form); page.status != http.StatusForbidden || page.element("error") == nil {
				t.Errorf("%s with token %.8q: %d", path, token, page.status)
			}
		}
		// Without a session it is a page to sign in, and nothing is done.
		w.visitor().postForm("/account/"+path, url.Values{"token": {theirs}}).shows("login")
	}
	jane.postForm("/signin/logout", url.Values{"token": {theirs}}).want(http.StatusForbidden)
	jane.account()
}

// Row S-10: how one signs in is changed only by who has just shown who he is.
func TestStepUp(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	b := w.visitor()
	page := b.account().shows("set_password", "totp_add")
	password := page.formFor("/account/password")
	password.Set("current_password", janePass)
	password.Set("new_password", "a new and better password")
	pass(5*time.Minute-time.Second, w)
	b.open("/account").shows("totp_add")
	pass(time.Second, w)
	stale := b.open("/account").shows("confirm")
	for _, id := range []string{"set_password", "totp_add", "passkey_add"} {
		if stale.element(id) != nil {
			t.Errorf("%s is offered", id)
		}
	}
	for _, path := range []string{"password", "totp", "totp/confirm", "totp/remove", "recovery", "passkey", "passkey/remove"} {
		answer := b.postForm("/account/"+path, password).want(http.StatusOK).shows("login")
		if answer.url.Path != "/signin" || answer.valueOf("username") != "jane" {
			t.Errorf("%s: %s", path, answer.url)
		}
	}
	w.login() // by the old password: nothing was changed
	b.open("/account").submit("confirm").signIn().shows("set_password", "totp_add")
}

func TestChangePasswordPage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	b, other := w.visitor(), w.visitor()
	other.account()
	page := b.account()
	old := b.cookieOf(sessionCookie)
	page.submit("set_password", "current_password", "wrong", "new_password", "a new and better password").want(http.StatusForbidden).
		shows("error").says("The present password is wrong")
	page.submit("set_password", "current_password", janePass, "new_password", "short").want(http.StatusBadRequest).shows("error")
	const changed = "a new and better password"
	page.submit("set_password", "current_password", janePass, "new_password", changed).want(http.StatusOK).
		shows("done").says("Your password was changed")
	if now := b.cookieOf(sessionCookie); now == old || now == "" {
		t.Errorf("the session is %q after %q", now, old)
	}
	other.open("/account").shows("login").signIn().want(http.StatusBadRequest)
	thief := w.visitor()
	thief.giveCookie(sessionCookie, old)
	thief.open("/account").shows("login").submit("login", "username", "jane", "password", changed).shows("sessions")

	// With a second factor, that is asked for before the browser is logged in again.
	key, _ := b.enrol()
	pass(time.Minute, w)
	b.account().submit("set_password", "current_password", changed, "new_password", janePass).shows("otp").
		submit("confirm", "otp", w.code(key)).shows("sessions")
}

func TestAuthenticatorAppPages(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	secret := w.webClient("shop", `,"first_party":true`)
	b := w.visitor()
	page := b.account().submit("totp_add").shows("secret", "otp")
	if !strings.Contains(page.body, "<svg class=\"barcode\"") || !strings.Contains(page.body, `<path fill="#000" d="M`) {
		t.Error("no QR code")
	}
	key := strings.ReplaceAll(page.textOf("secret"), " ", "")
	again := page.submit("confirm", "otp", "000000").want(http.StatusBadRequest).shows("error", "otp")
	if got := strings.ReplaceAll(again.textOf("secret"), " ", ""); got != key || again.valueOf("state") != page.valueOf("state") ||
		again.valueOf("state") == "" || !strings.Contains(again.body, `<path fill="#000" d="M`) {
		t.Errorf("after a wrong code the key is %q, want %q and its QR code", got, key)
	}
	again = again.submit("confirm", "otp", w.code(key)).want(http.StatusOK).shows("codes")
	codes := strings.Fields(again.textOf("codes"))
	if len(codes) < 8 {
		t.Fatalf("recovery codes %v", codes)
	}
	if again.header.Get("Cache-Control") != "no-store" {
		t.Error("the codes may be kept")
	}
	page = again.b.account()
	if strings.Contains(page.body, codes[0]) || strings.Contains(page.body, key) {
		t.Error("the codes are shown again")
	}
	page.postAgain("/account/totp").shows("totp_remove") // there is one: the page says so

	// Signing in has a second step now.
	pass(time.Minute, w)
	other := w.visitor()
	factor := other.open(authorizeURL("shop", webRedirect, "acr_values", "2")).signIn().shows("otp", "other")
	if other.cookieOf(sessionCookie) != "" {
		t.Error("a session after the first step")
	}
	factor.submit("confirm", "otp", "000000").want(http.StatusBadRequest).shows("error", "otp")
	answer := factor.submit("confirm", "otp", w.code(key)).answered()
	id := claimsOf(t, w.redeem("shop", secret, answer.Get("code")).want(t, http.StatusOK).text(t, "id_token"))
	if id["acr"] != "2" || !slices.Contains(anyOf(id["amr"]), "mfa") {
		t.Errorf("%v", id)
	}
	w.visitor().open(authorizeURL("shop", webRedirect)).signIn().submit("other").shows("username", "login") // back to the first step

	recovered := w.visitor().open("/account").signIn().submit("confirm", "otp", codes[3]).shows("sessions").says("left.")
	w.visitor().open("/account").signIn().submit("confirm", "otp", codes[3]).want(http.StatusBadRequest).shows("error")
	fresh := strings.Fields(recovered.submit("recovery_new").shows("codes").textOf("codes"))
	w.visitor().open("/account").signIn().submit("confirm", "otp", codes[4]).want(http.StatusBadRequest)
	w.visitor().open("/account").signIn().submit("confirm", "otp", fresh[0]).shows("sessions")
	recovered.b.account().submit("totp_remove").says("Your authenticator app was removed").shows("totp_add")
	w.visitor().open("/account").signIn().shows("sessions")
}

// postAgain posts what a form of an earlier page would have posted.
func (p *page) postAgain(action string) *page {
	p.b.t.Helper()
	return p.b.postForm(action, url.Values{"token": {p.valueOf("token")}})
}

func anyOf(list any) (texts []string) {
	values, _ := list.([]any)
	for _, v := range values {
		text, _ := v.(string)
		texts = append(texts, text)
	}
	return texts
}

// Row L-13: a password somebody else has set opens nothing but the page to choose another.
func TestTemporaryPasswordPage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	w.webClient("shop", `,"first_party":true`)
	w.put("/api/user/jane/password", adminToken, `{"password":"a temporary password","temporary":true}`)
	b := w.visitor()
	page := b.open(authorizeURL("shop", webRedirect)).submit("login", "username", "jane", "password", "a temporary password").
		shows("new_password", "current_password", "set_password")
	b.open("/account").shows("new_password")
	b.open(authorizeURL("shop", webRedirect)).shows("new_password")
	page.submit("set_password", "current_password", "wrong", "new_password", "a lasting password").want(http.StatusForbidden).shows("error", "new_password")
	page.submit("set_password", "current_password", "a temporary password", "new_password", "x").want(http.StatusBadRequest).shows("error", "new_password")
	answer := page.submit("set_password", "current_password", "a temporary password", "new_password", "a lasting password").answered()
	if answer.Get("code") == "" {
		t.Errorf("%v", answer)
	}
	w.visitor().open("/account").submit("login", "username", "jane", "password", "a temporary password").want(http.StatusBadRequest)
}

func TestLogoutPages(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	secret := w.webClient("shop", `,"first_party":true,"post_logout_redirect_uris":["https://app.example/bye"]`)
	b := w.visitor()
	login := func() string {
		b.open(authorizeURL("shop", webRedirect)).signIn()
		code := b.open(authorizeURL("shop", webRedirect)).answered().Get("code")
		return w.redeem("shop", secret, code).want(t, http.StatusOK).text(t, "id_token")
	}
	login()

	// Row O-19: without a hint anybody may have made the request, so the user is asked. A link alone does nothing.
	page := b.open("/oauth/logout?state=x").want(http.StatusOK).shows("logout", "stay")
	b.account()
	forged := page.formFor("/signin/logout")
	forged.Set("token", "x")
	b.postForm("/signin/logout", forged).want(http.StatusForbidden)
	b.account()
	page.submit("logout").shows("signed_out")
	b.open("/account").shows("login")

	hint := login()
	left := b.open("/oauth/logout?" + url.Values{
		"id_token_hint": {hint}, "post_logout_redirect_uri": {"https://app.example/bye"}, "state": {"a b"},
	}.Encode())
	if left.status != http.StatusSeeOther || left.location != "https://app.example/bye?state=a+b" || b.cookieOf(sessionCookie) != "" {
		t.Errorf("%d to %s", left.status, left.location)
	}
	if refused := b.open(authorizeURL("shop", webRedirect, "prompt", "none")).answered(); refused.Get("error") != "login_required" {
		t.Errorf("%v", refused)
	}
	hint = login()
	b.postForm("/oauth/logout", url.Values{"id_token_hint": {hint}}).want(http.StatusOK).shows("signed_out")
	for _, parameters := range []url.Values{
		{"id_token_hint": {hint}, "post_logout_redirect_uri": {"https://app.example/bye?x=1"}},
		{"id_token_hint": {hint + "x"}, "post_logout_redirect_uri": {"https://app.example/bye"}},
	} {
		page := b.open("/oauth/logout?"+parameters.Encode()).want(http.StatusBadRequest).shows("error", "reference")
		if page.location != "" {
			t.Errorf("redirected to %s", page.location)
		}
	}
	b.open("/oauth/logout").want(http.StatusOK).shows("signed_out") // nobody is logged in
}
