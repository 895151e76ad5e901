// Package keyspace owns the names of all Redis keys and the partition each one lives in, and nothing else: no client, no
// commands, no values. Everything about one user carries the same hash tag, so that one script may change all of it
// atomically on Redis Cluster too.
//
// Ids, slugs and client ids reach this package already checked against grammars without ':', '{' and '}'. Any other text a
// person can choose is hashed before it becomes part of a name, so two different objects can never share a key.
package keyspace

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// DefaultPartitions is the partition count of a new installation. It is stored under Meta at the first start and fixed from then on.
const DefaultPartitions = 256

// Meta names the hash with the facts of the installation: partition count, schema version. It has no partition since it is
// read before the count is known.
const Meta = "cs:meta"

// Space derives key names for a fixed number of partitions. The zero value is not usable; see New.
type Space struct {
	partitions int
	tags       []string
}

// New returns the key space of an installation with that many partitions. It panics unless 1 <= partitions <= 16384.
func New(partitions int) Space {
	if partitions < 1 || partitions > 16384 {
		panic(fmt.Sprintf("keyspace: %d partitions, want 1 to 16384", partitions))
	}
	s := Space{partitions: partitions, tags: make([]string, partitions)}
	for p := range s.tags {
		s.tags[p] = fmt.Sprintf("cs:{%03d}:", p)
	}
	return s
}

// Partitions returns the partition count.
func (s Space) Partitions() int { return s.partitions }

// Partition returns the partition of the object with that id: FNV-1a (32 bit) modulo the count. It is stored data's address,
// so it never changes.
func (s Space) Partition(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(h.Sum32() % uint32(s.partitions)) //nolint:gosec // 1 <= partitions <= 16384
}

// Position names where a page of what lies spread over the partitions ends: a partition and the last id of it.
func Position(partition int, id string) string { return strconv.Itoa(partition) + ":" + id }

// ParsePosition reads a position; that of "" is the beginning.
func (s Space) ParsePosition(text string) (partition int, last string, err error) {
	if text == "" {
		return 0, "", nil
	}
	number, last, _ := strings.Cut(text, ":")
	partition, err = strconv.Atoi(number)
	if err != nil || last == "" || partition < 0 || partition >= s.partitions {
		return 0, "", fmt.Errorf("%q is not a position in the list", text)
	}
	return partition, last, nil
}

func (s Space) tag(id string) string { return s.tags[s.Partition(id)] }

// User names the hash with a user's record and credentials. Its fields: st (active, disabled, deleting, gone), un (canonical
// username or ""), em (canonical verified e-mail or ""), o:<slug> per organisation, v (record version), op (operation that wrote
// it), rec (the record), pw (password hash), ep (credentials epoch), no (number, see UserNumbers), fv, fop and fac (second factors: version, operations, record).
func (s Space) User(id string) string { return s.tag(id) + "u:" + id }

// Handle names the string with the id of the user a username or e-mail address names.
func (s Space) Handle(kind, canonical string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + canonical))
	name := base64.RawURLEncoding.EncodeToString(sum[:])
	return s.tag(name) + "h:" + name
}

// Entries names the hash of a document's entries. An empty app means the user-wide document.
func (s Space) Entries(org, user, app string) string { return s.document("me:", org, user, app) }

// Claims names the hash of a document's claim-visible values.
func (s Space) Claims(org, user, app string) string { return s.document("mc:", org, user, app) }

func (s Space) document(kind, org, user, app string) string {
	name := s.tag(user) + kind + org + ":" + user
	if app != "" {
		name += ":" + app
	}
	return name
}

// AppDocuments names the set of a user's application documents, members "<org>:<app>".
func (s Space) AppDocuments(user string) string { return s.tag(user) + "md:" + user }

// SharedEntries and SharedClaims name the hashes of a shared document, an empty group meaning the organisation's own. What an
// organisation lays down lies in one slot, its own.
func (s Space) SharedEntries(org, group string) string { return s.shared("me:", org, group) }
func (s Space) SharedClaims(org, group string) string  { return s.shared("mc:", org, group) }

// History names the list of what is remembered of a document's changes, SharedHistory that of a shared one.
func (s Space) History(org, user, app string) string   { return s.document("mh:", org, user, app) }
func (s Space) SharedHistory(org, group string) string { return s.shared("mh:", org, group) }

// No user has an empty id, so a shared document's name is nobody's.
func (s Space) shared(kind, org, group string) string {
	return s.tag(org) + kind + org + "::" + group
}

// Scheme names the hash of what an organisation lays down for metadata, SchemeHistory the list of what is remembered of its changes.
func (s Space) Scheme(org string) string        { return s.tag(org) + "sc:" + org }
func (s Space) SchemeHistory(org string) string { return s.tag(org) + "sh:" + org }

// Announced names the hash of what one partition has been told of an organisation's scheme.
func (s Space) Announced(partition int, org string) string { return s.tags[partition] + "sa:" + org }

// Terms names the hash of what a user's entries are found by, by key; Index the sorted set of one partition's terms and memberships of
// groups.
func (s Space) Terms(org, user string) string          { return s.tag(user) + "mt:" + org + ":" + user }
func (s Space) Index(partition int, org string) string { return s.tags[partition] + "mi:" + org }

