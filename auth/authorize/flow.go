package authorize

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/auth"
)

// A flow fits a form field and an address line, and is of use for an hour.
const (
	maxSealed    = 12 << 10
	maxFlow      = maxSealed*3/4 - 1024 // before sealing, with room for what is noted on the way
	flowLifetime = time.Hour
)

// sealedFlow is what a sealed flow is sealed for.
const sealedFlow = "authorization flow"

var errFlow = &auth.Error{
	Code: auth.InvalidRequest, Field: "flow",
	Detail: "this page is too old or was opened in another browser, begin again where you came from",
}

// Seal turns a Flow into the text that travels. It opens only for the browser the flow began in.
func (s *Service) Seal(f *Flow) string {
	return base64.RawURLEncoding.EncodeToString(s.Sealer.Seal(encode(f), sealedFlow, f.Browser))
}

// Open is the inverse of Seal. browser is the secret of the asking browser. It refuses what another browser began and what is older than
// an hour.
func (s *Service) Open(text, browser string) (*Flow, error) {
	if len(text) > maxSealed || browser == "" {
		return nil, errFlow
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(text) != base64.RawURLEncoding.EncodedLen(len(sealed)) { // line breaks are skipped by the decoder
		return nil, errFlow
	}
	plain, err := s.Sealer.Open(sealed, sealedFlow, browserHash(browser))
	if err != nil {
		return nil, &auth.Error{Code: errFlow.Code, Field: errFlow.Field, Detail: errFlow.Detail, Err: err}
	}
	f := &Flow{}
	if err := json.Unmarshal(plain, f); err != nil || s.Now().Sub(f.Began) > flowLifetime {
		return nil, errFlow
	}
	return f, nil
}

// begin starts a flow. Stores tell the time in milliseconds, so that a login right after the beginning must not seem to be before it.
func (s *Service) begin(browser string) *Flow {
	return &Flow{Began: s.Now().Truncate(time.Millisecond), Browser: browserHash(browser)}
}

// asks reports whether the request has a value of prompt.
func (f *Flow) asks(prompt string) bool { return slices.Contains(f.Prompt, prompt) }

func browserHash(secret string) string {
	return base64.RawURLEncoding.EncodeToString(sha256Sum([]byte(secret)))
}

func sha256Sum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// encode writes what only this package reads.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts of valid UTF-8, numbers and times
	}
	return text
}
