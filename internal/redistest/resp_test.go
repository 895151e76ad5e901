package redistest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

var values = []string{
	"+OK\r\n",
	"-ERR no\r\n",
	":-12\r\n",
	"$0\r\n\r\n",
	"$3\r\na\r\n\r\n",
	"$-1\r\n",
	"*-1\r\n",
	"*0\r\n",
	"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
	"_\r\n",
	"#t\r\n",
	",1.5\r\n",
	"(3492890328409238509324850943850943825024385\r\n",
	"!5\r\nERR x\r\n",
	"=7\r\ntxt:abc\r\n",
	"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n",
	"~2\r\n+a\r\n+b\r\n",
	">2\r\n+message\r\n$1\r\nx\r\n",
	"|1\r\n+ttl\r\n:3\r\n*1\r\n+value\r\n",
}

func TestReadValueTakesExactlyOne(t *testing.T) {
	r := bufio.NewReader(strings.NewReader(strings.Join(values, "")))
	for _, want := range values {
		var raw bytes.Buffer
		if err := readValue(&raw, r); err != nil || raw.String() != want {
			t.Fatalf("read %q, %v; want %q", raw.String(), err, want)
		}
	}
	if err := readValue(new(bytes.Buffer), r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
}

func TestReadValueRefusesTruncation(t *testing.T) {
	for _, value := range values {
		for n := 1; n < len(value); n++ {
			err := readValue(new(bytes.Buffer), bufio.NewReader(strings.NewReader(value[:n])))
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q: %v, want io.ErrUnexpectedEOF", value[:n], err)
			}
		}
	}
}

func TestReadValueRefusesNonsense(t *testing.T) {
	for _, value := range []string{
		"\r\n", "+\n", "+a\n", "GET key\r\n", "$x\r\n", "$-2\r\n", "$?\r\n", "*99999999999\r\n",
	} {
		if err := readValue(new(bytes.Buffer), bufio.NewReader(strings.NewReader(value))); err == nil {
			t.Errorf("%q was read", value)
		}
	}
}

func TestCommandName(t *testing.T) {
	for raw, want := range map[string]string{
		"*1\r\n$4\r\nping\r\n":                     "PING",
		"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n": "SET",
		"*1\r\n:4\r\n":                             "", "*0\r\n": "", "+OK\r\n": "", "$3\r\nSET\r\n": "",
	} {
		got, err := commandName([]byte(raw))
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v; want %q", raw, got, err, want)
		}
	}
}

func FuzzReadValue(f *testing.F) {
	for _, value := range values {
		f.Add([]byte(value + "+OK\r\n"))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		var raw bytes.Buffer
		err := readValue(&raw, bufio.NewReader(bytes.NewReader(stream)))
		if !bytes.HasPrefix(stream, raw.Bytes()) {
			t.Errorf("read %q from %q", raw.Bytes(), stream)
		}
		if err != nil {
			return
		}
		var again bytes.Buffer
		err = readValue(&again, bufio.NewReader(bytes.NewReader(raw.Bytes())))
		if err != nil || !bytes.Equal(again.Bytes(), raw.Bytes()) {
			t.Errorf("%q reads as %q, %v the second time", raw.Bytes(), again.Bytes(), err)
		}
		_, _ = commandName(raw.Bytes())
	})
}
