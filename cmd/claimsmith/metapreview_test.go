package main

import (
	"net/http"
	"testing"
)

// A past revision is shown with what the organisation lays down now, or did at a revision of its own.
func TestMetaPreviewOfThePast(t *testing.T) {
	c := newCommandLine(t, "meta", "preview")
	for _, value := range []string{`"old"`, `"new"`} {
		c.world.put("/api/user/jane/metadata/own", adminToken, `{"value":`+value+`,"profileClaim":true}`).want(t, http.StatusOK)
		c.world.put("/api/user/jane/metadata/own?app=login", adminToken, `{"value":`+value+`,"profileClaim":true}`).want(t, http.StatusOK)
		c.world.put("/api/org/default/metadata/shared", adminToken, `{"value":`+value+`,"profileClaim":true}`).want(t, http.StatusOK)
	}
	said := func(args ...string) map[string]any {
		t.Helper()
		shown := answer{body: c.must(append([]string{"jane", "-o", "json"}, args...)...)}.json(t)
		return shown["tokens"].(map[string]any)["access_token"].(map[string]any)["claims"].(map[string]any)
	}
	for _, tt := range []struct {
		own, shared string
		args        []string
	}{
		{"old", "new", []string{"--revision", "1"}},
		{"old", "old", []string{"--revision", "1", "--org-revision", "1"}},
		{"new", "old", []string{"--org-revision", "1"}},
		{"old", "new", []string{"--client", "login", "--app-revision", "1"}},
		{"new", "", []string{"--org-revision", "0"}},
	} {
		claims := said(tt.args...)
		if shared, _ := claims["metadata_shared"].(string); claims["metadata_own"] != tt.own || shared != tt.shared {
			t.Errorf("%v: %v", tt.args, claims)
		}
	}
	c.refused(2, "the past cannot be changed", "jane", "--org-revision", "0", "--set", "a=b")
}
