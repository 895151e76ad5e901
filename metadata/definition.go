package metadata

import (
	"slices"
	"strings"
	"time"
)

// ClaimRule says whether entries of a key are profile claims.
type ClaimRule string

// The rules.
const (
	ClaimOptional ClaimRule = "optional" // whoever writes says; unsaid, Definition.ProfileClaim decides
	ClaimAlways   ClaimRule = "always"
	ClaimNever    ClaimRule = "never"
)

// Audience is who may read, or write, entries of a key, each including the ones before it.
type Audience string

// The audiences. Operators are callers who may write everything of the organisation; those who may only read it see what the user sees.
const (
	ForOperators Audience = "operator"
	ForSelf      Audience = "self"
	ForServices  Audience = "audience" // read alone: whoever gets the user's tokens
)

// Definition is what an organisation lays down for a key. A key without one is as in DESIGN: entries of any JSON, claims where an
// operator says so, which users may not write, and other entries, which they may.
type Definition struct {
	Key         string `json:"-"`
	Description string `json:"description,omitempty"`
	// Owner is who answers questions about the key: a team, an address.
	Owner string `json:"owner,omitempty"`
	// Schema is a JSON Schema (draft 2020-12) all values must fit, as an exact JSON object; "" for none. A type alone is {"type":"…"}.
	Schema string `json:"schema,omitempty"`
	// MaxBytes bounds the JSON of a value; 0 means MaxValueBytes.
	MaxBytes int `json:"max_bytes,omitempty"`
	// Claim, and ProfileClaim for what it leaves open.
	Claim        ClaimRule `json:"claim,omitempty"` // "" means ClaimOptional
	ProfileClaim bool      `json:"profile_claim,omitempty"`
	// Write is ForOperators or ForSelf, Read any; "" means ForOperators and ForServices.
	Write Audience `json:"write,omitempty"`
	Read  Audience `json:"read,omitempty"`
	// Clients are the only ones whose tokens show the key, Places the only kinds of token (auth's access_token, id_token, userinfo,
	// introspection) that do; nil means all.
	Clients []string `json:"clients"`
	Places  []string `json:"places"`
	// Default is the exact JSON that tokens show for a user who has, and inherits, no entry; "" for none.
	Default string `json:"default,omitempty"`
	// Searchable keys can be searched by; Indexed says that the index is complete.
	Searchable bool `json:"searchable,omitempty"`
	Indexed    bool `json:"indexed,omitempty"`
	// Sensitive values are in no log, and histories and audits show a keyed hash of them.
	Sensitive bool      `json:"sensitive,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	UpdatedBy string    `json:"updated_by,omitempty"`
	// Frozen: until then entries of the key cannot be written, which is Unavailable, because a change of the definition is under way.
	Frozen time.Time `json:"frozen,omitzero"`
	// Version is the scheme's revision at the last change of the definition; it is the ETag.
	Version uint64 `json:"-"`
}

// Bounds of definitions.
const (
	MaxDefinitions = 500 // of an organisation
	MaxClients     = 100 // of a definition
)

// checkDefinition reports why a definition contradicts itself, and makes it canonical.
func (s *Service) checkDefinition(d *Definition) error {
	if err := CheckKey(d.Key); err != nil {
		return err
	}
	d.Claim, d.Write, d.Read = d.claims(), d.writes(), d.reads()
	for _, rule := range []func() error{d.checkTexts, d.checkRules, d.checkAudience, d.checkMaxBytes} {
		if err := rule(); err != nil {
			return err
		}
	}
	if d.Schema != "" {
		if err := s.checkSchema(d); err != nil {
			return err
		}
	}
	return s.checkDefault(d)
}

func (d *Definition) checkTexts() error {
	if err := checkText("description", d.Description, 1000); err != nil {
		return err
	}
	return checkText("owner", d.Owner, 200)
}

func (d *Definition) checkRules() error {
	switch {
	case d.Claim != ClaimOptional && d.Claim != ClaimAlways && d.Claim != ClaimNever:
		return invalid("claim", "optional, always or never")
	case d.Write != ForOperators && d.Write != ForSelf:
		return invalid("write", "operator or self")
	case d.Read != ForOperators && d.Read != ForSelf && d.Read != ForServices:
		return invalid("read", "operator, self or audience")
	case d.Read != ForServices && d.Claim != ClaimNever:
		return invalid("read", "a key that services may not read must never be a claim: claim must be never where read is %s", d.Read)
	case d.Write == ForSelf && d.Read == ForOperators:
		return invalid("write", "users cannot write what they may not read: read must be self or audience where write is self")
	case d.Claim == ClaimNever && d.ProfileClaim:
		return invalid("profile_claim", "entries of a key that is never a claim are not made one where nobody says so")
	case d.Searchable && d.Sensitive:
		return invalid("searchable", "sensitive values are not kept for searching: a key is searchable or sensitive")
	case d.Claim != ClaimNever && CheckClaimKey(d.Key) != nil:
		return invalid("claim", "%q cannot be a claim, so claim must be never: %s", d.Key, detailOf(CheckClaimKey(d.Key)))
	}
	return nil
}

func (d *Definition) checkAudience() error {
	if err := checkNames("clients", d.Clients, MaxClients, isApp, "client ids"); err != nil {
		return err
	}
	known := func(place string) bool { return slices.Contains(Places, place) }
	return checkNames("places", d.Places, len(Places), known, strings.Join(Places, ", "))
}

// checkNames checks a list of which nil means all.
func checkNames(field string, names []string, most int, known func(string) bool, what string) error {
	if names == nil {
		return nil
	}
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if !known(name) || seen[name] {
			return invalid(field, "each at most once: %s", what)
		}
		seen[name] = true
	}
	if len(names) > most {
		return Exceeded(field, field+" of a definition", len(names), most)
	}
	return nil
}

func (d *Definition) checkMaxBytes() error {
	if d.MaxBytes < 0 || d.MaxBytes > MaxValueBytes {
		return invalid("max_bytes", "0 (no other limit than that of all values) to %d", MaxValueBytes)
	}
	return nil
}

func (s *Service) checkSchema(d *Definition) error {
	exact, err := JSON([]byte(d.Schema))
	if err != nil {
		return &Error{Code: Invalid, Field: "schema", Detail: "the schema cannot be used: it is not JSON as values must be", Err: err}
	}
	d.Schema = exact.raw
	if _, err := s.schemas.of(d.Schema); err != nil {
		return invalid("schema", "the schema cannot be used: %s", err)
	}
	return nil
}

func (s *Service) checkDefault(d *Definition) error {
	if d.Default == "" {
		return nil
	}
	if d.Claim == ClaimNever {
		return invalid("default", "a default is what tokens show, and the key is never a claim")
	}
	value, err := JSON([]byte(d.Default))
	if err != nil {
		return &Error{Code: Invalid, Field: "default", Detail: detailOf(err), Err: err}
	}
	d.Default = value.raw
	if len(d.Default) > d.bytes() {
		return Exceeded("default", "bytes of the default, by max_bytes", len(d.Default), d.bytes())
	}
	why, err := s.misfit(d, value)
	if err == nil && why != "" {
		err = invalid("default", "the default %s", why)
	}
	return err
}

// Group is a set of users who inherit the entries of its shared document. Of two groups of a user the one with the smaller Order, or at
// the same Order the one whose slug sorts first, hides the other's entries.
type Group struct {
	// ID is immutable and never used again.
	ID          string    `json:"-"`
	Slug        string    `json:"slug"` // as an organisation's
	Name        string    `json:"name,omitempty"`
	Description string    `json:"description,omitempty"`
	Order       int       `json:"order,omitempty"` // 0 to 1,000,000
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	// Version is as a definition's.
	Version uint64 `json:"-"`
}
