package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/config"
)

// surroundings is an environment with a file of profiles of its own.
func surroundings(t *testing.T, more map[string]string) func(string) (string, bool) {
	env := map[string]string{"CLAIMSMITH_PROFILES": filepath.Join(t.TempDir(), "sub", "profiles.json")}
	for name, value := range more {
		env[name] = value
	}
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}

func store(t *testing.T, lookup func(string) (string, bool), name string, p config.Profile) {
	t.Helper()
	if err := config.ProfilesOf(lookup).Change(func(all map[string]config.Profile) { all[name] = p }); err != nil {
		t.Fatal(err)
	}
}

func TestAProfileSaysWhatIsNotGiven(t *testing.T) {
	lookup := surroundings(t, nil)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("cs_at_filed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	store(t, lookup, "default", config.Profile{URL: "https://id.example.com", Token: "cs_at_stored", Org: "acme"})
	store(t, lookup, "other", config.Profile{URL: "https://other.example.com", TokenFile: token})

	for _, test := range []struct {
		args            []string
		url, token, org string
	}{
		{nil, "https://id.example.com", "cs_at_stored", "acme"},
		{[]string{"--org=globex"}, "https://id.example.com", "cs_at_stored", "globex"},
		{[]string{"--profile=other"}, "https://other.example.com", "cs_at_filed", ""},
		{[]string{"--url=https://x.example", "--token=t"}, "https://x.example", "t", ""},
	} {
		command, err := config.Parse(append([]string{"orgs", "list"}, test.args...), lookup, nil)
		if err != nil {
			t.Errorf("%q: %v", test.args, err)
			continue
		}
		list := command.(*config.OrgsList)
		if list.URL != test.url || list.Token.Reveal() != test.token || list.Org != test.org {
			t.Errorf("%q: %s, %q, %q", test.args, list.URL, list.Token.Reveal(), list.Org)
		}
	}
}

// A stored token goes to the server it was stored for and to no other.
func TestAProfileIsTakenWhole(t *testing.T) {
	lookup := surroundings(t, nil)
	store(t, lookup, "default", config.Profile{URL: "https://id.example.com", Token: "cs_at_stored"})
	for name, args := range map[string][]string{
		"another URL":      {"--url=https://evil.example"},
		"a URL beside it":  {"--url=https://evil.example", "--profile=default"},
		"a token alone":    {"--token=t"},
		"an unknown one":   {"--profile=nobody"},
		"none, without it": {"--profile="},
	} {
		command, err := config.Parse(append([]string{"orgs", "list"}, args...), lookup, nil)
		if name == "none, without it" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%s is taken: %+v", name, command)
		} else if strings.Contains(err.Error(), "cs_at_stored") {
			t.Errorf("%s: the token is shown: %v", name, err)
		}
	}
}

func TestProfilesAreTheirOwners(t *testing.T) {
	lookup := surroundings(t, nil)
	store(t, lookup, "default", config.Profile{URL: "https://id.example.com", Token: "cs_at_stored"})
	path := config.ProfilesOf(lookup).Path()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Parse([]string{"orgs", "list"}, lookup, nil); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file others can read is used: %v", err)
	}
	if err := config.ProfilesOf(lookup).Change(func(map[string]config.Profile) {}); err == nil {
		t.Error("and written")
	}
}

func TestCompletion(t *testing.T) {
	lookup := surroundings(t, nil)
	store(t, lookup, "staging", config.Profile{URL: "https://id.example.com"})
	for _, test := range []struct {
		words []string
		want  []string
	}{
		{[]string{"me"}, []string{"meta"}},
		{[]string{"meta", ""}, []string{"get", "history", "list", "preview", "rollback", "set", "unset"}},
		{[]string{"meta", "se"}, []string{"set"}},
		{[]string{"meta", "set", "jane", "--cl"}, []string{"--claim"}},
		{[]string{"meta", "list", "-o", "j"}, []string{"json"}},
		{[]string{"meta", "list", "--output=y"}, []string{"--output=yaml"}},
		{[]string{"users", "list", "--profile", ""}, []string{"staging"}},
		{[]string{"import", "users.json", "--format", "k"}, []string{"keycloak"}},
		{[]string{"import", "users.json", "--format=s"}, []string{"--format=sentinel", "--format=supabase"}},
		{[]string{"completion", ""}, []string{"bash", "fish", "zsh"}},
		{[]string{"nothing", "like", "it"}, nil},
		{nil, nil},
	} {
		if got := config.Complete(test.words, lookup); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.words, got, test.want)
		}
	}
}
