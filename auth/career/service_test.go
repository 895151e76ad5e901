package career_test

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// Every change is recorded, refused ones too.
func TestChangesAreRecorded(t *testing.T) {
	k := newKit(t)
	ctx, caller := t.Context(), k.jane
	named := map[string]jsontext.Value{"name": jsontext.Value(`"Initech"`)}
	made, err := k.Create(ctx, caller, org, "me", career.Companies, named)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Update(ctx, caller, org, "me", career.Companies, made.ID, named); err != nil {
		t.Error(err)
	}
	if _, err := k.Create(ctx, caller, org, "me", career.Companies, nil); err == nil {
		t.Error("a company without a name was made")
	}
	if err := k.Delete(ctx, caller, org, "bob", career.Companies, made.ID); auth.CodeOf(err) != auth.AccessDenied {
		t.Errorf("another's company: %v", err)
	}
	if err := k.Delete(ctx, caller, org, "me", career.Companies, made.ID); err != nil {
		t.Error(err)
	}
	done := func(action, target, outcome, reason string) audit.Event {
		return audit.Event{Action: action, Actor: "user:" + jane, Org: org, Target: target, Outcome: outcome, Reason: reason}
	}
	want := []audit.Event{
		done("career.create", "user:"+jane, audit.Success, ""),
		done("career.update", "user:"+jane, audit.Success, ""),
		done("career.create", "user:"+jane, audit.Denied, string(auth.InvalidRequest)),
		done("career.delete", "", audit.Denied, string(auth.AccessDenied)),
		done("career.delete", "user:"+jane, audit.Success, ""),
	}
	if diff := cmp.Diff(want, k.events.Take()); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}
