package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	dialectGoal = 0.90
	// variants are how many different values a written entry takes in turn, since writing what is there already is no change.
	variants = 500
	written  = "entry9" // the key that is written: no claim, so that the user may
)

// compareDialects runs dialects alone.
func compareDialects(ctx context.Context) error {
	for _, tool := range []string{"wrk", "redis-server"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w (Debian: apt-get install %s)", err, tool)
		}
	}
	dir, err := os.MkdirTemp("", "claimsmith-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{dir: dir, script: filepath.Join(dir, "load.lua")}
	if err := os.WriteFile(b.script, loadScript, 0o600); err != nil {
		return err
	}
	binary, err := build(ctx, dir, "./cmd/claimsmith")
	if err != nil {
		return err
	}
	if b.self, err = build(ctx, dir, "./internal/bench"); err != nil {
		return err
	}
	if err := b.launchProduct(ctx, binary); err != nil {
		return err
	}
	defer b.stop()
	if err := b.tenEntries(ctx); err != nil {
		return err
	}
	return b.dialects(ctx)
}

// dialects measures each dialect's read and write of a user with ten entries beside the request of the own API that does the same, both
// by the same server.
func (b *bench) dialects(ctx context.Context) error {
	rows, err := b.dialectRows(ctx)
	if err != nil {
		return err
	}
	same := *b
	same.baseline = b.product
	fmt.Println("\nDialects; the baseline is the own API.")
	return same.table(ctx, rows)
}

func (b *bench) dialectRows(ctx context.Context) ([]row, error) {
	var person struct {
		ID string `json:"id"`
	}
	if err := b.call(ctx, http.MethodGet, "/api/user/"+user, nil, &person); err != nil {
		return nil, err
	}
	// A user's token is good for ten minutes, longer than this takes.
	var login struct {
		Token string `json:"access_token"`
	}
	credentials := map[string]any{"username": user, "password": password, "scope": "profile"}
	if err := b.call(ctx, http.MethodPost, "/login", credentials, &login); err != nil {
		return nil, err
	}
	if err := b.ten(ctx, "/api/user/"+user+"/metadata?app=demo"); err != nil {
		return nil, err
	}
	as := func(scheme, token string) map[string]string {
		return map[string]string{"Authorization": scheme + " " + token, "Content-Type": "application/json"}
	}
	own, operators := as("Bearer", login.Token), as("Bearer", operator)
	at := "http://" + b.addr
	platform := at + "/dm/api/core/users/platform-metadata/?platform_key=default"
	zitadel, native := at+"/management/v1/users/"+person.ID+"/metadata/", at+"/api/user/"+person.ID+"/metadata/"
	get := func(path string, headers map[string]string) load {
		return load{method: http.MethodGet, path: path, headers: headers}
	}
	write := func(method, path string, headers map[string]string, body func(value string) any) load {
		return load{method: method, path: path, headers: headers, bodies: bodies(body)}
	}
	type object = map[string]any
	nativePut := func(value string) any { return object{"value": value} }
	encoded := func(value string) any { return object{"value": base64.StdEncoding.EncodeToString([]byte(value))} }
	rpc := func(kind string) load { return load{calls: &calls{Kind: kind, URL: b.addr, User: person.ID}} }
	inGo := func(kind string, http1 bool) load {
		return load{calls: &calls{Kind: kind, URL: native + written, HTTP1: http1}}
	}
	return []row{
		{
			name:     "ibl.ai read",
			product:  get(platform, as("Api-Token", login.Token)),
			baseline: get(at+"/api/user/me/metadata", own), goal: dialectGoal,
		}, {
			name: "ibl.ai write",
			product: write(http.MethodPatch, platform, as("Api-Token", login.Token), func(value string) any {
				return object{"metadata": object{written: value}}
			}),
			baseline: write(http.MethodPatch, at+"/api/user/me/metadata", own, func(value string) any {
				return object{"set": []object{{"key": written, "value": value}}}
			}), goal: dialectGoal,
		}, {
			name:     "Sentinel read",
			product:  get(at+"/user/profiles/1", own),
			baseline: get(at+"/api/user/me/metadata?app=demo", own), goal: dialectGoal,
		}, {
			name: "Sentinel write",
			product: write(http.MethodPost, at+"/user/profiles/create", own, func(value string) any {
				return object{"app_id": 1, "profile_data": profileOf(value)}
			}),
			baseline: write(http.MethodPut, at+"/api/user/me/metadata?app=demo", own, func(value string) any {
				var entries []object
				for key, value := range profileOf(value) {
					entries = append(entries, object{"key": key, "value": value})
				}
				return object{"metadata": entries}
			}), goal: dialectGoal,
		}, {
			name:    "Zitadel REST read",
			product: get(zitadel+written, operators), baseline: get(native+written, operators), goal: dialectGoal,
		}, {
			name:     "Zitadel REST write",
			product:  write(http.MethodPost, zitadel+written, operators, encoded),
			baseline: write(http.MethodPut, native+written, operators, nativePut), goal: dialectGoal,
		}, {
			name:    "Zitadel gRPC read, beside the own API over HTTP/2",
			product: rpc(grpcGet), baseline: inGo(nativeGet, false), goal: dialectGoal,
		}, {
			name:    "Zitadel gRPC write, beside the own API over HTTP/2",
			product: rpc(grpcSet), baseline: inGo(nativeSet, false), goal: dialectGoal,
		}, {
			name:    "the own API's read over HTTP/2, beside HTTP/1.1",
			product: inGo(nativeGet, false), baseline: inGo(nativeGet, true),
		}, {
			name:    "the own API's write over HTTP/2, beside HTTP/1.1",
			product: inGo(nativeSet, false), baseline: inGo(nativeSet, true),
		},
	}, nil
}

// profileOf is an application's profile of ten members, one of which differs from one to the next.
func profileOf(value string) map[string]any {
	all := map[string]any{}
	for n := range 10 {
		all[fmt.Sprintf("entry%d", n)] = "vvvvvvvvvvvvvvvvvvvv"
	}
	all[written] = value
	return all
}

// ten writes that profile through the own API.
func (b *bench) ten(ctx context.Context, path string) error {
	var entries []map[string]any
	for key, value := range profileOf("first") {
		entries = append(entries, map[string]any{"key": key, "value": value})
	}
	return b.call(ctx, http.MethodPut, path, map[string]any{"metadata": entries}, nil)
}

// valueOf is one of the values that are written in turn, all of one length.
func valueOf(n int) string { return fmt.Sprintf("vvvvvvvvvvvvvvvvv%03d", n) }

func bodies(body func(value string) any) []string {
	all := make([]string, variants)
	for n := range all {
		text, err := json.Marshal(body(valueOf(n)))
		if err != nil {
			panic(err)
		}
		all[n] = string(text)
	}
	return all
}
