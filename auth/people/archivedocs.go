package people

import (
	"context"
	"encoding/base64"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/metadata"
)

// entryFile is an entry of a document. Of a value of bytes there is ValueBase64, in padded base64 of the standard alphabet.
type entryFile struct {
	Key          string         `json:"key"`
	Value        jsontext.Value `json:"value,omitzero"`
	ValueBase64  *string        `json:"valueBase64,omitzero"`
	ProfileClaim bool           `json:"profileClaim"`
	Revision     uint64         `json:"revision"`
	CreatedAt    time.Time      `json:"createdAt"`
	ChangedAt    time.Time      `json:"changedAt"`
	ChangedBy    string         `json:"changedBy,omitempty"`
}

type documentFile struct {
	Revision uint64      `json:"revision"`
	Entries  []entryFile `json:"entries"`
}

func split(v metadata.Value) (value jsontext.Value, bytes *string) {
	if v.Kind() == metadata.KindBytes {
		text := base64.StdEncoding.EncodeToString([]byte(v.Raw()))
		return nil, &text
	}
	return jsontext.Value(v.Raw()), nil
}

func (a *archive) document(ctx context.Context, name string, t metadata.Target) error {
	doc, err := a.Metadata.Get(ctx, a.caller, t)
	if err != nil {
		return err
	}
	file := documentFile{doc.Revision, make([]entryFile, len(doc.Entries))}
	for n, e := range doc.Entries {
		value, bytes := split(e.Value)
		file.Entries[n] = entryFile{e.Key, value, bytes, e.ProfileClaim, e.Revision, e.CreatedAt, e.ChangedAt, e.ChangedBy}
	}
	return a.file(name, file)
}

type changeFile struct {
	Revision uint64           `json:"revision"`
	At       time.Time        `json:"at"`
	By       string           `json:"by,omitempty"`
	Via      string           `json:"via,omitempty"`
	Changes  []differenceFile `json:"changes"`
	Joined   []string         `json:"joined,omitempty"`
	Left     []string         `json:"left,omitempty"`
}

type differenceFile struct {
	Key    string     `json:"key"`
	Before *shownFile `json:"before"`
	After  *shownFile `json:"after"`
}

type shownFile struct {
	Value        jsontext.Value `json:"value,omitzero"`
	ValueBase64  *string        `json:"valueBase64,omitzero"`
	Hash         string         `json:"hash,omitempty"`
	ProfileClaim bool           `json:"profileClaim"`
}

func shown(s *metadata.Shown) *shownFile {
	if s == nil {
		return nil
	}
	file := &shownFile{Hash: s.Hash, ProfileClaim: s.ProfileClaim}
	if s.Hash == "" {
		file.Value, file.ValueBase64 = split(s.Value)
	}
	return file
}

func (a *archive) history(ctx context.Context, name string, t metadata.Target) error {
	return a.list(name, func(add func(any) error) error {
		past, _, err := a.Metadata.History(ctx, a.caller, t, "", metadata.Page{})
		if err != nil {
			return err
		}
		for _, c := range past {
			file := changeFile{c.Revision, c.At, c.By, c.Via, make([]differenceFile, len(c.Changes)), c.Joined, c.Left}
			for n, d := range c.Changes {
				file.Changes[n] = differenceFile{d.Key, shown(d.Before), shown(d.After)}
			}
			if err := add(file); err != nil {
				return err
			}
		}
		return nil
	})
}
