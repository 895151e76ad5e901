package operate

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// login is what the console's cookie holds, sealed: which login at the console it is. Nothing of the tokens is kept.
type login struct {
	User string `json:"user"`
	Org  string `json:"org"`
	// Family is the login's sid, which ends with the browser session it came from.
	Family string `json:"family"`
	// AuthTime is when the user proved who he is, Made when the console got the login, Seen when it was last used, to some minutes.
	AuthTime time.Time `json:"auth_time"`
	Made     time.Time `json:"made"`
	Seen     time.Time `json:"seen"`
}

func (l *login) ref() auth.FamilyRef { return auth.FamilyRef{User: l.User, Org: l.Org, ID: l.Family} }

const (
	consoleCookie = "claimsmith-console"
	sealedLogin   = "console login"
	sealedState   = "console authorization"
	// touchEvery is how exactly the last use of a login is known.
	touchEvery = 5 * time.Minute
	// stateLifetime is how long an authorization may take; a flow has an hour.
	stateLifetime = time.Hour
	maxSealed     = 4 << 10
)

func (d *Dialect) seal(v any, purpose string, bound ...string) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts of valid UTF-8 and times
	}
	return base64.RawURLEncoding.EncodeToString(d.Sealer.Seal(text, purpose, bound...))
}

func (d *Dialect) open(text string, v any, purpose string, bound ...string) bool {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || text == "" || len(text) > maxSealed {
		return false
	}
	plain, err := d.Sealer.Open(sealed, purpose, bound...)
	return err == nil && json.Unmarshal(plain, v) == nil
}

// loginOf returns the login of a browser, nil for none and for one that was not used for too long or is too old (row S-10). Whether it
// still stands is not known yet.
func (d *Dialect) loginOf(c echo.Context) *login {
	l := d.sealed(c)
	if l == nil {
		return nil
	}
	now, limits := d.Now(), d.Sessions.Lifetimes
	if now.Sub(l.Seen) >= limits.Idle || now.Sub(l.AuthTime) >= limits.Absolute {
		return nil
	}
	return l
}

// sealed returns the login a browser has or had, nil for none.
func (d *Dialect) sealed(c echo.Context) *login {
	l := &login{}
	if !d.open(d.site().Cookie(c.Request(), consoleCookie), l, sealedLogin) {
		return nil
	}
	return l
}

func (d *Dialect) keep(c echo.Context, l *login) {
	d.site().SetCookie(c.Response(), consoleCookie, d.seal(l, sealedLogin))
}

// formToken is a text that only pages made for a login hold.
func (d *Dialect) formToken(key []byte, l *login) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(l.User + "\x00" + l.Org + "\x00" + l.Family))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const formTokens = "console form tokens"

func (d *Dialect) token(l *login) string { return d.formToken(d.Sealer.Derive(formTokens), l) }

func (d *Dialect) holds(l *login, token string) bool {
	known := false
	for _, key := range d.Sealer.DeriveAll(formTokens) {
		known = hmac.Equal([]byte(token), []byte(d.formToken(key, l))) || known
	}
	return known
}

// state is what the console asks to have back with the answer to an authorization request. It opens for the browser that began alone.
type state struct {
	ID string `json:"id"`
	// Back is the console's page to go on with.
	Back  string    `json:"back"`
	Began time.Time `json:"began"`
}

// nonce and verifier follow from the state's id, so that nothing is kept of an authorization under way, however many there are.
func (d *Dialect) nonce(s *state) string { return d.secretOf("console nonce", s.ID) }

func (d *Dialect) verifier(s *state) string { return d.secretOf("console code verifier", s.ID) }

