package session_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// However a session ends, it is gone with what was opened from it, but for what outlives it, and who wants to know is told (row S-03).
func TestEndingASession(t *testing.T) {
	for name, end := range map[string]func(w *world, sess *session.Session) error{
		"by the browser": func(w *world, sess *session.Session) error { return w.Logout(w.t.Context(), sess) },
		"by the user": func(w *world, sess *session.Session) error {
			return w.End(w.t.Context(), auth.Person("jane-id", "acme"), "", "me", sess.ID)
		},
		"by an operator": func(w *world, sess *session.Session) error {
			return w.End(w.t.Context(), auth.System(), "default", "jane", sess.ID)
		},
		"by another login": func(w *world, sess *session.Session) error { w.start("john-id", sess); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			redistest.Each(t, func(t *testing.T, b redistest.Backend) {
				w := newWorld(t, b)
				sess, text := w.start("jane-id", nil)
				other, otherText := w.start("jane-id", nil)
				told, again := w.open(sess, "default", "told", "openid"), w.open(sess, "default", "told", "openid profile")
				elsewhere := w.open(sess, "acme", "acme-app", "openid")
				silent, offline := w.open(sess, "default", "silent", "openid"), w.open(sess, "default", "told", "openid offline_access")
				disabled, gone := w.open(sess, "default", "disabled", "openid"), w.open(sess, "default", "gone", "openid")
				others := w.open(other, "default", "told", "openid")
				yes := true
				_, err := w.clients.Update(t.Context(), auth.System(), "", "disabled", nil, auth.ClientChange{Disabled: &yes})
				w.must(err)
				w.must(w.clients.Delete(t.Context(), auth.System(), "", "gone", nil))

				w.must(end(w, sess))
				w.wantGone(text)
				w.wantThere(otherText)
				for ref, want := range map[auth.FamilyRef]bool{
					told: false, again: false, elsewhere: false, silent: false, disabled: false, gone: false, offline: true, others: true,
				} {
					if w.live(ref) != want {
						t.Errorf("login %+v is live: %v", ref, !want)
					}
				}
				if w.ended != 1 {
					t.Errorf("somebody was called %d times", w.ended)
				}
				w.wantTold("told "+told.ID, "told "+again.ID, "told "+offline.ID, "acme-app "+elsewhere.ID)
				w.must(w.Logout(t.Context(), sess))
				w.wantTold()
			})
		})
	}
}

// What nobody wants to hear of is not spoken of.
func TestNobodyIsCalledForNothing(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	sess, _ := w.start("jane-id", nil)
	w.open(sess, "default", "silent", "openid")
	w.must(w.Logout(t.Context(), sess))
	if w.wantTold(); w.ended != 0 {
		t.Errorf("somebody was called %d times", w.ended)
	}
}

// While a session ends nothing can slip out of it: what was opened in the meantime ends as well, or is refused, and its client is told.
func TestOpeningWhileEnding(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b)
		for range 20 {
			sess, text := w.start("jane-id", nil)
			var mu sync.Mutex
			var opened []string
			var families []auth.FamilyRef
			var running sync.WaitGroup
			started := make(chan struct{}, 4)
			for range 4 {
				running.Go(func() {
					for n := range 45 { // all of them together are fewer than a session remembers
						ref, err := w.tryOpen(sess, "default", "told", "openid")
						if n == 0 {
							started <- struct{}{}
						}
						if err != nil {
							if auth.CodeOf(err) != auth.InvalidGrant {
								t.Error(err)
							}
							return
						}
						mu.Lock()
						opened, families = append(opened, "told "+ref.ID), append(families, ref)
						mu.Unlock()
					}
				})
			}
			for range 4 {
				<-started
			}
			err := w.Logout(t.Context(), sess)
			for auth.CodeOf(err) == auth.Unavailable { // so busy is no browser
				err = w.Logout(t.Context(), sess)
			}
			w.must(err)
			running.Wait()
			w.wantGone(text)
			for _, ref := range families {
				if w.live(ref) {
					t.Errorf("login %s of an ended session is live", ref.ID)
				}
			}
			w.wantTold(opened...)
		}
	})
}

