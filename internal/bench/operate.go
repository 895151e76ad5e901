package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// What operators do: many users at once, searching, previews, and what laying things down costs a token.
const (
	imported    = 100_000
	wanted      = 50 // one user in so many has the value that is searched for
	definitions = 20
	pipelined   = 1000
	ladenGoal   = 0.90
)

// operate runs two servers, each on its own Redis, so that one can have definitions, a group and inherited entries and the other none.
func operate(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "claimsmith-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	plain, laden := &bench{dir: dir}, &bench{dir: dir}
	plain.script = filepath.Join(dir, "load.lua")
	laden.script = plain.script
	if err := os.WriteFile(plain.script, loadScript, 0o600); err != nil {
		return err
	}
	binary, err := build(ctx, dir, "./cmd/claimsmith")
	if err != nil {
		return err
	}
	for _, b := range []*bench{plain, laden} {
		if err := b.launchProduct(ctx, binary); err != nil {
			return err
		}
		defer b.stop()
	}
	fmt.Printf("%d cores, %s\n\n", runtime.NumCPU(), runtime.Version())
	if err := mintLaden(ctx, plain, laden); err != nil {
		return fmt.Errorf("minting: %w", err)
	}
	if err := previews(ctx, laden); err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	if err := importing(ctx, plain, binary); err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return searching(ctx, plain)
}

func (b *bench) launchProduct(ctx context.Context, binary string) (err error) {
	dir, err := os.MkdirTemp(b.dir, "redis-")
	if err != nil {
		return err
	}
	if b.redis, b.redisAddr, err = redisServer(ctx, dir, otherCore); err != nil {
		return err
	}
	if err := waitForRedis(ctx, b.redisAddr); err != nil {
		return err
	}
	if b.addr, err = freeAddr(); err != nil {
		return err
	}
	b.product, err = launch(ctx, b.dir, serverCore, []string{
		"GOMAXPROCS=1", "CLAIMSMITH_DEV_OPERATOR_TOKEN=" + operator, "CLAIMSMITH_DEV_PASSWORD=" + password,
	}, binary, "dev", "--addr", b.addr, "--redis-addr", b.redisAddr)
	if err != nil {
		return err
	}
	return ready(ctx, "http://"+b.addr+"/readyz")
}

// mintLaden compares the refresh grant of a user with ten entries, five of them claims, with the same where twenty keys are defined, the
// user is in a group, and group, organisation and definitions hand down five claims more.
func mintLaden(ctx context.Context, plain, laden *bench) error {
	var loads [2]load
	for n, b := range []*bench{plain, laden} {
		if err := b.tenEntries(ctx); err != nil {
			return err
		}
		if b == laden {
			if err := b.layDown(ctx); err != nil {
				return err
			}
		}
		tokens, err := b.refreshTokens(ctx)
		if err != nil {
			return err
		}
		loads[n] = load{
			method: http.MethodPost, path: "http://" + b.addr + "/oauth/token", tokens: tokens,
			headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"},
		}
	}
	var samples [2][]sample
	states := [2]*rotation{{dir: plain.dir, tokens: loads[0].tokens}, {dir: laden.dir, tokens: loads[1].tokens}}
	for range rounds {
		for n, b := range []*bench{plain, laden} {
			s, err := b.round(ctx, b.product, loads[n], states[n])
			if err != nil {
				return err
			}
			samples[n] = append(samples[n], s)
		}
	}
	without, with := median(samples[0]), median(samples[1])
	fmt.Printf("refresh_token grant, %d definitions, one group, inherited claims: %.0f/s, server %v, Redis %v\n", definitions, with.rate, with.server, with.redis)
	fmt.Printf("the same without them:                                          %.0f/s, server %v, Redis %v\n", without.rate, without.server, without.redis)
	verdict := "reached"
	if with.rate < ladenGoal*without.rate {
		verdict = "missed"
	}
	fmt.Printf("ratio %.2f (goal >= %.2f: %s)\n\n", with.rate/without.rate, ladenGoal, verdict)
	return nil
}

