package auth_test

import (
	"context"
	"errors"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/claimsmith/claimsmith/auth"
)

const (
	testPassword = "correct horse battery"
	slotKiB      = 19456
)

func newHasher(tb testing.TB, c auth.HashConfig) *auth.Hasher {
	tb.Helper()
	h, err := auth.NewHasher(c)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func mustHash(tb testing.TB, h *auth.Hasher, password string) string {
	tb.Helper()
	phc, err := h.Hash(tb.Context(), password)
	if err != nil {
		tb.Fatal(err)
	}
	return phc
}

func verify(tb testing.TB, h *auth.Hasher, phc, password string) (ok, upgrade bool) {
	tb.Helper()
	ok, upgrade, err := h.Verify(tb.Context(), phc, password)
	if err != nil {
		tb.Fatal(err)
	}
	return ok, upgrade
}

// Row L-01.
func TestHashIsArgon2idPHC(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	form := regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)
	one, two := mustHash(t, h, testPassword), mustHash(t, h, testPassword)
	if !form.MatchString(one) {
		t.Errorf("hash %q is not of the form %s", one, form)
	}
	if one == two {
		t.Error("two hashes of one password are equal: no salt")
	}
	if ok, upgrade := verify(t, h, one, testPassword); !ok || upgrade {
		t.Errorf("right password: match %t, upgrade %t", ok, upgrade)
	}
	for _, wrong := range []string{"", "correct horse batterY", testPassword + " ", " " + testPassword, testPassword + "\x00"} {
		if ok, upgrade := verify(t, h, one, wrong); ok || upgrade {
			t.Errorf("wrong password %q: match %t, upgrade %t", wrong, ok, upgrade)
		}
	}
	if err := h.CheckImported(one); err != nil {
		t.Errorf("the hasher's own hash cannot be imported: %v", err)
	}
}

func TestHashOfOtherParametersNeedsUpgrade(t *testing.T) {
	current := newHasher(t, auth.HashConfig{})
	for name, c := range map[string]auth.HashConfig{
		"more memory":        {MemoryKiB: 20480},
		"more passes":        {Time: 3},
		"more lanes":         {Parallelism: 2},
		"memory not rounded": {MemoryKiB: 20483, Parallelism: 3},
	} {
		t.Run(name, func(t *testing.T) {
			other := newHasher(t, c)
			phc := mustHash(t, other, testPassword)
			if ok, upgrade := verify(t, other, phc, testPassword); !ok || upgrade {
				t.Errorf("under its own parameters: match %t, upgrade %t", ok, upgrade)
			}
			if ok, upgrade := verify(t, current, phc, testPassword); !ok || !upgrade {
				t.Errorf("under others: match %t, upgrade %t", ok, upgrade)
			}
			if ok, upgrade := verify(t, current, phc, testPassword+"x"); ok || upgrade {
				t.Errorf("wrong password: match %t, upgrade %t", ok, upgrade)
			}
		})
	}
}

func TestHashConfigIsChecked(t *testing.T) {
	for name, c := range map[string]auth.HashConfig{
		"memory in KiB is 19455":            {MemoryKiB: 19455},
		"memory in KiB is -1":               {MemoryKiB: -1},
		"memory in KiB is 8388608":          {MemoryKiB: 8 << 20, MemoryBudgetMiB: 1 << 14},
		"time is 1,":                        {Time: 1},
		"time is 55,":                       {Time: 55}, // × 19 MiB > 1 GiB
		"parallelism is -1":                 {Parallelism: -1},
		"parallelism is 17":                 {Parallelism: 17},
		"memory budget in MiB is 18,":       {MemoryBudgetMiB: 18},
		"memory budget in MiB is -5":        {MemoryBudgetMiB: -5},
		"memory budget in MiB is 16,":       {MemoryKiB: 20000, MemoryBudgetMiB: 16},
		"minimum length is 7":               {MinLength: 7},
		"minimum length is 129":             {MinLength: 129},
		"longest wait is -1s":               {MaxWait: -time.Second},
		"time is 1, allowed are 2 to 53\nm": {Time: 1, MinLength: 1}, // all faults at once
	} {
		if _, err := auth.NewHasher(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: got %v, want %q", c, err, name)
		}
	}
}

