package iblai

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

const maxBody = 1 << 20

// patchBody and putBody pass over members they do not know.
type patchBody struct {
	Metadata   jsontext.Value            `json:"metadata"`
	DeleteKeys jsontext.Value            `json:"delete_keys"`
	Others     map[string]jsontext.Value `json:",embed"`
}

type putBody struct {
	Metadata jsontext.Value            `json:"metadata"`
	Others   map[string]jsontext.Value `json:",embed"`
}

// decode reads a body.
func decode[T any](r *http.Request) (T, error) { return decodeUpTo[T](r, maxBody) }

// decodeUpTo is decode within another limit, and of other media types.
func decodeUpTo[T any](r *http.Request, limit int64, mediaTypes ...string) (T, error) {
	body, err := request.DecodeJSON[T](r, limit, mediaTypes...)
	if refused, ok := errors.AsType[*request.Error](err); ok && refused.Code == request.Malformed {
		return body, &refusal{http.StatusBadRequest, inDetail("JSON parse error - " + at(refused.Field, refused.Detail))}
	}
	return body, err
}

// patch reads a PATCH. A member that is there counts, even if there is nothing in it.
func patch(r *http.Request) (change metadata.Change, err error) {
	b, err := decode[patchBody](r)
	if err != nil {
		return change, err
	}
	if b.Metadata == nil && b.DeleteKeys == nil {
		return change, errNothing
	}
	faults := map[string]any{}
	switch kind := b.Metadata.Kind(); {
	case b.Metadata == nil:
	case kind == '{':
		if change.Set, err = puts(b.Metadata); err != nil {
			return change, err
		}
	default:
		faults["metadata"] = wrongType("a dictionary", b.Metadata)
	}
	switch kind := b.DeleteKeys.Kind(); {
	case b.DeleteKeys == nil:
	case kind == '[':
		var wrong map[string][]string
		if change.Delete, wrong, err = keys(b.DeleteKeys); err != nil {
			return change, err
		}
		if len(wrong) > 0 {
			faults["delete_keys"] = wrong
		}
	default:
		faults["delete_keys"] = wrongType("a list", b.DeleteKeys)
	}
	if len(faults) > 0 {
		return change, &refusal{http.StatusBadRequest, faults}
	}
	return change, nil
}

// put reads a PUT. Without metadata it leaves nothing.
func put(r *http.Request) (metadata.Change, error) {
	change := metadata.Change{Replace: true}
	b, err := decode[putBody](r)
	if err != nil || b.Metadata == nil {
		return change, err
	}
	if b.Metadata.Kind() != '{' {
		return change, errNoObject
	}
	change.Set, err = puts(b.Metadata)
	return change, err
}

// puts are the entries of an object.
func puts(object jsontext.Value) ([]metadata.Put, error) {
	all, err := metadata.Members(object)
	for n := range all {
		all[n].Kept = true
	}
	return all, err
}

// keys are the elements of a list, or what is wrong with some of them, by their position.
func keys(list jsontext.Value) (all []string, wrong map[string][]string, err error) {
	var elements []jsontext.Value
	if err := json.Unmarshal(list, &elements); err != nil {
		return nil, nil, err
	}
	wrong = map[string][]string{}
	for n, element := range elements {
		key, err := jsontext.AppendUnquote(nil, element)
		if err != nil {
			wrong[strconv.Itoa(n)] = []string{"Not a valid string."}
		} else if refused, ok := errors.AsType[*metadata.Error](metadata.CheckKey(string(key))); ok {
			wrong[strconv.Itoa(n)] = []string{refused.Detail}
		}
		all = append(all, string(key))
	}
	return all, wrong, nil
}

// wrongType says that a member is no list or dictionary, in Python's names for what it is.
func wrongType(wanted string, got jsontext.Value) []string {
	is := "str"
	switch got.Kind() {
	case 'n':
		return []string{"This field may not be null."}
	case '{':
		is = "dict"
	case '[':
		is = "list"
	case 't', 'f':
		is = "bool"
	case '0':
		if is = "int"; strings.ContainsAny(string(got), ".eE") {
			is = "float"
		}
	}
	return []string{"Expected " + wanted + " of items but got type \"" + is + "\"."}
}

// object is a user's metadata as ibl.ai shows it.
type object struct {
	Username    string         `json:"username"`
	PlatformKey string         `json:"platform_key"`
	Metadata    jsontext.Value `json:"metadata"`
	CreatedAt   string         `json:"created_at"`
	UpdatedAt   string         `json:"updated_at"`
}

// timeFormat has six digits of a second: there are readers that take three or six, and none or any number.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// show answers with the object of a document. One that nothing was ever written to is as old as its user.
func show(c echo.Context, about subject, doc *metadata.Document) error {
	user := about.user
	name := user.Username
	if name == "" && user.EmailVerified {
		name = user.Email
	}
	created, changed := doc.CreatedAt, doc.ChangedAt
	if created.IsZero() {
		created = user.CreatedAt
	}
	if changed.IsZero() {
		changed = created
	}
	return respond(c, http.StatusOK, object{
		Username: cmp.Or(name, user.ID), PlatformKey: about.target.Org, Metadata: metadata.Object(doc.Entries),
		CreatedAt: inUTC(created), UpdatedAt: inUTC(changed),
	})
}

func inUTC(t time.Time) string { return t.UTC().Format(timeFormat) }

// respond answers with a body, or without one if that is nil.
func respond(c echo.Context, status int, body any) error {
	if body == nil {
		return c.NoContent(status)
	}
	encoded, err := json.Marshal(body, json.Deterministic(true), jsontext.PreserveRawStrings(true)) // values are as they were written
	if err != nil {
		return err
	}
	return c.JSONBlob(status, encoded)
}
