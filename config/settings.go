package config

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"
)

// HTTP are the settings of the listeners.
type HTTP struct {
	Addr            string         `default:"127.0.0.1:8080" help:"Address to listen on. TLS ends at the proxy in front."`
	MetricsAddr     string         `placeholder:"HOST:PORT" help:"Address of a listener of its own for /metrics. Default: metrics are off."`
	TrustedProxies  TrustedProxies `placeholder:"CIDR,..." help:"Networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, or none where clients connect directly. The serve command must be told."`
	AccessLog       bool           `help:"Log every request. Audit events are logged always."`
	ShutdownTimeout time.Duration  `default:"10s" range:"0s..5m" help:"How long requests under way may take to end once the server is told to stop."`
}

// Tokens are the lifetimes of what the server issues and of the keys it signs with. All are whole seconds, as the
// NumericDate values made from them are integers.
type Tokens struct {
	AccessTokenTTL  time.Duration `name:"access-token-ttl" default:"10m" range:"10s..24h" help:"Lifetime of an access token."`
	IDTokenTTL      time.Duration `name:"id-token-ttl" default:"10m" range:"10s..24h" help:"Lifetime of an ID token."`
	RefreshIdle     time.Duration `default:"720h" range:"1m..8760h" help:"How long a refresh token may lie unused."`
	RefreshAbsolute time.Duration `default:"2160h" range:"1m..8760h" help:"How long a login may be refreshed, however often it is used."`
	RefreshGrace    time.Duration `default:"30s" range:"0s..5m" help:"How long the refresh token just replaced is still accepted, for clients whose answer was lost."`
	JWKSMaxAge      time.Duration `name:"jwks-max-age" default:"10m" range:"10s..24h" help:"How long verifiers may cache the key set. A new key is published this long before it signs."`
	KeyRotation     time.Duration `default:"2160h" range:"0s or 1m..17520h" help:"How long a signing key signs before the next takes over. 0s: only when told to."`
}

// Sessions bound how long a browser stays logged in. Both are whole seconds, as auth_time is.
type Sessions struct {
	Idle     time.Duration `default:"12h" range:"1m..720h" help:"How long a browser stays logged in without being used."`
	Absolute time.Duration `default:"720h" range:"1m..8760h" help:"How long a browser stays logged in, however often it is used."`
}

// Logout are the settings of back-channel logout, which has the server call addresses that are in clients' records.
type Logout struct {
	AllowNetworks Networks `placeholder:"CIDR,..." help:"Networks that are not public and yet may be told of logouts, such as 10.1.0.0/16. Default: none, in dev loopback."`
}

// Networks is a list of networks; nil has none.
type Networks []netip.Prefix

// UnmarshalText reads "none" or a list of networks and addresses with commas between.
func (n *Networks) UnmarshalText(text []byte) error {
	networks, err := parseNetworks(string(text))
	*n = networks
	return err
}

