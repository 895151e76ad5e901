package metadata

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func mustCompile(t *testing.T, text string) *schema {
	t.Helper()
	s, err := compileSchema(text)
	if err != nil {
		t.Fatalf("%.200s: %v", text, err)
	}
	return s
}

func TestSchemasSpeakOfExactNumbers(t *testing.T) {
	tests := []struct {
		schema, value string
		fits          bool
	}{
		{`{"const":9007199254740993}`, `9007199254740993`, true},
		{`{"const":9007199254740993}`, `9007199254740992`, false},
		{`{"maximum":9007199254740992}`, `9007199254740993`, false},
		{`{"enum":[0.1]}`, `0.1000000000000000055511151231257827`, false},
		{`{"multipleOf":0.01}`, `19.99`, true},
		{`{"multipleOf":0.01}`, `19.999`, false},
		{`{"type":"integer"}`, `1.0`, true},
		{`{"type":"integer"}`, `1e2`, true},
		{`{"type":"integer"}`, `1.5`, false},
		{`{"type":"array"}`, `[]`, true},
		{`{"type":"object"}`, `[]`, false},
		{`{"type":["string","null"]}`, `null`, true},
		{`{}`, `{"a":[1,{"b":null}]}`, true},
	}
	for _, test := range tests {
		if why := mustCompile(t, test.schema).check(test.value); (why == "") != test.fits {
			t.Errorf("%s of %s: %q", test.value, test.schema, why)
		}
	}
}

func TestASchemaSaysWhatItDemandsAndWhereAndNeverTheValue(t *testing.T) {
	tests := []struct{ schema, value, want string }{
		{`{"enum":["free","pro",9007199254740993]}`, `"SECRET"`, `must be one of "free", "pro", 9007199254740993: the schema of the definition says so at /enum`},
		{`{"type":"string"}`, `815`, `must be string, not number: the schema of the definition says so at /type`},
		{`{"properties":{"a b":{"maxLength":3}}}`, `{"a b":"SECRET"}`, `must have at most 3 characters, not 6: the schema of the definition says so at /properties/a b/maxLength`},
		{`{"maximum":2.50}`, `815`, `must be at most 2.5: the schema of the definition says so at /maximum`},
		{`{"pattern":"^[a-z]+$"}`, `"SECRET"`, `must match "^[a-z]+$": the schema of the definition says so at /pattern`},
		{`{"required":["id","name"]}`, `{"SECRET":1}`, `must have the member "id", "name": the schema of the definition says so at /required`},
		{`{"additionalProperties":false}`, `{"SECRET":1,"815":2}`, `has 2 members that are not allowed: the schema of the definition says so at /additionalProperties`},
		{`{"propertyNames":{"maxLength":2}}`, `{"SECRET":1}`, `has a member whose name is not allowed: the schema of the definition says so at /propertyNames`},
		{`{"anyOf":[{"type":"null"},{"const":1}]}`, `"SECRET"`, `fits none of the alternatives: the schema of the definition says so at /anyOf`},
		{`{"$defs":{"x":{"multipleOf":0.5}},"items":{"$ref":"#/$defs/x"}}`, `[1,815.3]`, `must be a multiple of 0.5: the schema of the definition says so at /$defs/x/multipleOf`},
		{`{"not":{}}`, `"SECRET"`, `fits what it must not`},
		{`{"items":{"minimum":1},"maxItems":1,"uniqueItems":true}`, `[815,815]`, `must have at most 1 items, not 2: the schema of the definition says so at /maxItems`},
		{`{"items":{"minimum":1e3}}`, `[815]`, `must be at least 1000: the schema of the definition says so at /items/minimum`},
		{`{"type":"string"}`, `1e100000`, `cannot be compared with the schema of the definition: it has a number beyond 1e400 or 1e-400`},
		{`{"maxLength":9}`, strings.Repeat("8", 101), `cannot be compared with the schema of the definition: it has a number of 101 characters, the limit is 100`},
	}
	for _, test := range tests {
		s := mustCompile(t, test.schema)
		for range 5 { // always the same
			got := s.check(test.value)
			if !strings.HasPrefix(got, test.want) || strings.Contains(got, "SECRET") || strings.Contains(got, "815") {
				t.Errorf("%s of %s:\n got %s\nwant %s", test.value, test.schema, got, test.want)
			}
		}
	}
}

