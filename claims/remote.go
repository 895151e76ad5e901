package claims

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	fetchTimeout    = 5 * time.Second // for discovery and key set together
	maxDocument     = 256 << 10       // bytes of either
	defaultFresh    = 5 * time.Minute // for a key set without a max-age
	maxFresh        = time.Hour
	maxStale        = time.Hour // how long after max-age keys are still used while the issuer does not answer
	defaultInterval = 10 * time.Second
)

// remoteKeys is the KeySource of an issuer elsewhere: discovery, then its JWK Set, cached for its max-age.
//
// Requests are few whatever tokens arrive: one at a time, all who need it waiting for the same one, and none begins
// within an interval of the last. While the issuer does not answer, cached keys stay in use for maxStale past their
// max-age, and only the first to find them stale waits for the attempt.
type remoteKeys struct {
	issuer   string
	client   *http.Client
	interval time.Duration
	now      func() time.Time

	set atomic.Pointer[keySet] // nil before the first success

	mu        sync.Mutex
	flight    chan struct{} // closed when the running fetch ends; nil when none runs; guarded by mu
	attempted time.Time     // when the last fetch began; guarded by mu
	err       error         // of the last fetch; guarded by mu

	jwksURI string // as discovered, "" to discover again; only touched by the running fetch
}

// keySet is the keys of one fetch. It does not change.
type keySet struct {
	keys        map[string]Key
	freshUntil  time.Time
	usableUntil time.Time
}

func newRemoteKeys(cfg Config) (*remoteKeys, error) {
	if err := checkURL(cfg.Issuer); err != nil {
		return nil, fmt.Errorf("issuer %w", err)
	}
	client := http.Client{Transport: http.DefaultTransport}
	if cfg.HTTPClient != nil {
		client = *cfg.HTTPClient
	}
	// Where keys come from is settled by configuration and discovery, not by whoever can redirect.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &remoteKeys{issuer: cfg.Issuer, client: &client, interval: cfg.RefreshInterval, now: cfg.Now}, nil
}

// checkURL accepts https, and http on loopback, where nobody else can answer.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return fmt.Errorf("%q is no URL", text)
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%q is not a plain absolute URL", text)
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return fmt.Errorf("%q is neither https nor on loopback", text)
	}
	return nil
}

func (r *remoteKeys) Key(ctx context.Context, kid string) (Key, error) {
	now := r.now()
	if set := r.set.Load(); set != nil {
		if key, ok := set.keys[kid]; ok {
			if now.Before(set.freshUntil) {
				return key, nil
			}
			if now.Before(set.usableUntil) && r.failing() {
				r.refresh(now)
				return key, nil
			}
		}
	}

	var interrupted error
	if flight := r.refresh(now); flight != nil {
		select {
		case <-flight:
		case <-ctx.Done():
			interrupted = ctx.Err()
		}
	}
	set := r.set.Load()
	if set != nil && now.Before(set.usableUntil) {
		if key, ok := set.keys[kid]; ok {
			return key, nil
		}
	}
	if interrupted != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrUnavailable, interrupted)
	}
	if err := r.lastError(); err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return Key{}, ErrKeyUnknown
}

func (r *remoteKeys) failing() bool { return r.lastError() != nil }

func (r *remoteKeys) lastError() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// refresh returns the end of the running fetch, having begun one if none runs, or nil if it is too early for one.
func (r *remoteKeys) refresh(now time.Time) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight != nil {
		return r.flight
	}
	if since := now.Sub(r.attempted); since >= 0 && since < r.interval {
		return nil
	}
	r.attempted = now
	flight := make(chan struct{})
	r.flight = flight
	go func() {
		// Not the context of whoever came first: others wait for the same answer.
		ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
		defer cancel()
		set, err := r.fetch(ctx)
		if err == nil {
			r.set.Store(set)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.err = err
		r.flight = nil
		close(flight)
	}()
	return flight
}

func (r *remoteKeys) fetch(ctx context.Context) (*keySet, error) {
	if r.jwksURI == "" {
		uri, err := r.discover(ctx)
		if err != nil {
			return nil, fmt.Errorf("discovering issuer: %w", err)
		}
		r.jwksURI = uri
	}
	body, header, err := r.get(ctx, r.jwksURI)
	if err != nil {
		r.jwksURI = "" // it may have moved
		return nil, fmt.Errorf("fetching key set: %w", err)
	}
	keys, err := ParseKeySet(body)
	if err != nil {
		return nil, err
	}
	fresh := r.now().Add(min(max(maxAge(header), r.interval), maxFresh))
	return &keySet{keys: keys, freshUntil: fresh, usableUntil: fresh.Add(maxStale)}, nil
}

// discover reads the provider metadata (OpenID Connect Discovery §4), which must name the very issuer it was asked for
// (§4.3).
func (r *remoteKeys) discover(ctx context.Context) (jwksURI string, err error) {
	body, _, err := r.get(ctx, strings.TrimSuffix(r.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return "", err
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return "", err
	}
	if doc.Issuer != r.issuer {
		return "", fmt.Errorf("document is of issuer %q, not %q", doc.Issuer, r.issuer)
	}
	if err := checkURL(doc.JWKSURI); err != nil {
		return "", fmt.Errorf("jwks_uri %w", err)
	}
	return doc.JWKSURI, nil
}

func (r *remoteKeys) get(ctx context.Context, uri string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s answered %d", uri, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", uri, err)
	}
	if len(body) > maxDocument {
		return nil, nil, fmt.Errorf("%s is longer than %d bytes", uri, maxDocument)
	}
	return body, resp.Header, nil
}

// maxAge is how long a response may be kept (RFC 9111 §4.2), less the time it has spent in caches on the way.
func maxAge(h http.Header) time.Duration {
	fresh := defaultFresh
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			fresh = seconds(strings.Trim(value, `"`))
		}
	}
	return fresh - seconds(h.Get("Age"))
}

// seconds reads a delta-seconds; what is none is 0, and an hour is as good as any more (RFC 9111 §1.2.2).
func seconds(text string) time.Duration {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
