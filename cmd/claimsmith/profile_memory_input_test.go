package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Texts come back as they were, whatever is in them, and as nothing a browser would run (row M-13); too long ones do not get in.
func TestTextsOfMemories(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	texts := []string{
		`<img src=x onerror=alert(1)>`, `</script><!--`, `javascript:alert(1)`, "\u2028\u2029\ufeff", `"\'`, "line\r\nline\ttab", "{{7*7}} ${7*7} <%= 7 %>",
		"\U0001F600" + strings.Repeat("\u0301", 50), `]] redis.call('FLUSHALL') --[[`, " - spaces - ", strings.Repeat("\U0001F600", 4000), "\x01\x1f\x7f",
	}
	for _, text := range texts {
		encoded, _ := json.Marshal(text)
		id := idOf(t, c.post(globalsOf, token, `{"content":`+string(encoded)+`}`))
		a := c.get(globalsOf, token).want(t, http.StatusOK)
		got := a.json(t)["results"].([]any)[0].(map[string]any)
		if got["content"] != text || fmt.Sprint(got["id"]) != id {
			t.Errorf("%.100q came back as %.100q", text, got["content"])
		}
		if a.header.Get("Content-Type") != "application/json" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v", a.header)
		}
	}
	before := c.memories("acme-user")
	for body, member := range map[string]string{
		`{"content":"` + strings.Repeat("é", 4001) + `"}`: "content",
		`{"content":"a\u0000b"}`:                          "content",
		`{"content":" \n\u00a0"}`:                         "content",
		`{}`:                                              "content",
		`{"content":"x","session_id":"` + strings.Repeat("s", 256) + `"}`: "session_id",
	} {
		if a := c.post(globalsOf, token, body).want(t, http.StatusBadRequest); !strings.HasPrefix(a.body, `{"`+member+`":["`) {
			t.Errorf("%.60s: %s", body, a.body)
		}
	}
	for _, mentor := range []string{"a%20b", "a:b", strings.Repeat("m", 129), "m%C3%A9", "a%2Fb", "%3Cscript%3E"} {
		for _, path := range []string{memoriesOf, categoryOf} {
			a := c.get(strings.Replace(path, "tutor", mentor, 1), token).want(t, http.StatusBadRequest)
			if !strings.HasPrefix(a.body, `{"mentor":["`) {
				t.Errorf("%s: %s", mentor, a.body)
			}
		}
		c.post(strings.Replace(memoriesOf, "tutor", mentor, 1), token, aMemory).want(t, http.StatusBadRequest)
		c.post(strings.Replace(categoryOf, "tutor", mentor, 1), c.acme.operator, `{"name":"x","slug":"x"}`).want(t, http.StatusBadRequest)
	}
	for _, body := range []string{
		`{"name":"x","slug":"a b"}`, `{"name":"x","slug":"a:b"}`, `{"name":"x","slug":"é"}`, `{"name":"","slug":"x"}`, `{"slug":"x"}`, `{"name":"x"}`,
		`{"name":"` + strings.Repeat("x", 101) + `","slug":"x"}`, `{"name":"x","slug":"x","extraction_prompt":"` + strings.Repeat("x", 2001) + `"}`,
		`{"name":"x","slug":"x","is_active":null}`, `{"name":"x","slug":"x","is_active":"yes"}`,
	} {
		c.post(categoryOf, c.acme.operator, body).want(t, http.StatusBadRequest)
	}
	for _, body := range []string{`{}`, `{"auto_capture_enabled":null}`, `{"auto_capture_enabled":"true"}`, `{"auto_capture_enabled":1}`} {
		c.put(flagsOf, token, body).want(t, http.StatusBadRequest)
	}
	if after := c.memories("acme-user"); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

