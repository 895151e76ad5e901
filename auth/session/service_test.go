package session_test

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestATextProvesItsSession(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	sess, text := w.start("jane-id", nil)
	want := &session.Session{
		User: "jane-id", ID: sess.ID, Epoch: w.who("jane-id").Epoch, AuthTime: w.clock.Now(), AMR: []string{"pwd", "otp", "mfa"}, CreatedAt: w.clock.Now(),
		SeenAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(absolute), Agent: agent, Address: address,
	}
	if diff := cmp.Diff(want, sess); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, w.resolved(text)); diff != "" {
		t.Errorf("resolved (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(text, "cs_ss_jane-id.") || len(text) > 4000 {
		t.Errorf("the text is %q", text)
	}
	e := w.trail.Take("session.start")
	if diff := cmp.Diff([]audit.Event{{
		Action: "session.start", Actor: "user:jane-id", Org: "default", Target: "session:jane-id/" + sess.ID, Outcome: audit.Success,
	}}, e); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	for key := range w.backend.TTLs(t) {
		if strings.Contains(key, text) {
			t.Errorf("the text is in key %s", key)
		}
	}
}

// commands counts what a client sends, and fails it on demand.
type commands struct{ n int }

func (c *commands) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n++
		return next(ctx, cmd)
	}
}

func (c *commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n++
		return next(ctx, cmds)
	}
}

// What was never given out is refused without a look at the store, what was given out and is not a session's any more with one.
func TestForeignTextsProveNothing(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	_, text := w.start("jane-id", nil)
	_, johns := w.start("john-id", nil)
	var sent commands
	w.backend.Client.AddHook(&sent)

	own := w.Keys
	w.Keys = [][]byte{secret(32)}
	w.wantGone(text)
	w.Keys = [][]byte{w.Keys[0], own[0]} // after a change of the key-encryption key
	w.wantThere(text)
	w.Keys = own
	sent.n = 0
	user, payload, _ := strings.Cut(strings.TrimPrefix(text, "cs_ss_"), ".")
	_, johnsPayload, _ := strings.Cut(johns, ".")
	for _, foreign := range []string{
		"", "cs_ss_", "cs_ss_.", text + "A", text[1:], text + "\n", " " + text, "cs_rt_" + user + "." + payload, "cs_ss_john-id." + payload,
		"cs_ss_" + user + "." + johnsPayload, "cs_ss_" + user + "..." + payload, "cs_ss_" + user + ".x." + payload, strings.Repeat("x", 1<<20),
	} {
		w.wantGone(foreign)
	}
	rapid.Check(t, func(rt *rapid.T) {
		at := rapid.IntRange(0, len(text)-1).Draw(rt, "at")
		with := rapid.Byte().Draw(rt, "with")
		if text[at] == with {
			return
		}
		if sess, err := w.Resolve(t.Context(), text[:at]+string([]byte{with})+text[at+1:], address); sess != nil || err != nil {
			rt.Fatalf("one byte changed: %+v, %v", sess, err)
		}
	})
	if sent.n != 0 {
		t.Errorf("the store was asked %d times", sent.n)
	}
	// One that was given out, for a session that now has another secret, as after restoring a backup.
	sess := w.resolved(text)
	w.must(w.Logout(t.Context(), sess))
	w.must(w.store.CreateSession(t.Context(), *sess, sum(secret(24)), w.clock.Now().Add(idle), "", 50))
	w.wantGone(text)
}

func TestUseIsNotedOnceAMinute(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	sess, text := w.start("jane-id", nil)
	began := w.clock.Now()
	w.must(w.store.Touch(t.Context(), sess.User, sess.ID, began, began.Add(idle), address)) // loads the script
	var sent commands
	w.backend.Client.AddHook(&sent)
	w.resolved(text) // connects
	for _, test := range []struct {
		after    time.Duration
		commands int
		seen     time.Duration
	}{
		{0, 1, 0}, {time.Minute - time.Millisecond, 1, 0}, {time.Minute, 2, time.Minute}, {2*time.Minute - time.Millisecond, 1, time.Minute},
		{-time.Hour, 1, time.Minute}, {3 * time.Minute, 2, 3 * time.Minute},
	} {
		w.clock.Set(began.Add(test.after))
		sent.n = 0
		got, err := w.Resolve(t.Context(), text, "198.51.100.1")
		w.must(err)
		if sent.n != test.commands || !got.SeenAt.Equal(began.Add(test.seen)) {
			t.Errorf("after %v: %d commands, seen after %v; want %d and %v", test.after, sent.n, got.SeenAt.Sub(began), test.commands, test.seen)
		}
	}
	stored, _, err := w.store.Session(t.Context(), sess.User, sess.ID)
	w.must(err)
	if stored.Address != "198.51.100.1" || stored.AuthTime != sess.AuthTime || stored.ExpiresAt != sess.ExpiresAt {
		t.Errorf("used it is %+v", stored)
	}
}

