package page_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/console/page/pagetest"
)

func TestLanguageOf(t *testing.T) {
	tests := []struct{ uiLocales, acceptLanguage, want string }{
		{"", "", "en"},
		{"", "de", "de"},
		{"", "de-AT,de;q=0.9,en;q=0.8", "de"},
		{"", "fr-FR, de;q=0.5, en;q=0.4", "de"},
		{"", "fr-FR", "en"},
		{"de", "en", "de"},
		{"fr de-CH", "en", "de"},
		{"en-GB de", "de", "en"},
		{"fr", "de", "de"},
		{"<script>", "de", "de"},
		{"not-a-language-at-all-but-very-long", "de", "de"},
		{strings.Repeat("de ", 1000), "en", "en"},
		{"", strings.Repeat("de,", 100_000), "en"},
		{"", "*", "en"},
		{"", "de;q=0,en", "en"},
	}
	for _, test := range tests {
		if got := page.LanguageOf(test.uiLocales, test.acceptLanguage); got != test.want {
			t.Errorf("%.40q, %.40q: %s, want %s", test.uiLocales, test.acceptLanguage, got, test.want)
		}
	}
}

func TestAgent(t *testing.T) {
	tests := []struct{ userAgent, want string }{
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15", "Safari on macOS"},
		{"Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"},
		{"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1", "Safari on iPhone"},
		{"curl/8.0", "Unknown browser"},
		{"<script>", "Unknown browser"},
		{"", "Unknown browser"},
	}
	for _, test := range tests {
		if got := page.Agent("en", test.userAgent); got != test.want {
			t.Errorf("%s: %s", test.userAgent, got)
		}
	}
}

func TestSourceOf(t *testing.T) {
	tests := []struct{ address, want string }{
		{"https://app.example/cb?x=1", "https://app.example"},
		{"https://app.example:8443/cb", "https://app.example:8443"},
		{"https://app.example:443/cb", "https://app.example"},
		{"http://127.0.0.1:4711/cb", "http://127.0.0.1:4711"},
		{"http://[::1]:4711/cb", "http:"}, // CSP has no form for it
		{"com.example.app:/cb", "com.example.app:"},
		{"com.example.app://cb", "com.example.app:"},
		{"", ""},
		{"/cb", ""},
		{"https://", ""},
		{"https:app.example", ""},
		{"https://app.example;x=/cb", "https:"}, // nothing of it gets into the policy
		{"https://app.example;script-src *", ""},
		{"https://app.example' 'unsafe-inline", ""},
		{"evil src *: x", ""},
		{"a\r\nb://x", ""},
	}
	for _, test := range tests {
		got := page.SourceOf(test.address)
		if got != test.want {
			t.Errorf("%q: %q, want %q", test.address, got, test.want)
		}
		if strings.ContainsAny(got, " ;,'\"\r\n*") {
			t.Errorf("%q writes %q into the policy", test.address, got)
		}
	}
}

// A logo is loaded from where the policy of the page says, and only by https.
func TestLook(t *testing.T) {
	tests := []struct{ logo, color, wantLogo, wantOrigin, wantBrand string }{
		{"https://cdn.example/logo.svg?v=1", "#0B7A4B", "https://cdn.example/logo.svg?v=1", "https://cdn.example", "0b7a4b"},
		{"http://cdn.example/logo.svg", "red", "", "", ""},
		{"javascript:alert(1)", "#0b7a4b;}*{display:none}", "", "", ""},
		{"data:image/svg+xml,<svg/>", "", "", "", ""},
		{"https://[2001:db8::1]/logo.svg", "", "", "", ""},
		{"https://cdn.example;script-src=x/logo.svg", "", "", "", ""},
		{"//cdn.example/logo.svg", "", "", "", ""},
		{"", "", "", "", ""},
	}
	for _, test := range tests {
		logo, origin, brand := page.LookOrigin(&auth.Org{Slug: "acme", LogoURL: test.logo, Color: test.color})
		if logo != test.wantLogo || origin != test.wantOrigin || brand != test.wantBrand {
			t.Errorf("%q, %q: %q, %q, %q", test.logo, test.color, logo, origin, brand)
		}
	}
}

