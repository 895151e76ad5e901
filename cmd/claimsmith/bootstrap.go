package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
	authstore "github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/internal/keyspace"
)

const bootstrapToken = "bootstrap"

// runBootstrap prepares an empty Redis and prints the first administrator's token. Where there is one already it changes nothing,
// unless it was told to replace it.
func runBootstrap(ctx context.Context, c *config.Bootstrap, stdout io.Writer, log *slog.Logger) error {
	sealer, err := newSealer(c.Secrets)
	if err != nil {
		return err
	}
	client := connect(c.Redis)
	defer client.Close()
	guard := newGuard(client, c.Redis, log)
	if err := guard.look(ctx); err != nil {
		return err
	}
	run := runner(client, c.Redis)
	space, err := authstore.Initialise(ctx, run, keyspace.DefaultPartitions)
	if err != nil {
		return err
	}
	a, err := newApp(installation{runner: run, space: space, sealer: sealer, now: time.Now}, &config.Server{
		Tokens: c.Tokens, Issuer: "urn:claimsmith:bootstrap",
	}, log)
	if err != nil {
		return err
	}
	defer a.recorder.Finish(ctx)
	if err := a.install(ctx); err != nil {
		return err
	}
	text, err := a.firstToken(ctx, c.ReplaceToken)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "The administrator's API token. It is shown this once:\n\n%s\n", text)
	return nil
}

func (a *app) firstToken(ctx context.Context, replace bool) (string, error) {
	present, _, err := a.apiTokens.List(ctx, auth.System(), "", auth.Page{Limit: 200})
	if err != nil {
		return "", err
	}
	if len(present) > 0 && !replace {
		return "", errors.New("this installation has an administrator's token already; --replace-token makes a new one in place of " +
			"those bootstrap made before")
	}
	_, text, err := a.apiTokens.Create(ctx, auth.System(), auth.NewAPIToken{Name: bootstrapToken, Role: auth.RoleAdmin})
	if err != nil {
		return "", err
	}
	for _, t := range present {
		if t.Name != bootstrapToken {
			continue
		}
		if err := a.apiTokens.Delete(ctx, auth.System(), t.ID, nil); err != nil {
			return "", err
		}
	}
	return text, nil
}

func newSealer(s config.Secrets) (*keys.Sealer, error) {
	all := s.KeyEncryptionKeys()
	if len(all) == 0 {
		return nil, keys.ErrNoKEK
	}
	return keys.NewSealer(all[0], all[1:]...)
}
