package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/auth"
)

// object names one stored object: to people, within its record, and in Redis.
type object struct{ kind, id, key string }

func (o object) String() string { return o.kind + ":" + o.id }

// stored is the JSON of a record. It names the object it is of, so that an answer to another question is noticed.
type stored[T any] struct {
	Object string `json:"object"`
	Record *T     `json:",embed"`
}

func encode[T any](o object, record *T) (string, error) {
	// A nil slice and an empty one differ, see auth.Client.ClaimsIn.
	text, err := json.Marshal(stored[T]{o.String(), record}, json.FormatNilSliceAsNull(true))
	return string(text), err
}

var errForeign = errors.New("the record is another object's")

// decode reads the values of the fields v and rec. A record that was removed has no rec; then found is false.
func decode[T any](o object, v, rec any, record *T) (version uint64, found bool, err error) {
	text, ok := rec.(string)
	if !ok {
		return 0, false, nil
	}
	s := stored[T]{Record: record}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return 0, false, err
	}
	if s.Object != o.String() {
		return 0, false, fmt.Errorf("%w: %q", errForeign, s.Object)
	}
	version, err = number(v)
	return version, err == nil, err
}

// number reads a count as Redis keeps it, in text.
func number(v any) (uint64, error) {
	text, _ := v.(string)
	return strconv.ParseUint(text, 10, 64)
}

// write is what a put needs besides the record.
type write struct {
	op       string
	expected uint64   // version; 0: must not exist
	in, out  []string // indexes to stand in and to leave
	// Of a user, the indexes of handles to stand in and to leave.
	handlesIn, handlesOut []string
	drop                  []string // fields to remove
	fields                []any    // field, value ...: to set
}

var putScript = script("put")

func put[T any](ctx context.Context, s *Store, o object, record *T, w write) (uint64, error) {
	doing := "put " + o.String()
	rec, err := encode(o, record)
	if err != nil {
		return 0, unavailable(doing, err)
	}
	keys := slices.Concat([]string{o.key}, w.in, w.out, w.handlesIn, w.handlesOut)
	args := []any{w.op, w.expected, o.id, len(w.in), len(w.out), len(w.handlesIn), len(w.drop)}
	for _, field := range w.drop {
		args = append(args, field)
	}
	args = append(append(args, "rec", rec), w.fields...)
	reply, err := s.runner.Run(ctx, putScript, keys, args...)
	if err != nil {
		return 0, refused(doing, err, map[string]*auth.Error{
			"CONFLICT": {Code: auth.Conflict, Detail: "this " + o.kind + " exists or did"},
			"NOTFOUND": notFound(o.kind),
			"STALE":    errStale,
		})
	}
	version, err := number(reply)
	if err != nil {
		return 0, unavailable(doing, err)
	}
	return version, nil
}

// get reads a record that has no fields of its own.
func get[T any](ctx context.Context, s *Store, o object, record *T) (version uint64, err error) {
	doing := "read " + o.kind // not its id, which may be a secret that stood in the wrong place (row P-02)
	row, err := s.rdb.HMGet(ctx, o.key, "v", "rec").Result()
	if err != nil {
		return 0, unavailable(doing, err)
	}
	version, found, err := decode(o, row[0], row[1], record)
	switch {
	case err != nil:
		return 0, unavailable(doing, err)
	case !found:
		return 0, notFound(o.kind)
	}
	return version, nil
}

var removeScript = script("remove")

// remove removes one version of a record. What is gone already is no error.
func (s *Store) remove(ctx context.Context, o object, version uint64, index string) error {
	_, err := s.runner.Run(ctx, removeScript, []string{o.key, index}, rand.Text(), version, o.id)
	if err != nil {
		return refused("remove "+o.String(), err, map[string]*auth.Error{"STALE": errStale})
	}
	return nil
}
