package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"
)

// The bounds of a run: rounds of each side in turn, so that both see the same weather.
const (
	rounds      = 3
	roundTime   = 4 * time.Second
	connections = 32
	serverCore  = 0
	otherCore   = 1

	operator = "cs_at_bench-operator-token"
	password = "a password for measuring"
	user     = "jane.doe@example.com"
)

//go:embed load.lua
var loadScript []byte

// row is one comparison.
type row struct {
	name              string
	product, baseline load
	goal              float64 // least ratio of throughput, 0 for none
	cpuGoal           float64 // most ratio of CPU per request, 0 for none
}

// load is a kind of request to repeat.
type load struct {
	method, path string
	headers      map[string]string
	body         string
	tokens       []string // refresh tokens to rotate instead of the body
	bodies       []string // sent in turn instead of the body
	// calls are made by a client in Go instead of wrk.
	calls *calls
	// volley prepares the requests of a round that wrk cannot make; nil: wrk makes them.
	volley func(context.Context) (volley, error)
}

// sample is one round of one side.
type sample struct {
	rate     float64 // answers of 200 a second
	p50, p99 time.Duration
	server   time.Duration // CPU per request
	redis    time.Duration
}

func (s sample) cpu() time.Duration { return s.server + s.redis }

func compare(ctx context.Context) error {
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
	if err := b.launch(ctx); err != nil {
		return err
	}
	defer b.stop()
	rows, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	flows, err := b.flowRows(ctx)
	if err != nil {
		return err
	}
	rows = append(rows, flows...)
	if err := b.table(ctx, rows); err != nil {
		return err
	}
	return b.dialects(ctx)
}

