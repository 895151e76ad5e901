package claims

import (
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// The functions here append one member to an object that is still open, with the comma where one is due. Members without
// a value (empty text, zero number, zero time) are left out.

func appendName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func appendText(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendQuoted(appendName(dst, name), value)
}

// appendQuoted writes a JSON string. Bytes that are not UTF-8 become U+FFFD, so the result is always valid JSON.
func appendQuoted(dst []byte, value string) []byte {
	dst, _ = jsontext.AppendQuote(dst, value)
	return dst
}

func appendTexts(dst []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return dst
	}
	return appendList(appendName(dst, name), values)
}

func appendList(dst []byte, values []string) []byte {
	dst = append(dst, '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, v)
	}
	return append(dst, ']')
}

// appendAudience writes aud as a string where there is one, else as an array (RFC 7519 §4.1.3). A token without an
// audience gets the empty array, which every verifier refuses.
func appendAudience(dst []byte, audience []string) []byte {
	dst = appendName(dst, "aud")
	if len(audience) == 1 {
		return appendQuoted(dst, audience[0])
	}
	return appendList(dst, audience)
}

func appendCount(dst []byte, name string, n uint64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendUint(appendName(dst, name), n, 10)
}

func appendBool(dst []byte, name string, v bool) []byte {
	return strconv.AppendBool(appendName(dst, name), v)
}

// appendTime writes a NumericDate in whole seconds (RFC 7519 §2).
func appendTime(dst []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	return strconv.AppendInt(appendName(dst, name), t.Unix(), 10)
}

// appendMetadata writes one claim per pair of key and exact JSON value. The store promises keys of the grammar, each once,
// and valid values; a pair that breaks the promise is left out, so that no stored text can open a claim outside [Prefix],
// close the object early, or appear twice. Of equal keys the first is kept.
func appendMetadata(dst []byte, profile iter.Seq2[string, string]) []byte {
	if profile == nil {
		return dst
	}
	w := metadataWriter{dst: dst}
	w.seen = w.few[:0]
	profile(w.add)
	return w.dst
}

type metadataWriter struct {
	dst  []byte
	seen []string // keys written so far
	max  string   // the greatest of them: sorted input never searches seen
	few  [16]string
}

func (w *metadataWriter) add(key, value string) bool {
	if !ValidKey(key) || key <= w.max && slices.Contains(w.seen, key) {
		return true
	}
	before := len(w.dst)
	if w.dst[before-1] != '{' {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(w.dst, `"`+Prefix...)
	w.dst = append(w.dst, key...)
	w.dst = append(w.dst, '"', ':')
	start := len(w.dst)
	w.dst = append(w.dst, value...)
	if !jsontext.Value(w.dst[start:]).IsValid() {
		w.dst = w.dst[:before]
		return true
	}
	w.seen = append(w.seen, key)
	w.max = max(w.max, key)
	return true
}
