package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// Token returns a text that only pages made for this session hold, to tell its own forms from those of others (row S-04), and Holds
// checks one. A session that replaces another has another token.
func (s *Service) Token(sess *Session) string { return formToken(s.Keys[0], sess) }

// Holds reports whether a form's token is this session's.
func (s *Service) Holds(sess *Session, token string) bool {
	known := 0
	for _, key := range s.Keys {
		known |= subtle.ConstantTimeCompare([]byte(token), []byte(formToken(key, sess)))
	}
	return known == 1
}

func formToken(key []byte, sess *Session) string {
	own := hmac.New(sha256.New, key) // a key of its own, that tags nothing else
	own.Write([]byte("claimsmith form token"))
	mac := hmac.New(sha256.New, own.Sum(nil))
	mac.Write([]byte(sess.User + "\x00" + sess.ID))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
