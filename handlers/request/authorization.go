package request

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode"
)

// maxToken bounds a credential before anything decodes it.
const maxToken = 16 << 10

// Bearer returns the token of the one Authorization header (RFC 6750 §2.1), of at most 16 KiB. It fails with MissingCredentials
// when there is none of the scheme Bearer, with InvalidToken when the text cannot be a token, and with Malformed when there are
// several headers. The token is a secret and is not verified here.
func Bearer(r *http.Request) (string, error) { return Token(r, SchemeBearer) }

// Token is Bearer for any of these schemes, which all are Bearer by another name.
func Token(r *http.Request, schemes ...string) (string, error) {
	for _, scheme := range schemes {
		token, present, err := credentials(r, scheme)
		switch {
		case err != nil:
			return "", err
		case !present:
			continue
		case !isToken68(token):
			return "", &Error{Code: InvalidToken, Detail: "the bearer token is not valid"}
		}
		return token, nil
	}
	return "", &Error{Code: MissingCredentials, Detail: "a bearer token is required in the Authorization header"}
}

// Schemes an access token is presented with.
const (
	SchemeBearer = "Bearer" // RFC 6750 §2.1
	SchemeDPoP   = "DPoP"   // RFC 9449 §7.1
	// The names that clients of ibl.ai know SchemeBearer by.
	SchemeAPIToken = "Api-Token"
	SchemeToken    = "Token"
)

// AccessToken is Bearer for resources that take tokens bound to a key as well. scheme is the one that was used, the plain one where
// there was none.
func AccessToken(r *http.Request) (scheme, token string, err error) {
	token, present, err := credentials(r, SchemeDPoP)
	switch {
	case err != nil:
		return SchemeBearer, "", err
	case !present:
		token, err = Bearer(r)
		return SchemeBearer, token, err
	case !isToken68(token):
		return SchemeDPoP, "", &Error{Code: InvalidToken, Detail: "the access token is not valid"}
	}
	return SchemeDPoP, token, nil
}

// Basic returns the client credentials of the Authorization header, both halves form-decoded (RFC 6749 §2.3.1). present is false
// without such a header. Any other scheme, and anything that cannot be read without doubt, is InvalidClient.
func Basic(r *http.Request) (id, secret string, present bool, err error) {
	invalid := &Error{
		Code: InvalidClient, Detail: "the Authorization header must hold form-encoded client credentials as in RFC 6749, section 2.3.1",
	}
	if len(r.Header.Values("Authorization")) == 0 {
		return "", "", false, nil
	}
	encoded, present, err := credentials(r, "Basic")
	if err != nil {
		return "", "", false, err
	}
	if !present || len(encoded) > maxToken {
		return "", "", false, invalid
	}
	pair, decodeErr := base64.StdEncoding.Strict().DecodeString(encoded)
	if decodeErr != nil || strings.ContainsAny(encoded, "\r\n") {
		return "", "", false, invalid
	}
	rawID, rawSecret, ok := strings.Cut(string(pair), ":")
	if !ok {
		return "", "", false, invalid
	}
	id, idErr := unescape(rawID)
	secret, secretErr := unescape(rawSecret)
	if idErr != nil || secretErr != nil || id == "" || strings.ContainsFunc(id+secret, unicode.IsControl) {
		return "", "", false, invalid
	}
	return id, secret, true, nil
}

// credentials returns what follows the scheme in the one Authorization header. present is false when the header is absent or of
// another scheme (RFC 9110 §11.4: schemes are compared without case).
func credentials(r *http.Request, scheme string) (value string, present bool, err error) {
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return "", false, malformed("", "the Authorization header must be sent once")
	}
	if len(headers) == 0 {
		return "", false, nil
	}
	name, value, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(name, scheme) {
		return "", false, nil
	}
	return strings.TrimLeft(value, " "), true, nil
}

// isToken68 checks the grammar of RFC 6750 §2.1 and the length.
func isToken68(s string) bool {
	if len(s) > maxToken {
		return false
	}
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		c := body[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return body != ""
}
