package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/handlers/problem"
)

const (
	operatorTimeout = 30 * time.Second
	maxAnswer       = 16 << 20
)

// errNoClaimsmith is an answer that no Claimsmith gives.
var errNoClaimsmith = errors.New("what answers at --url is no Claimsmith, or another version of it")

// operator speaks to the management API of a running server.
type operator struct {
	api    config.API
	client *http.Client
}

func newOperator(api config.API) *operator {
	return &operator{api, &http.Client{
		Timeout: operatorTimeout,
		// The token is for the server that was named and for no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// apiAnswer is a success.
type apiAnswer struct {
	body jsontext.Value
	etag string
}

// send makes a request with the organisation's name. ifMatch is the entity tag the object must have, "" for any; body is sent as JSON
// unless it is nil. Everything but a success is an error that says why.
func (o *operator) send(ctx context.Context, method, path string, query url.Values, ifMatch string, body map[string]any) (apiAnswer, error) {
	r, err := o.request(ctx, method, path, query, body)
	if err != nil {
		return apiAnswer{}, err
	}
	if ifMatch != "" {
		r.Header.Set("If-Match", ifMatch)
	}
	return o.do(r)
}

func (o *operator) request(ctx context.Context, method, path string, query url.Values, body map[string]any) (*http.Request, error) {
	if query == nil {
		query = url.Values{}
	}
	if o.api.Org != "" && !strings.HasPrefix(path, "/api/org") {
		query.Set("org", o.api.Org)
	}
	address := strings.TrimSuffix(o.api.URL, "/") + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body, json.Deterministic(true))
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+o.api.Token.Reveal())
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

func (o *operator) do(r *http.Request) (apiAnswer, error) {
	response, err := o.client.Do(r)
	if err != nil {
		return apiAnswer{}, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return apiAnswer{}, err
	}
	if response.StatusCode/100 != 2 {
		return apiAnswer{}, refusal(response, answer)
	}
	return apiAnswer{jsontext.Value(bytes.TrimSpace(answer)), response.Header.Get("ETag")}, nil
}

// Exit codes, documented in docs/operating.md. A script can tell by them what to do next.
const (
	exitDone        = 0
	exitFailed      = 1 // refused, or anything else
	exitUsage       = 2 // the command line
	exitNotFound    = 3
	exitForbidden   = 4 // the credential is not good, or not good enough
	exitChanged     = 5 // somebody else was quicker, or what is stored does not allow it
	exitUnavailable = 6 // the outcome is not known, or the server could not be reached: try again
)

// exitCode is that of an error.
func exitCode(err error) int {
	var r *refusedAnswer
	var unreachable *url.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &r):
		return r.exit
	case errors.As(err, &unreachable):
		return exitUnavailable
	}
	return exitFailed
}

// refusedAnswer is one that is no success.
type refusedAnswer struct {
	exit int
	text string
}

func (r *refusedAnswer) Error() string { return r.text }

func exitOf(status int) int {
	switch status {
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitForbidden
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitChanged
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		return exitUnavailable
	}
	return exitFailed
}

// refusal puts the problem details of an answer into one line: what was wrong, and where.
func refusal(response *http.Response, body []byte) error {
	exit := exitOf(response.StatusCode)
	var p problem.Problem
	if err := json.Unmarshal(body, &p); err != nil || p.Code == "" {
		return &refusedAnswer{exit, "the server answers " + response.Status}
	}
	text := fmt.Sprintf("%d %s", p.Status, p.Code)
	for _, place := range slices.Sorted(maps.Keys(p.Errors)) {
		text += fmt.Sprintf(": %s: %s", place, strings.Join(p.Errors[place], "; "))
	}
	if p.Detail != "" && len(p.Errors) == 0 {
		text += ": " + p.Detail
	}
	if p.TraceID != "" {
		text += " [" + p.TraceID + "]"
	}
	return &refusedAnswer{exit, text}
}

// all reads every page of a list, up to limit objects; 0 for all of them.
func (o *operator) all(ctx context.Context, path, member string, query url.Values, limit int) ([]jsontext.Value, error) {
	items := []jsontext.Value{}
	if query == nil {
		query = url.Values{}
	}
	for {
		query.Set("limit", "200")
		a, err := o.send(ctx, http.MethodGet, path, query, "", nil)
		if err != nil {
			return nil, err
		}
		page, next, err := pageOf(a.body, member)
		if err != nil {
			return nil, err
		}
		if items = append(items, page...); next == "" || limit > 0 && len(items) >= limit {
			break
		}
		query.Set("cursor", next)
	}
	if limit > 0 && len(items) > limit {
		items = items[:limit]
	}
	return items, nil
}

func pageOf(text jsontext.Value, member string) (items []jsontext.Value, next string, err error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, "", fmt.Errorf("%w: %w", errNoClaimsmith, err)
	}
	err = json.Unmarshal(members[member], &items)
	if raw := members["next"]; err == nil && raw != nil {
		err = json.Unmarshal(raw, &next)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", errNoClaimsmith, err)
	}
	return items, next, nil
}
