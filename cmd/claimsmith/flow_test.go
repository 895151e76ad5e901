package main

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

func decodeSegment(t testing.TB, segment string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func jsonNumber(s string) any { return json.Number(s) }

// The main job: an operator stores an entry, the user logs in, the token carries it; the next refresh shows what changed since.
func TestMetadataBecomesClaims(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		w.put("/api/user/"+janeMail+"/metadata/theme", adminToken, `{"value":"Dark Mode","profileClaim":true}`).want(t, 200)
		w.put("/api/user/jane/metadata/level", adminToken, `{"value":9007199254740993,"profileClaim":true}`).want(t, 200)
		w.put("/api/user/jane-id/metadata/note", adminToken, `{"value":"private"}`).want(t, 200)

		tokens := w.login()
		for _, name := range []string{"access_token", "id_token"} {
			got := claimsOf(t, tokens.text(t, name))
			metadata := map[string]any{}
			for claim, value := range got {
				if len(claim) > 9 && claim[:9] == "metadata_" {
					metadata[claim] = value
				}
			}
			want := map[string]any{"metadata_theme": "Dark Mode", "metadata_level": jsonNumber("9007199254740993")}
			if diff := cmp.Diff(want, metadata); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}

		w.send(http.MethodDelete, "/api/user/jane/metadata/theme", adminToken, "").want(t, 204)
		refreshed := claimsOf(t, w.refresh(tokens.text(t, "refresh_token")).want(t, 200).text(t, "access_token"))
		if _, still := refreshed["metadata_theme"]; still {
			t.Error("a deleted entry is in the refreshed token")
		}
		if refreshed["metadata_level"] != jsonNumber("9007199254740993") {
			t.Errorf("metadata_level is %v", refreshed["metadata_level"])
		}
	})
}
