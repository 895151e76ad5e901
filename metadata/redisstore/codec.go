package redisstore

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/metadata"
)

// The formats in Redis, written by apply.lua. A document is two hashes and a list.
//
// Entries: field = key, value = `<+ or -><kind> <revision> <created> <changed> <writer> <value>`, + marking a profile
// claim, the times in Unix milliseconds to base 36, the value's exact bytes last. Field "" = `<revision> <bytes> <author> <created>
// <operation>@<time>,…`: the document's revision, the length of all keys and values, its first writer, when it was created, the latest
// operations, the first of which is when it was changed. An entry's writer is left empty when it is the document's author, as it mostly
// is: that is a fifth of the memory. So is the time when the document was created, while it is that of the latest operation.
// Field "\x01" = the ids of the groups the user is in, joined by commas; absent if he is in none. Field "\x02" = "/" and the length of
// the history, "~" and that of one that expires, or, while there is none, "=<time>,<scheme revision>,<dialect>" of the change that
// created the document: most users have one change and no more, and a list takes a quarter of the memory again.
//
// Claims: field = key, value = the exact JSON, for the entries marked + alone. Field "" = the document's revision, "@" = the groups.
//
// History: the changes, newest first: `<revision> <time> <writer> <dialect> <scheme revision> <groups> `, then of each entry that was
// replaced or removed `<length of key>:<length of entry>:<key><entry>`. The writer is left empty as that of an entry, the scheme
// revision where the document is not shared; groups are empty if they stayed, or "=" and the former ones. The entries that a change
// created are those of its revision that it does not name.
//
// Index: a sorted set of one partition's users, all scores 0: `k NUL <key> NUL <term> NUL <user>` for every field of the terms, which are
// a hash of key and term per user, and `g NUL <group> NUL <user>` for every group of his.
const (
	headerField       = ""
	groupsField       = "\x01"
	historyField      = "\x02"
	groupsAmongClaims = "@"
)

// A parsed text has exactly one spelling: writing what was parsed gives the same bytes.

func formatTime(t time.Time) string { return strconv.FormatInt(max(0, t.UnixMilli()), 36) }

func parseTime(s string, t *time.Time) bool {
	var ms uint64
	ok := parseUint(s, 36, &ms) && ms <= 1<<53
	*t = time.UnixMilli(int64(ms)).UTC()
	return ok
}

// parseUint reads digits 0-9 a-z to a base, without a leading zero.
func parseUint(s string, base uint64, n *uint64) bool {
	if s == "" || s[0] == '0' && s != "0" {
		return false
	}
	*n = 0
	for i := range len(s) {
		digit := uint64(s[i] - '0')
		if 'a' <= s[i] && s[i] <= 'z' {
			digit = uint64(s[i]-'a') + 10
		} else if s[i] > '9' {
			return false
		}
		if digit >= base || *n > (math.MaxUint64-digit)/base {
			return false
		}
		*n = *n*base + digit
	}
	return true
}

// header is what field "" tells.
type header struct {
	revision         uint64
	author           string
	created, changed time.Time
}

func parseHeader(stored string) (h header, err error) {
	revision, rest, _ := strings.Cut(stored, " ")
	_, rest, _ = strings.Cut(rest, " ")
	author, rest, _ := strings.Cut(rest, " ")
	created, operations, _ := strings.Cut(rest, " ")
	latest, _, _ := strings.Cut(operations, ",")
	_, changed, _ := strings.Cut(latest, "@")
	ok := author != "" && created != changed && parseUint(revision, 10, &h.revision) && parseTime(changed, &h.changed)
	if h.author, h.created = author, h.changed; created != "" {
		ok = ok && parseTime(created, &h.created)
	}
	if !ok {
		return header{}, errors.New("malformed header")
	}
	return h, nil
}

// parseCreation returns the change that created a document as a history would have it, if field "\x02" has it.
func parseCreation(stored string, groups []string) (change string, ok bool) {
	creation, ok := strings.CutPrefix(stored, "=")
	at, rest, _ := strings.Cut(creation, ",")
	scheme, via, _ := strings.Cut(rest, ",")
	joined := ""
	if len(groups) > 0 {
		joined = "="
	}
	return strings.Join([]string{"1", at, "", via, scheme, joined, ""}, " "), ok
}

// parseEntry reads the field of a key in a document of that author.
func parseEntry(key, stored, author string) (metadata.Entry, error) {
	flags, rest, _ := strings.Cut(stored, " ")
	revision, rest, _ := strings.Cut(rest, " ")
	created, rest, _ := strings.Cut(rest, " ")
	changed, rest, _ := strings.Cut(rest, " ")
	writer, value, complete := strings.Cut(rest, " ")

	e := metadata.Entry{Key: key, ChangedBy: writer}
	if writer == "" {
		e.ChangedBy = author
	}
	ok := complete && writer != author && len(flags) == 2 && (flags[0] == '+' || flags[0] == '-')
	if ok {
		e.ProfileClaim = flags[0] == '+'
		kind := metadata.Kind(flags[1])
		ok = kind == metadata.KindJSON || kind == metadata.KindBytes
		e.Value = metadata.Restore(kind, value)
	}
	ok = ok && parseUint(revision, 10, &e.Revision)
	ok = ok && parseTime(created, &e.CreatedAt)
	ok = ok && parseTime(changed, &e.ChangedAt)
	if !ok {
		return metadata.Entry{}, fmt.Errorf("malformed entry %q", key)
	}
	return e, nil
}

// parseDocument reads the fields of an entries hash.
func parseDocument(fields map[string]string) (metadata.Document, error) {
	if len(fields) == 0 {
		return metadata.Document{}, nil
	}
	h, err := parseHeader(fields[headerField])
	if err != nil {
		return metadata.Document{}, err
	}
	doc := metadata.Document{
		Revision: h.revision, CreatedAt: h.created, ChangedAt: h.changed, Entries: make([]metadata.Entry, 0, len(fields)-1),
	}
	for key, stored := range fields {
		switch key {
		case headerField, historyField:
			continue
		case groupsField:
			doc.Groups = parseGroups(stored)
			continue
		}
		e, err := parseEntry(key, stored, h.author)
		if err != nil {
			return metadata.Document{}, err
		}
		doc.Entries = append(doc.Entries, e)
	}
	slices.SortFunc(doc.Entries, func(a, b metadata.Entry) int { return strings.Compare(a.Key, b.Key) })
	return doc, nil
}

func parseGroups(joined string) []string {
	if joined == "" {
		return nil
	}
	return strings.Split(joined, ",")
}

// parseClaims reads a claims hash.
func parseClaims(fields map[string]string) (claims []metadata.Claim, groups []string, revision uint64, err error) {
	if len(fields) > 1 {
		claims = make([]metadata.Claim, 0, len(fields)-1)
	}
	for key, value := range fields {
		switch key {
		case headerField:
			if !parseUint(value, 10, &revision) {
				return nil, nil, 0, errors.New("malformed claims")
			}
		case groupsAmongClaims:
			groups = parseGroups(value)
		default:
			claims = append(claims, metadata.Claim{Key: key, JSON: value})
		}
	}
	slices.SortFunc(claims, func(a, b metadata.Claim) int { return strings.Compare(a.Key, b.Key) })
	return claims, groups, revision, nil
}
