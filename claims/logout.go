package claims

import "time"

// LogoutToken is the payload of a logout token (OpenID Connect Back-Channel Logout §2.4), whose typ is logout+jwt. Times are in
// whole seconds.
type LogoutToken struct {
	Issuer    string
	Subject   string
	Audience  string // the client
	ID        string // jti
	SessionID string // sid
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// AppendJSON appends the payload to dst. It never has a nonce, so that no ID token can be taken for one.
func (t *LogoutToken) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	dst = appendText(dst, "iss", t.Issuer)
	dst = appendText(dst, "sub", t.Subject)
	dst = appendText(dst, "aud", t.Audience)
	dst = appendTime(dst, "iat", t.IssuedAt)
	dst = appendTime(dst, "exp", t.ExpiresAt)
	dst = appendText(dst, "jti", t.ID)
	dst = appendText(dst, "sid", t.SessionID)
	dst = append(appendName(dst, "events"), `{"http://schemas.openid.net/event/backchannel-logout":{}}`...)
	return append(dst, '}')
}
