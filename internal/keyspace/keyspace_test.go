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
		s.ClientNumbers():                      "cs:{000}:numbers",
		s.UserNumbers(113):                     "cs:{113}:un",
		s.APIToken("abc"):                      "cs:{011}:t:abc",
		s.Code(113, "C1"):                      "cs:{113}:ac:C1",
		s.Session("jane", "S1"):                "cs:{113}:s:jane:S1",
		s.SessionLogins("jane", "S1"):          "cs:{113}:sl:jane:S1",
		s.Sessions("jane"):                     "cs:{113}:ss:jane",
		s.Consents("jane"):                     "cs:{113}:cn:jane",
		s.Records("default", "jane"):           "cs:{113}:rs:default:jane",
		s.SharedRecords("acme"):                "cs:{175}:rs:acme:",
		s.Logouts(113):                         "cs:{113}:lo",
		s.LogoutsTaken(113, "OP"):              "cs:{113}:lt:OP",
		s.Pushed("P1"):                         "cs:{026}:pr:P1",
		s.Device("WDJBMJHT"):                   "cs:{201}:d:WDJBMJHT",
		s.Once("dpop", "x"):                    "cs:{012}:1:_JVmQ6v7KYB4P2vimpe07zmLN_2hrQNcJ8WfT7MBwk8",
		s.Origins("https://app.example"):       "cs:{052}:or:K_WFpvaJJHEEwxu5z2g-LIvpe_4MsmbUnE75nIHrvdY",
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
		for _, named := range []func(string) string{
			func(text string) string { return s.Once("kind", text) }, s.Origins,
			func(text string) string { return s.Limit("kind", text) },
		} {
			if (named(a) == named(b)) != (a == b) || strings.ContainsAny(named(a), "*?[] \r\n") || strings.Count(named(a), "{") != 1 {
				t.Fatalf("%q and %q are named %q and %q", a, b, named(a), named(b))
			}
		}
		if s.Once("dpop", a) == s.Once("assertion", a) {
			t.Fatalf("two kinds share the key of %q", a)
		}
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

func TestPositions(t *testing.T) {
	s := keyspace.New(16)
	for _, partition := range []int{0, 15} {
		for _, id := range []string{"a", "a:b", " "} {
			got, last, err := s.ParsePosition(keyspace.Position(partition, id))
			if err != nil || got != partition || last != id {
				t.Errorf("%d %q comes back as %d %q, %v", partition, id, got, last, err)
			}
		}
	}
	if partition, last, err := s.ParsePosition(""); err != nil || partition != 0 || last != "" {
		t.Errorf("the beginning is %d %q, %v", partition, last, err)
	}
	for _, text := range []string{"x", ":", "0", "0:", ":a", "-1:a", "16:a", "x:a", " 1:a"} {
		if partition, last, err := s.ParsePosition(text); err == nil {
			t.Errorf("%q is %d %q", text, partition, last)
		}
	}
}

func TestOneUserOnePartition(t *testing.T) {
	s := keyspace.New(keyspace.DefaultPartitions)
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "id")
		tag, _, _ := strings.Cut(s.User(id), "}")
		for _, key := range []string{
			s.Entries("o", id, ""), s.Claims("o", id, "a"), s.AppDocuments(id), s.Grant(id, "o", "g"), s.Grants(id),
			s.Denied(id, "j"), s.UsersOf(s.Partition(id), "o"), s.Code(s.Partition(id), "c"), s.Session(id, "s"),
			s.SessionLogins(id, "s"), s.Sessions(id), s.Consents(id), s.Records("o", id), s.Logouts(s.Partition(id)),
			s.LogoutsTaken(s.Partition(id), "op"),
			s.UserNumbers(s.Partition(id)),
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
