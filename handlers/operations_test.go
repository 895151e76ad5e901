package handlers_test

import (
	"net/http"
	"testing"

	"github.com/claimsmith/claimsmith/handlers"
)

// Whoever has nothing but the address finds the rest.
func TestTheAddressOfTheServerSaysWhereEverythingIs(t *testing.T) {
	s, _ := newServer(t, handlers.Config{Issuer: "https://id.example"})
	w := call(s, http.MethodGet, "/")
	const want = `{"issuer":"https://id.example","discovery":"https://id.example/.well-known/openid-configuration",` +
		`"api":"https://id.example/openapi.json","docs":"https://id.example/docs/","account":"https://id.example/account",` +
		`"console":"https://id.example/console"}`
	if w.Code != http.StatusOK || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := call(s, http.MethodPost, "/"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}
