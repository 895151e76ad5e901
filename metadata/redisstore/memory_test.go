package redisstore_test

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
)

// profile is a user's ten entries, five of them claims.
var profile = []metadata.Put{
	{Key: "user-theme", Value: metadata.Restore(metadata.KindJSON, `"Dark Mode"`), ProfileClaim: true},
	{Key: "preferred-language", Value: metadata.Restore(metadata.KindJSON, `"English"`), ProfileClaim: true},
	{Key: "department", Value: metadata.Restore(metadata.KindJSON, `"Customer Success"`), ProfileClaim: true},
	{Key: "cost-center", Value: metadata.Restore(metadata.KindJSON, `"CC-40417"`), ProfileClaim: true},
	{Key: "groups", Value: metadata.Restore(metadata.KindJSON, `["sales","emea","beta"]`), ProfileClaim: true},
	{Key: "employee-number", Value: metadata.Restore(metadata.KindJSON, `90071993`)},
	{Key: "last-survey", Value: metadata.Restore(metadata.KindJSON, `"2026-03-14"`)},
	{Key: "newsletter", Value: metadata.Restore(metadata.KindJSON, `true`)},
	{Key: "manager", Value: metadata.Restore(metadata.KindJSON, `"jane.doe@example.com"`)},
	{Key: "onboarding", Value: metadata.Restore(metadata.KindJSON, `{"step":4,"done":false}`)},
}

// A user's metadata takes at most a quarter more memory than the least anyone could keep: a hash of the entries as the API
// shows them and a hash of the claims.
func TestMemoryPerUser(t *testing.T) {
	for _, listpackValue := range []string{"64", "512"} {
		t.Run("hash-max-listpack-value "+listpackValue, func(t *testing.T) {
			const users = 2000
			ids := make([]string, users)
			for i := range ids {
				ids[i] = strings.ToLower(rand.Text())
			}
			perUser := func(write func(ctx context.Context, client redis.UniversalClient, id string)) float64 {
				client := redistest.NewClient(t, redistest.Server(t, "--hash-max-listpack-value", listpackValue).Addr())
				write(t.Context(), client, "warm-up")
				before := usedMemory(t, client)
				for _, id := range ids {
					write(t.Context(), client, id)
				}
				return float64(usedMemory(t, client)-before) / users
			}
			record := perUser(func(ctx context.Context, client redis.UniversalClient, id string) {
				client.HSet(ctx, space.User(id), "st", "active", "o:default", "1")
			})
			bare := perUser(func(ctx context.Context, client redis.UniversalClient, id string) {
				var entries, claims []any
				for _, put := range profile {
					entries = append(entries, put.Key, `{"value":`+put.Value.Raw()+`,"profileClaim":`+strconv.FormatBool(put.ProfileClaim)+`}`)
					if put.ProfileClaim {
						claims = append(claims, put.Key, put.Value.Raw())
					}
				}
				client.HSet(ctx, space.Entries("default", id, ""), entries...)
				client.HSet(ctx, space.Claims("default", id, ""), claims...)
			})
			ours := perUser(func(ctx context.Context, client redis.UniversalClient, id string) {
				client.HSet(ctx, space.User(id), "st", "active", "o:default", "1")
				store, _ := open(client)
				_, err := store.Apply(ctx, metadata.Owner{Org: "default", User: id}, metadata.Patch{
					Set: profile, Limits: metadata.DefaultLimits, ChangedBy: "token:k7qhw2m5x4tzr3vbn6cdabcd", At: start, Op: rand.Text()[:13],
				})
				if err != nil {
					t.Fatal(err)
				}
			}) - record
			t.Logf("bytes per user: %.0f, bare hashes %.0f, ratio %.2f (record %.0f)", ours, bare, ours/bare, record)
			if ours > 1.25*bare {
				t.Errorf("%.0f bytes per user are %.2f times the bare hashes' %.0f", ours, ours/bare, bare)
			}
		})
	}
}

func usedMemory(t *testing.T, client redis.UniversalClient) int {
	t.Helper()
	for line := range strings.Lines(client.Info(t.Context(), "memory").Val()) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("the server does not tell used_memory")
	return 0
}
