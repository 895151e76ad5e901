package main

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// hashMemory is what computing one hash takes, which nothing else in a login comes near.
const hashMemory = 19456 << 10

// hashesIn returns how many password hashes were computed while do ran.
func hashesIn(do func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int((after.TotalAlloc - before.TotalAlloc) / hashMemory)
}

// A failed login says and costs the same whatever the reason (row L-06).
func TestFailedLoginsAreAlike(t *testing.T) {
	c := newCast(t, redistest.Embedded(t))
	const right = "the right password here"
	make := func(name, members string) {
		t.Helper()
		c.post("/api/user?org=acme", adminToken, `{"username":"`+name+`"`+members+`}`).want(t, http.StatusCreated)
	}
	password := `,"password":"` + right + `"`
	make("somebody", password)
	make("disabled", password)
	c.patch("/api/user/disabled?org=acme", adminToken, `{"disabled":true}`).want(t, http.StatusOK)
	make("passwordless", "")
	make("unverified", `,"email":"unverified@acme.example"`+password)
	make("deleted", password)
	c.delete("/api/user/deleted?org=acme", adminToken).want(t, http.StatusNoContent)
	c.post("/api/org", adminToken, `{"slug":"closed"}`).want(t, http.StatusCreated)
	c.post("/api/user?org=closed", adminToken, `{"username":"shut-out"`+password+`}`).want(t, http.StatusCreated)
	c.patch("/api/org/closed", adminToken, `{"disabled":true}`).want(t, http.StatusOK)
	hash, err := bcrypt.GenerateFromPassword([]byte(right), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	make("imported", `,"password_hash":`+quote(string(hash)))

	wrong := c.try("somebody", "the wrong password", "")
	if wrong.status != http.StatusBadRequest || wrong.text(t, "error") != "invalid_grant" {
		t.Fatalf("a wrong password: %d %s", wrong.status, wrong.body)
	}
	classes := []struct{ name, username, password, members string }{
		{"wrong password", "somebody", "the wrong password", ""},
		{"unknown user", "nobody-at-all", right, ""},
		{"unknown address", "nobody@acme.example", right, ""},
		{"name nobody can have", "no body\u200b", right, ""},
		{"long name", strings.Repeat("x", 5000), right, ""},
		{"disabled user", "disabled", right, ""},
		{"disabled user, wrong password", "disabled", "the wrong password", ""},
		{"user without a password", "passwordless", right, ""},
		{"address that is not verified", "unverified@acme.example", right, ""},
		{"deleted user", "deleted", right, ""},
		{"another organisation", "somebody", right, `,"org":"globex"`},
		{"no organisation", "somebody", right, `,"org":"zzzzzz"`},
		{"disabled organisation", "shut-out", right, ""},
		{"wrong password for an imported hash", "imported", "the wrong password", ""},
	}
	for _, class := range classes {
		var times []time.Duration
		for n := range 5 {
			c.address = fmt.Sprintf("198.51.100.%d:1", n)
			var a answer
			start := time.Now()
			count := hashesIn(func() { a = c.try(class.username, class.password, class.members) })
			times = append(times, time.Since(start))
			same(t, class.name, a, wrong)
			// A weaker imported hash costs what it costs until its owner's first login, as auth.Hasher says.
			if want := 1; count != want && class.username != "imported" {
				t.Errorf("%s: %d hashes, want %d", class.name, count, want)
			}
		}
		slices.Sort(times)
		t.Logf("%-40s median %v", class.name, times[2]) // for the reader: the machine is not quiet enough to judge by it
	}

	// Without a password there is nothing to compare, for nobody.
	empty := c.try("somebody", "", "")
	for _, class := range classes {
		var a answer
		if count := hashesIn(func() { a = c.try(class.username, "", "") }); count != 0 {
			t.Errorf("%s, empty password: %d hashes", class.name, count)
		}
		same(t, class.name+", empty password", a, empty)
	}
	if empty.status != http.StatusBadRequest {
		t.Errorf("an empty password: %d %s", empty.status, empty.body)
	}
}

// A password is what it is: whole, in one normal form (rows L-02, L-04).
func TestPasswordsAreComparedWhole(t *testing.T) {
	c := newCast(t, redistest.Embedded(t))
	c.address = "198.51.100.1:1"
	attempts := 0
	expect := func(username, password string, status int) {
		t.Helper()
		attempts++
		c.address = fmt.Sprintf("198.51.100.%d:1", attempts)
		if a := c.try(username, password, ""); a.status != status {
			t.Errorf("login with %d bytes %.20q…: %d %s", len(password), password, a.status, a.body)
		}
	}
	a72 := strings.Repeat("a", 72)
	hash, err := bcrypt.GenerateFromPassword([]byte(a72), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	c.post("/api/user", adminToken, `{"username":"imported","password_hash":`+quote(string(hash))+`}`).want(t, http.StatusCreated)
	for _, longer := range []string{a72 + "X", a72 + "a", a72 + "\x00", strings.Repeat("a", 200)} {
		expect("imported", longer, http.StatusBadRequest)
	}
	expect("imported", a72[:71], http.StatusBadRequest)
	expect("imported", a72, http.StatusOK)
	expect("imported", a72, http.StatusOK) // now hashed anew
	expect("imported", a72+"X", http.StatusBadRequest)

	for n, password := range []string{
		strings.Repeat("x9", 32), strings.Repeat("x9", 64), strings.Repeat("é", 128), "caf\u00e9 au lait", " space before and after ", "nul\x00in the middle",
	} {
		name := fmt.Sprint("user-", n)
		c.post("/api/user", adminToken, `{"username":"`+name+`","password":`+quote(password)+`}`).want(t, http.StatusCreated)
		expect(name, password, http.StatusOK)
		expect(name, password+" ", http.StatusBadRequest)
		expect(name, strings.TrimSpace(password)+"\x00", http.StatusBadRequest)
		expect(name, password[:len(password)-1]+"?", http.StatusBadRequest)
		expect(name, strings.ToUpper(password), http.StatusBadRequest)
	}
	expect("user-3", "cafe\u0301 au lait", http.StatusOK)
	expect("user-4", "space before and after", http.StatusBadRequest)
	expect("user-5", "nul", http.StatusBadRequest)

	for _, n := range []int{1025, 60 << 10, 1 << 20} {
		var known, unknown answer
		if count := hashesIn(func() {
			known, unknown = c.try("user-0", strings.Repeat("x", n), ""), c.try("nobody", strings.Repeat("x", n), "")
		}); count != 0 {
			t.Errorf("%d bytes cost %d hashes", n, count)
		}
		same(t, "known and unknown user", known, unknown)
		if known.status != http.StatusBadRequest && known.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%d bytes: %d %s", n, known.status, known.body)
		}
	}
}

// All names of an account, all doors and all clients share one throttle (rows L-07, L-08).
func TestAliasesShareTheThrottle(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.post("/api/user?org=acme", adminToken, `{"username":"ren\u00e9","email":"ren\u00e9@acme.example","email_verified":true,"password":"the password of ren\u00e9"}`).want(t, http.StatusCreated)
	c.post("/api/client?org=acme", adminToken, `{"client_id":"acme-app","public":true,"first_party":true,"grant_types":["password"]}`).want(t, http.StatusCreated)
	aliases := []string{"ren\u00e9", "REN\u00e9", "rene\u0301", "Rene\u0301", "ren\u00e9@acme.example", "REN\u00e9@ACME.example", "rene\u0301@Acme.Example"}
	doors := []func(username, password string) answer{
		func(u, p string) answer { return c.try(u, p, "") },
		func(u, p string) answer { return c.try(u, p, `,"client_id":"acme-app"`) },
		func(u, p string) answer {
			return c.form("/oauth/token", "grant_type", "password", "client_id", "login", "username", u, "password", p)
		},
		func(u, p string) answer {
			return c.form("/connect/token", "grant_type", "password", "client_id", "acme-app", "username", u, "password", p, "org", acme)
		},
	}
	c.try("rene\u0301@acme.example", "the password of ren\u00e9", "").want(t, http.StatusOK)
	const burst = 10
	for n := range burst {
		a := doors[n%len(doors)](aliases[n%len(aliases)], "not the password")
		if a.status != http.StatusBadRequest {
			t.Fatalf("attempt %d: %d %s", n+1, a.status, a.body)
		}
	}
	for _, alias := range aliases {
		for n, door := range doors {
			for _, password := range []string{"not the password", "the password of ren\u00e9"} {
				a := door(alias, password)
				if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
					t.Errorf("%q at door %d: %d %s", alias, n, a.status, a.body)
				}
			}
		}
	}
	// What only resembles a name leads to nobody, with the right password too, and so is no way round.
	for _, name := range []string{" ren\u00e9", "ren\u00e9 ", "ren\u00e9\u200b", "ren\u00c9", "\u202eren\u00e9", "ren\u00e9\x00", "ren\u00e9@acme.example.", "ren\u00e9@@acme.example", "ren\u0435"} {
		if a := c.try(name, "the password of ren\u00e9", ""); a.status != http.StatusBadRequest {
			t.Errorf("%q: %d %s", name, a.status, a.body)
		}
	}
	// The owner, from elsewhere, is not kept out by it (row L-09).
	c.address = "203.0.113.9:1"
	c.try("ren\u00e9", "the password of ren\u00e9", "").want(t, http.StatusOK)
}

