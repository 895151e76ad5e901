package request

import (
	"maps"
	"net/http"
	"net/url"
)

// Parameters reads the parameters of a request that may come in the query or, by POST, in a form body as well (OpenID Connect Core
// §3.1.2.1, RP-Initiated Logout §2). Any may appear, each once in both together; one without a value is left out, as if it had not been
// sent (RFC 6749 §3.1). Bounds are those of DecodeForm.
//
// Every list of the result has exactly one element.
func Parameters(r *http.Request) (url.Values, error) {
	params, err := parsePairs(r.URL.RawQuery, maxParameters)
	if err != nil {
		return nil, err
	}
	if r.Method == http.MethodPost {
		form, err := readForm(r, maxFormBody, maxParameters)
		if err != nil {
			return nil, err
		}
		for name := range form {
			if params.Has(name) {
				return nil, malformed(name, "the parameter appears more than once")
			}
		}
		maps.Copy(params, form)
	}
	dropEmpty(params)
	return params, nil
}
