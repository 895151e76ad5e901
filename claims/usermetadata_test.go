package claims_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/claims"
)

// The wire is pinned: keys are sorted by their bytes, values are base64url without padding, and nothing stored ends the object.
func TestUserMetadataBytes(t *testing.T) {
	all := claims.UserMetadata{
		"b": []byte("1234"), "B": nil, "a": {0xff, 0xfe, 0xfd}, "é": []byte("x"), `iss":"evil`: []byte(`"},"sub":"admin"`), "\u2028\n": []byte("?>"),
	}
	const want = `"urn:zitadel:iam:user:metadata":{"B":"","a":"__79","b":"MTIzNA","iss\":\"evil":"In0sInN1YiI6ImFkbWluIg","é":"eA","` + "\u2028" + `\n":"Pz4"}`
	access, id := accessToken(), claims.IDToken{Subject: "jane", UserMetadata: all}
	access.UserMetadata = all
	info := claims.UserInfo{Subject: "jane", UserMetadata: all}
	theme := profileOf(pair{"theme", `1`})
	for name, got := range map[string]string{
		"access token": string(access.AppendJSON(nil, theme)), "ID token": string(id.AppendJSON(nil, theme)), "userinfo": string(info.AppendJSON(nil, theme)),
	} {
		if !strings.HasPrefix(got, `{"metadata_theme":1,`+want+`,`) {
			t.Errorf("%s: %s", name, got)
		}
		var members map[string]any
		if err := json.Unmarshal([]byte(got), &members); err != nil || members["sub"] != "jane" {
			t.Errorf("%s: %v, %v", name, members["sub"], err)
		}
	}
	if text, err := json.Marshal(all); err != nil || !json.Valid(text) {
		t.Errorf("%s, %v", text, err)
	}
	for _, none := range []claims.UserMetadata{nil, {}} {
		access.UserMetadata = none
		if got := string(access.AppendJSON(nil, nil)); strings.Contains(got, "zitadel") {
			t.Errorf("without entries: %s", got)
		}
	}
}

// A service reads the bytes that were stored.
func TestUserMetadataIsVerified(t *testing.T) {
	v := testVerifier(t)
	rapid.Check(t, func(t *rapid.T) {
		all := claims.UserMetadata(rapid.MapOfN(rapid.String(), rapid.SliceOf(rapid.Byte()), 1, 5).Draw(t, "entries"))
		token := accessToken()
		token.UserMetadata = all
		got, err := v.VerifyAccessToken(context.Background(), es256().access(string(token.AppendJSON(nil, nil))))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(token, got.AccessToken); diff != "" {
			t.Fatalf("-issued +verified:\n%s", diff)
		}
	})
}

// What the issuer would never write is refused.
func TestUserMetadataOfAnotherForm(t *testing.T) {
	v := testVerifier(t)
	for _, value := range []string{
		`"x"`, `[]`, `1`, `{"k":1}`, `{"k":"MQ=="}`, `{"k":"+/"}`, `{"k":"MR"}`, `{"k":"M\nQ"}`, `{"k":"MQ","k":"Mg"}`, `{"k":{}}`,
	} {
		refused(t, v, value, es256().access(payloadWith(t, pair{claims.UserMetadataClaim, value})), claims.ErrMalformed)
	}
	access, err := v.VerifyAccessToken(context.Background(), es256().access(payloadWith(t, pair{claims.UserMetadataClaim, `{"k":"MQ"}`})))
	if err != nil || string(access.UserMetadata["k"]) != "1" || access.Metadata.Has(claims.UserMetadataClaim) {
		t.Errorf("%+v, %v", access, err)
	}
}

func TestUserMetadataPassesAsJSON(t *testing.T) {
	all := claims.UserMetadata{"k": []byte("v"), "bytes": {0xff}}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var got claims.UserMetadata
	if err := json.Unmarshal(text, &got); err != nil || !cmp.Equal(all, got) {
		t.Errorf("%s became %v, %v", text, got, err)
	}
	if !strings.Contains(string(text), base64.RawURLEncoding.EncodeToString([]byte{0xff})) {
		t.Errorf("%s", text)
	}
}
