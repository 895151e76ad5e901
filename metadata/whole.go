package metadata

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// WholeKey is the key of the entry that holds a value whole, in a document that stands for one JSON value.
const WholeKey = "$"

// Split returns the entries of a document that stands for one JSON value: the members of an object whose names can all be keys, anything
// else whole as the one entry WholeKey; and so an object without members, for which there would be no entry, and one that Join would take
// for a value kept whole or give back with a member less. It refuses what JSON refuses of an entry, and an object with a member twice.
func Split(raw []byte) ([]Put, error) {
	if jsontext.Value(raw).Kind() == '{' {
		puts, err := Members(raw)
		if err != nil {
			return nil, err
		}
		if !needsWhole(puts) {
			return puts, nil
		}
	}
	whole, err := JSON(raw)
	return []Put{{Key: WholeKey, Value: whole}}, err
}

// needsWhole reports whether an object with these members cannot be a document with these entries.
func needsWhole(members []Put) bool {
	return len(members) == 0 || len(members) == 1 && members[0].Key == WholeKey ||
		slices.ContainsFunc(members, func(p Put) bool { return CheckKey(p.Key) != nil || standsForNothing(p.Key, p.Value) })
}

// standsForNothing reports whether an entry is what an object without members is kept as.
func standsForNothing(key string, value Value) bool {
	return key == WholeKey && value == Value{KindJSON, "{}"}
}

// Members returns the members of an object in their order, whether or not their names can be keys. It refuses what JSON refuses of an
// entry, and a member that is there twice.
func Members(object []byte) (puts []Put, err error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(object))
	begin, err := dec.ReadToken()
	if err != nil {
		return nil, jsonError(err)
	}
	if begin.Kind() != '{' {
		return nil, invalid("value", "must be an object")
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, jsonError(err)
		}
		put := Put{Key: name.String()}
		member, err := dec.ReadValue()
		if err != nil {
			return nil, jsonError(err)
		}
		if put.Value, err = JSON(member); err != nil {
			return nil, ofMember(put.Key, err)
		}
		puts = append(puts, put)
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, jsonError(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, invalid("value", "there is more than one JSON value")
	}
	return puts, nil
}

// ofMember says which member an error of JSON is about.
func ofMember(key string, err error) error {
	refused, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	e := *refused
	e.Field = key
	return &e
}

// Join is the JSON value that a document with these entries stands for. It is for a document that has been written. An empty object that
// is not alone any more, as where it was to replace entries that stayed, adds nothing to what is beside it.
func Join(entries []Entry) jsontext.Value {
	if len(entries) == 1 && entries[0].Key == WholeKey {
		return jsontext.Value(entries[0].Value.JSON())
	}
	if n := slices.IndexFunc(entries, func(e Entry) bool { return standsForNothing(e.Key, e.Value) }); n >= 0 {
		entries = slices.Concat(entries[:n], entries[n+1:])
	}
	return Object(entries)
}

// Object is the JSON object with these entries as its members. It is for entries that have been written.
func Object(entries []Entry) jsontext.Value {
	text := []byte{'{'}
	for n := range entries {
		if n > 0 {
			text = append(text, ',')
		}
		text, _ = jsontext.AppendQuote(text, entries[n].Key) // keys are valid UTF-8
		text = append(append(text, ':'), entries[n].Value.JSON()...)
	}
	return append(text, '}')
}
