package request

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

const cursorTag = 16

// SealCursor makes a position in a list into a cursor that only continues the list of the same scope, such as the same list for the same
// caller (row A-08). That of the end, "", stays "".
func SealCursor(key []byte, scope, position string) string {
	if position == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(tagCursor(key, scope, position), position...))
}

// OpenCursor returns the position of a cursor, "" for none.
func OpenCursor(key []byte, scope, cursor string) (position string, err error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) <= cursorTag || !hmac.Equal(raw[:cursorTag], tagCursor(key, scope, string(raw[cursorTag:]))) {
		return "", malformed("cursor", "not a cursor of this list; use the next of the page before")
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
