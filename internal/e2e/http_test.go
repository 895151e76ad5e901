package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   string
	last   bool // the server closes the connection
}

// browser is the client of all requests but those of foreign libraries. It waits longer than any answer may take.
var browser = &http.Client{Timeout: 10 * time.Second}

// try sends a request, with headers as pairs.
func (s *server) try(method, path, bearer, body string, headers ...string) (answer, error) {
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for n := 0; n+1 < len(headers); n += 2 {
		request.Header.Set(headers[n], headers[n+1])
	}
	response, err := browser.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text), response.Close}, err
}

// send is try for requests that must be answered.
func (s *server) send(method, path, bearer, body string, headers ...string) answer {
	s.t.Helper()
	a, err := s.try(method, path, bearer, body, headers...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, s.stderr.tail())
	}
	return a
}

func (s *server) get(path, bearer string) answer {
	s.t.Helper()
	return s.send(http.MethodGet, path, bearer, "")
}

// form posts parameters given as pairs.
func (s *server) form(path string, parameters ...string) answer {
	s.t.Helper()
	return s.send(http.MethodPost, path, "", encoded(parameters), "Content-Type", "application/x-www-form-urlencoded")
}

func encoded(parameters []string) string {
	values := url.Values{}
	for n := 0; n+1 < len(parameters); n += 2 {
		values.Set(parameters[n], parameters[n+1])
	}
	return values.Encode()
}

func (s *server) login(username, password string) answer {
	s.t.Helper()
	return s.send(http.MethodPost, "/login", "", `{"username":"`+username+`","password":"`+password+`"}`)
}

// refresh uses a refresh token of the login client.
func (s *server) refresh(token string) answer {
	s.t.Helper()
	return s.form("/oauth/token", "grant_type", "refresh_token", "client_id", "login", "refresh_token", token)
}

// want fails the test unless the answer has a status.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d %s, want %d", a.status, a.body, status)
	}
	return a
}

// text returns a string member of the body.
func (a answer) text(t testing.TB, name string) string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(a.body), &members); err != nil {
		t.Fatalf("%q: %v", a.body, err)
	}
	var text string
	if err := json.Unmarshal(members[name], &text); err != nil {
		t.Fatalf("%s of %s: %v", name, a.body, err)
	}
	return text
}
