package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/audit"
)

func TestAnEventIsOneRecordWhateverItsText(t *testing.T) {
	var out bytes.Buffer
	log := audit.NewLog(slog.New(slog.NewJSONHandler(&out, nil)))
	ctx := audit.WithRequest(context.Background(), audit.Request{ID: "R1", Address: "192.0.2.7", Dialect: "native"})
	log.Record(ctx, audit.Event{
		Action: "user.create", Actor: "token:a\nlevel=ERROR", Org: "acme", Target: "user:\x1b[31mjane\u2028", Outcome: audit.Denied, Reason: "conflict",
	})
	if strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("one event became several lines: %q", out.String())
	}
	var got map[string]string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	want := map[string]string{
		"level": "WARN", "msg": "audit", "action": "user.create", "actor": "token:a\nlevel=ERROR", "org": "acme", "target": "user:\x1b[31mjane\u2028",
		"outcome": "denied", "reason": "conflict", "request_id": "R1", "address": "192.0.2.7", "dialect": "native",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSuccessIsInformationAndTheRestAWarning(t *testing.T) {
	var out bytes.Buffer
	log := audit.NewLog(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	log.Record(context.Background(), audit.Event{Action: "a", Outcome: audit.Success})
	log.Record(context.Background(), audit.Event{Action: "b", Outcome: audit.Failed})
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"action":"b"`) {
		t.Errorf("at level warn the log is %q", got)
	}
}
