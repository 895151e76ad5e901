package profile_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
)

var stubs = map[string]string{
	"facebook": "https://www.facebook.com/", "linkedin": "https://www.linkedin.com/in/", "twitter": "https://www.twitter.com/",
	"x": "https://www.x.com/",
}

func TestWhatALinkIsKeptAs(t *testing.T) {
	for _, row := range []struct{ platform, text, want string }{
		{"linkedin", "alice", "https://www.linkedin.com/in/alice"},
		{"linkedin", "@alice", "https://www.linkedin.com/in/alice"},
		{"linkedin", " alice-b_c.d ", "https://www.linkedin.com/in/alice-b_c.d"},
		{"linkedin", "https://www.linkedin.com/in/alice", "https://www.linkedin.com/in/alice"},
		{"linkedin", "https://www.linkedin.com/in/alice/", "https://www.linkedin.com/in/alice"},
		{"linkedin", "HTTP://LinkedIn.com/in/Alice?trk=1#top", "https://www.linkedin.com/in/Alice"},
		{"linkedin", "de.linkedin.com/in/alice/?x=/y", "https://www.linkedin.com/in/alice"},
		{"linkedin", "josé", "https://www.linkedin.com/in/jos%C3%A9"},
		{"linkedin", "jose\u0301", "https://www.linkedin.com/in/jos%C3%A9"},
		{"linkedin", "https://linkedin.com/in/jos%C3%A9", "https://www.linkedin.com/in/jos%C3%A9"},
		{"linkedin", "linkedin.com", "https://www.linkedin.com/in/linkedin.com"},
		{"facebook", "m.facebook.com/alice", "https://www.facebook.com/alice"},
		{"twitter", "https://twitter.com/alice", "https://www.twitter.com/alice"},
		{"twitter", "@alice", "https://www.twitter.com/alice"},
		{"x", "https://x.com/alice", "https://www.x.com/alice"},
		{"x", "https://www.x.com/alice", "https://www.x.com/alice"},

		{"linkedin", "", ""},
		{"linkedin", "/", ""},
		{"linkedin", ".", ""},
		{"linkedin", "..", ""},
		{"linkedin", "@", ""},
		{"linkedin", "a/b", ""},
		{"linkedin", "a b", ""},
		{"linkedin", `a\b`, ""},
		{"linkedin", "a\u202eb", ""},
		{"linkedin", "a\u0000b", ""},
		{"linkedin", "a\xffb", ""},
		{"linkedin", "alice?x=1", ""},
		{"linkedin", "https://linkedin.com/alice", ""},
		{"linkedin", "https://linkedin.com/in/", ""},
		{"linkedin", "https://linkedin.com/in/..", ""},
		{"linkedin", "https://linkedin.com/in/%2e%2e", ""},
		{"linkedin", "https://linkedin.com/in/a%2Fb", ""},
		{"linkedin", "https://linkedin.com/in/a%00", ""},
		{"linkedin", "https://linkedin.com/in/%ff", ""},
		{"linkedin", "https://linkedin.com/in/%zz", ""},
		{"linkedin", "https://linkedin.com/in/a/b", ""},
		{"linkedin", "https://evil.example/linkedin.com/in/alice", ""},
		{"linkedin", "https://evil.example/?https://linkedin.com/in/alice", ""},
		{"linkedin", "https://linkedin.com.evil.example/in/alice", ""},
		{"linkedin", "https://evillinkedin.com/in/alice", ""},
		{"linkedin", "https://a.b.linkedin.com/in/alice", ""},
		{"linkedin", "https://linkedin.com@evil.example/in/alice", ""},
		{"linkedin", "https://u:p@linkedin.com/in/alice", ""},
		{"linkedin", "https://linkedin.com:8443/in/alice", ""},
		{"linkedin", "//linkedin.com/in/alice", ""},
		{"linkedin", "javascript:alert(1)", ""},
		{"linkedin", "javascript://linkedin.com/in/alice", ""},
		{"linkedin", "data:text/html,x", ""},
		{"linkedin", "https://linkedın.com/in/alice", ""},
		{"linkedin", "https://lіnkedin.com/in/alice", ""}, // a Cyrillic letter
		{"linkedin", "https://linkedin.com/in\u2215alice", ""},
		{"linkedin", "https://linkedin\u3002com/in/alice", ""},
		{"linkedin", strings.Repeat("a", 101), ""},
		{"linkedin", strings.Repeat("é", 51), ""},
		{"linkedin", "https://linkedin.com/in/a?" + strings.Repeat("x", 1024), ""},
		{"x", "https://netflix.com/alice", ""},
		{"x", "https://twitter.com/alice", ""},
		{"twitter", "https://x.com/alice", ""},
		{"facebook", `"><script>alert(1)</script>`, ""},
	} {
		got, ok := profile.LinkOf(row.platform, row.text)
		if got != row.want || ok != (row.want != "") {
			t.Errorf("%s %q is %q, %v, want %q", row.platform, row.text, got, ok, row.want)
		}
	}
}

