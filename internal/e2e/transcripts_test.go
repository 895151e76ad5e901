package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/claimsmith/claimsmith/handlers/openapi"
)

// ofDev are the transcripts of a development server.
var ofDev = []string{
	"native", "oidc", "operations", "discovery", "authorize", "par", "signin", "token", "device", "userinfo", "introspect", "revoke", "logout",
	"sessions", "definitions", "groups", "inherited", "history", "preview", "audit",
	"search", "bulk", "import", "export", "preferences", "profile",
	"iblai", "accounts", "pictures", "email", "extended", "career", "memory", "resume", "zitadel", "sentinel",
}

// verifier is the code verifier of the transcripts' clients (RFC 7636 §4.1).
const verifier = "a-code-verifier-of-at-least-43-characters-for-tests"

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestTranscripts(t *testing.T) {
	for _, name := range ofDev {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := dev(t)
			readTranscript(t, name+".txt", map[string]string{
				"issuer": s.issuer, "operator": devOperator, "password": devPassword,
				"verifier": verifier, "challenge": challengeOf(verifier),
				"issuer_in_query": url.QueryEscape(s.issuer),
			}).play(t, s.url)
		})
	}
	t.Run("administration", func(t *testing.T) {
		t.Parallel()
		i, _ := newInstallation(t)
		s := i.serve()
		readTranscript(t, "administration.txt", map[string]string{"issuer": s.issuer, "admin": i.admin}).play(t, s.url)
	})
}

// takesMany are answers that come only after a thousand others.
var takesMany = []string{"/api/group POST 422"}

// Every answer the OpenAPI documents have for an operation is in a transcript, but for those that take a thousand requests, a fault or
// a flood, and so is a 405 of every path.
func TestTranscriptsAreComplete(t *testing.T) {
	for _, name := range []string{openapi.Own, "iblai", "sentinel", "zitadel"} {
		t.Run(name, func(t *testing.T) {
			text, err := openapi.Document(publicIssuer, name)
			if err != nil {
				t.Fatal(err)
			}
			document, err := openapi3.NewLoader().LoadFromData(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, answer := range notShown(document, answersInTranscripts(t, document)) {
				t.Errorf("no transcript shows %s", answer)
			}
		})
	}
}

// notShown are the answers of a document that are not among those shown.
func notShown(document *openapi3.T, shown map[string]bool) []string {
	var missing []string
	want := func(answer string) {
		if !shown[answer] && !slices.Contains(takesMany, answer) {
			missing = append(missing, answer)
		}
	}
	for path, item := range document.Paths.Map() {
		if _, same := item.Extensions[sameAs]; same {
			want(path)
			continue
		}
		want(path + " 405")
		for method, operation := range item.Operations() {
			if operation.Tags[0] == "Pages" { // whose answers have no document of their own
				want(path + " " + method)
				continue
			}
			for status := range operation.Responses.Map() {
				if !slices.Contains([]string{"429", "500", "503"}, status) {
					want(path + " " + method + " " + status)
				}
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// sameAs names, in a path of a document, the one whose other spelling it is: what is shown of either is shown of both.
const sameAs = "x-same-as"

// answersInTranscripts returns "path method status", "path status" and more of every exchange, with the document's names of paths.
func answersInTranscripts(t *testing.T, document *openapi3.T) map[string]bool {
	t.Helper()
	shown := map[string]bool{}
	for _, name := range append([]string{"administration"}, ofDev...) {
		tr := readTranscript(t, name+".txt", nil)
		for n := 0; n < len(tr.lines); n++ {
			if !strings.HasPrefix(tr.lines[n], ">") {
				continue
			}
			x := tr.exchangeAt(n)
			n = x.end - 1
			method, target, _ := strings.Cut(parseMessage(x.request).start, " ")
			target, _, _ = strings.Cut(target, "?")
			if method == http.MethodHead {
				continue
			}
			for path, item := range document.Paths.Map() {
				if matchesPath(path, target) {
					shown[path] = true
					if same, ok := item.Extensions[sameAs].(string); ok {
						path = same
					}
					status := parseMessage(x.response).start
					shown[path+" "+method+" "+status] = true
					shown[path+" "+status] = true
					shown[path+" "+method] = true
				}
			}
		}
	}
	return shown
}

// matchesPath compares a path with one that has {parameters}.
func matchesPath(pattern, path string) bool {
	wanted, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	return slices.EqualFunc(wanted, got, func(w, g string) bool {
		return w == g || strings.HasPrefix(w, "{") && g != ""
	})
}
