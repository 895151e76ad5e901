package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/metadata"
)

// set puts a text into a field, however long, as if it was typed.
func set(id, text string) chromedp.Action[bool] {
	return chromedp.Evaluate[bool](`(() => { const f = document.getElementById(` + quote(id) + `); f.value = ` + quote(text) +
		`; f.dispatchEvent(new Event("input", {bubbles: true})); return true })()`)
}

func (c *chromium) set(id, text string) {
	c.t.Helper()
	c.do("wait for "+id, seen(id))
	if _, err := chromedp.Run(c.ctx, set(id, text)); err != nil {
		c.t.Fatal(err)
	}
}

// holds is what a field has in it.
func (c *chromium) holds(id string) string {
	c.t.Helper()
	text, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](`document.getElementById(`+quote(id)+`).value`))
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}

// An operator's day in a real browser: a key is defined, an entry is edited over the budget and nothing is lost, the preview follows what is
// typed, two people edit at once, a change is taken back, users are found and changed in bulk; all under the policy of the pages.
func TestOperatorsDayInChromium(t *testing.T) {
	c := newChromium(t)
	ctx, system := t.Context(), auth.System()
	_, err := c.program.users.Create(ctx, system, auth.DefaultOrg, auth.NewUser{ID: "olive-id", Username: "olive", Password: operatorPass}, "")
	if err == nil {
		err = c.program.users.SetRole(ctx, system, auth.DefaultOrg, "olive", auth.RoleOperator)
	}
	if err != nil {
		t.Fatal(err)
	}
	stored := func(key string) string {
		t.Helper()
		e, err := c.program.metadata.GetEntry(ctx, system, metadata.Target{Org: auth.DefaultOrg, User: "jane-id"}, key)
		if err != nil {
			return err.Error()
		}
		return e.Value.Raw()
	}
	org := c.issuer + "/console/org/default/"

	c.do("sign in", visit(c.issuer+"/console"), enter("username", "olive"), enter("password", operatorPass), press("login"), seen("users"))
	c.do("define a key", visit(org+"definition"), press("new_definition"), enter("key", "plan"), enter("description", "What is paid for"))
	hidden, err := chromedp.Run(c.ctx, chromedp.Evaluate[bool](`document.getElementById("schema").closest("[data-for]").hidden`))
	if err != nil || !hidden {
		t.Errorf("a field that is for nothing is hidden: %t, %v", hidden, err)
	}
	c.set("type", "string")
	c.set("claim", "always")
	c.do("see what it would do", press("searchable"), press("check"), seen("report"))
	c.do("apply", press("apply"), seen("done"), seen("definitions"))

	c.do("open jane's entries", visit(org+"user/jane-id/metadata"), seen("editor"))
	c.set("add_key", "plan")
	c.do("add the key", press("add"), seen("value-0"))
	long := strings.Repeat("long ", 1000)
	c.set("value-0", long)
	c.do("the preview says what would happen", seen("refusal"))
	c.do("over the budget", press("save"), seen("error"))
	if got := c.holds("value-0"); got != long || !strings.Contains(c.text("error"), "4096") {
		t.Errorf("refused with %q; %d bytes are left", c.text("error"), len(got))
	}
	c.set("value-0", "gold")
	c.do("the preview follows", chromedp.WaitVisible(`//*[@id="diff"]//ins[contains(., "gold")]`))
	if got := stored("plan"); strings.Contains(got, "gold") {
		t.Errorf("a preview has stored %s", got)
	}
	c.do("save", press("save"), seen("done"))
	if got := stored("plan"); got != `"gold"` {
		t.Errorf("stored is %s", got)
	}

	silver, err := metadata.JSON([]byte(`"silver"`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.program.metadata.Apply(ctx, system, metadata.Target{Org: auth.DefaultOrg, User: "jane-id"}, metadata.Change{
		Set: []metadata.Put{{Key: "plan", Value: silver, ProfileClaim: true}},
	}, metadata.Precondition{}); err != nil {
		t.Fatal(err)
	}
	c.set("value-0", "bronze")
	c.do("somebody else was quicker", press("save"), seen("conflict"), seen("theirs-0"))
	if theirs := c.text("theirs-0"); !strings.Contains(theirs, "silver") || c.holds("value-0") != "bronze" || stored("plan") != `"silver"` {
		t.Errorf("a conflict shows %q and %q over %s", theirs, c.holds("value-0"), stored("plan"))
	}
	c.do("save all the same", press("save"), seen("done"))
	if got := stored("plan"); got != `"bronze"` {
		t.Errorf("stored is %s", got)
	}

	c.do("go back", visit(org+"user/jane-id/history"), seen("history"), visit(org+"user/jane-id/history/restore?revision=1"), seen("changes"),
		press("restore"), seen("done"))
	if got := stored("plan"); got != `"gold"` {
		t.Errorf("rolled back it is %s", got)
	}

	c.do("search", visit(org+"user"), seen("key1"))
	c.set("key1", "plan")
	c.do("find", enter("value1", "gold"), press("find"), seen("clear"), seen("users"))
	if found := c.text("users"); !strings.Contains(found, "jane") || strings.Contains(found, "olive") {
		t.Errorf("found %q", found)
	}

	c.do("bulk changes", visit(org+"bulk"), seen("text"))
	c.set("text", `{"user":"jane","set":[{"key":"plan","value":"free"}]}`+"\n"+`{"user":"nobody","delete":["x"]}`)
	c.do("try", press("dry_run"), seen("result"), seen("faults"))
	if got := stored("plan"); got != `"gold"` {
		t.Errorf("a trial has stored %s", got)
	}
	c.do("apply", press("apply"), chromedp.WaitVisible(`//*[@id="result-h"][.="Done"]`))
	if got := stored("plan"); got != `"free"` {
		t.Errorf("the bulk change has stored %s", got)
	}
	c.do("sign out", press("signout"), seen("signed_out"))
	c.do("which ends the login", visit(org+"user"), seen("login"))

	known, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](`document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)`))
	if err != nil || known != "{}{}" {
		t.Errorf("scripts see %s, %v", known, err)
	}
	for len(c.complaints) > 0 {
		if complaint := <-c.complaints; !strings.Contains(complaint, "status of 4") { // the refusal and the conflict
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}
