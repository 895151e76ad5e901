// Package handlers owns the HTTP server around the dialects: the order of the middleware, the one error handler, health,
// metrics, and how the server starts and drains. It holds no routes but those of operation; each dialect brings its own.
package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/claimsmith/claimsmith/handlers/request"
)

// Timeouts and sizes of a connection. They bound what a slow or hostile client can hold; what a request may take is
// Config.RequestTimeout.
const (
	ReadHeaderTimeout = 5 * time.Second
	ReadTimeout       = 15 * time.Second
	WriteTimeout      = 20 * time.Second
	IdleTimeout       = 90 * time.Second
	MaxHeaderBytes    = 32 << 10
)

// What a connection of HTTP/2 may hold, of which the timeouts above bound each stream: how many requests at once, and how many bytes
// that no handler has read, of one and of all of them. A connection is one client as well as a proxy with many, so it is
// Config.MaxInFlight that bounds work, and these bound memory.
const (
	MaxStreams       = 128
	StreamWindow     = 256 << 10
	ConnectionWindow = 1 << 20
)

// Config is what a Server needs. Logger and Now are required, every other field has a good zero value.
type Config struct {
	Logger *slog.Logger
	Now    func() time.Time

	// Dialects are the surfaces served, each below prefixes of its own.
	Dialects []Dialect
	// Ready are the conditions for taking traffic, checked at every GET /readyz.
	Ready []Check
	// Registry takes the server's metrics, and is what Metrics serves. Default: a new one.
	Registry *prometheus.Registry

	// TrustedProxies are the networks whose X-Forwarded-For is believed. With none, the client is the peer of the connection.
	TrustedProxies []netip.Prefix
	// HTTPS says that clients reach the server by https, also where TLS ends in front of it. It turns HSTS on.
	HTTPS bool
	// AccessLog writes one record per request, at level Info. Failures of the server are logged always.
	AccessLog bool

	// RequestTimeout is the deadline of each request's context, or of each piece of a Stream. Default: 1 s.
	RequestTimeout time.Duration
	// StreamTimeout is how long a Stream waits for its client. Default: 30 s.
	StreamTimeout time.Duration
	// Issuer is the server's address, as clients know it.
	Issuer string
	// Patience is how long a handler may take that is Patient. Default: 2 min.
	Patience time.Duration
	// MaxInFlight is how many requests are worked on at once; any more are answered 503. Default: 1024.
	MaxInFlight int
	// MaxBody is the most any route reads of a body, in bytes; routes have lower limits of their own. Default: 4 MiB.
	MaxBody int64

	// DrainDelay is how long Run keeps answering after it stopped being ready, so that load balancers see it first.
	DrainDelay time.Duration
	// ShutdownTimeout is how long requests under way may take to end after that. Default: 10 s.
	ShutdownTimeout time.Duration
}

// Server is the HTTP server. It is an http.Handler, safe for concurrent use.
type Server struct {
	config   Config
	echo     *echo.Echo
	http     *http.Server
	surfaces []surface
	metrics  *metrics
	inFlight atomic.Int64
	draining atomic.Bool
}

// New builds a Server. It fails when the dialects contradict each other: the same prefix or route twice, a route outside its
// dialect's prefixes, or one of a form that would hide a 405.
func New(config Config) (*Server, error) {
	if config.Logger == nil || config.Now == nil {
		return nil, errors.New("new http server: Logger and Now are required")
	}
	setDefault(&config.RequestTimeout, time.Second)
	setDefault(&config.StreamTimeout, 30*time.Second)
	setDefault(&config.Patience, 2*time.Minute)
	setDefault(&config.MaxInFlight, 1024)
	setDefault(&config.MaxBody, 4<<20)
	setDefault(&config.ShutdownTimeout, 10*time.Second)
	if config.Registry == nil {
		config.Registry = prometheus.NewRegistry()
	}

	s := &Server{config: config, echo: echo.New()}
	var err error
	if s.metrics, err = newMetrics(config.Registry, &s.inFlight); err != nil {
		return nil, fmt.Errorf("new http server: %w", err)
	}
	if s.surfaces, err = mount(s.echo, append([]Dialect{operations{s}}, config.Dialects...)); err != nil {
		return nil, fmt.Errorf("new http server: %w", err)
	}

	s.echo.IPExtractor = clientAddress(config.TrustedProxies)
	scheme := "http"
	if config.HTTPS {
		scheme = "https"
	}
	s.echo.SchemeExtractor = func(*http.Request) string { return scheme }
	s.echo.HTTPErrorHandler = s.fail
	// The whole order, from the outside in. All but the last runs before the router, for every request.
	s.echo.Pre(
		s.begin,         // request id, client address, dialect and deadline, in the request's context
		s.observe,       // metrics and the access log; whatever is inside has been answered when it returns
		s.secureHeaders, // present on every answer from here on
		s.recoverPanic,  // a panic becomes a 500
		s.admit,         // no more than MaxInFlight at once
		s.boundBody,     // no more than MaxBody of each
		request.RawPath, // one reading of the path
	)
	s.echo.Use(wholeSegments)

	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true) // gRPC knows no other, and TLS ends in front of the server
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: ReadHeaderTimeout,
		ReadTimeout:       ReadTimeout,
		WriteTimeout:      WriteTimeout,
		IdleTimeout:       IdleTimeout,
		MaxHeaderBytes:    MaxHeaderBytes,
		Protocols:         protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          MaxStreams,
			MaxReceiveBufferPerStream:     StreamWindow,
			MaxReceiveBufferPerConnection: ConnectionWindow,
			SendPingTimeout:               IdleTimeout / 3,
			PingTimeout:                   ReadTimeout,
			WriteByteTimeout:              WriteTimeout,
		},
		ErrorLog: slog.NewLogLogger(config.Logger.Handler(), slog.LevelDebug), // what clients do to their connections
	}
	return s, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// clientAddress decides whom a request is from. Headers are believed only as far as the listed proxies wrote them.
func clientAddress(proxies []netip.Prefix) echo.IPExtractor {
	if len(proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range proxies {
		options = append(options, echo.TrustIPRange(&net.IPNet{
			IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// Metrics serves the metrics in Prometheus' format. It belongs on a listener of its own, never on the public one.
func (s *Server) Metrics() http.Handler { return s.metrics.handler }

// Run serves listener until ctx ends and then drains: GET /readyz says no and connections are closed as they answer, for
// DrainDelay; then no more are accepted, and requests under way have ShutdownTimeout to end. It returns nil when all of them
// did. It closes the listener and can be called once.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	stopped := make(chan error, 1)
	go func() { stopped <- s.http.Serve(listener) }()
	select {
	case err := <-stopped:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}

	s.draining.Store(true)
	select {
	case err := <-stopped:
		return fmt.Errorf("serve http: %w", err)
	case <-time.After(s.config.DrainDelay):
	}

	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.ShutdownTimeout)
	defer cancel()
	if err := s.http.Shutdown(deadline); err != nil {
		return errors.Join(fmt.Errorf("shut down http: %w", err), s.http.Close())
	}
	return nil
}
