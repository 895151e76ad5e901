package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// about says whose document is meant, and who asks.
type about struct {
	org    string
	user   person
	app    string // client id, "" for the user-wide document
	number string // the application's
	bearer string
	self   bool // the user himself asks
}

// pair is an entry to write: a JSON text, or bytes where the dialect has bytes.
type pair struct {
	key, value string
	mark       string // as in entry, for the native API alone
}

// tongue is one way to speak of documents. What it has no words for is nil.
type tongue struct {
	name string
	// opaque values are bytes, all others are exact JSON.
	opaque bool
	// wide and apps: it speaks of user-wide documents, of those of applications.
	wide, apps bool
	// strict: removing what is not there is an error.
	strict bool
	// read returns the entries, nil where there is no document. What is not an object has the key "".
	read func(c *cast, a about) (answer, map[string]string)
	one  func(c *cast, a about, key string) (answer, string)
	// change sets and removes; a tongue that cannot do both at once is given one of them.
	change     func(c *cast, a about, set []pair, gone []string) answer
	bothAtOnce bool
	replace    func(c *cast, a about, set []pair) answer
	clear      func(c *cast, a about) answer
}

// tongues are all dialects, by each protocol they are spoken over.
var tongues = []tongue{nativeAPI, platformMetadata, profiles, zitadelV1, zitadelV2, zitadelGRPC, zitadelConnect}

// The classes of answers that all dialects have.
const (
	classDone    = "done"
	classRefused = "refused"
	classAbsent  = "absent"
	classInvalid = "invalid"
	classNobody  = "nobody"
)

// class is what an answer means, whatever it looks like.
func (a answer) class() string {
	switch {
	case a.status/100 == 2:
		return classDone
	case a.status == http.StatusUnauthorized:
		return classNobody
	case a.status == http.StatusForbidden:
		return classRefused
	case a.status == http.StatusNotFound, strings.Contains(a.body, "COMMAND-uXHNj"):
		return classAbsent
	case a.status == http.StatusBadRequest, a.status == http.StatusUnprocessableEntity, a.status == http.StatusConflict:
		return classInvalid
	}
	return fmt.Sprint(a.status)
}

