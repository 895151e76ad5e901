package keyspace_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/internal/keyspace"
)

// Stored data is addressed by these names: a change here orphans it.
func TestNamesArePinned(t *testing.T) {
	s := keyspace.New(keyspace.DefaultPartitions)
	for got, want := range map[string]string{
		s.User("jane"):                         "cs:{113}:u:jane",
		s.Entries("default", "jane", ""):       "cs:{113}:me:default:jane",
		s.Claims("default", "jane", "app"):     "cs:{113}:mc:default:jane:app",
		s.AppDocuments("jane"):                 "cs:{113}:md:jane",
		s.Grant("jane", "default", "G1"):       "cs:{113}:g:jane:default:G1",
		s.Grants("jane"):                       "cs:{113}:gs:jane",
		s.Denied("jane", "J1"):                 "cs:{113}:x:amFuZQ:J1",
		s.UsersOf(s.Partition("jane"), "acme"): "cs:{113}:uo:acme",
		s.Handle("email", "jane@example.com"):  "cs:{236}:h:ed0OeCru_3eJYqa6tSu0NiWlkz3hfcz5JykW8-VVp5I",
		s.Keys():                               "cs:{000}:keys",
		s.Org("acme"):                          "cs:{175}:o:acme",
		s.Client("web"):                        "cs:{145}:c:web",
		s.APIToken("abc"):                      "cs:{011}:t:abc",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestHandlesNeverCollideAndNeverCarryText(t *testing.T) {
	s := keyspace.New(keyspace.DefaultPartitions)
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		name := s.Handle("username", a)
		if (name == s.Handle("username", b)) != (a == b) {
			t.Fatalf("handles %q and %q share a key", a, b)
		}
		if name == s.Handle("email", a) {
			t.Fatalf("a username and an address share the key of %q", a)
		}
		if strings.Count(name, "{") != 1 || strings.Count(name, "}") != 1 || strings.ContainsAny(name, "*?[] \r\n") {
			t.Fatalf("user text reached the key name %q", name)
		}
	})
}

func TestOneUserOnePartition(t *testing.T) {
	s := keyspace.New(keyspace.DefaultPartitions)
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "id")
		tag, _, _ := strings.Cut(s.User(id), "}")
		for _, key := range []string{
			s.Entries("o", id, ""), s.Claims("o", id, "a"), s.AppDocuments(id), s.Grant(id, "o", "g"), s.Grants(id),
			s.Denied(id, "j"), s.UsersOf(s.Partition(id), "o"),
		} {
			if !strings.HasPrefix(key, tag+"}") {
				t.Fatalf("%q is not in the partition of %q", key, s.User(id))
			}
		}
	})
}

func BenchmarkUser(b *testing.B) {
	s := keyspace.New(keyspace.DefaultPartitions)
	b.ReportAllocs()
	for b.Loop() {
		_ = s.User("01jd3k5v8w9x2y4z6a7b8c9d0e")
	}
}
