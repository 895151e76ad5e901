package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
	authstore "github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/internal/keyspace"
)

// What dev comes with.
const (
	demoUser   = "jane.doe@example.com"
	demoAdmin  = "operator" // who signs in to the console
	demoClient = "demo"
	demoOrg    = auth.DefaultOrg
)

// demoProfile has everything OpenID Connect says of a person, so that an application can be tried with all of it.
var demoProfile = claims.Profile{
	Name: "Jane Doe", GivenName: "Jane", MiddleName: "Quinn", FamilyName: "Doe", Nickname: "Janey", Gender: "female", Birthdate: "1990-04-01",
	Locale: "en", Zoneinfo: "Europe/Berlin", ProfileURL: "https://people.example.com/jane", Website: "https://jane.example.com",
	Picture: "https://people.example.com/jane.png", PhoneNumber: "+14155550100", PhoneNumberVerified: true,
	Address: claims.Address{
		Formatted: "1 Main Street\nSpringfield", StreetAddress: "1 Main Street", Locality: "Springfield", PostalCode: "12345", Country: "US",
	},
}

// runDev runs a server for trying out: everything seeded, nothing to install.
func runDev(ctx context.Context, c *config.Dev, stdout io.Writer, log *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.HTTP.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	if c.Issuer == "" {
		c.Issuer = "http://" + listener.Addr().String()
	}
	if c.Logout.AllowNetworks == nil {
		c.Logout.AllowNetworks = config.Loopback() // where everything of a developer is
	}
	store := config.Redis{Mode: config.Standalone, Addrs: []string{c.RedisAddr}}
	background := func(ctx context.Context) { <-ctx.Done() }
	if c.RedisAddr == "" {
		embedded, err := startEmbedded()
		if err != nil {
			return err
		}
		defer embedded.server.Close()
		store, background = embedded.settings, embedded.passTime
	}
	client := connect(store)
	defer client.Close()
	run := runner(client, store)
	space, err := authstore.Initialise(ctx, run, keyspace.DefaultPartitions)
	if err != nil {
		return err
	}
	sealer, err := devSealer(c.RedisAddr != "")
	if err != nil {
		return err
	}
	files, err := devFiles(ctx, c, sealer)
	if err != nil {
		return err
	}
	defer closeFiles(files, log)
	a, err := newApp(installation{run, space, sealer, time.Now, files}, &c.Server, log)
	if err != nil {
		return err
	}
	if a.mail == nil {
		a.profile.Mail = printed{stdout}
	}
	demo, err := a.seed(ctx, c)
	if err != nil {
		return err
	}
	demo.print(stdout, c)
	return a.serve(ctx, listener, 0, client, background)
}

// embedded is a Redis inside the process. It has a password, since it listens on loopback where others may be.
type embedded struct {
	server   *miniredis.Miniredis
	settings config.Redis
}

func startEmbedded() (*embedded, error) {
	server, password := miniredis.NewMiniRedis(), rand.Text()
	server.RequireAuth(password)
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("starting the embedded Redis: %w", err)
	}
	return &embedded{server, config.Redis{
		Mode: config.Standalone, Addrs: []string{server.Addr()}, Password: config.NewSecret(password),
	}}, nil
}

// passTime makes keys expire, which the embedded Redis does not do by itself.
func (e *embedded) passTime(ctx context.Context) {
	const step = time.Second
	every(ctx, step, func() { e.server.FastForward(step) })
}

// devSealer returns keys of this process alone. With a Redis that outlives the process they are fixed, and so no secret: dev only
// ever listens on loopback.
func devSealer(kept bool) (*keys.Sealer, error) {
	kek := make([]byte, keys.KEKSize)
	if kept {
		copy(kek, "claimsmith dev: known to everybody")
	} else {
		_, _ = rand.Read(kek)
	}
	return keys.NewSealer(kek)
}

// demo is what dev prints.
type demo struct{ issuer, token, password string }

