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
	if query == nil {
		query = url.Values{}
	}
	if o.api.Org != "" {
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
			return apiAnswer{}, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return apiAnswer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+o.api.Token.Reveal())
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if ifMatch != "" {
		r.Header.Set("If-Match", ifMatch)
	}
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
		return apiAnswer{}, refusal(response.Status, answer)
	}
	return apiAnswer{jsontext.Value(bytes.TrimSpace(answer)), response.Header.Get("ETag")}, nil
}

// refusal puts the problem details of an answer into one line: what was wrong, and where.
func refusal(status string, body []byte) error {
	var p problem.Problem
	if err := json.Unmarshal(body, &p); err != nil || p.Code == "" {
		return fmt.Errorf("the server answers %s", status)
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
	return errors.New(text)
}
