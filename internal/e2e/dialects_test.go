package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// dialectPaths are routes of each dialect, and paths below its prefixes where it has none.
var dialectPaths = map[string][]string{
	"iblai": {
		"/dm", "/dm/api/core/users/platform-metadata/?platform_key=default", "/api/core/users/platform-metadata?platform_key=default",
		"/dm/nothing", "/openapi/iblai.json",
		"/lms/api/user/v1/me", "/edx/api/user/v1/accounts/?username=jane", "/lms/api/user/v1/accounts/jane",
		"/lms/api/user/v1/accounts/search_emails", "/edx/api/user/v1/preferences/jane/", "/lms/api/user/v1/preferences/jane/time_zone",
		"/lms/api/ibl/users/manage/metadata/?username=jane", "/lms", "/edx/nothing", "/api/ibl/nothing",
		"/api/user/v1/me", "/api/user/v1/accounts", "/api/user/v1/accounts/jane", "/api/user/v1/preferences/jane",
		"/api/user/v1/preferences/jane/time_zone/", "/api/ibl/users/manage/metadata?username=jane",
	},
	"sentinel": {"/app/all", "/auth/verify", "/user/profiles/1", "/operator/nothing", "/openapi/sentinel.json"},
	"zitadel": {
		"/management/v1/users/jane/metadata/theme", "/auth/v1/users/me/metadata/theme", "/v2/users/jane/nothing", "/openapi/zitadel.json",
		"/zitadel.user.v2.UserService/SetUserMetadata",
	},
}

// A dialect that is switched off has no routes, no prefixes and no document: what is below them is answered as any path is where there is
// nothing. The own API and the other dialects are as they were.
func TestDialectsThatAreOff(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"none", "iblai", "sentinel,zitadel"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			s := dev(t, "--dialects", on)
			unknown := s.get("/nothing", devOperator).want(t, http.StatusNotFound)
			listed := s.get("/openapi.json", "").want(t, http.StatusOK).body
			for name, paths := range dialectPaths {
				served := strings.Contains(on, name)
				if strings.Contains(listed, "/openapi/"+name+".json") != served {
					t.Errorf("/openapi.json and %s: %.200s", name, listed)
				}
				for _, path := range paths {
					answer := s.get(path, devOperator)
					asUnknown := answer.status == unknown.status && answer.header.Get("Content-Type") == unknown.header.Get("Content-Type") &&
						sameButTrace(answer.body, unknown.body)
					if asUnknown == served && path != "/api/core/users/platform-metadata?platform_key=default" {
						t.Errorf("%s of %s: %d %s", path, name, answer.status, answer.body)
					}
				}
			}
			if !strings.Contains(on, "iblai") { // what is left of its prefix is the own API's
				s.get("/api/core/users/platform-metadata", devOperator).want(t, http.StatusNotFound)
			}
			s.send(http.MethodPut, "/api/user/jane/metadata/theme", devOperator, `{"value":"dark","profileClaim":true}`).want(t, http.StatusOK)
			s.login("jane", devPassword).want(t, http.StatusOK)
		})
	}
}

// sameButTrace compares problems without their trace.
func sameButTrace(a, b string) bool {
	a, _, _ = strings.Cut(a, `"traceId"`)
	b, _, _ = strings.Cut(b, `"traceId"`)
	return a == b
}
