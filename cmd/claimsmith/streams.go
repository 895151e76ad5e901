package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// streamTimeout is how long a stream may stand still.
const streamTimeout = time.Minute

var errStandstill = fmt.Errorf("nothing came or went for %s", streamTimeout)

// eachLine makes a request that may take as long as it gets on, and calls yield with every line of the answer, without its end.
func (o *operator) eachLine(r *http.Request, yield func(line []byte) error) error {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	watch := time.AfterFunc(streamTimeout, func() { cancel(errStandstill) })
	defer watch.Stop()
	r = r.WithContext(ctx)
	if r.Body != nil {
		r.Body = struct {
			io.Reader
			io.Closer
		}{watchedReader{r.Body, watch}, r.Body}
	}
	client := *o.client
	client.Timeout = 0
	response, err := client.Do(r)
	if err != nil {
		return whyCut(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		return errors.Join(refusal(response, text), err)
	}
	lines := bufio.NewScanner(watchedReader{response.Body, watch})
	lines.Buffer(nil, maxAnswer)
	lines.Split(wholeLines)
	for lines.Scan() {
		if err := yield(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return whyCut(ctx, &cutOff{err})
	}
	return nil
}

// wholeLines is bufio.ScanLines, but for a last line without an end: that is one that was cut off.
func wholeLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		return end + 1, data[:end], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}

func whyCut(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStandstill) {
		return &cutOff{errStandstill}
	}
	return err
}

// cutOff is an answer that has no end.
type cutOff struct{ error }

func (c *cutOff) Unwrap() error { return c.error }

// watchedReader tells a watch of everything that is read.
type watchedReader struct {
	io.Reader
	watch *time.Timer
}

func (w watchedReader) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	w.watch.Reset(streamTimeout)
	return n, err
}

// onTerminal reports whether somebody watches what is written.
func onTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
