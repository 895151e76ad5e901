package main

import (
	"net/http"
	"strings"
	"testing"
)

// resumeRoute are the routes of résumés.
const resumeRoute = "/api/career/resume/orgs/:org/users/:username"

func resumeHeaders(bearer string) []string {
	return append(about{bearer: bearer}.scheme("Api-Token"), "Content-Type", formOfXX)
}

// resumeOperations are those of the résumé of acme's user.
func resumeOperations() []operation {
	form := upload{"resume;cv.pdf;" + smallPDF, "link_1=https://x.example"}.body()
	file := func(c *cast) string {
		return addressOf(c.t, c.send("POST", usersResume, adminToken, form, "Content-Type", formOfXX), "cv.pdf")
	}
	var all []operation
	for _, prefix := range []string{"/dm", ""} {
		for _, slash := range []string{"/", ""} {
			at := prefix + resumeRoute + slash
			target := strings.NewReplacer(":org", acme, ":username", "acme-user").Replace(at)
			byID := prefix + resumeRoute + "/files/:file" + slash
			byTicket := prefix + "/api/career/resume/files/:ticket" + slash
			all = append(all,
				operation{"GET " + at, "", fixed(target, "")},
				operation{"POST " + at, "", fixed(target, form)},
				operation{"PUT " + at, "", fixed(target, form)},
				operation{"GET " + byID, "", func(c *cast) (string, string) {
					return strings.NewReplacer(":org", acme, ":username", "acme-user", ":file", fileIDIn(file(c))).Replace(byID), ""
				}},
				operation{"GET " + byTicket, "", func(c *cast) (string, string) {
					path := file(c)
					return strings.Replace(byTicket, ":ticket", path[strings.LastIndex(path, "/")+1:], 1), ""
				}})
		}
	}
	route := "/dm" + resumeRoute + "/"
	return append(all,
		operation{"GET " + route, "of nobody", fixed(resumeOf+"nobody/", "")},
		operation{"GET " + route, "one's own", fixed(resumeOf+"me/", "")},
		operation{"POST " + route, "one's own", fixed(resumeOf+"me/", form)},
		operation{"GET " + route, "of both, at home elsewhere", fixed(resumeOf+"sam/", "")},
		operation{"POST " + route, "somebody else's in the body", fixed(usersResume, upload{"user=acme-other", "link_1=https://x.example"}.body())},
	)
}

// resumeFlows are changes of a résumé that are interrupted. What is sent again is there once.
var resumeFlows = []flow{
	interruptedResume("resume upload", "POST", "resume;cv.pdf;"+smallPDF, "cv.pdf resume"),
	interruptedResume("resume replacement", "PUT", "resume;cv.pdf;"+smallPDF+"\n", "cv.pdf resume"),
	interruptedResume("another file", "POST", "additional_files;a.gif;"+gifOfOne, "a.gif other"),
}

func interruptedResume(name, method, file, want string) flow {
	at := func(user string) string { return "/dm/api/career/resume/orgs/default/users/" + user + "/" }
	return flow{
		name:    name,
		prepare: func(d *world, user string) string { withoutPassword(d, user); return "" },
		do: func(w *world, user, _ string) answer {
			a := w.send(method, at(user), adminToken, upload{file, "link_1=https://x.example"}.body(), "Content-Type", formOfXX)
			if a.status == http.StatusServiceUnavailable {
				a.envelope(w.t)
			}
			return a
		},
		check: func(t *testing.T, d *world, user, _ string, _ answer, _ bool) {
			a := d.get(at(user), adminToken)
			if got := filesOf(t, a); got != want || strings.Count(a.body, "https://x.example") != 1 {
				t.Errorf("the résumé is %s", a.body)
			}
			d.get(addressOf(t, a, strings.Fields(want)[0]), "").want(t, http.StatusOK)
		},
	}
}
