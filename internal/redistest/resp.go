package redistest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// readValue appends the bytes of the next whole RESP2 or RESP3 value to raw, without interpreting them. A command is
// one value too: an array of bulk strings. The error is io.EOF only when the stream ends between two values.
func readValue(raw *bytes.Buffer, r *bufio.Reader) error {
	line, err := r.ReadBytes('\n')
	raw.Write(line)
	switch {
	case errors.Is(err, io.EOF) && len(line) > 0:
		return io.ErrUnexpectedEOF
	case err != nil:
		return err
	case len(line) < 3 || line[len(line)-2] != '\r':
		return fmt.Errorf("read RESP: bad line %q", line)
	}

	parts := 0
	switch line[0] {
	case '+', '-', ':', '_', '#', ',', '(':
		return nil
	case '$', '!', '=':
		n, err := length(line)
		if err != nil || n < 0 {
			return err
		}
		if _, err := io.CopyN(raw, r, int64(n)+2); err != nil {
			return unexpected(err)
		}
		return nil
	case '*', '~', '>':
		parts, err = length(line)
	case '%':
		parts, err = length(line)
		parts *= 2
	case '|': // an attribute, before the value it belongs to
		parts, err = length(line)
		parts = 2*parts + 1
	default:
		err = fmt.Errorf("read RESP: unknown type in line %q", line)
	}
	if err != nil {
		return err
	}
	for range parts { // none when the array is null (-1)
		if err := readValue(raw, r); err != nil {
			return unexpected(err)
		}
	}
	return nil
}

func length(line []byte) (int, error) {
	n, err := strconv.ParseInt(string(line[1:len(line)-2]), 10, 32)
	if err != nil || n < -1 {
		return 0, fmt.Errorf("read RESP: bad length in line %q", line)
	}
	return int(n), nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// commandName returns the name in upper case from the bytes of a command, without its subcommand.
func commandName(raw []byte) (string, error) {
	lines := bytes.SplitN(raw, []byte("\r\n"), 4) // *count, $length, name, the rest
	if len(lines) < 4 || lines[0][0] != '*' || !bytes.HasPrefix(lines[1], []byte("$")) {
		return "", fmt.Errorf("read RESP: not a command: %.40q", raw)
	}
	return strings.ToUpper(string(lines[2])), nil
}
