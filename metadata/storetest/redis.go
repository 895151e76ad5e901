package storetest

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/metadata"
)

// SchemeRevision returns the revision of an organisation's scheme.
func (u *Users) SchemeRevision(t testing.TB, org string) uint64 {
	t.Helper()
	text, _ := u.Client.HMGet(t.Context(), u.Space.Scheme(org), "").Val()[0].(string)
	revision, err := strconv.ParseUint("0"+text, 10, 64)
	if err != nil {
		t.Fatalf("read revision of the scheme: %v", err)
	}
	return revision
}

// Announce tells the partition of a user of a revision of the scheme and of its searchable keys. When it returns no change that was
// checked against an earlier one succeeds any more.
func (u *Users) Announce(t testing.TB, o metadata.Owner, revision uint64, searchable ...string) {
	t.Helper()
	key := u.Space.Announced(u.Space.Partition(o.User), o.Org)
	fields := []any{"", revision}
	for _, name := range searchable {
		fields = append(fields, name, "1")
	}
	pipe := u.Client.TxPipeline()
	pipe.Del(t.Context(), key)
	pipe.HSet(t.Context(), key, fields...)
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatalf("announce scheme: %v", err)
	}
}

// IndexOf returns the members of the index that lead to a user, ascending.
func (u *Users) IndexOf(t testing.TB, o metadata.Owner) []string {
	t.Helper()
	all, err := u.Client.ZRangeWithScores(t.Context(), u.Space.Index(u.Space.Partition(o.User), o.Org), 0, -1).Result()
	if err != nil {
		t.Fatalf("read index: %v", err)
	}
	var members []string
	for _, z := range all {
		member := z.Member.(string)
		if z.Score != 0 {
			t.Errorf("the score of %q is %v", member, z.Score)
		}
		if strings.HasSuffix(member, "\x00"+o.User) {
			members = append(members, member)
		}
	}
	slices.Sort(members)
	return members
}

// IndexFor returns the members that should lead to a user with this document, by the terms that TermFor gives its entries.
func IndexFor(o metadata.Owner, doc metadata.Document, searchable ...string) []string {
	var members []string
	for _, e := range doc.Entries {
		if term := TermFor(e.Value); term != "" && slices.Contains(searchable, e.Key) {
			members = append(members, strings.Join([]string{"k", e.Key, term, o.User}, "\x00"))
		}
	}
	for _, id := range doc.Groups {
		members = append(members, strings.Join([]string{"g", id, o.User}, "\x00"))
	}
	slices.Sort(members)
	return members
}

// TermFor is the term that the tests give a value.
func TermFor(v metadata.Value) string {
	if v.Kind() != metadata.KindJSON {
		return ""
	}
	return "t:" + v.Raw()
}

// Dump returns all that is stored of an owner's organisation in his partition and about him, by key, with what remains of its life.
func (u *Users) Dump(t testing.TB, o metadata.Owner) map[string]any {
	t.Helper()
	s, ctx := u.Space, t.Context()
	keys := []string{
		s.Org(o.Org), s.Scheme(o.Org), s.SharedEntries(o.Org, o.Group), s.SharedClaims(o.Org, o.Group), s.SharedHistory(o.Org, o.Group),
	}
	if !o.Shared() {
		partition := s.Partition(o.User)
		keys = append(keys, s.User(o.User), s.Entries(o.Org, o.User, o.App), s.Claims(o.Org, o.User, o.App), s.History(o.Org, o.User, o.App),
			s.AppDocuments(o.User), s.Terms(o.Org, o.User), s.Index(partition, o.Org), s.Announced(partition, o.Org))
	}
	dump := make(map[string]any)
	for _, key := range keys {
		var value any
		var err error
		switch kind := u.Client.Type(ctx, key).Val(); kind {
		case "none":
			continue
		case "hash":
			value, err = u.Client.HGetAll(ctx, key).Result()
		case "list":
			value, err = u.Client.LRange(ctx, key, 0, -1).Result()
		case "set":
			var members []string
			members, err = u.Client.SMembers(ctx, key).Result()
			slices.Sort(members)
			value = members
		case "zset":
			value, err = u.Client.ZRangeWithScores(ctx, key, 0, -1).Result()
		default:
			t.Fatalf("%s is a %s", key, kind)
		}
		ttl, ttlErr := u.Client.PTTL(ctx, key).Result()
		if err != nil || ttlErr != nil {
			t.Fatalf("read %s: %v, %v", key, err, ttlErr)
		}
		dump[key] = []any{value, ttl.Round(time.Minute)}
	}
	return dump
}

// Undo returns the document before a change, given the one after it, without its times.
func Undo(doc metadata.Document, r metadata.Revision) metadata.Document {
	before := metadata.Document{Revision: doc.Revision - 1, Groups: doc.Groups}
	for _, e := range doc.Entries {
		if _, touched := r.Before[e.Key]; !touched {
			before.Entries = append(before.Entries, e)
		}
	}
	for _, e := range r.Before {
		if e != nil {
			before.Entries = append(before.Entries, *e)
		}
	}
	slices.SortFunc(before.Entries, func(a, b metadata.Entry) int { return strings.Compare(a.Key, b.Key) })
	if r.GroupsBefore != nil {
		before.Groups = *r.GroupsBefore
	}
	return before
}