// What is too large, or too deep, is refused before it is read (rows D-02, D-04).
func TestBodiesOfMemories(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	bodies := map[string]int{
		`{"content":"` + strings.Repeat("x", 64<<10) + `"}`:                                     http.StatusRequestEntityTooLarge,
		`{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `,"content":"x"}`:         http.StatusBadRequest,
		`{"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `,"content":"x"}`: http.StatusBadRequest,
		`{"content":"x",` + manyMembers(1000) + `}`:                                             http.StatusBadRequest,
		`{"x":[` + strings.Repeat("1,", 10_000) + `1],"content":"x"}`:                           http.StatusBadRequest,
	}
	before := c.memories("acme-user")
	for _, b := range memoryBodies {
		for body, status := range bodies {
			if a := c.send(b.method, b.target, c.acme.operator, body); a.status != status {
				t.Errorf("%s %s: %.40s: %d %s", b.method, b.target, body, a.status, a.body)
			}
		}
		c.send(b.method, b.target, c.acme.operator, strings.Replace(b.text, "%", "", 1), "Content-Encoding", "gzip").want(t, http.StatusUnsupportedMediaType)
	}
	if after := c.memories("acme-user"); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

// manyMembers are that many of an object.
func manyMembers(count int) string {
	var all []string
	for n := range count {
		all = append(all, fmt.Sprintf(`"k%d":1`, n))
	}
	return strings.Join(all, ",")
}

// A person has a bounded number of memories and facts, and hears how many.
func TestLimitsOfMemories(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	fast := &cast{world: c.hurry()}
	for target, most := range map[string]int{globalsOf: 500, factsOf: 100} {
		for n := range most + 1 {
			body := aGlobal
			if target == factsOf {
				body = fmt.Sprintf(`{"tag":"t%d","detail":"x"}`, n)
			}
			a := fast.post(target, c.acme.operator, body)
			if n < most && a.status/100 != 2 || n == most && (a.status != http.StatusBadRequest || !strings.Contains(a.body, fmt.Sprint(most))) {
				t.Fatalf("%s, number %d: %d %s", target, n+1, a.status, a.body)
			}
		}
	}
	c.post(factsOf, c.acme.operator, `{"t7":"y"}`).want(t, http.StatusOK)
	c.post(memoriesOf, c.acme.operator, aMemory).want(t, http.StatusCreated)
}

// A credential that somebody puts where a name belongs is in no log (row P-02).
func TestCredentialsInPathsOfMemories(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	canary := "cs_at_" + strings.Repeat("Canary", 7) + "_"
	swapped := strings.NewReplacer("acme-user", canary, "tutor", canary)
	callers := map[string]string{
		"a user": c.loginAs(c.acme.user, "").text(t, "access_token"), "a reader": c.acme.reader, "an operator": c.acme.operator,
		"a machine": c.acme.machineToken, "another organisation": c.globex.operator,
	}
	for who, bearer := range callers {
		writes := who == "an operator" || who == "a machine"
		requests := slices.Concat(memoryBodies, []spoken{
			{method: "DELETE", target: memoriesOf + "1"}, {method: "DELETE", target: globalsOf + "1"}, {method: "DELETE", target: factsOf + "language"},
		})
		for _, r := range requests {
			if strings.HasPrefix(r.target, categoryOf) && writes {
				continue // who may write names the mentor
			}
			body := strings.Replace(r.text, "%", "", 1)
			if a := c.send(r.method, swapped.Replace(r.target), bearer, body); a.status/100 == 2 || a.status >= 500 {
				t.Errorf("%s: %s %s: %d %s", who, r.method, r.target, a.status, a.body)
			}
		}
	}
	c.written()
	log := c.log.String() + c.dump(c.backend())
	if at := strings.Index(log, canary); at >= 0 {
		t.Errorf("the canary is behind: %s", log[max(0, at-400):at])
	}
	if !strings.Contains(log, `"action":"memory.create","outcome":"denied"`) || !strings.Contains(log, `"action":"category.update","outcome":"denied"`) {
		t.Errorf("nothing was recorded: %s", c.log)
	}
}
