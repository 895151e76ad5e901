package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// contains checks that what a command printed has lines that begin with these words, whatever lies between them.
func contains(t *testing.T, printed string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		words := strings.Fields(want)
		if !slices.ContainsFunc(strings.Split(printed, "\n"), func(line string) bool {
			got := strings.Fields(line)
			return len(got) >= len(words) && slices.Equal(got[:len(words)], words)
		}) {
			t.Errorf("no line begins with %q in\n%s", want, printed)
		}
	}
}

// answers decodes what a command printed as JSON.
func answers[T any](t *testing.T, printed string) (answer T) {
	t.Helper()
	if err := json.Unmarshal([]byte(printed), &answer); err != nil {
		t.Fatalf("%v in %s", err, printed)
	}
	return answer
}

func TestMetadataCommands(t *testing.T) {
	c := newCommandLine(t)
	c.must("users", "create", "--id=mara", "--username=mara", "--full-name=Mara Doe")

	contains(t, c.must("meta", "set", "mara", "plan", "gold", "--claim"), "key plan", "value gold", "profileClaim yes")
	c.must("meta", "set", "mara", "limit", "9007199254740993", "--json")
	c.input = "from standard input"
	c.must("meta", "set", "mara", "note", "-")
	contains(t, c.must("meta", "list", "mara"), "KEY CLAIM VALUE", "limit no 9007199254740993", "note no from standard input", "plan yes gold")
	contains(t, c.must("meta", "get", "mara", "plan"), "value gold", "revision 1")
	if got := c.must("meta", "get", "mara", "limit", "-o", "yaml"); !strings.Contains(got, "value: 9007199254740993\n") {
		t.Errorf("as YAML: %s", got)
	}

	c.must("meta", "set", "mara", "answer", "true")
	if got := c.must("meta", "get", "mara", "answer", "-o", "yaml"); !strings.Contains(got, `value: "true"`+"\n") || !strings.HasPrefix(got, "key: answer\n") {
		t.Errorf("a text that looks like a bool: %s", got)
	}
	c.must("meta", "unset", "mara", "answer")

	// A change that is only looked at.
	seen := c.must("meta", "set", "mara", "plan", "silver", "--dry-run", "--claim")
	contains(t, seen, `plan user "silver"`, "access_token")
	if !strings.Contains(seen, `metadata_plan in`) || !strings.Contains(seen, `"gold" -> "silver"`) {
		t.Errorf("the preview does not say what differs:\n%s", seen)
	}
	contains(t, c.must("meta", "get", "mara", "plan"), "value gold")

	// Conditions, and what they are answered with.
	c.refused(exitChanged, "precondition_failed", "meta", "set", "mara", "plan", "x", "--claim", "--if-match", "77")
	c.refused(exitChanged, "precondition_failed", "meta", "set", "mara", "plan", "x", "--claim", "--if-match", "none")
	c.must("meta", "set", "mara", "plan", "silver", "--claim", "--if-match", "1")

	contains(t, c.must("meta", "history", "mara", "--key", "plan"), "REVISION WHEN WHO VIA KEY BEFORE AFTER", "6", "1")
	if got := c.must("meta", "history", "mara"); !strings.Contains(got, `"gold" (claim)  "silver" (claim)`) {
		t.Errorf("the history does not say what was before:\n%s", got)
	}

	// Going back asks.
	c.input = "n\n"
	c.refused(exitFailed, "not done", "meta", "rollback", "mara", "1", "--key=plan")
	c.input = "y\n"
	if code, out, _ := c.run("meta", "rollback", "mara", "1", "--key=plan"); code != exitDone {
		t.Errorf("rollback ends with %d: %s", code, out)
	}
	contains(t, c.must("meta", "list", "mara"), "plan yes gold", "note no from standard input")
	contains(t, c.must("meta", "rollback", "mara", "1", "--yes"), "plan yes gold")
	if got := c.must("meta", "list", "mara"); strings.Contains(got, "note") {
		t.Errorf("the whole document did not go back:\n%s", got)
	}

	contains(t, c.must("meta", "preview", "mara", "--set", "plan=platinum", "--claim", "--unset", "limit"), `plan user "platinum"`)
	contains(t, c.must("meta", "preview", "mara", "--revision", "1"), `plan user "gold"`)
	c.must("meta", "unset", "mara", "plan", "limit")
	c.refused(exitNotFound, "not_found", "meta", "get", "mara", "plan")
	c.refused(exitNotFound, "not_found", "meta", "list", "nobody")
	c.refused(exitFailed, "no JSON", "meta", "set", "mara", "plan", "gold", "--json")
	c.refused(exitUsage, "KEY=VALUE", "meta", "preview", "mara", "--set", "plan")
}

