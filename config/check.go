package config

import (
	"encoding/base64"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

func (d *Dev) check(f *faults) {
	d.Server.check(f)
	if d.Issuer != "" {
		checkIssuer(f, d.Issuer, true)
	}
	for _, listener := range []struct{ flag, addr string }{{"addr", d.HTTP.Addr}, {"metrics-addr", d.HTTP.MetricsAddr}} {
		if listener.addr != "" && !onLoopback(listener.addr) {
			f.add(listener.flag, "%q is open to other machines: dev listens on loopback only, like 127.0.0.1:8080; serve is for the rest", listener.addr)
		}
	}
	if d.RedisAddr != "" {
		checkTarget(f, "redis-addr", d.RedisAddr)
	}
	if !isBearer(d.DevOperatorToken) {
		f.add("dev-operator-token", bearerFault)
	}
	if f.sound("dev-password", "password-min-length") && d.DevPassword.Given() && len([]rune(d.DevPassword.Reveal())) < d.Passwords.MinLength {
		f.add("dev-password", "is shorter than --password-min-length, %d characters", d.Passwords.MinLength)
	}
}

const (
	bearerCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/"
	bearerFault      = "holds characters no bearer token may have: allowed are letters, digits and -._~+/ with = at the end (RFC 6750)"
)

// isBearer reports whether a token can stand in a header.
func isBearer(token Secret) bool {
	return strings.Trim(strings.TrimRight(token.Reveal(), "="), bearerCharacters) == ""
}

func (s *Serve) check(f *faults) {
	s.Server.check(f)
	checkIssuer(f, s.Issuer, false)
	if !s.HTTP.TrustedProxies.Decided {
		f.add("trusted-proxies", "not set: give the networks of your proxies like 10.0.0.0/8, or none if clients connect directly")
	}
	s.Redis.check(f)
	s.Secrets.check(f)
}

func (s *Server) check(f *faults) {
	s.HTTP.check(f)
	s.Tokens.check(f)
	s.Sessions.check(f)
	s.Passwords.check(f)
	s.Mail.check(f)
	checkFiles(f, s.Files)
}

func checkFiles(f *faults, place string) {
	scheme, rest, isURL := strings.Cut(place, "://")
	if !isURL {
		return
	}
	if u, err := url.Parse(place); err != nil || scheme != "s3" || u.Host == "" || u.User != nil || u.Path != "" || u.Fragment != "" {
		f.add("files", "%q is neither a directory nor s3://BUCKET", scheme+"://"+strings.SplitN(rest, "?", 2)[0])
	}
}

func (b *Bootstrap) check(f *faults) {
	b.Redis.check(f)
	b.Secrets.check(f)
	b.Tokens.check(f)
}

func (k *KeysList) check(f *faults) { k.Redis.check(f) }

func (k *KeysRotate) check(f *faults) {
	k.Redis.check(f)
	k.Secrets.check(f)
	k.Tokens.check(f)
}

func (h *Health) check(f *faults) { checkListener(f, "addr", h.Addr) }

func (h HTTP) check(f *faults) {
	checkListener(f, "addr", h.Addr)
	if h.MetricsAddr == "" {
		return
	}
	checkListener(f, "metrics-addr", h.MetricsAddr)
	if sameListener(h.Addr, h.MetricsAddr) {
		f.add("metrics-addr", "%q is the public address too: metrics need a port of their own", h.MetricsAddr)
	}
}

// lifetime is a setting that ends up in a NumericDate.
type lifetime struct {
	flag  string
	value time.Duration
}

func wholeSeconds(f *faults, lifetimes []lifetime) {
	for _, l := range lifetimes {
		if l.value%time.Second != 0 {
			f.add(l.flag, "%s is not in whole seconds", l.value)
		}
	}
}

func (t Tokens) check(f *faults) {
	wholeSeconds(f, []lifetime{
		{"access-token-ttl", t.AccessTokenTTL},
		{"id-token-ttl", t.IDTokenTTL},
		{"refresh-idle", t.RefreshIdle},
		{"refresh-absolute", t.RefreshAbsolute},
		{"refresh-grace", t.RefreshGrace},
		{"jwks-max-age", t.JWKSMaxAge},
		{"key-rotation", t.KeyRotation},
	})
	if f.sound("refresh-absolute", "refresh-idle") && t.RefreshAbsolute < t.RefreshIdle {
		f.add("refresh-absolute", "%s is less than --refresh-idle, %s", t.RefreshAbsolute, t.RefreshIdle)
	}
	if f.sound("refresh-grace", "refresh-idle") && t.RefreshGrace >= t.RefreshIdle {
		f.add("refresh-grace", "%s is not less than --refresh-idle, %s", t.RefreshGrace, t.RefreshIdle)
	}
	if f.sound("key-rotation", "jwks-max-age") && t.KeyRotation != 0 && t.KeyRotation < 2*t.JWKSMaxAge {
		f.add("key-rotation", "%s is less than twice --jwks-max-age, %s: the next key could not be known in time", t.KeyRotation, t.JWKSMaxAge)
	}
}

func (s Sessions) check(f *faults) {
	wholeSeconds(f, []lifetime{{"session-idle", s.Idle}, {"session-absolute", s.Absolute}})
	if f.sound("session-absolute", "session-idle") && s.Absolute < s.Idle {
		f.add("session-absolute", "%s is less than --session-idle, %s", s.Absolute, s.Idle)
	}
}

func (p Passwords) check(f *faults) {
	if f.sound("password-hash-memory", "password-argon2-memory") && p.HashMemory*1024 < p.Argon2Memory {
		f.add("password-hash-memory", "%d MiB does not hold one hash of --password-argon2-memory, %d KiB", p.HashMemory, p.Argon2Memory)
	}
}

// leastPassword is the length in bytes below which a Redis password is guessed: Redis tries a million a second.
const leastPassword = 16

func (r Redis) check(f *faults) {
	if r.Mode == "" {
		f.add("redis-mode", "not set: give standalone, sentinel or cluster")
	}
	if len(r.Addrs) == 0 {
		f.add("redis-addr", "not set: give HOST:PORT")
	}
	local := true
	for _, addr := range r.Addrs {
		checkTarget(f, "redis-addr", addr)
		local = local && onLoopback(addr)
	}
	if r.Mode == Standalone && len(r.Addrs) > 1 {
		f.add("redis-addr", "%d addresses given, but a standalone Redis has one", len(r.Addrs))
	}
	switch {
	case r.Mode == Sentinel && r.SentinelMaster == "":
		f.add("redis-sentinel-master", "not set, but --redis-mode is sentinel: give the name the sentinels know the primary by")
	case r.Mode != Sentinel && r.SentinelMaster != "":
		f.add("redis-sentinel-master", "given, but --redis-mode is not sentinel")
	}
	if r.Mode != Sentinel && r.SentinelPassword.Given() {
		f.add("redis-sentinel-password", "given, but --redis-mode is not sentinel")
	}
	switch length := len(r.Password.Reveal()); {
	case length == 0 && r.Username != "":
		f.add("redis-password", "not set, but --redis-username is")
	case length == 0 && !local:
		f.add("redis-password", "not set: only a Redis on loopback may have none")
	case length > 0 && length < leastPassword:
		f.add("redis-password", "is too short: %d bytes are the least", leastPassword)
	}
	if r.TLSCA.CertPool != nil && !r.TLS {
		f.add("redis-tls-ca", "given, but --redis-tls is not")
	}
}

func (s Secrets) check(f *faults) {
	if !s.KeyEncryptionKey.Given() {
		f.add("key-encryption-key", "not set: give base64 of 32 random bytes, as openssl rand -base64 32 prints")
	} else if err := checkKey(s.KeyEncryptionKey); err != nil {
		f.add("key-encryption-key", "%w", err)
	}
	seen := map[string]bool{s.KeyEncryptionKey.Reveal(): true}
	for i, previous := range s.PreviousKeyEncryptionKeys {
		if err := checkKey(previous); err != nil {
			f.add("previous-key-encryption-keys", "number %d %w", i+1, err)
		} else if seen[previous.Reveal()] {
			f.add("previous-key-encryption-keys", "number %d was given before", i+1)
		}
		seen[previous.Reveal()] = true
	}
}

// checkKey returns what is wrong with a key-encryption key, in words that show nothing of it.
func checkKey(secret Secret) error {
	key, err := base64.StdEncoding.Strict().DecodeString(secret.Reveal())
	if err != nil {
		return errors.New("is not base64 with padding (RFC 4648 section 4)")
	}
	if len(key) != 32 {
		return errors.New("is base64 of " + strconv.Itoa(len(key)) + " bytes, but must be of exactly 32")
	}
	if !looksRandom(key) {
		return errors.New("is not random: bytes repeat, count or are text; openssl rand -base64 32 prints a good one")
	}
	return nil
}

// looksRandom refuses what people put where 32 random bytes belong: zeros, a repeated pattern, a sequence, a
// passphrase. Fewer than one in 10^12 random keys is refused.
func looksRandom(key []byte) bool {
	values, steps, printable := map[byte]bool{}, map[byte]bool{}, 0
	for i, b := range key {
		values[b] = true
		steps[b-key[(i+1)%len(key)]] = true
		if b >= ' ' && b <= '~' {
			printable++
		}
	}
	return len(values) >= 16 && len(steps) >= 8 && printable < len(key)
}

func checkIssuer(f *faults, issuer string, dev bool) {
	if issuer == "" {
		f.add("issuer", "not set: give the https URL clients know this server by")
		return
	}
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.Opaque != "" {
		f.add("issuer", "%q is not a URL with a host", issuer)
		return
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && dev && isLoopback(u.Hostname()):
	case dev:
		f.add("issuer", "%q must begin with https:, or be http: on loopback", issuer)
	default:
		f.add("issuer", "%q must begin with https:; only dev may use http", issuer)
	}
	if u.User != nil {
		f.add("issuer", "must not hold a user or a password")
		return
	}
	if strings.Contains(issuer, "?") {
		f.add("issuer", "%q must not have a query (OpenID Connect Discovery 1.0 section 3)", issuer)
	}
	if strings.Contains(issuer, "#") {
		f.add("issuer", "%q must not have a fragment (OpenID Connect Discovery 1.0 section 3)", issuer)
	}
	if strings.HasSuffix(issuer, "/") {
		f.add("issuer", "%q must not end in a slash: clients compare it character by character", issuer)
	}
	if normal := u.Scheme + "://" + strings.ToLower(u.Host); !strings.HasPrefix(issuer, normal) {
		f.add("issuer", "%q must have scheme and host in lower case, %s", issuer, normal)
	}
}

// checkListener refuses what cannot be listened on. An empty host is every interface, port 0 any free port.
func checkListener(f *faults, flag, addr string) {
	if _, port, err := net.SplitHostPort(addr); err != nil || !isPort(port) {
		f.add(flag, "%q is not HOST:PORT, like 127.0.0.1:8080", addr)
	}
}

// checkTarget refuses what cannot be connected to.
func checkTarget(f *faults, flag, addr string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" || strings.ContainsAny(host, "/@ ") || !isPort(port) || port == "0" {
		f.add(flag, "%q is not HOST:PORT, like redis.internal:6379", addr)
	}
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopback(host)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func sameListener(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || everyInterface(hostA) || everyInterface(hostB)
}

func everyInterface(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}
