package request

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxFormBody   = 64 << 10
	maxParameters = 100
)

var formType = []string{"application/x-www-form-urlencoded"}

// IsForm reports whether the body of a request is what DecodeForm reads.
func IsForm(r *http.Request) bool { return isMediaType(r.Header.Values("Content-Type"), formType) }

// DecodeForm reads the parameters of an OAuth request from its body alone: application/x-www-form-urlencoded, at most 64 KiB,
// at most 100 parameters, none of them twice (RFC 6749 §3.2). A request that has a query as well is refused, because secrets
// in an address end up in logs. A parameter without a value is left out, as if it had not been sent (RFC 6749 §3.2).
//
// Every list of the result has exactly one element.
func DecodeForm(r *http.Request) (url.Values, error) {
	if r.URL.RawQuery != "" {
		return nil, malformed("", "parameters must be sent in the body, not in the address")
	}
	form, err := readForm(r, maxFormBody, maxParameters)
	if err != nil {
		return nil, err
	}
	dropEmpty(form)
	return form, nil
}

// DecodeLargeForm is DecodeForm for a page whose form has more to say, within bounds of its own.
func DecodeLargeForm(r *http.Request, maxBody int64, maxFields int) (url.Values, error) {
	if r.URL.RawQuery != "" {
		return nil, malformed("", "fields must be sent in the body, not in the address")
	}
	return readForm(r, maxBody, maxFields)
}

func readForm(r *http.Request, maxBody int64, maxFields int) (url.Values, error) {
	body, err := readBody(r, maxBody, formType)
	if err != nil {
		return nil, err
	}
	return parsePairs(string(body), maxFields)
}

func dropEmpty(form url.Values) {
	for name, values := range form {
		if values[0] == "" {
			delete(form, name)
		}
	}
}

// Query reads the query of a request. Only the allowed parameters may appear, each at most once.
//
// Every list of the result has exactly one element, which is "" for a parameter without a value.
func Query(r *http.Request, allowed ...string) (url.Values, error) {
	query, err := parsePairs(r.URL.RawQuery, maxParameters)
	if err != nil {
		return nil, err
	}
	for name := range query {
		if !slices.Contains(allowed, name) {
			return nil, malformed(name, "unknown query parameter; allowed here: "+oneOf(allowed))
		}
	}
	return query, nil
}

// Flag reads a parameter of a query that is true or false, which it is where it is not there.
func Flag(query url.Values, name string) (bool, error) {
	switch query.Get(name) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "":
		if !query.Has(name) {
			return false, nil
		}
	}
	return false, malformed(name, "must be true or false")
}

// parsePairs reads application/x-www-form-urlencoded text. Unlike url.ParseQuery it refuses what it cannot read, repetition and
// invalid UTF-8.
func parsePairs(text string, most int) (url.Values, error) {
	if text == "" {
		return url.Values{}, nil
	}
	count := strings.Count(text, "&") + 1
	if count > most {
		return nil, malformed("", "at most "+strconv.Itoa(most)+" parameters are allowed")
	}
	values := make(url.Values, count)
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := unescape(rawName)
		if err != nil || name == "" {
			return nil, malformed("", "a parameter has no valid name")
		}
		value, err := unescape(rawValue)
		if err != nil {
			return nil, malformed(name, "the value is not valid percent-encoded UTF-8")
		}
		if values.Has(name) {
			return nil, malformed(name, "the parameter appears more than once")
		}
		values[name] = []string{value}
	}
	return values, nil
}

// unescape decodes one form-encoded text.
func unescape(s string) (string, error) {
	text, err := url.QueryUnescape(s)
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(text) {
		return "", errNotUTF8
	}
	return text, nil
}
