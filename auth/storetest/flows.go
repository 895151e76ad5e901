package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
)

const pollInterval = 5 * time.Second

// device makes a pending request and returns it with its secret.
func (s *suite) device(t *testing.T) (auth.DeviceRequest, []byte) {
	t.Helper()
	d := auth.DeviceRequest{
		UserCode: name(), Client: name(), Org: name(), Scope: "openid profile", KeyThumbprint: name(), State: auth.DevicePending,
		ExpiresAt: s.now.Add(10 * time.Minute),
	}
	secret := hash(newSecret())
	must(t, s.CreateDevice(t.Context(), d, secret, pollInterval))
	return d, secret
}

func (s *suite) testDevices(t *testing.T) {
	ctx := t.Context()
	expect := func(want auth.DeviceRequest) {
		t.Helper()
		got, err := s.Device(ctx, want.UserCode, s.now)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("stored request (%v) differs:\n%s", err, diff)
		}
	}
	nobody := name()
	_, err := s.Device(ctx, nobody, s.now)
	wantCode(t, err, auth.NotFound)
	wantCode(t, s.SettleDevice(ctx, nobody, "1.x", s.now), auth.NotFound)
	_, err = s.PollDevice(ctx, nobody, "c", []byte("x"), s.now)
	wantCode(t, err, auth.NotFound)

	d, secret := s.device(t)
	expect(d)
	must(t, s.CreateDevice(ctx, d, secret, pollInterval)) // the same again
	wantCode(t, s.CreateDevice(ctx, d, hash(newSecret()), pollInterval), auth.Conflict)

	// One decision, which may be told again.
	for _, test := range []struct{ code, state, other string }{
		{"7." + name(), auth.DeviceApproved, ""}, {"", auth.DeviceDenied, "7." + name()},
	} {
		d, secret := s.device(t)
		for range 2 {
			must(t, s.SettleDevice(ctx, d.UserCode, test.code, s.now))
			wantCode(t, s.SettleDevice(ctx, d.UserCode, test.other, s.now), auth.Conflict)
			wantCode(t, s.SettleDevice(ctx, d.UserCode, "8."+name(), s.now), auth.Conflict)
		}
		must(t, s.CreateDevice(ctx, d, secret, pollInterval)) // a late repetition changes nothing
		d.State, d.Code = test.state, test.code
		expect(d)
		for range 3 { // as often as it is asked for
			got, err := s.PollDevice(ctx, d.UserCode, d.Client, secret, s.now)
			if diff := cmp.Diff(d, got); err != nil || diff != "" {
				t.Fatalf("polled request (%v) differs:\n%s", err, diff)
			}
		}
	}

	// The end.
	for _, after := range []time.Duration{10 * time.Minute, time.Hour} {
		late := s.now.Add(after)
		_, err = s.Device(ctx, d.UserCode, late)
		wantCode(t, err, auth.NotFound)
		wantCode(t, s.SettleDevice(ctx, d.UserCode, "1.x", late), auth.NotFound)
		_, err = s.PollDevice(ctx, d.UserCode, d.Client, secret, late)
		wantCode(t, err, auth.NotFound)
	}
	expect(d)
}

func (s *suite) testPolling(t *testing.T) {
	ctx := t.Context()
	d, secret := s.device(t)
	at := time.Duration(0)
	poll := func(after time.Duration, want auth.Code) {
		t.Helper()
		at += after
		for range 2 { // sent again
			got, err := s.PollDevice(ctx, d.UserCode, d.Client, secret, s.now.Add(at))
			if want != "" {
				wantCode(t, err, want)
			} else if diff := cmp.Diff(d, got); err != nil || diff != "" {
				t.Fatalf("polled request (%v) differs:\n%s", err, diff)
			}
		}
	}
	refuse := func(userCode, client string, secret []byte) {
		t.Helper()
		_, err := s.PollDevice(ctx, userCode, client, secret, s.now.Add(at))
		wantCode(t, err, auth.InvalidGrant)
	}
	other, otherSecret := s.device(t)
	poll(0, "")
	refuse(d.UserCode, d.Client, hash(newSecret()))
	refuse(d.UserCode, d.Client, otherSecret)
	refuse(d.UserCode, d.Client, nil)
	refuse(d.UserCode, other.Client, secret)
	refuse(other.UserCode, d.Client, secret)

	poll(pollInterval, "")
	poll(pollInterval-time.Millisecond, auth.SlowDown) // ten seconds from now on
	poll(pollInterval, auth.SlowDown)                  // fifteen
	poll(15*time.Second-time.Millisecond, auth.SlowDown)
	poll(20*time.Second, "")
	poll(20*time.Second, "")
	poll(-time.Minute, auth.SlowDown) // a clock set back is no way round
	poll(25*time.Second, "")

	// What is decided is told at once.
	must(t, s.SettleDevice(ctx, d.UserCode, "7.x", s.now))
	d.State, d.Code = auth.DeviceApproved, "7.x"
	poll(time.Millisecond, "")
	poll(time.Millisecond, "")
	refuse(d.UserCode, d.Client, otherSecret)
}

