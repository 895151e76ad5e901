package request

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// ETag returns the entity tag of a revision, in quotes.
func ETag(revision uint64) string { return strconv.Quote(strconv.FormatUint(revision, 10)) }

// Condition is the list of an If-Match or If-None-Match header (RFC 9110 §13.1). Tags that no revision has are left out, since
// they match nothing, so a Condition that is not Any and has no Revisions matches nothing at all. A nil Condition is an absent
// header. *metadata.Condition has the same form.
type Condition struct {
	Any       bool // *
	Revisions []uint64
}

// Matches reports whether something that exists in this revision is what the header names. A nil Condition names nothing.
func (c *Condition) Matches(revision uint64) bool {
	return c != nil && (c.Any || slices.Contains(c.Revisions, revision))
}

// IfMatch reads If-Match. Its comparison is strong (RFC 9110 §13.1.1), so weak tags match nothing.
func IfMatch(r *http.Request) (*Condition, error) { return parseCondition(r, "If-Match", false) }

// IfNoneMatch reads If-None-Match. Its comparison is weak (RFC 9110 §13.1.2).
func IfNoneMatch(r *http.Request) (*Condition, error) {
	return parseCondition(r, "If-None-Match", true)
}

func parseCondition(r *http.Request, header string, weak bool) (*Condition, error) {
	lines := r.Header.Values(header)
	if len(lines) == 0 {
		return nil, nil
	}
	condition, ok := parseTags(strings.Join(lines, ","), weak)
	if !ok {
		return nil, malformed(header, "must be * or a list of entity tags in double quotes")
	}
	return condition, nil
}

// parseTags reads a list of entity tags (RFC 9110 §8.8.3); empty elements of the list are skipped (§5.6.1), a list of nothing
// else is not valid.
func parseTags(list string, weak bool) (*Condition, bool) {
	rest := strings.Trim(list, " \t")
	if rest == "*" {
		return &Condition{Any: true}, true
	}
	condition, tags := new(Condition), 0
	for {
		rest = strings.TrimLeft(rest, ", \t")
		if rest == "" {
			return condition, tags > 0
		}
		tag, isWeak := strings.CutPrefix(rest, "W/")
		end := tagEnd(tag)
		if end < 0 {
			return nil, false
		}
		if revision, known := parseRevision(tag[1:end]); known && (weak || !isWeak) {
			condition.Revisions = append(condition.Revisions, revision)
		}
		tags++
		rest = strings.TrimLeft(tag[end+1:], " \t")
		if rest != "" && rest[0] != ',' {
			return nil, false
		}
	}
}

// tagEnd returns the index of the quote that closes an opaque tag, or -1 when s does not begin with one.
func tagEnd(s string) int {
	if s == "" || s[0] != '"' {
		return -1
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i
		case c < 0x21 || c == 0x7f:
			return -1
		}
	}
	return -1
}

// parseRevision reads the text ETag writes, and only that: 01 and +1 are not revisions.
func parseRevision(s string) (uint64, bool) {
	revision, err := strconv.ParseUint(s, 10, 64)
	return revision, err == nil && strconv.FormatUint(revision, 10) == s
}
