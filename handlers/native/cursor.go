package native

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/claimsmith/claimsmith/auth"
)

const cursorTag = 16

// sealCursor makes a position in a list into a cursor that only continues the same list for the same caller (row A-08).
func sealCursor(key []byte, scope, position string) string {
	if position == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(tagCursor(key, scope, position), position...))
}

func openCursor(key []byte, scope, cursor string) (position string, err error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) <= cursorTag || !hmac.Equal(raw[:cursorTag], tagCursor(key, scope, string(raw[cursorTag:]))) {
		return "", &auth.Error{
			Code: auth.InvalidRequest, Field: "cursor", Detail: "not a cursor of this list; use the next of the page before",
		}
	}
	return string(raw[cursorTag:]), nil
}

func tagCursor(key []byte, scope, position string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(scope))
	mac.Write([]byte{0})
	mac.Write([]byte(position))
	return mac.Sum(nil)[:cursorTag]
}
