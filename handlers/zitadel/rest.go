package zitadel

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"connectrpc.com/connect"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/claimsmith/claimsmith/handlers/origin"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	filterv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/filter/v2"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
)

// routes are what is served at one path.
type routes map[string][]origin.Route

func (r routes) add(method, path string, handler echo.HandlerFunc) {
	r[path] = append(r[path], origin.Route{Method: method, Handler: handler})
}

// rest is the list of what is served as JSON. Fields of a message that are in the path are taken from there, whatever the body says.
//
// For POST and DELETE _bulk, and for POST _search, are no keys.
func (d *Dialect) rest() routes {
	m, o, u, all := &management{d}, &own{d}, &user{d}, routes{}
	const entries, mine, users = "/management/v1/users/:id/metadata", "/auth/v1/users/me/metadata", "/v2/users/:user_id/metadata"

	all.add(http.MethodPost, entries+"/_bulk", serve(d, long, m.BulkSetUserMetadata,
		func(r *managementv1.BulkSetUserMetadataRequest, p *path) { r.Id = p.value("id") }))
	all.add(http.MethodDelete, entries+"/_bulk", serve(d, long, m.BulkRemoveUserMetadata,
		func(r *managementv1.BulkRemoveUserMetadataRequest, p *path) { r.Id = p.value("id") }))
	all.add(http.MethodPost, entries+"/_search", serve(d, short, m.ListUserMetadata,
		func(r *managementv1.ListUserMetadataRequest, p *path) { r.Id = p.value("id") }))
	all.add(http.MethodPost, entries+"/:key", serve(d, long, m.SetUserMetadata,
		func(r *managementv1.SetUserMetadataRequest, p *path) { r.Id, r.Key = p.value("id"), p.value("key") }))
	for _, key := range []string{"_bulk", "_search", ":key"} {
		all.add(http.MethodGet, entries+"/"+key, serve(d, bodiless, m.GetUserMetadata,
			func(r *managementv1.GetUserMetadataRequest, p *path) { r.Id, r.Key = p.value("id"), p.key(key) }))
	}
	for _, key := range []string{"_search", ":key"} {
		all.add(http.MethodDelete, entries+"/"+key, serve(d, bodiless, m.RemoveUserMetadata,
			func(r *managementv1.RemoveUserMetadataRequest, p *path) { r.Id, r.Key = p.value("id"), p.key(key) }))
	}

	all.add(http.MethodPost, mine+"/_search", serve(d, short, o.ListMyMetadata, func(*authv1.ListMyMetadataRequest, *path) {}))
	for _, key := range []string{"_search", ":key"} {
		all.add(http.MethodGet, mine+"/"+key, serve(d, bodiless, o.GetMyMetadata,
			func(r *authv1.GetMyMetadataRequest, p *path) { r.Key = p.key(key) }))
	}

	all.add(http.MethodPost, users, serve(d, long, u.SetUserMetadata,
		func(r *userv2.SetUserMetadataRequest, p *path) { r.UserId = p.value("user_id") }))
	all.add(http.MethodPost, users+"/search", serve(d, short, u.ListUserMetadata,
		func(r *userv2.ListUserMetadataRequest, p *path) { r.UserId = p.value("user_id") }))
	all.add(http.MethodDelete, users, serve(d, bodiless, u.DeleteUserMetadata,
		func(r *userv2.DeleteUserMetadataRequest, p *path) {
			r.UserId, r.Keys = p.value("user_id"), p.query("keys")
		}))
	return all
}

// bound is how many bytes the message of a method may have.
type bound int64

const (
	bodiless bound = 0
	short    bound = 64 << 10 // holds neither values nor any number of keys
	long     bound = 2 << 20
)

// message is a pointer to a T that is a message.
type message[T any] interface {
	*T
	proto.Message
}

