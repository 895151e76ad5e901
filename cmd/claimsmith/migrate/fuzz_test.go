package migrate_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/cmd/claimsmith/migrate"
)

// fuzz holds a reader to what it promises of any file: it ends, every user it makes is a line of JSON, and what it gives for the file of those
// refused means to it what the file meant.
func fuzz(f *testing.F, system string) {
	for _, s := range samples {
		if s.system == system {
			f.Add([]byte(content(f, s.file)))
		}
	}
	f.Add([]byte(`{"user_id":"a|b","user_metadata":{"a":1},"app_metadata":{"a":2}}`))
	f.Add([]byte(`{"users":[{"id":"1","username":"a","attributes":{"a":["b"],"c":[]}},{`))
	f.Add([]byte(`{"orgs":[{"orgId":"1","humanUsers":[{"userId":"1"}],"userMetadata":[{"id":"1","key":"k","value":"/w=="}]}]} {"data_orgs":{"orgs":[]}}`))
	f.Add([]byte("id,email,raw_app_meta_data\n1,a@b.c,\"{\"\"a\"\":1}\"\n,,\n"))
	o := migrate.Options{Claims: []string{"a", "plan"}, Apps: map[string]string{"1": "shop"}}
	f.Fuzz(func(t *testing.T, file []byte) {
		first, rejects, whole := outcomes(t, system, file, o)
		if !whole {
			return
		}
		again, _, _ := outcomes(t, system, rejects, o)
		if strings.Join(first, "\n") != strings.Join(again, "\n") {
			t.Errorf("%q is read as\n%q\nand again as\n%q", file, first, again)
		}
	})
}

// outcomes are the records of a file, without their numbers, and the file they would be refused into. whole is false where reading fails.
func outcomes(t *testing.T, system string, file []byte, o migrate.Options) (all []string, rejects []byte, whole bool) {
	r, err := migrate.Open(system, bytes.NewReader(file), o)
	if err != nil {
		return nil, nil, false
	}
	defer r.Close()
	rejects = append(rejects, r.Head()...)
	for {
		record, err := r.Next()
		if err != nil {
			return all, rejects, errors.Is(err, io.EOF)
		}
		line, err := json.Marshal(record.Line, json.Deterministic(true))
		switch {
		case record.Refused != nil:
			all = append(all, "refused")
		case record.Passed != "":
			all = append(all, "passed")
		case err != nil:
			t.Fatalf("%q: %v", file, err)
		default:
			all = append(all, string(line))
		}
		if len(record.Raw) == 0 {
			t.Fatalf("%q has a record of nothing", file)
		}
		if rejects = append(rejects, record.Raw...); !bytes.HasSuffix(rejects, []byte("\n")) {
			rejects = append(rejects, '\n')
		}
		_ = r.Offset()
	}
}

func FuzzAuth0(f *testing.F)    { fuzz(f, migrate.Auth0) }
func FuzzSupabase(f *testing.F) { fuzz(f, migrate.Supabase) }
func FuzzKeycloak(f *testing.F) { fuzz(f, migrate.Keycloak) }
func FuzzZitadel(f *testing.F)  { fuzz(f, migrate.Zitadel) }
func FuzzIBL(f *testing.F)      { fuzz(f, migrate.IBL) }
func FuzzSentinel(f *testing.F) { fuzz(f, migrate.Sentinel) }
