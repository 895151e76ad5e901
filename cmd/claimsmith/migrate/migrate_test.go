package migrate_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/cmd/claimsmith/migrate"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

// samples are files in the forms of the systems, of people who do not exist.
var samples = []struct {
	system, file string
	options      migrate.Options
	passwords    string
}{
	{system: migrate.Auth0, file: "auth0.ndjson", options: migrate.Options{Claims: []string{"plan", "user_metadata.theme"}}, passwords: "auth0-passwords.ndjson"},
	{system: migrate.Auth0, file: "auth0-passwords.ndjson"},
	{system: migrate.Supabase, file: "supabase.csv", options: migrate.Options{Claims: []string{"plan"}}},
	{system: migrate.Supabase, file: "supabase.json", options: migrate.Options{Claims: []string{"plan"}}},
	{system: migrate.Keycloak, file: "keycloak.json", options: migrate.Options{Claims: []string{"plan"}}},
	{system: migrate.Zitadel, file: "zitadel.json", options: migrate.Options{Claims: []string{"plan"}}},
	{system: migrate.IBL, file: "ibl.ndjson"},
	{system: migrate.Sentinel, file: "sentinel.ndjson", options: migrate.Options{Apps: map[string]string{"1": "shop", "2": "game"}}},
}

func content(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// told is everything a reader says of a file, a line for each thing.
func told(t testing.TB, system, text string, o migrate.Options, passwords string) (lines []string, rejects []byte) {
	t.Helper()
	o.Now = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	if passwords != "" {
		o.Passwords = strings.NewReader(content(t, passwords))
	}
	r, err := migrate.Open(system, strings.NewReader(text), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rejects = append(rejects, r.Head()...)
	for {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return append(lines, "end: "+err.Error()), rejects
		}
		line, err := json.Marshal(record.Line, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case record.Passed != "":
			lines = append(lines, fmt.Sprintf("%d passed: %s", record.Number, record.Passed))
		case record.Refused != nil:
			lines = append(lines, fmt.Sprintf("%d refused: %v", record.Number, record.Refused))
		default:
			lines = append(lines, fmt.Sprintf("%d %s", record.Number, line))
			for _, what := range record.LeftOut {
				lines = append(lines, "  without "+what)
			}
		}
		rejects = append(append(rejects, bytes.TrimSuffix(record.Raw, []byte("\n"))...), '\n')
	}
	beside := r.Beside()
	for _, what := range slices.Sorted(maps.Keys(beside)) {
		lines = append(lines, fmt.Sprintf("beside: %d %s", beside[what], what))
	}
	return lines, rejects
}

func TestSamplesBecomeLines(t *testing.T) {
	for _, s := range samples {
		lines, _ := told(t, s.system, content(t, s.file), s.options, s.passwords)
		text := strings.Join(lines, "\n") + "\n"
		golden := filepath.Join("testdata", s.file+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if diff := cmp.Diff(content(t, s.file+".golden"), text); diff != "" {
			t.Errorf("%s: %s", s.file, diff)
		}
	}
}

// What is refused is written to a file that can be corrected and read in turn.
func TestWhatWasRefusedIsReadAgain(t *testing.T) {
	for _, s := range samples {
		first, rejects := told(t, s.system, content(t, s.file), s.options, s.passwords)
		again, _ := told(t, s.system, string(rejects), s.options, s.passwords)
		if diff := cmp.Diff(withoutPlaces(first), withoutPlaces(again)); diff != "" {
			t.Errorf("%s: %s", s.file, diff)
		}
	}
}

// Who stops in the middle of a file leaves nothing behind.
func TestReadingEndsBeforeTheFile(t *testing.T) {
	for _, s := range samples {
		before := runtime.NumGoroutine()
		r, err := migrate.Open(s.system, strings.NewReader(content(t, s.file)), s.options)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		r.Close()
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%s: %d goroutines, %d before", s.file, after, before)
		}
	}
}

// withoutPlaces is without the numbers of records, and without what was beside them.
func withoutPlaces(lines []string) (all []string) {
	for _, line := range lines {
		if strings.HasPrefix(line, "beside") {
			continue
		}
		if _, rest, ok := strings.Cut(line, " "); ok && line[0] != ' ' {
			line = rest
		}
		all = append(all, line)
	}
	return all
}