func TestWhoMaySeeAndEndSessions(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	nothing := auth.Code("")
	for _, test := range []struct {
		name      string
		caller    *auth.Caller
		org, user string
		list, end auth.Code
	}{
		{"herself", auth.Person("jane-id", "default"), "", "me", nothing, nothing},
		{"herself, by name", auth.Person("jane-id", "default"), "", "jane", nothing, nothing},
		{"herself, in her other organisation", auth.Person("jane-id", "acme"), "", "me", nothing, nothing},
		{"herself, in another than she is logged in to", auth.Person("jane-id", "acme"), "default", "jane", auth.NotFound, auth.NotFound},
		{"another user", auth.Person("john-id", "default"), "", "jane", auth.NotFound, auth.NotFound},
		{"an administrator", auth.System(), "", "jane", nothing, nothing},
		{"her operator", w.operator("default", auth.RoleOperator), "", "jane", nothing, nothing},
		{"her reader", w.operator("default", auth.RoleReader), "", "jane", nothing, auth.AccessDenied},
		{"the operator of her other organisation", w.operator("acme", auth.RoleOperator), "", "jane", auth.NotFound, auth.NotFound},
		{"a foreign operator", w.operator("globex", auth.RoleOperator), "", "jane", auth.NotFound, auth.NotFound},
		{"a foreign operator, naming hers", w.operator("globex", auth.RoleOperator), "default", "jane", auth.NotFound, auth.NotFound},
		{"somebody who asks for nobody", auth.System(), "", "nobody", auth.NotFound, auth.NotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			sess, text := w.start("jane-id", nil)
			w.trail.Take("")
			list, err := w.List(t.Context(), test.caller, test.org, test.user)
			if auth.CodeOf(err) != test.list || (err == nil) != slices.ContainsFunc(list, func(s session.Session) bool { return s.ID == sess.ID }) {
				t.Errorf("list: %d sessions, %v", len(list), err)
			}
			err = w.End(t.Context(), test.caller, test.org, test.user, sess.ID)
			if auth.CodeOf(err) != test.end || (w.resolved(text) == nil) != (err == nil) {
				t.Errorf("end: %v", err)
			}
			org := test.org
			if org == "" {
				org = test.caller.HomeOrg()
			}
			want := audit.Event{Action: "session.end", Actor: test.caller.Ref(), Org: org, Target: "session:jane-id/" + sess.ID, Outcome: audit.Success}
			if _, err := w.Users.Find(t.Context(), test.caller, test.org, test.user); err != nil {
				want.Target = "" // whose it is was not found out
			}
			if err != nil {
				want.Outcome, want.Reason = audit.Denied, string(test.end)
			}
			if diff := cmp.Diff([]audit.Event{want}, w.trail.Take("session.end")); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
		})
	}
}

func TestThereIsNoSuchSession(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	sess, text := w.start("jane-id", nil)
	johns, johnsText := w.start("john-id", nil)
	jane := auth.Person("jane-id", "default")
	for _, id := range []string{"", "x", johns.ID, text, sess.ID + "A", "AAAAAAAAAAAAAAAA", "../" + sess.ID} {
		w.wantCode(w.End(t.Context(), jane, "", "me", id), auth.NotFound)
	}
	for _, e := range w.trail.Take("session.end") {
		if e.Target != "" && e.Target != "session:jane-id/"+johns.ID && e.Target != "session:jane-id/AAAAAAAAAAAAAAAA" {
			t.Errorf("recorded %+v", e)
		}
	}
	w.wantThere(text)
	w.wantThere(johnsText)
	w.must(w.End(t.Context(), jane, "", "me", sess.ID))
	w.wantCode(w.End(t.Context(), jane, "", "me", sess.ID), auth.NotFound)
}

