package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/config"
)

// What is said of a client, what is not, and what is said to be nothing are three things.
func TestWhatIsSaidOfAClient(t *testing.T) {
	environment := map[string]string{
		"CLAIMSMITH_URL": "https://id.example.com/base", "CLAIMSMITH_TOKEN": "token",
		// None of these is heard.
		"CLAIMSMITH_NAME": "x", "CLAIMSMITH_SCOPES": "x", "CLAIMSMITH_REQUIRE_PKCE": "false", "CLAIMSMITH_PRESET": "web",
	}
	yes, no, empty, seven := true, false, "", 7
	for _, test := range []struct {
		args []string
		want config.ClientPolicy
	}{
		{[]string{"--require-pkce"}, config.ClientPolicy{RequirePKCE: &yes}},
		{[]string{"--require-pkce=true"}, config.ClientPolicy{RequirePKCE: &yes}},
		{[]string{"--no-require-pkce"}, config.ClientPolicy{RequirePKCE: &no}},
		{[]string{"--require-pkce=false", "--name="}, config.ClientPolicy{RequirePKCE: &no, Name: &empty}},
		{[]string{"--code-lifetime=7"}, config.ClientPolicy{CodeLifetime: &seven}},
		{[]string{"--scopes="}, config.ClientPolicy{Scopes: []string{}}},
		{[]string{"--scopes=a,b", "--scopes=c"}, config.ClientPolicy{Scopes: []string{"a", "b", "c"}}},
		{[]string{"--redirect-uri=https://a.example/x,y", "--redirect-uri", "https://b.example"}, config.ClientPolicy{
			RedirectURIs: []string{"https://a.example/x,y", "https://b.example"},
		}},
	} {
		got := mustParse[*config.ClientsUpdate](t, environment, append([]string{"clients", "update", "shop"}, test.args...)...)
		if diff := cmp.Diff(test.want, got.Policy); diff != "" {
			t.Errorf("%q:\n%s", test.args, diff)
		}
	}
	created := mustParse[*config.ClientsCreate](t, environment, "clients", "create")
	if diff := cmp.Diff(config.ClientPolicy{}, created.Policy); diff != "" || created.ID+created.Preset != "" || created.Public != nil {
		t.Errorf("nothing was said, got %+v", created)
	}
	for _, test := range []struct{ flag, want string }{
		{"--require-pkce=maybe", `--require-pkce: bool value must be true, 1, yes, false, 0 or no but got "maybe"`},
		{"--code-lifetime=x", `--code-lifetime: expected a valid 64 bit int but got "x"`},
	} {
		_, err := parse(environment, "clients", "create", test.flag)
		if diff := cmp.Diff([]string{test.want}, lines(err)); diff != "" {
			t.Error(diff)
		}
	}
}
