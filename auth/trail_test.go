package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

var trailKeys = [][]byte{[]byte("a key of the trail's tests")}

// newTrail returns a trail whose installation chain has these events, and what records more.
func newTrail(t *testing.T, entries func(record func(at time.Time, e audit.Event))) (*auth.Trail, *audit.Recorder) {
	t.Helper()
	store := redisstore.NewAudit(&durable.Runner{Client: redistest.Embedded(t).Client}, keyspace.New(16))
	now := trailBegin
	r := audit.NewRecorder(audit.Config{
		Store: store, Log: audit.NewLog(slog.New(slog.DiscardHandler)), Keys: trailKeys, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return now },
	})
	entries(func(at time.Time, e audit.Event) {
		now = at
		r.Record(t.Context(), e)
	})
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &auth.Trail{Store: store, Keys: trailKeys, Audit: r, Now: func() time.Time { return now }}, r
}

var trailBegin = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

// all pages through a list and returns the targets, and how many pages it took.
func allEvents(t *testing.T, trail *auth.Trail, f auth.TrailFilter, limit int) (targets []string, pages int) {
	t.Helper()
	for p := (auth.Page{Limit: limit}); ; pages++ {
		events, next, err := trail.List(t.Context(), auth.System(), "", f, p)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) > limit {
			t.Errorf("a page of %d has %d events", limit, len(events))
		}
		for _, e := range events {
			targets = append(targets, e.Target)
		}
		if next == "" {
			return targets, pages + 1
		}
		p.After = next
	}
}