// seed prepares the store; what a kept Redis has already stays, but for the credentials, which are the ones printed.
func (a *app) seed(ctx context.Context, c *config.Dev) (demo, error) {
	d := demo{issuer: c.Issuer, token: c.DevOperatorToken.Reveal(), password: c.DevPassword.Reveal()}
	if d.token == "" {
		d.token = "cs_at_dev_" + rand.Text()
	}
	if d.password == "" {
		d.password = "dev-" + rand.Text()[:12]
	}
	if err := a.install(ctx); err != nil {
		return d, err
	}
	if err := a.installClient(ctx, demoClient, false); err != nil {
		return d, fmt.Errorf("making the demo client: %w", err)
	}
	if err := a.numberClient(ctx, demoClient); err != nil {
		return d, fmt.Errorf("numbering the demo client: %w", err)
	}
	_, err := a.apiTokens.CreateWith(ctx, auth.System(), auth.NewAPIToken{Name: "dev", Org: demoOrg, Role: auth.RoleOperator}, d.token)
	if err != nil && auth.CodeOf(err) != auth.Conflict {
		return d, fmt.Errorf("making the operator's token: %w", err)
	}
	for _, user := range []auth.NewUser{
		{Username: "jane", Email: demoUser, EmailVerified: true, Profile: demoProfile},
		{Username: demoAdmin, Profile: claims.Profile{Name: "Olive Operator"}},
	} {
		name := cmp.Or(user.Email, user.Username)
		user.Password = d.password
		_, err = a.users.Create(ctx, auth.System(), demoOrg, user, "")
		if auth.CodeOf(err) == auth.Conflict {
			err = a.users.SetPassword(ctx, auth.System(), demoOrg, name, auth.NewPassword{Password: d.password})
		}
		if err != nil {
			return d, fmt.Errorf("making the user %s: %w", name, err)
		}
	}
	if err := a.users.SetRole(ctx, auth.System(), demoOrg, demoAdmin, auth.RoleOperator); err != nil {
		return d, fmt.Errorf("making %s an operator: %w", demoAdmin, err)
	}
	return d, nil
}

// numberClient has a client from before clients had numbers get one.
func (a *app) numberClient(ctx context.Context, id string) error {
	client, err := a.clients.Get(ctx, auth.System(), demoOrg, id)
	if err == nil && client.Number == 0 {
		_, err = a.clients.Update(ctx, auth.System(), demoOrg, id, nil, auth.ClientChange{})
	}
	return err
}

func (d demo) print(w io.Writer, c *config.Dev) {
	kept := "Nothing is kept: all data ends with this process."
	if c.RedisAddr != "" {
		kept = "Data is kept in the Redis at " + c.RedisAddr + ", under a key everybody knows: for development only."
	}
	fmt.Fprintf(w, `Claimsmith for development, at %[1]s
%[4]s

  operator API token   %[2]s
  user                 %[5]s
  operator             %[8]s, for the console at %[1]s/console
  password             %[3]s
  clients              %[7]s (what /login stands for; refresh with its id) and %[6]s, public, first-party

1. Set an entry that is a claim:

curl -s -X PUT %[1]s/api/user/%[5]s/metadata/theme -H 'Authorization: Bearer %[2]s' -H 'Content-Type: application/json' -d '{"value":"Dark Mode","profileClaim":true}'

2. Log in:

curl -s %[1]s/login -H 'Content-Type: application/json' -d '{"username":"%[5]s","password":"%[3]s"}'

3. Show what the token says:

curl -s %[1]s/login -H 'Content-Type: application/json' -d '{"username":"%[5]s","password":"%[3]s"}' | sed 's/.*"access_token":"[^.]*\.\([^.]*\)\..*/\1/' | tr '_-' '/+' | awk '{while(length($0)%%4)$0=$0"=";print}' | base64 -d; echo

4. Fetch the keys that verify it:

curl -s %[1]s/.well-known/jwks.json

Or sign in with a browser: %[1]s/account (passkeys need a host name: dev --issuer http://localhost:8080)

Stop with Ctrl-C.
`, d.issuer, d.token, d.password, kept, demoUser, demoClient, auth.LoginClient, demoAdmin)
}
