package auth

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/claimsmith/claimsmith/claims"
)

// Bounds of a client's record.
const (
	maxCodeLifetime = 60 // seconds; RFC 6749 §4.1.2 would allow ten minutes, row O-05 does not
	maxURIs         = 50
	maxURI          = 2048
	maxKeySet       = 16 << 10
	maxDescription  = 1000 // characters
)

var (
	grantTypes = []string{
		GrantAuthorizationCode, GrantRefreshToken, GrantClientCredentials, GrantPassword, GrantDeviceCode, GrantTokenExchange,
	}
	algorithms  = []string{"ES256", "RS256", "EdDSA"}
	claimPlaces = []string{InAccessToken, InIDToken, InUserInfo, InIntrospection}
	authMethods = []string{AuthNone, AuthSecretBasic, AuthSecretPost, AuthPrivateKeyJWT}
	clientTypes = []string{TypeWeb, TypeNative}
)

var errCodeLifetime = &Error{Code: InvalidRequest, Field: "code_lifetime", Detail: "1 to 60 seconds"}

const keySetRule = "a JSON Web Key Set of at most 16 KiB with public keys only, each with a kid of its own; at least one must have use " +
	"sig and alg ES256, RS256 or EdDSA, and be of 2048 bits or more if it is RSA"

// Application is the client's type, with its default.
func (c *Client) Application() string {
	if c.Type == "" {
		return TypeWeb
	}
	return c.Type
}

// CodeSeconds is how long the client's authorization codes last.
func (c *Client) CodeSeconds() int {
	if c.CodeLifetime == 0 {
		return maxCodeLifetime
	}
	return c.CodeLifetime
}

// check refuses a client that is not right as a whole, whatever was changed of it.
func (s *Clients) check(c *Client) error {
	if err := checkName("name", c.Name); err != nil {
		return err
	}
	if err := checkText("description", c.Description, maxDescription); err != nil {
		return err
	}
	for _, list := range []struct {
		field   string
		values  []string
		allowed []string
	}{
		{"type", nonEmpty(c.Type), clientTypes},
		{"grant_types", c.GrantTypes, grantTypes},
		{"token_endpoint_auth_method", nonEmpty(c.AuthMethod), authMethods},
		{"claims_in", c.ClaimsIn, claimPlaces},
		{"access_token_alg", nonEmpty(c.AccessTokenAlg), algorithms},
		{"id_token_alg", nonEmpty(c.IDTokenAlg), algorithms},
	} {
		for _, v := range list.values {
			if !slices.Contains(list.allowed, v) {
				return &Error{Code: InvalidRequest, Field: list.field, Detail: "allowed: " + describe(list.allowed)}
			}
		}
	}
	if len(c.Scopes) > 100 || len(c.Audience) > 20 || len(c.ExchangeAudiences) > 20 || len(c.ClaimKeys) > 1000 {
		return &Error{Code: InvalidRequest, Detail: "at most 100 scopes, 20 audiences, 20 exchange audiences and 1000 claim keys"}
	}
	for _, scope := range c.Scopes {
		if !validScope(scope) {
			return &Error{Code: InvalidRequest, Field: "scopes", Detail: "1 to 128 printable ASCII characters without space, \" and \\"}
		}
	}
	for _, key := range c.ClaimKeys {
		if !claims.ValidKey(key) {
			return &Error{Code: InvalidRequest, Field: "claim_keys", Detail: "only keys that can become claims"}
		}
	}
	if c.CodeLifetime < 0 || c.CodeLifetime > maxCodeLifetime {
		return errCodeLifetime
	}
	if err := c.checkAuthentication(); err != nil {
		return err
	}
	if err := s.checkAddresses(c); err != nil {
		return err
	}
	if err := s.checkAudiences(c); err != nil {
		return err
	}
	return c.checkGrants()
}

// checkAuthentication: a method and what it needs belong together.
func (c *Client) checkAuthentication() error {
	method := "token_endpoint_auth_method"
	switch {
	case c.AuthMethod == AuthPrivateKeyJWT && c.KeySet == "":
		return &Error{Code: InvalidRequest, Field: "jwks", Detail: "private_key_jwt needs jwks"}
	case c.AuthMethod != AuthPrivateKeyJWT && c.KeySet != "":
		return &Error{Code: InvalidRequest, Field: "jwks", Detail: "only with token_endpoint_auth_method private_key_jwt"}
	case c.AuthMethod != AuthPrivateKeyJWT && c.EndpointAudience:
		return &Error{
			Code: InvalidRequest, Field: "allow_token_endpoint_audience", Detail: "only with token_endpoint_auth_method private_key_jwt",
		}
	case c.AuthMethod == AuthNone && c.SecretHash != "":
		return &Error{Code: InvalidRequest, Field: method, Detail: "a client with a secret cannot become public; create another one"}
	case (c.AuthMethod == AuthSecretBasic || c.AuthMethod == AuthSecretPost) && c.SecretHash == "":
		return &Error{Code: InvalidRequest, Field: method, Detail: "this client has no secret; allowed: none, private_key_jwt"}
	case c.KeySet == "":
		return nil
	}
	// RFC 7591 §2: jwks holds public keys.
	keys, err := claims.ParseKeySet([]byte(c.KeySet))
	if err != nil || len(keys) == 0 || len(c.KeySet) > maxKeySet {
		return &Error{Code: InvalidRequest, Field: "jwks", Detail: keySetRule, Err: err}
	}
	return nil
}

