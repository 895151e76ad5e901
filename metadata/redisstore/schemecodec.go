package redisstore

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/claimsmith/claimsmith/metadata"
)

// The formats of a scheme in Redis, written by change_scheme.lua, announced.lua and, where a shared document changes, apply.lua.
//
// Scheme: field "" = the revision, "!" = the revision that all partitions know of, "op" = the latest operations, and for every
// definition "d:<key>" and group "g:<id>" = `<version> <JSON>`.
//
// History: a list, newest first, of `<revision> <time> <by> <via> <length of field> <field><what it was>`.
//
// What a partition has been told: field "" = the revision, and a searchable key = "1".
const (
	announcedField   = "!"
	definitionPrefix = "d:"
	groupPrefix      = "g:"
)

var errScheme = errors.New("malformed scheme")

// schemeObject is what a change is about, as change_scheme.lua takes it.
type schemeObject struct{ field, json, unique string }

func objectOf(c metadata.SchemeChange) (o schemeObject, err error) {
	named := 0
	var object any
	if d := c.PutDefinition; d != nil {
		o.field, object, named = definitionPrefix+d.Key, d, named+1
	}
	if g := c.PutGroup; g != nil {
		o.field, object, named = groupPrefix+g.ID, g, named+1
		o.unique = `"slug":` + strconv.Quote(g.Slug)
	}
	if c.DeleteDefinition != "" {
		o.field, named = definitionPrefix+c.DeleteDefinition, named+1
	}
	if c.DeleteGroup != "" {
		o.field, named = groupPrefix+c.DeleteGroup, named+1
	}
	if named != 1 {
		return o, fmt.Errorf("redisstore: a change of %d objects of a scheme", named)
	}
	if object != nil {
		text, err := json.Marshal(object)
		if err != nil {
			return o, fmt.Errorf("redisstore: %w", err)
		}
		o.json = string(text)
	}
	return o, nil
}

func parseScheme(org string, fields map[string]string) (*metadata.Scheme, error) {
	s := &metadata.Scheme{Org: org, Shared: make(map[string][]metadata.Claim)}
	for field, number := range map[string]*uint64{headerField: &s.Revision, announcedField: &s.Announced} {
		if text, ok := fields[field]; ok && !parseUint(text, 10, number) {
			return nil, errScheme
		}
	}
	for field, stored := range fields {
		d, g, err := parseObject(field, stored)
		switch {
		case err != nil:
			return nil, err
		case d != nil:
			s.Definitions = append(s.Definitions, *d)
		case g != nil:
			s.Groups = append(s.Groups, *g)
		}
	}
	slices.SortFunc(s.Definitions, func(a, b metadata.Definition) int { return strings.Compare(a.Key, b.Key) })
	slices.SortFunc(s.Groups, func(a, b metadata.Group) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), strings.Compare(a.Slug, b.Slug))
	})
	return s, nil
}

// parseObject reads a field of the scheme; one that is neither a definition nor a group is nothing.
func parseObject(field, stored string) (*metadata.Definition, *metadata.Group, error) {
	var version uint64
	text, object, _ := strings.Cut(stored, " ")
	if key, ok := strings.CutPrefix(field, definitionPrefix); ok {
		d := &metadata.Definition{Key: key}
		if !parseUint(text, 10, &version) || json.Unmarshal([]byte(object), d) != nil {
			return nil, nil, errScheme
		}
		d.Version = version
		return d, nil, nil
	}
	if id, ok := strings.CutPrefix(field, groupPrefix); ok {
		g := &metadata.Group{ID: id}
		if !parseUint(text, 10, &version) || json.Unmarshal([]byte(object), g) != nil {
			return nil, nil, errScheme
		}
		g.Version = version
		return nil, g, nil
	}
	return nil, nil, nil
}

func parseSchemeHistory(records []string) ([]metadata.SchemeRevision, error) {
	past := make([]metadata.SchemeRevision, 0, len(records))
	for _, record := range records {
		parts := strings.SplitN(record, " ", 6)
		if len(parts) < 6 {
			return nil, errScheme
		}
		r := metadata.SchemeRevision{By: parts[2], Via: parts[3]}
		var length uint64
		ok := parseUint(parts[0], 10, &r.Revision) && parseTime(parts[1], &r.At) && parseUint(parts[4], 10, &length)
		if !ok || length > uint64(len(parts[5])) {
			return nil, errScheme
		}
		field, before := parts[5][:length], parts[5][length:]
		var err error
		if before != "" {
			if r.Definition, r.Group, err = parseObject(field, before); err != nil {
				return nil, err
			}
		}
		if key, ok := strings.CutPrefix(field, definitionPrefix); ok {
			r.Key = key
		} else if id, ok := strings.CutPrefix(field, groupPrefix); ok {
			r.GroupID = id
		} else {
			return nil, errScheme
		}
		past = append(past, r)
	}
	return past, nil
}
