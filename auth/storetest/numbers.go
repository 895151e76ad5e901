package storetest

import (
	"slices"
	"testing"
)

func (s *suite) testNumbers(t *testing.T) {
	ctx := t.Context()
	number := func(id string) uint64 {
		t.Helper()
		n, err := s.NumberClient(ctx, id)
		must(t, err)
		return n
	}
	wantID := func(n uint64, want string) {
		t.Helper()
		if id, err := s.NumberedClient(ctx, n); err != nil || id != want {
			t.Errorf("number %d is that of %q (%v), want %q", n, id, err, want)
		}
	}
	first, second := name(), name()
	n := number(first)
	if n == 0 {
		t.Fatal("a client has number 0")
	}
	if next := number(second); next != n+1 {
		t.Errorf("after %d comes %d", n, next)
	}
	if again := number(first); again != n {
		t.Errorf("an id had number %d and has %d", n, again)
	}
	wantID(n, first)
	wantID(n+1, second)
	for _, nobodys := range []uint64{0, n + 2, 1<<64 - 1} {
		wantID(nobodys, "")
	}
	// Ids that could be taken for what else is kept beside them.
	for _, id := range []string{"last", "id", "n", "1", "n.1"} {
		wantID(number(id), id)
	}
	wantID(n, first)
	wantID(number(first), first)
}

func (s *suite) testNumberRaces(t *testing.T) {
	ctx := t.Context()
	const callers = 64
	last, err := s.NumberClient(ctx, name())
	must(t, err)
	// Each asks for a number of his own and for the one all ask for.
	shared := name()
	ids, numbers, ofShared := make([]string, callers), make([]uint64, callers), make([]uint64, callers)
	s.together(callers, func(i int, store Store) {
		ids[i] = name()
		var err error
		if numbers[i], err = store.NumberClient(ctx, ids[i]); err != nil {
			t.Errorf("number: %v", err)
		}
		if ofShared[i], err = store.NumberClient(ctx, shared); err != nil {
			t.Errorf("number of the shared id: %v", err)
		}
	})
	for i, n := range ofShared {
		if n != ofShared[0] {
			t.Errorf("caller %d was told %d for the shared id, caller 0 %d", i, n, ofShared[0])
		}
	}
	for i, n := range numbers {
		if id, err := s.NumberedClient(ctx, n); err != nil || id != ids[i] {
			t.Errorf("number %d is that of %q (%v), want %q", n, id, err, ids[i])
		}
	}
	given := append(numbers, ofShared[0])
	slices.Sort(given)
	for i, n := range given {
		if n != last+uint64(i)+1 {
			t.Fatalf("the numbers are %d, want those after %d, each once", given, last)
		}
	}
}
