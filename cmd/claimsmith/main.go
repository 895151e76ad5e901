// Command claimsmith issues tokens that carry what operators store about users. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program with its surroundings as inputs. It returns the exit code.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 1 && args[0] == "__complete" {
		complete(args[1:], lookup, stdout)
		return exitDone
	}
	command, err := config.Parse(args, lookup, stdout)
	if errors.Is(err, config.ErrHelp) {
		return exitDone
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if _, decided := lookup("GOGC"); !decided {
		// What lives long is a few megabytes, so collecting at every doubling would cost a tenth of the time to save little.
		debug.SetGCPercent(400)
	}
	switch c := command.(type) {
	case *config.Dev:
		err = runDev(ctx, c, stdout, newLogger(c.Log, stderr))
	case *config.Serve:
		err = runServe(ctx, c, newLogger(c.Log, stderr))
	case *config.Bootstrap:
		err = runBootstrap(ctx, c, stdout, newLogger(c.Log, stderr))
	case *config.KeysList:
		err = runKeysList(ctx, c, stdout)
	case *config.KeysRotate:
		err = runKeysRotate(ctx, c, stdout, newLogger(c.Log, stderr))
	case *config.KeysWithdraw:
		err = runKeysWithdraw(ctx, c, stdout, newLogger(c.Log, stderr))
	case *config.Health:
		err = runHealth(ctx, c)
	default:
		err = runOperating(ctx, command, stdin, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, "claimsmith:", err)
	}
	if _, ok := command.(*config.Health); ok && err != nil {
		return exitFailed // what a container's health check may say
	}
	return exitCode(err)
}

func newLogger(c config.Log, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	log := slog.New(slog.NewTextHandler(w, options))
	if c.Format == "json" {
		log = slog.New(slog.NewJSONHandler(w, options))
	}
	redis.SetLogger(clientLog{log})
	return log
}

// clientLog takes what the Redis client has to say about its connections. Failures that matter come back as errors as well.
type clientLog struct{ log *slog.Logger }

func (c clientLog) Printf(ctx context.Context, format string, v ...any) {
	c.log.DebugContext(ctx, "redis client", "says", fmt.Sprintf(format, v...))
}
