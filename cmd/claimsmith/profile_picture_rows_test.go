package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

const (
	edxImage       = edxAccount + "/image"
	edxImageUpload = "/lms/api/profile_images/v1/acme-user/upload"
	edxImageRemove = "/lms/api/profile_images/v1/acme-user/remove"
)

// dot is a form with a GIF of one pixel.
const (
	dotType = "multipart/form-data; boundary=edge"
	dot     = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"me.gif\"\r\nContent-Type: image/gif\r\n\r\n" +
		"GIF89a\x01\x00\x01\x00\x80\x00\x00\xc8\x1e\x1e\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;" +
		"                                                                                                    \r\n--edge--\r\n"
)

var ofPictures = regexp.MustCompile(`^(/lms|/edx)?/api/(user/v1/accounts/[^/]+/image|profile_images/v1/[^/]+/(upload|remove))/?$`)

func pictureHeaders(target, bearer string) []string {
	headers := accountHeaders(target, bearer)
	if !strings.Contains(target, "/remove") {
		headers = append(headers, "Content-Type", dotType)
	}
	return headers
}

func pictureOperations() []operation {
	var all []operation
	for _, o := range []struct{ method, path, body string }{
		{"POST", edxImage, dot}, {"DELETE", edxImage, ""}, {"POST", edxImageUpload, dot}, {"POST", edxImageRemove, ""},
	} {
		for _, path := range lmsPaths(o.path) {
			all = append(all, operation{o.method + " " + strings.Replace(path, "/acme-user", "/:username", 1), "", fixed(path, o.body)})
		}
	}
	return append(all, operation{"POST " + strings.Replace(edxImage, "/acme-user", "/:username", 1), "of nobody", fixed(edxAccounts+"/nobody-of-this-name/image", dot)})
}

func pictureSharing(sent string) []sharing {
	var all []sharing
	for _, o := range pictureOperations() {
		method, _, _ := strings.Cut(o.route, " ")
		target, _ := o.prepare(nil)
		all = append(all, sharing{method, target, sent, ""})
	}
	return all
}

// pictureFlows are those whose interruption is tested (row F-01).
var pictureFlows = []flow{
	ownPicture("picture", func(w *world, at, token string) answer {
		return w.post(edxAccounts+at+"/image", token, dot, "Content-Type", dotType)
	}, true),
	ownPicture("removal of a picture", func(w *world, at, token string) answer {
		return w.delete(edxAccounts+at+"/image", token)
	}, false),
}

// ownPicture is what a person does to his picture, which then is there or not, and can be fetched if it is.
func ownPicture(name string, send func(w *world, at, token string) answer, there bool) flow {
	return flow{
		name: "ibl.ai " + name, prepare: withSession,
		do: func(w *world, user, given string) answer {
			return send(w, "/"+user+"-name", member(w.t, given, "access_token"))
		},
		check: func(t *testing.T, d *world, user, _ string, _ answer, _ bool) {
			shown, addresses := d.pictureOf(user+"-name", adminToken)
			if shown != there {
				t.Errorf("there is a picture: %t", shown)
			}
			for _, address := range addresses {
				d.get(strings.TrimPrefix(address, testIssuer), "").want(t, http.StatusOK)
			}
		},
	}
}
