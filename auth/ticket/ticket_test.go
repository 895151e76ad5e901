package ticket_test

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth/ticket"
)

var (
	key   = []byte("a key of the server, as long as it is")
	older = []byte("the key before it, equally secret....")
)

func codec() ticket.Codec {
	return ticket.Codec{Prefix: "cs_xx_", Parts: 2, Payload: 24, Keys: [][]byte{key, older}}
}

func TestParseReadsWhatFormatWrote(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`), 2, 2).Draw(t, "parts")
		payload := rapid.SliceOfN(rapid.Byte(), 24, 24).Draw(t, "payload")
		before := slices.Clone(payload)
		c := codec()
		if rapid.Bool().Draw(t, "older key") {
			c.Keys = [][]byte{older}
		}
		text := c.Format(payload, parts...)
		got, gotParts, ok := codec().Parse(text)
		if !ok || !bytes.Equal(got, before) || !slices.Equal(gotParts, parts) || !bytes.Equal(payload, before) {
			t.Fatalf("%q: %v %v %v", text, got, gotParts, ok)
		}
	})
}

// Whatever is changed in a ticket, nobody was ever given it (row T-16).
func TestParseRefusesEverythingElse(t *testing.T) {
	t.Parallel()
	c := codec()
	good := c.Format(bytes.Repeat([]byte{7}, 24), "jane", "default")
	other := c
	other.Keys = [][]byte{[]byte("somebody else's key")}
	bad := map[string]string{
		"nothing": "", "prefix alone": "cs_xx_", "another prefix": "cs_yy_" + good[6:], "cut": good[:len(good)-1], "longer": good + "A",
		"a part changed": strings.Replace(good, "jane", "jans", 1), "parts joined": strings.Replace(good, "jane.default", "janedefault.", 1),
		"a part more": strings.Replace(good, "jane.", "jane..", 1), "line break": good[:30] + "\n" + good[30:], "padded": good + "=",
		"another's key": other.Format(bytes.Repeat([]byte{7}, 24), "jane", "default"), "very long": good + strings.Repeat("A", 1<<20),
		"in capitals": strings.ToUpper(good),
	}
	// A boundary between parts is not to be moved.
	bad["boundary moved"] = strings.Replace(c.Format(bytes.Repeat([]byte{7}, 24), "ab", "c"), "ab.c.", "a.bc.", 1)
	for name, text := range bad {
		if _, _, ok := c.Parse(text); ok {
			t.Errorf("%s: %q is accepted", name, text)
		}
	}
	at := strings.LastIndexByte(good, '.') + 1
	for i := at; i < len(good); i++ {
		changed := []byte(good)
		changed[i] = 'A' + (changed[i]-'A'+1)%26
		if string(changed) == good {
			continue
		}
		if _, _, ok := c.Parse(string(changed)); ok {
			t.Errorf("byte %d changed: accepted", i)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(codec().Format(bytes.Repeat([]byte{7}, 24), "jane", "default"))
	f.Add("cs_xx_a.b." + base64.RawURLEncoding.EncodeToString(make([]byte, 36)))
	f.Fuzz(func(t *testing.T, text string) {
		payload, parts, ok := codec().Parse(text)
		if ok && codec().Format(payload, parts...) != text {
			older := codec()
			older.Keys = older.Keys[1:]
			if older.Format(payload, parts...) != text {
				t.Errorf("%q has another spelling", text)
			}
		}
	})
}
