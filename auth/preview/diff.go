package preview

import (
	"bytes"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/metadata"
)

// diff names the claims that differ, in ascending order. What differs alike in several kinds of token is named once.
func diff(before, after *Tokens) []Difference {
	was, is := before.all(), after.all()
	var found []Difference
	for i, place := range metadata.Places {
		old, made := members(was[i].Claims), members(is[i].Claims)
		names := maps.Clone(old)
		maps.Copy(names, made)
		for name := range names {
			if bytes.Equal(old[name], made[name]) {
				continue
			}
			n := slices.IndexFunc(found, func(d Difference) bool {
				return d.Claim == name && bytes.Equal(d.Before, old[name]) && bytes.Equal(d.After, made[name])
			})
			if n < 0 {
				n = len(found)
				found = append(found, Difference{Claim: name, Before: old[name], After: made[name]})
			}
			found[n].Tokens = append(found[n].Tokens, place)
		}
	}
	slices.SortStableFunc(found, func(a, b Difference) int { return bytes.Compare([]byte(a.Claim), []byte(b.Claim)) })
	return found
}

// all are the tokens in the order of metadata.Places.
func (t *Tokens) all() []Token { return []Token{t.AccessToken, t.IDToken, t.UserInfo, t.Introspection} }

// members are the values of an object's members, none for a token that is not there.
func members(object jsontext.Value) map[string]jsontext.Value {
	found := make(map[string]jsontext.Value)
	dec := jsontext.NewDecoder(bytes.NewReader(object))
	if token, err := dec.ReadToken(); err != nil || token.Kind() != '{' {
		return found
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return found
		}
		key := name.String()
		value, err := dec.ReadValue()
		if err != nil {
			return found
		}
		found[key] = value.Clone()
	}
	return found
}
