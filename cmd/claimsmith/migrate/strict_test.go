package migrate_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/cmd/claimsmith/migrate"
)

// keycloakPassword is a user with a password of this secret and data.
func keycloakPassword(secret, data string) string {
	return fmt.Sprintf(`{"users":[{"id":"u","username":"u","credentials":[{"type":"password","secretData":%q,"credentialData":%q}]}]}`, secret, data)
}

func TestRecordsThatCannotBeUnderstoodAreRefused(t *testing.T) {
	for _, tt := range []struct{ system, file, want string }{
		{migrate.Auth0, `{"email":"a@example.com"}`, "user_id: is missing"},
		{migrate.Auth0, `{"user_id":7}`, "user_id: must be a text"},
		{migrate.Auth0, `{"user_id":"auth0|1","email_verified":"yes"}`, "email_verified: must be true or false"},
		{migrate.Auth0, `{"user_id":"auth0|1","app_metadata":[]}`, "app_metadata: must be an object"},
		{migrate.Auth0, `{"user_id":"auth0|1","user_id":"auth0|2"}`, "no JSON"},
		{migrate.Auth0, `{"user_id":"auth0|1"`, "no JSON"},
		{migrate.Auth0, `["a"]`, "must be an object"},
		{migrate.Auth0, `{"user_id":"auth0|1","username":"a@b","email":"a@example.com"}`, "nothing he could log in by"},
		{migrate.Auth0, `{"user_id":"auth0|1","name":"` + strings.Repeat("x", migrate.MaxRecord) + `"}`, "2097152 bytes"},
		{migrate.Auth0, `[{"user_id":"auth0|1","name":"` + strings.Repeat("x", migrate.MaxRecord) + `"}]`, "2097152 bytes"},
		{migrate.Supabase, `{"id":"1","banned_until":"tomorrow"}`, `banned_until: "tomorrow" is no time`},
		{migrate.Supabase, `{"id":"1","is_super_admin":"maybe"}`, "is_super_admin: must be true or false"},
		{migrate.Supabase, `{"id":"1","raw_app_meta_data":"{"}`, "raw_app_meta_data: no JSON"},
		{migrate.Supabase, "id,email\n1\n", "1 columns, the first line has 2"},
		{migrate.Supabase, "email,id\na@example.com,\n", "id: is missing"},
		{migrate.Keycloak, `{"users":[{"id":"u","username":"u","attributes":{"a":"b"}}]}`, "attributes.a: must be a list"},
		{migrate.Keycloak, `{"users":[{"id":"u","username":"u","attributes":{"a":[1]}}]}`, "attributes.a: must be a list of texts"},
		{migrate.Keycloak, `{"users":[{"id":"u"}]}`, "username: is missing"},
		{migrate.Keycloak, `{"users":["u"]}`, "must be an object"},
		{migrate.Keycloak, keycloakPassword(`{"value":"AAAA","salt":"AAAA"}`, `{"algorithm":"pbkdf2-sha256"}`), "hashIterations: must be a whole number"},
		{migrate.Keycloak, keycloakPassword(`{"value":"!","salt":"AAAA"}`, `{"algorithm":"pbkdf2-sha256","hashIterations":1}`), "no base64"},
		{migrate.Keycloak, keycloakPassword(`{"value":"AAAA","salt":"AAAA"}`, `{"algorithm":"argon2","hashIterations":1,"additionalParameters":{"version":["1.0"]}}`), "argon2 of version 1.0"},
		{migrate.Keycloak, keycloakPassword(`{"value":"AAAA","salt":"AAAA"}`, `{"algorithm":"argon2","hashIterations":1,"additionalParameters":{"version":["1.3"],"type":["id"]}}`), "must have one value"},
		{migrate.Keycloak, keycloakPassword(``, `{}`), "secretData: no JSON"},
		{migrate.Zitadel, `{"orgs":[{"orgId":"1","humanUsers":[{"userId":"1","user":{"email":"x"}}]}]}`, "user.email: must be an object"},
		{migrate.Zitadel, `{"orgs":[{"orgId":"1","humanUsers":[{"userId":"1","user":{}}],"userMetadata":[{"id":"1","key":"k","value":"?"}]}]}`, "the value of k is no base64"},
		{migrate.IBL, `{"username":"a","metadata":{}}`, "platform_key: is missing"},
		{migrate.IBL, `{"platform_key":"p"}`, "username: is missing"},
		{migrate.IBL, `{"username":"a","platform_key":"p","metadata":[]}`, "metadata: must be an object"},
		{migrate.Sentinel, `{"username":"a"}`, "user_id: is missing"},
		{migrate.Sentinel, `{"user_id":"1","password_hash":"x"}`, "password_hash and hash_algorithm belong together"},
		{migrate.Sentinel, `{"user_id":"1","profiles":[{"app_id":1,"profile_data":{},"user_id":"2"}]}`, "one is about the user 2"},
		{migrate.Sentinel, `{"user_id":"1","profiles":[{"app_id":1}]}`, "profile_data is missing"},
		{migrate.Sentinel, `{"user_id":"1","profiles":[{"app_id":"one","profile_data":1}]}`, "app_id: must be a whole number"},
		{migrate.Sentinel, `{"user_id":"1","profiles":[{"app_id":1,"profile_data":{"a":{"b":1,"B":2}}}]}`, "differ only in case"},
	} {
		lines, _ := told(t, tt.system, tt.file, migrate.Options{Apps: map[string]string{"1": "shop"}}, "")
		if len(lines) != 1 || !strings.Contains(lines[0], " refused: ") || !strings.Contains(lines[0], tt.want) {
			t.Errorf("%.200s of %s: %.300q, want %q", tt.file, tt.system, lines, tt.want)
		}
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	for _, tt := range []struct{ system, file, want string }{
		{migrate.Supabase, "", "names the columns"},
		{migrate.Supabase, "email\na@example.com\n", "there is no id"},
		{migrate.Supabase, "id,id\n", "is there twice"},
		{migrate.Zitadel, `{"orgs":[`, "no JSON"},
		{migrate.Zitadel, `{"orgs":[{"orgId":"1","humanUsers":[{}]},{"orgId":"2","humanUsers":[{}]}]}`, "--from 1"},
		{"unknown", "", "no reader"},
	} {
		if _, err := migrate.Open(tt.system, strings.NewReader(tt.file), migrate.Options{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q of %s: %v", tt.file, tt.system, err)
		}
	}
	if _, err := migrate.Open(migrate.Zitadel, io.MultiReader(), migrate.Options{}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Error(err)
	}
	if lines, _ := told(t, migrate.Keycloak, `[{"realm":"a","users":[]}]`, migrate.Options{}, ""); len(lines) != 1 || !strings.Contains(lines[0], "not the export of one realm") {
		t.Error(lines)
	}
	for _, file := range []string{`{"users":[{"id":"u","username":"u"}`, `{"users":[{"id":"u","username":"u"}]`, `{"users":[{"id":"u","username":"u"},}`} {
		lines, _ := told(t, migrate.Keycloak, file, migrate.Options{}, "")
		if len(lines) != 2 || !strings.HasPrefix(lines[1], "end: this cannot be read from byte ") {
			t.Errorf("%s: %q", file, lines)
		}
	}
}

func TestOneOrganisationOfSeveral(t *testing.T) {
	file := `{"timeout":"10m","data_orgs":{"orgs":[
		{"org_id":"1","human_users":[{"user_id":"11","user":{"user_name":"anna","email":{"email":"a@example.com","is_email_verified":true}}}],"user_metadata":[{"id":"11","key":"k","value":"YQ=="}]},
		{"orgId":"2","userMetadata":[{"id":"21","key":"k","value":"Yg=="}],"humanUsers":[{"userId":"21","user":{"userName":"bert"}}]}]}}`
	for from, want := range map[string]string{
		"1": `1 {"id":"11","username":"anna","email":"a@example.com","email_verified":true,"metadata":[{"key":"k","value":"a"}]} / 2 passed: users of the organisation 2`,
		"2": `1 passed: users of the organisation 1 / 2 {"id":"21","username":"bert","metadata":[{"key":"k","value":"b"}]}`,
	} {
		lines, _ := told(t, migrate.Zitadel, file, migrate.Options{From: from}, "")
		if got := strings.Join(lines, " / "); got != want {
			t.Errorf("from %s: %s", from, got)
		}
	}
}

// endless is a realm of many users, made while it is read.
func endless(users int) io.Reader {
	r, w := io.Pipe()
	go func() {
		_, err := io.WriteString(w, `{"realm":"big","users":[`)
		for n := range users {
			if err == nil {
				comma := ","
				if n == 0 {
					comma = ""
				}
				_, err = fmt.Fprintf(w, `%s{"id":"u%d","username":"u%d","attributes":{"text":[%q]}}`, comma, n, n, strings.Repeat("x", 1000))
			}
		}
		if err == nil {
			_, err = io.WriteString(w, `],"clients":[]}`)
		}
		w.CloseWithError(err)
	}()
	return r
}

func TestAnExportOfAnyLengthTakesLittleMemory(t *testing.T) {
	const users = 30_000 // of one kilobyte
	r, err := migrate.Open(migrate.Keycloak, endless(users), migrate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var most uint64
	count := 0
	for ; ; count++ {
		record, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || record.Refused != nil {
			t.Fatal(err, record.Refused)
		}
		if count%10_000 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
	if count != users || most > 16<<20 {
		t.Errorf("%d users, %d bytes of memory", count, most)
	}
}
