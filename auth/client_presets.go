package auth

import "slices"

// The presets: what kinds of application usually need. One fills in what is not said when a client is created, and is not kept.
const (
	PresetWeb       = "web"        // a web application with a server, and the usual OpenID Connect library
	PresetSPA       = "spa"        // one that is only pages
	PresetNative    = "native"     // a mobile, desktop or command line application with a browser beside it
	PresetMachine   = "machine"    // a service that acts for itself
	PresetDevice    = "device"     // something without a browser
	PresetStrict    = "strict"     // a web application that can do everything there is: FAPI 2.0's demands
	PresetPlainOIDC = "plain-oidc" // a web application that knows OpenID Connect Core and nothing after it
)

// preset has every policy of a client that is no matter of taste. Consent has no line: users are asked by all but first-party clients.
type preset struct {
	name           string
	clientType     string
	authMethod     string // "": a secret, sent either way
	grantTypes     []string
	scopes         []string
	pkce, par      bool
	dpop           bool
	rotate         bool
	codeLifetime   int
	accessTokenAlg string
	idTokenAlg     string
}

var presets = []preset{
	{
		name: PresetWeb, clientType: TypeWeb, authMethod: "",
		grantTypes: []string{GrantAuthorizationCode, GrantRefreshToken},
		scopes:     []string{ScopeOpenID, "profile", "email", ScopeOffline},
		pkce:       true, par: false, dpop: false, rotate: true, codeLifetime: maxCodeLifetime,
		accessTokenAlg: DefaultAlg, idTokenAlg: DefaultIDTokenAlg,
	},
	{
		name: PresetSPA, clientType: TypeWeb, authMethod: AuthNone,
		grantTypes: []string{GrantAuthorizationCode, GrantRefreshToken},
		scopes:     []string{ScopeOpenID, "profile", "email"}, // its logins end with the browser's session
		pkce:       true, par: false, dpop: false, rotate: true, codeLifetime: maxCodeLifetime,
		accessTokenAlg: DefaultAlg, idTokenAlg: DefaultIDTokenAlg,
	},
	{
		name: PresetNative, clientType: TypeNative, authMethod: AuthNone,
		grantTypes: []string{GrantAuthorizationCode, GrantRefreshToken},
		scopes:     []string{ScopeOpenID, "profile", "email", ScopeOffline},
		pkce:       true, par: false, dpop: false, rotate: true, codeLifetime: maxCodeLifetime,
		accessTokenAlg: DefaultAlg, idTokenAlg: DefaultIDTokenAlg,
	},
	{
		name: PresetMachine, clientType: TypeWeb, authMethod: "",
		grantTypes: []string{GrantClientCredentials},
		scopes:     []string{}, // which ones says what the service does
		pkce:       true, par: true, dpop: false, rotate: true, codeLifetime: maxCodeLifetime,
		accessTokenAlg: DefaultAlg, idTokenAlg: DefaultIDTokenAlg,
	},
	{
		name: PresetDevice, clientType: TypeNative, authMethod: AuthNone,
		grantTypes: []string{GrantDeviceCode, GrantRefreshToken},
		scopes:     []string{ScopeOpenID, "profile", "email"},
		pkce:       true, par: true, dpop: false, rotate: true, codeLifetime: maxCodeLifetime,
		accessTokenAlg: DefaultAlg, idTokenAlg: DefaultIDTokenAlg,
	},
	{
		name: PresetStrict, clientType: TypeWeb, authMethod: AuthPrivateKeyJWT,
		grantTypes: []string{GrantAuthorizationCode, GrantRefreshToken},
		scopes:     []string{ScopeOpenID, "profile", "email", ScopeOffline},
		pkce:       true, par: true, dpop: true, rotate: true, codeLifetime: maxCodeLifetime,
		accessTokenAlg: DefaultAlg, idTokenAlg: "ES256", // FAPI 2.0 Security Profile §5.4.1 has no RS256
	},
	{
		name: PresetPlainOIDC, clientType: TypeWeb, authMethod: "",
		grantTypes: []string{GrantAuthorizationCode, GrantRefreshToken},
		scopes:     []string{ScopeOpenID, "profile", "email", "address", "phone", ScopeOffline},
		pkce:       false, par: false, dpop: false, rotate: true, codeLifetime: maxCodeLifetime,
		accessTokenAlg: DefaultAlg, idTokenAlg: "RS256", // what such clients expect (OpenID Connect Core §15.1)
	},
}

// Presets are the names of all.
func Presets() []string {
	names := make([]string, len(presets))
	for n, p := range presets {
		names[n] = p.name
	}
	return names
}

// presetChange is what a preset says, nothing for "".
func presetChange(name string) (ClientChange, error) {
	if name == "" {
		return ClientChange{}, nil
	}
	n := slices.IndexFunc(presets, func(p preset) bool { return p.name == name })
	if n < 0 {
		return ClientChange{}, &Error{Code: InvalidRequest, Field: "preset", Detail: "allowed: " + describe(Presets())}
	}
	p := presets[n]
	return ClientChange{
		Type: &p.clientType, AuthMethod: &p.authMethod, GrantTypes: &p.grantTypes, Scopes: &p.scopes, RequirePKCE: &p.pkce,
		RequirePAR: &p.par, RequireDPoP: &p.dpop, RotateRefreshTokens: &p.rotate, CodeLifetime: &p.codeLifetime,
		AccessTokenAlg: &p.accessTokenAlg, IDTokenAlg: &p.idTokenAlg,
	}, nil
}