func TestListsAreInOrderOfUse(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	texts := map[string]string{}
	for range 3 {
		sess, text := w.start("jane-id", nil)
		texts[sess.ID] = text
		w.clock.Advance(time.Minute)
	}
	order := func() (ids []string) {
		t.Helper()
		list, err := w.List(t.Context(), auth.Person("jane-id", "default"), "", "me")
		w.must(err)
		for _, s := range list {
			ids = append(ids, s.ID)
		}
		return ids
	}
	before := order()
	w.wantThere(texts[before[2]])
	if diff := cmp.Diff([]string{before[2], before[0], before[1]}, order()); diff != "" {
		t.Errorf("after using the last (-want +got):\n%s", diff)
	}
}

// Whatever ends everything issued to a user also ends his sessions and tells the clients, and says so when it could not.
func TestWhatEndsWithAUser(t *testing.T) {
	yes := true
	password := func(caller *auth.Caller) func(w *world) error {
		return func(w *world) error {
			p := auth.NewPassword{Password: "another of her own", Current: "correct horse jane"}
			return w.Users.SetPassword(w.t.Context(), caller, "", "jane", p)
		}
	}
	for name, change := range map[string]func(w *world) error{
		"a new password":          password(auth.System()),
		"a new password, her own": password(auth.Person("jane-id", "default")),
		"disabling": func(w *world) error {
			_, err := w.Users.Update(w.t.Context(), auth.System(), "", "jane", nil, auth.UserChange{Disabled: &yes})
			return err
		},
		"leaving": func(w *world) error {
			_, err := w.Users.Update(w.t.Context(), auth.System(), "", "jane", nil, auth.UserChange{Orgs: &[]string{"default"}})
			return err
		},
		"deletion":          func(w *world) error { return w.Users.Delete(w.t.Context(), auth.System(), "", "jane", nil) },
		"ending everything": func(w *world) error { return w.Users.EndEverything(w.t.Context(), auth.System(), "", "jane") },
		"ending everything herself": func(w *world) error {
			return w.Users.EndEverything(w.t.Context(), auth.Person("jane-id", "acme"), "", "me")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, redistest.Embedded(t))
			one, oneText := w.start("jane-id", nil)
			two, twoText := w.start("jane-id", nil)
			johns, johnsText := w.start("john-id", nil)
			logins := []auth.FamilyRef{
				w.open(one, "default", "told", "openid"), w.open(two, "acme", "acme-app", "openid"),
				w.open(two, "default", "told", "openid offline_access"), w.open(two, "default", "silent", "openid"),
			}
			his := w.open(johns, "default", "told", "openid")
			w.must(change(w))
			w.wantGone(oneText)
			w.wantGone(twoText)
			w.wantThere(johnsText)
			for _, ref := range logins {
				if w.live(ref) {
					t.Errorf("login %+v is live", ref)
				}
			}
			if !w.live(his) {
				t.Error("another's login ended")
			}
			w.wantTold("told "+logins[0].ID, "acme-app "+logins[1].ID, "told "+logins[2].ID)
			if all, err := w.store.Sessions(t.Context(), "jane-id"); err != nil || len(all) != 0 {
				t.Errorf("the store has %+v, %v", all, err)
			}
		})
	}
	for name, change := range map[string]auth.UserChange{
		"a new name": {Username: ptr("janet")}, "enabling": {Disabled: new(bool)}, "the same organisations": {Orgs: &[]string{"default", "acme"}},
		"one more organisation": {Orgs: &[]string{"default", "acme", "globex"}},
	} {
		t.Run("not "+name, func(t *testing.T) {
			w := newWorld(t, redistest.Embedded(t))
			_, text := w.start("jane-id", nil)
			_, err := w.Users.Update(t.Context(), auth.System(), "", "jane", nil, change)
			w.must(err)
			w.wantThere(text)
		})
	}
}

