package config

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is text that must not be seen: however it is printed, logged or encoded, what comes out says only whether
// there is one. The zero value is no secret.
type Secret struct {
	// A pointer, since fmt reads an unexported field without asking its methods: what it then prints is an address.
	text *string
}

// NewSecret keeps text secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal returns the text itself. Nothing that writes to a log, an error or a client may be given it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Given reports whether there is a secret.
func (s Secret) Given() bool { return s.text != nil }

func (s Secret) String() string {
	if s.Given() {
		return redacted
	}
	return ""
}

// Format answers every verb alike, %#v and %x too.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = fmt.Fprint(state, s.String()) }

// LogValue is what log/slog writes.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is what encodings write, JSON among them.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the secret as it was given, never failing: an error could show it.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
