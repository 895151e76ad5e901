package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/claimsmith/claimsmith/handlers/openapi"
)

func TestTranscripts(t *testing.T) {
	for _, dialect := range []string{"native", "oidc", "operations"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			s := dev(t)
			readTranscript(t, dialect+".txt", map[string]string{
				"issuer": s.issuer, "operator": devOperator, "password": devPassword,
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

// takesARace are answers that only somebody else's change at the same moment brings about.
var takesARace = []string{"/api/user/{userId}/password PUT 412", "/api/client/{clientId}/secret POST 412"}

// Every answer the OpenAPI document has for an operation is in a transcript, but for those that take a race, a fault or a flood of
// requests, and so is a 405 of every path.
func TestTranscriptsAreComplete(t *testing.T) {
	text, err := openapi.Document(publicIssuer)
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	shown := answersInTranscripts(t, document)
	for path, item := range document.Paths.Map() {
		if !shown[path+" 405"] {
			missing = append(missing, path+" 405")
		}
		for method, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				switch status {
				case "429", "500", "503":
				default:
					answer := path + " " + method + " " + status
					if !shown[answer] && !slices.Contains(takesARace, answer) {
						missing = append(missing, answer)
					}
				}
			}
		}
	}
	slices.Sort(missing)
	for _, m := range missing {
		t.Errorf("no transcript shows %s", m)
	}
}

// answersInTranscripts returns "path method status" and "path status" of every exchange, with the document's names of paths.
func answersInTranscripts(t *testing.T, document *openapi3.T) map[string]bool {
	t.Helper()
	shown := map[string]bool{}
	for _, name := range []string{"native.txt", "administration.txt", "oidc.txt", "operations.txt"} {
		tr := readTranscript(t, name, nil)
		for n := 0; n < len(tr.lines); n++ {
			if !strings.HasPrefix(tr.lines[n], ">") {
				continue
			}
			x := tr.exchangeAt(n)
			n = x.end - 1
			method, target, _ := strings.Cut(x.request[0], " ")
			target, _, _ = strings.Cut(target, "?")
			if method == http.MethodHead {
				continue
			}
			for path := range maps.Keys(document.Paths.Map()) {
				if matchesPath(path, target) {
					status := parseMessage(x.response).start
					shown[path+" "+method+" "+status] = true
					shown[path+" "+status] = true
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