// object writes pairs as the members of one, in their order. Of pairs with the same key the last is left.
func object(pairs []pair) string {
	var members []string
	for n, p := range pairs {
		if !slices.ContainsFunc(pairs[n+1:], func(later pair) bool { return later.key == p.key }) {
			members = append(members, quote(p.key)+":"+p.value)
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// list writes texts as an array of strings.
func list(texts []string) string {
	var quoted []string
	for _, text := range texts {
		quoted = append(quoted, quote(text))
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

// parsed decodes an answer that came with success; members keep their exact text.
func parsed[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if a.status/100 == 2 {
		if err := json.Unmarshal([]byte(a.body), &v); err != nil {
			t.Fatalf("%q: %v", a.body, err)
		}
	}
	return v
}

// profileMembers are the members of an object, or {"": text} of anything else.
func profileMembers(t testing.TB, text []byte) map[string]string {
	t.Helper()
	text = bytes.TrimSpace(text)
	if !bytes.HasPrefix(text, []byte("{")) {
		return map[string]string{"": string(text)}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	all := map[string]string{}
	for key, value := range members {
		all[key] = string(value)
	}
	return all
}

var nativeAPI = tongue{
	name: "native", wide: true, apps: true, bothAtOnce: true,
	read: func(c *cast, a about) (answer, map[string]string) {
		got := c.get(a.native(""), a.bearer)
		if got.status != http.StatusOK {
			return got, nil
		}
		all := map[string]string{}
		for _, e := range parsed[nativeDocument](c.t, got).Metadata {
			all[e.Key] = string(e.Value)
		}
		return got, all
	},
	one: func(c *cast, a about, key string) (answer, string) {
		got := c.get(a.native("/"+url.PathEscape(key)), a.bearer)
		return got, string(parsed[nativeEntry](c.t, got).Value)
	},
	change: func(c *cast, a about, set []pair, gone []string) answer {
		return c.patch(a.native(""), a.bearer, `{"set":`+nativeList(set)+`,"delete":`+list(gone)+`}`)
	},
	replace: func(c *cast, a about, set []pair) answer {
		return c.put(a.native(""), a.bearer, `{"metadata":`+nativeList(set)+`}`)
	},
}

type nativeEntry struct {
	Key          string
	Value        json.RawMessage
	ProfileClaim bool
}

type nativeDocument struct{ Metadata []nativeEntry }

func nativeList(set []pair) string {
	var all []string
	for _, p := range set {
		all = append(all, entry(p).text())
	}
	return "[" + strings.Join(all, ",") + "]"
}

// native is the address of the document in the native API.
func (a about) native(suffix string) string {
	target := "/api/user/" + a.user.id + "/metadata" + suffix + "?org=" + a.org
	if a.app != "" {
		target += "&app=" + a.app
	}
	return target
}

var platformMetadata = tongue{
	name: "iblai", wide: true, bothAtOnce: true,
	read: func(c *cast, a about) (answer, map[string]string) {
		got := a.iblai(c, http.MethodGet, "")
		if got.status != http.StatusOK {
			return got, nil
		}
		return got, profileMembers(c.t, parsed[struct{ Metadata json.RawMessage }](c.t, got).Metadata)
	},
	change: func(c *cast, a about, set []pair, gone []string) answer {
		return a.iblai(c, http.MethodPatch, `{"metadata":`+object(set)+`,"delete_keys":`+list(gone)+`}`)
	},
	replace: func(c *cast, a about, set []pair) answer {
		return a.iblai(c, http.MethodPut, `{"metadata":`+object(set)+`}`)
	},
	clear: func(c *cast, a about) answer { return a.iblai(c, http.MethodDelete, "") },
}

// iblai asks for the object of ibl.ai's. A user need not say that he means himself.
func (a about) iblai(c *cast, method, body string) answer {
	c.t.Helper()
	target := "/dm/api/core/users/platform-metadata/?platform_key=" + a.org
	if !a.self {
		target += "&username=" + a.user.username
	}
	return c.send(method, target, "", body, a.scheme("Api-Token")...)
}

// scheme presents the bearer, if there is one, under another name.
func (a about) scheme(name string) []string {
	if a.bearer == "" {
		return nil
	}
	return []string{"Authorization", name + " " + a.bearer}
}

type sentinelProfile struct {
	Data json.RawMessage `json:"profile_data"`
}

var profiles = tongue{
	name: "sentinel", apps: true,
	read: func(c *cast, a about) (answer, map[string]string) {
		if a.self {
			got := c.get("/user/profiles/"+a.number, a.bearer)
			if all := parsed[[]sentinelProfile](c.t, got); len(all) == 1 {
				return got, profileMembers(c.t, all[0].Data)
			}
			return got, nil
		}
		got := c.get("/operator/users/profile/"+a.user.id+"/"+a.number, a.bearer)
		if got.status != http.StatusOK {
			return got, nil
		}
		return got, profileMembers(c.t, parsed[sentinelProfile](c.t, got).Data)
	},
	replace: func(c *cast, a about, set []pair) answer { return a.profile(c, object(set)) },
}

// profile writes any JSON as a profile of Sentinel's.
func (a about) profile(c *cast, data string) answer {
	c.t.Helper()
	if a.self {
		return c.post("/user/profiles/create", a.bearer, `{"app_id":`+a.number+`,"profile_data":`+data+`}`)
	}
	return c.post("/operator/profile/create-bulk", a.bearer,
		`{"profiles":[{"app_id":`+a.number+`,"profile_data":`+data+`,"user_id":`+quote(a.user.id)+`}]}`)
}

type zitadelEntry struct {
	Key   string
	Value []byte
}

func zitadelList(set []pair) string {
	var all []string
	for _, p := range set {
		all = append(all, `{"key":`+quote(p.key)+`,"value":`+quote(base64.StdEncoding.EncodeToString([]byte(p.value)))+`}`)
	}
	return "[" + strings.Join(all, ",") + "]"
}

func bytesOf(entries []zitadelEntry) map[string]string {
	all := map[string]string{}
	for _, e := range entries {
		all[e.Key] = string(e.Value)
	}
	return all
}

// zitadel asks in the organisation of the document.
func (a about) zitadel(c *cast, method, target, body string) answer {
	c.t.Helper()
	return c.send(method, target, a.bearer, body, "X-Zitadel-Orgid", a.org)
}

// hasRoute reports whether a key can be the last segment of a path of Zitadel's v1 and means itself there.
func hasRoute(key string) bool {
	return key != "_bulk" && key != "_search" && key != "." && key != ".."
}

var zitadelV1 = tongue{
	name: "zitadel v1", opaque: true, wide: true, strict: true,
	read: func(c *cast, a about) (answer, map[string]string) {
		at := "/management/v1/users/" + a.user.id
		if a.self {
			at = "/auth/v1/users/me"
		}
		got := a.zitadel(c, http.MethodPost, at+"/metadata/_search", `{}`)
		if got.status != http.StatusOK {
			return got, nil
		}
		return got, bytesOf(parsed[struct{ Result []zitadelEntry }](c.t, got).Result)
	},
	one: func(c *cast, a about, key string) (answer, string) {
		got := a.zitadel(c, http.MethodGet, "/management/v1/users/"+a.user.id+"/metadata/"+url.PathEscape(key), "")
		return got, string(parsed[struct{ Metadata zitadelEntry }](c.t, got).Metadata.Value)
	},
	change: func(c *cast, a about, set []pair, gone []string) answer {
		at := "/management/v1/users/" + a.user.id + "/metadata/"
		switch {
		case len(gone) == 1 && hasRoute(gone[0]):
			return a.zitadel(c, http.MethodDelete, at+url.PathEscape(gone[0]), "")
		case len(gone) > 0:
			return a.zitadel(c, http.MethodDelete, at+"_bulk", `{"keys":`+list(gone)+`}`)
		case len(set) == 1 && hasRoute(set[0].key):
			body := `{"value":` + quote(base64.StdEncoding.EncodeToString([]byte(set[0].value))) + `}`
			return a.zitadel(c, http.MethodPost, at+url.PathEscape(set[0].key), body)
		}
		return a.zitadel(c, http.MethodPost, at+"_bulk", `{"metadata":`+zitadelList(set)+`}`)
	},
}

var zitadelV2 = tongue{
	name: "zitadel v2", opaque: true, wide: true, strict: true,
	read: func(c *cast, a about) (answer, map[string]string) {
		got := a.zitadel(c, http.MethodPost, "/v2/users/"+a.user.id+"/metadata/search", `{"pagination":{"limit":1000}}`)
		if got.status != http.StatusOK {
			return got, nil
		}
		return got, bytesOf(parsed[struct{ Metadata []zitadelEntry }](c.t, got).Metadata)
	},
	change: func(c *cast, a about, set []pair, gone []string) answer {
		at := "/v2/users/" + a.user.id + "/metadata"
		if len(gone) > 0 {
			return a.zitadel(c, http.MethodDelete, at+"?"+url.Values{"keys": gone}.Encode(), "")
		}
		return a.zitadel(c, http.MethodPost, at, `{"metadata":`+zitadelList(set)+`}`)
	},
}
