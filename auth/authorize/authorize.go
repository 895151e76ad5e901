// Package authorize owns the work of the authorization endpoint and of the pages a login passes through, without their HTTP: what a
// request asks for, what the browser still has to do, and the answer. A request on its way is a Flow, which travels sealed through the
// browser that began it; nothing is stored before it is answered, so unfinished ones cost nothing (row D-07).
package authorize

import (
	"slices"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// The pages of the product itself that a Flow can lead to instead of a client, by their paths.
const (
	PageAccount     = "account"                // the user's own account
	PagePreferences = "account/preferences"    // what he may say about himself, as his organisation lays down
	PageProfile     = "account/profile"        // his profile
	PageCareer      = "account/profile/career" // what he learned and where he worked
	PageMemory      = "account/profile/memory" // what assistants remember of him
	PageDevice      = "device"                 // letting a device in
)

// Flow is a valid request on its way.
type Flow struct {
	// Page is "" for a client's authorization request.
	Page string `json:"page,omitempty"`
	// UserCode is the device's, for PageDevice.
	UserCode     string `json:"user_code,omitempty"`
	Client       string `json:"client,omitempty"`
	RedirectURI  string `json:"redirect_uri,omitempty"`
	ResponseMode string `json:"response_mode,omitempty"` // query or form_post
	State        string `json:"state,omitempty"`
	Nonce        string `json:"nonce,omitempty"`
	Scope        string `json:"scope,omitempty"`
	// Org is the organisation asked for or chosen, "" while that is open.
	Org           string               `json:"org,omitempty"`
	Challenge     string               `json:"challenge,omitempty"`
	KeyThumbprint string               `json:"jkt,omitempty"`
	Prompt        []string             `json:"prompt,omitempty"`
	MaxAge        *int64               `json:"max_age,omitempty"` // seconds
	ACR           []string             `json:"acr,omitempty"`
	ACREssential  bool                 `json:"acr_essential,omitempty"`
	Requested     auth.RequestedClaims `json:"requested,omitzero"`
	// HintUser is whom id_token_hint or the claims parameter names, LoginHint what the sign-in form begins with.
	HintUser  string `json:"hint_user,omitempty"`
	LoginHint string `json:"login_hint,omitempty"`
	// UILocales are the languages asked for, in order.
	UILocales string    `json:"ui_locales,omitempty"`
	Began     time.Time `json:"began"`
	// Browser is the hash of the secret of the browser that began it (row S-08).
	Browser string `json:"browser"`
	// Chosen: the user has confirmed which account to go on with.
	Chosen bool `json:"chosen,omitempty"`
	// Primary is who has given a password and not yet the second factor that is due.
	Primary *auth.Subject `json:"primary,omitempty"`
}

// accountPages are the pages of a user's account.
var accountPages = []string{PageAccount, PagePreferences, PageProfile, PageCareer, PageMemory}

// toAccount reports whether the flow leads to a page of its user's account.
func (f *Flow) toAccount() bool { return slices.Contains(accountPages, f.Page) }

// StepKind is what a browser has to do next.
type StepKind string

// The steps. Each is a page but the last.
const (
	StepSignIn StepKind = "sign_in"
	StepFactor StepKind = "second_factor"
	// StepPassword: the password is temporary and must be replaced (auth.Users.SetPassword as auth.Person), which ends the session; then on.
	StepPassword StepKind = "new_password"
	StepAccount  StepKind = "select_account"
	StepOrg      StepKind = "select_organisation"
	StepConsent  StepKind = "consent"
	StepAnswer   StepKind = "answer"
	StepPage     StepKind = "page" // Flow.Page can be shown
)

// Step is what a browser has to do next, with what the page needs to say. The steps of PageDevice end with StepConsent, those of
// a page of the account with StepPage.
type Step struct {
	Kind   StepKind
	Answer *Answer
	// Client is nil for the pages of an account. Org is the one whose look the page has.
	Client *auth.Client
	Org    *auth.Org
	User   *auth.User // who is logged in, nil for nobody
	// Orgs are those to choose from.
	Orgs []auth.Org
	// Scopes, Claims (key and exact JSON) and Profile are what consenting gives away.
	Scopes  []string
	Claims  []Claim
	Profile claims.Profile
	// Factors says which second factors there are.
	Factors factor.Factors
}

// Claim is a metadata claim as a client would see it.
type Claim struct{ Key, Value string }

// Answer is an authorization response (RFC 6749 §4.1.2, OAuth 2.0 Form Post Response Mode), an error's too.
type Answer struct {
	RedirectURI string
	Mode        string
	Parameters  []Parameter
}

// Parameter is one of an answer.
type Parameter struct{ Name, Value string }

// Service does the work.
type Service struct {
	Issuer        string
	Registry      *auth.Registry
	Users         auth.UserStore
	Authenticator *auth.Authenticator
	Factors       *factor.Service
	Sessions      *session.Service
	Tokens        *auth.Issuer // for the claims a client would see
	Verifier      *claims.Verifier
	Codes         auth.CodeStore
	Pushed        auth.PushedStore
	Devices       auth.DeviceStore
	Consents      auth.ConsentStore
	Limiter       auth.Limiter
	Sealer        *keys.Sealer
	// CodeKeys and DeviceKeys authenticate codes and device codes, the first for new ones.
	CodeKeys, DeviceKeys [][]byte
	Audit                audit.Log
	Now                  func() time.Time
}