// Whoever guesses at one account from everywhere, or at all accounts from one place, meets a limit too.
func TestDistributedGuessing(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	throttled := func(limit int, attempt func(n int) answer) bool {
		for n := range limit {
			if attempt(n).status == http.StatusTooManyRequests {
				return true
			}
		}
		return false
	}
	// The hash is not the subject: a password that is too long is refused after the limits were asked.
	long := strings.Repeat("x", 1025)
	if !throttled(101, func(n int) answer {
		c.address = fmt.Sprintf("198.51.%d.%d:1", n/250, n%250)
		return c.try(c.acme.user.username, long, "")
	}) {
		t.Error("101 addresses guess at one account")
	}
	c.address = "203.0.113.1:1"
	if !throttled(400, func(n int) answer { return c.try(fmt.Sprint("somebody-", n), long, "") }) {
		t.Error("one address guesses at 400 accounts")
	}
	c.address = "203.0.113.2:1"
	c.loginAs(c.acme.other, "")
}

// Headers do not change whom a request is from (row L-10).
func TestSpoofedAddresses(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	throttled := 0
	for n := range 40 {
		fake := fmt.Sprintf("10.0.0.%d", n)
		a := c.post("/login", "", `{"username":"acme-user","password":"not the password"}`, "X-Forwarded-For", fake, "X-Real-Ip", fake, "Forwarded", "for="+fake,
			"True-Client-Ip", fake, "Cf-Connecting-Ip", fake, "X-Client-Ip", fake, "X-Forwarded-Host", fake)
		if a.status == http.StatusTooManyRequests {
			throttled++
		}
	}
	if throttled < 29 {
		t.Errorf("%d of 40 attempts were throttled", throttled)
	}
	if log := c.log.String(); strings.Contains(log, "10.0.0.") || !strings.Contains(log, `"address":"192.0.2.1"`) {
		t.Error("the log believes a header")
	}
}

