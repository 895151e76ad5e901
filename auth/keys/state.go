package keys

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"
)

// Record is a signing key as it is stored. All times are UTC, to the millisecond.
//
// From CreatedAt on the key is published and tokens signed by it are accepted. It signs from ActivatesAt until RetiresAt and is gone
// at ExpiresAt; the last two are zero as long as no successor exists.
type Record struct {
	ID  string `json:"id"`
	Alg string `json:"alg"`
	// Sealed is the private key in PKCS #8, sealed for this Alg and ID. The public key is not stored beside it: it is taken from
	// the opened private key, so that nobody can have a key published without knowing a KEK. Withdrawn keys have none.
	Sealed      []byte    `json:"sealed,omitempty"`
	CreatedAt   time.Time `json:"createdAt"`
	ActivatesAt time.Time `json:"activatesAt"`
	RetiresAt   time.Time `json:"retiresAt,omitzero"`
	ExpiresAt   time.Time `json:"expiresAt,omitzero"`
	// Withdrawn keys are not published, accepted or used from that moment on. The record stays until the last token the key may have
	// signed has expired.
	Withdrawn bool `json:"withdrawn,omitzero"`
}

// Status is what a key is doing.
type Status string

// The states of a key.
const (
	Next      Status = "next"      // published, does not sign yet
	Active    Status = "active"    // signs
	Retiring  Status = "retiring"  // published until the last token it signed has expired
	Withdrawn Status = "withdrawn" // refused everywhere
	Expired   Status = "expired"   // gone; the record disappears with the next change
)

// Status returns what the key is doing at a time.
func (r Record) Status(now time.Time) Status {
	switch {
	case !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt):
		return Expired
	case r.Withdrawn:
		return Withdrawn
	case now.Before(r.ActivatesAt):
		return Next
	case r.RetiresAt.IsZero() || now.Before(r.RetiresAt):
		return Active
	default:
		return Retiring
	}
}

func (r Record) equal(o Record) bool {
	return r.ID == o.ID && r.Alg == o.Alg && bytes.Equal(r.Sealed, o.Sealed) && r.Withdrawn == o.Withdrawn &&
		r.CreatedAt.Equal(o.CreatedAt) && r.ActivatesAt.Equal(o.ActivatesAt) &&
		r.RetiresAt.Equal(o.RetiresAt) && r.ExpiresAt.Equal(o.ExpiresAt)
}

// check tells whether a record is one this package writes, as far as that can be told without opening the key.
func (r Record) check() error {
	fault := ""
	switch {
	case r.ID == "" || r.CreatedAt.IsZero() || r.ActivatesAt.IsZero():
		fault = "a member is missing"
	case r.RetiresAt.IsZero() != r.ExpiresAt.IsZero() || r.ExpiresAt.Before(r.RetiresAt):
		fault = "it does not expire after it retires"
	case r.Withdrawn && (len(r.Sealed) != 0 || r.ExpiresAt.IsZero()):
		fault = "it is withdrawn and yet whole"
	case !r.Withdrawn && (len(r.Sealed) == 0 || !r.RetiresAt.IsZero() && r.RetiresAt.Before(r.ActivatesAt)):
		fault = "it has no private part or retires before it signs"
	default:
		return nil
	}
	return fmt.Errorf("key %q: %s: %w", r.ID, fault, ErrCorrupt)
}

// State is all signing keys. Version counts its changes; the zero State means that there never were any keys.
type State struct {
	Version uint64
	Records []Record
}

// maxRecords bounds a state. Rotations leave two or three records per algorithm; the rest is room for withdrawals.
const maxRecords = 64

// check tells whether a state is one this package writes, as far as that can be told without opening the keys.
func (s State) check() error {
	if s.Version == 0 && len(s.Records) == 0 {
		return ErrEmpty
	}
	if s.Version == 0 || len(s.Records) == 0 || len(s.Records) > maxRecords {
		return fmt.Errorf("version %d with %d keys: %w", s.Version, len(s.Records), ErrCorrupt)
	}
	ids, last := make(map[string]bool), make(map[string]bool)
	for _, r := range s.Records {
		if err := r.check(); err != nil {
			return err
		}
		if ids[r.ID] {
			return fmt.Errorf("key %q is there twice: %w", r.ID, ErrCorrupt)
		}
		ids[r.ID] = true
		if r.RetiresAt.IsZero() {
			if last[r.Alg] {
				return fmt.Errorf("two keys of %q without a successor: %w", r.Alg, ErrCorrupt)
			}
			last[r.Alg] = true
		}
	}
	return nil
}

// Store keeps the one State of an installation.
//
// Methods are safe for concurrent use, across processes too. A Load sees every Save that ended before it began; the caller owns what
// it returns. An installation without state is the zero State; one whose state cannot be understood is ErrCorrupt, never the
// zero State. Save replaces the state by s with the version s.Version+1 if the stored version is s.Version, and is ErrConflict otherwise.
// op names the attempt, 1 to 64 characters of A-Z a-z 0-9; a Save whose op is among the last eight that took effect has done so
// and succeeds without doing it again. Any other error is ErrUnavailable: for a Save the outcome is then unknown.
type Store interface {
	Load(ctx context.Context) (State, error)
	Save(ctx context.Context, s State, op string) error
}

// Listing is what an operator sees of a key.
type Listing struct {
	ID          string
	Alg         string
	Status      Status
	CreatedAt   time.Time
	ActivatesAt time.Time
	RetiresAt   time.Time
	ExpiresAt   time.Time
}

// List describes the keys at a time, oldest first, without the expired ones. It needs no key-encryption key.
func (s State) List(now time.Time) []Listing {
	var list []Listing
	for _, r := range s.Records {
		if status := r.Status(now); status != Expired {
			list = append(list, r.listing(status))
		}
	}
	return list
}

func (r Record) listing(status Status) Listing {
	return Listing{r.ID, r.Alg, status, r.CreatedAt, r.ActivatesAt, r.RetiresAt, r.ExpiresAt}
}

func (s State) equal(o State) bool {
	return s.Version == o.Version && slices.EqualFunc(s.Records, o.Records, Record.equal)
}

// prune drops the records that have expired.
func (s *State) prune(now time.Time) {
	s.Records = slices.DeleteFunc(s.Records, func(r Record) bool { return r.Status(now) == Expired })
}

func (s *State) find(ok func(*Record) bool) *Record {
	for i := range s.Records {
		if ok(&s.Records[i]) {
			return &s.Records[i]
		}
	}
	return nil
}

// signing is the record of the algorithm that signs at a time, or nil.
func (s *State) signing(alg string, now time.Time) *Record {
	return s.find(func(r *Record) bool { return r.Alg == alg && r.Status(now) == Active })
}

// last is the record of the algorithm that has no successor, or nil. It signs, or waits to sign.
func (s *State) last(alg string) *Record {
	return s.find(func(r *Record) bool { return r.Alg == alg && !r.Withdrawn && r.RetiresAt.IsZero() })
}
