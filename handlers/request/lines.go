package request

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
)

// NDJSON is the media type of bodies that hold one JSON value in every line (https://github.com/ndjson/ndjson-spec).
const NDJSON = "application/x-ndjson"

// Line is one of a body of lines.
type Line struct {
	// Number counts the lines of the body from 1, empty ones included.
	Number int
	// Text is the line without its end, the caller's own.
	Text []byte
	// Err says why there is no Text: the line is too long. The next one can be read nevertheless.
	Err error
}

// Lines reads a body line by line, in no more memory than the longest line allowed takes.
type Lines struct {
	reader *bufio.Reader
	limit  int
	number int
}

// ReadLines prepares to read a body of media type NDJSON with lines of at most limit bytes.
func ReadLines(r *http.Request, limit int) (*Lines, error) {
	if err := checkMedia(r, []string{NDJSON}); err != nil {
		return nil, err
	}
	return &Lines{reader: bufio.NewReaderSize(r.Body, 64<<10), limit: limit}, nil
}

// Next returns the next line that is not empty, and io.EOF when there is none. Any other error means that nothing more can be read: what
// has arrived of the line before is not one. The last line need not have an end.
func (l *Lines) Next() (Line, error) {
	for {
		l.number++
		text, long, err := l.read()
		if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0 && !long) {
			if errors.Is(err, io.EOF) {
				return Line{}, io.EOF
			}
			return Line{}, malformed("", "the body could not be read to its end")
		}
		switch {
		case long:
			return Line{Number: l.number, Err: &Error{Code: TooLarge, Detail: "a line may have at most " + size(int64(l.limit))}}, nil
		case len(bytes.TrimLeft(text, " \t\r")) > 0:
			return Line{Number: l.number, Text: text}, nil
		case err != nil:
			return Line{}, io.EOF
		}
	}
}

// read returns a line without its end, or passes over it if it is too long.
func (l *Lines) read() (text []byte, long bool, err error) {
	for {
		part, err := l.reader.ReadSlice('\n')
		part, ended := bytes.CutSuffix(part, []byte("\n"))
		if long = long || len(text)+len(part) > l.limit; long {
			text = nil
		} else {
			text = append(text, part...)
		}
		if ended || err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if ended {
				err = nil
			}
			return text, long, err
		}
	}
}

// DecodeLine reads the one JSON value of a line as strictly as DecodeJSON reads that of a body.
func DecodeLine[T any](text []byte) (T, error) { return decode[T]("line", text) }
