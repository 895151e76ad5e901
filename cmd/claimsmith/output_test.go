package main

import (
	"bytes"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// A table shows the values of entries as JSON, so that none looks like another, but texts as they are.
func TestTablesShowValuesAsTheyAre(t *testing.T) {
	for value, want := range map[string]string{`null`: "null", `true`: "true", `[]`: "[]", `["a"]`: `["a"]`, `12`: "12", `"dark"`: "dark"} {
		var out bytes.Buffer
		if err := printTable(&out, []jsontext.Value{jsontext.Value(`{"value":` + value + `}`)}, column{"VALUE", "value"}); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != "VALUE\n"+want+"\n" {
			t.Errorf("%s is shown as %q", value, got)
		}
	}
}
