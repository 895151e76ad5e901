package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// quietWorld is a world over a real redis-server with the log a server writes by default, to nowhere.
func quietWorld(b *testing.B) *world {
	b.Helper()
	w := newWorld(b, redistest.NewClient(b, redistest.Server(b).Addr()))
	app, err := newApp(w.in, testSettings(), slog.New(slog.NewTextHandler(discard{}, nil)))
	if err != nil {
		b.Fatal(err)
	}
	if err := app.ring.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	server, err := handlers.New(handlers.Config{Logger: app.logger, Now: app.now, Dialects: app.dialects(), HTTPS: true})
	if err != nil {
		b.Fatal(err)
	}
	for n := range 10 {
		w.put(fmt.Sprintf("/api/user/jane/metadata/entry%d", n), adminToken, fmt.Sprintf(`{"value":"vvvvvvvvvvvvvvvvvvvv","profileClaim":%v}`, n < 5)).want(b, 200)
	}
	w.app, w.server = app, server
	return w
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// exchange answers one request without the harness's conveniences.
func (w *world) exchange(method, target, contentType, bearer, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, r)
	return recorder
}

func BenchmarkRefresh(b *testing.B) {
	w := quietWorld(b)
	token := w.post("/login", "", `{"username":"jane","password":"`+janePass+`","scope":"profile"}`).want(b, 200).text(b, "refresh_token")
	b.ReportAllocs()
	for b.Loop() {
		answer := w.exchange(http.MethodPost, "/oauth/token", "application/x-www-form-urlencoded", "",
			"grant_type=refresh_token&client_id="+auth.LoginClient+"&refresh_token="+token).Body.String()
		_, rest, found := strings.Cut(answer, `"refresh_token":"`)
		if !found {
			b.Fatal(answer)
		}
		token, _, _ = strings.Cut(rest, `"`)
	}
}

func BenchmarkGetEntry(b *testing.B) {
	w := quietWorld(b)
	b.ReportAllocs()
	for b.Loop() {
		if r := w.exchange(http.MethodGet, "/api/user/jane-id/metadata/entry0", "", adminToken, ""); r.Code != 200 {
			b.Fatal(r.Body)
		}
	}
}

func BenchmarkPutEntry(b *testing.B) {
	w := quietWorld(b)
	b.ReportAllocs()
	for b.Loop() {
		r := w.exchange(http.MethodPut, "/api/user/jane-id/metadata/entry0", "application/json", adminToken, `{"value":"vvvvvvvvvvvvvvvvvvvv","profileClaim":true}`)
		if r.Code != 200 {
			b.Fatal(r.Body)
		}
	}
}

func BenchmarkClientCredentials(b *testing.B) {
	w := quietWorld(b)
	client := w.post("/api/client", adminToken, `{"client_id":"bench","grant_types":["client_credentials"],"scopes":["bench"]}`).want(b, 201)
	body := "grant_type=client_credentials&scope=bench&client_id=bench&client_secret=" + client.text(b, "client_secret")
	b.ReportAllocs()
	for b.Loop() {
		if r := w.exchange(http.MethodPost, "/oauth/token", "application/x-www-form-urlencoded", "", body); r.Code != 200 {
			b.Fatal(r.Body)
		}
	}
}