// Both limits, of the service and of the store (row S-10).
func TestSessionsEndWithTime(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	_, unused := w.start("jane-id", nil)
	w.clock.Advance(idle - time.Millisecond)
	w.wantThere(unused)
	w.clock.Advance(idle - time.Millisecond)
	w.wantThere(unused)
	w.clock.Advance(idle)
	w.wantGone(unused)

	began := w.clock.Now()
	sess, used := w.start("jane-id", nil)
	for w.clock.Now().Before(began.Add(absolute - idle/2)) {
		w.clock.Advance(idle / 2)
		w.wantThere(used)
	}
	w.clock.Set(began.Add(absolute - time.Millisecond))
	w.wantThere(used)
	w.clock.Advance(time.Millisecond)
	w.wantGone(used)
	if list, err := w.List(t.Context(), auth.System(), "", "jane"); err != nil || len(list) != 0 {
		t.Errorf("the list has %+v, %v", list, err)
	}

	// Asking for less than a new login does not put off the end, and what is over cannot be started.
	w.clock.Set(began.Add(time.Hour))
	who := w.who("jane-id")
	who.AuthTime = began
	again, _, err := w.Start(t.Context(), who, sess, agent, address)
	w.must(err)
	if !again.ExpiresAt.Equal(sess.ExpiresAt) || !again.AuthTime.Equal(began) {
		t.Errorf("replaced without a login it is %+v", again)
	}
	w.clock.Set(began.Add(absolute))
	_, _, err = w.Start(t.Context(), who, nil, agent, address)
	w.wantCode(err, auth.LoginRequired)
}

func TestTheStoreForgetsSessionsInTime(t *testing.T) {
	b := redistest.Embedded(t)
	w := newWorld(t, b)
	_, text := w.start("jane-id", nil)
	b.FastForward(idle - time.Minute)
	w.wantThere(text)
	b.FastForward(2 * time.Minute)
	w.wantGone(text)
	for key, ttl := range b.TTLs(t) {
		if strings.Contains(key, "}:s") && ttl < 0 {
			t.Errorf("%s never ends", key)
		}
	}
}

// A new login in a browser has a new id and a new text, whether somebody was logged in there or not, and nobody reaches what was another's
// (row S-02).
func TestANewLoginReplacesTheOld(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	first, firstText := w.start("jane-id", nil)
	elsewhere, elsewhereText := w.start("jane-id", nil)
	login := w.open(first, "default", "told", "openid")
	w.clock.Advance(time.Minute)
	second, secondText := w.start("jane-id", first)
	w.wantGone(firstText)
	w.wantThere(secondText)
	w.wantThere(elsewhereText)
	if second.ID == first.ID || second.ID == elsewhere.ID || !second.CreatedAt.Equal(first.CreatedAt) || !second.AuthTime.Equal(w.clock.Now()) {
		t.Errorf("%+v follows %+v", second, first)
	}
	if w.Token(first) == w.Token(second) {
		t.Error("the forms' token stays")
	}
	if !w.live(login) {
		t.Error("logging in again ended the login of an application")
	}
	w.wantTold()
	w.must(w.Logout(t.Context(), second))
	if w.live(login) {
		t.Error("what was opened before the new login outlives it")
	}
	w.wantTold("told " + login.ID)

	janes, janesText := w.start("jane-id", nil)
	login = w.open(janes, "default", "told", "openid")
	_, johnsText := w.start("john-id", janes)
	w.wantGone(janesText)
	if got := w.resolved(johnsText); got == nil || got.User != "john-id" {
		t.Errorf("the session is %+v", got)
	}
	if w.live(login) {
		t.Error("a login of who was there before still stands")
	}
	w.wantTold("told " + login.ID)

	// A prior session that has ended already is none.
	_, text := w.start("jane-id", janes)
	w.wantThere(text)
}

