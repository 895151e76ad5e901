package config_test

import (
	"slices"
	"testing"

	"github.com/claimsmith/claimsmith/config"
)

func TestDialects(t *testing.T) {
	all := config.Dialects{config.IBLAI, config.SentinelProfiles, config.Zitadel}
	for _, test := range []struct {
		name, variable, flag string // of which "" is not given
		want                 config.Dialects
	}{
		{"all without a word", "", "", all},
		{"none", "none", "", nil},
		{"none, by flag", "zitadel", "none", nil},
		{"one", "sentinel", "", config.Dialects{config.SentinelProfiles}},
		{"a list", "zitadel, iblai", "", config.Dialects{config.Zitadel, config.IBLAI}},
		{"the flag before the variable", "none", "iblai,zitadel", config.Dialects{config.IBLAI, config.Zitadel}},
	} {
		environment, args := serve(), []string{"serve"}
		if test.variable != "" {
			environment["CLAIMSMITH_DIALECTS"] = test.variable
		}
		if test.flag != "" {
			args = append(args, "--dialects="+test.flag)
		}
		got := mustParse[*config.Serve](t, environment, args...).Dialects
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		for _, name := range append(all, "native", "") {
			if got.Has(name) != slices.Contains(test.want, name) {
				t.Errorf("%s: Has(%q) is %v", test.name, name, got.Has(name))
			}
		}
	}
	if dev := mustParse[*config.Dev](t, nil, "dev"); !slices.Equal(dev.Dialects, all) {
		t.Errorf("dev serves %v", dev.Dialects)
	}
	if dev := mustParse[*config.Dev](t, nil, "dev", "--dialects=none"); len(dev.Dialects) != 0 {
		t.Errorf("dev serves %v", dev.Dialects)
	}
}
