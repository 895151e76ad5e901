package storetest

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/keyspace"
)

// Users writes the part of users' records that metadata depends on.
type Users struct {
	Client redis.UniversalClient
	Space  keyspace.Space
}

// User is that part. Email is verified; both handles are canonical.
type User struct {
	ID       string // generated when empty
	Username string
	Email    string
	Orgs     []string
}

// The states of a user.
const (
	Active   = "active"
	Disabled = "disabled"
	Deleting = "deleting"
	Gone     = "gone"
)

// New writes the record of an active user, replacing one of the same id, and returns the id.
func (u *Users) New(t testing.TB, user User) string {
	t.Helper()
	if user.ID == "" {
		user.ID = strings.ToLower(rand.Text())
	}
	fields := []string{"st", Active, "un", user.Username, "em", user.Email}
	for _, org := range user.Orgs {
		fields = append(fields, "o:"+org, "1")
	}
	pipe := u.Client.TxPipeline()
	pipe.Del(t.Context(), u.Space.User(user.ID))
	pipe.HSet(t.Context(), u.Space.User(user.ID), fields)
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatalf("write user: %v", err)
	}
	return user.ID
}

// SetState changes a user's state. When it returns no write to a user who is Deleting or Gone succeeds any more.
func (u *Users) SetState(t testing.TB, id, state string) {
	t.Helper()
	if err := u.Client.HSet(t.Context(), u.Space.User(id), "st", state).Err(); err != nil {
		t.Fatalf("change state of user: %v", err)
	}
}

// Join makes a user a member.
func (u *Users) Join(t testing.TB, id, org string) {
	t.Helper()
	if err := u.Client.HSet(t.Context(), u.Space.User(id), "o:"+org, "1").Err(); err != nil {
		t.Fatalf("begin membership: %v", err)
	}
}

// Leave ends a membership.
func (u *Users) Leave(t testing.TB, id, org string) {
	t.Helper()
	if err := u.Client.HDel(t.Context(), u.Space.User(id), "o:"+org).Err(); err != nil {
		t.Fatalf("end membership: %v", err)
	}
}
