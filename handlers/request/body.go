package request

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// readBody returns a body of at most limit bytes, however it was framed, in one of the given media types.
func readBody(r *http.Request, limit int64, mediaTypes []string) ([]byte, error) {
	if err := checkMedia(r, mediaTypes); err != nil {
		return nil, err
	}
	tooLarge := &Error{Code: TooLarge, Detail: "the body may have at most " + size(limit)}
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	const firstRead = 16 << 10 // more is reserved only once that much has arrived
	buffer := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), firstRead)+bytes.MinRead))
	_, err := buffer.ReadFrom(io.LimitReader(r.Body, limit+1))
	var overall *http.MaxBytesError
	switch {
	case errors.As(err, &overall), int64(buffer.Len()) > limit:
		return nil, tooLarge
	case err != nil:
		return nil, malformed("", "the body could not be read to its end")
	}
	return buffer.Bytes(), nil
}

func checkMedia(r *http.Request, mediaTypes []string) error {
	if len(r.Header.Values("Content-Encoding")) > 0 {
		return &Error{Code: UnsupportedMediaType, Detail: "the body must be sent without Content-Encoding"}
	}
	if !isMediaType(r.Header.Values("Content-Type"), mediaTypes) {
		return &Error{Code: UnsupportedMediaType, Detail: "Content-Type must be " + strings.Join(mediaTypes, " or ") + ", in UTF-8"}
	}
	return nil
}

// isMediaType reports whether exactly one Content-Type was sent and names one of the accepted types, with no parameter but
// charset=utf-8.
func isMediaType(header, accepted []string) bool {
	if len(header) != 1 {
		return false
	}
	if slices.Contains(accepted, header[0]) {
		return true
	}
	name, parameters, err := mime.ParseMediaType(header[0])
	if err != nil || !slices.Contains(accepted, name) {
		return false
	}
	for parameter, value := range parameters {
		if parameter != "charset" || !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}
