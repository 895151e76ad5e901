package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/schollz/progressbar/v3"

	"github.com/claimsmith/claimsmith/config"
)

// runExport writes all users to a file, which is there when it is complete and not before, or to standard output.
func runExport(ctx context.Context, c *config.Export, stdout, stderr io.Writer) error {
	if c.Out == "" || c.Out == config.StandardStream {
		_, err := export(ctx, c, stdout, stderr)
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(c.Out), "."+filepath.Base(c.Out)+".*") // which only its owner may read
	if err != nil {
		return err
	}
	users, err := export(ctx, c, file, stderr)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), c.Out)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return printDone(stdout, c.Output, "%d users are in %s.", users, c.Out)
}

// export returns how many users it has written.
func export(ctx context.Context, c *config.Export, w io.Writer, stderr io.Writer) (users int, err error) {
	query := url.Values{}
	if c.Secrets {
		query.Set("secrets", "true")
	}
	o := newOperator(c.API)
	r, err := o.request(ctx, http.MethodGet, "/api/user/export", query, nil)
	if err != nil {
		return 0, err
	}
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(stderr), progressbar.OptionSetVisibility(onTerminal(stderr)),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("users"),
		progressbar.OptionSetDescription("exporting"), progressbar.OptionClearOnFinish())
	out := bufio.NewWriterSize(w, 1<<16)
	each := func(line []byte) error {
		_, err := out.Write(append(line, '\n'))
		return err
	}
	finish := func() error { return nil }
	if c.Format == config.CSV {
		table, err := newCSVExport(out)
		if err != nil {
			return 0, err
		}
		defer table.close()
		each, finish = table.add, table.write
	}
	err = o.eachLine(r, func(line []byte) error {
		users++
		_ = bar.Add(1) // only its looks
		return each(line)
	})
	if err == nil {
		err = finish()
	}
	if err = errors.Join(err, bar.Finish()); err == nil {
		err = out.Flush()
	}
	if err != nil {
		return users, fmt.Errorf("not complete after %d users: %w", users, err)
	}
	return users, nil
}
