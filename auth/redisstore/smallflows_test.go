package redisstore_test

import (
	"context"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/redisstore"
)

const deviceCode = "BCDFGHJK"

func (w *world) push(ctx context.Context, s *redisstore.Store) error {
	return s.Push(ctx, "pushed", []byte("request"), w.now.Add(time.Minute))
}

func (w *world) createDevice(ctx context.Context, s *redisstore.Store) error {
	d := auth.DeviceRequest{UserCode: deviceCode, Client: "web", Org: "acme", Scope: "openid", ExpiresAt: w.now.Add(10 * time.Minute)}
	return s.CreateDevice(ctx, d, []byte("device secret"), 5*time.Second)
}

func (w *world) poll(ctx context.Context, s *redisstore.Store, after time.Duration) (auth.DeviceRequest, error) {
	return s.PollDevice(ctx, deviceCode, "web", []byte("device secret"), w.now.Add(after))
}

func (w *world) consent(scopes ...string) auth.Consent {
	return auth.Consent{Org: "acme", Client: "web", Scopes: scopes, GrantedAt: w.now}
}

func expectState(ctx context.Context, s *redisstore.Store, w *world, want string) error {
	d, err := s.Device(ctx, deviceCode, w.now)
	if err == nil && d.State != want {
		return wrong("the device is %s, want %s", d.State, want)
	}
	return err
}

// smallFlows are of factors and of what is kept for single steps of a login.
var smallFlows = []flow{
	{
		name: "Factors",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			f, err := s.Factors(ctx, "jane")
			if err == nil && f.Version != 0 {
				return wrong("version %d", f.Version)
			}
			return err
		},
	},
	{
		name: "PutFactors",
		prepare: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.PutFactors(ctx, "jane", factor.Factors{}, "first")
			return err
		},
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			version, err := s.PutFactors(ctx, "jane", factor.Factors{Version: 1, RecoveryCodes: []string{"x"}}, "second")
			if err == nil && version != 2 {
				return wrong("version %d", version)
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			f, err := s.Factors(ctx, "jane")
			if err == nil && (f.Version != 2 || len(f.RecoveryCodes) != 1) {
				return wrong("read %+v", f)
			}
			return err
		},
	},
	{
		name: "Push",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error { return w.push(ctx, s) },
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.TakePushed(ctx, "pushed", "take")
			return err
		},
	},
	{
		name:    "TakePushed",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error { return w.push(ctx, s) },
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			request, err := s.TakePushed(ctx, "pushed", "take")
			if err == nil && string(request) != "request" {
				return wrong("took %q", request)
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.TakePushed(ctx, "pushed", "take again")
			return expectCode(err, auth.NotFound)
		},
	},
	{
		name: "CreateDevice",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error { return w.createDevice(ctx, s) },
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return expectState(ctx, s, w, auth.DevicePending)
		},
	},
	{
		name:    "Device",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error { return w.createDevice(ctx, s) },
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return expectState(ctx, s, w, auth.DevicePending)
		},
	},
	{
		name:    "SettleDevice",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error { return w.createDevice(ctx, s) },
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return s.SettleDevice(ctx, deviceCode, "7.code", w.now)
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return expectState(ctx, s, w, auth.DeviceApproved)
		},
	},
	{
		name: "PollDevice",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error {
			if err := w.createDevice(ctx, s); err != nil {
				return err
			}
			_, err := w.poll(ctx, s, 0)
			return err
		},
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			_, err := w.poll(ctx, s, 5*time.Second)
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			_, err := w.poll(ctx, s, 10*time.Second)
			return err
		},
	},
	{
		name: "PollDevice slows down",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error {
			if err := w.createDevice(ctx, s); err != nil {
				return err
			}
			_, err := w.poll(ctx, s, 0)
			return err
		},
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			if _, err := w.poll(ctx, s, time.Second); auth.CodeOf(err) != auth.SlowDown {
				return err
			}
			return nil
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			_, err := w.poll(ctx, s, 11*time.Second) // once: by five seconds
			return err
		},
	},
	{
		name: "Once",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			first, err := s.Once(ctx, "kind", "subject", "use", w.now.Add(time.Minute))
			if err == nil && !first {
				return wrong("it is not the first time")
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			first, err := s.Once(ctx, "kind", "subject", "use again", w.now.Add(time.Minute))
			if err == nil && first {
				return wrong("it is the first time again")
			}
			return err
		},
	},
	{
		name: "PutConsent",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return s.PutConsent(ctx, "jane", w.consent("openid"))
		},
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return s.PutConsent(ctx, "jane", w.consent("email"))
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			c, err := s.Consent(ctx, "jane", "acme", "web")
			if diff := cmp.Diff(w.consent("openid", "email"), c); err == nil && diff != "" {
				return wrong("the consent differs:\n%s", diff)
			}
			return err
		},
	},
	{
		name: "Consent",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return s.PutConsent(ctx, "jane", w.consent("openid"))
		},
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.Consent(ctx, "jane", "acme", "web")
			return err
		},
	},
	{
		name: "Consents",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return s.PutConsent(ctx, "jane", w.consent("openid"))
		},
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			all, err := s.Consents(ctx, "jane")
			if err == nil && len(all) != 1 {
				return wrong("%d consents", len(all))
			}
			return err
		},
	},
	{
		name: "DeleteConsent",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error {
			return s.PutConsent(ctx, "jane", w.consent("openid"))
		},
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			return s.DeleteConsent(ctx, "jane", "acme", "web")
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.Consent(ctx, "jane", "acme", "web")
			return expectCode(err, auth.NotFound)
		},
	},
	{
		name: "PutClient with origins",
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			c := w.client
			c.AllowedOrigins = []string{"https://a.example", "https://b.example"}
			_, err := s.PutClient(ctx, c, "add origins")
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			ids, err := s.ClientsOfOrigin(ctx, "https://b.example")
			if err == nil && (len(ids) != 1 || ids[0] != "web") {
				return wrong("the clients are %q", ids)
			}
			return err
		},
	},
	{
		name: "ClientsOfOrigin",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			ids, err := s.ClientsOfOrigin(ctx, "https://a.example")
			if err == nil && len(ids) != 0 {
				return wrong("the clients are %q", ids)
			}
			return err
		},
	},
}
