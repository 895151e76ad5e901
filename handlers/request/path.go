package request

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

const maxPathValue = 1 << 10

var errNotUTF8 = errors.New("not valid UTF-8")

// RawPath makes Echo route on the path as it was sent, still escaped, so that PathValue decodes exactly once whatever the
// escaping. It refuses paths that two readers may resolve differently: empty segments, dot segments (escaped or not) and raw
// backslashes. One slash at the end is a path of its own. It belongs before the router (Echo.Pre).
func RawPath(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.Method == http.MethodConnect {
			c.Response().Header().Set(echo.HeaderAllow, "") // RFC 9110 §10.2.1: no method is allowed here
			return echo.ErrMethodNotAllowed
		}
		path := r.URL.EscapedPath()
		if strings.Contains(r.URL.RawPath, `\`) || ambiguous(path) {
			return malformed("", "the path must not have empty segments, dot segments or backslashes")
		}
		r.URL.RawPath = path
		return next(c)
	}
}

func ambiguous(path string) bool {
	rest, rooted := strings.CutPrefix(path, "/")
	for more := rooted; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment == "" && more || isDots(segment) {
			return true
		}
	}
	return !rooted
}

// isDots reports whether a segment is "." or "..", with any of the dots escaped.
func isDots(segment string) bool {
	dots := 0
	for segment != "" {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case len(segment) >= 3 && strings.EqualFold(segment[:3], "%2e"):
			segment = segment[3:]
		default:
			return false
		}
		dots++
	}
	return dots == 1 || dots == 2
}

// PathValue returns a parameter of the route, decoded exactly once. Escaped slashes are part of the value; a value that spans
// segments is none, since Echo lets a last parameter take the rest of the path. Values hold at least one byte, less than 1 KiB,
// valid UTF-8, and no control characters. It needs RawPath in front of the router.
func PathValue(c echo.Context, name string) (string, error) {
	raw := c.Param(name)
	if raw == "" || strings.Contains(raw, "/") {
		return "", &Error{Code: NoSuchPath, Detail: "there is nothing at this path"}
	}
	value, err := url.PathUnescape(raw)
	switch {
	case err != nil, !utf8.ValidString(value):
		return "", malformed(name, "the path is not valid percent-encoded UTF-8")
	case strings.ContainsFunc(value, unicode.IsControl):
		return "", malformed(name, "the path must not have control characters")
	case len(value) >= maxPathValue:
		return "", malformed(name, "a value in the path must be shorter than "+size(maxPathValue))
	}
	return value, nil
}
