package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
)

// The kinds of calls that are compared: each writes, or reads, one entry.
const (
	grpcGet   = "grpc get"
	grpcSet   = "grpc set"
	nativeGet = "native get"
	nativeSet = "native set"
)

// calls is a load by a client in Go, as many at once as wrk has connections. It travels to the process that makes it in a file.
type calls struct {
	Kind string
	// HTTP1 has requests of the own API made over HTTP/1.1, instead of the HTTP/2 that gRPC is made over.
	HTTP1 bool
	// URL is the entry's, or, of gRPC, the server's address.
	URL, User string
}

// calling has calls made by a process of its own, on the core of the load.
func (b *bench) calling(ctx context.Context, server *process, c calls) (sample, error) {
	file := filepath.Join(b.dir, "calls")
	if err := writeJSON(file, c); err != nil {
		return sample{}, err
	}
	return b.load(ctx, server, b.self, "call", file)
}

// makeCalls makes the calls of a file for as long as a round and prints what load.lua prints.
func makeCalls(ctx context.Context, file string) error {
	var c calls
	if err := readJSON(file, &c); err != nil {
		return err
	}
	one, err := c.caller()
	if err != nil {
		return err
	}
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+operator)
	var turn, failed atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	var tasks sync.WaitGroup
	start := time.Now()
	for range connections {
		tasks.Go(func() {
			var mine []time.Duration
			for time.Since(start) < roundTime {
				began := time.Now()
				if err := one(ctx, valueOf(int(turn.Add(1))%variants)); err != nil && failed.Add(1) == 1 {
					fmt.Fprintln(os.Stderr, "first failure:", err)
				}
				mine = append(mine, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
		})
	}
	tasks.Wait()
	elapsed := time.Since(start)
	slices.Sort(took)
	fmt.Printf("RESULT {\"Requests\":%d,\"Failed\":%d,\"Micros\":%d,\"P50\":%d,\"P99\":%d}\n",
		len(took), failed.Load(), elapsed.Microseconds(),
		took[len(took)/2].Microseconds(), took[len(took)*99/100].Microseconds())
	return nil
}

// caller returns what makes one call.
func (c calls) caller() (func(ctx context.Context, value string) error, error) {
	const service = "/zitadel.management.v1.ManagementService/"
	protocols := new(http.Protocols)
	protocols.SetHTTP1(c.HTTP1)
	protocols.SetUnencryptedHTTP2(!c.HTTP1)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, Protocols: protocols}, Timeout: 5 * time.Second}
	switch c.Kind {
	case nativeGet:
		return func(ctx context.Context, _ string) error { return exchange(ctx, client, http.MethodGet, c.URL, "") }, nil
	case nativeSet:
		return func(ctx context.Context, value string) error {
			return exchange(ctx, client, http.MethodPut, c.URL, `{"value":"`+value+`"}`)
		}, nil
	}
	conn, err := grpc.NewClient(c.URL, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case grpcGet:
		return func(ctx context.Context, _ string) error {
			var answer managementv1.GetUserMetadataResponse
			return conn.Invoke(ctx, service+"GetUserMetadata", &managementv1.GetUserMetadataRequest{Id: c.User, Key: written}, &answer)
		}, nil
	case grpcSet:
		return func(ctx context.Context, value string) error {
			var answer managementv1.SetUserMetadataResponse
			request := &managementv1.SetUserMetadataRequest{Id: c.User, Key: written, Value: []byte(value)}
			return conn.Invoke(ctx, service+"SetUserMetadata", request, &answer)
		}, nil
	}
	return nil, errors.Join(fmt.Errorf("unknown kind of call %q", c.Kind), conn.Close())
}

// exchange makes one request of the own API.
func exchange(ctx context.Context, client *http.Client, method, target, body string) error {
	r, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+operator)
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s", response.Status, text)
	}
	return err
}
