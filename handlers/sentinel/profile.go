package sentinel

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/metadata"
)

// entries are what is stored of a profile. What they show in tokens is for others to say.
func entries(profile jsontext.Value) ([]metadata.Put, error) {
	puts, err := metadata.Split(profile)
	if refused, ok := errors.AsType[*metadata.Error](err); ok && refused.Field == "value" { // all of it
		err = &metadata.Error{Code: refused.Code, Detail: refused.Detail, Err: err}
	}
	for n := range puts {
		puts[n].Kept = true
	}
	return puts, err
}

// profileID is a number for those who want one: the same for a user and an application always, and one that JavaScript holds exactly.
func profileID(user, app string) uint64 {
	h := sha256.New()
	_, _ = io.WriteString(h, user+"\x00"+app)
	const bits = 53
	return max(1, binary.BigEndian.Uint64(h.Sum(nil))>>(64-bits))
}
