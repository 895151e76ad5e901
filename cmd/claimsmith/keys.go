package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
	authstore "github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/config"
)

// runKeysList needs no key-encryption key: what it shows is public.
func runKeysList(ctx context.Context, c *config.KeysList, stdout io.Writer) error {
	client := connect(c.Redis)
	defer client.Close()
	space, err := open(ctx, client)
	if err != nil {
		return err
	}
	state, err := authstore.NewKeys(runner(client, c.Redis), space).Load(ctx)
	if err != nil {
		return err
	}
	return printKeys(stdout, state.List(time.Now()))
}

func printKeys(w io.Writer, list []keys.Listing) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tALG\tSTATUS\tCREATED\tSIGNS FROM\tSIGNS UNTIL\tPUBLISHED UNTIL")
	for _, k := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Alg, k.Status,
			date(k.CreatedAt), date(k.ActivatesAt), date(k.RetiresAt), date(k.ExpiresAt))
	}
	return table.Flush()
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func runKeysRotate(ctx context.Context, c *config.KeysRotate, stdout io.Writer, log *slog.Logger) error {
	return withRing(ctx, c, log, func(ring *keys.Ring) error {
		var next []keys.Listing
		for _, alg := range keys.Algorithms() {
			k, err := ring.Rotate(ctx, auth.System().Ref(), alg)
			if err != nil {
				return err
			}
			next = append(next, k)
		}
		return printKeys(stdout, next)
	})
}

func runKeysWithdraw(ctx context.Context, c *config.KeysWithdraw, stdout io.Writer, log *slog.Logger) error {
	return withRing(ctx, &c.KeysRotate, log, func(ring *keys.Ring) error {
		if err := ring.Withdraw(ctx, auth.System().Ref(), c.ID); err != nil {
			return err
		}
		set, err := ring.Set()
		if err != nil {
			return err
		}
		return printKeys(stdout, set.List(time.Now()))
	})
}

func withRing(ctx context.Context, c *config.KeysRotate, log *slog.Logger, do func(*keys.Ring) error) error {
	sealer, err := newSealer(c.Secrets)
	if err != nil {
		return err
	}
	client := connect(c.Redis)
	defer client.Close()
	space, err := open(ctx, client)
	if err != nil {
		return err
	}
	in := installation{runner: runner(client, c.Redis), space: space, sealer: sealer, now: time.Now}
	recorder := in.recorder(config.Audit{}, log)
	defer recorder.Finish(ctx)
	ring, err := in.ring(c.Tokens, recorder, log)
	if err != nil {
		return err
	}
	if err := ring.Refresh(ctx); err != nil {
		return err
	}
	return do(ring)
}

// runHealth asks a server on this machine whether it is ready.
func runHealth(ctx context.Context, c *config.Health) error {
	ctx, cancel := context.WithTimeout(ctx, c.HealthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", response.Status)
	}
	return nil
}