func TestStaleLoginsStartNothing(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	who := w.who("jane-id")
	w.must(w.Users.EndEverything(t.Context(), auth.System(), "", "jane"))
	w.trail.Take("")
	_, text, err := w.Start(t.Context(), who, nil, agent, address)
	w.wantCode(err, auth.InvalidGrant)
	if e := w.trail.Take("session.start"); text != "" || len(e) != 1 || e[0].Outcome != audit.Denied {
		t.Errorf("%q, %+v", text, e)
	}
}

func TestAUserHasSoManySessions(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	var texts []string
	for range 52 {
		w.clock.Advance(time.Second)
		_, text := w.start("jane-id", nil)
		texts = append(texts, text)
	}
	_, johns := w.start("john-id", nil)
	for n, text := range texts {
		if there := w.resolved(text) != nil; there != (n >= 2) {
			t.Errorf("session %d: there %v", n, there)
		}
	}
	w.wantThere(johns)
	list, err := w.List(t.Context(), auth.System(), "", "jane")
	w.must(err)
	if len(list) != 50 || !list[0].CreatedAt.Equal(w.clock.Now()) {
		t.Errorf("%d are listed, the first of %v", len(list), list[0].CreatedAt)
	}
}

func TestAgentsAreLegible(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	rapid.Check(t, func(rt *rapid.T) {
		said := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(rt, "agent")
		sess, text, err := w.Start(t.Context(), w.who("john-id"), nil, said, address)
		if err != nil {
			rt.Fatal(err)
		}
		if !utf8.ValidString(sess.Agent) || utf8.RuneCountInString(sess.Agent) > 200 || strings.ContainsAny(sess.Agent, "\x00\n\r\u2028\u202e") {
			rt.Fatalf("%q became %q", said, sess.Agent)
		}
		if got, err := w.Resolve(t.Context(), text, address); err != nil || got.Agent != sess.Agent {
			rt.Fatalf("%q is read as %+v, %v", sess.Agent, got, err)
		}
	})
	sess, _, err := w.Start(t.Context(), w.who("jane-id"), nil, strings.Repeat("é", 1000), address)
	w.must(err)
	if sess.Agent != strings.Repeat("é", 200) {
		t.Errorf("a long one became %q", sess.Agent)
	}
}

func TestFormTokensAreTheSessionsOwn(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	janes, text := w.start("jane-id", nil)
	other, _ := w.start("jane-id", nil)
	johns, _ := w.start("john-id", nil)
	token := w.Token(janes)
	if !w.Holds(janes, token) || !w.Holds(w.resolved(text), token) {
		t.Error("a session's own token is not taken")
	}
	forged := *janes
	forged.User = "john-id"
	for name, sess := range map[string]*session.Session{"another of hers": other, "another's": johns, "of the same id": &forged} {
		if w.Holds(sess, token) {
			t.Errorf("a session (%s) takes it", name)
		}
	}
	for _, wrong := range []string{"", token[:len(token)-1], token + "A", strings.ToLower(token), janes.ID, text} {
		if w.Holds(janes, wrong) {
			t.Errorf("%q is taken", wrong)
		}
	}
	own := w.Keys[0]
	w.Keys = [][]byte{secret(32), own}
	if !w.Holds(janes, token) || w.Token(janes) == token {
		t.Error("a new key is not used beside the old one")
	}
	w.Keys = w.Keys[:1]
	if w.Holds(janes, token) {
		t.Error("a token under a key that is gone is taken")
	}
}

func TestAStoreThatFailsIsUnavailable(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	sess, text := w.start("jane-id", nil)
	who := w.who("jane-id")
	w.must(w.backend.Client.Close())
	_, resolveErr := w.Resolve(t.Context(), text, address)
	_, startText, startErr := w.Start(t.Context(), who, nil, agent, address)
	_, listErr := w.List(t.Context(), auth.Person("jane-id", "default"), "", "me")
	for call, err := range map[string]error{
		"Resolve": resolveErr, "Start": startErr, "List": listErr,
		"End":    w.End(t.Context(), auth.Person("jane-id", "default"), "", "me", sess.ID),
		"Logout": w.Logout(t.Context(), sess), "EndAll": w.EndAll(t.Context(), "jane-id", 100),
	} {
		if auth.CodeOf(err) != auth.Unavailable {
			t.Errorf("%s: %v", call, err)
		}
	}
	if startText != "" {
		t.Error("a session that may not exist has a text")
	}
}
