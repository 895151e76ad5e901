package storetest

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/keyspace"
)

// Users writes the part of users' records, and of their indexes, that metadata depends on.
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
	u.change(t, user.ID, func(pipe redis.Pipeliner, record string) {
		pipe.Del(t.Context(), record)
		pipe.HSet(t.Context(), record, fields)
	})
	return user.ID
}

// change changes a record, and the indexes with it.
func (u *Users) change(t testing.TB, id string, do func(pipe redis.Pipeliner, record string)) {
	t.Helper()
	record, partition := u.Space.User(id), u.Space.Partition(id)
	before, err := u.Client.HGetAll(t.Context(), record).Result()
	pipe := u.Client.TxPipeline()
	do(pipe, record)
	after := pipe.HGetAll(t.Context(), record)
	if err == nil {
		_, err = pipe.Exec(t.Context())
	}
	pipe = u.Client.TxPipeline()
	index := func(fields map[string]string, change func(key, member string)) {
		if fields["st"] != Active && fields["st"] != Disabled {
			return
		}
		for field := range fields {
			if org, isOrg := strings.CutPrefix(field, "o:"); isOrg {
				change(u.Space.UsersOf(partition, org), id)
				for _, handle := range []string{fields["un"], fields["em"]} {
					if handle != "" {
						change(u.Space.HandlesOf(partition, org), handle+"\x00"+id)
					}
				}
			}
		}
	}
	index(before, func(key, member string) { pipe.ZRem(t.Context(), key, member) })
	index(after.Val(), func(key, member string) { pipe.ZAdd(t.Context(), key, redis.Z{Member: member}) })
	if err == nil {
		_, err = pipe.Exec(t.Context())
	}
	if err != nil {
		t.Fatalf("write user: %v", err)
	}
}

// SetState changes a user's state. When it returns no write to a user who is Deleting or Gone succeeds any more.
func (u *Users) SetState(t testing.TB, id, state string) {
	t.Helper()
	u.change(t, id, func(pipe redis.Pipeliner, record string) { pipe.HSet(t.Context(), record, "st", state) })
}

// Join makes a user a member.
func (u *Users) Join(t testing.TB, id, org string) {
	t.Helper()
	u.change(t, id, func(pipe redis.Pipeliner, record string) { pipe.HSet(t.Context(), record, "o:"+org, "1") })
}

// Leave ends a membership.
func (u *Users) Leave(t testing.TB, id, org string) {
	t.Helper()
	u.change(t, id, func(pipe redis.Pipeliner, record string) { pipe.HDel(t.Context(), record, "o:"+org) })
}

// NewOrg writes the record of an organisation whose scheme has groups of these ids, and returns its slug, which no other has.
func (u *Users) NewOrg(t testing.TB, groups ...string) string {
	t.Helper()
	slug := strings.ToLower(rand.Text())
	pipe := u.Client.TxPipeline()
	pipe.HSet(t.Context(), u.Space.Org(slug), "rec", "{}")
	for _, id := range groups {
		pipe.HSet(t.Context(), u.Space.Scheme(slug), "g:"+id, `1 {"slug":"`+id+`"}`)
	}
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatalf("write organisation: %v", err)
	}
	return slug
}