// stopped is a context under which everything but hashing happens: an allowed password ends as Busy, at no cost.
func stopped(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// Rows L-04, L-05.
func TestNewPasswordRules(t *testing.T) {
	h := newHasher(t, auth.HashConfig{MinLength: 10})
	names := []string{"", "jane.doe", "Jane.Doe@Example.com", "acme-corporation"}
	tests := []struct{ name, password, refusal string }{
		{"shortest", "ten chars.", ""},
		{"characters are counted, not bytes", "ééééééééé", "at least 10"},
		{"after NFC", strings.Repeat("e\u0301", 9), "at least 10"},
		{"ten characters of four bytes", strings.Repeat("🔑", 10), ""},
		{"64 characters", strings.Repeat("a", 64), ""},
		{"128 characters", strings.Repeat("b", 128), ""},
		{"1 KiB", strings.Repeat("c", 1024), ""},
		{"white space alone", "          ", ""},
		{"NUL", "abc\x00defghi", ""},
		{"no composition rule", "aaaaaaaaaaaa", ""},
		{"empty", "", "at least 10"},
		{"too short", "nine char", "at least 10"},
		{"1 KiB and a byte", strings.Repeat("c", 1025), "at most 1024"},
		{"a megabyte", strings.Repeat("c", 1<<20), "at most 1024"},
		{"invalid UTF-8", "0123456789\xff", "UTF-8"},
		{"common", "qwertyuiop", "most common"},
		{"common in capitals", "QwertyUIOP", "most common"},
		{"the username and a year", "Jane.Doe2024", "name"},
		{"the address", "jane.doe@example.com", "name"},
		{"the organisation and a sign", "ACME-Corporation!", "name"},
		{"the product", "claimsmith", "name"},
		{"the product within", "1claimsmith1!", "name"},
		{"more than a name", "jane.doe likes horses", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := h.Hash(stopped(t), tt.password, names...)
			if tt.refusal == "" {
				if auth.CodeOf(err) != auth.Busy {
					t.Fatalf("got %v, want it allowed", err)
				}
				return
			}
			var refused *auth.Error
			if !errors.As(err, &refused) || refused.Code != auth.InvalidRequest || refused.Field != "password" ||
				!strings.Contains(refused.Detail, tt.refusal) {
				t.Fatalf("got %v, want it refused with %q", err, tt.refusal)
			}
			if len(tt.password) > 4 && strings.Contains(err.Error(), tt.password) {
				t.Errorf("the error %q repeats the password", err)
			}
		})
	}
}

func TestCommonPasswordsAreRefused(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	common := auth.CommonPasswords()
	if len(common) < 80 {
		t.Fatalf("there are %d common passwords", len(common))
	}
	for password := range common {
		if _, err := h.Hash(stopped(t), password); auth.CodeOf(err) != auth.InvalidRequest {
			t.Errorf("%q: got %v, want it refused", password, err)
		}
	}
	if _, err := h.Rehash(t.Context(), "password"); err != nil {
		t.Errorf("Rehash applies the rules for new passwords: %v", err)
	}
}

// Row L-04: one form of Unicode, and nothing else is changed.
func TestPasswordIsNormalisedOnce(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	nfc, nfd := "un caf\u00e9 noir", "un cafe\u0301 noir"
	for _, stored := range []string{mustHash(t, h, nfc), mustHash(t, h, nfd)} {
		for _, typed := range []string{nfc, nfd} {
			if ok, _ := verify(t, h, stored, typed); !ok {
				t.Errorf("%+q does not match", typed)
			}
		}
		for _, typed := range []string{"un cafe noir", "un caf\u00e9 noir ", "UN CAF\u00c9 NOIR", "un caf\u00e9  noir"} {
			if ok, _ := verify(t, h, stored, typed); ok {
				t.Errorf("%+q matches", typed)
			}
		}
	}
	// NFC, not NFKC: compatibility characters stay apart. Nothing is trimmed.
	stored := mustHash(t, h, " of\ufb01ce hours ")
	if ok, _ := verify(t, h, stored, " of\ufb01ce hours "); !ok {
		t.Error("a ligature between spaces does not match itself")
	}
	for _, typed := range []string{" office hours ", "of\ufb01ce hours"} {
		if ok, _ := verify(t, h, stored, typed); ok {
			t.Errorf("%q matches", typed)
		}
	}
}

