package request

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"unicode/utf8"
)

// Bounds of what is not a file in an upload.
const (
	maxUploadFields = 20
	maxUploadField  = 64 << 10
)

// DecodeUpload reads a form with files (multipart/form-data, RFC 7578): its fields as DecodeLargeForm does, each of at most 64 KiB, and the
// contents of its files by the names of their fields, one each, of at most limit bytes together. An empty file is left out. Names that
// files had at home are not looked at.
func DecodeUpload(r *http.Request, limit int64) (fields url.Values, files map[string][]byte, err error) {
	if r.URL.RawQuery != "" {
		return nil, nil, malformed("", "fields must be sent in the body, not in the address")
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "multipart/form-data" || len(r.Header.Values("Content-Type")) != 1 {
		return nil, nil, &Error{Code: UnsupportedMediaType, Detail: "Content-Type must be multipart/form-data"}
	}
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, nil, malformed("", "the body is no valid multipart/form-data")
	}
	fields, files = url.Values{}, map[string][]byte{}
	for range maxUploadFields {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return fields, files, nil
		}
		if err != nil {
			return nil, nil, malformed("", "the body could not be read to its end")
		}
		name := part.FormName()
		if _, file := files[name]; name == "" || !utf8.ValidString(name) || fields.Has(name) || file {
			return nil, nil, malformed("", "every field has a name of its own")
		}
		most := int64(maxUploadField)
		if part.FileName() != "" {
			most = limit
		}
		text, err := io.ReadAll(io.LimitReader(part, most+1))
		var overall *http.MaxBytesError
		switch {
		case errors.As(err, &overall), int64(len(text)) > most:
			return nil, nil, &Error{Code: TooLarge, Field: name, Detail: "it may have at most " + size(most)}
		case err != nil:
			return nil, nil, malformed("", "the body could not be read to its end")
		case part.FileName() != "":
			if limit -= int64(len(text)); len(text) > 0 {
				files[name] = text
			}
		case !utf8.Valid(text):
			return nil, nil, malformed(name, "the value is not valid UTF-8")
		default:
			fields[name] = []string{string(text)}
		}
	}
	return nil, nil, malformed("", "there are too many fields")
}