// serve has a method answer what is in the body, the path and the query of a request.
func serve[In, Out any, I message[In], O message[Out]](
	d *Dialect, most bound, method func(context.Context, I) (O, error), bind func(I, *path),
) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, refused := d.begin(c.Request())
		if refused != nil {
			return refuse(c, refused)
		}
		in, p := I(new(In)), &path{context: c}
		var err error
		if most != bodiless {
			err = decode(r, most, in)
		}
		if bind(in, p); err == nil {
			err = p.err
		}
		if err == nil {
			err = validate(in)
		}
		var out O
		if err == nil {
			out, err = method(r.Context(), in)
		}
		if refused, ok := errors.AsType[*request.Error](err); ok {
			return refuse(c, failureOf(problem.Of(refused)).because(refused))
		}
		if err != nil {
			return refuse(c, explain(err, callOf(r.Context()), operation{}))
		}
		text, err := encode(out)
		if err != nil {
			return err
		}
		return c.JSONBlob(http.StatusOK, text)
	}
}

// path reads fields from the address of a request, and remembers the first that cannot be read.
type path struct {
	context echo.Context
	err     error
}

func (p *path) value(name string) string {
	value, err := request.PathValue(p.context, name)
	if p.err == nil {
		p.err = err
	}
	return value
}

// key is the key in the path of a route for one key, or for all.
func (p *path) key(route string) string {
	if name, all := strings.CutPrefix(route, ":"); all {
		return p.value(name)
	}
	return route
}

func (p *path) query(name string) []string {
	query, err := url.ParseQuery(p.context.Request().URL.RawQuery)
	values := query[name]
	if p.err == nil && (err != nil || slices.ContainsFunc(values, func(value string) bool { return !utf8.ValidString(value) })) {
		p.err = malformed("", "the query is not valid percent-encoded UTF-8")
	}
	return values
}

// decode reads a message from a body, which may be missing if none of its fields is in there.
func decode(r *http.Request, most bound, into proto.Message) error {
	if r.ContentLength < 0 {
		body := bufio.NewReaderSize(r.Body, 16)
		if _, err := body.Peek(1); errors.Is(err, io.EOF) {
			return nil
		}
		r.Body = io.NopCloser(body)
	}
	if r.ContentLength == 0 {
		return nil
	}
	text, err := request.JSONText(r, int64(most))
	if refused, ok := errors.AsType[*request.Error](err); ok && refused.Code == request.Malformed {
		return malformed(refused.Field, refused.Detail)
	}
	if err != nil {
		return err
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, into); err != nil {
		place, reason := "", "the body does not fit "+string(into.ProtoReflect().Descriptor().FullName())
		if found := misfit.FindStringSubmatch(err.Error()); found != nil {
			place, reason = found[1], found[2]
		}
		return malformed(place, reason)
	}
	return checkMethods(text, into.ProtoReflect().Descriptor())
}

// compared is a condition of a list.
type compared struct {
	Method jsontext.Value            `json:"method"`
	Others map[string]jsontext.Value `json:",embed"`
}

// checkMethods refuses, in the conditions of a list, methods that there are not: the decoder would pass over them, and so find what was
// not looked for.
func checkMethods(text []byte, of protoreflect.MessageDescriptor) error {
	field, names, known := "queries", []string{"keyQuery", "key_query"}, zitadelv1.TextQueryMethod_value
	if of.Fields().ByName("filters") != nil {
		field, names, known = "filters", []string{"keyFilter", "key_filter"}, filterv2.TextFilterMethod_value
	}
	if of.Fields().ByName(protoreflect.Name(field)) == nil {
		return nil
	}
	var list map[string]jsontext.Value
	var conditions []map[string]jsontext.Value
	err := json.Unmarshal(text, &list)
	if err == nil && list[field] != nil {
		err = json.Unmarshal(list[field], &conditions)
	}
	if err != nil {
		return malformed("", "the body does not fit "+string(of.FullName()))
	}
	for _, condition := range conditions {
		for _, name := range names {
			var c compared
			if condition[name] != nil && json.Unmarshal(condition[name], &c) == nil && c.Method.Kind() == '"' {
				method, err := jsontext.AppendUnquote(nil, c.Method)
				if _, ok := known[string(method)]; err != nil || !ok {
					return malformed("", "invalid value for enum field method")
				}
			}
		}
	}
	return nil
}

// misfit is the part of the decoder's words that holds nothing of the body but the names of fields.
var misfit = regexp.MustCompile(`\((line \d+:\d+)\): (invalid value for \w+ (?:field|type)(?: \w+)?)`)

func malformed(place, reason string) error {
	if place != "" {
		reason = "(" + place + "): " + reason
	}
	return &failure{code: connect.CodeInvalidArgument, text: "proto: " + reason}
}
