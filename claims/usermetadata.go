package claims

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// UserMetadataClaim is the name of the claim with everything that is stored about a user, in a login with the scope of that name.
const UserMetadataClaim = "urn:zitadel:iam:user:metadata"

// UserMetadata are entries of a user by key, claims or not, each as its bytes: a text is its UTF-8, other JSON its own text. Users may
// write most of them themselves: decide by them what to show, never what to allow. In JSON it is an object of strings in base64url without
// padding, sorted by key.
type UserMetadata map[string][]byte

// MarshalJSON writes the value of the claim.
func (m UserMetadata) MarshalJSON() ([]byte, error) { return m.AppendJSON(nil), nil }

// AppendJSON appends the value of the claim to dst.
func (m UserMetadata) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, key), ':', '"')
		dst = base64.RawURLEncoding.AppendEncode(dst, m[key])
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (m *UserMetadata) UnmarshalJSON(text []byte) error {
	var encoded map[string]string
	if err := json.Unmarshal(text, &encoded); err != nil {
		return fmt.Errorf("claims: reading user metadata: %w", err)
	}
	*m = make(UserMetadata, len(encoded))
	for key, value := range encoded {
		decoded, err := strictBase64.DecodeString(value)
		if err == nil && strings.ContainsAny(value, "\r\n") { // which decoders skip
			err = base64.CorruptInputError(strings.IndexAny(value, "\r\n"))
		}
		if err != nil {
			return fmt.Errorf("claims: reading user metadata: %w", err)
		}
		(*m)[key] = decoded
	}
	return nil
}

// appendUserMetadata writes the claim where there is something in it.
func appendUserMetadata(dst []byte, m UserMetadata) []byte {
	if len(m) == 0 {
		return dst
	}
	return m.AppendJSON(appendName(dst, UserMetadataClaim))
}