func TestAnOperatorsLinkIsKeptAmongThePersons(t *testing.T) {
	u := auth.User{}
	u.Profile.ProfileURL = "https://linkedin.com/in/al?trk=1"
	for _, row := range []struct {
		link auth.Link
		want map[string]string
		page string
	}{
		{auth.Link{Platform: "x", URL: "al"}, map[string]string{"x": "al", "linkedin": "al"}, "https://www.linkedin.com/in/al"},
		{auth.Link{Platform: "facebook", URL: "al"}, map[string]string{"x": "al", "facebook": "al", "linkedin": "al"},
			"https://www.linkedin.com/in/al"},
		{auth.Link{Platform: "linkedin"}, map[string]string{"x": "al", "facebook": "al"}, "https://www.facebook.com/al"},
		{auth.Link{Platform: "facebook"}, map[string]string{"x": "al"}, "https://www.x.com/al"},
		{auth.Link{Platform: "x"}, map[string]string{}, ""},
	} {
		list := []map[string]string{{"platform": row.link.Platform, "social_link": row.link.URL}}
		if faults := profile.Apply(&u, inJSON(t, map[string]any{"social_links": list}), at); faults != nil {
			t.Fatal(faults)
		}
		got := map[string]string{}
		for _, l := range profile.Links(&u) {
			got[l.Platform] = strings.TrimPrefix(l.URL, stubs[l.Platform])
		}
		if diff := cmp.Diff(row.want, got); diff != "" || u.Profile.ProfileURL != row.page {
			t.Errorf("%+v: the claim %q\n%s", row.link, u.Profile.ProfileURL, diff)
		}
	}
}

// checkLink holds what is kept as a link to its form: the platform's address and one segment of a path.
func checkLink(t rapid.TB, platform, address string) {
	t.Helper()
	stub, known := stubs[platform]
	name, rest := strings.CutPrefix(address, stub)
	u, err := url.Parse(address)
	switch {
	case !known, !rest, err != nil, name == "", len(address) > 400:
		t.Fatalf("%s: %q, %v", platform, address, err)
	case u.User != nil, u.RawQuery != "", u.Fragment != "", u.Port() != "", !strings.HasPrefix(stub, "https://"+u.Host+"/"):
		t.Fatalf("%s: %q leads to %q", platform, address, u)
	case strings.ContainsAny(name, "/\\?#:@<>\"'"), strings.Trim(name, ".") == "",
		strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }):
		t.Fatalf("%s: the name %q", platform, name)
	case strings.Count(u.Path, "/") != strings.Count(stub, "/")-2:
		t.Fatalf("%s: %q has the path %q", platform, address, u.Path)
	}
}

