package migrate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// Lines reads a file line by line.
type Lines struct {
	// Offset is how much has been read, Number how many lines.
	Offset int64
	Number int
	r      *bufio.Reader
}

// NewLines begins at a place between two lines.
func NewLines(r io.Reader, offset int64, number int) *Lines {
	return &Lines{Offset: offset, Number: number, r: bufio.NewReaderSize(r, 1<<16)}
}

// Next returns the next line that is not empty, with its end. Of one that is longer than MaxRecord it returns the beginning, and ErrLong.
func (l *Lines) Next() ([]byte, error) {
	for {
		text, long, err := l.line()
		switch {
		case err != nil && (!errors.Is(err, io.EOF) || len(text) == 0 && !long):
			return nil, err
		case long:
			return text, ErrLong
		case len(bytes.TrimSpace(text)) > 0:
			return text, nil
		}
	}
}

func (l *Lines) line() (text []byte, long bool, err error) {
	l.Number++
	for {
		part, err := l.r.ReadSlice('\n')
		l.Offset += int64(len(part))
		if long = long || len(text)+len(part) > MaxRecord; !long {
			text = append(text, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, long, err
		}
	}
}

// source gives the records of a file one after the other.
type source interface {
	// next returns a record in JSON, its number and what refuses it.
	next() (raw []byte, number int, refused, err error)
	offset() int64
	close()
}

// lineSource has a record in each line.
type lineSource struct{ *Lines }

func (s lineSource) offset() int64 { return s.Offset }
func (s lineSource) close()        {}

func (s lineSource) next() (raw []byte, number int, refused, err error) {
	raw, err = s.Next()
	if errors.Is(err, ErrLong) {
		refused, err = err, nil
	}
	return raw, s.Number, refused, err
}

// found is a record found in a document of JSON.
type found struct {
	raw jsontext.Value
	err error
}

// documentSource has the records that a walk through documents of JSON finds.
type documentSource struct {
	dec    *jsontext.Decoder
	pull   func() (found, bool)
	stop   func()
	number int
	ended  error
}

// tolerant are the options of a decoder that only finds records. They are judged one by one.
func tolerant(r io.Reader) *jsontext.Decoder {
	return jsontext.NewDecoder(r, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// walk goes through one document of JSON and gives the records in it. It returns false when no more are wanted.
type walk func(dec *jsontext.Decoder, give func(jsontext.Value) bool) error

// newDocumentSource walks through every document of a file.
func newDocumentSource(r io.Reader, w walk) *documentSource {
	s := &documentSource{dec: tolerant(r)}
	s.pull, s.stop = iter.Pull(func(yield func(found) bool) {
		for {
			if s.dec.PeekKind() == jsontext.KindInvalid {
				if _, err := s.dec.ReadToken(); err != nil {
					if !errors.Is(err, io.EOF) {
						yield(found{err: err})
					}
					return
				}
			}
			err := w(s.dec, func(raw jsontext.Value) bool { return yield(found{raw: raw}) })
			if err != nil {
				if errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				yield(found{err: err})
				return
			}
		}
	})
	return s
}

func (s *documentSource) offset() int64 { return s.dec.InputOffset() }
func (s *documentSource) close()        { s.stop() }

func (s *documentSource) next() (raw []byte, number int, refused, err error) {
	if s.ended != nil {
		return nil, s.number, nil, s.ended
	}
	f, more := s.pull()
	if !more {
		s.ended = io.EOF
	} else if f.err != nil {
		s.ended = fmt.Errorf("this cannot be read from byte %d on: %w", s.dec.InputOffset(), plain(f.err))
	}
	if s.ended != nil {
		return nil, s.number, nil, s.ended
	}
	s.number++
	if len(f.raw) > MaxRecord {
		refused = ErrLong
	}
	raw = bytes.Clone(f.raw)
	if compact := jsontext.Value(bytes.Clone(f.raw)); compact.Compact() == nil {
		raw = compact
	}
	return raw, s.number, refused, nil
}

// openRecords reads lines of JSON, or an array.
func openRecords(in io.Reader) (source, error) {
	r := bufio.NewReader(in)
	first, err := firstByte(r)
	if err != nil {
		return nil, err
	}
	if first != '[' {
		return lineSource{NewLines(r, 0, 0)}, nil
	}
	return newDocumentSource(r, func(dec *jsontext.Decoder, give func(jsontext.Value) bool) error {
		if dec.PeekKind() != '[' {
			return giveValue(dec, give) // as in the file of what was refused of an array
		}
		return elements(dec, func() error { return giveValue(dec, give) })
	}), nil
}

// firstByte returns the first byte that is not white space, which stays to be read, 0 where there is none. A byte order mark is read.
func firstByte(r *bufio.Reader) (byte, error) {
	if mark, err := r.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = r.Discard(len(mark))
	}
	for n := 1; ; n++ {
		text, err := r.Peek(n)
		if len(text) < n {
			if errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
				err = nil
			}
			return 0, err
		}
		if c := text[n-1]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, nil
		}
	}
}

// errEnough ends a walk whose records nobody wants any more.
var errEnough = errors.New("no more records are wanted")

func giveValue(dec *jsontext.Decoder, give func(jsontext.Value) bool) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	if !give(raw) {
		return errEnough
	}
	return nil
}

// members goes through the object that follows. What value does not read is passed over.
func members(dec *jsontext.Decoder, value func(name string) error) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadToken()
		if err != nil {
			return err
		}
		before := dec.InputOffset()
		if err := value(name.String()); err != nil {
			return err
		}
		if dec.InputOffset() == before {
			if err := dec.SkipValue(); err != nil {
				return err
			}
		}
	}
	_, err := dec.ReadToken()
	return err
}

// elements goes through the array that follows. each reads an element.
func elements(dec *jsontext.Decoder, each func() error) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		if err := each(); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// countElements passes over a value and returns how many elements it has, 0 unless it is an array.
func countElements(dec *jsontext.Decoder) (n int, err error) {
	if dec.PeekKind() != '[' {
		return 0, dec.SkipValue()
	}
	err = elements(dec, func() error {
		n++
		return dec.SkipValue()
	})
	return n, err
}

// reader is a Reader over a source.
type reader struct {
	source
	convert func(raw []byte, number int) Record
	beside  map[string]int
}

func (r *reader) Offset() int64          { return r.offset() }
func (r *reader) Head() []byte           { return nil }
func (r *reader) Beside() map[string]int { return r.beside }
func (r *reader) Close()                 { r.close() }

func (r *reader) Next() (Record, error) {
	raw, number, refused, err := r.next()
	if err != nil {
		return Record{}, err
	}
	if refused != nil {
		return Record{Number: number, Refused: refused, Raw: raw}, nil //nolint:nilerr // a record that is refused does not end the reading
	}
	return r.convert(raw, number), nil
}
