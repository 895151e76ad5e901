package keys_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/claimsmith/claimsmith/auth/keys"
)

func TestSealedTextOpensOnlyAsItWasSealed(t *testing.T) {
	s := sealerOf(t, 1)
	plain := []byte("a secret")
	sealed := s.Seal(plain, "purpose", "alg", "kid")

	if got, err := s.Open(sealed, "purpose", "alg", "kid"); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("Open = %q, %v", got, err)
	}
	refuse := func(name string, s *keys.Sealer, sealed []byte, want error, purpose string, bound ...string) {
		t.Helper()
		if got, err := s.Open(sealed, purpose, bound...); !errors.Is(err, want) || got != nil {
			t.Errorf("%s: Open = %q, %v, want %v", name, got, err, want)
		}
	}
	refuse("another purpose", s, sealed, keys.ErrNotSealed, "other", "alg", "kid")
	refuse("another kid", s, sealed, keys.ErrNotSealed, "purpose", "alg", "kid2")
	refuse("another alg", s, sealed, keys.ErrNotSealed, "purpose", "alg2", "kid")
	refuse("moved boundary", s, sealed, keys.ErrNotSealed, "purpose", "algk", "id")
	refuse("joined texts", s, sealed, keys.ErrNotSealed, "purpose", "algkid")
	refuse("missing text", s, sealed, keys.ErrNotSealed, "purpose", "alg")
	refuse("one more text", s, sealed, keys.ErrNotSealed, "purpose", "alg", "kid", "")
	refuse("a KEK that is not there", sealerOf(t, 2, 3), sealed, keys.ErrUnknownKEK, "purpose", "alg", "kid")

	for i := range sealed {
		for bit := range 8 {
			changed := slices.Clone(sealed)
			changed[i] ^= 1 << bit
			want := keys.ErrNotSealed
			if 1 <= i && i <= 8 { // the KEK's id
				want = keys.ErrUnknownKEK
			}
			refuse(fmt.Sprintf("byte %d, bit %d", i, bit), s, changed, want, "purpose", "alg", "kid")
		}
		refuse(fmt.Sprintf("cut to %d bytes", i), s, sealed[:i], keys.ErrNotSealed, "purpose", "alg", "kid")
	}
	refuse("one byte more", s, append(slices.Clone(sealed), 0), keys.ErrNotSealed, "purpose", "alg", "kid")

	// The id of one of our KEKs before a text sealed under the other.
	both := sealerOf(t, 2, 1)
	mixed := slices.Concat(both.Seal(plain, "purpose", "alg", "kid")[:9], sealed[9:])
	refuse("the id of another KEK", both, mixed, keys.ErrNotSealed, "purpose", "alg", "kid")
}

func TestEverySealIsDifferent(t *testing.T) {
	s := sealerOf(t, 1)
	seen := make(map[string]bool)
	for range 1000 {
		nonce := string(s.Seal(nil, "p")[9:21])
		if seen[nonce] {
			t.Fatal("a nonce came twice")
		}
		seen[nonce] = true
	}
}

func TestPreviousKEKs(t *testing.T) {
	old, between, now := sealerOf(t, 1), sealerOf(t, 2, 1), sealerOf(t, 2)
	sealed := old.Seal([]byte("x"), "p")
	if between.Current(sealed) || !old.Current(sealed) || between.Current(nil) {
		t.Error("Current is wrong")
	}
	if got, err := between.Open(sealed, "p"); err != nil || string(got) != "x" {
		t.Fatalf("the previous KEK: %q, %v", got, err)
	}
	again := between.Seal([]byte("x"), "p")
	if got, err := now.Open(again, "p"); err != nil || string(got) != "x" || !now.Current(again) {
		t.Fatalf("the current KEK: %q, %v", got, err)
	}
}

func TestUnusableKEKs(t *testing.T) {
	good := kekOf(1)
	for name, err := range map[string]error{
		"none":          sealerError(nil),
		"short":         sealerError(good[:31]),
		"long":          sealerError(append(kekOf(1), 0)),
		"short, before": sealerError(good, kekOf(2), kekOf(3)[:16]),
		"twice":         sealerError(good, kekOf(2), kekOf(1)),
	} {
		if !errors.Is(err, keys.ErrNoKEK) {
			t.Errorf("%s: %v, want ErrNoKEK", name, err)
		}
	}
}

func sealerError(current []byte, previous ...[]byte) error {
	_, err := keys.NewSealer(current, previous...)
	return err
}

func TestDerivedSecrets(t *testing.T) {
	s := sealerOf(t, 1, 2)
	a, b := s.Derive("a"), s.Derive("b")
	if len(a) != 32 || bytes.Equal(a, b) || !bytes.Equal(a, s.Derive("a")) {
		t.Error("Derive gives neither stable nor distinct secrets of 32 bytes")
	}
	all := s.DeriveAll("a")
	if len(all) != 2 || !bytes.Equal(all[0], a) || !bytes.Equal(all[1], sealerOf(t, 2).Derive("a")) {
		t.Error("DeriveAll is not the current KEK's secret and then the previous one's")
	}
	// Stored things depend on these: they must never change.
	const want = "d60ed86c761ea29293a4daefa6f3813e87d4c0d55134d8e5ecde872e2ce379be"
	if got := fmt.Sprintf("%x", a); got != want {
		t.Errorf("Derive = %s, want %s", got, want)
	}
}

// golden is "plain", sealed for "p" and "b" by sealerOf(1) of the first release. It must open forever.
const golden = "01aca06b588120e8c8cf627b51e614854a9a188563c1e6d74e814e4362faf252a0f2bb444eb1555354c3"

func TestTextSealedByTheFirstReleaseOpens(t *testing.T) {
	sealed, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := sealerOf(t, 2, 1).Open(sealed, "p", "b"); err != nil || string(plain) != "plain" {
		t.Errorf("Open = %q, %v", plain, err)
	}
}

func FuzzOpen(f *testing.F) {
	s := sealerOf(f, 1)
	sealed, err := hex.DecodeString(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:9])
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, text []byte) {
		plain, err := s.Open(text, "p", "b")
		switch {
		case bytes.Equal(text, sealed):
			if err != nil || string(plain) != "plain" {
				t.Fatalf("Open = %q, %v", plain, err)
			}
		case err == nil || plain != nil:
			t.Fatalf("a forgery opened: %q, %v", plain, err)
		case !errors.Is(err, keys.ErrNotSealed) && !errors.Is(err, keys.ErrUnknownKEK):
			t.Fatalf("untyped error %v", err)
		}
	})
}
