package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
)

// reading is a record being read. What is wrong with it first is what it is refused for.
type reading struct {
	Line
	err     error
	passed  string
	leftOut []string
}

func (r *reading) refuse(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reading) leave(what string) {
	if !slices.Contains(r.leftOut, what) {
		r.leftOut = append(r.leftOut, what)
	}
}

// convert reads one record.
func convert(raw []byte, number int, do func(*reading, *object)) Record {
	r := &reading{}
	o := r.parse("", raw)
	if o != nil {
		do(r, o)
		o.rest()
	}
	return Record{Number: number, Line: r.Line, Refused: r.err, Passed: r.passed, LeftOut: r.leftOut, Raw: raw}
}

// object is an object of a record, from which members are taken. What nobody takes is left out, by name.
type object struct {
	reading *reading
	path    string
	names   []string
	values  map[string]jsontext.Value
	taken   map[string]bool
}

// parse reads an object; nil where it is none, which refuses the record.
func (r *reading) parse(path string, raw []byte) *object {
	o := &object{reading: r, path: path, values: map[string]jsontext.Value{}, taken: map[string]bool{}}
	value := jsontext.Value(bytes.Clone(raw))
	if err := value.Compact(); err != nil {
		r.refuse("%sno JSON: %w", o.prefix(), plain(err))
		return nil
	}
	if value.Kind() != '{' {
		r.refuse("%smust be an object", o.prefix())
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewReader(value))
	err := members(dec, func(name string) error {
		member, err := dec.ReadValue()
		if err == nil {
			o.names = append(o.names, name)
			o.values[name] = bytes.Clone(member)
		}
		return err
	})
	if err != nil {
		r.refuse("%sno JSON: %w", o.prefix(), plain(err))
		return nil
	}
	return o
}

// plain is an error of JSON without the name of the library.
func plain(err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return syntax.Err
	}
	return err
}

func (o *object) prefix() string {
	if o.path == "" {
		return ""
	}
	return o.path + ": "
}

func (o *object) name(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// raw takes a member; nil where it is absent or null.
func (o *object) raw(name string) jsontext.Value {
	o.taken[name] = true
	if v := o.values[name]; v.Kind() != 'n' {
		return v
	}
	return nil
}

// ignore takes members that mean nothing here.
func (o *object) ignore(names ...string) {
	for _, name := range names {
		o.taken[name] = true
	}
}

// rest leaves out what was not taken and says something.
func (o *object) rest() {
	for _, name := range o.names {
		if !o.taken[name] && !saysNothing(o.values[name]) {
			o.reading.leave(o.name(name))
		}
	}
}

func saysNothing(v jsontext.Value) bool {
	switch string(v) {
	case "null", "false", `""`, "{}", "[]":
		return true
	}
	return false
}

func (o *object) text(name string) string {
	v := o.raw(name)
	if v == nil {
		return ""
	}
	text, ok := textOf(v)
	if !ok {
		o.reading.refuse("%s: must be a text", o.name(name))
	}
	return text
}

func textOf(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	text, err := jsontext.AppendUnquote(nil, v)
	return string(text), err == nil
}

func (o *object) flag(name string) bool {
	v := o.raw(name)
	if v != nil && v.Kind() != 't' && v.Kind() != 'f' {
		o.reading.refuse("%s: must be true or false", o.name(name))
	}
	return v.Kind() == 't'
}

// number takes a whole number, which may stand in a text.
func (o *object) number(name string) int64 {
	v := o.raw(name)
	digits := string(v)
	if text, ok := textOf(v); ok {
		digits = text
	}
	return o.whole(name, digits)
}

func (o *object) whole(name, digits string) int64 {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		o.reading.refuse("%s: must be a whole number", o.name(name))
	}
	return n
}

// object takes a member that is an object; an empty one where there is none.
func (o *object) object(name string) *object {
	v := o.raw(name)
	if v == nil {
		v = jsontext.Value("{}")
	}
	inner := o.reading.parse(o.name(name), v)
	if inner == nil {
		return &object{reading: o.reading, path: o.name(name), taken: map[string]bool{}}
	}
	return inner
}

