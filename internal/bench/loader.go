package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// volley is a load wrk cannot make: requests of which each is used once. It travels to the process that sends it in a file.
type volley struct {
	URL string
	// Bodies are forms, Proofs their DPoP headers or nil.
	Bodies, Proofs []string
	// Chains are refresh tokens, one per connection: each request continues its connection's chain. Without them requests stand alone.
	Chains []string
}

// send sends the volley of a file and prints what load.lua prints. It leaves the ends of the chains in the file.
func send(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var v volley
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 5 * time.Second}
	var next, failed atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	var tasks sync.WaitGroup
	start := time.Now()
	for worker := range connections {
		tasks.Go(func() {
			var mine []time.Duration
			for {
				n := int(next.Add(1)) - 1
				if n >= len(v.Bodies) {
					break
				}
				began := time.Now()
				if err := v.one(client, n, worker); err != nil && failed.Add(1) == 1 {
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
	if len(took) == 0 {
		return errors.New("nothing to send")
	}
	slices.Sort(took)
	fmt.Printf("RESULT {\"Requests\":%d,\"Failed\":%d,\"Micros\":%d,\"P50\":%d,\"P99\":%d}\n", len(took), failed.Load(), elapsed.Microseconds(),
		took[len(took)/2].Microseconds(), took[len(took)*99/100].Microseconds())
	return writeJSON(file, v)
}

func (v *volley) one(client *http.Client, n, worker int) error {
	body := v.Bodies[n]
	if v.Chains != nil {
		body += "&refresh_token=" + v.Chains[worker]
	}
	r, err := http.NewRequest(http.MethodPost, v.URL, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if v.Proofs != nil {
		r.Header.Set("DPoP", v.Proofs[n])
	}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s", response.Status, text)
	}
	if v.Chains == nil {
		return nil
	}
	// Reading the whole answer as JSON would make the load slower than the servers.
	_, rest, _ := strings.Cut(string(text), `"refresh_token":"`)
	v.Chains[worker], _, _ = strings.Cut(rest, `"`)
	return nil
}

func writeJSON(file string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

func readJSON(file string, v any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
