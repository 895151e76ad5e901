package authorize_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// device begins a device's request.
func (w *world) device(client *auth.Client, scope, org string) authorize.Device {
	w.t.Helper()
	d, err := w.BeginDevice(w.t.Context(), client, scope, org, "", address)
	w.must(err)
	return d
}

// wantPoll asks as the device does, no faster than it may.
func (w *world) wantPoll(client *auth.Client, d authorize.Device, want auth.Code) auth.Approval {
	w.t.Helper()
	w.pass(d.Interval)
	a, ref, err := w.DeviceApproval(w.t.Context(), client, d.DeviceCode)
	if w.wantCode(err, want); (ref == "") != (err != nil) {
		w.t.Errorf("the reference is %q", ref)
	}
	return a
}

// Row O-23, RFC 8628.
func TestDevice(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorldOver(t, b)
		tv, other := w.client("wide", func(c *auth.Client) { c.Name = "A television" }), w.client("app", func(*auth.Client) {})
		d, err := w.BeginDevice(t.Context(), tv, "openid email", "", challenge, address)
		w.must(err)
		if got := w.recorded("device.begin"); !slices.Equal(got, []string{"success client:wide default client:wide"}) {
			t.Errorf("recorded %q", got)
		}
		if len(d.UserCode) != 9 || strings.Trim(d.UserCode, "BCDFGHJKLMNPQRSTVWXZ-") != "" || d.UserCode[4] != '-' ||
			!strings.HasPrefix(d.DeviceCode, "cs_dc_") || d.Interval != 5*time.Second || d.Lifetime != 10*time.Minute {
			t.Errorf("the answer is %+v", d)
		}
		w.wantPoll(tv, d, auth.AuthorizationPending)
		w.pass(time.Second)
		if _, _, err := w.DeviceApproval(t.Context(), tv, d.DeviceCode); auth.CodeOf(err) != auth.SlowDown {
			t.Errorf("polled too soon: %v", err)
		}
		d.Interval = 10 * time.Second
		w.wantPoll(other, d, auth.InvalidGrant)
		for _, code := range []string{"", d.UserCode, d.DeviceCode + "A", d.DeviceCode[:30], strings.ToLower(d.DeviceCode)} {
			_, _, err := w.DeviceApproval(t.Context(), tv, code)
			w.wantCode(err, auth.InvalidGrant)
		}

		// The person types the code somehow, logs in, chooses, and sees who gets what.
		typed := " " + strings.ToLower(strings.ReplaceAll(d.UserCode, "-", " - "))
		f, err := w.BeginPage(t.Context(), authorize.PageDevice, typed, browser, address)
		w.must(err)
		sess := w.session("jane")
		w.next(f, nil, authorize.StepSignIn)
		w.next(f, sess, authorize.StepOrg)
		w.must(w.ChooseOrg(t.Context(), f, sess, "acme"))
		step := w.next(f, sess, authorize.StepConsent)
		if step.Client.Name != "A television" || step.Org.Slug != "acme" || !slices.Equal(step.Scopes, []string{"openid", "email"}) ||
			step.Profile.Email != "jane@example.com" {
			t.Errorf("the page is %+v", step)
		}
		w.wantPoll(tv, d, auth.AuthorizationPending)
		w.recorded("")
		answer, err := w.Approve(t.Context(), w.reopened(f), sess)
		w.must(err)
		if answer != nil {
			t.Errorf("answered %+v", answer)
		}
		if got := w.recorded("device.approve"); !slices.Equal(got, []string{"success user:jane-id acme client:wide"}) {
			t.Errorf("recorded %q", got)
		}
		_, err = w.Approve(t.Context(), f, sess)
		w.wantCode(err, auth.InvalidRequest)
		_, err = w.Deny(t.Context(), f, sess)
		w.wantCode(err, auth.InvalidRequest)
		_, err = w.BeginPage(t.Context(), authorize.PageDevice, d.UserCode, browser, address)
		w.wantCode(err, auth.InvalidRequest)

		w.wantPoll(other, d, auth.InvalidGrant)
		a := w.wantPoll(tv, d, "")
		if a.User != "jane-id" || a.Org != "acme" || a.Client != "wide" || a.Scope != "openid email" || a.Session != "" || a.RedirectURI != "" ||
			a.KeyThumbprint != challenge || a.Epoch != sess.Epoch || !a.AuthTime.Equal(sess.AuthTime) {
			t.Errorf("the approval is %+v", a)
		}
		w.wantPoll(tv, d, "") // a device whose answer is lost asks again
		apps, err := w.Applications(t.Context(), "jane-id")
		w.must(err)
		if len(apps) != 1 || apps[0].Name != "A television" {
			t.Errorf("applications are %+v", apps)
		}
		w.pass(10 * time.Minute)
		w.wantPoll(tv, d, auth.ExpiredToken)

		// Agreed to once is asked again: somebody else may have begun it.
		again := w.device(tv, "openid email", "acme")
		f, err = w.BeginPage(t.Context(), authorize.PageDevice, again.UserCode, browser, address)
		w.must(err)
		w.next(f, sess, authorize.StepConsent)
		_, err = w.Deny(t.Context(), f, nil)
		w.wantCode(err, auth.InteractionRequired)
		w.recorded("")
		answer, err = w.Deny(t.Context(), f, sess)
		w.must(err)
		if answer != nil {
			t.Errorf("answered %+v", answer)
		}
		if got := w.recorded("device.deny"); !slices.Equal(got, []string{"success user:jane-id acme client:wide"}) {
			t.Errorf("recorded %q", got)
		}
		w.wantPoll(tv, again, auth.AccessDenied)

		// The code expires while the page is open.
		late := w.device(tv, "", "default")
		f, err = w.BeginPage(t.Context(), authorize.PageDevice, late.UserCode, browser, "198.51.100.7")
		w.must(err)
		w.pass(10 * time.Minute)
		_, err = w.Approve(t.Context(), f, sess)
		w.wantCode(err, auth.InvalidRequest)
		w.wantPoll(tv, late, auth.ExpiredToken)
	})
}

