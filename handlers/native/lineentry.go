package native

import (
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/metadata"
)

// lineEntry is an entry in a line of an export, which has a value of bytes apart, so that it is one again when it is read.
type lineEntry struct {
	Key          string         `json:"key"`
	Value        jsontext.Value `json:"value,omitzero"`
	ValueBase64  *string        `json:"valueBase64,omitzero"`
	ProfileClaim bool           `json:"profileClaim"`
}

func viewLineEntries(doc *metadata.Document) []lineEntry {
	all := make([]lineEntry, len(doc.Entries))
	for n, e := range doc.Entries {
		all[n] = lineEntry{Key: e.Key, ProfileClaim: e.ProfileClaim}
		if e.Value.Kind() == metadata.KindBytes {
			text := base64.StdEncoding.EncodeToString([]byte(e.Value.Raw()))
			all[n].ValueBase64 = &text
		} else {
			all[n].Value = jsonOf(e.Value)
		}
	}
	return all
}

// lineSetBody is an entry to set in a line.
type lineSetBody struct {
	setBody
	ValueBase64 *string `json:"valueBase64"`
}

func (l lineSetBody) put() (metadata.Put, error) {
	if l.ValueBase64 == nil {
		return l.setBody.put(l.Key)
	}
	if l.Value != nil {
		return metadata.Put{}, &metadata.Error{
			Code: metadata.Invalid, Field: "valueBase64", Detail: "an entry has a value or, if it is bytes, a valueBase64, and not both",
		}
	}
	b, err := base64.StdEncoding.Strict().DecodeString(*l.ValueBase64)
	if err != nil || strings.ContainsAny(*l.ValueBase64, "\r\n") {
		return metadata.Put{}, &metadata.Error{
			Code: metadata.Invalid, Field: "valueBase64", Detail: "this is not base64 of the standard alphabet, padded", Err: err,
		}
	}
	return metadata.Put{Key: l.Key, Value: metadata.Bytes(b), ProfileClaim: l.ProfileClaim.Value, Unmarked: !l.ProfileClaim.Given}, nil
}

func linePuts(sets []lineSetBody) ([]metadata.Put, error) {
	all := make([]metadata.Put, 0, len(sets))
	for _, s := range sets {
		put, err := s.put()
		if err != nil {
			return nil, err
		}
		all = append(all, put)
	}
	return all, nil
}