func (s *suite) testDeviceRaces(t *testing.T) {
	ctx := t.Context()
	for range 10 {
		d, secret := s.device(t)
		var o outcomes
		s.together(crowd, func(_ int, store Store) {
			o.add(store.CreateDevice(ctx, d, hash(newSecret()), pollInterval))
		})
		o.want(t, map[auth.Code]int{auth.Conflict: crowd})

		var settled outcomes
		s.together(crowd, func(i int, store Store) {
			code := "" // one denies, the others approve
			if i > 0 {
				code = fmt.Sprint(i, ".x")
			}
			settled.add(store.SettleDevice(ctx, d.UserCode, code, s.now))
		})
		settled.want(t, map[auth.Code]int{"": 1, auth.Conflict: crowd - 1})
		_, err := s.PollDevice(ctx, d.UserCode, d.Client, secret, s.now)
		must(t, err)

		free := d
		free.UserCode = name()
		var made outcomes
		s.together(crowd, func(_ int, store Store) {
			made.add(store.CreateDevice(ctx, free, hash(newSecret()), pollInterval))
		})
		made.want(t, map[auth.Code]int{"": 1, auth.Conflict: crowd - 1})
	}

	// Of many polls at once, each at a time of its own, one is not too fast.
	d, secret := s.device(t)
	var o outcomes
	s.together(crowd, func(i int, store Store) {
		_, err := store.PollDevice(ctx, d.UserCode, d.Client, secret, s.now.Add(time.Duration(i)*time.Millisecond))
		o.add(err)
	})
	o.want(t, map[auth.Code]int{"": 1, auth.SlowDown: crowd - 1})
}

func (s *suite) testConsents(t *testing.T) {
	ctx := t.Context()
	u := s.user(t)
	org, client := u.Orgs[0], name()
	expect := func(want auth.Consent) {
		t.Helper()
		got, err := s.Consent(ctx, u.ID, want.Org, want.Client)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("stored consent (%v) differs:\n%s", err, diff)
		}
	}
	missing := func(user, org, client string) {
		t.Helper()
		_, err := s.Consent(ctx, user, org, client)
		wantCode(t, err, auth.NotFound)
	}
	missing(u.ID, org, client)
	if all, err := s.Consents(ctx, u.ID); err != nil || len(all) != 0 {
		t.Fatalf("a user who consented to nothing has %v (%v)", all, err)
	}
	must(t, s.DeleteConsent(ctx, u.ID, org, client)) // what is not there

	first := auth.Consent{
		Org: org, Client: client, Scopes: []string{"openid", "email"}, RedirectURIs: []string{"https://a.example/cb?x=\u2028"},
		GrantedAt: s.now,
	}
	for range 2 {
		must(t, s.PutConsent(ctx, u.ID, first))
		expect(first)
	}
	// More is added to what is there.
	must(t, s.PutConsent(ctx, u.ID, auth.Consent{
		Org: org, Client: client, Scopes: []string{"email", "profile"}, RedirectURIs: []string{"https://b.example/cb"},
		GrantedAt: s.now.Add(time.Hour),
	}))
	sum := auth.Consent{
		Org: org, Client: client, Scopes: []string{"openid", "email", "profile"},
		RedirectURIs: append(first.RedirectURIs, "https://b.example/cb"), GrantedAt: s.now.Add(time.Hour),
	}
	expect(sum)

	// It is of this user, organisation and client.
	for _, other := range []auth.Consent{{Org: name(), Client: client}, {Org: org, Client: name()}, {Org: org + ":" + client, Client: ""}} {
		missing(u.ID, other.Org, other.Client)
	}
	missing(s.user(t).ID, org, client)
	missing(name(), org, client)
	second := auth.Consent{Org: org + "x", Client: client, Scopes: []string{"openid"}, GrantedAt: s.now}
	must(t, s.PutConsent(ctx, u.ID, second))
	all, err := s.Consents(ctx, u.ID)
	if diff := cmp.Diff([]auth.Consent{sum, second}, all); err != nil || diff != "" {
		t.Errorf("consents (%v) differ:\n%s", err, diff)
	}
	for range 2 {
		must(t, s.DeleteConsent(ctx, u.ID, org, client))
		missing(u.ID, org, client)
	}
	expect(second)
	must(t, s.PutConsent(ctx, u.ID, first)) // begins anew
	expect(first)

	wantCode(t, s.PutConsent(ctx, name(), first), auth.InvalidGrant)
	u.Disabled = true
	u = s.putUser(t, u)
	wantCode(t, s.PutConsent(ctx, u.ID, first), auth.InvalidGrant)
	u.Disabled = false
	u = s.putUser(t, u)
	must(t, s.PutConsent(ctx, u.ID, first))
	must(t, s.BeginDelete(ctx, u))
	wantCode(t, s.PutConsent(ctx, u.ID, first), auth.InvalidGrant)
	must(t, s.FinishDelete(ctx, u.ID))
	wantCode(t, s.PutConsent(ctx, u.ID, first), auth.InvalidGrant)
	missing(u.ID, org, client)
	if all, err := s.Consents(ctx, u.ID); err != nil || len(all) != 0 {
		t.Errorf("of a deleted user there are still %v (%v)", all, err)
	}
}

func (s *suite) testConsentRaces(t *testing.T) {
	ctx := t.Context()
	u := s.user(t)
	client := name()
	var want []string
	for i := range crowd {
		want = append(want, fmt.Sprintf("scope-%02d", i))
	}
	s.together(crowd, func(i int, store Store) {
		uri := "https://a.example/" + want[i]
		c := auth.Consent{Org: u.Orgs[0], Client: client, Scopes: want[i : i+1], RedirectURIs: []string{uri}, GrantedAt: s.now}
		if err := store.PutConsent(ctx, u.ID, c); err != nil {
			t.Errorf("put: %v", err)
		}
	})
	got, err := s.Consent(ctx, u.ID, u.Orgs[0], client)
	must(t, err)
	slices.Sort(got.Scopes)
	if diff := cmp.Diff(want, got.Scopes); diff != "" || len(got.RedirectURIs) != crowd {
		t.Errorf("%d redirect URIs, and the scopes of %d consents at once differ:\n%s", len(got.RedirectURIs), crowd, diff)
	}
}