// table measures rows and prints them.
func (b *bench) table(ctx context.Context, rows []row) error {
	fmt.Printf("%d cores, %s, %d rounds of %v per side, %d connections, medians\n\n",
		runtime.NumCPU(), runtime.Version(), rounds, roundTime, connections)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\trequests/s\tp50\tp99\tserver CPU\tRedis CPU\tratio\tgoal\tCPU ratio\tgoal\t")
	missed := 0
	for _, r := range rows {
		ok, err := b.measure(ctx, table, r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		if !ok {
			missed++
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if missed > 0 {
		fmt.Printf("\n%d goals missed\n", missed)
	}
	return nil
}

type bench struct {
	dir, script, self        string
	redis, product, baseline *process
	redisAddr, addr, base    string
}

func (b *bench) launch(ctx context.Context) error {
	binary, err := build(ctx, b.dir, "./cmd/claimsmith")
	if err != nil {
		return err
	}
	if b.self, err = build(ctx, b.dir, "./internal/bench"); err != nil {
		return err
	}
	if b.redis, b.redisAddr, err = redisServer(ctx, b.dir, otherCore); err != nil {
		return err
	}
	if err := waitForRedis(ctx, b.redisAddr); err != nil {
		return err
	}
	for _, addr := range []*string{&b.addr, &b.base} {
		if *addr, err = freeAddr(); err != nil {
			return err
		}
	}
	// One core means one thread of Go, on both sides.
	b.product, err = launch(ctx, b.dir, serverCore, []string{
		"GOMAXPROCS=1", "CLAIMSMITH_DEV_OPERATOR_TOKEN=" + operator, "CLAIMSMITH_DEV_PASSWORD=" + password,
	}, binary, "dev", "--addr", b.addr, "--redis-addr", b.redisAddr)
	if err != nil {
		return err
	}
	b.baseline, err = launch(ctx, b.dir, serverCore, []string{"GOMAXPROCS=1"}, b.self, "baseline", b.base, b.redisAddr)
	if err != nil {
		return err
	}
	if err := ready(ctx, "http://"+b.addr+"/readyz"); err != nil {
		return err
	}
	return ready(ctx, "http://"+b.base+"/")
}

func (b *bench) stop() {
	for _, p := range []*process{b.product, b.baseline, b.redis} {
		if p != nil {
			p.stop()
		}
	}
}

func waitForRedis(ctx context.Context, addr string) error {
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := client.Ping(ctx).Err()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// prepare stores a user with ten entries of which five are claims, on both sides, and logs him in as often as there are connections.
func (b *bench) prepare(ctx context.Context) ([]row, error) {
	rdb := redis.NewClient(&redis.Options{Addr: b.redisAddr})
	defer rdb.Close()
	var entries []map[string]any
	for n := range 10 {
		key, value := "entry"+strconv.Itoa(n), strings.Repeat("v", 20)
		entries = append(entries, map[string]any{"key": key, "value": value, "profileClaim": n < 5})
		bare := `"` + value + `"`
		if err := rdb.HSet(ctx, bareEntries, key, bare).Err(); err != nil {
			return nil, err
		}
		if n < 5 {
			if err := rdb.HSet(ctx, bareClaims, key, bare).Err(); err != nil {
				return nil, err
			}
		}
	}
	if err := b.call(ctx, http.MethodPut, "/api/user/"+user+"/metadata", map[string]any{"metadata": entries}, nil); err != nil {
		return nil, err
	}
	var person struct {
		ID string `json:"id"`
	}
	if err := b.call(ctx, http.MethodGet, "/api/user/"+user, nil, &person); err != nil {
		return nil, err
	}
	var client struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := b.call(ctx, http.MethodPost, "/api/client", map[string]any{
		"grant_types": []string{"client_credentials"}, "scopes": []string{"bench"},
	}, &client); err != nil {
		return nil, err
	}
	var tokens []string
	for range connections + 8 {
		var login struct {
			Refresh string `json:"refresh_token"`
		}
		credentials := map[string]any{"username": user, "password": password, "scope": "profile"}
		if err := b.call(ctx, http.MethodPost, "/login", credentials, &login); err != nil {
			return nil, err
		}
		tokens = append(tokens, login.Refresh)
	}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	asOperator := map[string]string{"Authorization": "Bearer " + operator, "Content-Type": "application/json"}
	asJSON := map[string]string{"Content-Type": "application/json"}
	put := `{"value":"vvvvvvvvvvvvvvvvvvvv","profileClaim":true}`
	product, base := "http://"+b.addr, "http://"+b.base
	return []row{
		{
			name:    "refresh_token grant",
			product: load{method: "POST", path: product + "/oauth/token", headers: form, tokens: tokens},
			baseline: load{
				method: "POST", path: base + "/oauth/token", headers: form,
				body: "grant_type=refresh_token&client_id=login&refresh_token=" + tokens[0],
			},
			goal: 0.60, cpuGoal: 1.6,
		}, {
			name: "client_credentials grant",
			product: load{
				method: "POST", path: product + "/oauth/token", headers: form,
				body: "grant_type=client_credentials&scope=bench&client_id=" + client.ID + "&client_secret=" + client.Secret,
			},
			baseline: load{
				method: "POST", path: base + "/sign", headers: form,
				body: "grant_type=client_credentials&scope=bench&client_id=" + client.ID + "&client_secret=" + client.Secret,
			},
			goal: 0.80,
		}, {
			name:     "GET of one entry",
			product:  load{method: "GET", path: product + "/api/user/" + person.ID + "/metadata/entry0", headers: asOperator},
			baseline: load{method: "GET", path: base + "/entry/" + person.ID + "/entry0", headers: asOperator},
			goal:     0.70,
		}, {
			name:     "PUT of one entry",
			product:  load{method: "PUT", path: product + "/api/user/" + person.ID + "/metadata/entry0", headers: asOperator, body: put},
			baseline: load{method: "PUT", path: base + "/entry/" + person.ID + "/entry0", headers: asJSON, body: put},
			goal:     0.70,
		},
	}, nil
}

func (b *bench) call(ctx context.Context, method, path string, body, answer any) error {
	var reader io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+b.addr+path, reader)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if path != "/login" {
		r.Header.Set("Authorization", "Bearer "+operator)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s %s", method, path, response.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

func (b *bench) measure(ctx context.Context, table io.Writer, r row) (bool, error) {
	var product, baseline []sample
	state := &rotation{dir: b.dir, tokens: r.product.tokens}
	for range rounds {
		s, err := b.round(ctx, b.product, r.product, state)
		if err != nil {
			return false, err
		}
		product = append(product, s)
		if s, err = b.round(ctx, b.baseline, r.baseline, nil); err != nil {
			return false, err
		}
		baseline = append(baseline, s)
	}
	p, q := median(product), median(baseline)
	ratio, cpuRatio := p.rate/q.rate, float64(p.cpu())/float64(q.cpu())
	cpuGoal := ""
	if r.cpuGoal > 0 {
		cpuGoal = fmt.Sprintf("<= %.2f", r.cpuGoal)
	}
	goal := ""
	if r.goal > 0 {
		goal = fmt.Sprintf(">= %.2f", r.goal)
	}
	fmt.Fprintf(table, "%s\t%.0f\t%v\t%v\t%v\t%v\t%.2f\t%s\t%.2f\t%s\t\n",
		r.name, p.rate, p.p50, p.p99, p.server, p.redis, ratio, goal, cpuRatio, cpuGoal)
	fmt.Fprintf(table, "baseline\t%.0f\t%v\t%v\t%v\t%v\t\t\t\t\t\n", q.rate, q.p50, q.p99, q.server, q.redis)
	return ratio >= r.goal && (r.cpuGoal == 0 || cpuRatio <= r.cpuGoal), nil
}

// rotation carries refresh tokens from one round to the next, through a file.
type rotation struct {
	dir    string
	tokens []string
}

func (b *bench) round(ctx context.Context, server *process, l load, state *rotation) (sample, error) {
	switch {
	case l.volley != nil:
		return b.fire(ctx, server, l)
	case l.calls != nil:
		return b.calling(ctx, server, *l.calls)
	}
	args := []string{
		"-t1", "-c" + strconv.Itoa(connections), "-d" + strconv.Itoa(int(roundTime.Seconds())) + "s", "--timeout", "5s", "-s", b.script,
	}
	for name, value := range l.headers {
		args = append(args, "-H", name+": "+value)
	}
	args = append(args, l.path, "--", l.method, l.body)
	if l.bodies != nil {
		file := filepath.Join(b.dir, "bodies")
		if err := os.WriteFile(file, []byte(strings.Join(l.bodies, "\n")), 0o600); err != nil {
			return sample{}, err
		}
		args = append(args, "@"+file)
	}
	if state != nil && state.tokens != nil {
		file := filepath.Join(b.dir, "tokens")
		if err := os.WriteFile(file, []byte(strings.Join(state.tokens, "\n")), 0o600); err != nil {
			return sample{}, err
		}
		args = append(args, file)
		defer func() {
			if left, err := os.ReadFile(file); err == nil {
				state.tokens = strings.Fields(string(left))
			}
		}()
	}
	return b.load(ctx, server, "wrk", args...)
}

// load runs a program that loads a server, on the core of the load.
func (b *bench) load(ctx context.Context, server *process, name string, args ...string) (sample, error) {
	if runtime.NumCPU() > 1 {
		name, args = "taskset", append([]string{"-c", strconv.Itoa(otherCore), name}, args...)
	}
	serverBefore, redisBefore, err := b.cpu(server)
	if err != nil {
		return sample{}, err
	}
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("%w: %s", err, out)
	}
	serverAfter, redisAfter, err := b.cpu(server)
	if err != nil {
		return sample{}, err
	}
	return parse(out, serverAfter-serverBefore, redisAfter-redisBefore)
}

func (b *bench) cpu(server *process) (ofServer, ofRedis time.Duration, err error) {
	ofServer, err1 := server.cpu()
	ofRedis, err2 := b.redis.cpu()
	return ofServer, ofRedis, errors.Join(err1, err2)
}

// parse reads the line load.lua ends with.
func parse(out []byte, server, redis time.Duration) (sample, error) {
	_, line, found := bytes.Cut(out, []byte("RESULT "))
	var result struct {
		Requests, Failed, Micros, P50, P99 int64
	}
	if !found {
		return sample{}, fmt.Errorf("no result: %s", out)
	}
	if err := json.NewDecoder(bytes.NewReader(line)).Decode(&result); err != nil {
		return sample{}, fmt.Errorf("%w: %s", err, out)
	}
	if result.Failed > 0 || result.Requests == 0 {
		return sample{}, fmt.Errorf("%d of %d requests failed: %s", result.Failed, result.Requests, out)
	}
	return sample{
		rate: float64(result.Requests) / (float64(result.Micros) / 1e6),
		p50:  time.Duration(result.P50) * time.Microsecond, p99: time.Duration(result.P99) * time.Microsecond,
		server: server / time.Duration(result.Requests), redis: redis / time.Duration(result.Requests),
	}, nil
}

// median takes each figure's median by itself.
func median(samples []sample) sample {
	pick := func(value func(sample) float64) float64 {
		values := make([]float64, len(samples))
		for n, s := range samples {
			values[n] = value(s)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return sample{
		rate:   pick(func(s sample) float64 { return s.rate }),
		p50:    time.Duration(pick(func(s sample) float64 { return float64(s.p50) })),
		p99:    time.Duration(pick(func(s sample) float64 { return float64(s.p99) })),
		server: time.Duration(pick(func(s sample) float64 { return float64(s.server) })).Round(100 * time.Nanosecond),
		redis:  time.Duration(pick(func(s sample) float64 { return float64(s.redis) })).Round(100 * time.Nanosecond),
	}
}