func (s *Clients) checkAddresses(c *Client) error {
	development := strings.HasPrefix(s.Issuer, "http:")
	for _, list := range []struct {
		field string
		uris  []string
	}{{"redirect_uris", c.RedirectURIs}, {"post_logout_redirect_uris", c.PostLogoutRedirectURIs}} {
		if len(list.uris) > maxURIs {
			return &Error{Code: InvalidRequest, Field: list.field, Detail: "at most 50"}
		}
		for _, uri := range list.uris {
			if !ValidRedirectURI(uri, c.Application()) && !(development && isDevelopmentURI(uri, c.Application())) {
				return &Error{Code: InvalidRequest, Field: list.field, Detail: redirectRules[c.Application()]}
			}
		}
	}
	if c.BackchannelLogoutURI != "" && !validLogoutURI(c.BackchannelLogoutURI) {
		return &Error{
			Code: InvalidRequest, Field: "backchannel_logout_uri", Detail: "an https URL without user and fragment, or http on loopback",
		}
	}
	if len(c.AllowedOrigins) > maxURIs {
		return &Error{Code: InvalidRequest, Field: "allowed_origins", Detail: "at most 50"}
	}
	for _, origin := range c.AllowedOrigins {
		if !validOrigin(origin) {
			return &Error{
				Code: InvalidRequest, Field: "allowed_origins",
				Detail: "an origin as browsers write it, such as https://app.example.com or http://localhost:3000: https, or http on loopback, " +
					"in lower case, no default port, no path; never * or null",
			}
		}
	}
	return nil
}

var redirectRules = map[string]string{
	TypeWeb: "an https URL of ASCII, scheme and host in lower case, without user and fragment; http on loopback is for type native, and for " +
		"dev",
	TypeNative: "an https URL of ASCII, scheme and host in lower case, http on 127.0.0.1 or [::1], or a scheme of the application's own, " +
		"such as com.example.app:/cb; without user and fragment",
}

// validLogoutURI is OpenID Connect Back-Channel Logout §2.2. Which networks may be called is the sender's to decide.
func validLogoutURI(text string) bool {
	u, err := url.Parse(text)
	return err == nil && len(text) <= maxURI && printable(text) && !strings.ContainsAny(text, "# \\") && u.User == nil && u.Hostname() != "" &&
		(u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()))
}

// validOrigin takes exactly what a browser sends as Origin (RFC 6454 §6.2): compared character by character, nothing else would ever
// match (row S-07).
func validOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && text != "" && len(text) <= maxOrigin && originOf(u) == text
}

// originOf is the ASCII serialisation of a URL's origin, "" if a page there may not be trusted to be who it says.
func originOf(u *url.URL) string {
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) || u.Hostname() == "" {
		return ""
	}
	host := strings.ToLower(u.Host)
	if u.Port() == "" {
		host = strings.TrimSuffix(host, ":")
	} else if u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	for i := range len(host) {
		// A name in another script is written in its ASCII form.
		if c := host[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("-._:[]", rune(c)) {
			return ""
		}
	}
	return u.Scheme + "://" + host
}

// originsOf are the origins of the pages behind redirect URIs.
func originsOf(uris []string) []string {
	origins := []string{}
	for _, uri := range uris {
		u, err := url.Parse(uri)
		if err != nil {
			continue // said by checkAddresses
		}
		if origin := originOf(u); origin != "" && !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	return origins
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

type audienceList struct {
	field  string
	values []string
}

// audiences are whom tokens can be made out to on behalf of the client.
func (c *Client) audiences() []audienceList {
	return []audienceList{{"audience", c.Audience}, {"exchange_audiences", c.ExchangeAudiences}}
}

// Nobody may have tokens made that the management API takes for its own (row T-07). Whether two organisations name the same service is
// theirs to know: a service that serves one of them checks the claim org.
func (s *Clients) checkAudiences(c *Client) error {
	for _, list := range c.audiences() {
		for _, a := range list.values {
			u, err := url.Parse(a)
			switch {
			case a == s.Issuer || strings.HasPrefix(a, s.Issuer+"/"):
				return &Error{Code: InvalidRequest, Field: list.field, Detail: "an audience below the issuer is the issuer's own"}
			case len(a) > 256 || err != nil || u.Fragment != "" || !printable(a) || a == "" || strings.Contains(a, " "):
				return &Error{
					Code: InvalidRequest, Field: list.field, Detail: "a URL or a name of 1 to 256 characters without space and fragment",
				}
			}
		}
	}
	return nil
}

// checkGrants: what a grant type needs.
func (c *Client) checkGrants() error {
	refuse := func(field, why string) error { return &Error{Code: InvalidRequest, Field: field, Detail: why} }
	switch {
	case c.Allows(GrantAuthorizationCode) && len(c.RedirectURIs) == 0:
		return refuse("redirect_uris", "authorization_code needs at least one") // RFC 6749 §3.1.2.2
	case c.Public() && c.Allows(GrantClientCredentials):
		return refuse("grant_types", "client_credentials needs a client that authenticates") // RFC 6749 §4.4
	case c.Public() && c.Allows(GrantTokenExchange):
		return refuse("grant_types", "token-exchange needs a client that authenticates")
	case c.Allows(GrantTokenExchange) && len(c.ExchangeAudiences) == 0:
		return refuse("exchange_audiences", "token-exchange needs at least one")
	case !c.FirstParty && c.Allows(GrantPassword):
		return refuse("grant_types", "password needs first_party true")
	case c.SelfRegistration && !c.Allows(GrantPassword):
		// Who registers tells the client his password: no client may be told one otherwise that may not be told it at a login.
		return refuse("self_registration", "needs first_party true and password among grant_types")
	case c.Public() && c.KeepRefreshTokens && !c.RequireDPoP:
		// RFC 9700 §4.14.2: bound to their client or replaced in every use.
		return refuse("rotate_refresh_tokens", "a public client without rotation needs require_dpop true")
	}
	return nil
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// validScope is the grammar of RFC 6749 §3.3.
func validScope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= 128
}
