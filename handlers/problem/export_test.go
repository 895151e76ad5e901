package problem

// OAuth returns the status and the OAuth form of err.
func OAuth(err error) (int, OAuthError) {
	p := Of(err).asOAuth()
	return p.Status, p.oauth()
}
