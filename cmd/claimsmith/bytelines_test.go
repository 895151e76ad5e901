package main

import (
	"archive/zip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// A value of bytes is one again after it has been exported and imported, and an empty one, too.
func TestBytesComeBackFromAnExport(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	entries := `[{"key":"empty","valueBase64":"","profileClaim":false},{"key":"raw","valueBase64":"//4A","profileClaim":false},` +
		`{"key":"text","value":"//4A","profileClaim":false}]`
	outcomes, _ := w.stream("/api/user/import", adminToken, `{"id":"maria-id","username":"maria","metadata":`+entries+`}`)
	w.wantStream([]string{"1 200"}, outcomes)

	exported := ""
	for line := range strings.Lines(w.get("/api/user/export", adminToken).want(t, http.StatusOK).body) {
		if strings.Contains(line, `"maria-id"`) {
			exported = strings.TrimSpace(line)
		}
	}
	if !strings.Contains(exported, entries) {
		t.Fatalf("exported is %s", exported)
	}
	other := newWorld(t, redistest.Embedded(t).Client)
	outcomes, _ = other.stream("/api/user/import", adminToken, exported)
	other.wantStream([]string{"1 200"}, outcomes)
	for _, l := range strings.Split(other.get("/api/user/export", adminToken).body, "\n") {
		if strings.Contains(l, `"maria-id"`) && l != exported {
			t.Errorf("exported again is %s", l)
		}
	}
	for _, w := range []*world{w, other} {
		want := `{"metadata":[{"key":"empty","value":"","profileClaim":false},{"key":"raw","value":"//4A","profileClaim":false},` +
			`{"key":"text","value":"//4A","profileClaim":false}]}`
		if got := w.get("/api/user/maria/metadata", adminToken).body; got != want {
			t.Errorf("shown is %s", got)
		}
	}

	archive := other.get("/api/user/maria/export", adminToken).want(t, http.StatusOK)
	files, err := zip.NewReader(strings.NewReader(archive.body), int64(len(archive.body)))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range files.File {
		if !strings.HasPrefix(f.Name, "default/metadata") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		compact := strings.ReplaceAll(string(text), " ", "")
		if strings.Contains(compact, `"valueBase64":"//4A"`) && strings.Contains(compact, `"valueBase64":""`) && strings.Contains(compact, `"value":"//4A"`) {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of the archive's files have the bytes", found)
	}
}

func TestBytesInLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	line := func(entry string) string { return `{"user":"jane","set":[{"key":"raw",` + entry + `}]}` }
	outcomes, _ := w.stream("/api/metadata/bulk", adminToken,
		line(`"valueBase64":"AAE="`), line(`"valueBase64":"AAE"`), line(`"valueBase64":"AAF="`), line(`"valueBase64":"AA E="`),
		line(`"valueBase64":"AAE=\n"`), line(`"valueBase64":"__4A"`), line(`"valueBase64":"AAE=","value":1`), line(`"valueBase64":1`),
		line(`"valueBase64":"AAE=","profileClaim":true`), line(`"valueBase64":null`), line(`"valueBase64":null,"value":1`), line(`"valuebase64":"AAE="`),
		line(`"valueBase64":"AAEC"`),
	)
	w.wantStream([]string{
		"1 200", "2 400 invalid_request valueBase64", "3 400 invalid_request valueBase64", "4 400 invalid_request valueBase64",
		"5 400 invalid_request valueBase64", "6 400 invalid_request valueBase64", "7 400 invalid_request valueBase64",
		"8 400 invalid_request /set/0/valueBase64", "9 400 invalid_request raw", "10 400 invalid_request value", "11 200",
		"12 400 invalid_request /set/0/valuebase64", "13 200",
	}, outcomes)
	if got := w.get("/api/user/jane/metadata/raw", adminToken); !strings.Contains(got.body, `"value":"AAEC"`) {
		t.Error(got.body)
	}
	// It is for lines alone.
	w.put("/api/user/jane/metadata/raw", adminToken, `{"valueBase64":"AAE="}`).want(t, http.StatusBadRequest)
}
