package claims

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Leeway is for clocks that differ between the issuer and this machine.
const (
	DefaultLeeway = 30 * time.Second
	MaxLeeway     = 60 * time.Second
)

// Config says whose tokens a Verifier accepts. Issuer and Audience are required, all else has a default.
type Config struct {
	// Issuer is the exact URL of the issuer, as in iss. Keys are only fetched over https, or over http from loopback.
	Issuer string
	// Audience is the name of this service: access tokens must have it in aud. It is the issuer's URL for tokens of clients
	// that have no audience registered.
	Audience string
	// Algorithms that may sign; default ES256, RS256 and EdDSA, which are all there are.
	Algorithms []string
	// Leeway is granted to exp, iat and nbf: at most MaxLeeway; 0 means DefaultLeeway.
	Leeway time.Duration
	// Keys finds the issuer's keys; nil means the JWK Set the issuer publishes, found by OpenID Connect Discovery. It is
	// cached for its max-age, at most an hour, and used for up to an hour longer while the issuer does not answer.
	Keys KeySource
	// RefreshInterval is the least time between two fetches of the key set, which a token with an unknown kid causes too;
	// default 10 s.
	RefreshInterval time.Duration
	// HTTPClient fetches; nil means one with http.DefaultTransport. Redirects are never followed, a fetch may take 5 s.
	HTTPClient *http.Client
	// Origin is the scheme and host under which clients know this service, such as https://api.example, which proofs of possession
	// name (RFC 9449 §4.2). It is needed behind a proxy; "" means what the request itself says.
	Origin string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Verifier checks tokens of one issuer. It is safe for concurrent use; make one and keep it, for it caches the keys.
type Verifier struct {
	issuer   string
	audience string
	methods  map[string]jwt.SigningMethod // by alg, the allowed ones
	leeway   time.Duration
	retry    time.Duration // when to ask again after ErrUnavailable
	keys     KeySource
	origin   string
	proofs   proofMemory
	now      func() time.Time
}

// NewVerifier checks the configuration. It does not connect to the issuer: keys are fetched with the first token.
func NewVerifier(cfg Config) (*Verifier, error) {
	if cfg.Algorithms == nil {
		cfg.Algorithms = []string{"ES256", "RS256", "EdDSA"}
	}
	if cfg.Leeway == 0 {
		cfg.Leeway = DefaultLeeway
	}
	if cfg.RefreshInterval == 0 {
		cfg.RefreshInterval = defaultInterval
	}
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the one place where a service that imports this need not bring a clock
	}

	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("claims: "+format, args...)) }
	if cfg.Issuer == "" {
		fault("Config.Issuer is required")
	}
	if cfg.Audience == "" {
		fault("Config.Audience is required")
	}
	if cfg.Leeway < 0 || cfg.Leeway > MaxLeeway {
		fault("Config.Leeway %v is not within 0 and %v", cfg.Leeway, MaxLeeway)
	}
	if cfg.RefreshInterval < time.Second || cfg.RefreshInterval > maxFresh {
		fault("Config.RefreshInterval %v is not within 1s and %v", cfg.RefreshInterval, maxFresh)
	}
	if _, ok := normalURL(cfg.Origin); cfg.Origin != "" && !ok {
		fault("Config.Origin %q is not an http or https address", cfg.Origin)
	}
	methods := make(map[string]jwt.SigningMethod)
	for _, alg := range cfg.Algorithms {
		switch alg {
		case "ES256", "RS256", "EdDSA":
			methods[alg] = jwt.GetSigningMethod(alg)
		default:
			fault("Config.Algorithms: %q is not ES256, RS256 or EdDSA", alg)
		}
	}
	if len(cfg.Algorithms) == 0 {
		fault("Config.Algorithms allows none")
	}
	keys := cfg.Keys
	if keys == nil && cfg.Issuer != "" {
		remote, err := newRemoteKeys(cfg)
		if err != nil {
			fault("Config.Issuer: %w", err)
		}
		keys = remote
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Verifier{
		issuer: cfg.Issuer, audience: cfg.Audience, methods: methods, leeway: cfg.Leeway, retry: cfg.RefreshInterval,
		keys: keys, origin: strings.TrimSuffix(cfg.Origin, "/"), now: cfg.Now,
	}, nil
}