// Row S-04: which headers make a form one of our pages.
func TestFromHere(t *testing.T) {
	const issuer = "https://id.example/tenant"
	tests := []struct {
		name   string
		header http.Header
		want   bool
	}{
		{"our page", http.Header{"Origin": {"https://id.example"}, "Sec-Fetch-Site": {"same-origin"}}, true},
		{"our page, which names no referrer", http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"same-origin"}}, true},
		{"our page without Origin", http.Header{"Sec-Fetch-Site": {"same-origin"}}, true},
		{"the person, by reloading", http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"none"}}, true},
		{"our page in a browser without Sec-Fetch-Site", http.Header{"Origin": {"https://id.example"}}, true},
		{"another site", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}}, false},
		{"another site without Origin", http.Header{"Sec-Fetch-Site": {"cross-site"}}, false},
		{"another site with our Origin", http.Header{"Origin": {"https://id.example"}, "Sec-Fetch-Site": {"cross-site"}}, false},
		{"a subdomain", http.Header{"Origin": {"https://x.id.example"}, "Sec-Fetch-Site": {"same-site"}}, false},
		{"a subdomain that names no referrer", http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"same-site"}}, false},
		{"a subdomain in a browser without Sec-Fetch-Site", http.Header{"Origin": {"https://x.id.example"}}, false},
		{"the same host by http", http.Header{"Origin": {"http://id.example"}}, false},
		{"another port", http.Header{"Origin": {"https://id.example:8443"}}, false},
		{"a longer host", http.Header{"Origin": {"https://id.example.evil.example"}}, false},
		{"a sandboxed frame in a browser without Sec-Fetch-Site", http.Header{"Origin": {"null"}}, false},
		{"no browser, or one that tells nothing", http.Header{}, true},
		{"two origins", http.Header{"Origin": {"https://id.example", "https://evil.example"}}, false},
		{"two sites", http.Header{"Origin": {"https://id.example"}, "Sec-Fetch-Site": {"same-origin", "cross-site"}}, false},
		{"our site, foreign Origin", http.Header{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"same-origin"}}, false},
	}
	for _, test := range tests {
		if got := page.FromHere(issuer, test.header); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	if !page.FromHere("https://id.example:443", http.Header{"Origin": {"https://id.example"}}) {
		t.Error("a browser leaves the default port out")
	}
}

func ExampleLanguages() {
	fmt.Println(page.Languages())
	// Output: [en de]
}

// A person reads a string without its quotes, and every other value as it is kept.
func TestReadableClaims(t *testing.T) {
	for value, want := range map[string]string{
		`"gold"`: "gold", `"a \"b\" \u003c\u00e4"`: `a "b" <ä`, `"4711"`: "4711", `""`: `""`, `" \n"`: `" \n"`,
		`9007199254740993`: "9007199254740993", `1.10`: "1.10", `true`: "true", `null`: "null", `["a"]`: `["a"]`,
		`{"a":"b"}`: `{"a":"b"}`, `"a" "b"`: `"a" "b"`,
	} {
		if got := page.Readable(value); got != want {
			t.Errorf("%s is shown as %s, want %s", value, got, want)
		}
	}
}

func TestTexts(t *testing.T) {
	named := []string{"fault.throttled", "fault.busy", "agent", "agent.unknown", "common.utc"}
	for _, field := range page.ProfileFields(&claims.Profile{}) {
		named = append(named, "profile."+field.Name)
	}
	for _, kind := range page.ErrorKinds {
		named = append(named, "error."+kind+".title", "error."+kind+".text")
	}
	pagetest.CheckTexts(t, page.MessageFiles, page.ErrorPages, named...)
}
