package handlers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/labstack/echo/v4"
)

// Kept is a file that a user has given the server to keep, with its size in bytes.
type Kept struct {
	Name, MediaType string
	Size            int64
	ChangedAt       time.Time
	Content         io.ReadSeekCloser
}

// downloads are sent.
var downloads = transfers{most: 256, ofOne: 16}

// Attachment answers with a file that open finds, for the client to keep and never to show as a page of this origin (row D-04). caller is
// who asks, who has not many under way at once. Finding it takes no longer than any other request. The client has to take each piece of it
// in time, and the whole in a time that follows its size; the context that open sees lasts until then.
func Attachment(caller string, open func(echo.Context) (Kept, error)) echo.HandlerFunc {
	return downloads.of(caller, func(c echo.Context, s *Stream) error {
		whole := c.Request()
		defer c.SetRequest(whole) // whose context has not ended, so that a failure is known as one
		ctx, cancel := context.WithCancel(whole.Context())
		defer cancel()
		c.SetRequest(whole.WithContext(ctx))
		late := time.AfterFunc(s.step, cancel)
		defer late.Stop()
		file, err := open(c)
		if err != nil {
			return err
		}
		defer file.Content.Close()
		most := s.timeFor(file.Size)
		if !late.Reset(most) {
			return context.DeadlineExceeded
		}
		s.endIn(most)
		h := c.Response().Header()
		h.Set("Content-Type", file.MediaType)
		h.Set("Content-Disposition", disposition(file.Name))
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if strings.Contains(c.Request().Header.Get("Range"), ",") {
			c.Request().Header.Del("Range") // each range is fetched anew; any may be left unanswered (RFC 9110 §14.2)
		}
		http.ServeContent(paced{c.Response(), s}, c.Request(), "", file.ChangedAt, file.Content)
		return nil
	})
}

// paced is an answer each piece of which the client has to take in time.
type paced struct {
	http.ResponseWriter
	stream *Stream
}

func (p paced) Write(b []byte) (int, error) { return p.stream.Write(b) }

// WriteHeader has nothing kept on the way, also where a part was asked for that is not there: then net/http takes the header away.
func (p paced) WriteHeader(status int) {
	p.Header()["Cache-Control"] = noStore
	p.ResponseWriter.WriteHeader(status)
}

// disposition has a client keep a file by its name (RFC 6266): in ASCII for those that know nothing else, and exactly (RFC 8187).
func disposition(name string) string {
	var plain, exact strings.Builder
	for _, r := range name {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == unicode.ReplacementChar || strings.ContainsRune(`/\:*?"<>|`, r) {
			r = '_'
		}
		if r < 0x80 && r != '%' {
			plain.WriteRune(r)
		} else {
			plain.WriteByte('_')
		}
		for _, b := range []byte(string(r)) {
			if isAttributeByte(b) {
				exact.WriteByte(b)
			} else {
				fmt.Fprintf(&exact, "%%%02X", b)
			}
		}
	}
	return `attachment; filename="` + plain.String() + `"; filename*=UTF-8''` + exact.String()
}

// isAttributeByte reports whether a byte stands for itself in an extended parameter (RFC 8187 §3.2.1).
func isAttributeByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("!#$&+-.^_`|~", b) >= 0
}
