package zitadel

import (
	"fmt"
	"unicode/utf8"

	"connectrpc.com/connect"

	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	filterv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/filter/v2"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	metadatav1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v1"
	metadatav2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v2"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
)

// Bounds of fields, in characters and in bytes, and of lists of conditions, all of which are compared with every entry.
const (
	maxText       = 200
	maxValue      = 500_000
	maxConditions = 20
)

// validate reports the first field of a message that is out of bounds, in the words of protoc-gen-validate.
func validate(m any) error {
	var first error
	in := func(message string) rules { return rules{message: message, first: &first} }
	switch m := m.(type) {
	case *managementv1.SetUserMetadataRequest:
		in("SetUserMetadataRequest").text("Id", m.Id).text("Key", m.Key).value("Value", m.Value, 1)
	case *managementv1.BulkSetUserMetadataRequest:
		all := in("BulkSetUserMetadataRequest").text("Id", m.Id)
		for i, e := range m.Metadata {
			all.at("Metadata", i, "BulkSetUserMetadataRequest_Metadata").text("Key", e.GetKey()).value("Value", e.GetValue(), 1)
		}
	case *managementv1.ListUserMetadataRequest:
		in("ListUserMetadataRequest").text("Id", m.Id).queries(m.Queries)
	case *managementv1.GetUserMetadataRequest:
		in("GetUserMetadataRequest").text("Id", m.Id).text("Key", m.Key)
	case *managementv1.RemoveUserMetadataRequest:
		in("RemoveUserMetadataRequest").text("Id", m.Id).text("Key", m.Key)
	case *managementv1.BulkRemoveUserMetadataRequest:
		in("BulkRemoveUserMetadataRequest").text("Id", m.Id).keys(m.Keys)
	case *authv1.ListMyMetadataRequest:
		in("ListMyMetadataRequest").queries(m.Queries)
	case *authv1.GetMyMetadataRequest:
		in("GetMyMetadataRequest").text("Key", m.Key)
	case *userv2.SetUserMetadataRequest:
		all := in("SetUserMetadataRequest").text("UserId", m.UserId)
		for i, e := range m.Metadata {
			all.at("Metadata", i, "Metadata").text("Key", e.GetKey()).value("Value", e.GetValue(), 0)
		}
	case *userv2.ListUserMetadataRequest:
		in("ListUserMetadataRequest").text("UserId", m.UserId).filters(m.Filters)
	case *userv2.DeleteUserMetadataRequest:
		in("DeleteUserMetadataRequest").keys(m.Keys)
	default:
		return fmt.Errorf("no rules for %T", m)
	}
	return first
}

// rules are those of one message. Only the first field against them is kept.
type rules struct {
	message string
	first   *error
	// around is the message this one is in, as an element of a field.
	around *rules
	field  string
}

func (r rules) fail(field, reason string) {
	if *r.first != nil {
		return
	}
	text := "invalid " + r.message + "." + field + ": " + reason
	for outer, inner := r.around, r; outer != nil; outer, inner = outer.around, *outer {
		text = "invalid " + outer.message + "." + inner.field + ": embedded message failed validation | caused by: " + text
	}
	*r.first = &failure{code: connect.CodeInvalidArgument, text: text}
}

// at returns the rules of an element of a field.
func (r rules) at(field string, i int, message string) rules {
	return rules{message: message, first: r.first, around: &r, field: element(field, i)}
}

func element(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

func (r rules) text(field, s string) rules {
	if n := utf8.RuneCountInString(s); n < 1 || n > maxText {
		r.fail(field, fmt.Sprintf("value length must be between 1 and %d runes, inclusive", maxText))
	}
	return r
}

func (r rules) value(field string, b []byte, least int) {
	switch {
	case least > 0 && (len(b) < least || len(b) > maxValue):
		r.fail(field, fmt.Sprintf("value length must be between %d and %d bytes, inclusive", least, maxValue))
	case len(b) > maxValue:
		r.fail(field, fmt.Sprintf("value length must be at most %d bytes", maxValue))
	}
}

func (r rules) keys(keys []string) {
	for i, key := range keys {
		r.text(element("Keys", i), key)
	}
}

// condition is about a key and a method of comparing it, of which there are some.
func (r rules) condition(key string, method int32, methods map[int32]string) {
	if utf8.RuneCountInString(key) > maxText {
		r.fail("Key", fmt.Sprintf("value length must be at most %d runes", maxText))
	}
	if methods[method] == "" {
		r.fail("Method", "value must be one of the defined enum values")
	}
}

// few reports whether there are no more conditions than there may be.
func (r rules) few(field string, n int) bool {
	if n > maxConditions {
		r.fail(field, fmt.Sprintf("value must contain at most %d items", maxConditions))
	}
	return n <= maxConditions
}

func (r rules) queries(queries []*metadatav1.MetadataQuery) {
	if !r.few("Queries", len(queries)) {
		return
	}
	for i, q := range queries {
		if q.GetKeyQuery() == nil && *r.first == nil {
			*r.first = errQuery
		}
		at := r.at("Queries", i, "MetadataQuery")
		at.within("KeyQuery", "MetadataKeyQuery").
			condition(q.GetKeyQuery().GetKey(), int32(q.GetKeyQuery().GetMethod()), zitadelv1.TextQueryMethod_name)
	}
}

func (r rules) filters(filters []*metadatav2.MetadataSearchFilter) {
	if !r.few("Filters", len(filters)) {
		return
	}
	for i, f := range filters {
		if f.GetKeyFilter() == nil && *r.first == nil {
			*r.first = errQuery
		}
		at := r.at("Filters", i, "MetadataSearchFilter")
		at.within("KeyFilter", "MetadataKeyFilter").
			condition(f.GetKeyFilter().GetKey(), int32(f.GetKeyFilter().GetMethod()), filterv2.TextFilterMethod_name)
	}
}

// within returns the rules of the message in a field.
func (r rules) within(field, message string) rules {
	return rules{message: message, first: r.first, around: &r, field: field}
}
