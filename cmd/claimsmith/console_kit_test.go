package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

const operatorPass = "correct horse operator"

// newConsole is a world with an operator, olive, a reader, rita, and an administrator, ada.
func newConsole(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, redistest.Embedded(t).Client)
	for name, role := range map[string]auth.Role{"olive": auth.RoleOperator, "rita": auth.RoleReader, "ada": auth.RoleAdmin} {
		w.post("/api/user", adminToken, `{"id":"`+name+`-id","username":"`+name+`","password":"`+operatorPass+`"}`).want(t, http.StatusCreated)
		if err := w.app.users.SetRole(t.Context(), auth.System(), auth.DefaultOrg, name, role); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// console signs somebody in and opens a page of the console.
func (w *world) console(name, target string) *page {
	w.t.Helper()
	return w.newBrowser().open(target).submit("login", "username", name, "password", operatorPass).want(http.StatusOK)
}

// pass lets time pass for a process that looks after its signing keys.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.clock.Advance(d)
	if err := w.app.ring.Refresh(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// inDefault is the path of a page about the default organisation.
func inDefault(path string) string { return "/console/org/default/" + strings.TrimPrefix(path, "/") }