func (o *object) list(name string) (all []jsontext.Value) {
	v := o.raw(name)
	if v == nil {
		return nil
	}
	if v.Kind() != '[' {
		o.reading.refuse("%s: must be a list", o.name(name))
		return nil
	}
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	_ = elements(dec, func() error { // it is part of what has been parsed
		element, err := dec.ReadValue()
		all = append(all, bytes.Clone(element))
		return err
	})
	return all
}

func (o *object) texts(name string) (all []string) {
	for _, v := range o.list(name) {
		text, ok := textOf(v)
		if !ok {
			o.reading.refuse("%s: must be a list of texts", o.name(name))
		}
		all = append(all, text)
	}
	return all
}

// each takes every member that is not taken yet.
func (o *object) each(f func(name string, value jsontext.Value)) {
	for _, name := range o.names {
		if !o.taken[name] {
			o.taken[name] = true
			f(name, o.values[name])
		}
	}
}

// keepID keeps an id, if it can be one here.
func (r *reading) keepID(what, id string) {
	switch {
	case id == "":
		r.refuse("%s: is missing", what)
	case auth.ValidUserID(id):
		r.ID = id
	default:
		r.leave(what + " (cannot be an id here; he has a new one)")
	}
}

// keepUsername keeps what somebody logs in by. An address does not need to be a username too. It comes after the address.
func (r *reading) keepUsername(what, name string) {
	switch _, err := auth.ParseUsername(name); {
	case name == "" || strings.EqualFold(name, r.Email):
	case err == nil:
		r.Username = name
	case r.Email != "" && r.EmailVerified:
		r.leave(what + " (cannot be a username here)")
	default:
		r.refuse("%s: cannot be a username here, and no address of his is verified: there is nothing he could log in by", what)
	}
}

// keepPicture keeps the address of a picture that can be shown.
func (r *reading) keepPicture(what, address string) {
	if strings.HasPrefix(address, "https://") {
		r.Profile.Picture = address
	} else if address != "" {
		r.leave(what + " (not https)")
	}
}

// keepPhone keeps a telephone number as +14155550100.
func (r *reading) keepPhone(what, number string, verified bool) {
	digits, plus := strings.CutPrefix(number, "+")
	switch {
	case number == "":
	case plus && 5 <= len(digits) && len(digits) <= 15 && strings.Trim(digits, "0123456789") == "":
		r.Profile.PhoneNumber, r.Profile.PhoneNumberVerified = number, verified
	default:
		r.leave(what + " (not in the form +14155550100)")
	}
}

// put adds an entry.
func (r *reading) put(key string, value jsontext.Value, claim *bool) {
	r.Metadata = append(r.Metadata, Entry{Key: key, Value: value, ProfileClaim: claim})
}

// mark is of an entry that only operators wrote: a claim if it was asked for, and else what its definition says.
func mark(o *Options, key string) *bool {
	if slices.Contains(o.Claims, key) {
		return new(true)
	}
	return nil
}

// usersMark is of an entry that its user may have written: no claim unless it was asked for, whatever its definition says.
func usersMark(o *Options, key string) *bool { return new(slices.Contains(o.Claims, key)) }

// merge makes entries of what is left of what operators and what users wrote about somebody. A key with two different values is refused:
// nobody can know which is meant.
func (r *reading) merge(o *Options, operators, users *object) {
	operators.each(func(key string, value jsontext.Value) { r.put(key, value, mark(o, key)) })
	users.each(func(key string, value jsontext.Value) {
		for _, e := range r.Metadata {
			if e.Key != key {
				continue
			}
			if !bytes.Equal(e.Value, value) {
				r.refuse("%s: has another value in %s", users.name(key), operators.path)
			}
			return
		}
		r.put(key, value, usersMark(o, usersKey+key))
	})
}

// usersKey is before a key of what users write of themselves, where it is to be a claim.
const usersKey = "user_metadata."