func eachEvent(t *testing.T, trail *auth.Trail, f auth.TrailFilter) (targets []string) {
	t.Helper()
	err := trail.Each(t.Context(), auth.System(), "", f, func(e audit.Entry) error {
		targets = append(targets, e.Target)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return targets
}

func TestTrailFilters(t *testing.T) {
	hour := func(n int) time.Time { return trailBegin.Add(time.Duration(n) * time.Hour) }
	trail, _ := newTrail(t, func(record func(time.Time, audit.Event)) {
		record(hour(0), audit.Event{Action: "user.create", Actor: "token:a", Target: "user:0", Outcome: audit.Success})
		record(hour(1), audit.Event{Action: "user.update", Actor: "token:b", Target: "user:1", Outcome: audit.Denied, Reason: "not_found"})
		record(hour(2), audit.Event{Action: "user", Actor: "token:a", Target: "user:2", Outcome: audit.Success})
		record(hour(100), audit.Event{Action: "client.create", Actor: "token:a", Target: "user:3", Outcome: audit.Failed})
		record(hour(80), audit.Event{Action: "user.update", Actor: "token:", Target: "user:4", Outcome: audit.Success}) // it had to wait
		record(hour(300), audit.Event{Action: "users", Actor: "token:a", Target: "user:5", Outcome: audit.Success})
	})
	for _, c := range []struct {
		f    auth.TrailFilter
		want string
	}{
		{auth.TrailFilter{}, "012345"},
		{auth.TrailFilter{Actor: "token:a"}, "0235"},
		{auth.TrailFilter{Actor: "token:"}, "4"}, // whole, not a beginning
		{auth.TrailFilter{Target: "user:3"}, "3"},
		{auth.TrailFilter{Target: "user"}, ""},
		{auth.TrailFilter{Action: "user.update"}, "14"},
		{auth.TrailFilter{Action: "user."}, "014"},
		{auth.TrailFilter{Action: "user"}, "2"},
		{auth.TrailFilter{Action: "."}, ""},
		{auth.TrailFilter{Action: "*"}, ""},
		{auth.TrailFilter{Outcome: audit.Success}, "0245"},
		{auth.TrailFilter{Outcome: audit.Success, Action: "user.", Actor: "token:a"}, "0"},
		{auth.TrailFilter{From: hour(1)}, "12345"},
		{auth.TrailFilter{From: hour(1).Add(time.Microsecond)}, "2345"},
		{auth.TrailFilter{To: hour(1)}, "0"},
		{auth.TrailFilter{From: hour(1), To: hour(2)}, "1"},
		{auth.TrailFilter{From: hour(80), To: hour(81)}, "4"},
		{auth.TrailFilter{From: hour(99)}, "35"},
		{auth.TrailFilter{To: hour(81)}, "0124"},
		{auth.TrailFilter{To: hour(0)}, ""},
		{auth.TrailFilter{From: hour(301)}, ""},
		{auth.TrailFilter{To: hour(-100)}, ""},
		{auth.TrailFilter{From: hour(1000)}, ""},
	} {
		var want []string
		for _, n := range c.want {
			want = append(want, "user:"+string(n))
		}
		if diff := cmp.Diff(want, eachEvent(t, trail, c.f)); diff != "" {
			t.Errorf("Each %+v:\n%s", c.f, diff)
		}
		slices.Reverse(want)
		for _, limit := range []int{1, 2, 100} {
			got, _ := allEvents(t, trail, c.f, limit)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("List %+v by %d:\n%s", c.f, limit, diff)
			}
		}
	}
}

// A page costs no more than so many entries, however few are selected, and paging on finds all of them.
func TestTrailPagesAreBounded(t *testing.T) {
	const n = 12_345
	trail, recorder := newTrail(t, func(record func(time.Time, audit.Event)) {
		for i := range n {
			record(trailBegin.Add(time.Duration(i)*time.Minute), audit.Event{Action: "a", Target: fmt.Sprint(i), Outcome: audit.Success})
		}
	})
	for target, pages := range map[string]int{"0": 3, "12344": 3, "nobody": 3} {
		got, took := allEvents(t, trail, auth.TrailFilter{Target: target}, 200)
		if took != pages || len(got) > 1 || len(got) == 0 != (target == "nobody") {
			t.Errorf("%s: %q on %d pages, want %d", target, got, took, pages)
		}
	}
	got, pages := allEvents(t, trail, auth.TrailFilter{}, 200)
	if len(got) != n || pages != n/200+1 || got[0] != "12344" || got[n-1] != "0" {
		t.Errorf("%d events on %d pages", len(got), pages)
	}
	// What is far from the end of the list is found without reading all that is behind it.
	filter := auth.TrailFilter{From: trailBegin.Add(time.Hour), To: trailBegin.Add(2 * time.Hour)}
	if got, pages := allEvents(t, trail, filter, 200); len(got) != 60 || pages != 1 {
		t.Errorf("%d events on %d pages", len(got), pages)
	}
	// New events do not move the pages that follow.
	first, next, err := trail.List(t.Context(), auth.System(), "", auth.TrailFilter{}, auth.Page{Limit: 2})
	if err != nil || len(first) != 2 {
		t.Fatal(first, err)
	}
	recorder.Record(t.Context(), audit.Event{Action: "b", Outcome: audit.Success})
	if err := recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, _, err := trail.List(t.Context(), auth.System(), "", auth.TrailFilter{}, auth.Page{After: next, Limit: 2})
	if err != nil || len(second) != 2 || second[0].Seq != first[1].Seq-1 {
		t.Errorf("%+v, then %+v (%v)", first, second, err)
	}
	for _, after := range []string{"0", "-1", "x", "1.5", "99999999999999999999999"} {
		_, _, err := trail.List(t.Context(), auth.System(), "", auth.TrailFilter{}, auth.Page{After: after, Limit: 2})
		if auth.CodeOf(err) != auth.InvalidRequest {
			t.Errorf("from %q: %v", after, err)
		}
	}
}

func TestTrailStopsWhenItsReaderDoes(t *testing.T) {
	trail, _ := newTrail(t, func(record func(time.Time, audit.Event)) {
		for range 10 {
			record(trailBegin, audit.Event{Action: "a", Outcome: audit.Success})
		}
	})
	enough, seen := errors.New("enough"), 0
	err := trail.Each(context.Background(), auth.System(), "", auth.TrailFilter{}, func(audit.Entry) error {
		seen++
		if seen == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || seen != 3 {
		t.Errorf("%d events (%v)", seen, err)
	}
}

// What names no organisation is none, for administrators too.
func TestTrailOfNoOrganisation(t *testing.T) {
	trail, _ := newTrail(t, func(func(time.Time, audit.Event)) {})
	for _, org := range []string{"-", "a:b", "{1}", "A", strings.Repeat("a", 64), "../x"} {
		_, _, err := trail.List(t.Context(), auth.System(), org, auth.TrailFilter{}, auth.Page{Limit: 1})
		each := trail.Each(t.Context(), auth.System(), org, auth.TrailFilter{}, func(audit.Entry) error { return nil })
		_, verify := trail.Verify(t.Context(), auth.System(), org)
		for _, err := range []error{err, each, verify} {
			if auth.CodeOf(err) != auth.NotFound {
				t.Errorf("%q: %v", org, err)
			}
		}
	}
}

func TestWhatIsKept(t *testing.T) {
	for _, c := range []struct {
		action, outcome, reason string
		want                    bool
	}{
		{"token.password", audit.Success, "", true},
		{"token.authorization_code", audit.Success, "", true},
		{"token.refresh_token", audit.Success, "", false},
		{"token.refresh_token", audit.Failed, "unavailable", false},
		{"token.refresh_token", audit.Denied, "replay", true},
		{"token.client_credentials", audit.Success, "", false},
		{"token.client_credentials", audit.Denied, "invalid_client", true},
		{"token." + auth.GrantTokenExchange, audit.Success, "", false},
		{"token." + auth.GrantDeviceCode, audit.Success, "", true},
		{"token." + auth.GrantDeviceCode, audit.Denied, "authorization_pending", false},
		{"token." + auth.GrantDeviceCode, audit.Denied, "slow_down", false},
		{"token." + auth.GrantDeviceCode, audit.Denied, "access_denied", true},
		{"token.create", audit.Success, "", true},
		{"user.update", audit.Failed, "unavailable", true},
	} {
		if got := auth.Kept(audit.Event{Action: c.action, Outcome: c.outcome, Reason: c.reason}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
