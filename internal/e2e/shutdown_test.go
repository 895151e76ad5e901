package e2e

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// A load balancer stops sending where /readyz says no or an answer closes its connection. What was sent until then is answered,
// and so is what arrives slowly while the server ends.
func TestShutdownFailsNoRequest(t *testing.T) {
	t.Parallel()
	i, _ := newInstallation(t)
	s := i.serve()
	s.send(http.MethodPost, "/api/user", i.admin, `{"id":"jane","username":"jane","password":"long enough for jane"}`).want(t, http.StatusCreated)

	put := func() (answer, error) {
		return s.try(http.MethodPut, "/api/user/jane/metadata/theme", i.admin, `{"value":"Dark Mode","profileClaim":true}`)
	}
	read := func() (answer, error) { return s.try(http.MethodGet, "/api/user/jane/metadata", i.admin, "") }
	keys := func() (answer, error) { return s.try(http.MethodGet, "/.well-known/jwks.json", "", "") }
	login := func() (answer, error) {
		return s.try(http.MethodPost, "/login", "", `{"username":"jane","password":"long enough for jane"}`)
	}
	var load sync.WaitGroup
	var counted counter
	for _, request := range []func() (answer, error){put, put, read, keys, login} {
		load.Go(func() {
			for {
				a, err := request()
				counted.add(a, err)
				if err != nil || a.last {
					return // as a balancer would
				}
			}
		})
	}
	s.until("requests are answered", func() bool { return counted.total() > 100 })
	s.terminate()
	eventually(t, "it is not ready", patience, func() bool { return s.get("/readyz", "").status == http.StatusServiceUnavailable })
	load.Wait()
	before := counted.total()

	// It still answers who did not notice, until it accepts no connection.
	slow := s.sendSlowly(i.admin)
	if code := s.wait(patience); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.stderr.tail())
	}
	for _, fault := range counted.faults {
		t.Error(fault)
	}
	t.Logf("%d requests under load, %d that came slowly", before, slow)
}

// sendSlowly begins one request after the other and completes each only when the server accepts no more connections, and returns
// how many were answered with success: those begun less than the time a request may take before.
func (s *server) sendSlowly(token string) int {
	s.t.Helper()
	const apart = 100 * time.Millisecond
	closing := make(chan struct{})
	results := make(chan error)
	begun := 0
	ticker := time.NewTicker(apart)
	defer ticker.Stop()
	for !s.refusesConnections() {
		begun++
		go func() { results <- s.sendWhen(closing, token) }()
		<-ticker.C
	}
	close(closing)
	succeeded := 0
	for range begun {
		err := <-results
		if err == nil {
			succeeded++
		} else if !errors.Is(err, errTooLate) {
			s.t.Error(err)
		}
	}
	if succeeded == 0 {
		s.t.Errorf("none of %d requests under way was answered", begun)
	}
	return succeeded
}

// errTooLate is the answer to a request that took longer than requests may.
var errTooLate = errors.New("the request took too long")

// sendWhen sends the head of a request at once and its body when it may.
func (s *server) sendWhen(may <-chan struct{}, token string) error {
	reader, writer := io.Pipe()
	go func() {
		_, _ = io.WriteString(writer, `{"value":`) // the reader says so where that fails
		<-may
		_, _ = io.WriteString(writer, `"slow"}`)
		_ = writer.Close()
	}()
	request, err := http.NewRequest(http.MethodPut, s.url+"/api/user/jane/metadata/slow", reader)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Transport: &http.Transport{}, Timeout: patience}).Do(request)
	if err != nil {
		if s.refusesConnections() && strings.Contains(err.Error(), "connection refused") {
			return errTooLate // it never arrived
		}
		return err
	}
	defer func() { _ = response.Body.Close() }()
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusServiceUnavailable:
		return errTooLate
	}
	return errors.New(response.Status)
}

// counter counts answers. Whatever is not a success is a fault.
type counter struct {
	mu     sync.Mutex
	count  int
	faults []string
}

func (c *counter) add(a answer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	if err != nil {
		c.faults = append(c.faults, err.Error())
	} else if a.status != http.StatusOK {
		c.faults = append(c.faults, a.body)
	}
}

func (c *counter) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}
