package audit

import (
	"context"
	"crypto/hmac"
	"fmt"
)

// reading is how many entries are read at a time.
const reading = 1000

// Verify reads the chain of an organisation from its base to its head, and checks every entry, with any of the keys. It goes on while
// the chain grows and is trimmed.
func Verify(ctx context.Context, store Store, keys [][]byte, org string) (Verification, error) {
	head, err := store.Head(ctx, org)
	if err != nil {
		return Verification{}, err
	}
	v := verifier{store: store, org: org, keys: keys}
	v.begin(head)
	for v.why == "" && v.next <= v.head.Seq {
		if err := v.step(ctx); err != nil {
			return v.result(), err
		}
	}
	if v.why == "" && v.previous != v.head.Hash {
		v.broken(v.head.Seq, "the chain does not end in the hash its head has")
	}
	if v.why == "" {
		err = v.behind(ctx)
	}
	return v.result(), err
}

type verifier struct {
	store    Store
	org      string
	keys     [][]byte
	head     Head
	next     uint64 // the entry to check
	previous string // the hash of the one before
	found    Verification
	why      string
}

func (v *verifier) result() Verification {
	if v.head.Seq > v.head.Base.Seq {
		v.found.First, v.found.Last = v.head.Base.Seq+1, v.head.Seq
	}
	v.found.Head, v.found.Why = v.head.Hash, v.why
	return v.found
}

func (v *verifier) broken(seq uint64, why string) {
	if v.why == "" {
		v.found.Broken, v.why = max(seq, 1), why
	}
}

// begin goes to the entry behind the base.
func (v *verifier) begin(head Head) {
	v.head, v.next, v.previous = head, head.Base.Seq+1, head.Base.Hash
	if head.Base != (Base{}) && !v.any(func(k chainKey) string { return k.proof(head.Base.Seq, head.Base.Hash) }, head.Base.Proof) {
		v.broken(v.next, "the entries before it were not removed by the server, or its key is not among those configured")
	}
}

// any reports whether sum gives a hash with one of the keys.
func (v *verifier) any(sum func(chainKey) string, hash string) bool {
	for _, key := range v.keys {
		if hmac.Equal([]byte(sum(chainKey{key, v.org})), []byte(hash)) {
			return true
		}
	}
	return false
}

// step checks the next entries.
func (v *verifier) step(ctx context.Context) error {
	entries, err := v.store.Range(ctx, v.org, v.next, reading, false)
	if err != nil {
		return err
	}
	if len(entries) == 0 || entries[0].Seq != v.next {
		return v.gap(ctx)
	}
	for n := range entries {
		if e := &entries[n]; e.Seq > v.head.Seq || !v.check(e) { // written since, wrong, or perhaps trimmed
			return nil
		}
	}
	return nil
}

// check checks an entry that should be the next and goes on to the one behind it. It reports false where something is wrong, or missing.
func (v *verifier) check(e *Entry) bool {
	switch {
	case e.Seq > v.next:
		return false
	case e.Seq < v.next:
		v.broken(e.Seq, "a second entry has its number")
		return false
	case !v.any(func(k chainKey) string { return k.link(v.previous, e) }, e.Hash):
		v.broken(e.Seq, "it is not what was written behind the one before it, or its key is not among those configured")
		return false
	}
	v.next, v.previous = e.Seq+1, e.Hash
	return true
}

// gap tells what was trimmed in the meantime from what is missing.
func (v *verifier) gap(ctx context.Context) error {
	head, err := v.store.Head(ctx, v.org)
	if err != nil {
		return err
	}
	if head.Base.Seq >= v.next {
		v.begin(head)
		return nil
	}
	v.broken(v.next, "it is missing")
	return nil
}

// behind looks for what stands behind the head.
func (v *verifier) behind(ctx context.Context) error {
	entries, err := v.store.Range(ctx, v.org, v.head.Seq+1, 1, false)
	if err != nil || len(entries) == 0 {
		return err
	}
	head, err := v.store.Head(ctx, v.org)
	if err == nil && head.Seq < entries[0].Seq {
		v.broken(entries[0].Seq, fmt.Sprintf("the head says that the chain ends with entry %d", head.Seq))
	}
	return err
}
