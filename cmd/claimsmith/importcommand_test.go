package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/config"
)

// file writes a file of the test and returns its name.
func (c *commandLine) file(name, content string) string {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func contentOfFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestImportCommand(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	people := c.file("people.ndjson", `{"username":"anna","metadata":[{"key":"plan","value":"gold","profileClaim":true}]}
{"username":"jane"}

{"username":"bert","groups":["nowhere"]}
{"username":"carl"
{"username":"dora"}`)

	summary := "2 users could be imported, 3 refused.\n" +
		"       1  409 conflict: username: this username is in use (line 2)\n" +
		"       1  400 invalid_request: groups: there is no group \"nowhere\" (line 4)\n" +
		"       1  400 invalid_request: the JSON ends early (line 5)\n"
	code, stdout, stderr := c.run("import", people, "--dry-run")
	if code != 1 || stdout != summary || stderr != "claimsmith: 3 of 5 users were refused\n" {
		t.Errorf("the dry run ends with %d: %s%s", code, stdout, stderr)
	}
	if c.world.get("/api/user/anna", adminToken).status != http.StatusNotFound || exists(people+".rejects") || exists(people+".progress") {
		t.Error("the dry run does something")
	}

	code, stdout, stderr = c.run("import", people)
	want := strings.Replace(summary, "could be imported", "imported", 1) + "The refused lines are in " + people + ".rejects.\n"
	if code != 1 || stdout != want || stderr != "claimsmith: 3 of 5 users were refused\n" {
		t.Errorf("it ends with %d: %s%s", code, stdout, stderr)
	}
	if got := contentOfFile(t, people+".rejects"); got != "{\"username\":\"jane\"}\n{\"username\":\"bert\",\"groups\":[\"nowhere\"]}\n{\"username\":\"carl\"\n" {
		t.Errorf("the rejects are %s", got)
	}
	if exists(people + ".progress") {
		t.Error("the progress is kept")
	}
	if got := c.world.get("/api/user/anna/metadata", adminToken).body; !strings.Contains(got, `"gold"`) {
		t.Error(got)
	}

	// Again it is the same users. Those that are refused do not keep a file when there are none.
	fixed := c.file("fixed.ndjson", `{"username":"anna","metadata":[{"key":"plan","value":"gold","profileClaim":true}]}`+"\n"+`{"username":"dora"}`)
	if got := c.must("import", fixed); got != "2 users imported, 0 refused.\n" || exists(fixed+".rejects") {
		t.Error(got)
	}
	c.input = `{"username":"emil"}`
	if got := c.must("import", "-", "-o", "json"); got != `{"complete":true,"dry_run":false,"imported":1,"reasons":[],"refused":0}`+"\n" {
		t.Error(got)
	}
	c.input = "username,metadata.n:json\nfred,1\nemil,2\nguta,{\n"
	code, stdout, _ = c.run("import", "-", "--format=csv", "-o", "json")
	if code != 1 || stdout != `{"complete":true,"dry_run":false,"imported":1,"reasons":[{"status":409,"code":"conflict","field":"username","detail":"this username is in use","count":1,"lines":[3]},`+
		`{"status":400,"code":"invalid_csv","detail":"metadata.n:json: not valid JSON","count":1,"lines":[4]}],"refused":2}`+"\n" {
		t.Error(code, stdout)
	}

	table := c.file("people.CSV", "id,username,groups\r\n1,hans,\r\n2,jane,\r\n3\r\n")
	if code, stdout, _ = c.run("import", table); code != 1 || !strings.HasPrefix(stdout, "1 users imported, 2 refused.\n") {
		t.Error(code, stdout)
	}
	if got := contentOfFile(t, table+".rejects"); got != "id,username,groups\n2,jane,\n3\n" {
		t.Errorf("the rejects are %q", got)
	}
	c.refused(1, "no such file", "import", filepath.Join(t.TempDir(), "none"))
	c.refused(1, "is no file", "import", t.TempDir())
	c.refused(1, `"Name" is none`, "import", c.file("a.csv", "Name\nx\n"))
	c.refused(2, "--rejects", "import", people, "--rejects", people)
	c.refused(2, "--format", "import", people, "--format=xml")
	c.env["CLAIMSMITH_TOKEN"] = "cs_at_nobody"
	if code, stdout, stderr = c.run("import", people); code != exitForbidden || !strings.HasPrefix(stdout, "Not complete: 0 users imported") || !strings.Contains(stderr, "401") {
		t.Error(code, stdout, stderr)
	}
}

// flaky is a server some of whose answers do not arrive, or not whole, though what was asked is done.
type flaky struct {
	next  http.Handler
	fault func(n int) string
	n     int
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.n++
	switch fault := f.fault(f.n); fault {
	case "":
		f.next.ServeHTTP(w, r)
	case "503", "401", "404":
		status := map[string]int{"503": 503, "401": 401, "404": 404}[fault]
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"status":%d,"code":"x","detail":"later"}`, status)
	case "gone": // before anything was done
		panic(http.ErrAbortHandler)
	default: // after everything was done
		recorder := httptest.NewRecorder()
		f.next.ServeHTTP(recorder, r)
		body := recorder.Body.Bytes()
		switch fault {
		case "silent":
			panic(http.ErrAbortHandler)
		case "cut":
			body = body[:len(body)*2/3]
		case "busy":
			body = bytes.Replace(body, []byte(`"line":2,"status":200`), []byte(`"line":2,"status":503,"code":"busy"`), 1)
		}
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(body)
		if fault == "cut" {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}
}

// An import whose answers get lost has every user exactly once, whether it goes on by itself or is called again.
func TestImportsThatAreCutOff(t *testing.T) {
	t.Parallel()
	for _, format := range []string{config.NDJSON, config.CSV} {
		c := newCommandLine(t)
		var all strings.Builder
		if format == config.CSV {
			all.WriteString("username,metadata.n\n")
		}
		const users = 40
		for n := range users {
			switch {
			case n%10 == 7 && format == config.CSV:
				all.WriteString("jane,\"more\nthan one line\"\n")
			case n%10 == 7:
				all.WriteString(`{"username":"jane"}` + "\n\n")
			case format == config.CSV:
				fmt.Fprintf(&all, "%s-%d,\"%d\n\"\n", format, n, n)
			default:
				fmt.Fprintf(&all, `{"username":"%s-%d","metadata":[{"key":"n","value":"%d\n"}]}`+"\n", format, n, n)
			}
		}
		path := c.file("people", all.String())
		faults := map[int]string{1: "silent", 2: "gone", 3: "503", 4: "cut", 5: "cut", 7: "busy", 10: "401", 12: "404", 14: "cut"}
		server := httptest.NewServer(&flaky{next: c.world.server, fault: func(n int) string { return faults[n] }})
		defer server.Close()

		var out bytes.Buffer
		runs := 0
		var last error
		for failed := true; failed; runs++ {
			command := &config.Import{File: path, Format: format, Rejects: path + ".rejects"}
			command.URL, command.Output = server.URL, tableOutput
			command.Token = secretOf(t, adminToken)
			i := newImporter(command, &out)
			i.rows = 6
			pauses := 0
			i.pause = func(context.Context, time.Duration) error { pauses++; return nil }
			out.Reset()
			err := i.run(t.Context(), nil, &out)
			last = err
			if failed = exists(path + ".progress"); failed && exitCode(err) < exitNotFound || !failed && exitCode(err) != exitFailed {
				t.Fatalf("run %d of %s: %v\n%s", runs, format, err, out.String())
			}
			if runs == 10 {
				t.Fatal("it never ends")
			}
		}
		if runs != 3 || !strings.HasPrefix(out.String(), "36 users imported, 4 refused.\n") {
			t.Fatalf("after %d runs of %s: %s (%v)", runs, format, out.String(), last)
		}
		found := c.world.post("/api/user/search", adminToken, `{"where":{"handle":"`+format+`-"},"limit":200,"metadata":true}`).want(t, http.StatusOK).body
		for n := range users {
			want := 1
			if n%10 == 7 {
				want = 0
			}
			if got := strings.Count(found, fmt.Sprintf(`"username":"%s-%d"`, format, n)); got != want {
				t.Errorf("%s-%d is there %d times", format, n, got)
			}
			if got := strings.Count(found, fmt.Sprintf(`"value":"%d\n"`, n)); got != want {
				t.Errorf("the entry of %s-%d is there %d times", format, n, got)
			}
		}
		rejects := contentOfFile(t, path+".rejects")
		want := strings.Repeat(`{"username":"jane"}`+"\n", 4)
		if format == config.CSV {
			want = "username,metadata.n\n" + strings.Repeat("jane,\"more\nthan one line\"\n", 4)
		}
		if diff := cmp.Diff(want, rejects); diff != "" {
			t.Errorf("the rejects of %s: %s", format, diff)
		}
	}
}

func secretOf(t *testing.T, text string) config.Secret {
	t.Helper()
	var s config.Secret
	if err := s.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

// An import that cannot go on says so, and one that was begun otherwise is not gone on with.
func TestImportsThatCannotGoOn(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	path := c.file("people", `{"username":"a1"}`+"\n"+`{"username":"a2"}`+"\n"+`{"username":"a3"}`+"\n")
	down := false
	server := httptest.NewServer(&flaky{next: c.world.server, fault: func(n int) string {
		if n > 1 && down {
			return "503"
		}
		return ""
	}})
	defer server.Close()
	command := func() *config.Import {
		i := &config.Import{File: path, Format: config.NDJSON, Rejects: path + ".rejects"}
		i.URL, i.Output, i.Token = server.URL, tableOutput, secretOf(t, adminToken)
		return i
	}
	down = true
	i := newImporter(command(), new(bytes.Buffer))
	i.rows = 2
	var longest time.Duration
	i.pause = func(_ context.Context, d time.Duration) error { longest = max(longest, d); return nil }
	var out bytes.Buffer
	err := i.run(t.Context(), nil, &out)
	if exitCode(err) != exitUnavailable || !strings.Contains(err.Error(), "line 3 could not be imported") || !strings.Contains(err.Error(), "the same command goes on") ||
		out.String() != "Not complete: 2 users imported, 0 refused.\n" || longest > 10*time.Second {
		t.Errorf("%v, after at most %s: %s", err, longest, out.String())
	}
	for name, change := range map[string]func(*config.Import){
		"another organisation": func(i *config.Import) { i.Org = "acme" },
		"another form":         func(i *config.Import) { i.Format = config.CSV },
		"another server":       func(i *config.Import) { i.URL = "https://id.example" },
	} {
		other := command()
		change(other)
		if err := newImporter(other, &out).run(t.Context(), nil, &out); err == nil || !strings.Contains(err.Error(), "remove it to begin anew") {
			t.Errorf("%s: %v", name, err)
		}
	}
	down = false
	if err := newImporter(command(), &out).run(t.Context(), nil, &out); err != nil || exists(path+".progress") {
		t.Error(err)
	}
	if err := os.WriteFile(path+".progress", []byte(`{"offset":5}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := newImporter(command(), &out).run(t.Context(), nil, &out); err == nil || !strings.Contains(err.Error(), "another state of the file") {
		t.Error(err)
	}
}

func TestExportCommand(t *testing.T) {
	t.Parallel()
	c, to := newCommandLine(t), newCommandLine(t)
	c.input = `{"id":"u1","username":"anna","password_hash":` + quote(hashOf(t, "a password of anna")) + `,"metadata":[{"key":"plan","value":"=gold","profileClaim":true},{"key":"n","value":-1}]}` + "\n" +
		`{"id":"u2","email":"bert@example.com","metadata":[{"key":"n","value":"text\r\n"}],"profile":{"name":"+Bert"},"biography":{"bio":"=1\r\n","languages":["de"]}}`
	c.must("import", "-")
	whole := c.must("export")
	if strings.Count(whole, "\n") != 3 || strings.Contains(whole, "argon2") || !strings.Contains(whole, `"username":"anna"`) {
		t.Errorf("%s", whole)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "people.csv")
	if got := c.must("export", "--secrets", "-O", file); got != "3 users are in "+file+".\n" {
		t.Error(got)
	}
	table := contentOfFile(t, file)
	for _, part := range []string{`"{""bio"":""=1\r\n"",""languages"":[""de""]}"`, "id,username,email,email_verified,password_hash,name,biography,metadata.n:json,metadata.plan!\n", `'=gold`, `'-1`, `'+Bert`, `"""text\r\n"""`} {
		if !strings.Contains(table, part) {
			t.Errorf("%s is not in\n%s", part, table)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is for others too: %v", info.Mode())
	}
	to.run("import", file, "--rejects", filepath.Join(t.TempDir(), "rejects")) // but for jane, who is there
	for _, line := range strings.Split(to.must("export", "--secrets"), "\n") {
		if !strings.Contains(line, `"jane"`) && !strings.Contains(c.must("export", "--secrets"), line) {
			t.Errorf("%s is not what it was", line)
		}
	}
	c.env["CLAIMSMITH_TOKEN"] = "cs_at_nobody"
	c.refused(exitForbidden, "401", "export", "-O", filepath.Join(dir, "none"))
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("there are files left: %v", entries)
	}
}
