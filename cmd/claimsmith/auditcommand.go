package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/config"
)

func selection(s *config.AuditSelection) url.Values {
	query := url.Values{}
	for name, value := range map[string]string{"actor": s.Actor, "target": s.Target, "action": s.Action, "outcome": s.Outcome} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"from": s.From, "to": s.To} {
		if !at.IsZero() {
			query.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	return query
}

func runAuditList(ctx context.Context, c *config.AuditList, stdout io.Writer) error {
	items, err := newOperator(c.API).all(ctx, "/api/audit", "events", selection(&c.AuditSelection), c.Limit)
	if err != nil {
		return err
	}
	if c.Output != tableOutput {
		return printList(stdout, c.Output, "events", items)
	}
	return printTable(stdout, items, column{"SEQ", "seq"}, column{"TIME", "time"}, column{"ACTION", "action"}, column{"OUTCOME", "outcome"},
		column{"ACTOR", "actor"}, column{"TARGET", "target"}, column{"REASON", "reason"}, column{"ADDRESS", "address"})
}

func runAuditExport(ctx context.Context, c *config.AuditExport, stdout io.Writer) error {
	return newOperator(c.API).eachEvent(ctx, selection(&c.AuditSelection), func(line []byte) error {
		_, err := stdout.Write(append(line, '\n'))
		return err
	})
}

// eachEvent streams the export of the audit log.
func (o *operator) eachEvent(ctx context.Context, query url.Values, yield func(line []byte) error) error {
	r, err := o.request(ctx, http.MethodGet, "/api/audit/export", query, nil)
	if err != nil {
		return err
	}
	return o.eachLine(r, yield)
}

// errBrokenLog is a log that is not what was written.
var errBrokenLog = errors.New("the audit log is not what was written")

func runAuditVerify(ctx context.Context, c *config.AuditVerify, stdout io.Writer) error {
	o := newOperator(c.API)
	r, err := o.request(ctx, http.MethodGet, "/api/audit/verify", nil, nil)
	if err != nil {
		return err
	}
	o.client.Timeout = 0 // it reads the whole log
	a, err := o.do(r)
	if err != nil {
		return err
	}
	var v struct {
		First  uint64 `json:"first"`
		Last   uint64 `json:"last"`
		Head   string `json:"head"`
		Broken uint64 `json:"broken"`
		Why    string `json:"why"`
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		return fmt.Errorf("%w: %w", errNoClaimsmith, err)
	}
	if err := printObject(stdout, c.Output, a.body); err != nil {
		return err
	}
	if v.Broken != 0 || v.Why != "" {
		return fmt.Errorf("%w: event %d: %s", errBrokenLog, v.Broken, v.Why)
	}
	if c.Head == "" || c.Head == v.Head {
		return nil
	}
	found := errors.New("found")
	err = o.eachEvent(ctx, url.Values{}, func(line []byte) error {
		var event struct {
			Hash string `json:"hash"`
		}
		if err := json.Unmarshal(line, &event); err != nil {
			return fmt.Errorf("%w: %w", errNoClaimsmith, err)
		}
		if event.Hash == c.Head {
			return found
		}
		return nil
	})
	switch {
	case errors.Is(err, found):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: no event has the hash %s; those between %d and %d are all there are", errBrokenLog, c.Head, v.First, v.Last)
}
