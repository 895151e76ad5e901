package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestClientsShowTheirNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	for n, id := range []string{"first", "second"} {
		a := w.post("/api/client", adminToken, `{"client_id":"`+id+`","description":"What it is","listed":true}`).want(t, http.StatusCreated)
		if got := a.json(t); fmt.Sprint(got["number"]) != strconv.Itoa(n+1) || got["description"] != "What it is" || got["listed"] != true {
			t.Errorf("created %s", a.body)
		}
	}
	// Nobody chooses or changes one.
	w.post("/api/client", adminToken, `{"client_id":"third","number":7}`).want(t, http.StatusBadRequest)
	w.patch("/api/client/first", adminToken, `{"number":7}`).want(t, http.StatusBadRequest)
	got := w.patch("/api/client/first", adminToken, `{"listed":false}`).want(t, http.StatusOK).json(t)
	if fmt.Sprint(got["number"]) != "1" || got["listed"] != false {
		t.Errorf("changed to %v", got)
	}
	w.patch("/api/client/first", adminToken, `{"self_registration":true}`).want(t, http.StatusBadRequest)
	for _, builtIn := range []string{auth.LoginClient, auth.ConsoleClient} {
		if a := w.get("/api/client/"+builtIn, adminToken).want(t, http.StatusOK); strings.Contains(a.body, `"number"`) {
			t.Errorf("%s has a number: %s", builtIn, a.body)
		}
	}
}

// The demo client of dev is application 1, also where a Redis is kept and from before clients had numbers.
func TestTheDemoClientIsNumberOne(t *testing.T) {
	t.Parallel()
	settings := &config.Dev{DevPassword: config.NewSecret(janePass)}
	for _, kept := range []bool{false, true} {
		w := newWorld(t, redistest.Embedded(t).Client)
		if kept {
			old := auth.Client{ID: demoClient, Org: demoOrg, FirstParty: true, GrantTypes: []string{auth.GrantPassword}}
			if _, err := w.app.store.PutClient(t.Context(), old, "from before"); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if _, err := w.app.seed(t.Context(), settings); err != nil {
				t.Fatal(err)
			}
			client, err := w.app.registry.Application(t.Context(), demoOrg, 1)
			if err != nil || client.ID != demoClient || client.Number != 1 {
				t.Errorf("kept %t: application 1 is %+v (%v)", kept, client, err)
			}
		}
	}
}

// Passwords that another system kept as digests are good for logging in, and no digest is ever in the store (row L-01).
func TestImportedDigestsAreNeverStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	const password, md5, sha256 = "correct horse battery", "88e4ddd2402d92d50e1879d6ecd9ffd4",
		"9028ea0d15decaa35b2da21c0290af3b1a5ba0a30a591906f89b5074e209ea72"
	w.post("/api/user", adminToken, `{"username":"one","password_hash":"`+md5+`","hash_algorithm":"md5"}`,
		"Idempotency-Key", "one").want(t, http.StatusCreated)
	body := []string{
		`{"username":"two","password_hash":"` + sha256 + `","hash_algorithm":"sha256","metadata":[{"key":"plan","value":"gold"}]}`,
		`{"username":"three","password_hash":"$1$saltsalt$UevX3RQ4rPNbqFqf8dVFn.","hash_algorithm":"md5-crypt"}`,
		`{"username":"four","password_hash":"` + md5 + `","hash_algorithm":"sha1"}`,
		`{"username":"four","password_hash":"` + md5 + `","hash_algorithm":"md6"}`,
		`{"username":"four","password_hash":"` + md5 + `"}`,
		`{"username":"four","hash_algorithm":"md5"}`,
		`{"username":"four","password":"` + password + `","hash_algorithm":"md5"}`,
	}
	want := []string{
		"1 200", "2 200", "3 400 invalid_request password_hash", "4 400 invalid_request hash_algorithm", "5 400 invalid_request password_hash",
		"6 400 invalid_request hash_algorithm", "7 400 invalid_request hash_algorithm",
	}
	for _, query := range []string{"?dry_run=true", "", ""} { // the same lines again are the same users
		outcomes, _ := w.stream("/api/user/import"+query, adminToken, body...)
		w.wantStream(want, outcomes)
	}
	// The same user with another password is another line, which says so.
	outcomes, _ := w.stream("/api/user/import", adminToken, strings.Replace(body[0], sha256, strings.Repeat("0", 64), 1))
	w.wantStream([]string{"1 409 conflict Idempotency-Key"}, outcomes)

	dump := w.dumped()
	for _, digest := range []string{md5, sha256} {
		if strings.Contains(dump, digest) || strings.Contains(w.log.String(), digest) {
			t.Errorf("the digest %s is stored or logged", digest)
		}
	}
	if !strings.Contains(dump, "md5+$argon2id$") || !strings.Contains(dump, "sha256+$argon2id$") {
		t.Error("no wrapped hash is stored")
	}
	for _, name := range []string{"one", "two", "three"} {
		w.post("/login", "", `{"username":"`+name+`","password":"another password"}`).want(t, http.StatusBadRequest)
		w.post("/login", "", `{"username":"`+name+`","password":"`+password+`"}`).want(t, http.StatusOK)
	}
	if dump := w.dumped(); strings.Contains(dump, "+$argon2id$") || strings.Contains(dump, "$1$saltsalt$") {
		t.Error("an old hash outlived the first login")
	}
	// After that the line is still the same.
	outcomes, _ = w.stream("/api/user/import", adminToken, body[0])
	w.wantStream([]string{"1 200"}, outcomes)
}
