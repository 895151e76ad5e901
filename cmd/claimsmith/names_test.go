package main

import (
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/cmd/claimsmith/migrate"
	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// A dialect that settings may name is one there is.
func TestEveryNamedDialectIsServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	settings := *testSettings()
	settings.Dialects = config.Dialects{config.IBLAI, config.SentinelProfiles, config.Zitadel}
	if _, err := newApp(w.in, &settings, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
	settings.Dialects = config.Dialects{config.IBLAI, "nobody-speaks-it"}
	if _, err := newApp(w.in, &settings, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), `"nobody-speaks-it"`) {
		t.Errorf("%v", err)
	}
}

// The forms that settings may name are those there is a reader for.
func TestEveryNamedFormHasAReader(t *testing.T) {
	field, _ := reflect.TypeFor[config.Import]().FieldByName("Format")
	forms := slices.DeleteFunc(strings.Split(field.Tag.Get("oneof"), ", "), func(form string) bool {
		return form == config.NDJSON || form == config.CSV
	})
	readers := []string{migrate.Auth0, migrate.Supabase, migrate.Keycloak, migrate.Zitadel, migrate.IBL, migrate.Sentinel}
	named := []string{
		config.FromAuth0, config.FromSupabase, config.FromKeycloak, config.FromZitadel, config.FromIBL, config.FromSentinel,
	}
	for _, others := range [][]string{readers, named} {
		if diff := cmp.Diff(others, forms); diff != "" {
			t.Error(diff)
		}
	}
	for _, form := range forms {
		reader, err := migrate.Open(form, strings.NewReader(""), migrate.Options{})
		if err != nil && strings.Contains(err.Error(), "there is no reader") {
			t.Error(err)
		}
		if err == nil {
			reader.Close()
		}
	}
}