func TestOverlongPasswordIsRefusedBeforeHashing(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	phc := mustHash(t, h, testPassword)
	long := strings.Repeat("x", 1025)
	_, hashErr := h.Hash(stopped(t), long)
	_, rehashErr := h.Rehash(stopped(t), long)
	_, _, verifyErr := h.Verify(stopped(t), phc, long)
	_, _, malformedErr := h.Verify(stopped(t), "malformed", long)
	dummyErr := h.Dummy(stopped(t), long)
	for _, err := range []error{hashErr, rehashErr, verifyErr, malformedErr, dummyErr} {
		// All the same, whatever is known of the user (row L-06).
		if auth.CodeOf(err) != auth.InvalidRequest || err.Error() != dummyErr.Error() {
			t.Errorf("got %v, want the password refused", err)
		}
	}
	if ok, _ := verify(t, h, phc, long[:1024]); ok {
		t.Error("another password of 1 KiB matches")
	}
}

// Row L-06: no class of failing login is cheaper than another, measured by the memory argon2 fills.
func TestFailuresCostTheSame(t *testing.T) {
	h := newHasher(t, auth.HashConfig{})
	phc := mustHash(t, h, testPassword)
	wrapped, err := h.Import(t.Context(), auth.ImportedHash{Algorithm: "md5", Text: foreignDigests[0].text})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a", 73)
	verify := func(phc, password string) func() (bool, error) {
		return func() (bool, error) { ok, _, err := h.Verify(t.Context(), phc, password); return ok, err }
	}
	dummy := func(password string) func() (bool, error) {
		return func() (bool, error) { return false, h.Dummy(t.Context(), password) }
	}
	for name, attempt := range map[string]func() (bool, error){
		"no user":         dummy(testPassword),
		"no user, empty":  dummy(""),
		"wrong password":  verify(phc, "wrong"),
		"empty password":  verify(phc, ""),
		"wrapped digest":  verify(wrapped, "wrong"),
		"mangled wrap":    verify("md4"+wrapped[3:], "wrong"),
		"no hash":         verify("", testPassword),
		"unknown hash":    verify("$1$salt$key", testPassword),
		"too costly hash": verify(bomb, testPassword),
		"over 72 bytes":   verify(bcrypt72, long),
		"right password":  verify(phc, testPassword),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		ok, err := attempt()
		runtime.ReadMemStats(&after)
		if err != nil || ok != (name == "right password") {
			t.Errorf("%s: match %t, %v", name, ok, err)
		}
		if kib := (after.TotalAlloc - before.TotalAlloc) / 1024; kib < slotKiB || kib > slotKiB+1024 {
			t.Errorf("%s: took %d KiB, want %d", name, kib, slotKiB)
		}
	}
}

// Row L-03: never more at once than the budget allows, then a queue, then Busy.
func TestGateBoundsConcurrency(t *testing.T) {
	for _, tt := range []struct {
		name      string
		budgetMiB int
		memoryKiB int64
		slots     int64
	}{
		{"budget of one", 19, slotKiB, 1},
		{"three and a bit", 64, slotKiB, 3},
		{"light work counts as much as a hash", 64, 0, 3},
		{"heavy work counts by its memory", 64, 2 * slotKiB, 1},
		{"work of the whole budget", 64, 64 << 10, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHasher(t, auth.HashConfig{MemoryBudgetMiB: tt.budgetMiB, MaxWait: time.Minute})
				queue := 16 * (int64(tt.budgetMiB) << 10 / slotKiB)
				for range 2 { // the second time shows that everything was given back
					fillGate(t, h, tt.memoryKiB, tt.slots, queue)
				}
			})
		})
	}
}

