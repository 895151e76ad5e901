package claims_test

import (
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/claims"
)

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]claims.Config{
		"no issuer":          {Audience: audience},
		"no audience":        {Issuer: issuer},
		"too much leeway":    {Issuer: issuer, Audience: audience, Leeway: 61 * time.Second},
		"negative leeway":    {Issuer: issuer, Audience: audience, Leeway: -1},
		"a foreign method":   {Issuer: issuer, Audience: audience, Algorithms: []string{"HS256"}},
		"alg none":           {Issuer: issuer, Audience: audience, Algorithms: []string{"ES256", "none"}},
		"no algorithm":       {Issuer: issuer, Audience: audience, Algorithms: []string{}},
		"hasty refreshes":    {Issuer: issuer, Audience: audience, RefreshInterval: time.Millisecond},
		"http":               {Issuer: "http://id.example", Audience: audience},
		"http, alike":        {Issuer: "http://localhost.example", Audience: audience},
		"http, user info":    {Issuer: "http://localhost@id.example", Audience: audience},
		"a user":             {Issuer: "https://jane:x@id.example", Audience: audience},
		"a query":            {Issuer: "https://id.example?x=1", Audience: audience},
		"no host":            {Issuer: "https:///x", Audience: audience},
		"a file":             {Issuer: "file:///etc/passwd", Audience: audience},
		"not a URL":          {Issuer: "https://id .example", Audience: audience},
		"a name, not a URL":  {Issuer: "id.example", Audience: audience},
		"an address at last": {Issuer: "http://10.0.0.1", Audience: audience},
	} {
		if v, err := claims.NewVerifier(cfg); err == nil || v != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	_, err := claims.NewVerifier(claims.Config{Leeway: time.Hour, Algorithms: []string{"x"}})
	for _, part := range []string{"Issuer", "Audience", "Leeway", "Algorithms"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not name %s", err, part)
		}
	}
	for _, ok := range []string{"https://id.example", "https://id.example:8443/tenant/", "http://localhost:8080", "http://127.0.0.1", "http://[::1]:9"} {
		if _, err := claims.NewVerifier(claims.Config{Issuer: ok, Audience: audience}); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
}