// A new password ends everything the old one opened (row L-11).
func TestPasswordChangeEndsSessions(t *testing.T) {
	c := newCast(t, redistest.Embedded(t))
	second := c.again()
	user := c.acme.user
	change := map[string]func(bearer string) answer{
		"by an operator": func(string) answer {
			return c.put("/api/user/acme-user-id/password", c.acme.operator, `{"password":"chosen by the operator"}`)
		},
		"by the user": func(bearer string) answer {
			return c.put("/api/user/me/password", bearer, `{"password":"chosen by the user","current_password":`+quote(user.password)+`}`)
		},
	}
	for how, set := range change {
		c.put("/api/user/acme-user-id/password", c.acme.operator, `{"password":`+quote(user.password)+`}`).want(t, http.StatusNoContent)
		var held []answer
		for range 3 {
			held = append(held, second.loginAs(user, ""))
		}
		for _, w := range []*world{c.world, second} {
			w.get("/api/user/me", held[0].text(t, "access_token")).want(t, http.StatusOK)
		}
		bearer := held[0].text(t, "access_token")
		for _, wrong := range []string{"", `,"current_password":"not it"`} {
			c.put("/api/user/me/password", bearer, `{"password":"chosen by the user"`+wrong+`}`).want(t, http.StatusForbidden)
		}
		c.put("/api/user/acme-other-id/password", bearer, `{"password":"chosen by the user","current_password":`+quote(user.password)+`}`).want(t, http.StatusNotFound)
		if a := second.get("/oauth/userinfo", bearer); a.status != http.StatusOK {
			t.Errorf("%s: a change that was refused ended the session: %d", how, a.status)
		}
		set(bearer).want(t, http.StatusNoContent)
		pass(time.Second, c.world, second)
		for _, tokens := range held {
			for _, w := range []*world{c.world, second} {
				w.get("/oauth/userinfo", tokens.text(t, "access_token")).want(t, http.StatusUnauthorized)
				w.get("/api/user/me", tokens.text(t, "access_token")).want(t, http.StatusUnauthorized)
				if a := w.introspectAs(adminToken, tokens.text(t, "access_token")); a.body != inactive {
					t.Errorf("%s: %s", how, a.body)
				}
			}
			second.refresh(tokens.text(t, "refresh_token")).want(t, http.StatusBadRequest)
		}
		c.try(user.username, user.password, "").want(t, http.StatusBadRequest)
	}
}

// The present password cannot be guessed with a stolen token.
func TestGuessingThePresentPassword(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	guess := func(current string) answer {
		return c.put("/api/user/me/password", token, `{"password":"chosen by a thief","current_password":`+quote(current)+`}`)
	}
	for range 5 {
		guess("not it").want(t, http.StatusForbidden)
	}
	for _, current := range []string{"not it", c.acme.user.password} {
		if a := guess(current).want(t, http.StatusTooManyRequests); a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	c.loginAs(c.acme.user, "")
}