// fillGate makes more calls than fit and watches how many run, wait and fail. It must run in a synctest bubble.
func fillGate(t *testing.T, h *auth.Hasher, memoryKiB, slots, queue int64) {
	t.Helper()
	release := make(chan struct{})
	var running, done, busy atomic.Int64
	const calls = 200
	for range calls {
		go func() {
			err := h.Run(t.Context(), memoryKiB, func() {
				running.Add(1)
				<-release
				running.Add(-1)
			})
			switch {
			case err == nil:
				done.Add(1)
			case auth.CodeOf(err) == auth.Busy:
				busy.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		}()
	}
	synctest.Wait()
	if got, want := busy.Load(), calls-slots-queue; got != want {
		t.Errorf("%d calls were refused at once, want %d", got, want)
	}
	for left := slots + queue; left > 0; left-- {
		if got, want := running.Load(), min(slots, left); got != want {
			t.Fatalf("%d computations run with %d calls left, want %d", got, left, want)
		}
		release <- struct{}{}
		synctest.Wait()
	}
	if got, want := done.Load(), slots+queue; got != want {
		t.Errorf("%d calls were served, want %d", got, want)
	}
}

// occupy fills the gate until the returned function is called.
func occupy(t *testing.T, h *auth.Hasher, memoryKiB int64) (release func()) {
	t.Helper()
	running, end := make(chan struct{}), make(chan struct{})
	go func() {
		if err := h.Run(t.Context(), memoryKiB, func() { close(running); <-end }); err != nil {
			t.Error(err)
		}
	}()
	<-running
	return func() { close(end) }
}

func TestEveryComputationWaitsAtTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, auth.HashConfig{MemoryBudgetMiB: 64, MaxWait: 3 * time.Second})
		phc := mustHash(t, h, testPassword)
		release := occupy(t, h, 64<<10)
		calls := map[string]func(context.Context) error{
			"Hash":   func(ctx context.Context) error { _, err := h.Hash(ctx, testPassword); return err },
			"Rehash": func(ctx context.Context) error { _, err := h.Rehash(ctx, testPassword); return err },
			"Dummy":  func(ctx context.Context) error { return h.Dummy(ctx, testPassword) },
		}
		for name, stored := range map[string]string{"argon2id": phc, "bcrypt": bcrypt72, "malformed": "x", "bomb": bomb} {
			calls["Verify "+name] = func(ctx context.Context) error {
				_, _, err := h.Verify(ctx, stored, testPassword)
				return err
			}
		}
		for name, call := range calls {
			began := time.Now()
			err := call(t.Context())
			var busy *auth.Error
			if !errors.As(err, &busy) || busy.Code != auth.Busy || busy.RetryAfter != 3*time.Second {
				t.Errorf("%s past a full gate: got %v, want Busy with a time to retry", name, err)
			}
			if waited := time.Since(began); waited != 3*time.Second {
				t.Errorf("%s waited %s, want MaxWait", name, waited)
			}

			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error)
			go func() { failed <- call(ctx) }()
			synctest.Wait()
			cancel()
			if err := <-failed; auth.CodeOf(err) != auth.Busy || !errors.Is(err, context.Canceled) {
				t.Errorf("%s cancelled while waiting: got %v", name, err)
			}
		}
		release()
		for name, call := range calls {
			if err := call(t.Context()); err != nil {
				t.Errorf("%s past an empty gate: %v", name, err)
			}
			if err := call(stopped(t)); auth.CodeOf(err) != auth.Busy || !errors.Is(err, context.Canceled) {
				t.Errorf("%s with a context that ended before: got %v", name, err)
			}
		}
	})
}

func TestImportedHashWaitsForItsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, auth.HashConfig{MemoryBudgetMiB: 64})
		release := occupy(t, h, slotKiB)
		heavy := strings.Replace(bomb, "m=4194304", "m=51200", 1)
		if _, _, err := h.Verify(t.Context(), heavy, testPassword); auth.CodeOf(err) != auth.Busy {
			t.Errorf("50 MiB beside 19 MiB within 64 MiB: got %v, want Busy", err)
		}
		release()
		if _, _, err := h.Verify(t.Context(), heavy, testPassword); err != nil {
			t.Errorf("50 MiB alone: %v", err)
		}
	})
}

func TestHeavyHashIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(t, auth.HashConfig{MemoryBudgetMiB: 64})
		first, second := occupy(t, h, slotKiB), occupy(t, h, slotKiB)
		order := make(chan string, 2)
		run := func(name string, memoryKiB int64) {
			go func() {
				if err := h.Run(t.Context(), memoryKiB, func() { order <- name }); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		run("heavy", 64<<10)
		run("light", slotKiB) // would fit beside the two, but came later
		first()
		second()
		if got := <-order; got != "heavy" {
			t.Errorf("%s work ran first", got)
		}
		<-order
	})
}

func BenchmarkVerify(b *testing.B) {
	h := newHasher(b, auth.HashConfig{})
	phc := mustHash(b, h, testPassword)
	b.ReportAllocs()
	for b.Loop() {
		if ok, _ := verify(b, h, phc, testPassword); !ok {
			b.Fatal("no match")
		}
	}
}

func BenchmarkParseStoredHash(b *testing.B) {
	h := newHasher(b, auth.HashConfig{})
	phc := mustHash(b, h, testPassword)
	b.ReportAllocs()
	for b.Loop() {
		if err := h.CheckImported(phc); err != nil {
			b.Fatal(err)
		}
	}
}
