package config_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/config"
)

const (
	key      = "X3ePJ3z0nYpQk5m0nWv0hUEcQbOQwYl2iVtqf1m6D8s="
	otherKey = "9b7mUQX0y2dQ4cHhT1v8gq5nZrJ6sLwEoKfPiAxYtRM="
	password = "correct horse battery"
)

// serve is the least a server needs.
func serve() map[string]string {
	return map[string]string{
		"CLAIMSMITH_ISSUER":             "https://id.example.com",
		"CLAIMSMITH_TRUSTED_PROXIES":    "none",
		"CLAIMSMITH_REDIS_MODE":         "standalone",
		"CLAIMSMITH_REDIS_ADDR":         "redis.internal:6379",
		"CLAIMSMITH_REDIS_PASSWORD":     password,
		"CLAIMSMITH_KEY_ENCRYPTION_KEY": key,
	}
}

func parse(environment map[string]string, args ...string) (config.Command, error) {
	return config.Parse(args, func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	}, io.Discard)
}

func mustParse[C config.Command](t *testing.T, environment map[string]string, args ...string) C {
	t.Helper()
	command, err := parse(environment, args...)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := command.(C)
	if !ok {
		t.Fatalf("got a %T", command)
	}
	return c
}

func lines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func TestEveryFaultIsOneLine(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	for _, test := range []struct {
		name string
		args []string // after "serve"
		want string   // of the only line
	}{
		{"no issuer", []string{"--issuer="}, `--issuer (CLAIMSMITH_ISSUER): not set: give the https URL clients know this server by`},
		{"issuer without TLS", []string{"--issuer=http://id.example.com"}, `--issuer (CLAIMSMITH_ISSUER): "http://id.example.com" must begin with https:; only dev may use http`},
		{"issuer without TLS on loopback", []string{"--issuer=http://127.0.0.1:8080"}, `--issuer (CLAIMSMITH_ISSUER): "http://127.0.0.1:8080" must begin with https:; only dev may use http`},
		{"issuer with a query", []string{"--issuer=https://id.example.com?a=b"}, `--issuer (CLAIMSMITH_ISSUER): "https://id.example.com?a=b" must not have a query (OpenID Connect Discovery 1.0 section 3)`},
		{"issuer with a fragment", []string{"--issuer=https://id.example.com#a"}, `--issuer (CLAIMSMITH_ISSUER): "https://id.example.com#a" must not have a fragment (OpenID Connect Discovery 1.0 section 3)`},
		{"issuer with a slash at the end", []string{"--issuer=https://id.example.com/"}, `--issuer (CLAIMSMITH_ISSUER): "https://id.example.com/" must not end in a slash: clients compare it character by character`},
		{"issuer in capitals", []string{"--issuer=https://ID.example.com/x"}, `--issuer (CLAIMSMITH_ISSUER): "https://ID.example.com/x" must have scheme and host in lower case, https://id.example.com`},
		{"issuer without a host", []string{"--issuer=id.example.com"}, `--issuer (CLAIMSMITH_ISSUER): "id.example.com" is not a URL with a host`},
		{"issuer with a password", []string{"--issuer=https://a:hunter2@id.example.com"}, `--issuer (CLAIMSMITH_ISSUER): must not hold a user or a password`},

		{"address without a port", []string{"--addr=localhost"}, `--addr (CLAIMSMITH_ADDR): "localhost" is not HOST:PORT, like 127.0.0.1:8080`},
		{"metrics on the public address", []string{"--metrics-addr=127.0.0.1:8080"}, `--metrics-addr (CLAIMSMITH_METRICS_ADDR): "127.0.0.1:8080" is the public address too: metrics need a port of their own`},
		{"metrics on the public port of every interface", []string{"--metrics-addr=:8080"}, `--metrics-addr (CLAIMSMITH_METRICS_ADDR): ":8080" is the public address too: metrics need a port of their own`},
		{"metrics port too large", []string{"--metrics-addr=:70000"}, `--metrics-addr (CLAIMSMITH_METRICS_ADDR): ":70000" is not HOST:PORT, like 127.0.0.1:8080`},
		{"no decision on proxies", []string{"--trusted-proxies="}, `--trusted-proxies (CLAIMSMITH_TRUSTED_PROXIES): "" is neither a network like 10.0.0.0/8 nor the word none`},
		{"every proxy trusted", []string{"--trusted-proxies=10.0.0.0/8,::/0"}, `--trusted-proxies (CLAIMSMITH_TRUSTED_PROXIES): ::/0 is everybody`},
		{"proxy network with host bits", []string{"--trusted-proxies=10.1.2.3/8"}, `--trusted-proxies (CLAIMSMITH_TRUSTED_PROXIES): 10.1.2.3/8 has bits beyond its mask: the network is 10.0.0.0/8`},
		{"proxy by name", []string{"--trusted-proxies=proxy.internal"}, `--trusted-proxies (CLAIMSMITH_TRUSTED_PROXIES): "proxy.internal" is neither a network like 10.0.0.0/8 nor the word none`},
		{"proxy on a link", []string{"--trusted-proxies=fe80::1%eth0"}, `--trusted-proxies (CLAIMSMITH_TRUSTED_PROXIES): "fe80::1%eth0" is neither a network like 10.0.0.0/8 nor the word none`},
		{"negative time to shut down", []string{"--shutdown-timeout=-1s"}, `--shutdown-timeout (CLAIMSMITH_SHUTDOWN_TIMEOUT): -1s is outside 0s..5m`},

		{"no lifetime", []string{"--access-token-ttl=0"}, `--access-token-ttl (CLAIMSMITH_ACCESS_TOKEN_TTL): 0s is outside 10s..24h`},
		{"negative lifetime", []string{"--access-token-ttl=-1s"}, `--access-token-ttl (CLAIMSMITH_ACCESS_TOKEN_TTL): -1s is outside 10s..24h`},
		{"lifetime without unit", []string{"--id-token-ttl=0.5"}, `--id-token-ttl (CLAIMSMITH_ID_TOKEN_TTL): expected duration but got "0.5": time: missing unit in duration "0.5"`},
		{"lifetime that is no number", []string{"--id-token-ttl=NaN"}, `--id-token-ttl (CLAIMSMITH_ID_TOKEN_TTL): expected duration but got "NaN": time: invalid duration "NaN"`},
		{"lifetime that overflows", []string{"--refresh-idle=9223372037s"}, `--refresh-idle (CLAIMSMITH_REFRESH_IDLE): expected duration but got "9223372037s": time: invalid duration "9223372037s"`},
		{"lifetime with an exponent", []string{"--refresh-idle=1e12"}, `--refresh-idle (CLAIMSMITH_REFRESH_IDLE): expected duration but got "1e12": time: unknown unit "e" in duration "1e12"`},
		{"lifetime too long", []string{"--access-token-ttl=25h"}, `--access-token-ttl (CLAIMSMITH_ACCESS_TOKEN_TTL): 25h0m0s is outside 10s..24h`},
		{"lifetime with a fraction of a second", []string{"--access-token-ttl=10.5s"}, `--access-token-ttl (CLAIMSMITH_ACCESS_TOKEN_TTL): 10.5s is not in whole seconds`},
		{"refresh ends before it may idle", []string{"--refresh-absolute=1h"}, `--refresh-absolute (CLAIMSMITH_REFRESH_ABSOLUTE): 1h0m0s is less than --refresh-idle, 720h0m0s`},
		{"grace as long as idleness", []string{"--refresh-grace=1m", "--refresh-idle=1m"}, `--refresh-grace (CLAIMSMITH_REFRESH_GRACE): 1m0s is not less than --refresh-idle, 1m0s`},
		{"rotation faster than caches", []string{"--key-rotation=19m59s"}, `--key-rotation (CLAIMSMITH_KEY_ROTATION): 19m59s is less than twice --jwks-max-age, 10m0s: the next key could not be known in time`},
		{"rotation nearly off", []string{"--key-rotation=1s", "--jwks-max-age=10s"}, `--key-rotation (CLAIMSMITH_KEY_ROTATION): 1s is outside 0s or 1m..17520h`},

		{"session ends before it may idle", []string{"--session-absolute=1h"}, `--session-absolute (CLAIMSMITH_SESSION_ABSOLUTE): 1h0m0s is less than --session-idle, 12h0m0s`},
		{"session with a fraction of a second", []string{"--session-idle=1h0.5s"}, `--session-idle (CLAIMSMITH_SESSION_IDLE): 1h0m0.5s is not in whole seconds`},
		{"session too short", []string{"--session-idle=59s"}, `--session-idle (CLAIMSMITH_SESSION_IDLE): 59s is outside 1m..720h`},
		{"logouts to everybody", []string{"--logout-allow-networks=10.0.0.0/8,0.0.0.0/0"}, `--logout-allow-networks (CLAIMSMITH_LOGOUT_ALLOW_NETWORKS): 0.0.0.0/0 is everybody`},
		{"logouts to a name", []string{"--logout-allow-networks=app.internal"}, `--logout-allow-networks (CLAIMSMITH_LOGOUT_ALLOW_NETWORKS): "app.internal" is neither a network like 10.0.0.0/8 nor the word none`},
		{"logouts to a network with host bits", []string{"--logout-allow-networks=10.1.2.3/8"}, `--logout-allow-networks (CLAIMSMITH_LOGOUT_ALLOW_NETWORKS): 10.1.2.3/8 has bits beyond its mask: the network is 10.0.0.0/8`},

		{"mail server without a port", []string{"--smtp-addr=mail.internal", "--mail-from=no-reply@example.com"}, `--smtp-addr (CLAIMSMITH_SMTP_ADDR): "mail.internal" is not HOST:PORT, like redis.internal:6379`},
		{"mail from nobody", []string{"--smtp-addr=mail.internal:587"}, `--mail-from (CLAIMSMITH_MAIL_FROM): not set, but --smtp-addr is: give the address mails come from`},
		{"mail from no address", []string{"--smtp-addr=mail.internal:587", "--mail-from=example.com"}, `--mail-from (CLAIMSMITH_MAIL_FROM): "example.com" is no e-mail address`},
		{"mail from two addresses", []string{"--smtp-addr=mail.internal:587", "--mail-from=a@example.com, b@example.com"}, `--mail-from (CLAIMSMITH_MAIL_FROM): "a@example.com, b@example.com" is no e-mail address`},
		{"mail from somebody through nobody", []string{"--mail-from=a@example.com"}, `--mail-from (CLAIMSMITH_MAIL_FROM): given, but --smtp-addr is not`},
		{"mail password for nobody", []string{"--smtp-password=hunter2"}, `--smtp-password (CLAIMSMITH_SMTP_PASSWORD): given, but --smtp-addr is not`},
		{"mail password without a name", []string{"--smtp-addr=mail.internal:587", "--mail-from=a@example.com", "--smtp-password=hunter2"}, `--smtp-password (CLAIMSMITH_SMTP_PASSWORD): goes with --smtp-username: give both or neither`},
		{"mail in the clear", []string{"--smtp-addr=mail.internal:25", "--mail-from=a@example.com", "--smtp-tls=none"}, `--smtp-tls (CLAIMSMITH_SMTP_TLS): is none, but "mail.internal:25" is not on loopback: give starttls or tls`},
		{"mail password in the clear", []string{"--smtp-addr=127.0.0.1:25", "--mail-from=a@example.com", "--smtp-tls=none", "--smtp-username=a", "--smtp-password=hunter2"}, `--smtp-tls (CLAIMSMITH_SMTP_TLS): is none, but there is a password, which is never sent without encryption`},
		{"files at an address of another kind", []string{"--files=https://files.example.com/bucket"}, `--files (CLAIMSMITH_FILES): "https://files.example.com/bucket" is neither a directory nor s3://BUCKET`},
		{"files in no bucket", []string{"--files=s3://?region=x"}, `--files (CLAIMSMITH_FILES): "s3://" is neither a directory nor s3://BUCKET`},
		{"files below a bucket", []string{"--files=s3://bucket/people"}, `--files (CLAIMSMITH_FILES): "s3://bucket/people" is neither a directory nor s3://BUCKET`},
		{"mail with some TLS", []string{"--smtp-addr=127.0.0.1:25", "--mail-from=a@example.com", "--smtp-tls=maybe"}, `--smtp-tls (CLAIMSMITH_SMTP_TLS): "maybe" is none of starttls, tls, none`},

		{"weak hashes", []string{"--password-argon2-memory=19455"}, `--password-argon2-memory (CLAIMSMITH_PASSWORD_ARGON2_MEMORY): 19455 is outside 19456..4194304`},
		{"no memory for a hash", []string{"--password-hash-memory=64", "--password-argon2-memory=65537"}, `--password-hash-memory (CLAIMSMITH_PASSWORD_HASH_MEMORY): 64 MiB does not hold one hash of --password-argon2-memory, 65537 KiB`},
		{"number that overflows", []string{"--max-entries=9223372036854775808"}, `--max-entries (CLAIMSMITH_MAX_ENTRIES): expected a valid 64 bit int but got "9223372036854775808"`},
		{"claims no proxy takes", []string{"--claims-budget=4097"}, `--claims-budget (CLAIMSMITH_CLAIMS_BUDGET): 4097 is outside 0..4096`},
		{"unknown log level", []string{"--log-level=loud"}, `--log-level (CLAIMSMITH_LOG_LEVEL): slog: level string "loud": unknown name`},
		{"unknown log format", []string{"--log-format=xml"}, `--log-format (CLAIMSMITH_LOG_FORMAT): "xml" is none of text, json`},

		{"no mode", []string{"--redis-mode="}, `--redis-mode (CLAIMSMITH_REDIS_MODE): not set: give standalone, sentinel or cluster`},
		{"unknown mode", []string{"--redis-mode=ring"}, `--redis-mode (CLAIMSMITH_REDIS_MODE): "ring" is none of standalone, sentinel, cluster`},
		{"address that is a URL", []string{"--redis-addr=redis://redis:6379"}, `--redis-addr (CLAIMSMITH_REDIS_ADDR): "redis://redis:6379" is not HOST:PORT, like redis.internal:6379`},
		{"Redis without a port", []string{"--redis-addr=redis"}, `--redis-addr (CLAIMSMITH_REDIS_ADDR): "redis" is not HOST:PORT, like redis.internal:6379`},
		{"Redis without a host", []string{"--redis-addr=:6379"}, `--redis-addr (CLAIMSMITH_REDIS_ADDR): ":6379" is not HOST:PORT, like redis.internal:6379`},
		{"Redis on no port", []string{"--redis-addr=redis:0"}, `--redis-addr (CLAIMSMITH_REDIS_ADDR): "redis:0" is not HOST:PORT, like redis.internal:6379`},
		{"Redis with a user", []string{"--redis-addr=me@redis:6379"}, `--redis-addr (CLAIMSMITH_REDIS_ADDR): "me@redis:6379" is not HOST:PORT, like redis.internal:6379`},
		{"two standalone servers", []string{"--redis-addr=a:1,b:2"}, `--redis-addr (CLAIMSMITH_REDIS_ADDR): 2 addresses given, but a standalone Redis has one`},
		{"sentinels without a name", []string{"--redis-mode=sentinel"}, `--redis-sentinel-master (CLAIMSMITH_REDIS_SENTINEL_MASTER): not set, but --redis-mode is sentinel: give the name the sentinels know the primary by`},
		{"name without sentinels", []string{"--redis-sentinel-master=main"}, `--redis-sentinel-master (CLAIMSMITH_REDIS_SENTINEL_MASTER): given, but --redis-mode is not sentinel`},
		{"sentinel password on a cluster", []string{"--redis-mode=cluster", "--redis-sentinel-password=x"}, `--redis-sentinel-password (CLAIMSMITH_REDIS_SENTINEL_PASSWORD): given, but --redis-mode is not sentinel`},
		{"Redis on the network without a password", []string{"--redis-password="}, `--redis-password (CLAIMSMITH_REDIS_PASSWORD): not set: only a Redis on loopback may have none`},
		{"Redis partly on the network without a password", []string{"--redis-password=", "--redis-mode=cluster", "--redis-addr=redis:1,[::1]:2"}, `--redis-password (CLAIMSMITH_REDIS_PASSWORD): not set: only a Redis on loopback may have none`},
		{"user without a password", []string{"--redis-password=", "--redis-addr=127.0.0.1:6379", "--redis-username=x"}, `--redis-password (CLAIMSMITH_REDIS_PASSWORD): not set, but --redis-username is`},
		{"short password", []string{"--redis-password=hunter2"}, `--redis-password (CLAIMSMITH_REDIS_PASSWORD): is too short: 16 bytes are the least`},
		{"authorities that cannot be read", []string{"--redis-tls", "--redis-tls-ca=" + missing}, `--redis-tls-ca (CLAIMSMITH_REDIS_TLS_CA): read certificate authorities: open ` + missing + `: no such file or directory`},
		{"authorities that are no certificates", []string{"--redis-tls", "--redis-tls-ca=parse_test.go"}, `--redis-tls-ca (CLAIMSMITH_REDIS_TLS_CA): parse_test.go holds no certificate in PEM form`},
		{"authorities without TLS", []string{"--redis-tls-ca=testdata/ca.pem"}, `--redis-tls-ca (CLAIMSMITH_REDIS_TLS_CA): given, but --redis-tls is not`},
		{"too many replicas", []string{"--redis-wait-replicas=9"}, `--redis-wait-replicas (CLAIMSMITH_REDIS_WAIT_REPLICAS): 9 is outside 0..8`},

		{"no key", []string{"--key-encryption-key="}, `--key-encryption-key (CLAIMSMITH_KEY_ENCRYPTION_KEY): not set: give base64 of 32 random bytes, as openssl rand -base64 32 prints`},
		{"key that is not base64", []string{"--key-encryption-key=not base64"}, `--key-encryption-key (CLAIMSMITH_KEY_ENCRYPTION_KEY): is not base64 with padding (RFC 4648 section 4)`},
		{"key with bits to spare", []string{"--key-encryption-key=" + key[:42] + "t="}, `--key-encryption-key (CLAIMSMITH_KEY_ENCRYPTION_KEY): is not base64 with padding (RFC 4648 section 4)`},
		{"key in hexadecimal", []string{"--key-encryption-key=" + strings.Repeat("0123456789abcdef", 4)}, `--key-encryption-key (CLAIMSMITH_KEY_ENCRYPTION_KEY): is base64 of 48 bytes, but must be of exactly 32`},
		{"key of zeros", []string{"--key-encryption-key=" + base64.StdEncoding.EncodeToString(make([]byte, 32))}, `--key-encryption-key (CLAIMSMITH_KEY_ENCRYPTION_KEY): is not random: bytes repeat, count or are text; openssl rand -base64 32 prints a good one`},
		{"weak previous key", []string{"--previous-key-encryption-keys=" + otherKey + "," + base64.StdEncoding.EncodeToString([]byte("a passphrase of thirty-two bytes"))}, `--previous-key-encryption-keys (CLAIMSMITH_PREVIOUS_KEY_ENCRYPTION_KEYS): number 2 is not random: bytes repeat, count or are text; openssl rand -base64 32 prints a good one`},
		{"previous key that is the current one", []string{"--previous-key-encryption-keys=" + key}, `--previous-key-encryption-keys (CLAIMSMITH_PREVIOUS_KEY_ENCRYPTION_KEYS): number 1 was given before`},

		{"unknown dialect", []string{"--dialects=iblai,keycloak"}, `--dialects (CLAIMSMITH_DIALECTS): "keycloak" is none of iblai, sentinel, zitadel, or the word none`},
		{"dialect twice", []string{"--dialects=iblai,zitadel,iblai"}, `--dialects (CLAIMSMITH_DIALECTS): "iblai" is named twice`},
		{"none and a dialect", []string{"--dialects=none,iblai"}, `--dialects (CLAIMSMITH_DIALECTS): "none" is none of iblai, sentinel, zitadel, or the word none`},
		{"dialect in capitals", []string{"--dialects=IBLAI"}, `--dialects (CLAIMSMITH_DIALECTS): "IBLAI" is none of iblai, sentinel, zitadel, or the word none`},
		{"dialects without a name", []string{"--dialects=iblai,"}, `--dialects (CLAIMSMITH_DIALECTS): "" is none of iblai, sentinel, zitadel, or the word none`},

		{"unknown flag", []string{"--redis-db=1"}, `read command line: unknown flag --redis-db`},
	} {
		t.Run(test.name, func(t *testing.T) {
			command, err := parse(serve(), append([]string{"serve"}, test.args...)...)
			if command != nil {
				t.Error("a command came with the fault")
			}
			if diff := cmp.Diff([]string{test.want}, lines(err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := parse(map[string]string{
		"CLAIMSMITH_ACCESS_TOKEN_TTL": "forever",
		"CLAIMSMITH_REDIS_TLS":        "maybe",
		"CLAIMSMITH_JWKS_MAX_AGE":     "1s",
	}, "serve", "--addr=8080", "--max-entries=many")
	want := []string{
		`--max-entries (CLAIMSMITH_MAX_ENTRIES): expected a valid 64 bit int but got "many"`,
		`--access-token-ttl (CLAIMSMITH_ACCESS_TOKEN_TTL): expected duration but got "forever": time: invalid duration "forever"`,
		`--redis-tls (CLAIMSMITH_REDIS_TLS): bool value must be true, 1, yes, false, 0 or no but got "maybe"`,
		`--jwks-max-age (CLAIMSMITH_JWKS_MAX_AGE): 1s is outside 10s..24h`,
		`--addr (CLAIMSMITH_ADDR): "8080" is not HOST:PORT, like 127.0.0.1:8080`,
		`--issuer (CLAIMSMITH_ISSUER): not set: give the https URL clients know this server by`,
		`--trusted-proxies (CLAIMSMITH_TRUSTED_PROXIES): not set: give the networks of your proxies like 10.0.0.0/8, or none if clients connect directly`,
		`--redis-mode (CLAIMSMITH_REDIS_MODE): not set: give standalone, sentinel or cluster`,
		`--redis-addr (CLAIMSMITH_REDIS_ADDR): not set: give HOST:PORT`,
		`--key-encryption-key (CLAIMSMITH_KEY_ENCRYPTION_KEY): not set: give base64 of 32 random bytes, as openssl rand -base64 32 prints`,
	}
	if diff := cmp.Diff(want, lines(err)); diff != "" {
		t.Error(diff)
	}
}

func TestDevIsForLoopback(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing given", nil, ""},
		{"IPv6", []string{"--addr=[::1]:0"}, ""},
		{"any free ports", []string{"--addr=127.0.0.1:0", "--metrics-addr=127.0.0.1:0"}, ""},
		{"a name", []string{"--addr=localhost:8080", "--metrics-addr=127.0.0.2:9090"}, ""},
		{"issuer on loopback", []string{"--issuer=http://localhost:8080"}, ""},
		{"issuer behind TLS", []string{"--issuer=https://id.example.com/dev"}, ""},
		{"issuer elsewhere", []string{"--issuer=http://id.example.com"}, `--issuer (CLAIMSMITH_ISSUER): "http://id.example.com" must begin with https:, or be http: on loopback`},
		{"every interface", []string{"--addr=:8080"}, `--addr (CLAIMSMITH_ADDR): ":8080" is open to other machines: dev listens on loopback only, like 127.0.0.1:8080; serve is for the rest`},
		{"a network", []string{"--addr=192.0.2.1:8080"}, `--addr (CLAIMSMITH_ADDR): "192.0.2.1:8080" is open to other machines: dev listens on loopback only, like 127.0.0.1:8080; serve is for the rest`},
		{"a name of another machine", []string{"--addr=localhost.example.com:8080"}, `--addr (CLAIMSMITH_ADDR): "localhost.example.com:8080" is open to other machines: dev listens on loopback only, like 127.0.0.1:8080; serve is for the rest`},
		{"metrics for everybody", []string{"--metrics-addr=0.0.0.0:9090"}, `--metrics-addr (CLAIMSMITH_METRICS_ADDR): "0.0.0.0:9090" is open to other machines: dev listens on loopback only, like 127.0.0.1:8080; serve is for the rest`},
		{"Redis without a port", []string{"--redis-addr=localhost"}, `--redis-addr (CLAIMSMITH_REDIS_ADDR): "localhost" is not HOST:PORT, like redis.internal:6379`},
		{"a token no header can carry", []string{"--dev-operator-token=two words"}, `--dev-operator-token (CLAIMSMITH_DEV_OPERATOR_TOKEN): holds characters no bearer token may have: allowed are letters, digits and -._~+/ with = at the end (RFC 6750)`},
		{"a short password", []string{"--dev-password=sécrets"}, `--dev-password (CLAIMSMITH_DEV_PASSWORD): is shorter than --password-min-length, 8 characters`},
		{"a password of the least length", []string{"--dev-password=sécrets!"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parse(nil, append([]string{"dev"}, test.args...)...)
			if got := strings.Join(lines(err), "\n"); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestServeReadsWhatIsGiven(t *testing.T) {
	environment := serve()
	environment["CLAIMSMITH_TRUSTED_PROXIES"] = "10.0.0.0/8, 2001:db8::1"
	environment["CLAIMSMITH_REDIS_MODE"] = "sentinel"
	environment["CLAIMSMITH_REDIS_ADDR"] = "s1:26379,s2:26379,s3:26379"
	environment["CLAIMSMITH_REDIS_SENTINEL_MASTER"] = "main"
	environment["CLAIMSMITH_REDIS_TLS"] = "true"
	environment["CLAIMSMITH_PREVIOUS_KEY_ENCRYPTION_KEYS"] = otherKey
	environment["CLAIMSMITH_ACCESS_TOKEN_TTL"] = "5m"
	environment["CLAIMSMITH_LOG_LEVEL"] = "warn"
	environment["CLAIMSMITH_METRICS_ADDR"] = ""

	s := mustParse[*config.Serve](t, environment, "serve", "--access-token-ttl=1h", "--redis-tls-ca=testdata/ca.pem")
	type summary struct {
		Addr, Metrics, Issuer, Mode, Level string
		Addrs, Proxies                     []string
		TTL, Refresh                       time.Duration
		TLS, CA                            bool
		Password                           string
		Keys                               []string
	}
	got := summary{
		Addr: s.HTTP.Addr, Metrics: s.HTTP.MetricsAddr, Issuer: s.Issuer, Mode: s.Redis.Mode, Level: s.Log.Level.String(),
		Addrs: s.Redis.Addrs, TTL: s.Tokens.AccessTokenTTL, Refresh: s.Tokens.RefreshIdle,
		TLS: s.Redis.TLS, CA: s.Redis.TLSCA.CertPool != nil, Password: s.Redis.Password.Reveal(),
	}
	for _, network := range s.HTTP.TrustedProxies.Networks {
		got.Proxies = append(got.Proxies, network.String())
	}
	for _, k := range s.Secrets.KeyEncryptionKeys() {
		got.Keys = append(got.Keys, base64.StdEncoding.EncodeToString(k))
	}
	want := summary{
		Addr: "127.0.0.1:8080", Issuer: "https://id.example.com", Mode: config.Sentinel, Level: "WARN",
		Addrs: []string{"s1:26379", "s2:26379", "s3:26379"}, Proxies: []string{"10.0.0.0/8", "2001:db8::1/128"},
		TTL: time.Hour, Refresh: 720 * time.Hour, TLS: true, CA: true, Password: password, Keys: []string{key, otherKey},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBoundsAreAllowed(t *testing.T) {
	for _, args := range [][]string{
		{"--access-token-ttl=10s", "--id-token-ttl=24h"},
		{"--key-rotation=0s"},
		{"--key-rotation=20m"},
		{"--key-rotation=17520h", "--refresh-idle=1m", "--refresh-absolute=1m"},
		{"--claims-budget=0", "--redis-wait-replicas=8"},
		{"--session-idle=1m", "--session-absolute=1m"},
		{"--session-idle=720h", "--session-absolute=8760h"},
	} {
		mustParse[*config.Serve](t, serve(), append([]string{"serve"}, args...)...)
	}
}

func TestTrustingNobodyIsADecision(t *testing.T) {
	s := mustParse[*config.Serve](t, serve(), "serve")
	if !s.HTTP.TrustedProxies.Decided || len(s.HTTP.TrustedProxies.Networks) != 0 {
		t.Errorf("got %+v", s.HTTP.TrustedProxies)
	}
}

func TestNetworksThatMayBeToldOfLogouts(t *testing.T) {
	for text, want := range map[string]config.Networks{
		"": nil, "none": nil, "10.0.0.0/8, ::1": {netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
	} {
		environment := serve()
		environment["CLAIMSMITH_LOGOUT_ALLOW_NETWORKS"] = text
		s := mustParse[*config.Serve](t, environment, "serve")
		if !slices.Equal(s.Logout.AllowNetworks, want) {
			t.Errorf("%q: got %v, want %v", text, s.Logout.AllowNetworks, want)
		}
	}
	for _, addr := range []string{"127.0.0.1", "127.9.9.9", "::1"} {
		if !slices.ContainsFunc(config.Loopback(), func(n netip.Prefix) bool { return n.Contains(netip.MustParseAddr(addr)) }) {
			t.Errorf("%s is not on loopback", addr)
		}
	}
}

func TestOnlyTheGivenEnvironmentCounts(t *testing.T) {
	t.Setenv("CLAIMSMITH_ADDR", "127.0.0.1:1")
	if got := mustParse[*config.Dev](t, nil, "dev").HTTP.Addr; got != "127.0.0.1:8080" {
		t.Errorf("the address came from the process: %s", got)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	file := func(content string) string {
		name := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	t.Run("in place of the variables", func(t *testing.T) {
		environment := serve()
		delete(environment, "CLAIMSMITH_KEY_ENCRYPTION_KEY")
		environment["CLAIMSMITH_KEY_ENCRYPTION_KEY_FILE"] = file(key + "\r\n")
		environment["CLAIMSMITH_PREVIOUS_KEY_ENCRYPTION_KEYS_FILE"] = file(otherKey + "\n")
		environment["CLAIMSMITH_REDIS_PASSWORD"] = ""
		environment["CLAIMSMITH_REDIS_PASSWORD_FILE"] = file(" " + password + "\n")
		s := mustParse[*config.Serve](t, environment, "serve")
		if got := s.Redis.Password.Reveal(); got != " "+password {
			t.Errorf("password %q", got)
		}
		if got := len(s.Secrets.KeyEncryptionKeys()); got != 2 {
			t.Errorf("%d keys", got)
		}
	})
	t.Run("the command line goes before", func(t *testing.T) {
		environment := serve()
		environment["CLAIMSMITH_REDIS_PASSWORD_FILE"] = "/nowhere"
		s := mustParse[*config.Serve](t, environment, "serve", "--redis-password=another long password")
		if got := s.Redis.Password.Reveal(); got != "another long password" {
			t.Errorf("password %q", got)
		}
	})
	for _, test := range []struct{ name, file, want string }{
		{"both", file("a password of a file"), "given twice: CLAIMSMITH_REDIS_PASSWORD is set, and CLAIMSMITH_REDIS_PASSWORD_FILE too"},
		{"missing", "/nowhere", "CLAIMSMITH_REDIS_PASSWORD_FILE: open /nowhere: no such file or directory"},
		{"empty", "/dev/null", "CLAIMSMITH_REDIS_PASSWORD_FILE: /dev/null is empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			environment := serve()
			environment["CLAIMSMITH_REDIS_PASSWORD_FILE"] = test.file
			if test.name != "both" {
				delete(environment, "CLAIMSMITH_REDIS_PASSWORD")
			}
			_, err := parse(environment, "serve")
			if diff := cmp.Diff([]string{"--redis-password (CLAIMSMITH_REDIS_PASSWORD): " + test.want}, lines(err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOtherCommands(t *testing.T) {
	environment := serve()
	delete(environment, "CLAIMSMITH_ISSUER")
	delete(environment, "CLAIMSMITH_TRUSTED_PROXIES")
	mustParse[*config.Bootstrap](t, environment, "bootstrap")
	mustParse[*config.KeysRotate](t, environment, "keys", "rotate")
	if got := mustParse[*config.KeysWithdraw](t, environment, "keys", "withdraw", "a-kid"); got.ID != "a-kid" {
		t.Errorf("withdraws %q", got.ID)
	}
	delete(environment, "CLAIMSMITH_KEY_ENCRYPTION_KEY")
	mustParse[*config.KeysList](t, environment, "keys", "list")

	for _, command := range [][]string{{"bootstrap"}, {"keys", "rotate"}, {"keys", "withdraw", "a-kid"}} {
		if _, err := parse(environment, command...); err == nil || !strings.Contains(err.Error(), "--key-encryption-key") {
			t.Errorf("%s without a key: %v", command, err)
		}
		if _, err := parse(nil, command...); err == nil || !strings.Contains(err.Error(), "--redis-mode") {
			t.Errorf("%s without Redis: %v", command, err)
		}
		if _, err := parse(environment, append(command, "--refresh-absolute=1h")...); err == nil || !strings.Contains(err.Error(), "--refresh-absolute") {
			t.Errorf("%s with lifetimes that contradict each other: %v", command, err)
		}
	}
	for _, command := range [][]string{nil, {"keys"}, {"keys", "withdraw"}, {"serve", "now"}, {"start"}} {
		if _, err := parse(environment, command...); err == nil {
			t.Errorf("%q is no command, yet it was taken", command)
		}
	}
}

func TestHealthAsksTheServerOfTheSameEnvironment(t *testing.T) {
	for addr, want := range map[string]string{
		"":               "http://127.0.0.1:8080/readyz",
		":9000":          "http://127.0.0.1:9000/readyz",
		"0.0.0.0:8080":   "http://127.0.0.1:8080/readyz",
		"[::]:8080":      "http://[::1]:8080/readyz",
		"192.0.2.1:8080": "http://192.0.2.1:8080/readyz",
	} {
		health := mustParse[*config.Health](t, map[string]string{"CLAIMSMITH_ADDR": addr}, "health")
		if got := health.URL(); got != want || health.HealthTimeout != 3*time.Second {
			t.Errorf("%q: asks %s for %s, want %s", addr, got, health.HealthTimeout, want)
		}
	}
	if _, err := parse(nil, "health", "--addr=8080"); err == nil {
		t.Error("an address without a port was taken")
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"keys", "withdraw", "--help"}} {
		var out bytes.Buffer
		_, err := config.Parse(args, func(string) (string, bool) { return "", false }, &out)
		if !errors.Is(err, config.ErrHelp) || !strings.HasPrefix(out.String(), "Usage: claimsmith ") {
			t.Errorf("%s: %v\n%s", args, err, out.String())
		}
	}
}

func TestKeysThatAreNotRandom(t *testing.T) {
	sequence := make([]byte, 32)
	for i := range sequence {
		sequence[i] = byte(100 + 3*i)
	}
	for name, weak := range map[string][]byte{
		"zeros":            make([]byte, 32),
		"one byte":         bytes.Repeat([]byte{0xa7}, 32),
		"a pattern":        bytes.Repeat([]byte{0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 0xff}, 4),
		"a longer pattern": bytes.Repeat([]byte("\x17\xf0\x3a\x99\x02\xcd\x58\xe1\x6b\xb4\x0f\x7d"), 3)[:32],
		"a sequence":       sequence,
		"text":             []byte("Tr0ub4dor&3 correct horse batter"),
	} {
		if config.LooksRandom(weak) {
			t.Errorf("%s passed for random", name)
		}
	}
	random := make([]byte, 32)
	for range 10_000 {
		if _, err := rand.Read(random); err != nil {
			t.Fatal(err)
		}
		if !config.LooksRandom(random) {
			t.Fatalf("%x is random", random)
		}
	}
}
