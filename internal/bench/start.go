package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// start measures the time from starting the built binary in dev to the answer of the first login.
func start(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "claimsmith-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err := build(ctx, dir, "./cmd/claimsmith")
	if err != nil {
		return err
	}
	var times []time.Duration
	for range rounds {
		addr, err := freeAddr()
		if err != nil {
			return err
		}
		began := time.Now()
		p, err := launch(ctx, dir, serverCore, []string{"CLAIMSMITH_DEV_PASSWORD=" + password}, binary, "dev", "--addr", addr)
		if err != nil {
			return err
		}
		err = firstToken(ctx, addr)
		times = append(times, time.Since(began).Round(time.Millisecond))
		p.stop()
		if err != nil {
			return err
		}
	}
	fmt.Printf("from start to first token: %v (goal < 1s)\n", times)
	return nil
}

func firstToken(ctx context.Context, addr string) error {
	if err := ready(ctx, "http://"+addr+"/readyz"); err != nil {
		return err
	}
	body := strings.NewReader(`{"username":"` + user + `","password":"` + password + `"}`)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/login", body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("login: %s", response.Status)
	}
	return nil
}
