package iblai

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

func TestKeysOfAList(t *testing.T) {
	all, wrong, err := keys(jsontext.Value(`["a", 1, "", "\u0062"]`))
	refused := map[string][]string{"1": {"Not a valid string."}, "2": wrong["2"]}
	if err != nil || len(all) != 4 || all[0] != "a" || all[3] != "b" || len(wrong["2"]) != 1 || !cmp.Equal(wrong, refused) {
		t.Errorf("%q, %v, %v", all, wrong, err)
	}
	for _, list := range []string{``, `[`, `["a"`, `["a",]`, `["a" "b"]`} {
		if all, wrong, err := keys(jsontext.Value(list)); err == nil {
			t.Errorf("%q has %q, %v", list, all, wrong)
		}
	}
}
