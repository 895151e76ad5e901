package auth

// Warning says what a client's policy lets happen that need not.
type Warning struct{ Code, Text string }

// Warnings are computed from the policy whenever it is shown: one for everything in it that is less strict than it could be for
// what the client does.
func (c *Client) Warnings() []Warning {
	code := c.Allows(GrantAuthorizationCode)
	all := []struct {
		applies bool
		Warning
	}{
		{code && !c.RequirePKCE, Warning{
			"no_pkce", "A stolen authorization code can be put into another login of this client: require_pkce is false (RFC 9700 section 2.1.1).",
		}},
		{code && !c.RequirePAR, Warning{
			"no_par", "Authorization requests pass through the browser, where they can be read and changed: require_par is false (RFC 9126).",
		}},
		{c.meetsUsers() && !c.RequireDPoP, Warning{
			"no_dpop", "Whoever steals a token can use it: require_dpop is false (RFC 9449).",
		}},
		{c.meetsUsers() && !c.RequireConsent && !c.FirstParty, Warning{
			"no_consent", "Users are not asked before this client gets what is theirs: require_consent is false, and it is not first_party.",
		}},
		{c.Allows(GrantRefreshToken) && c.KeepRefreshTokens, Warning{
			"no_rotation", "The theft of a refresh token is not noticed: rotate_refresh_tokens is false (RFC 9700 section 4.14.2).",
		}},
		{c.EndpointAudience, Warning{
			"token_endpoint_audience", "Another server can have this client make an assertion that is accepted here: " +
				"allow_token_endpoint_audience is true.",
		}},
		{c.Allows(GrantPassword), Warning{
			"password_grant", "This client sees its users' passwords: grant_types has password (RFC 9700 section 2.4).",
		}},
		{c.SelfRegistration, Warning{
			"self_registration", "Whoever can reach this client's registration makes himself a user of its organisation, with an address " +
				"nobody has verified: self_registration is true.",
		}},
	}
	warnings := []Warning{}
	for _, w := range all {
		if w.applies {
			warnings = append(warnings, w.Warning)
		}
	}
	return warnings
}