func TestSchemasThatCannotBeUsed(t *testing.T) {
	tests := []struct{ schema, why string }{
		{`true`, "must be a JSON object"},
		{`[]`, "must be a JSON object"},
		{`{`, "not valid JSON"},
		{`{"type":"strng"}`, `at "/type"`},
		{`{"minLength":-1}`, `what is at "/minLength" must be at least 0`},
		{`{"$ref":"https://example.com/schema.json"}`, `refers to "https://example.com/schema.json"; remote references are not followed`},
		{`{"$ref":"other.json"}`, "remote references are not followed"},
		{`{"$ref":"file:///etc/passwd"}`, "remote references are not followed"},
		{`{"$schema":"https://example.com/meta"}`, "remote references are not followed"},
		{`{"$schema":"http://json-schema.org/draft-07/schema#"}`, "draft 2020-12"},
		{`{"$ref":"#/$defs/a","$defs":{"a":{"$id":"x","$schema":"http://json-schema.org/draft-07/schema#","type":"string"}}}`, "draft 2020-12"},
		{`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, "$dynamicRef"},
		{`{"$ref":"#/$defs/gone"}`, "draft 2020-12"},
		{`{"$ref":"#"}`, "refers to itself"},
		{`{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"$ref":"#"}]}}}`, "refers to itself"},
		{`{"pattern":"(?=a)"}`, "pattern"},
		{`{"pattern":"(.{1000}){100}"}`, "pattern"},
		{`{"pattern":"` + strings.Repeat(`\\pL{500}`, 20) + `"}`, "the limit is 5000"},
		{`{"minimum":1e9999}`, "beyond 1e400"},
		{`{"const":1e999999999999}`, "beyond 1e400"},
		{`{"description":"` + strings.Repeat("x", MaxSchemaBytes) + `"}`, "bytes, the limit is 16384"},
	}
	for _, test := range tests {
		began := time.Now()
		_, err := compileSchema(test.schema)
		if err == nil || !strings.Contains(err.Error(), test.why) {
			t.Errorf("%.100s: %v, want %s", test.schema, err, test.why)
		}
		if elapsed := time.Since(began); elapsed > 2*time.Second {
			t.Errorf("%.100s took %v", test.schema, elapsed)
		}
	}
}

// twice returns a schema of n definitions of which each leads to the next twice.
func twice(n int, format string) string {
	var b strings.Builder
	b.WriteString(`{"$ref":"#/$defs/d0","$defs":{`)
	for i := range n {
		fmt.Fprintf(&b, `"d%d":`+format+`,`, i, i+1, i+1)
	}
	fmt.Fprintf(&b, `"d%d":{"type":"null"}}}`, n)
	return b.String()
}

func nested(n int, format string) string {
	value := `1`
	for range n {
		value = fmt.Sprintf(format, value)
	}
	return value
}

func TestNoSchemaTakesForEver(t *testing.T) {
	tests := map[string]struct {
		schema, value string
	}{
		"doubling in place":     {twice(60, `{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`), `1`},
		"doubling under not":    {twice(60, `{"not":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}}`), `1`},
		"doubling on the way":   {`{"allOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}}]}`, nested(31, `{"a":%s}`)},
		"doubling by patterns":  {`{"patternProperties":{"^a":{"$ref":"#"},"a$":{"$ref":"#"}}}`, nested(31, `{"a":%s}`)},
		"doubling by items":     {`{"items":{"$ref":"#"},"contains":{"$ref":"#"}}`, nested(31, `[%s]`)},
		"doubling by names":     {`{"properties":{"a":{"$ref":"#"}},"additionalProperties":{"$ref":"#"},"unevaluatedProperties":{"$ref":"#"},"patternProperties":{"":{"$ref":"#"}}}`, nested(31, `{"a":%s}`)},
		"a long enumeration":    {`{"items":{"enum":[` + strings.Repeat("1,", 4000) + `2]}}`, `[` + strings.Repeat("3,", 200_000) + `3]`},
		"an expensive pattern":  {`{"pattern":"` + strings.Repeat("(a?b?c?d?)*", 300) + `e$"}`, `"` + strings.Repeat("abcd", 100_000) + `"`},
		"a pattern for a lot":   {`{"items":{"pattern":"^(a|b|c)*$"}}`, `["` + strings.Repeat("abcd", 120_000) + `"]`},
		"items all alike":       {`{"uniqueItems":true}`, `[` + strings.Repeat(`[["a"],"b"],[["a","b"]],`, 20_000) + `1]`},
		"numbers of many digit": {`{"items":{"multipleOf":0.001}}`, `[` + strings.Repeat("1e399,", 80_000) + `1]`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			s, err := compileSchema(test.schema)
			if err == nil {
				t.Log(s.check(test.value))
			} else {
				t.Log(err)
			}
			if elapsed := time.Since(began); elapsed > 3*time.Second {
				t.Errorf("it took %v", elapsed)
			}
		})
	}
}

func TestWhatSchemasAreForIsNotTooMuch(t *testing.T) {
	tree := mustCompile(t, `{"type":["object","integer"],"properties":{"left":{"$ref":"#"},"right":{"$ref":"#"},"n":{"type":"integer"}},"required":["n"]}`)
	if why := tree.check(nested(30, `{"n":1,"left":%s,"right":{"n":3,"left":{"n":4}}}`)); why != "" {
		t.Error(why)
	}
	var wide strings.Builder
	for i := range 200 {
		fmt.Fprintf(&wide, `"p%d":{"type":"string","maxLength":20},`, i)
	}
	address := mustCompile(t, `{"properties":{`+wide.String()+`"x":{}}}`)
	if why := address.check(`{"p1":"a","p2":"b","p199":"c"}`); why != "" {
		t.Error(why)
	}
	if why := mustCompile(t, `{"type":"array","items":{"type":"string","pattern":"^[a-z0-9-]{1,63}$"}}`).
		check(`[` + strings.Repeat(`"some-group-name",`, 500) + `"x"]`); why != "" {
		t.Error(why)
	}
}
