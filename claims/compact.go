package claims

import (
	"encoding/base64"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxTokenLength bounds what is read of an untrusted token, in bytes.
const maxTokenLength = 16 << 10

// strictBase64 refuses the spellings of a text that differ in unused bits only.
var strictBase64 = base64.RawURLEncoding.Strict()

// compact is a JWS in compact serialisation (RFC 7515 §7.1), taken apart and decoded but not yet trusted.
type compact struct {
	header    header
	rawHeader []byte
	signed    string // header and payload as they stand in the token
	payload   []byte
	signature []byte
}

// header has the members of a JOSE header that are looked at. Keys and addresses of keys (jwk, jku, x5u, x5c) are not:
// an attacker writes them. Only a proof brings a key along, see proofKey.
type header struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid"`

	// Members that change how a token must be read. The issuer writes none of them, and one we did not honour would mean
	// verifying something else than was signed (RFC 7515 §4.1.11, RFC 7797 §6, RFC 7516 §4.1.2).
	Critical    jsontext.Value `json:"crit"`
	Base64      jsontext.Value `json:"b64"`
	Compression jsontext.Value `json:"zip"`
	Encryption  jsontext.Value `json:"enc"`
}

// parseCompact looks at the characters first, since base64 decoders skip line breaks: after it one token has one spelling
// of its header and payload.
func parseCompact(token string) (compact, error) {
	if len(token) > maxTokenLength {
		return compact{}, fmt.Errorf("%w: longer than %d bytes", ErrMalformed, maxTokenLength)
	}
	var dots [2]int
	n := 0
	for i := range len(token) {
		switch c := token[i]; {
		case isLetter(c), '0' <= c && c <= '9', c == '_', c == '-':
		case c == '.' && n < len(dots):
			dots[n] = i
			n++
		default:
			return compact{}, fmt.Errorf("%w: not three base64url segments", ErrMalformed)
		}
	}
	if n != len(dots) {
		return compact{}, fmt.Errorf("%w: not three base64url segments", ErrMalformed)
	}

	c := compact{signed: token[:dots[1]]}
	var err error
	if c.rawHeader, err = strictBase64.DecodeString(token[:dots[0]]); err != nil {
		return compact{}, fmt.Errorf("%w: header encoding", ErrMalformed)
	}
	if c.payload, err = strictBase64.DecodeString(token[dots[0]+1 : dots[1]]); err != nil {
		return compact{}, fmt.Errorf("%w: payload encoding", ErrMalformed)
	}
	if c.signature, err = strictBase64.DecodeString(token[dots[1]+1:]); err != nil {
		return compact{}, fmt.Errorf("%w: signature encoding", ErrMalformed)
	}
	if err := json.Unmarshal(c.rawHeader, &c.header); err != nil {
		return compact{}, fmt.Errorf("%w: header", ErrMalformed)
	}
	if h := &c.header; h.Critical != nil || h.Base64 != nil || h.Compression != nil || h.Encryption != nil {
		return compact{}, fmt.Errorf("%w: header asks for an extension", ErrMalformed)
	}
	return c, nil
}