func (b *bench) tenEntries(ctx context.Context) error {
	var entries []map[string]any
	for n := range 10 {
		entries = append(entries, map[string]any{"key": "entry" + strconv.Itoa(n), "value": strings.Repeat("v", 20), "profileClaim": n < 5})
	}
	return b.call(ctx, http.MethodPut, "/api/user/"+user+"/metadata", map[string]any{"metadata": entries}, nil)
}

func (b *bench) layDown(ctx context.Context) error {
	type body = map[string]any
	for n := range definitions {
		d := body{"type": "string", "claim": "optional", "max_bytes": 200, "description": "measured"}
		if n >= definitions-2 {
			d["default"] = "inherited"
			d["profile_claim"] = true
		}
		if err := b.call(ctx, http.MethodPut, "/api/metadata-key/entry"+strconv.Itoa(n), d, nil); err != nil {
			return err
		}
	}
	steps := []struct {
		method, path string
		body         any
	}{
		{http.MethodPost, "/api/group", body{"slug": "staff"}},
		{http.MethodPut, "/api/group/staff/metadata/theme", body{"value": "dark", "profileClaim": true}},
		{http.MethodPut, "/api/group/staff/metadata/entry0", body{"value": "hidden by the user's own", "profileClaim": true}},
		{http.MethodPut, "/api/org/default/metadata/region", body{"value": "eu", "profileClaim": true}},
		{http.MethodPut, "/api/org/default/metadata/tier", body{"value": "gold", "profileClaim": true}},
		{http.MethodPut, "/api/group/staff/member/" + user, nil},
	}
	for _, step := range steps {
		if err := b.call(ctx, step.method, step.path, step.body, nil); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) refreshTokens(ctx context.Context) (tokens []string, err error) {
	for range connections + 8 {
		var login struct {
			Refresh string `json:"refresh_token"`
		}
		if err := b.call(ctx, http.MethodPost, "/login", map[string]any{"username": user, "password": password, "scope": "profile"}, &login); err != nil {
			return nil, err
		}
		tokens = append(tokens, login.Refresh)
	}
	return tokens, nil
}

// previews measures how long one preview takes, with and without a change, one after the other.
func previews(ctx context.Context, b *bench) error {
	change := map[string]any{"set": []map[string]any{{"key": "entry1", "value": "changed", "profileClaim": true}}}
	for _, kind := range []struct {
		name, method string
		body         any
	}{{"now", http.MethodGet, nil}, {"after a change", http.MethodPost, change}} {
		const times = 300
		took := make([]time.Duration, times)
		for n := range took {
			began := time.Now()
			if err := b.call(ctx, kind.method, "/api/user/"+user+"/claims", kind.body, nil); err != nil {
				return err
			}
			took[n] = time.Since(began)
		}
		slices.Sort(took)
		fmt.Printf("preview %s: p50 %v, p99 %v\n", kind.name, took[times/2].Round(time.Microsecond), took[times*99/100].Round(time.Microsecond))
	}
	fmt.Println()
	return nil
}

// importing measures claimsmith import of many users beside bare pipelined HSETs of the same text.
func importing(ctx context.Context, b *bench, binary string) error {
	file := filepath.Join(b.dir, "users.ndjson")
	if err := writeUsers(file); err != nil {
		return err
	}
	bare, err := b.bareImport(ctx)
	if err != nil {
		return err
	}
	before, err := b.product.peak()
	if err != nil {
		return err
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, binary, "import", file)
	cmd.Env = append(os.Environ(), "CLAIMSMITH_URL=http://"+b.addr, "CLAIMSMITH_TOKEN="+operator)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	took := time.Since(began)
	after, err := b.product.peak()
	if err != nil {
		return err
	}
	usage := cmd.ProcessState.SysUsage()
	rate, bareRate := imported/took.Seconds(), imported/bare.Seconds()
	fmt.Printf("import of %d users with ten entries: %v, %.0f users/s; bare pipelined HSETs: %.0f users/s; ratio %.3f\n", imported,
		took.Round(10*time.Millisecond), rate, bareRate, rate/bareRate)
	fmt.Printf("most memory: importer %d MiB, server %d MiB (%d MiB before)\n\n", peakOf(usage), after, before)
	return nil
}

type importedEntry struct {
	Key          string `json:"key"`
	Value        string `json:"value"`
	ProfileClaim bool   `json:"profileClaim"`
}

func userAt(n int) (name string, entries []importedEntry) {
	for e := range 9 {
		entries = append(entries, importedEntry{"entry" + strconv.Itoa(e), strings.Repeat("v", 20), e < 5})
	}
	plan := "free"
	if n%wanted == 0 {
		plan = "gold"
	}
	return "person" + strconv.Itoa(n), append(entries, importedEntry{Key: "plan", Value: plan})
}

func writeUsers(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for n := range imported {
		name, entries := userAt(n)
		line, err := json.Marshal(map[string]any{"id": name, "username": name, "metadata": entries})
		if err != nil {
			return err
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return errors.Join(w.Flush(), f.Close())
}

// bareImport writes the users as bare hashes, one for the record and one for the entries, and removes them.
func (b *bench) bareImport(ctx context.Context) (time.Duration, error) {
	rdb := redis.NewClient(&redis.Options{Addr: b.redisAddr, ReadTimeout: time.Minute})
	defer rdb.Close()
	began := time.Now()
	for from := 0; from < imported; from += pipelined {
		pipe := rdb.Pipeline()
		for n := from; n < from+pipelined; n++ {
			name, entries := userAt(n)
			pipe.HSet(ctx, "bare:u:"+name, "username", name)
			var fields []any
			for _, e := range entries {
				text, err := json.Marshal(e)
				if err != nil {
					return 0, err
				}
				fields = append(fields, e.Key, text)
			}
			pipe.HSet(ctx, "bare:m:"+name, fields...)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return 0, err
		}
	}
	took := time.Since(began)
	for from := 0; from < imported; from += pipelined {
		pipe := rdb.Pipeline()
		for n := from; n < from+pipelined; n++ {
			name, _ := userAt(n)
			pipe.Unlink(ctx, "bare:u:"+name, "bare:m:"+name)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return 0, err
		}
	}
	return took, nil
}

// searching makes the imported users searchable, and finds one in fifty of them.
func searching(ctx context.Context, b *bench) error {
	began := time.Now()
	if err := b.call(ctx, http.MethodPut, "/api/metadata-key/plan", map[string]any{"type": "string", "searchable": true}, nil); err != nil {
		return err
	}
	fmt.Printf("making a key searchable that %d users have, all of them checked: %v\n", imported, time.Since(began).Round(10*time.Millisecond))
	var first []time.Duration
	found, pages, cursor := 0, 0, ""
	all := time.Now()
	for {
		body := map[string]any{"where": map[string]any{"key": "plan", "equals": "gold"}, "limit": 200}
		if cursor != "" {
			body["cursor"] = cursor
		}
		var page struct {
			Users []json.RawMessage `json:"users"`
			Next  string            `json:"next"`
		}
		began := time.Now()
		if err := b.call(ctx, http.MethodPost, "/api/user/search", body, &page); err != nil {
			return err
		}
		first = append(first, time.Since(began))
		found, pages, cursor = found+len(page.Users), pages+1, page.Next
		if cursor == "" {
			break
		}
	}
	slices.Sort(first)
	fmt.Printf("search: %d hits in %d pages of up to 200, %v in all, a page %v (median), %v (longest)\n", found, pages,
		time.Since(all).Round(time.Millisecond), first[len(first)/2].Round(10*time.Microsecond), first[len(first)-1].Round(10*time.Microsecond))
	if found != imported/wanted {
		return fmt.Errorf("%d hits, there are %d", found, imported/wanted)
	}
	return nil
}