// Loopback are the networks of the machine itself.
func Loopback() Networks {
	return Networks{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// Mail says how mail is sent: confirmations of e-mail addresses. Without a server there is none, and nobody can change his address.
type Mail struct {
	SMTPAddr     string `name:"smtp-addr" placeholder:"HOST:PORT" help:"Mail server to send mail through. Default: no mail is sent, and users cannot change their e-mail addresses; dev prints mails."`
	SMTPUsername string `name:"smtp-username" placeholder:"NAME" help:"Name to log in to the mail server by. Default: no login."`
	SMTPPassword Secret `name:"smtp-password" placeholder:"PASSWORD" help:"Password to log in to the mail server by."`
	SMTPTLS      string `name:"smtp-tls" default:"starttls" oneof:"starttls, tls, none" help:"Encryption: starttls (port 587) or tls from the first byte (port 465), each with the certificate verified, or none, on loopback only and without a password."`
	MailFrom     string `name:"mail-from" placeholder:"ADDRESS" help:"Address mails come from, like no-reply@example.com."`
}

// Passwords are the cost of an Argon2id password hash and the limit of what all hashes under way may use together.
type Passwords struct {
	Argon2Memory      int `name:"argon2-memory" default:"19456" range:"19456..4194304" help:"Memory of one hash in KiB."`
	Argon2Time        int `name:"argon2-time" default:"2" range:"2..64" help:"Passes over the memory."`
	Argon2Parallelism int `name:"argon2-parallelism" default:"1" range:"1..16" help:"Lanes of one hash."`
	HashMemory        int `default:"256" range:"19..1048576" help:"Memory in MiB that all hashes under way may use together. A login that finds none is answered 503."`
	MinLength         int `default:"8" range:"8..64" help:"Least length of a new password."`
}

// Limits are the bounds of a user's metadata.
type Limits struct {
	ClaimsBudget int `default:"4096" range:"0..4096" help:"JSON of the claim entries of one user, organisation and application together, in bytes. An organisation may have its own."`
	MaxEntries   int `default:"1000" range:"1..10000" help:"Entries of one document."`
	MaxDocument  int `default:"1048576" range:"1..16777216" help:"All values of one document, in bytes."`
}

// Audit is how much of the audit log is kept in Redis, of each organisation and of the installation itself.
type Audit struct {
	Events int           `default:"1000000" range:"10000..1000000000" help:"How many events are kept. About 200 bytes of Redis memory each."`
	Age    time.Duration `default:"8760h" range:"24h..87600h" help:"How long an event is kept. Earlier key-encryption keys must be kept as long, or what was recorded under them cannot be verified."`
}

// Log are the settings of the log, which goes to standard error.
type Log struct {
	Level  slog.Level `default:"info" help:"Least level that is logged: debug, info, warn or error."`
	Format string     `default:"text" oneof:"text, json" help:"Form of a log line."`
}

// The topologies of Redis, values of Redis.Mode.
const (
	Standalone = "standalone"
	Sentinel   = "sentinel"
	Cluster    = "cluster"
)

// Redis says where the data is and how sure a write must be. The database is always 0, the only one a cluster has.
type Redis struct {
	Mode                   string        `oneof:"standalone, sentinel, cluster" placeholder:"MODE" help:"Topology. It is never guessed from the addresses and must be given."`
	Addrs                  []string      `name:"addr" placeholder:"HOST:PORT" help:"Address of the server, or addresses of the sentinels, or of some nodes of the cluster."`
	SentinelMaster         string        `placeholder:"NAME" help:"Name the sentinels know the primary by."`
	SentinelPassword       Secret        `placeholder:"PASSWORD" help:"Password of the sentinels."`
	Username               string        `placeholder:"NAME" help:"ACL user. Default: Redis' default user."`
	Password               Secret        `placeholder:"PASSWORD" help:"Password, of at least 16 bytes. May be left out on loopback only."`
	TLS                    bool          `name:"tls" help:"Connect with TLS. The certificate is always verified."`
	TLSCA                  CertPool      `name:"tls-ca" placeholder:"FILE" help:"PEM file of the authorities to believe in place of the system's."`
	WaitReplicas           int           `default:"0" range:"0..8" help:"Replicas that must have a write before it is confirmed. From 1 on, no confirmed write is lost with its primary."`
	WaitTimeout            time.Duration `default:"500ms" range:"10ms..5s" help:"How long to wait for them. After that the write is answered 503, and repeating it is safe."`
	AllowUnsafePersistence bool          `help:"Start although Redis does not keep what it confirms: append-only file off. An eviction policy other than noeviction is refused always."`
}

// Secrets are the keys that seal what rests in Redis.
type Secrets struct {
	KeyEncryptionKey          Secret   `placeholder:"BASE64" help:"Key that seals the private signing keys: base64 of 32 random bytes, as openssl rand -base64 32 prints."`
	PreviousKeyEncryptionKeys []Secret `placeholder:"BASE64" help:"Earlier keys, only to open what they sealed."`
}

// KeyEncryptionKeys returns the keys of 32 bytes each, the current one first and then the previous ones.
func (s Secrets) KeyEncryptionKeys() [][]byte {
	keys := make([][]byte, 0, 1+len(s.PreviousKeyEncryptionKeys))
	for _, secret := range append([]Secret{s.KeyEncryptionKey}, s.PreviousKeyEncryptionKeys...) {
		if key, err := base64.StdEncoding.DecodeString(secret.Reveal()); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// TrustedProxies is a decision: which networks' forwarding headers are believed. The zero value is no decision yet.
type TrustedProxies struct {
	Decided  bool
	Networks []netip.Prefix // empty: nobody is believed
}

// UnmarshalText reads "none" or a list of networks and addresses with commas between.
func (t *TrustedProxies) UnmarshalText(text []byte) error {
	networks, err := parseNetworks(string(text))
	*t = TrustedProxies{Decided: true, Networks: networks}
	return err
}

func parseNetworks(text string) (networks []netip.Prefix, err error) {
	if text == "none" {
		return nil, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		network, err := parseNetwork(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		networks = append(networks, network)
	}
	return networks, nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	network, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is neither a network like 10.0.0.0/8 nor the word none", text)
	case network.Bits() == 0:
		return netip.Prefix{}, fmt.Errorf("%s is everybody", text)
	case network != network.Masked():
		return netip.Prefix{}, fmt.Errorf("%s has bits beyond its mask: the network is %s", text, network.Masked())
	}
	return network, nil
}

// CertPool are the certificate authorities in a PEM file. The zero value, with a nil pool, stands for the system's.
type CertPool struct{ *x509.CertPool }

// UnmarshalText reads the file of that name.
func (c *CertPool) UnmarshalText(name []byte) error {
	pem, err := os.ReadFile(string(name))
	if err != nil {
		return fmt.Errorf("read certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate in PEM form", name)
	}
	c.CertPool = pool
	return nil
}