func ptr[T any](v T) *T { return &v }

// A change whose sessions could not be ended is repeated until they are: its clients are told in the end.
func TestEndingIsRepeatable(t *testing.T) {
	yes := true
	for name, change := range map[string]func(w *world) error{
		"disabling": func(w *world) error {
			_, err := w.Users.Update(w.t.Context(), auth.System(), "", "jane", nil, auth.UserChange{Disabled: &yes})
			return err
		},
		"leaving": func(w *world) error {
			_, err := w.Users.Update(w.t.Context(), auth.System(), "", "jane", nil, auth.UserChange{Orgs: &[]string{"default"}})
			return err
		},
		"deletion": func(w *world) error { return w.Users.Delete(w.t.Context(), auth.System(), "", "jane", nil) },
		"a new password": func(w *world) error {
			return w.Users.SetPassword(w.t.Context(), auth.System(), "", "jane", auth.NewPassword{Password: "another of her own"})
		},
		"ending everything": func(w *world) error { return w.Users.EndEverything(w.t.Context(), auth.System(), "", "jane") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, redistest.Embedded(t))
			sess, text := w.start("jane-id", nil)
			login := w.open(sess, "default", "told", "openid")
			w.Registry.ClientStore = failing{w.store}
			w.Registry.Forget()
			w.wantCode(change(w), auth.Unavailable)
			w.wantGone(text)
			if w.live(login) {
				t.Error("the login is live")
			}
			w.wantTold()
			w.Registry.ClientStore = w.store
			w.must(change(w))
			w.wantTold("told " + login.ID)
		})
	}
}

// failing cannot read clients.
type failing struct{ auth.ClientStore }

func (failing) Client(_ context.Context, id string) (auth.Client, error) {
	return auth.Client{}, &auth.Error{Code: auth.Unavailable, Err: fmt.Errorf("reading %s", id)}
}

// A login under the new password is not ended by what the change of the password still has to do.
func TestTheNewLoginStays(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	_, old := w.start("jane-id", nil)
	w.Users.Sessions = nil
	w.must(w.Users.EndEverything(t.Context(), auth.System(), "", "jane"))
	sess, fresh := w.start("jane-id", nil)
	if list, err := w.List(t.Context(), auth.System(), "", "jane"); err != nil || len(list) != 1 || list[0].ID != sess.ID {
		t.Errorf("the list has %+v, %v", list, err)
	}
	w.must(w.EndAll(t.Context(), "jane-id", w.who("jane-id").Epoch))
	w.wantGone(old)
	w.wantThere(fresh)
	if all, err := w.store.Sessions(t.Context(), "jane-id"); err != nil || len(all) != 1 {
		t.Errorf("the store has %+v, %v", all, err)
	}
}

func TestEndingEverythingIsForHimselfAndHisOperator(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	for name, test := range map[string]struct {
		caller *auth.Caller
		want   auth.Code
	}{
		"another user":                           {auth.Person("john-id", "default"), auth.NotFound},
		"her reader":                             {w.operator("default", auth.RoleReader), auth.AccessDenied},
		"the operator of her other organisation": {w.operator("acme", auth.RoleOperator), auth.NotFound},
		"her operator":                           {w.operator("default", auth.RoleOperator), ""},
		"herself":                                {auth.Person("jane-id", "default"), ""},
	} {
		_, text := w.start("jane-id", nil)
		w.trail.Take("")
		err := w.Users.EndEverything(t.Context(), test.caller, "", "jane")
		if auth.CodeOf(err) != test.want || (err == nil) != (w.resolved(text) == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if e := w.trail.Take("user.logout"); len(e) != 1 || e[0].Actor != test.caller.Ref() || (e[0].Outcome == audit.Success) != (err == nil) {
			t.Errorf("%s: recorded %+v", name, e)
		}
	}
}
