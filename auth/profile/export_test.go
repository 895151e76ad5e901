package profile

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
)

// Apply makes a change of a record that nobody stores.
func Apply(u *auth.User, members map[string]jsontext.Value, now time.Time) Faults {
	var c change
	c.read(fields(func() time.Time { return now }), members)
	if len(c.faults) > 0 {
		return c.faults
	}
	for _, edit := range c.edits {
		edit(&u.Profile, &u.Biography)
	}
	return nil
}

// LinkOf is what a text is kept as on a platform.
func LinkOf(platform, text string) (address string, ok bool) {
	return platformOf(platform).normalize(text)
}

func KnownLanguage(code string) bool { return isLanguage(code) }