// HandlesOf names the sorted set of the handles of one partition's users of an organisation, members "<handle>\x00<user>".
func (s Space) HandlesOf(partition int, org string) string { return s.tags[partition] + "uh:" + org }

// Audit names the stream of an organisation's audit events, "" for those of the installation; AuditHead the hash of where it ends.
func (s Space) Audit(org string) string     { return s.tag(org) + "au:" + org }
func (s Space) AuditHead(org string) string { return s.tag(org) + "ah:" + org }

// Grant names the hash of one login's grant: its refresh family.
func (s Space) Grant(user, org, grant string) string {
	return s.tag(user) + "g:" + user + ":" + org + ":" + grant
}

// Grants names the sorted set of a user's grants, members "<org>:<grant>", scored by expiry in Unix milliseconds.
func (s Space) Grants(user string) string { return s.tag(user) + "gs:" + user }

// Code names the hash of an authorization code. It lies in a partition, that of the user, and not under his id, since a code's text
// must not tell whose it is.
func (s Space) Code(partition int, id string) string { return s.tags[partition] + "ac:" + id }

// Session names the hash of a browser's login session, SessionLogins the hash of what was opened from it: "<org>:<grant>" → "-"
// and the client, or "+" and the client for one that outlives the session.
func (s Space) Session(user, id string) string { return s.tag(user) + "s:" + user + ":" + id }
func (s Space) SessionLogins(user, id string) string {
	return s.tag(user) + "sl:" + user + ":" + id
}

// Sessions names the sorted set of a user's sessions, scored by their absolute end in Unix milliseconds.
func (s Space) Sessions(user string) string { return s.tag(user) + "ss:" + user }

// Consents names the hash of what a user has let clients have, fields "<org>:<client>".
func (s Space) Consents(user string) string { return s.tag(user) + "cn:" + user }

// Records names the hash of the records that an organisation has of a user, SharedRecords of those it has for itself.
func (s Space) Records(org, user string) string { return s.tag(user) + "rs:" + org + ":" + user }
func (s Space) SharedRecords(org string) string { return s.tag(org) + "rs:" + org + ":" }

// Pushed names the hash of a pushed authorization request, Device that of a device's request, by its user code, and Once the string
// that marks something as used.
func (s Space) Pushed(id string) string       { return s.tag(id) + "pr:" + id }
func (s Space) Device(userCode string) string { return s.tag(userCode) + "d:" + userCode }
func (s Space) Once(kind, subject string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + subject))
	name := base64.RawURLEncoding.EncodeToString(sum[:])
	return s.tag(name) + "1:" + name
}

// Logouts names the sorted set of one partition's logouts that clients have still to be told of, scored by the time of the next attempt.
func (s Space) Logouts(partition int) string { return s.tags[partition] + "lo" }

// LogoutsTaken names the list of those one operation has taken to tell of.
func (s Space) LogoutsTaken(partition int, op string) string { return s.tags[partition] + "lt:" + op }

// Origins names the set of the clients whose pages come from a web origin.
func (s Space) Origins(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	name := base64.RawURLEncoding.EncodeToString(sum[:])
	return s.tag(name) + "or:" + name
}

// Denied names the string that marks one access token as revoked.
func (s Space) Denied(subject, jti string) string {
	return s.tag(subject) + "x:" + base64.RawURLEncoding.EncodeToString([]byte(subject)) + ":" + jti
}

// UsersOf names the sorted set of one partition's users of an organisation.
func (s Space) UsersOf(partition int, org string) string { return s.tags[partition] + "uo:" + org }

// Org names the hash of an organisation, Orgs the sorted set of one partition's organisations.
func (s Space) Org(slug string) string    { return s.tag(slug) + "o:" + slug }
func (s Space) Orgs(partition int) string { return s.tags[partition] + "os" }

// Client names the hash of a client, ClientsOf the sorted set of one partition's clients of an organisation.
func (s Space) Client(id string) string                    { return s.tag(id) + "c:" + id }
func (s Space) ClientsOf(partition int, org string) string { return s.tags[partition] + "co:" + org }

// ClientNumbers names the hash of the numbers of all clients' ids, in one slot: last (the highest one given), id:<id> → number and
// n:<number> → id.
func (s Space) ClientNumbers() string { return s.tags[0] + "numbers" }

// UserNumbers names the hash of the numbers of one partition's users: last (how many were given), n:<number> → id. The number of a user
// stands in his own hash.
func (s Space) UserNumbers(partition int) string { return s.tags[partition] + "un" }

// APIToken names the hash of an operator's API token, APITokensOf the sorted set of one partition's tokens of an organisation.
func (s Space) APIToken(id string) string                    { return s.tag(id) + "t:" + id }
func (s Space) APITokensOf(partition int, org string) string { return s.tags[partition] + "to:" + org }

// Limit names the bucket of one rate limit; the subject may be any text.
func (s Space) Limit(kind, subject string) string {
	sum := sha256.Sum256([]byte(subject))
	name := base64.RawURLEncoding.EncodeToString(sum[:16])
	return s.tag(name) + "l:" + kind + ":" + name
}

// Keys names the hash with the signing keys.
func (s Space) Keys() string { return s.tags[0] + "keys" }

// String describes the space for logs.
func (s Space) String() string { return strconv.Itoa(s.partitions) + " partitions" }
