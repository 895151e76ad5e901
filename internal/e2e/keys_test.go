package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// jwk is a published key, every member of it.
type jwk map[string]string

func publishedKeys(t testing.TB, s *server) []jwk {
	t.Helper()
	var set struct {
		Keys []jwk `json:"keys"`
	}
	text := s.get("/.well-known/jwks.json", "").want(t, http.StatusOK).body
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return set.Keys
}

func idsOf(keys []jwk) []string {
	ids := make([]string, len(keys))
	for n, k := range keys {
		ids[n] = k["kid"]
	}
	return ids
}

// T-10: public members alone, an algorithm each, and identifiers that are the RFC 7638 thumbprints.
func TestKeySetShowsWhatVerifiersNeed(t *testing.T) {
	t.Parallel()
	public := map[string][]string{"EC": {"crv", "kty", "x", "y"}, "RSA": {"e", "kty", "n"}, "OKP": {"crv", "kty", "x"}}
	algorithms := map[string]string{"EC": "ES256", "RSA": "RS256", "OKP": "EdDSA"}
	keys := publishedKeys(t, dev(t))
	for _, k := range keys {
		members := slices.Concat(public[k["kty"]], []string{"alg", "kid", "use"})
		for name := range k {
			if !slices.Contains(members, name) {
				t.Errorf("a key of type %s shows %s", k["kty"], name)
			}
		}
		if k["use"] != "sig" || k["alg"] != algorithms[k["kty"]] {
			t.Errorf("use %q, alg %q of a key of type %s", k["use"], k["alg"], k["kty"])
		}
		if want := thumbprint(k, public[k["kty"]]); k["kid"] != want {
			t.Errorf("kid %s, the thumbprint is %s", k["kid"], want)
		}
	}
	ids := idsOf(keys)
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 3 {
		t.Errorf("%d keys with the identifiers %v", len(keys), ids)
	}
}

// thumbprint is that of RFC 7638 §3, over the members named, which are in lexicographic order.
func thumbprint(k jwk, members []string) string {
	var text []string
	for _, name := range members {
		text = append(text, `"`+name+`":"`+k[name]+`"`)
	}
	sum := sha256.Sum256([]byte("{" + strings.Join(text, ",") + "}"))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestThumbprint(t *testing.T) {
	// RFC 7638 §3.1.
	k := jwk{"kty": "RSA", "e": "AQAB", "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP" +
		"ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgd" +
		"AZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnq" +
		"DKgw"}
	if got := thumbprint(k, []string{"e", "kty", "n"}); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Error(got)
	}
}

// keyIn is a line of a listing of keys.
type keyIn struct{ id, alg, status string }

func listed(t testing.TB, stdout string) []keyIn {
	t.Helper()
	var keys []keyIn
	for _, row := range regexp.MustCompile(`(?m)^([A-Za-z0-9_-]{43}) +(\S+) +(\S+) `).FindAllStringSubmatch(stdout, -1) {
		keys = append(keys, keyIn{row[1], row[2], row[3]})
	}
	if !strings.HasPrefix(stdout, "KEY ") {
		t.Errorf("no head over\n%s", stdout)
	}
	return keys
}

// must runs a command of the installation that is to succeed.
func (i *installation) must(args ...string) string {
	i.t.Helper()
	code, stdout, stderr := run(i.t, i.settings, args...)
	if code != 0 {
		i.t.Fatalf("%v: exit code %d\n%s", args, code, stderr)
	}
	return stdout
}

func TestKeysAreListedRotatedAndWithdrawn(t *testing.T) {
	t.Parallel()
	i, _ := newInstallation(t)
	s := i.serve()
	s.send(http.MethodPost, "/api/user", i.admin, `{"username":"jane","password":"long enough for jane"}`).want(t, http.StatusCreated)
	tokens := s.login("jane", "long enough for jane").want(t, http.StatusOK)
	access := tokens.text(t, "access_token")
	signer := keyOf(t, access)

	// list needs no secret: what it shows is public.
	public := slices.DeleteFunc(slices.Clone(i.settings), func(v string) bool { return strings.Contains(v, "KEY_ENCRYPTION_KEY") })
	code, stdout, stderr := run(t, public, "keys", "list")
	first := listed(t, stdout)
	if code != 0 || len(first) != 3 || !slices.Contains(first, keyIn{signer, "ES256", "active"}) {
		t.Fatalf("keys list: exit code %d, %q\n%s", code, stderr, stdout)
	}

	// Rotating publishes one more of each algorithm, which the running server learns.
	next := listed(t, i.must("keys", "rotate"))
	if len(next) != 3 {
		t.Fatalf("keys rotate made %v", next)
	}
	s.awaitKeys(append(slices.Clone(first), next...))
	if again := s.login("jane", "long enough for jane").want(t, 200).text(t, "access_token"); keyOf(t, again) != signer {
		t.Error("a key signs before verifiers know it")
	}

	// Withdrawing the one that signs has the next sign, and everything it signed refused (T-15).
	s.get("/oauth/userinfo", access).want(t, http.StatusOK)
	begin := time.Now()
	left := listed(t, i.must("keys", "withdraw", signer))
	if slices.ContainsFunc(left, func(k keyIn) bool { return k.id == signer && k.status != "withdrawn" }) {
		t.Errorf("keys withdraw left %v", left)
	}
	eventually(t, "the token is refused", 5*time.Second, func() bool {
		return s.get("/oauth/userinfo", access).status == http.StatusUnauthorized
	})
	t.Logf("a withdrawn key was refused after %s", time.Since(begin).Round(time.Millisecond))
	if slices.Contains(idsOf(publishedKeys(t, s)), signer) {
		t.Error("it is still published")
	}
	refreshed := s.refresh(tokens.text(t, "refresh_token")).want(t, http.StatusOK).text(t, "access_token")
	if id := keyOf(t, refreshed); id == signer || !slices.Contains(idsOf(publishedKeys(t, s)), id) {
		t.Errorf("tokens are signed by %s", id)
	}
	s.get("/oauth/userinfo", refreshed).want(t, http.StatusOK)

	if code, _, stderr := run(t, i.settings, "keys", "withdraw", "unknown"); code != 1 || stderr == "" {
		t.Errorf("withdraw what is not there: exit code %d, %q", code, stderr)
	}
}

// awaitKeys waits until exactly these are published.
func (s *server) awaitKeys(keys []keyIn) {
	s.t.Helper()
	var want []string
	for _, k := range keys {
		want = append(want, k.id)
	}
	slices.Sort(want)
	eventually(s.t, "the new keys are published", 5*time.Second, func() bool {
		got := idsOf(publishedKeys(s.t, s))
		slices.Sort(got)
		return slices.Equal(got, want)
	})
}

// keyOf returns the kid in a token's header.
func keyOf(t testing.TB, token string) string {
	t.Helper()
	decoded, err := decode(token)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`"kid":"([^"]+)"`).FindStringSubmatch(decoded.body)[1]
}