// Who was talked into letting a device in, and takes that back before it has asked, has not let it in.
func TestWithdrawEndsADevicesApproval(t *testing.T) {
	w := newWorld(t)
	app := w.client("app", func(*auth.Client) {})
	d, sess := w.device(app, "openid", ""), w.session("jane")
	f, err := w.BeginPage(t.Context(), authorize.PageDevice, d.UserCode, browser, address)
	w.must(err)
	_, err = w.Approve(t.Context(), f, sess)
	w.must(err)
	w.wantPoll(app, d, "")
	w.must(w.Withdraw(t.Context(), "jane-id", "default", "app"))
	w.wantPoll(app, d, auth.InvalidGrant)
}

func TestDeviceIsRefused(t *testing.T) {
	w := newWorld(t)
	app := w.client("app", func(*auth.Client) {})
	none := w.client("none", func(c *auth.Client) { c.GrantTypes = []string{auth.GrantAuthorizationCode} })
	_, err := w.BeginDevice(t.Context(), none, "", "", "", address)
	w.wantCode(err, auth.UnauthorizedClient)
	_, err = w.BeginDevice(t.Context(), app, "iam/", "", "", address)
	w.wantCode(err, auth.InvalidScope)
	_, err = w.BeginDevice(t.Context(), app, "", "acme", "", address)
	w.wantCode(err, auth.InvalidRequest)

	d := w.device(app, "", "")
	f, err := w.BeginPage(t.Context(), authorize.PageDevice, d.UserCode, browser, address)
	w.must(err)
	_, err = w.Next(t.Context(), f, w.session("mary")) // of another organisation
	w.wantCode(err, auth.AccessDenied)
	_, err = w.Approve(t.Context(), f, w.session("mary"))
	w.wantCode(err, auth.AccessDenied)
	sess := w.session("john")
	w.client("app", func(c *auth.Client) { c.GrantTypes = none.GrantTypes })
	_, err = w.Approve(t.Context(), f, sess)
	w.wantCode(err, auth.UnauthorizedClient)
	w.client("app", func(c *auth.Client) { c.GrantTypes, c.Disabled = app.GrantTypes, true })
	_, err = w.Approve(t.Context(), f, sess)
	w.wantCode(err, auth.InvalidRequest)
	w.wantPoll(app, d, auth.AuthorizationPending)
	w.client("app", func(c *auth.Client) { c.Disabled = false })
	w.must(w.users.Delete(t.Context(), auth.System(), "default", "john", nil))
	_, err = w.Approve(t.Context(), f, sess)
	w.wantCode(err, auth.InteractionRequired)
	w.wantPoll(app, d, auth.AuthorizationPending)
}

// Wrong, spent and unknown codes are answered alike, and guessing ends soon (rows O-23, A-07).
func TestUserCodesAreNotGuessed(t *testing.T) {
	w := newWorld(t)
	app := w.client("app", func(*auth.Client) {})
	d := w.device(app, "", "")
	answers := map[string]bool{}
	tried := 0
	for _, code := range []string{
		"", "BCDF-GHJK", "AEIO-UYAE", "BCDF", "BCDFGHJKL", d.UserCode[:8], d.DeviceCode, strings.Repeat("B", 1<<16), "<svg>", "BCDF GHJK", "1",
	} {
		_, err := w.BeginPage(t.Context(), authorize.PageDevice, code, browser, address)
		if auth.CodeOf(err) == auth.Throttled {
			break
		}
		tried++
		answers[err.Error()] = true
	}
	if len(answers) != 1 || tried != 10 {
		t.Errorf("%d answers in %d attempts: %v", len(answers), tried, answers)
	}
	_, err := w.BeginPage(t.Context(), authorize.PageDevice, d.UserCode, browser, address)
	if w.wantCode(err, auth.Throttled); !strings.Contains(strings.Join(w.recorded("device.code"), "\n"), "denied throttled") {
		t.Error("it was not recorded")
	}
	if _, err := w.BeginPage(t.Context(), authorize.PageDevice, d.UserCode, browser, "198.51.100.7"); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
}
