package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"

	"github.com/claimsmith/claimsmith/config"
)

// importRow is one user of the input.
type importRow struct {
	number int // of its first line
	// line is what to send, or refused says why there is nothing to be sent.
	line    []byte
	refused error
	// raw is the row as it stands in the input, for the file of those that were refused.
	raw []byte
}

// importInput reads rows. After next, position is how much of the input has been read, and where the next row begins.
type importInput interface {
	next() (importRow, error)
	position() inputPosition
	// head is what a file in the form of the input begins with.
	head() []byte
}

// inputPosition is a place between two rows.
type inputPosition struct {
	Offset int64 `json:"offset"`
	Line   int   `json:"line"` // lines before it
}

// openInput makes rows of a file. from is where to begin; where it is not the beginning, r must be seekable.
func openInput(r io.Reader, format string, from inputPosition) (importInput, error) {
	skip := func() error {
		if from.Offset == 0 {
			return nil
		}
		s, ok := r.(io.Seeker)
		if !ok {
			return errors.New("this input cannot be read from the middle")
		}
		_, err := s.Seek(from.Offset, io.SeekStart)
		return err
	}
	if format != config.CSV {
		return &lineInput{bufio.NewReaderSize(r, 1<<16), from}, skip()
	}
	users, err := newCSVUsers(r)
	if err != nil {
		return nil, err
	}
	c := &rowInput{users: users}
	if from.Offset > 0 {
		c.from = from
		users.rows = csv.NewReader(r)
		users.rows.FieldsPerRecord = -1
	}
	return c, skip()
}

// maxImportLine is what the server takes of a line.
const maxImportLine = 2 << 20

var errLongLine = fmt.Errorf("a line may have at most %d bytes", maxImportLine)

// lineInput is NDJSON.
type lineInput struct {
	r  *bufio.Reader
	at inputPosition
}

func (l *lineInput) position() inputPosition { return l.at }
func (l *lineInput) head() []byte            { return nil }

func (l *lineInput) next() (importRow, error) {
	for {
		text, long, err := l.line()
		if err != nil && (!errors.Is(err, io.EOF) || len(text) == 0 && !long) {
			return importRow{}, err
		}
		row := importRow{number: l.at.Line, line: bytes.TrimSpace(text), raw: text}
		switch {
		case long:
			row.refused = errLongLine
			return row, nil
		case len(row.line) > 0:
			return row, nil
		}
	}
}

// line reads a line with its end; of one that is too long, only the beginning.
func (l *lineInput) line() (text []byte, long bool, err error) {
	l.at.Line++
	for {
		part, err := l.r.ReadSlice('\n')
		l.at.Offset += int64(len(part))
		if long = long || len(text)+len(part) > maxImportLine; !long {
			text = append(text, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, long, err
		}
	}
}

// rowInput is CSV.
type rowInput struct {
	users *csvUsers
	from  inputPosition
	lines int // up to the row read last
}

func (c *rowInput) position() inputPosition {
	return inputPosition{c.from.Offset + c.users.rows.InputOffset(), c.from.Line + c.lines}
}

func (c *rowInput) head() []byte { return rowText(c.users.header) }

func (c *rowInput) next() (importRow, error) {
	cells, number, line, refused, err := c.users.next()
	if err != nil {
		return importRow{}, err
	}
	raw := rowText(cells)
	c.lines = number + bytes.Count(raw, []byte("\n")) - 1
	return importRow{number: c.from.Line + number, line: line, refused: refused, raw: raw}, nil
}

// rowText is a row as a CSV file has it.
func rowText(cells []string) []byte {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	_ = w.Write(cells) // a buffer takes everything
	w.Flush()
	return text.Bytes()
}