func (d *Dialect) secretOf(label, id string) string {
	mac := hmac.New(sha256.New, d.Sealer.Derive(label))
	mac.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// backForm is what a page of the console looks like in an address (row S-09).
var backForm = regexp.MustCompile(`^/console(/[A-Za-z0-9_.~%@+-]+)*(\?[A-Za-z0-9_.~%@+=&-]*)?$`)

// recent is max_age, in seconds, of a login that is to confirm who the user is: less than what counts as recent, so that there is time to
// act on it.
const recent = "240"

// begin asks for a login, by the authorization request of OpenID Connect Core §3.1.2.1, and comes back to one of the console's pages.
func (d *Dialect) begin(c echo.Context, back string, again bool) error {
	if !backForm.MatchString(back) || strings.Contains(back, "/.") { // dot segments lead elsewhere
		back = pathConsole
	}
	s := &state{ID: rand.Text(), Back: back, Began: d.Now()}
	challenge := sha256.Sum256([]byte(d.verifier(s)))
	parameters := url.Values{
		"response_type": {"code"}, "client_id": {auth.ConsoleClient}, "redirect_uri": {RedirectURI(d.Issuer)}, "scope": {auth.ScopeOpenID},
		"state": {d.seal(s, sealedState, d.site().Browser(c))}, "nonce": {d.nonce(s)},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	if again {
		parameters.Set("max_age", recent)
	}
	return c.Redirect(http.StatusSeeOther, d.site().At(pathAuthorize)+"?"+parameters.Encode())
}

// callback takes the answer, redeems the code as any client would, and checks the ID token (OpenID Connect Core §3.1.3.7).
func (d *Dialect) callback(c echo.Context) error {
	answer, err := request.Parameters(c.Request())
	if err != nil {
		return err
	}
	s := &state{}
	opened := d.open(answer.Get("state"), s, sealedState, d.site().Browser(c))
	switch {
	case !opened || d.Now().Sub(s.Began) > stateLifetime || answer.Get("iss") != d.Issuer: // RFC 9207 §2.4
		return page.ErrFlow
	case answer.Get("error") != "":
		return &auth.Error{Code: auth.AccessDenied, Detail: "signing in did not end in a login"}
	}
	tokens, err := d.Grants.Token(c.Request().Context(), grant.Request{
		Credentials: grant.Credentials{ClientID: auth.ConsoleClient}, GrantType: auth.GrantAuthorizationCode, Code: answer.Get("code"),
		RedirectURI: RedirectURI(d.Issuer), CodeVerifier: d.verifier(s), Address: c.RealIP(),
	})
	if auth.CodeOf(err) == auth.InvalidGrant { // the address was opened once more
		return d.redirect(c, s.Back)
	}
	if err != nil {
		return err
	}
	id, err := d.Verifier.VerifyIDToken(c.Request().Context(), tokens.IDToken, claims.Expected{
		ClientID: auth.ConsoleClient, Nonce: d.nonce(s), AccessToken: tokens.AccessToken,
	})
	if err != nil {
		return err
	}
	if prior := d.loginOf(c); prior != nil { // row S-02
		if err := d.Operators.End(c.Request().Context(), prior.ref()); err != nil {
			return err
		}
	}
	now := d.Now()
	d.keep(c, &login{User: id.Subject, Org: id.Org, Family: id.SessionID, AuthTime: id.AuthTime, Made: now, Seen: now})
	return d.redirect(c, s.Back)
}

func (d *Dialect) redirect(c echo.Context, path string) error {
	return c.Redirect(http.StatusSeeOther, d.site().At(path))
}

// isFresh reports whether the user has proved who he is recently enough for what can do most harm (row S-10).
func (d *Dialect) isFresh(l *login) bool {
	return d.Sessions.Fresh(&session.Session{AuthTime: l.AuthTime})
}

// confirm has the user log in again and leads back to where he was.
func confirm(k *desk) error { return k.begin(k, k.form.Get("back"), true) }

// signOut ends the login, and with it the browser session it came from and everything else that was opened there.
func signOut(k *desk) error {
	ctx := k.Request().Context()
	if err := k.Operators.End(ctx, k.login.ref()); err != nil {
		return err
	}
	sess, err := k.Sessions.Resolve(ctx, k.site().Cookie(k.Request(), page.SessionCookie), k.RealIP())
	if err == nil && sess != nil && sess.User == k.login.User {
		err = k.Sessions.Logout(ctx, sess)
		k.site().DropCookie(k.Response(), page.SessionCookie)
	}
	if err != nil {
		return err
	}
	k.site().DropCookie(k.Response(), consoleCookie)
	return k.redirect(k, pathSignedOut)
}
