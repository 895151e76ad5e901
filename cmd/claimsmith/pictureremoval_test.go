package main

import (
	"context"
	"image/color"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// An operator who takes the claim away, or gives it another value, has the picture removed.
func TestOperatorsRemovePictures(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{`{"picture":""}`, `{"picture":"https://people.example/jane.png"}`} {
		w := newWorld(t, redistest.Embedded(t).Client)
		access := w.login().text(t, "access_token")
		w.sendPicture("/api/user/v1/accounts/jane/image", access, "me.png", "image/png", painted(t, color.Black)).want(t, 204)
		_, addresses := w.pictureOf("jane", access)
		w.patch("/api/user/jane", adminToken, `{"profile":{"name":"Jane Doe"}}`).want(t, 200)
		for _, address := range addresses {
			w.get(strings.TrimPrefix(address, testIssuer), "").want(t, 200)
		}
		w.patch("/api/user/jane", adminToken, `{"profile":`+profile+`}`).want(t, 200)
		for _, address := range addresses {
			w.get(strings.TrimPrefix(address, testIssuer), "").want(t, 404)
		}
	}
}

func TestPicturesAreThrottled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	access := w.login().text(t, "access_token")
	const path = "/lms/api/user/v1/accounts/jane/image"
	for range 30 {
		w.sendPicture(path, access, "me.png", "image/png", "no picture").want(t, 400)
	}
	got := w.sendPicture(path, access, "me.png", "image/png", painted(t, color.Black)).want(t, 429)
	if got.header.Get("Retry-After") == "" {
		t.Error(got.header)
	}
}

// timed knows how long what it was told of might still have taken.
type timed struct {
	audit.Log
	mu   sync.Mutex
	left map[string]time.Duration
}

func (l *timed) Record(ctx context.Context, e audit.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, _ := ctx.Deadline()
	l.left[e.Action] = time.Until(until)
	l.Log.Record(ctx, e)
}

// What removes files one by one has more time than the 20 s of other requests.
func TestRemovingFilesIsPatient(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		action string
		do     func(w *world)
	}{
		"erasing a user": {"user.delete", func(w *world) { w.delete("/api/user/jane", adminToken).want(t, 204) }},
		"leaving an organisation": {"user.update", func(w *world) {
			w.patch("/api/user/jane", adminToken, `{"orgs":["default"]}`).want(t, 200)
		}},
		"withdrawing a picture": {"user.update", func(w *world) {
			w.patch("/api/user/jane", adminToken, `{"profile":{"picture":""}}`).want(t, 200)
		}},
		"setting a picture": {"user.profile", func(w *world) {
			w.sendPicture("/lms/api/user/v1/accounts/jane/image", w.login().text(t, "access_token"), "me.png", "image/png", painted(t, color.Black)).want(t, 204)
		}},
		"removing a picture": {"user.profile", func(w *world) {
			w.delete("/lms/api/user/v1/accounts/jane/image", w.login().text(t, "access_token")).want(t, 204)
		}},
		"erasing a user in the console": {"user.delete", func(w *world) {
			w.console("olive", inDefault("user/jane-id/erase")).submit("erase_user", "confirmation", "jane").wantText("The user was erased.")
		}},
		"withdrawing a picture in the console": {"user.update", func(w *world) {
			w.console("olive", inDefault("user/jane-id")).submit("save_profile", "picture", "").wantText("The profile was saved.")
		}},
		"removing a picture on the page of the account": {"user.profile", func(w *world) {
			b := w.visitor()
			p := b.ownPage("/account/profile")
			parts := []sentPart{{field: "token", content: p.valueOf("token")}, {"file", "me.png", "image/png", somePNG(t)}}
			b.upload("/account/profile/picture", parts[0], parts[1]).want(http.StatusOK)
			w.app.users.Audit.(*timed).left["user.profile"] = 0
			b.ownPage("/account/profile").submit("picture-remove").want(http.StatusOK)
		}},
	} {
		w := newConsole(t)
		log := &timed{Log: w.app.users.Audit, left: map[string]time.Duration{}}
		w.app.users.Audit = log
		test.do(w)
		if left := log.left[test.action]; left <= 20*time.Second {
			t.Errorf("%s: %v are left", name, left)
		}
	}
}

// outOfOrder fails as long as there is something wrong.
type outOfOrder struct {
	auth.Eraser
	wrong error
}

func (c *outOfOrder) EraseUser(ctx context.Context, user string, orgs []string, whole bool) error {
	if c.wrong != nil {
		return c.wrong
	}
	return c.Eraser.EraseUser(ctx, user, orgs, whole)
}

// An erasure in the console that was cut off is completed by sending its form again. Nobody else is erased by that.
func TestErasingInTheConsoleIsResumed(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	bucket := &outOfOrder{w.app.users.Eraser, &auth.Error{Code: auth.Unavailable, Detail: "files cannot be reached; try again"}}
	w.app.users.Eraser = bucket
	ask := w.console("olive", inDefault("user/jane-id/erase"))
	ask.submit("erase_user", "confirmation", "jane").want(http.StatusServiceUnavailable)
	w.get("/api/user/jane", adminToken).want(t, 404)
	ask.submit("erase_user", "confirmation", "jane").want(http.StatusServiceUnavailable)
	bucket.wrong = nil
	form := ask.formFor(inDefault("user/jane-id/erase"))
	ask.b.post(inDefault("user/nobody/erase"), "token", ask.token(), "version", form.Get("version"), "confirmation", "jane").want(http.StatusNotFound)
	ask.b.post(inDefault("user/ada-id/erase"), "token", ask.token(), "version", form.Get("version"), "confirmation", "jane").want(http.StatusBadRequest)
	ask.submit("erase_user", "confirmation", "jane").wantText("The user was erased.")
	if _, _, err := w.app.store.User(t.Context(), "jane-id"); auth.CodeOf(err) != auth.NotFound {
		t.Errorf("the user is still there: %v", err)
	}
	w.get("/api/user/ada-id", adminToken).want(t, 200)
}