func TestUsersAndGroupsCommands(t *testing.T) {
	c := newCommandLine(t)
	c.input = "a password to be replaced\n"
	c.must("users", "create", "--id=mara", "--username=mara", "--email=mara@acme.example", "--email-verified", "--password")
	c.must("users", "create", "--id=mona", "--username=mona")
	c.must("users", "update", "mona", "--full-name=Mona", "--locale=de-CH", "--disabled")
	contains(t, c.must("users", "show", "mona"), "id mona", "disabled yes")

	c.must("groups", "create", "staff", "--name=Staff", "--order=5")
	c.must("groups", "create", "first", "--order=1")
	contains(t, c.must("groups", "list"), "GROUP NAME ORDER", "first - 1", "staff Staff 5")
	c.must("groups", "join", "staff", "mara@acme.example")
	contains(t, c.must("groups", "members", "staff"), "mara")
	contains(t, c.must("users", "groups", "mara", "--set", "staff,first"), "first", "staff")
	c.must("groups", "leave", "first", "mara")
	contains(t, c.must("users", "groups", "mara"), "staff Staff")
	c.must("meta", "set", "group:staff", "theme", "dark", "--claim")
	c.must("meta", "set", "org:default", "region", "eu", "--claim")
	contains(t, c.must("meta", "preview", "mara"), `theme group staff "dark"`, `region organisation "eu"`)

	c.must("definitions", "put", "plan", "--type=string", "--claim=always", "--searchable", "--description=What he pays for", `--default="free"`)
	c.must("meta", "set", "mara", "plan", "gold")
	for _, search := range [][]string{{"--handle=mar"}, {"--group=staff"}, {"--has=plan"}, {"--equals=plan=gold"}, {"--prefix=plan=go"}} {
		list := c.must(slices.Concat([]string{"users", "list", "--metadata"}, search)...)
		if contains(t, list, "USER USERNAME EMAIL DISABLED METADATA", "mara mara mara@acme.example"); strings.Contains(list, "mona") {
			t.Errorf("%q finds mona too:\n%s", search, list)
		}
	}
	if list := c.must("users", "list", "--without=plan", "-o", "json"); len(answers[struct{ Users []any }](t, list).Users) == 0 || strings.Contains(list, "mara@") {
		t.Errorf("without a plan: %s", list)
	}
	contains(t, c.must("definitions", "list"), "KEY TYPE CLAIM WRITE READ SEARCHABLE", "plan string always operator audience yes")
	contains(t, c.must("definitions", "check", "plan", "--type=number"), "violations 1", "mara")
	c.refused(exitChanged, "definition_conflict", "definitions", "put", "plan", "--type=number", "--claim=always")
	stored := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(stored, []byte(c.must("definitions", "show", "plan", "-o", "json")), 0o600); err != nil {
		t.Fatal(err)
	}
	contains(t, c.must("definitions", "put", "plan", "--file", stored, "--owner=Sales"), "owner Sales", "claim always", "type string")
	c.input = "yes\n"
	if code, _, stderr := c.run("definitions", "delete", "plan"); code != exitDone || !strings.Contains(stderr, "[y/N]") {
		t.Errorf("deleting ends with %d after %q", code, stderr)
	}
	c.refused(exitNotFound, "not_found", "definitions", "show", "plan")

	contains(t, c.must("users", "role", "mara", "reader"), "User mara has the role reader.")
	contains(t, c.must("users", "role", "mara"), "role reader")
	c.must("users", "role", "mara", "none")
	c.refused(exitUsage, "one of", "users", "role", "mara", "emperor")
	c.must("users", "sessions", "mara", "--end=all")
	archive := filepath.Join(t.TempDir(), "mara.zip")
	c.must("users", "archive", "mara", archive)
	if info, err := os.Stat(archive); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
		t.Errorf("the archive is %v, %v", info, err)
	}
	c.refused(exitFailed, "exists", "users", "archive", "mara", archive)

	c.must("groups", "delete", "staff", "--yes")
	c.refused(exitNotFound, "not_found", "groups", "show", "staff")
	c.input = ""
	c.refusedAfterQuestion("Erase user mara", "users", "delete", "mara")
	c.must("users", "delete", "mara", "--yes")
	c.refused(exitNotFound, "not_found", "users", "show", "mara")
}

// refusedAfterQuestion runs a command that asks and is not told yes.
func (c *commandLine) refusedAfterQuestion(question string, args ...string) {
	c.t.Helper()
	if code, _, stderr := c.run(args...); code != exitFailed || !strings.Contains(stderr, question) {
		c.t.Errorf("%q ends with %d after %q", args, code, stderr)
	}
}

func TestOrganisationsAuditAndTokensCommands(t *testing.T) {
	c := newCommandLine(t)
	c.must("orgs", "create", "globex", "--name=Globex")
	contains(t, c.must("orgs", "update", "globex", "--claims-budget=2048"), "claims_budget 2048")
	contains(t, c.must("orgs", "list"), "ORGANISATION NAME DISABLED", "globex Globex no 2048")
	contains(t, c.must("orgs", "show", "globex"), "slug globex")
	c.refused(exitUsage, "nothing to change", "orgs", "update", "globex")

	c.must("users", "create", "--id=mara", "--username=mara")
	c.flushAudit()
	contains(t, c.must("audit", "list", "--action=user.", "--org=default"), "SEQ TIME ACTION OUTCOME ACTOR TARGET")
	if lines := strings.Split(strings.TrimSpace(c.must("audit", "export", "--action=user.create")), "\n"); len(lines) == 0 ||
		answers[struct{ Action string }](t, lines[0]).Action != "user.create" {
		t.Errorf("the export is %q", lines)
	}
	head := answers[struct{ Head string }](t, c.must("audit", "verify", "-o", "json")).Head
	c.must("users", "update", "mara", "--full-name=Mara")
	c.flushAudit()
	c.must("audit", "verify", "--head", head)
	if code, _, stderr := c.run("audit", "verify", "--head", "nothing-like-it"); code != exitFailed || !strings.Contains(stderr, "is not what was written") {
		t.Errorf("a head that is not there: %d, %s", code, stderr)
	}
}

// flushAudit has what happened so far in the audit log.
func (c *commandLine) flushAudit() {
	c.t.Helper()
	if err := c.world.app.recorder.Flush(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}