func FuzzLink(f *testing.F) {
	for _, seed := range []string{
		"alice", "@alice", "josé", "https://www.linkedin.com/in/alice/", "https://evil.example/linkedin.com/in/x", "https://u:p@x.com/a",
		"javascript:alert(1)", "x.com/%2e%2e", "x.com/a%2Fb", "twitter.com/%00", "facebook.com/a?b#c", "HTTPS://M.FACEBOOK.COM/Ä", "..", "%",
		"lin\u212aedin.com/in/a", "x.com/a\u202e",
	} {
		for platform := range stubs {
			f.Add(platform, seed)
		}
	}
	f.Fuzz(func(t *testing.T, platform, text string) {
		if _, known := stubs[platform]; !known {
			return
		}
		address, ok := profile.LinkOf(platform, text)
		if !ok {
			if address != "" {
				t.Fatal(address)
			}
			return
		}
		checkLink(t, platform, address)
		if again, ok := profile.LinkOf(platform, address); !ok || again != address {
			t.Fatalf("%q is not kept as it is, but as %q", address, again)
		}
	})
}

// link is something a person or an operator may write where a link belongs.
var link = rapid.Custom(func(t *rapid.T) string {
	name := rapid.SampledFrom([]string{"alice", "bob", "josé", "a.b", "..", "a/b", "a b", ""}).Draw(t, "name")
	before := rapid.SampledFrom([]string{
		"", "@", "https://x.com/", "https://www.twitter.com/", "facebook.com/", "https://linkedin.com/in/", "https://evil.example/",
		"https://evil.example/x.com/", "javascript://x.com/",
	}).Draw(t, "before")
	return before + name + rapid.SampledFrom([]string{"", "/", "?a=b"}).Draw(t, "after")
})

// TestLinksAndTheClaimProfile holds the two views of a person's pages together, whoever writes: what the claim leads to is among the links,
// and the claim leads to none that is no more.
func TestLinksAndTheClaimProfile(t *testing.T) {
	order := []string{"linkedin", "facebook", "twitter", "x"}
	rapid.Check(t, func(t *rapid.T) {
		u := auth.User{}
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "by an operator") {
				u.Profile.ProfileURL = rapid.SampledFrom([]string{
					"", "https://alice.example/", "https://www.linkedin.com/in/al", "https://x.com/al?s=1", "https://facebook.com/al/",
				}).Draw(t, "profile")
			} else {
				before, links, claim := u, profile.Links(&u), u.Profile.ProfileURL
				platform, text := rapid.SampledFrom(order).Draw(t, "platform"), link.Draw(t, "link")
				want := map[string]string{}
				for _, l := range links {
					want[l.Platform] = l.URL
				}
				isLink := claim == "" || slices.ContainsFunc(links, func(l auth.Link) bool {
					kept, ok := profile.LinkOf(l.Platform, claim)
					return ok && strings.Contains(claim, "/") && kept == l.URL
				})
				members := map[string]any{"social_links": []map[string]string{{"platform": platform, "social_link": text}}}
				faults := profile.Apply(&u, inJSON(t, members), at)
				address, ok := profile.LinkOf(platform, text)
				if ok {
					want[platform] = address
				}
				if strings.TrimSpace(text) == "" {
					ok = true
					delete(want, platform)
				}
				if ok != (faults == nil) {
					t.Fatalf("%q: %v", text, faults)
				}
				if !ok {
					if diff := cmp.Diff(before, u); diff != "" {
						t.Fatal(diff)
					}
					continue
				}
				if !isLink {
					if u.Profile.ProfileURL != claim {
						t.Fatalf("the claim %q became %q", claim, u.Profile.ProfileURL)
					}
				} else {
					first := ""
					for n := len(order) - 1; n >= 0; n-- {
						if want[order[n]] != "" {
							first = want[order[n]]
						}
					}
					if u.Profile.ProfileURL != first {
						t.Fatalf("the claim is %q, want %q", u.Profile.ProfileURL, first)
					}
				}
				if got := profile.Links(&u); len(got) != len(want) {
					t.Fatalf("%v, want %v", got, want)
				}
				for _, l := range profile.Links(&u) {
					if want[l.Platform] != l.URL {
						t.Fatalf("%v, want %v", l, want)
					}
				}
			}
			links := profile.Links(&u)
			for n, l := range links {
				checkLink(t, l.Platform, l.URL)
				if n > 0 && links[n-1].Platform >= l.Platform {
					t.Fatalf("%v is not in order", links)
				}
			}
		}
	})
}
