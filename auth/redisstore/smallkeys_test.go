package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Row R-11: what is kept for a step of a login ends when it was meant to, and nothing that happens to it in between puts that off.
func TestStepsOfLoginsEnd(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := open(b.Client)
		w := newWorld(t, s)
		ctx := t.Context()
		lives := map[string]time.Duration{
			space.Pushed("pushed"): time.Minute, space.Device(deviceCode): 10 * time.Minute, space.Once("kind", "subject"): 5 * time.Minute,
			space.Consents("jane"): -1, space.Origins("https://a.example"): -1,
		}
		w.client.AllowedOrigins = []string{"https://a.example"}
		for _, step := range []struct {
			name string
			run  func() error
		}{
			{"push", func() error { return w.push(ctx, s) }},
			{"push again", func() error { return s.Push(ctx, "pushed", []byte("request"), w.now.Add(time.Hour)) }},
			{"take", func() error { _, err := s.TakePushed(ctx, "pushed", "take"); return err }},
			{"device", func() error { return w.createDevice(ctx, s) }},
			{"poll", func() error { _, err := w.poll(ctx, s, 0); return err }},
			{"poll again", func() error { _, err := w.poll(ctx, s, 5*time.Second); return err }},
			{"settle", func() error { return s.SettleDevice(ctx, deviceCode, "7.x", w.now) }},
			{"poll the settled", func() error { _, err := w.poll(ctx, s, time.Second); return err }},
			{"once", func() error { _, err := s.Once(ctx, "kind", "subject", "op", w.now.Add(5*time.Minute)); return err }},
			{"once again", func() error { _, err := s.Once(ctx, "kind", "subject", "op", w.now.Add(time.Hour)); return err }},
			{"twice", func() error { _, err := s.Once(ctx, "kind", "subject", "other", w.now.Add(time.Hour)); return err }},
			{"consent", func() error { return s.PutConsent(ctx, "jane", w.consent("openid")) }},
			{"client", func() error { _, err := s.PutClient(ctx, w.client, "origins"); return err }},
			{"factors", func() error { _, err := s.PutFactors(ctx, "jane", factor.Factors{}, "op"); return err }},
		} {
			if err := step.run(); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			ttls := b.TTLs(t)
			for key, life := range lives {
				if ttl, ok := ttls[key]; ok && (life < 0 && ttl != -1 || life > 0 && (ttl <= 0 || ttl > life+time.Second)) {
					t.Errorf("after %s: %q lasts %v, must %v", step.name, key, ttl, life)
				}
			}
		}
		if ttls := b.TTLs(t); len(ttls) < len(lives) || ttls[space.User("jane")] != -1 {
			t.Errorf("keys are %v", ttls)
		}
		for key := range lives {
			if n, err := b.Client.Exists(ctx, key).Result(); err != nil || n != 1 {
				t.Errorf("%q is not there (%v)", key, err)
			}
		}

		b.FastForward(11 * time.Minute)
		ttls := b.TTLs(t)
		for key, life := range lives {
			if _, ok := ttls[key]; ok != (life < 0) {
				t.Errorf("after it all %q is there: %v", key, ok)
			}
		}
		if _, err := s.TakePushed(ctx, "pushed", "take"); auth.CodeOf(err) != auth.NotFound {
			t.Errorf("an expired request: %v", err)
		}
		if err := w.createDevice(ctx, s); err != nil { // its user code is free again
			t.Error(err)
		}
	})
}

// Rows R-02, T-16: what stands under another's name is not taken for his, and the store is given no secret that it could tell.
func TestSmallKindsAreNotConfused(t *testing.T) {
	c := redistest.Embedded(t).Client
	s := open(c)
	w := newWorld(t, s)
	ctx := t.Context()
	set := func(key, field, from string) {
		t.Helper()
		text, err := c.HGet(ctx, key, from).Result()
		if err == nil {
			err = c.HSet(ctx, key, field, text).Err()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	unavailable := func(what string, err error) {
		t.Helper()
		if auth.CodeOf(err) != auth.Unavailable {
			t.Errorf("%s: %v, want unavailable", what, err)
		}
	}
	if err := s.PutConsent(ctx, "jane", w.consent("openid")); err != nil {
		t.Fatal(err)
	}
	set(space.Consents("jane"), "acme:other", "acme:web")
	_, err := s.Consent(ctx, "jane", "acme", "other")
	unavailable("a consent to one client read as one to another", err)
	_, err = s.Consents(ctx, "jane")
	unavailable("all of them", err)
	unavailable("adding to it", s.PutConsent(ctx, "jane", auth.Consent{Org: "acme", Client: "other"}))

	set(space.User("jane"), "fac", "rec")
	c.HSet(ctx, space.User("jane"), "fv", "1")
	_, err = s.Factors(ctx, "jane")
	unavailable("a user read as factors", err)

	// Fields that damage left behind.
	if err := w.createDevice(ctx, s); err != nil {
		t.Fatal(err)
	}
	c.HDel(ctx, space.Device(deviceCode), "scope")
	_, err = s.Device(ctx, deviceCode, w.now)
	unavailable("half a device", err)
	_, err = w.poll(ctx, s, 0)
	unavailable("polling half a device", err)
}

// A user who is being deleted keeps nothing of his factors (row M-15).
func TestFactorsGoWithTheirUser(t *testing.T) {
	c := redistest.Embedded(t).Client
	s := open(c)
	w := newWorld(t, s)
	if _, err := s.PutFactors(t.Context(), "jane", factor.Factors{RecoveryCodes: []string{"the hash of a code"}}, "op"); err != nil {
		t.Fatal(err)
	}
	contents := func() string {
		t.Helper()
		fields, err := c.HGetAll(t.Context(), space.User("jane")).Result()
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		for field, value := range fields {
			all.WriteString(field + "=" + value + "\n")
		}
		return all.String()
	}
	if !strings.Contains(contents(), "the hash of a code") {
		t.Fatalf("no factors in %s", contents())
	}
	if err := s.BeginDelete(t.Context(), w.user); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(contents(), "the hash of a code") {
		t.Error("the factors outlived the beginning of the deletion")
	}
	if err := s.FinishDelete(t.Context(), "jane"); err != nil {
		t.Fatal(err)
	}
	if left := contents(); left != "st=gone\n" {
		t.Errorf("a deleted user left %q", left)
	}
	if n, err := c.Exists(t.Context(), space.Consents("jane")).Result(); err != nil || n != 0 {
		t.Errorf("his consents are still there (%v)", err)
	}
}
