package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/schollz/progressbar/v3"

	"github.com/claimsmith/claimsmith/config"
)

// A batch is sent in one request, and kept until all of it is answered.
const (
	batchRows  = 1000
	batchBytes = 4 << 20
	// batchAttempts is how often what has no answer is sent again without any getting one.
	batchAttempts = 8
)

// runImport creates the users of a file.
func runImport(ctx context.Context, c *config.Import, stdin io.Reader, stdout, stderr io.Writer) error {
	return newImporter(c, stderr).run(ctx, stdin, stdout)
}

func newImporter(c *config.Import, stderr io.Writer) *importer {
	return &importer{
		Import: c, operator: newOperator(c.API), stderr: stderr, rows: batchRows, pause: wait,
		passed: map[string]int{}, leftOut: map[string]int{},
	}
}

func (i *importer) run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	in, size, err := i.open(stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	if i.input, err = openInput(in, i.Import, i.state.inputPosition); err != nil {
		return err
	}
	defer i.input.close()
	path := i.Rejects
	if i.DryRun {
		path = ""
	}
	if i.rejects, err = openRejects(path, i.state.Rejects, i.input.head()); err != nil {
		return err
	}
	i.bar = newBar(i.stderr, size, i.state.Offset)
	err = errors.Join(i.all(ctx), i.bar.Finish(), i.rejects.close())
	if err == nil && i.keeps() {
		if err = os.Remove(i.Progress()); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	return i.report(stdout, err)
}

// importer is an import under way.
type importer struct {
	*config.Import
	operator *operator
	input    importInput
	state    importState
	rejects  *rejects
	reasons  reasons
	passed   map[string]int // by what they are
	leftOut  map[string]int // users by what they have
	bar      *progressbar.ProgressBar
	stderr   io.Writer
	rows     int // of a batch
	pause    func(context.Context, time.Duration) error
}

// keeps reports whether there is a file that says how far the import has come.
func (i *importer) keeps() bool { return !i.DryRun && i.Progress() != "" }

// open opens the input and finds out where to begin.
func (i *importer) open(stdin io.Reader) (in io.ReadCloser, size int64, err error) {
	i.state = importState{URL: i.URL, Org: i.Org, Format: i.Format}
	if i.state.Settings, err = settings(i.Import); err != nil {
		return nil, 0, err
	}
	if i.File == config.StandardStream {
		return io.NopCloser(stdin), -1, nil
	}
	file, err := os.Open(i.File)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no file; to read it once, give it to standard input", i.File)
	}
	if err == nil {
		i.state.Size, i.state.Modified = info.Size(), info.ModTime().UTC()
		if i.keeps() {
			i.state, err = resume(i.Progress(), i.state)
		}
	}
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func newBar(w io.Writer, size, from int64) *progressbar.ProgressBar {
	bar := progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w), progressbar.OptionSetVisibility(onTerminal(w)), progressbar.OptionShowBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetDescription("importing"), progressbar.OptionClearOnFinish())
	_ = bar.Set64(from) // only its looks
	return bar
}

// all sends the input batch by batch.
func (i *importer) all(ctx context.Context) error {
	for {
		batch, end, err := i.batch()
		if err != nil {
			return err
		}
		if err := i.send(ctx, batch); err != nil {
			return err
		}
		i.state.inputPosition = i.input.position()
		i.state.Rejects = i.rejects.size
		_ = i.bar.Set64(i.state.Offset) // only its looks
		if i.keeps() && len(batch) > 0 {
			if err := i.state.save(i.Progress()); err != nil {
				return err
			}
		}
		if end {
			return nil
		}
	}
}

func (i *importer) batch() (rows []importRow, end bool, err error) {
	for size := 0; len(rows) < i.rows && size < batchBytes; {
		row, err := i.input.next()
		if errors.Is(err, io.EOF) {
			return rows, true, nil
		}
		if err != nil {
			return nil, false, fmt.Errorf("after line %d: %w", i.input.position().Line, err)
		}
		if row.passed != "" {
			i.state.Passed++
			count(i.passed, row.passed, 1)
			continue
		}
		rows = append(rows, row)
		size += len(row.line)
	}
	return rows, false, nil
}

// lineAnswer is what the server says of a line.
type lineAnswer struct {
	Line   int    `json:"line"`
	Status int    `json:"status"`
	ID     string `json:"id"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Field  string `json:"field"`
	Done   bool   `json:"done"`
}

// send has every row of a batch answered. What the outcome of is not known is sent again, which is safe.
func (i *importer) send(ctx context.Context, batch []importRow) error {
	answers := make([]lineAnswer, len(batch))
	var open []int
	for n, row := range batch {
		if row.refused != nil {
			answers[n] = lineAnswer{Status: http.StatusBadRequest, Code: "invalid_" + i.Format, Detail: row.refused.Error()}
		} else {
			open = append(open, n)
		}
	}
	for failures := 0; len(open) > 0; {
		before := len(open)
		err := i.post(ctx, batch, open, answers)
		var rest []int
		for _, n := range open {
			if s := answers[n].Status; s == 0 || exitOf(s) == exitUnavailable {
				rest = append(rest, n)
			}
		}
		if open = rest; len(open) == 0 {
			break
		}
		if err != nil && !worthRepeating(ctx, err) {
			return err
		}
		if failures++; len(open) < before {
			failures = 0
		}
		if failures == batchAttempts {
			text := fmt.Sprintf("line %d could not be imported at the moment", batch[open[0]].number)
			if err == nil {
				err = errors.New(answers[open[0]].Detail)
			}
			return &refusedAnswer{exitUnavailable, text + ": " + err.Error() + i.again()}
		}
		if err := i.pause(ctx, min(250*time.Millisecond<<failures, 10*time.Second)); err != nil {
			return err
		}
	}
	for n, a := range answers {
		if a.Status == http.StatusOK {
			i.state.Imported++
			for _, what := range batch[n].leftOut {
				count(i.leftOut, what, 1)
			}
			continue
		}
		i.state.Refused++
		i.reasons.add(batch[n].number, a)
		if err := i.rejects.add(batch[n].raw); err != nil {
			return err
		}
	}
	return nil
}

// again is how to go on.
func (i *importer) again() string {
	if i.keeps() {
		return "; the same command goes on where this one stopped"
	}
	return ""
}

// worthRepeating reports whether the same request could succeed later.
func worthRepeating(ctx context.Context, err error) bool {
	var cut *cutOff
	return ctx.Err() == nil && (exitCode(err) == exitUnavailable || errors.As(err, &cut))
}

// post sends the open rows of a batch, and notes their answers as far as there are any.
func (i *importer) post(ctx context.Context, batch []importRow, open []int, answers []lineAnswer) error {
	var body bytes.Buffer
	for _, n := range open {
		body.Write(batch[n].line)
		body.WriteByte('\n')
	}
	query := url.Values{}
	if i.DryRun {
		query.Set("dry_run", "true")
	}
	r, err := i.operator.request(ctx, http.MethodPost, "/api/user/import", query, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Body, r.ContentLength = io.NopCloser(&body), int64(body.Len())
	return i.operator.eachLine(r, func(line []byte) error {
		var a lineAnswer
		if err := json.Unmarshal(line, &a); err != nil || !a.Done && (a.Line < 1 || a.Line > len(open)) {
			return errNoClaimsmith
		}
		if !a.Done {
			answers[open[a.Line-1]] = a
		}
		return nil
	})
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
