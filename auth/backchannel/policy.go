package backchannel

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// Policy says where requests may go. The zero value allows the public Internet by https, which no operator of an organisation can turn
// against what is next to the server.
type Policy struct {
	// AllowedNetworks may be reached although they are not public.
	AllowedNetworks []netip.Prefix
	// Plain allows http there, for development.
	Plain bool
}

// ErrForbidden means that the policy does not allow an address.
var ErrForbidden = errors.New("the policy forbids this address")

// special are the networks that are not, or not only, the public Internet (IANA IPv4 and IPv6 Special-Purpose Address Registries).
// Of IPv6 they are what global unicast, 2000::/3, has of them: nothing outside of it is public, neither loopback nor unique local nor
// link-local addresses, multicast, IPv4-mapped ones or the translated ones of NAT64.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23",         // protocol assignments, Teredo among them, which leads to IPv4 addresses
	"2001:db8::/32",     // documentation
	"2002::/16",         // 6to4, which does as well
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
)

var globalUnicast = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func contain(list []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Check reports ErrForbidden unless an address may be spoken to, plainly (http) or by https. In public, ports below 1024 that are not
// for https belong to other protocols.
func (p Policy) Check(to netip.AddrPort, plain bool) error {
	addr := to.Addr()
	allowed := contain(p.AllowedNetworks, addr)
	public := addr.Zone() == "" && (addr.Is4() || globalUnicast.Contains(addr)) && !contain(special, addr) &&
		(to.Port() == 443 || to.Port() >= 1024)
	switch {
	case plain && !p.Plain:
		return fmt.Errorf("%w: only https", ErrForbidden)
	case allowed, public && !plain:
		return nil
	}
	return fmt.Errorf("%w: %v", ErrForbidden, to)
}

// client returns one that keeps to the policy. Each address is checked when it is dialled, after names have been resolved, so a name
// cannot lead elsewhere than where it was checked.
func (p Policy) client(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Transport:     transports{plain: p.transport(true, nil), secure: p.transport(false, roots)},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       timeout,
	}
}

// transports keeps connections without TLS apart: they have another policy.
type transports struct{ plain, secure *http.Transport }

func (t transports) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return t.secure.RoundTrip(r)
	}
	return t.plain.RoundTrip(r)
}

func (p Policy) transport(plain bool, roots *x509.CertPool) *http.Transport {
	dialer := net.Dialer{Timeout: timeout, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrForbidden, err)
		}
		return p.Check(to, plain)
	}}
	return &http.Transport{
		Proxy:                  nil, // one named by the environment would resolve names itself
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    timeout,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 16 << 10,
		MaxConnsPerHost:        parallel,
		IdleConnTimeout:        30 * time.Second,
	}
}
