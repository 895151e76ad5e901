package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// A password does not do alone for a user with a second factor, whichever way it comes without a browser.
func TestLoginWithASecondFactor(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	app, codes := w.newBrowser().enrol()
	const (
		factorDue = "otp: this user has a second factor: send a one-time password or a recovery code as otp too, or sign in with a browser"
		wrong     = "the username or password is wrong"
		wrongCode = "otp: this code is wrong, or it was used before"
	)
	visitors := 0
	for name, login := range map[string]func(password, otp string) answer{
		"/login": func(password, otp string) answer {
			return w.try(janeMail, password, `,"otp":`+quote(otp))
		},
		"/oauth/token": func(password, otp string) answer {
			return w.form("/oauth/token", "grant_type", "password", "client_id", auth.LoginClient, "username", janeMail, "password", password, "otp", otp)
		},
	} {
		t.Run(name, func(t *testing.T) {
			visitors++
			pass(10*time.Minute, w) // or the wrong codes would be throttled
			code, recovery := w.code(app), codes[visitors]
			refused(t, "no code", login(janePass, ""), 400, "invalid_grant", factorDue)
			refused(t, "a wrong code", login(janePass, "000000"), 400, "invalid_grant", wrongCode)
			refused(t, "a wrong password", login("x", ""), 400, "invalid_grant", wrong)
			refused(t, "a wrong password with a right code", login("x", code), 400, "invalid_grant", wrong)
			tokens := login(janePass, code).want(t, http.StatusOK)
			id := claimsOf(t, tokens.text(t, "id_token"))
			if diff := cmp.Diff([]any{"pwd", "otp", "mfa"}, id["amr"]); diff != "" || id["acr"] != "2" {
				t.Errorf("acr %v, amr %s", id["acr"], diff)
			}
			refused(t, "the code again", login(janePass, code), 400, "invalid_grant", wrongCode)
			login(janePass, recovery).want(t, http.StatusOK)
			refused(t, "the recovery code again", login(janePass, recovery), 400, "invalid_grant", wrongCode)
			if log := w.log.String(); strings.Contains(log, recovery) || !strings.Contains(log, `"reason":"second_factor_required"`) {
				t.Error("the log has a recovery code, or does not say that a second factor was missing")
			}
		})
	}
}
