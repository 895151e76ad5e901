//go:build !race

package claims_test

import "testing"

// Under the race detector pools forget at random, so allocations say nothing there.
func TestPayloadAllocations(t *testing.T) {
	token := accessToken()
	stored := profileOf(pair{"a", `"x"`}, pair{"b", `{"c":[1,2]}`}, pair{"c", `true`})
	dst := make([]byte, 0, 1024)
	if got := testing.AllocsPerRun(100, func() { token.AppendJSON(dst, stored) }); got > 2 {
		t.Errorf("%v allocations with metadata, want at most 2", got)
	}
	if got := testing.AllocsPerRun(100, func() { token.AppendJSON(dst, nil) }); got > 0 {
		t.Errorf("%v allocations without metadata, want none", got)
	}
}
