package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// spokenBy is a flow of one dialect on a document of two entries, the first of them a claim, after which the second is another and the claim is
// what it was.
func spokenBy(name, want string, send func(w *world, user string) answer, repeated ...int) flow {
	return flow{
		name: name, prepare: withEntries, repeated: repeated,
		do: func(w *world, user, _ string) answer {
			a := send(w, user)
			if a.status == http.StatusServiceUnavailable {
				a.envelope(w.t)
			}
			return a
		},
		check: document(want),
	}
}

// envelope fails unless an error looks as those of its dialect do: none is a problem of the native API.
func (a answer) envelope(t testing.TB) {
	t.Helper()
	if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") || strings.Contains(a.body, "traceId") {
		t.Errorf("%d as %s: %s", a.status, kind, a.body)
	}
}

const (
	changedB = `{"key":"a","value":1,"profileClaim":true},{"key":"b","value":3,"profileClaim":false}`
	textB    = `{"key":"a","value":1,"profileClaim":true},{"key":"b","value":"3","profileClaim":false}`
	withoutB = `{"key":"a","value":1,"profileClaim":true}`
)

func platformOf(user string) string {
	return platformPaths[0] + "?platform_key=default&username=" + user
}

// appFlow is one of Sentinel's on the profile of a user for a numbered application.
func appFlow(name string, send func(w *world, user, number string) answer, count int) flow {
	return flow{
		name: name,
		prepare: func(d *world, user string) string {
			withoutPassword(d, user)
			if a := d.post("/api/client", adminToken, `{"client_id":"fault-app"}`); a.status != http.StatusCreated && a.status != http.StatusConflict {
				d.t.Fatalf("%d %s", a.status, a.body)
			}
			for n := 1; n < count; n++ {
				withoutPassword(d, user+"-"+strings.Repeat("x", n))
			}
			return d.numberOf("fault-app", "default")
		},
		do: func(w *world, user, number string) answer {
			a := send(w, user, number)
			if a.status == http.StatusServiceUnavailable {
				a.envelope(w.t)
			}
			return a
		},
		check: func(t *testing.T, d *world, user, number string, _ answer, _ bool) {
			for n := range count {
				of := user
				if n > 0 {
					of += "-" + strings.Repeat("x", n)
				}
				a := d.get("/api/user/"+of+"/metadata?app=fault-app", adminToken).want(t, http.StatusOK)
				if a.body != `{"metadata":[{"key":"k","value":{"deep":1.50},"profileClaim":false}]}` {
					t.Errorf("%s has %s", of, a.body)
				}
			}
		},
	}
}

// dialectFlows are those of the dialects whose interruption is tested (row F-01).
var dialectFlows = append([]flow{
	spokenBy("ibl.ai PATCH", changedB, func(w *world, user string) answer {
		return w.patch(platformOf(user), adminToken, `{"metadata":{"b":3}}`)
	}),
	spokenBy("ibl.ai PUT", changedB, func(w *world, user string) answer {
		return w.put(platformOf(user), adminToken, `{"metadata":{"a":1,"b":3}}`)
	}),
	spokenBy("ibl.ai DELETE", "", func(w *world, user string) answer { return w.delete(platformOf(user), adminToken) }),
	spokenBy("Zitadel v1 set", textB, func(w *world, user string) answer {
		return w.post("/management/v1/users/"+user+"/metadata/b", adminToken, `{"value":"Mw=="}`)
	}),
	spokenBy("Zitadel v1 bulk remove", withoutB, func(w *world, user string) answer {
		return w.send(http.MethodDelete, "/management/v1/users/"+user+"/metadata/_bulk", adminToken, `{"keys":["b"]}`)
	}, http.StatusNotFound),
	spokenBy("Zitadel v2 set", textB, func(w *world, user string) answer {
		return w.post("/v2/users/"+user+"/metadata", adminToken, `{"metadata":[{"key":"b","value":"Mw=="}]}`)
	}),
	spokenBy("Zitadel v2 delete", withoutB, func(w *world, user string) answer {
		return w.delete("/v2/users/"+user+"/metadata?keys=b", adminToken)
	}, http.StatusNotFound),
	spokenBy("Zitadel Connect", textB, func(w *world, user string) answer {
		return w.post("/zitadel.user.v2.UserService/SetUserMetadata", adminToken, `{"userId":"`+user+`","metadata":[{"key":"b","value":"Mw=="}]}`)
	}),
	appFlow("Sentinel profile", func(w *world, user, number string) answer {
		return w.post("/operator/profile/create-bulk", adminToken,
			`{"profiles":[{"app_id":`+number+`,"user_id":"`+user+`","profile_data":{"k":{"deep":1.50}}}]}`)
	}, 1),
	appFlow("Sentinel profiles", func(w *world, user, number string) answer {
		var all []string
		for n := range 3 {
			of := user
			if n > 0 {
				of += "-" + strings.Repeat("x", n)
			}
			all = append(all, `{"app_id":`+number+`,"user_id":"`+of+`","profile_data":{"k":{"deep":1.50}}}`)
		}
		return w.post("/operator/profile/create-bulk", adminToken, `{"profiles":[`+strings.Join(all, ",")+`]}`)
	}, 3),
}, slices.Concat(memoryFlows, accountFlows, pictureFlows, careerFlows, resumeFlows)...)

// A reply of Redis that is lost is no dialect's loss either (rows F-01, R-04).
func TestLostReplyInDialects(t *testing.T) {
	t.Parallel()
	lostReply(t, dialectFlows)
}

// When no reply comes any more, every dialect says in its own way to try again, and who does is done (rows F-01, R-10).
func TestAllRepliesLostInDialects(t *testing.T) {
	t.Parallel()
	allRepliesLost(t, dialectFlows)
}
