package config

import (
	"fmt"
	"slices"
	"strings"
)

// The dialects that can be switched off.
const (
	IBLAI            = "iblai"
	SentinelProfiles = "sentinel"
	Zitadel          = "zitadel"
)

var dialects = []string{IBLAI, SentinelProfiles, Zitadel}

// Dialects are the names of the dialects that are served beside the own API.
type Dialects []string

// UnmarshalText reads "none" or a list of names with commas between.
func (d *Dialects) UnmarshalText(text []byte) error {
	*d = nil
	if string(text) == "none" {
		return nil
	}
	for name := range strings.SplitSeq(string(text), ",") {
		name = strings.TrimSpace(name)
		switch {
		case !slices.Contains(dialects, name):
			return fmt.Errorf("%q is none of %s, or the word none", name, strings.Join(dialects, ", "))
		case slices.Contains(*d, name):
			return fmt.Errorf("%q is named twice", name)
		}
		*d = append(*d, name)
	}
	return nil
}

// Has reports whether a dialect is served.
func (d Dialects) Has(name string) bool { return slices.Contains(d, name) }
